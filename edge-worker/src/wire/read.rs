//! Reading JSON of callers, with every bound counted while it is read.

mod text;

use text::Text;
use usher_engine::value::Value;

use crate::limits::{
    BATCH_EVENTS_MAX, BATCH_VALUES_MAX, DOCUMENT_DEPTH_MAX, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, EVENT_KEYS_MAX,
    EVENT_VALUES_MAX, HARD_NUMBER_VALUES, OBJECT_KEYS_MAX,
};

/// The columns of an event, in the order in which they came.
pub(crate) type Columns = Vec<(String, Value)>;

/// Why a body cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not the JSON that the route reads.
    Malformed,
    /// It is over a bound.
    TooLarge,
}

/// One flat event.
pub(crate) fn event(body: &[u8]) -> Result<Columns, Unreadable> {
    match value(body)? {
        Value::Object(columns) => Ok(columns),
        _ => Err(Unreadable::Malformed),
    }
}

/// One value within the bounds of an event.
pub(crate) fn value(body: &[u8]) -> Result<Value, Unreadable> {
    let value = whole(body, Budget::EVENT)?;
    if size(&value) > EVENT_BYTES_MAX { Err(Unreadable::TooLarge) } else { Ok(value) }
}

/// A document of an operator's: a bundle or a secret, whose bytes were bounded before.
pub(crate) fn document(body: &[u8]) -> Result<Value, Unreadable> {
    whole(body, Budget::DOCUMENT)
}

fn whole(body: &[u8], mut budget: Budget) -> Result<Value, Unreadable> {
    let mut text = Text::new(body)?;
    let value = budget.value(&mut text)?;
    text.end()?;
    Ok(value)
}

/// `{"events":[…], "sentAt": …}`
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Each event's columns, or None for an element that is no object.
    pub(crate) events: Vec<Option<Columns>>,
    /// When the sender's clock says that it was sent, Unix milliseconds.
    pub(crate) sent_ms: Option<i64>,
}

/// A batch of events.
pub(crate) fn batch(body: &[u8]) -> Result<Batch, Unreadable> {
    let mut text = Text::new(body)?;
    let mut events = None;
    let mut sent_ms = None;
    text.object(&mut |text, name| {
        if name == "events" {
            // Of two lists the later stands.
            events = Some(list_of_events(text)?);
            Ok(())
        } else if name == "sentAt" {
            // What is no time says nothing of the sender's clock.
            sent_ms = usher_engine::time::instant_ms(&{ Budget::EVENT }.value(text)?);
            Ok(())
        } else {
            Budget::BESIDE.clone().value(text).map(drop)
        }
    })?;
    text.end()?;
    Ok(Batch { events: events.ok_or(Unreadable::Malformed)?, sent_ms })
}

fn list_of_events(text: &mut Text<'_>) -> Result<Vec<Option<Columns>>, Unreadable> {
    let mut events = Vec::new();
    let mut values = BATCH_VALUES_MAX;
    text.list(&mut |text| {
        let mut budget = Budget { values: values.min(EVENT_VALUES_MAX), ..Budget::EVENT };
        let before = budget.values;
        let event = budget.value(text)?;
        values -= before - budget.values;
        if events.len() == BATCH_EVENTS_MAX || size(&event) > EVENT_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        events.push(match event {
            Value::Object(columns) => Some(columns),
            _ => None,
        });
        Ok(())
    })?;
    Ok(events)
}

/// How large a value is as compact JSON, to within its escapes and the digits of its numbers.
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

/// What one value may still use.
#[derive(Clone, Copy)]
struct Budget {
    keys: usize,
    values: usize,
    depth: usize,
    /// Whether what is read is wanted; what is not is checked and forgotten at once.
    kept: bool,
}

impl Budget {
    const EVENT: Budget =
        Budget { keys: EVENT_KEYS_MAX, values: EVENT_VALUES_MAX, depth: EVENT_DEPTH_MAX, kept: true };
    /// What stands beside the events of a batch, and is read by nobody.
    const BESIDE: Budget =
        Budget { keys: usize::MAX, values: BATCH_VALUES_MAX, depth: EVENT_DEPTH_MAX, kept: false };
    const DOCUMENT: Budget =
        Budget { keys: usize::MAX, values: usize::MAX, depth: DOCUMENT_DEPTH_MAX, kept: true };

    fn value(&mut self, text: &mut Text<'_>) -> Result<Value, Unreadable> {
        take(&mut self.values)?;
        match text.peek() {
            Some(b'[') => {
                take(&mut self.depth)?;
                let mut items = Vec::new();
                text.list(&mut |text| {
                    let item = self.value(text)?;
                    if self.kept {
                        items.push(item);
                    }
                    Ok(())
                })?;
                self.depth += 1;
                Ok(Value::List(items))
            }
            Some(b'{') => {
                take(&mut self.depth)?;
                let mut entries: Columns = Vec::new();
                text.object(&mut |text, name| {
                    take(&mut self.keys)?;
                    let value = self.value(text)?;
                    if !self.kept {
                        return Ok(());
                    }
                    // Of two values of one name the later stands, as JavaScript reads it.
                    let full = entries.len() == OBJECT_KEYS_MAX;
                    match entries.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = value,
                        None if full => return Err(Unreadable::TooLarge),
                        None => entries.push((name, value)),
                    }
                    Ok(())
                })?;
                self.depth += 1;
                Ok(Value::Object(entries))
            }
            _ => {
                if text.hard_number() {
                    // What one costs in time, the others cost in memory.
                    self.values = self.values.checked_sub(HARD_NUMBER_VALUES).ok_or(Unreadable::TooLarge)?;
                }
                text.scalar()
            }
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
        for body in ["", "[]", "1", "{", "{\"a\":NaN}", "{} {}", "{\"a\":1e999}", "\u{feff}{}", "null"] {
            assert_eq!(event(body.as_bytes()), Err(Unreadable::Malformed), "{body}");
        }
        for body in ["{}", "[]", "{\"events\":{}}", "{\"events\":null}", "{\"events\":[}"] {
            assert_eq!(batch(body.as_bytes()), Err(Unreadable::Malformed), "{body}");
        }
        assert_eq!(batch(b"{\"events\":[{},1]}").unwrap().events, vec![Some(vec![]), None]);
    }

    #[test]
    fn what_stands_beside_the_events_is_read_and_dropped() {
        let beside = |extra: &str| batch(format!("{{\"events\":[{{}}],\"x\":{extra}}}").as_bytes());
        for extra in ["0", "[1,{\"events\":[2]},null]", "{\"a\":\"\\u00e9\"}"] {
            assert_eq!(beside(extra).unwrap().events, vec![Some(vec![])], "{extra}");
        }
        for extra in ["", "[1,]", "{\"a\"}", "nul", "\"\\x\""] {
            assert_eq!(beside(extra), Err(Unreadable::Malformed), "{extra}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(beside(&nested(EVENT_DEPTH_MAX)).is_ok());
        assert_eq!(beside(&nested(EVENT_DEPTH_MAX + 1)), Err(Unreadable::TooLarge));
        // Names that nobody asks for are not compared with each other: as many as there are values end quickly.
        let wide = |keys: usize| {
            let fields: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(beside(&wide(BATCH_VALUES_MAX - 1)).is_ok());
        assert_eq!(beside(&wide(BATCH_VALUES_MAX)), Err(Unreadable::TooLarge));
        // In a document they are, and so are few in one object.
        assert!(document(wide(OBJECT_KEYS_MAX).as_bytes()).is_ok());
        assert_eq!(document(wide(OBJECT_KEYS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));
        // Numbers that take long to read count for many values, there as in events.
        let hard = |count: usize| format!("[{}]", vec!["1e-300"; count].join(","));
        assert!(beside(&hard(BATCH_VALUES_MAX / (HARD_NUMBER_VALUES + 1) - 1)).is_ok());
        assert_eq!(beside(&hard(BATCH_VALUES_MAX / (HARD_NUMBER_VALUES + 1))), Err(Unreadable::TooLarge));
    }
}
