//! The columns of event tables, as events brought them: names, types, how many events have them, and how much their values differ.
//! No value is kept.
//!
//! It is memory of one process, and bounded. The first [`TABLE_EVENTS_WHOLE`] events of a table are read, and then those of each
//! [`ONE_REQUEST_OF`]th request, so that an event costs hardly more with it than without.

mod distinct;

use usher_engine::definition::{AttributeKind, Definition, EventTable, Increment};
use usher_engine::value::{Number, Value};

use crate::limits::{
    COLUMN_NAME_BYTES_MAX, DISCOVERED_COLUMNS_MAX, DISCOVERED_DEPTH_MAX, DISCOVERED_TABLES_MAX,
};
#[cfg(feature = "control-plane")]
use crate::limits::{ONE_REQUEST_OF, TABLE_EVENTS_WHOLE};
use crate::wire::read;
use distinct::Distinct;

/// Statistics of the tables that events came for.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    tables: Vec<Discovered>,
    #[cfg(feature = "control-plane")]
    requests: u64,
    #[cfg(feature = "control-plane")]
    batches: u64,
}

/// Statistics of one table.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Its database.
    pub database: String,
    /// Its name there.
    pub table: String,
    /// The events that were read.
    pub events: u64,
    /// In the order in which they came.
    pub columns: Vec<Column>,
    /// True if there were more columns than are kept.
    pub has_more: bool,
}

/// Statistics of a column.
#[derive(Clone, Debug)]
pub struct Column {
    /// As an attribute names it: `context.page.path`, `products[].sku`.
    pub name: String,
    /// The events that had a value in it, null excepted.
    pub events: u64,
    /// The values in them: several where it is a column of objects in arrays.
    values: u64,
    types: u8,
    distinct: Distinct,
}

/// The types of values, each with its bit, from the narrowest.
const TYPES: [(u8, &str); 6] =
    [(1, "boolean"), (2, "long"), (4, "double"), (8, "string"), (16, "array"), (32, "object")];

impl Column {
    /// The names of the types that were seen.
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        TYPES.iter().filter(|(bit, _)| self.types & bit != 0).map(|(_, name)| *name)
    }

    /// The type that all its values have: `string` where they have no other one in common.
    pub fn data_type(&self) -> &'static str {
        let mut types = self.types();
        match (types.next(), types.next(), types.next()) {
            (Some(only), None, None) => only,
            (Some("long"), Some("double"), None) => "double",
            _ => "string",
        }
    }

    /// The share of different values among all, from 0 to 1.
    pub fn distinct(&self) -> f64 {
        let values = u32::try_from(self.values).unwrap_or(u32::MAX);
        if values == 0 { 0.0 } else { (self.distinct.count().round() / f64::from(values)).min(1.0) }
    }

    /// The share of the table's events that have it, from 0 to 1.
    pub fn share(&self, table: &Discovered) -> f64 {
        let of = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if table.events == 0 { 0.0 } else { of(self.events) / of(table.events) }
    }
}

impl Discovery {
    /// The tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Discovered> {
        let mut tables: Vec<&Discovered> = self.tables.iter().collect();
        tables.sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
        tables.into_iter()
    }

    /// Reads one event, a JSON object. False if it is none, or there are too many tables.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_edge::discovery::Discovery;
    ///
    /// let mut discovery = Discovery::default();
    /// assert!(discovery.event("web", "pages", br#"{"path": "/", "price": 3.5}"#));
    /// assert!(!discovery.event("web", "pages", b"no object"));
    /// let table = discovery.tables().next().unwrap();
    /// assert_eq!(table.columns[1].data_type(), "double");
    /// ```
    pub fn event(&mut self, database: &str, table: &str, event: &[u8]) -> bool {
        read::event(event).is_ok_and(|row| self.row(database, table, &row.columns))
    }

    /// True if a batch is one to read, of which only reading it tells the tables.
    #[cfg(feature = "control-plane")]
    pub(crate) fn wants_batch(&mut self) -> bool {
        self.batches = self.batches.wrapping_add(1);
        self.batches <= TABLE_EVENTS_WHOLE || self.batches.is_multiple_of(ONE_REQUEST_OF)
    }

    /// True if a request for a table is one to read. The module for visitors keeps no statistics.
    #[cfg(feature = "control-plane")]
    pub(crate) fn wants(&mut self, database: &str, table: &str) -> bool {
        self.requests = self.requests.wrapping_add(1);
        let known = self.tables.iter().find(|known| known.database == database && known.table == table);
        match known {
            Some(known) => known.events < TABLE_EVENTS_WHOLE || self.requests.is_multiple_of(ONE_REQUEST_OF),
            None => self.tables.len() < DISCOVERED_TABLES_MAX,
        }
    }

    /// Notes the columns of one event. False if there are too many tables.
    pub(crate) fn row(&mut self, database: &str, table: &str, columns: &[(String, Value)]) -> bool {
        let place = self.tables.iter().position(|known| known.database == database && known.table == table);
        if place.is_none() {
            if self.tables.len() >= DISCOVERED_TABLES_MAX {
                return false;
            }
            let (database, table) = (database.to_owned(), table.to_owned());
            self.tables.push(Discovered { database, table, events: 0, columns: Vec::new(), has_more: false });
        }
        let place = place.unwrap_or(self.tables.len().saturating_sub(1));
        let Some(known) = self.tables.get_mut(place) else { return false };
        known.events = known.events.saturating_add(1);
        // Of two columns of one name the later counts, as elsewhere; here both are seen.
        known.fields(columns, "", 0);
        true
    }
}

impl Discovered {
    fn fields(&mut self, fields: &[(String, Value)], prefix: &str, depth: usize) {
        for (name, value) in fields {
            if !is_name(name) || *value == Value::Null {
                continue;
            }
            let name = format!("{prefix}{name}");
            match value {
                Value::Object(inner) if depth < DISCOVERED_DEPTH_MAX && !inner.is_empty() => {
                    self.fields(inner, &format!("{name}."), depth.saturating_add(1));
                }
                Value::List(items) if items.iter().any(|item| item.as_object().is_some()) => {
                    self.objects(items, &name);
                }
                value => self.value(&name, value, true),
            }
        }
    }

    /// The columns of objects in an array.
    fn objects(&mut self, items: &[Value], name: &str) {
        let mut seen: Vec<&str> = Vec::new();
        for (column, value) in items.iter().filter_map(Value::as_object).flatten() {
            let is_plain = !matches!(value, Value::Null | Value::List(_) | Value::Object(_));
            if is_plain && is_name(column) {
                let is_first = !seen.contains(&column.as_str());
                if is_first {
                    seen.push(column);
                }
                self.value(&format!("{name}[].{column}"), value, is_first);
            }
        }
    }

    fn value(&mut self, name: &str, value: &Value, is_first: bool) {
        let place = self.columns.iter().position(|column| column.name == name);
        if place.is_none() {
            if self.columns.len() >= DISCOVERED_COLUMNS_MAX || name.len() > COLUMN_NAME_BYTES_MAX {
                self.has_more = true;
                return;
            }
            let (name, distinct) = (name.to_owned(), Distinct::default());
            self.columns.push(Column { name, events: 0, values: 0, types: 0, distinct });
        }
        let place = place.unwrap_or(self.columns.len().saturating_sub(1));
        let Some(column) = self.columns.get_mut(place) else { return };
        column.events = column.events.saturating_add(u64::from(is_first));
        column.values = column.values.saturating_add(1);
        match value {
            Value::Null => {}
            Value::Boolean(value) => column.note(1, &[u8::from(*value)]),
            Value::Number(Number::Integer(value)) => column.note(2, &value.to_le_bytes()),
            Value::Number(Number::Float(value)) => column.note(4, &value.to_bits().to_le_bytes()),
            Value::String(text) => column.note(8, text.as_bytes()),
            Value::List(items) => column.note(16, &[u8::try_from(items.len()).unwrap_or(u8::MAX)]),
            Value::Object(_) => column.note(32, &[]),
        }
    }
}

impl Column {
    fn note(&mut self, types: u8, value: &[u8]) {
        self.types |= types;
        self.distinct.add(value);
    }
}

/// True for names of columns. Others may be values that a page made names of, such as addresses.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '$'));
    let is_part = |part: char| part.is_ascii_alphanumeric() || matches!(part, '_' | '$' | '-');
    // A number of so many digits is one of a person, a card or an order.
    let is_long_number = name.split(|part: char| !part.is_ascii_digit()).any(|digits| digits.len() > 5);
    begins && !is_long_number && name.chars().all(is_part)
}

/// The columns of a table that a definition reads, each with its type.
pub(crate) fn known_columns(definition: &Definition, table: &EventTable) -> Vec<(String, &'static str)> {
    let mut known: Vec<(String, &'static str)> = Vec::new();
    let mut note = |name: &str, data_type: &'static str| {
        if !known.iter().any(|(other, _)| other == name) {
            known.push((name.to_owned(), data_type));
        }
    };
    let events = || definition.key_events.iter().filter(|event| event.table == *table);
    let reads = |name: &str| events().any(|event| event.name == name);
    for attribute in &definition.attributes {
        match &attribute.kind {
            AttributeKind::Single { key_event, column, data_type, .. } if reads(key_event) => {
                note(column, data_type.map_or("string", usher_engine::value::DataType::as_str));
            }
            AttributeKind::List { key_event, column, parts, .. } if reads(key_event) => {
                column.iter().for_each(|column| note(column, "string"));
                parts.iter().for_each(|part| note(&part.column, "string"));
            }
            AttributeKind::Counter { key_event, increment: Increment::Column(column), .. }
                if reads(key_event) =>
            {
                note(column, "number");
            }
            _ => {}
        }
    }
    definition.identity.keys.iter().for_each(|key| note(&key.name, "string"));
    events().flat_map(|event| &event.columns).for_each(|column| note(column, "string"));
    note("time", "timestamp");
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[&str]) -> Discovery {
        let mut discovery = Discovery::default();
        for event in events {
            assert!(discovery.event("web", "pages", event.as_bytes()), "{event}");
        }
        discovery
    }

    #[test]
    fn columns_have_types_and_shares() {
        let discovery = of(&[
            r#"{"a": 1, "b": "x", "c": null, "page": {"path": "/", "deep": {"e": true}}}"#,
            r#"{"a": 1.5, "b": "y", "items": [{"sku": "s", "n": 1}, {"sku": "s"}], "tags": ["t"]}"#,
            r#"{"a": "2", "b": "y"}"#,
            r#"{"b": "x"}"#,
        ]);
        let table = discovery.tables().next().unwrap();
        let shown: Vec<String> = table
            .columns
            .iter()
            .map(|it| format!("{} {} {:.2} {:.2}", it.name, it.data_type(), it.share(table), it.distinct()))
            .collect();
        assert_eq!(
            shown,
            [
                "a string 0.75 1.00",
                "b string 1.00 0.50",
                "page.path string 0.25 1.00",
                "page.deep.e boolean 0.25 1.00",
                "items[].sku string 0.25 0.50",
                "items[].n long 0.25 1.00",
                "tags array 0.25 1.00",
            ]
        );
        assert_eq!(table.columns[0].types().collect::<Vec<_>>(), ["long", "double", "string"]);
    }

    #[test]
    fn names_that_may_be_values_are_not_kept() {
        let discovery = of(&[
            r#"{"anna@example.com": 1, "4917012345": 2, "order_4917012345": 3, "Anna Smith": 4, "ok_1": 5}"#,
        ]);
        let names: Vec<&str> = discovery.tables[0].columns.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["ok_1"]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut discovery = Discovery::default();
        let wide: Vec<String> = (0..250).map(|it| format!(r#""c{it}":{it}"#)).collect();
        let wide = format!("{{{}}}", wide.join(","));
        for table in 0..DISCOVERED_TABLES_MAX + 10 {
            discovery.event("web", &format!("t{table}"), wide.as_bytes());
        }
        assert_eq!(discovery.tables.len(), DISCOVERED_TABLES_MAX);
        assert!(!discovery.wants("web", "one_more"));
        assert!(discovery.tables.iter().all(|it| it.columns.len() == DISCOVERED_COLUMNS_MAX && it.has_more));
    }

    #[test]
    fn a_known_table_is_read_now_and_then() {
        let mut discovery = Discovery::default();
        let mut read = 0;
        for _ in 0..TABLE_EVENTS_WHOLE + 100 * ONE_REQUEST_OF {
            if discovery.wants("web", "pages") {
                read += u64::from(discovery.event("web", "pages", b"{}"));
            }
        }
        assert!((TABLE_EVENTS_WHOLE + 99..=TABLE_EVENTS_WHOLE + 101).contains(&read), "{read}");
    }
    #[test]
    fn batches_are_read_now_and_then() {
        let mut discovery = Discovery::default();
        let read = (0..TABLE_EVENTS_WHOLE * 65).filter(|_| discovery.wants_batch()).count();
        assert_eq!(u64::try_from(read), Ok(TABLE_EVENTS_WHOLE * 2));
    }
}
