//! Intervals: values between two ends, each of which may be open.

use core::ops::Bound;

use crate::bytes::{Reader, Writer};
use crate::flat::Flat;
use crate::syntax::Comparison;
use crate::time;
use crate::value::Number;

/// Values between two ends, each of which may be open.
#[derive(Clone, Debug)]
pub(crate) struct Interval<T> {
    pub(crate) low: Bound<T>,
    pub(crate) high: Bound<T>,
}

impl<T: Clone + Ord> Interval<T> {
    pub(super) fn at(value: T) -> Interval<T> {
        Interval { low: Bound::Included(value.clone()), high: Bound::Included(value) }
    }

    /// The interval of a comparison; None for `=` and `!=`.
    pub(super) fn ordered(comparison: Comparison, value: T) -> Option<Interval<T>> {
        let (low, high) = match comparison {
            Comparison::Less => (Bound::Unbounded, Bound::Excluded(value)),
            Comparison::LessEqual => (Bound::Unbounded, Bound::Included(value)),
            Comparison::Greater => (Bound::Excluded(value), Bound::Unbounded),
            Comparison::GreaterEqual => (Bound::Included(value), Bound::Unbounded),
            Comparison::Equal | Comparison::NotEqual => return None,
        };
        Some(Interval { low, high })
    }

    pub(super) fn between(low: T, high: T) -> Interval<T> {
        Interval { low: Bound::Included(low), high: Bound::Included(high) }
    }
}

impl Interval<Number> {
    /// The interval of instants whose ends are these numbers as Unix seconds or milliseconds. A number beyond the range
    /// of times lies after all of them, or before.
    pub(super) fn as_instants(&self) -> Interval<i64> {
        let instant = |number: Number| {
            let beyond = if number < Number::Integer(0) { i64::MIN } else { i64::MAX };
            time::unix_ms(number).unwrap_or(beyond)
        };
        Interval { low: self.low.map(instant), high: self.high.map(instant) }
    }
}

impl<T: Flat> Flat for Interval<T> {
    fn write(&self, w: &mut Writer) {
        self.low.write(w);
        self.high.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Interval<T> {
        Interval { low: Flat::read(r), high: Flat::read(r) }
    }
}
