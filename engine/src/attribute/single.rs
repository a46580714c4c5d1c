//! Single values: `last`, and `sum`, whose whole state is [`Nanos`](crate::value::Nanos).
//!
//! Merge law of `last`: the greater (time, event id) stays; commutative, associative, idempotent. Of `sum`: addition
//! of exact integers; commutative and associative. Each event is added by one profile only, so idempotence is not asked.

use alloc::string::String;

use crate::value::Value;

/// The value of the newest event.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When its event happened, Unix milliseconds.
    pub time_ms: i64,
    /// Its event's id, which decides between events of one time.
    pub event_id: String,
    /// The value as it was ingested.
    pub value: Value,
}

impl Last {
    /// The newer of both.
    #[must_use]
    pub(crate) fn merge(self, other: Last) -> Last {
        if (self.time_ms, &self.event_id) >= (other.time_ms, &other.event_id) { self } else { other }
    }

    /// The value, unless its duration has passed.
    pub(crate) fn read(&self, duration_ms: Option<i64>, now_ms: i64) -> Option<&Value> {
        let alive = duration_ms.is_none_or(|duration| now_ms.saturating_sub(self.time_ms) < duration);
        alive.then_some(&self.value)
    }
}
