//! One value of many: the last, first, smallest or largest, over all time or within a sliding window.
//!
//! Merge law: of two values the preferred one stays. `last` prefers the greater (time, event id), `first` the smaller;
//! `min` and `max` prefer by value and, among equal ones, the older event. Each is a total order, so merging is
//! commutative, associative and idempotent. Within a window every bucket of the ring keeps its preferred value, and the
//! answer is the preferred one of the buckets that count.

use alloc::string::String;
use core::cmp::Ordering;

use crate::flat::flat;
use crate::time;
use crate::value::{Number, Value};

/// The rule that picks one of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pick {
    /// The value of the newest event.
    Last,
    /// The value of the oldest event.
    First,
    /// The smallest.
    Min(Order),
    /// The largest.
    Max(Order),
}

/// The order that `min` and `max` compare by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Numbers, by value.
    Number,
    /// Texts, by code point.
    Text,
    /// Times, by instant.
    Instant,
}

/// A value, with the time and id of its event.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// When the event happened, Unix milliseconds.
    pub time_ms: i64,
    /// The event's id; decides between events of one time.
    pub event_id: String,
    /// The value as it was ingested.
    pub value: Value,
}

impl Stamped {
    /// Ends that it is newer than all that follows, where a clock that jumped ahead and back has left it.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        self.time_ms = time::settled(self.time_ms, now_ms);
    }
}

impl Pick {
    /// Every rule, by its stored number.
    pub(crate) const ALL: [Pick; 8] = [
        Pick::Last,
        Pick::First,
        Pick::Min(Order::Number),
        Pick::Min(Order::Text),
        Pick::Min(Order::Instant),
        Pick::Max(Order::Number),
        Pick::Max(Order::Text),
        Pick::Max(Order::Instant),
    ];

    /// True if a limited duration needs a ring of buckets. `last` only expires; the others pick among the remaining
    /// buckets.
    pub(crate) fn needs_window(self) -> bool {
        self != Pick::Last
    }

    /// The stored number of this rule. It never changes.
    pub(crate) fn number(self) -> u8 {
        match self {
            Pick::Last => 0,
            Pick::First => 1,
            Pick::Min(order) => 2_u8.saturating_add(order as u8),
            Pick::Max(order) => 5_u8.saturating_add(order as u8),
        }
    }

    /// True if the value of this event replaces the known one.
    pub(crate) fn prefers(self, time_ms: i64, event_id: &str, value: &Value, known: &Stamped) -> bool {
        let age = (time_ms, event_id).cmp(&(known.time_ms, known.event_id.as_str()));
        match self {
            Pick::Last => age.is_gt(),
            Pick::First => age.is_lt(),
            Pick::Min(order) => order.compare(value, &known.value).then(age).is_lt(),
            Pick::Max(order) => order.compare(value, &known.value).reverse().then(age).is_lt(),
        }
    }

    /// Keeps the preferred of the two values.
    pub(crate) fn join(self, known: &mut Stamped, other: Stamped) {
        if self.prefers(other.time_ms, &other.event_id, &other.value, known) {
            *known = other;
        }
    }
}

impl Order {
    /// Compares two values in this order. Values of other types are not stored; if they were, they would come first.
    pub(crate) fn compare(self, a: &Value, b: &Value) -> Ordering {
        match self {
            Order::Number => numeric(a).cmp(&numeric(b)),
            Order::Text => a.as_str().cmp(&b.as_str()),
            Order::Instant => time::instant_ms(a).cmp(&time::instant_ms(b)),
        }
    }
}

/// The number that a value is, or that its text reads as: ids of items are stored as they came, and types may have
/// changed since a value was stored.
pub(crate) fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::String(text) => Number::parse(text),
        value => value.as_number(),
    }
}

flat!(enum Pick { 0 = Last, 1 = First, 2 = Min(order), 3 = Max(order) });
flat!(enum Order { 0 = Number, 1 = Text, 2 = Instant });

#[cfg(test)]
mod tests {
    use super::Pick;

    /// Stored numbers are indexes into `ALL`.
    #[test]
    fn all_stand_by_their_numbers() {
        let numbers: alloc::vec::Vec<u8> = Pick::ALL.into_iter().map(Pick::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
