//! Reading JSON of callers, with every bound counted while it is read.

use core::fmt;
use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use usher_engine::value::{Number, Value};

use crate::limits::{
    BATCH_EVENTS_MAX, DOCUMENT_DEPTH_MAX, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, EVENT_KEYS_MAX, EVENT_VALUES_MAX,
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
    let value = bounded(body, &Budget::default(), EVENT_DEPTH_MAX)?;
    if size(&value) > EVENT_BYTES_MAX { Err(Unreadable::TooLarge) } else { Ok(value) }
}

/// A document of an operator's: a bundle or a secret, whose bytes were bounded before.
pub(crate) fn document(body: &[u8]) -> Result<Value, Unreadable> {
    let budget =
        Budget { keys: Cell::new(usize::MAX), values: Cell::new(usize::MAX), over: Cell::new(false) };
    bounded(body, &budget, DOCUMENT_DEPTH_MAX)
}

fn bounded(body: &[u8], budget: &Budget, depth: usize) -> Result<Value, Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Bounded { budget, depth }.deserialize(&mut reader);
    read.and_then(|value| reader.end().map(|()| value)).map_err(|_| budget.verdict())
}

/// `{"events":[…]}`: each event's columns, or None for an element that is no object.
pub(crate) fn batch(body: &[u8]) -> Result<Vec<Option<Columns>>, Unreadable> {
    let budget = Budget::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = (&mut reader).deserialize_map(Batch(&budget));
    let events = read.and_then(|events| reader.end().map(|()| events)).map_err(|_| budget.verdict())?;
    let events = events.ok_or(Unreadable::Malformed)?;
    if events.iter().any(|event| size(event) > EVENT_BYTES_MAX) {
        return Err(Unreadable::TooLarge);
    }
    let columns = |event| match event {
        Value::Object(columns) => Some(columns),
        _ => None,
    };
    Ok(events.into_iter().map(columns).collect())
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

/// What one event may still use.
struct Budget {
    keys: Cell<usize>,
    values: Cell<usize>,
    over: Cell<bool>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            keys: Cell::new(EVENT_KEYS_MAX),
            values: Cell::new(EVENT_VALUES_MAX),
            over: Cell::new(false),
        }
    }
}

impl Budget {
    fn refill(&self) {
        self.keys.set(EVENT_KEYS_MAX);
        self.values.set(EVENT_VALUES_MAX);
    }

    fn take<E: Error>(&self, from: &Cell<usize>) -> Result<(), E> {
        let left = from.get().checked_sub(1);
        from.set(left.unwrap_or(0));
        if left.is_none() { Err(self.exceed()) } else { Ok(()) }
    }

    fn exceed<E: Error>(&self) -> E {
        self.over.set(true);
        E::custom("over a bound")
    }

    fn verdict(&self) -> Unreadable {
        if self.over.get() { Unreadable::TooLarge } else { Unreadable::Malformed }
    }
}

/// A value within the budget.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.take(&self.budget.values)?;
        deserializer.deserialize_any(self)
    }
}

impl Bounded<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Bounded { depth, ..self }),
            None => Err(self.budget.exceed()),
        }
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        let number = i64::try_from(value).map(Number::Integer).unwrap_or(Number::Float(value as f64));
        Ok(Value::Number(number))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::float(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::string(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut entries: Columns = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            self.budget.take(&self.budget.keys)?;
            let value = access.next_value_seed(inner)?;
            // Of two values of one name the later stands, as JavaScript reads it.
            match entries.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => entries.push((name, value)),
            }
        }
        Ok(Value::Object(entries))
    }
}

/// An object whose `events` are what counts.
struct Batch<'a>(&'a Budget);

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = Option<Vec<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Option<Vec<Value>>, A::Error> {
        let mut events = None;
        while let Some(name) = access.next_key::<String>()? {
            if name == "events" {
                events = Some(access.next_value_seed(Events(self.0))?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(events)
    }
}

struct Events<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<Value>, A::Error> {
        let mut events = Vec::new();
        loop {
            self.0.refill();
            let Some(event) = access.next_element_seed(Bounded { budget: self.0, depth: EVENT_DEPTH_MAX })?
            else {
                return Ok(events);
            };
            if events.len() == BATCH_EVENTS_MAX {
                return Err(self.0.exceed());
            }
            events.push(event);
        }
    }
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
        assert_eq!(batch(many(BATCH_EVENTS_MAX).as_bytes()).unwrap().len(), BATCH_EVENTS_MAX);
        assert_eq!(batch(many(BATCH_EVENTS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

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
        assert_eq!(batch(b"{\"events\":[{},1]}"), Ok(vec![Some(vec![]), None]));
    }
}
