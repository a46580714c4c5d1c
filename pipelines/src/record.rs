//! Records as they come, and the text by which they are joined.

use std::borrow::Cow;

use usher_engine::value::{Number, Value};

use crate::limits::KEY_BYTES_MAX;

/// One record of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The partition that it is from; one file is one partition.
    pub partition: u32,
    /// Its offset there; in a file its line, counted from 1.
    pub offset: u64,
    /// Its own timestamp in Unix milliseconds; of a line the start of the run.
    pub arrival_ms: i64,
    /// The key of its message; a line has none.
    pub key: Option<Vec<u8>>,
    /// Its columns in the order in which they were written.
    pub columns: Vec<(String, Value)>,
}

/// The column that marks a line as the end of a row, when it is true.
pub const DELETED: &str = "_deleted";

/// True for columns that delete the row of their join column.
pub(crate) fn is_tombstone(columns: &[(String, Value)]) -> bool {
    find(columns, DELETED) == Some(&Value::Boolean(true))
}

/// A column by its literal name or, with dots, by its path; null is missing.
pub(crate) fn find<'a>(columns: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    let top = |name: &str| columns.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.present());
    if let Some(value) = top(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let mut value = top(parts.next()?)?;
    let mut deeper = false;
    for part in parts {
        value = value.get(part)?;
        deeper = true;
    }
    deeper.then_some(value)
}

/// The text by which a value meets others in a join, the same that `HASH` hashes. None: it meets nothing.
pub(crate) fn key_text(value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Number(number) => Cow::Owned(number_text(*number)),
        Value::List(_) | Value::Object(_) => Cow::Owned(serde_json::to_string(value).ok()?),
    };
    (text.len() <= KEY_BYTES_MAX).then_some(text)
}

/// `5` for 5 and 5.0, else the shortest that reads back.
fn number_text(number: Number) -> String {
    match number {
        // Below 2^63 a whole float is an integer exactly.
        Number::Float(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => (value as i64).to_string(),
        number => number.to_string(),
    }
}

/// Roughly the bytes that a value takes in memory.
pub(crate) fn bytes_of(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.capacity(),
        Value::List(items) => items.iter().map(bytes_of).sum(),
        Value::Object(entries) => {
            entries.iter().map(|(name, value)| name.capacity() + 24 + bytes_of(value)).sum()
        }
        Value::Null | Value::Boolean(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_meet_by_the_text_of_a_value() {
        let text = |value: Value| key_text(&value).map(Cow::into_owned);
        assert_eq!(text(5.into()).as_deref(), Some("5"));
        assert_eq!(text(Value::Number(Number::Float(5.0))).as_deref(), Some("5"));
        assert_eq!(text(Value::Number(Number::Float(5.5))).as_deref(), Some("5.5"));
        assert_eq!(text("5".into()).as_deref(), Some("5"));
        assert_eq!(text(true.into()).as_deref(), Some("true"));
        assert_eq!(text(Value::List(vec![1.into(), "a".into()])).as_deref(), Some(r#"[1,"a"]"#));
        assert_eq!(text(Value::Null), None);
        assert_eq!(text(Value::string("a".repeat(KEY_BYTES_MAX + 1))), None);
    }

    #[test]
    fn columns_are_found_by_name_and_by_path() {
        let columns = vec![
            ("a.b".to_owned(), Value::from(1)),
            ("a".to_owned(), Value::Object(vec![("b".to_owned(), 2.into()), ("c".to_owned(), 3.into())])),
            ("n".to_owned(), Value::Null),
        ];
        assert_eq!(find(&columns, "a.b"), Some(&1.into()));
        assert_eq!(find(&columns, "a.c"), Some(&3.into()));
        assert_eq!(find(&columns, "n"), None);
        assert_eq!(find(&columns, "a.c.d"), None);
        assert_eq!(find(&columns, ""), None);
    }
}
