//! Ranges of numbers, texts, times and sizes: their complements, and whether several have anything in common.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Bound;

use super::interval::Interval;
use super::op::Op;
use crate::syntax::Comparison;

/// The complement of a range, as ranges; None for an op that is not a range.
pub(super) fn complement(op: &Op) -> Option<Vec<Op>> {
    Some(match op {
        Op::Numbers { exact, .. } => outside(exact).map(Op::numbers).collect(),
        Op::Texts(interval) => outside(interval).map(Box::new).map(Op::Texts).collect(),
        Op::Versions(interval) => outside(interval).map(Box::new).map(Op::Versions).collect(),
        Op::Instants { low, high } => {
            let before = low.checked_sub(1).map(|high| Op::Instants { low: i64::MIN, high });
            let behind = high.checked_add(1).map(|low| Op::Instants { low, high: i64::MAX });
            before.into_iter().chain(behind).collect()
        }
        Op::Size(comparison, count) => {
            let other = match comparison {
                Comparison::Equal => Comparison::NotEqual,
                Comparison::NotEqual => Comparison::Equal,
                Comparison::Less => Comparison::GreaterEqual,
                Comparison::LessEqual => Comparison::Greater,
                Comparison::Greater => Comparison::LessEqual,
                Comparison::GreaterEqual => Comparison::Less,
            };
            alloc::vec![Op::Size(other, *count)]
        }
        _ => return None,
    })
}

fn outside<T: Clone>(interval: &Interval<T>) -> impl Iterator<Item = Interval<T>> {
    let turned = |bound: &Bound<T>| match bound {
        Bound::Included(end) => Some(Bound::Excluded(end.clone())),
        Bound::Excluded(end) => Some(Bound::Included(end.clone())),
        Bound::Unbounded => None,
    };
    let below = turned(&interval.low).map(|high| Interval { low: Bound::Unbounded, high });
    let above = turned(&interval.high).map(|low| Interval { low, high: Bound::Unbounded });
    below.into_iter().chain(above)
}

/// True if ranges have no value, or no whole number, in common.
pub(super) fn are_apart(held: &[&Op], is_whole: bool) -> bool {
    let held = || held.iter().copied();
    let integers = held().filter_map(|op| match op {
        Op::Numbers { low, high, .. } if is_whole => Some((*low, *high)),
        _ => None,
    });
    let numbers = held().filter_map(|op| match op {
        Op::Numbers { exact, .. } => Some(&**exact),
        _ => None,
    });
    let texts = held().filter_map(|op| match op {
        Op::Texts(interval) => Some(&**interval),
        _ => None,
    });
    let versions = held().filter_map(|op| match op {
        Op::Versions(interval) => Some(&**interval),
        _ => None,
    });
    let instants = held().filter_map(|op| match op {
        Op::Instants { low, high } => Some((*low, *high)),
        _ => None,
    });
    are_disjoint(integers)
        || are_disjoint(instants)
        || is_gap(&numbers.collect::<Vec<_>>())
        || is_gap(&texts.collect::<Vec<_>>())
        || is_gap(&versions.collect::<Vec<_>>())
        || no_size(held())
}

fn are_disjoint(ranges: impl Iterator<Item = (i64, i64)>) -> bool {
    let (from, to) =
        ranges.fold((i64::MIN, i64::MAX), |(from, to), (low, high)| (from.max(low), to.min(high)));
    from > to
}

/// The only value of an interval that has just one.
pub(super) fn point<T: PartialEq>(interval: &Interval<T>) -> Option<&T> {
    match (&interval.low, &interval.high) {
        (Bound::Included(low), Bound::Included(high)) if low == high => Some(low),
        _ => None,
    }
}

/// True if intervals have nothing in common: one begins after the end of another.
fn is_gap<T: Ord>(intervals: &[&Interval<T>]) -> bool {
    intervals.iter().any(|one| {
        intervals.iter().any(|other| match (&one.low, &other.high) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
                low.cmp(high) != Ordering::Less
            }
        })
    })
}

/// True if no list has such a size.
fn no_size<'o>(held: impl Iterator<Item = &'o Op> + Clone) -> bool {
    let sizes = held.filter_map(|op| match op {
        Op::Size(comparison, count) => Some((*comparison, *count)),
        _ => None,
    });
    let (mut low, mut high) = (0_i64, i64::MAX);
    for (comparison, count) in sizes.clone() {
        match comparison {
            Comparison::Equal => (low, high) = (low.max(count), high.min(count)),
            Comparison::NotEqual => {}
            Comparison::Less => high = high.min(count.saturating_sub(1)),
            Comparison::LessEqual => high = high.min(count),
            Comparison::Greater => low = low.max(count.saturating_add(1)),
            Comparison::GreaterEqual => low = low.max(count),
        }
    }
    while low <= high && sizes.clone().any(|size| size == (Comparison::NotEqual, low)) {
        low = low.saturating_add(1);
    }
    low > high
}

/// True if no moment fulfils all: within n days, but not within as many or more; or older than n days, but not older
/// than fewer, or within as many.
pub(super) fn no_moment(questions: &[(&Op, bool)]) -> bool {
    let spans = |wanted: bool, older: bool| {
        questions.iter().filter_map(move |(op, holds)| match op {
            Op::Within(span_ms) if *holds == wanted && !older => Some(*span_ms),
            Op::Older(span_ms) if *holds == wanted && older => Some(*span_ms),
            _ => None,
        })
    };
    let is_over = |low: Option<i64>, high: Option<i64>| low.zip(high).is_some_and(|(low, high)| low <= high);
    let (within, older) = (spans(true, false).min(), spans(true, true).max());
    is_over(within, spans(false, false).max())
        || is_over(within, older)
        || is_over(spans(false, true).min(), older)
}
