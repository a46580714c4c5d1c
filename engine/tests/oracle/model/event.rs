//! Events: their ids, times and columns, and which of them a filter lets through.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::syntax::{Comparison, Expr, Test};
use usher_engine::value::{DataType, Number, Value};

use super::Resolved;
use super::value::{instant_ms, number, order, same};

/// Decides an event's id and time. `own` is the column that the definition names for ids; no case has a key of such a name.
pub fn resolve(
    own: Option<&str>,
    table: &str,
    columns: &[(String, Value)],
    arrival_ms: i64,
    minted_id: &str,
) -> Resolved {
    let sent = |name: &str| columns.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    // The first that is a non-empty string or an integer.
    let named = own.into_iter().chain(["uuid", "event_id", "messageId"]).find_map(|name| match sent(name) {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(Number::Integer(id))) => Some(id.to_string()),
        _ => None,
    });
    // The first that can be read; the future becomes arrival, and so does what lies before 2000.
    let time_ms = ["time", "timestamp"].iter().find_map(|name| instant_ms(sent(name)?));
    let time_ms = time_ms.filter(|time_ms| *time_ms >= 946_684_800_000);
    Resolved {
        table: table.into(),
        minted: named.is_none(),
        id: named.unwrap_or_else(|| minted_id.into()),
        time_ms: time_ms.unwrap_or(arrival_ms).min(arrival_ms),
        columns: columns.to_vec(),
    }
}

impl Resolved {
    /// A column: `time` is the resolved time in Unix seconds; a literal name wins over a path; null is missing.
    pub fn column(&self, name: &str) -> Option<Value> {
        if name == "time" {
            return Some(Value::from(self.time_ms.div_euclid(1_000)));
        }
        let top = |name: &str| self.columns.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let value = match top(name) {
            Some(value) if *value != Value::Null => Some(value),
            // Cases nest one level deep.
            _ => name.split_once('.').and_then(|(head, rest)| top(head)?.get(rest)),
        };
        value.filter(|value| **value != Value::Null).cloned()
    }

    /// True if it is an event of this key event and passes the attribute's own filter: only *true* passes.
    pub fn feeds(&self, definition: &Definition, key_event: &str, own: Option<&Expr>) -> bool {
        let key_event = definition.key_events.iter().find(|known| known.name == key_event).expect("known");
        let passes =
            |filter: Option<&Expr>| filter.is_none_or(|filter| self.truth(definition, filter) == Some(true));
        key_event.table.table == self.table && passes(key_event.filter.as_ref()) && passes(own)
    }

    /// None is unknown.
    fn truth(&self, definition: &Definition, filter: &Expr) -> Option<bool> {
        match filter {
            Expr::Constant(truth) => Some(*truth),
            Expr::And(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| self.truth(definition, part)).collect();
                if truths.contains(&Some(false)) {
                    Some(false)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Expr::Or(parts) => {
                let not = |part: &Expr| Expr::Not(Box::new(part.clone()));
                let none = Expr::And(parts.iter().map(not).collect());
                self.truth(definition, &none).map(|truth| !truth)
            }
            Expr::Not(part) => self.truth(definition, part).map(|truth| !truth),
            Expr::Segment(_) => panic!("a filter has no segments"),
            Expr::Computed(_) => panic!("no case has expressions"),
            Expr::Test { name, test, negated } => {
                let column = name.0.strip_prefix("event.").expect("a column");
                self.asked(definition, column, test).map(|truth| truth != *negated)
            }
        }
    }

    fn asked(&self, definition: &Definition, column: &str, test: &Test) -> Option<bool> {
        let declared = column_type(definition, &self.table, column);
        let fitted = |value: &Value| match (declared, value) {
            (_, Value::List(_)) => None,
            (None, value) => super::value::admit(None, value),
            (Some(DataType::Number), value) => number(value).map(Value::Number),
            (Some(DataType::String), value) => Some(value.clone()).filter(|value| value.as_str().is_some()),
            (Some(DataType::Boolean), value) => {
                Some(value.clone()).filter(|value| matches!(value, Value::Boolean(_)))
            }
            (Some(other), _) => panic!("no case has columns of type {other:?}"),
        };
        let values: Vec<Option<Value>> = match column.split_once("[].") {
            // A value that an object lacks, or has of another type, is missing in its place.
            Some((array, inner)) => match self.column(array) {
                Some(Value::List(items)) => {
                    let objects = items.iter().filter(|item| matches!(item, Value::Object(_)));
                    objects.map(|object| fitted(object.get(inner)?)).collect()
                }
                _ => Vec::new(),
            },
            None => match self.column(column) {
                // Reading: the items of an array of texts, or of numbers, are fitted one by one; any other array is missing.
                Some(Value::List(items)) if declared.is_some() => {
                    let texts = items.iter().all(|item| item.as_str().is_some());
                    let numbers = items.iter().all(|item| item.as_number().is_some());
                    let one_by_one = (texts || numbers) && declared != Some(DataType::Boolean);
                    items.iter().filter(|_| one_by_one).map(fitted).collect()
                }
                Some(Value::List(items)) => vec![(!items.is_empty()).then_some(Value::Null)],
                value => value.iter().map(fitted).collect(),
            },
        };
        if *test == Test::Null {
            return Some(values.is_empty() || values.contains(&None));
        }
        // It holds when it holds for one, and is unknown where one that is missing could.
        let mut answer = if values.is_empty() { None } else { Some(false) };
        for value in &values {
            match value.as_ref().map(|value| is_so(value, test)) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => answer = None,
            }
        }
        answer
    }
}

/// A test of one value.
fn is_so(value: &Value, test: &Test) -> bool {
    match test {
        Test::Equal(wanted) => same(value, wanted),
        Test::In(wanted) => wanted.iter().any(|wanted| same(value, wanted)),
        Test::Order(comparison, wanted) => {
            let (value, wanted) = (number(value).expect("a number"), number(wanted).expect("a number"));
            let ordering = order(value, wanted);
            match comparison {
                Comparison::Less => ordering.is_lt(),
                Comparison::LessEqual => ordering.is_le(),
                Comparison::Greater => ordering.is_gt(),
                Comparison::GreaterEqual => ordering.is_ge(),
                other => panic!("no case compares by {other:?}"),
            }
        }
        other => panic!("no case asks {other:?}"),
    }
}

/// A column's type is what the filters that name it agree on, of all filters on its table.
fn column_type(definition: &Definition, table: &str, column: &str) -> Option<DataType> {
    fn uses(filter: &Expr, column: &str) -> Option<DataType> {
        match filter {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(|part| uses(part, column)),
            Expr::Not(part) => uses(part, column),
            Expr::Test { name, test, .. } if name.0.strip_prefix("event.") == Some(column) => match test {
                Test::Equal(Value::String(_)) | Test::In(_) => Some(DataType::String),
                Test::Equal(Value::Number(_)) | Test::Order(..) => Some(DataType::Number),
                Test::Equal(Value::Boolean(_)) => Some(DataType::Boolean),
                _ => None,
            },
            _ => None,
        }
    }
    let on_table = |key_event: &str| {
        definition.key_events.iter().any(|known| known.name == key_event && known.table.table == table)
    };
    let of_key_events = definition.key_events.iter().map(|known| (known.name.as_str(), &known.filter));
    let of_attributes = definition.attributes.iter().flat_map(|attribute| match &attribute.kind {
        AttributeKind::Single { key_event, filter, .. }
        | AttributeKind::Counter { key_event, filter, .. } => {
            vec![(key_event.as_str(), filter)]
        }
        AttributeKind::List { key_event, filter, actions, .. } => {
            let of_actions = actions.iter().map(|action| (action.key_event.as_str(), &action.filter));
            std::iter::once((key_event.as_str(), filter)).chain(of_actions).collect()
        }
        AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => Vec::new(),
    });
    of_key_events
        .chain(of_attributes)
        .filter(|(key_event, _)| on_table(key_event))
        .find_map(|(_, filter)| uses(filter.as_ref()?, column))
}
