//! Reads callers' JSON, and enforces every bound while reading.
//!
//! A body has one budget for all its parts: unknown fields, a second list of events and the lines of an import count
//! like everything else. Time and memory are linear in the bytes of the body.

mod names;
mod text;

use core::ops::Range;

use names::Names;
use text::Text;
pub(crate) use text::{Repairs, Unreadable};
use usher_engine::gather::Gather;
use usher_engine::value::Value;

use crate::limits::{
    BATCH_EVENTS_MAX, BATCH_VALUES_MAX, DOCUMENT_DEPTH_MAX, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, EVENT_KEYS_MAX,
    EVENT_VALUES_MAX, IMPORT_ROWS_MAX, IMPORT_VALUES_MAX, OBJECT_KEYS_MAX,
};
use crate::plane::HAS_CONTROL_PLANE;

/// The columns of an event, in the order of the body.
pub(crate) type Columns = Vec<(String, Value)>;

/// One flat event, or a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) columns: Columns,
    pub(crate) repairs: Repairs,
}

impl Row {
    /// Database and table in the column `table`, `<database>.<table>`.
    pub(crate) fn table(&self) -> Option<(&str, &str)> {
        let (_, name) = self.columns.iter().find(|(name, _)| name == "table")?;
        name.as_str()?.split_once('.')
    }
}

/// One flat event.
pub(crate) fn event(body: &[u8]) -> Result<Row, Unreadable> {
    row(body, &mut EVENT_VALUES_MAX.clone())
}

fn row(body: &[u8], left: &mut usize) -> Result<Row, Unreadable> {
    let mut text = Text::new(body)?;
    match one_event(&mut text, left)? {
        Value::Object(columns) => Ok(Row { columns, repairs: text.repairs }),
        _ => Err(Unreadable::Malformed),
    }
}

/// One value within the bounds of an event.
pub(crate) fn value(body: &[u8]) -> Result<Value, Unreadable> {
    value_with_repairs(body).map(|(value, _)| value)
}

/// The same, with what was put right in it.
pub(crate) fn value_with_repairs(body: &[u8]) -> Result<(Value, Repairs), Unreadable> {
    let mut text = Text::new(body)?;
    let value = one_event(&mut text, &mut EVENT_VALUES_MAX.clone())?;
    Ok((value, text.repairs))
}

fn one_event(text: &mut Text<'_>, left: &mut usize) -> Result<Value, Unreadable> {
    let value = Bounds::EVENT.value(text, left)?;
    text.end()?;
    if size(&value) > EVENT_BYTES_MAX { Err(Unreadable::TooLarge) } else { Ok(value) }
}

/// An operator's document: a bundle or a secret, whose size was bounded before. Nothing in it is repaired.
pub(crate) fn document(body: &[u8]) -> Result<Value, Unreadable> {
    let mut text = Text::new(body)?;
    let value = Bounds::DOCUMENT.value(&mut text, &mut usize::MAX.clone())?;
    text.end()?;
    if text.repairs == Repairs::default() { Ok(value) } else { Err(Unreadable::Malformed) }
}

/// A part of a token, whose size was bounded before. No name stands twice in an object, because another reader may take the
/// other value, and nothing is repaired.
pub(crate) fn claims(bytes: &[u8]) -> Result<Value, Unreadable> {
    let mut text = Text::new(bytes)?;
    let bounds = Bounds { once: true, ..Bounds::EVENT };
    let value = bounds.value(&mut text, &mut EVENT_VALUES_MAX.clone())?;
    text.end()?;
    if text.repairs == Repairs::default() { Ok(value) } else { Err(Unreadable::Malformed) }
}

/// `{"events":[…], "sentAt": …}`
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Each event, or None for an element that is not an object.
    pub(crate) events: Vec<Option<Row>>,
    /// The time of sending by the sender's clock, as sent.
    pub(crate) sent: Option<Value>,
    /// The fields beside them that were asked for, in the order of the body.
    pub(crate) beside: Columns,
    /// The place of each event in the body.
    pub(crate) spans: Vec<Range<usize>>,
    /// The place of that time in the body.
    pub(crate) sent_span: Option<Range<usize>>,
}

impl Batch {
    /// A batch of one event, without places.
    pub(crate) fn of_event(row: Row) -> Batch {
        let (beside, spans) = (Vec::new(), Vec::new());
        Batch { events: vec![Some(row)], sent: None, beside, spans, sent_span: None }
    }
}

/// The body of a batch that has only the events at these places of another, sent at the same time.
pub(crate) fn batch_of(body: &[u8], events: &[Range<usize>], sent: Option<Range<usize>>) -> Vec<u8> {
    let part = |span: &Range<usize>| body.get(span.clone()).unwrap_or_default();
    let events: Vec<&[u8]> = events.iter().map(part).gather();
    let events = events.join(&b","[..]);
    match sent {
        Some(sent) => [b"{\"events\":[", &*events, b"],\"sentAt\":", part(&sent), b"}"].concat(),
        None => [b"{\"events\":[", &*events, b"]}"].concat(),
    }
}

/// A batch of events. Of two fields with one name the later counts; `events` that are no list are none.
pub(crate) fn batch(body: &[u8]) -> Result<Batch, Unreadable> {
    batch_beside(body, &[])
}

/// The same, with the fields of these names beside the events.
pub(crate) fn batch_beside(body: &[u8], names: &[&str]) -> Result<Batch, Unreadable> {
    let mut text = Text::new(body)?;
    let mut left = BATCH_VALUES_MAX;
    let mut room = BATCH_EVENTS_MAX;
    let (mut events, mut spans) = (None, Vec::new());
    let (mut sent, mut sent_span, mut beside) = (None, None, Vec::new());
    text.object(&mut |text, name| {
        if name == "events" && text.peek() == Some(b'[') {
            spans.clear();
            events = Some(list_of_events(text, &mut left, &mut room, &mut spans)?);
        } else if name == "sentAt" {
            let start = text.start();
            sent = Some(Bounds::EVENT.value(text, &mut left)?);
            sent_span = Some(start..text.at());
        } else if names.contains(&name.as_str()) {
            beside.push((name, Bounds::EVENT.value(text, &mut left)?));
        } else {
            Bounds::UNUSED.value(text, &mut left)?;
        }
        Ok(())
    })?;
    text.end()?;
    let events = events.ok_or(Unreadable::WithoutEvents)?;
    Ok(Batch { events, sent, beside, spans, sent_span })
}

fn list_of_events(
    text: &mut Text<'_>,
    left: &mut usize,
    room: &mut usize,
    spans: &mut Vec<Range<usize>>,
) -> Result<Vec<Option<Row>>, Unreadable> {
    let mut events = Vec::new();
    text.list(&mut |text| {
        take(room)?;
        let mut of_event = EVENT_VALUES_MAX.min(*left);
        let before = of_event;
        text.repairs = Repairs::default();
        let start = text.start();
        let event = Bounds::EVENT.value(text, &mut of_event)?;
        spans.push(start..text.at());
        *left -= before - of_event;
        if size(&event) > EVENT_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        events.push(match event {
            Value::Object(columns) => Some(Row { columns, repairs: text.repairs }),
            _ => None,
        });
        Ok(())
    })?;
    Ok(events)
}

/// The non-blank lines of an NDJSON body, each with its number, from 1.
pub(crate) struct Lines<'a> {
    rest: Option<&'a [u8]>,
    /// Where in the body the rest begins.
    at: usize,
    number: usize,
    left: usize,
}

/// Reads lines one by one. Returns [`Unreadable::TooLarge`] for all further lines once they exceed their bound
/// together.
pub(crate) fn lines(body: &[u8]) -> Lines<'_> {
    Lines { rest: Some(body), at: 0, number: 0, left: IMPORT_VALUES_MAX + 1 }
}

impl Lines<'_> {
    /// The bound that the line read last is over, and what to do, as the detail of a refusal. `rows` are those before it.
    pub(crate) fn over_bound(&self, rows: usize) -> Option<String> {
        let bound = if self.left == 0 {
            format!("{IMPORT_VALUES_MAX} values")
        } else if rows >= IMPORT_ROWS_MAX {
            format!("{IMPORT_ROWS_MAX} rows")
        } else {
            return None;
        };
        Some(format!("more than {bound}; send them in several requests"))
    }
}

/// A line: its number, its place in the body, and its row.
pub(crate) type Line = (usize, Range<usize>, Result<Row, Unreadable>);

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut parts = self.rest?.splitn(2, |byte| *byte == b'\n');
            let line = parts.next().unwrap_or_default();
            self.rest = parts.next();
            let place = self.at..self.at + line.len();
            self.at = place.end + 1;
            self.number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let mut of_row = EVENT_VALUES_MAX.min(self.left);
            let before = of_row;
            let row = row(line, &mut of_row);
            self.left -= before - of_row;
            return Some((self.number, place, row));
        }
    }
}

/// The size of a value as compact JSON, without escapes and up to the digits of its numbers.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::List(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 1,
        Value::Object(entries) => {
            entries.iter().map(|(name, value)| name.len() + 4 + size(value)).sum::<usize>() + 1
        }
    }
}

/// The bounds of one value.
#[derive(Clone, Copy)]
struct Bounds {
    /// Names that the objects read now may still have: an object in a list has its own, nested ones included.
    keys: usize,
    keys_max: usize,
    depth: usize,
    /// True if the value is kept; an unused one is only checked.
    kept: bool,
    /// True if a name may stand only once in an object.
    once: bool,
}

impl Bounds {
    const EVENT: Bounds = Bounds::new(EVENT_KEYS_MAX, EVENT_DEPTH_MAX, true);
    /// The bounds of unused fields beside the events of a batch.
    const UNUSED: Bounds = Bounds::new(usize::MAX, EVENT_DEPTH_MAX, false);
    const DOCUMENT: Bounds = Bounds::new(usize::MAX, DOCUMENT_DEPTH_MAX, true);

    const fn new(keys_max: usize, depth: usize, kept: bool) -> Bounds {
        Bounds { keys: keys_max, keys_max, depth, kept, once: false }
    }

    /// Reads one value; `left` is the number of values that the body may still have.
    fn value(mut self, text: &mut Text<'_>, left: &mut usize) -> Result<Value, Unreadable> {
        self.read(text, left)
    }

    fn read(&mut self, text: &mut Text<'_>, left: &mut usize) -> Result<Value, Unreadable> {
        take(left)?;
        match text.peek() {
            Some(b'[') => {
                take(&mut self.depth)?;
                let mut items = Vec::new();
                let keys = self.keys;
                text.list(&mut |text| {
                    self.keys = self.keys_max;
                    let item = self.read(text, left)?;
                    if self.kept {
                        items.push(item);
                    }
                    Ok(())
                })?;
                self.keys = keys;
                self.depth += 1;
                Ok(Value::List(items))
            }
            Some(b'{') => {
                take(&mut self.depth)?;
                let mut entries: Columns = Vec::new();
                let mut names = Names::default();
                text.object(&mut |text, name| {
                    take(&mut self.keys)?;
                    let value = self.read(text, left)?;
                    if !self.kept {
                        return Ok(());
                    }
                    // Of two values with one name the later counts, as in JavaScript.
                    let full = entries.len() == OBJECT_KEYS_MAX;
                    match names.find_or_put(&entries, &name).and_then(|at| entries.get_mut(at)) {
                        Some(_) if HAS_CONTROL_PLANE && self.once => return Err(Unreadable::Malformed),
                        Some((_, known)) => *known = value,
                        None if full => return Err(Unreadable::TooLarge),
                        None => entries.push((name, value)),
                    }
                    Ok(())
                })?;
                self.depth += 1;
                Ok(Value::Object(entries))
            }
            _ => text.scalar(),
        }
    }
}

fn take(left: &mut usize) -> Result<(), Unreadable> {
    *left = left.checked_sub(1).ok_or(Unreadable::TooLarge)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_and_one_past() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(event(nested(EVENT_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(event(nested(EVENT_DEPTH_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

        let wide = |keys: usize| {
            let fields: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(event(wide(EVENT_KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(event(wide(EVENT_KEYS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

        // Each object in a list has as many, whatever stands around it, and the rest of the event no more for that.
        let order = |beside: usize, inside: usize| {
            let objects = vec![wide(inside); 3].join(",");
            let fields: String = (1..beside).map(|key| format!(",\"k{key}\":1")).collect();
            format!("{{\"a\":[{objects},[{objects}]]{fields}}}")
        };
        assert!(event(order(EVENT_KEYS_MAX, EVENT_KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(event(order(EVENT_KEYS_MAX + 1, 1).as_bytes()), Err(Unreadable::TooLarge));
        assert_eq!(event(order(1, EVENT_KEYS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));
        let inner = |keys: usize| format!("{{\"a\":[{{\"b\":{}}}]}}", wide(keys));
        assert!(event(inner(EVENT_KEYS_MAX - 1).as_bytes()).is_ok());
        assert_eq!(event(inner(EVENT_KEYS_MAX).as_bytes()), Err(Unreadable::TooLarge));

        let many = |events: usize| format!("{{\"events\":[{}]}}", vec!["{}"; events].join(","));
        assert_eq!(batch(many(BATCH_EVENTS_MAX).as_bytes()).unwrap().events.len(), BATCH_EVENTS_MAX);
        assert_eq!(batch(many(BATCH_EVENTS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

        // Few events of many values each: at the bound of a batch, and one event more.
        let full = |events: usize| {
            let event = format!("{{\"a\":[{}]}}", vec!["0"; EVENT_VALUES_MAX - 2].join(","));
            format!("{{\"events\":[{}]}}", vec![event; events].join(","))
        };
        let most = BATCH_VALUES_MAX / EVENT_VALUES_MAX;
        assert!(batch(full(most).as_bytes()).is_ok());
        assert_eq!(batch(full(most + 1).as_bytes()), Err(Unreadable::TooLarge));

        let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        assert!(event(long(EVENT_BYTES_MAX - 100).as_bytes()).is_ok());
        assert_eq!(event(long(EVENT_BYTES_MAX).as_bytes()), Err(Unreadable::TooLarge));
    }

    #[test]
    fn what_is_no_event_is_malformed() {
        for body in ["", "[]", "1", "{", "{\"a\":NaN}", "{} {}", "\u{feff}\u{feff}{}", "{}\u{feff}", "null"] {
            assert_eq!(event(body.as_bytes()), Err(Unreadable::Malformed), "{body}");
        }
        for body in ["{}", "{\"a\":1}", "{\"events\":{}}", "{\"events\":null}"] {
            assert_eq!(batch(body.as_bytes()), Err(Unreadable::WithoutEvents), "{body}");
        }
        for body in ["[]", "{\"events\":[}", "{\"events\":{}", "{\"events\":nul}"] {
            assert_eq!(batch(body.as_bytes()), Err(Unreadable::Malformed), "{body}");
        }
        assert_eq!(batch(b"{\"events\":[{},1]}").unwrap().events, vec![Some(Row::default()), None]);
    }

    #[test]
    fn what_stands_beside_the_events_is_read_and_dropped() {
        let beside = |extra: &str| batch(format!("{{\"events\":[{{}}],\"x\":{extra}}}").as_bytes());
        for extra in ["0", "[1,{\"events\":[2]},null]", "{\"a\":\"\\u00e9\"}"] {
            assert_eq!(beside(extra).unwrap().events, vec![Some(Row::default())], "{extra}");
        }
        for extra in ["", "[1,]", "{\"a\"}", "nul", "\"\\x\""] {
            assert_eq!(beside(extra), Err(Unreadable::Malformed), "{extra}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(beside(&nested(EVENT_DEPTH_MAX)).is_ok());
        assert_eq!(beside(&nested(EVENT_DEPTH_MAX + 1)), Err(Unreadable::TooLarge));
        // Unused names are not compared with each other: as many as there may be values take linear time.
        let wide = |keys: usize| {
            let fields: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        // The object and the event are one value each.
        assert!(beside(&wide(BATCH_VALUES_MAX - 2)).is_ok());
        assert_eq!(beside(&wide(BATCH_VALUES_MAX - 1)), Err(Unreadable::TooLarge));
        // In a document they are compared, so an object may have only a few.
        assert!(document(wide(OBJECT_KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(document(wide(OBJECT_KEYS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));
    }

    #[test]
    fn a_body_has_one_budget_whatever_its_parts_are_called() {
        // As many lists of 1,000 items as fit, and one more; each item and each list counts.
        let lists = |count: usize, name: &dyn Fn(usize) -> String| {
            let list = format!("[{}]", vec!["0"; 999].join(","));
            let fields: Vec<String> = (0..count).map(|at| format!("\"{}\":{list}", name(at))).collect();
            format!("{{{},\"events\":[]}}", fields.join(","))
        };
        let most = BATCH_VALUES_MAX / 1_000;
        for name in [&|at: usize| format!("x{at}") as String, &|_| "sentAt".to_owned(), &|_| "x".to_owned()]
            as [&dyn Fn(usize) -> String; 3]
        {
            assert!(batch(lists(most, name).as_bytes()).is_ok());
            assert_eq!(batch(lists(most + 1, name).as_bytes()), Err(Unreadable::TooLarge));
        }
        // Events of a replaced list count, too.
        let twice = |count: usize| {
            let list = format!("[{}]", vec!["{}"; count].join(","));
            format!("{{\"events\":{list},\"events\":{list}}}")
        };
        assert_eq!(batch(twice(BATCH_EVENTS_MAX / 2).as_bytes()).unwrap().events.len(), BATCH_EVENTS_MAX / 2);
        assert_eq!(batch(twice(BATCH_EVENTS_MAX / 2 + 1).as_bytes()), Err(Unreadable::TooLarge));
        // Lines of an import: those within the bound are read, the first one beyond it is not.
        let row = format!("{{\"a\":[{}]}}\n", vec!["0"; EVENT_VALUES_MAX - 2].join(","));
        let most = IMPORT_VALUES_MAX / EVENT_VALUES_MAX;
        let body = row.repeat(most + 1);
        let mut lines = lines(body.as_bytes());
        assert!(lines.by_ref().take(most).all(|(_, _, row)| row.is_ok()));
        assert_eq!(
            lines.next().map(|(line, _, row)| (line, row)),
            Some((most + 1, Err(Unreadable::TooLarge)))
        );
        let values = format!("more than {IMPORT_VALUES_MAX} values; send them in several requests");
        assert_eq!(lines.over_bound(0), Some(values));
        let lines = super::lines(b"{}");
        assert_eq!(lines.over_bound(IMPORT_ROWS_MAX - 1), None);
        let rows = format!("more than {IMPORT_ROWS_MAX} rows; send them in several requests");
        assert_eq!(lines.over_bound(IMPORT_ROWS_MAX), Some(rows));
    }

    #[test]
    fn what_is_put_right_is_told_of_the_event_that_had_it() {
        let body =
            br#"{"events":[{"a":"x"},{"a":"\ud83c","b":1},{"a":[1e999,2],"b":-1e400}],"sentAt":"\ud83c"}"#;
        let events: Vec<Row> = batch(body).unwrap().events.into_iter().flatten().collect();
        let repairs: Vec<(bool, bool)> =
            events.iter().map(|row| (row.repairs.text, row.repairs.number)).collect();
        assert_eq!(repairs, [(false, false), (true, false), (false, true)]);
        assert_eq!(events[1].columns, [("a".into(), "\u{fffd}".into()), ("b".into(), 1.into())]);
        let list = Value::List(vec![Value::Null, 2.into()]);
        assert_eq!(events[2].columns, [("a".into(), list), ("b".into(), Value::Null)]);
        // A byte order mark at the beginning is not part of the text.
        assert_eq!(event(b"\xef\xbb\xbf{\"a\":1}"), event(b"{\"a\":1}"));
        assert_eq!(batch(b"\xef\xbb\xbf{\"events\":[{}]}").unwrap().events.len(), 1);
        assert_eq!(
            lines(b"\xef\xbb\xbf{}\n\n{}")
                .map(|(line, place, row)| (line, place, row.is_ok()))
                .collect::<Vec<_>>(),
            [(1, 0..5, true), (3, 7..9, true)]
        );
        // In a document nothing is repaired.
        for body in [&b"{\"a\":1e999}"[..], b"{\"a\":\"\\ud83c\"}"] {
            assert!(event(body).is_ok());
            assert_eq!(document(body), Err(Unreadable::Malformed));
        }
    }

    #[test]
    fn of_two_values_of_one_name_the_later_stands_where_the_first_one_stood() {
        for names in [3, 200] {
            let fields: Vec<String> =
                (0..names).chain([1, 2]).map(|at| format!("\"n{}\":{at}", at % names)).collect();
            let row = event(format!("{{{}}}", fields.join(",")).as_bytes()).unwrap();
            let expected: Columns = (0..names).map(|at| (format!("n{at}"), Value::from(at))).collect();
            assert_eq!(row.columns, expected);
            let twice = format!("{{\"n1\":7,{},\"n2\":8}}", fields.join(","));
            let row = event(twice.as_bytes()).unwrap();
            assert_eq!(row.columns[0], ("n1".to_owned(), 1.into()));
            assert_eq!(row.columns.iter().find(|(name, _)| name == "n2").unwrap().1, 8.into());
        }
    }
}
