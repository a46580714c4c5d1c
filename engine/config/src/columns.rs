//! The columns of event tables: as definitions list them, and as events of a sample have them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use usher_engine::definition::{Definition, EventTable};
use usher_engine::limits::COLUMNS_MAX;

use crate::limits::COLUMN_DEPTH_MAX;

/// A sample of real events, for checks that need them.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    tables: BTreeMap<EventTable, BTreeSet<String>>,
}

impl Sample {
    /// Adds one event in the format of `usher simulate`: `{"database": "web", "table": "pageviews", "event": {…}}`.
    ///
    /// # Errors
    ///
    /// The problem with the line, in one sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut sample = usher_config::Sample::default();
    /// sample.add(r#"{"database": "web", "table": "pages", "event": {"visitor": "anna"}}"#)?;
    /// assert_eq!(sample.add("{}").unwrap_err(), "an event needs a `database`");
    /// # Ok::<(), String>(())
    /// ```
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("this is no JSON: {error}"))?;
        let text = |key: &str| {
            let text = value[key].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| format!("an event needs a `{key}`"))
        };
        let table = EventTable { database: text("database")?, table: text("table")? };
        if !value["event"].is_object() {
            return Err("an event needs an `event`, an object of its columns".to_owned());
        }
        columns_of(&value["event"], "", 0, self.tables.entry(table).or_default());
        Ok(())
    }
}

/// The columns of an object by their paths; nested ones have a dot.
fn columns_of(value: &Value, prefix: &str, depth: usize, out: &mut BTreeSet<String>) {
    let Value::Object(fields) = value else { return };
    for (key, inner) in fields {
        if out.len() >= COLUMNS_MAX || depth >= COLUMN_DEPTH_MAX {
            return;
        }
        let path = format!("{prefix}{key}");
        columns_of(inner, &format!("{path}."), depth + 1, out);
        out.insert(path);
    }
}

/// The known columns of every table of a definition.
pub(crate) struct Columns<'a> {
    tables: BTreeMap<&'a EventTable, Known<'a>>,
}

/// The known columns of one table.
#[derive(Default)]
pub(crate) struct Known<'a> {
    /// True if a definition lists its columns, so that any other is an error.
    pub(crate) listed: bool,
    names: BTreeSet<&'a str>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(definition: &'a Definition, sample: &'a Sample) -> Columns<'a> {
        let mut tables: BTreeMap<&EventTable, Known<'_>> = BTreeMap::new();
        for table in &definition.tables {
            tables.entry(table).or_default();
        }
        for key_event in &definition.key_events {
            let known = tables.entry(&key_event.table).or_default();
            known.listed |= !key_event.columns.is_empty();
            known.names.extend(key_event.columns.iter().map(String::as_str));
        }
        for (table, known) in &mut tables {
            known.names.extend(sample.tables.get(*table).into_iter().flatten().map(String::as_str));
        }
        Columns { tables }
    }

    /// The known columns of a table, if any.
    pub(crate) fn known(&self, table: &EventTable) -> Option<&Known<'a>> {
        self.tables.get(table).filter(|known| !known.names.is_empty())
    }

    /// Tables without known columns.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &'a EventTable> {
        let unknown = self.tables.iter().filter(|(_, known)| known.names.is_empty()).map(|(table, _)| *table);
        // A table without a name is reported separately.
        unknown.filter(|table| !table.database.is_empty() && !table.table.is_empty())
    }
}

impl<'a> Known<'a> {
    /// True if the table has a column, or one that contains it.
    pub(crate) fn has(&self, column: &str) -> bool {
        // The column `time` is the event's time, which every event has.
        let holds = |at: usize| column.get(..at).is_some_and(|outer| self.names.contains(outer));
        column == "time"
            || self.names.contains(column)
            || column.match_indices(['.', '[']).any(|(at, _)| holds(at))
    }

    /// True if the table has a column of exactly this name.
    pub(crate) fn lists(&self, column: &str) -> bool {
        self.names.contains(column)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_columns_and_their_paths() {
        let mut sample = Sample::default();
        sample.add(r#"{"database":"web","table":"pages","event":{"a":1,"b":{"c":{"d":2}}}}"#).unwrap();
        sample.add(r#"{"database":"web","table":"pages","event":{"e":null}}"#).unwrap();
        for (line, reason) in [
            ("{", "this is no JSON"),
            (r#"{"table":"t","event":{}}"#, "`database`"),
            (r#"{"database":"d","table":"","event":{}}"#, "`table`"),
            (r#"{"database":"d","table":"t","event":[]}"#, "`event`"),
        ] {
            assert!(sample.add(line).unwrap_err().contains(reason), "{line}");
        }
        let table = EventTable { database: "web".to_owned(), table: "pages".to_owned() };
        let definition = Definition { tables: vec![table.clone()], ..Definition::default() };
        let columns = Columns::of(&definition, &sample);
        let known = columns.known(&table).unwrap();
        assert_eq!(known.names().collect::<Vec<_>>(), ["a", "b", "b.c", "b.c.d", "e"]);
        for (column, has) in
            [("a", true), ("b.c.d", true), ("e.f", true), ("b[].x", true), ("f", false), ("time", true)]
        {
            assert_eq!(known.has(column), has, "{column}");
        }
        assert_eq!(columns.unknown().count(), 0);
    }
}
