//! One value of many: the last, first, smallest or largest, for ever or within a sliding window.
//!
//! Merge law: of two values the preferred one stays. `last` prefers the greater (time, event id), `first` the smaller;
//! `min` and `max` prefer by value and, among equal ones, the older event. Each is a total order, so merging is
//! commutative, associative and idempotent. Within a window every bucket of the ring keeps its preferred value, and the
//! answer is the preferred one of the buckets that count.

use alloc::string::String;
use core::cmp::Ordering;

use crate::time;
use crate::value::{Number, Value};

/// Which of several values stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pick {
    /// That of the newest event.
    Last,
    /// That of the oldest event.
    First,
    /// The smallest.
    Min(Order),
    /// The largest.
    Max(Order),
}

/// What makes a value small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Numbers, by value.
    Number,
    /// Texts, by code point.
    Text,
    /// Times, by instant.
    Instant,
}

/// A value and the event that said it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// When the event happened, Unix milliseconds.
    pub time_ms: i64,
    /// The event's id, which decides between events of one time.
    pub event_id: String,
    /// The value as it was ingested.
    pub value: Value,
}

impl Pick {
    /// All there are, by their number.
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

    /// Whether what is known needs a window: `last` only fades, the others are taken over what is left of the past.
    pub(crate) fn needs_window(self) -> bool {
        self != Pick::Last
    }

    /// As it is stored: for ever.
    pub(crate) fn number(self) -> u8 {
        match self {
            Pick::Last => 0,
            Pick::First => 1,
            Pick::Min(order) => 2_u8.saturating_add(order as u8),
            Pick::Max(order) => 5_u8.saturating_add(order as u8),
        }
    }

    /// Whether a value said by this event stays instead of the one that is known.
    pub(crate) fn prefers(self, time_ms: i64, event_id: &str, value: &Value, known: &Stamped) -> bool {
        let age = (time_ms, event_id).cmp(&(known.time_ms, known.event_id.as_str()));
        match self {
            Pick::Last => age.is_gt(),
            Pick::First => age.is_lt(),
            Pick::Min(order) => order.compare(value, &known.value).then(age).is_lt(),
            Pick::Max(order) => order.compare(value, &known.value).reverse().then(age).is_lt(),
        }
    }

    /// Takes over what is preferred.
    pub(crate) fn join(self, known: &mut Stamped, other: Stamped) {
        if self.prefers(other.time_ms, &other.event_id, &other.value, known) {
            *known = other;
        }
    }
}

impl Order {
    /// How two values of this order compare. Others than the order's are not stored; were there any, they would come
    /// first.
    pub(crate) fn compare(self, a: &Value, b: &Value) -> Ordering {
        match self {
            Order::Number => numeric(a).cmp(&numeric(b)),
            Order::Text => a.as_str().cmp(&b.as_str()),
            Order::Instant => time::instant_ms(a).cmp(&time::instant_ms(b)),
        }
    }
}

/// The number that a value is, or that its text is: ids of items are kept as they came, and types may have changed since
/// a value was stored.
pub(crate) fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::String(text) => Number::parse(text),
        value => value.as_number(),
    }
}

#[cfg(test)]
mod tests {
    use super::Pick;

    /// Stored numbers are read by their place.
    #[test]
    fn all_stand_by_their_numbers() {
        let numbers: alloc::vec::Vec<u8> = Pick::ALL.into_iter().map(Pick::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
