//! Attributes: the state kept of events, one kind per file, each with its merge law.
//!
//! State is a function of the set of accepted events: applying them in any order, and merging profiles that saw parts
//! of them in any order, gives the same state. Reading takes `now`, because values expire.

pub(crate) mod batch;
mod bytes_max;
mod counter;
pub(crate) mod list;
pub(crate) mod pick;
mod ring;

pub(crate) mod plan;
pub(crate) mod shape;

pub use batch::BatchRecord;
pub(crate) use batch::{put as put_record, segments as batch_segments};
pub(crate) use bytes_max::bytes_max;
pub use counter::{Counter, Total, Unit};
pub(crate) use list::Bounds;
pub(crate) use list::newest_first;
pub use list::{Item, ItemList, Removed};
pub use pick::{Order, Pick, Stamped};
pub(crate) use ring::Window;
pub use ring::{Ring, bucket_ms};

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::progress::Progress;
use crate::value::Nanos;

/// The stored state of one attribute that events feed.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The one value that stays.
    Picked(Pick, Stamped),
    /// One picked value for each bucket of a sliding window.
    PickedWithin(Pick, Ring<Stamped>),
    /// The exact sum.
    Sum(Nanos),
    /// Items.
    List(ItemList),
    /// Amounts within sliding windows.
    Counter(Counter),
    /// Amounts since ever.
    Total(Total),
    /// The progress in a journey.
    Journey(Box<Progress>),
    /// State that this build cannot read: its kind, and its bytes as stored. It is carried along and reads as missing.
    /// When an event changes the attribute, it is parked.
    Foreign(u8, Vec<u8>),
}

impl State {
    /// Merges two states. Commutative and associative for states of one kind, and idempotent where the kind is.
    ///
    /// States of different kinds meet only when a definition changed in between, and then one of them is parked. Here
    /// the later kind (in the order of this enum) stays, so that the order of merging does not matter.
    #[must_use]
    pub fn merge(mut self, other: State) -> State {
        match (&mut self, other) {
            (State::Picked(pick, mine), State::Picked(other, theirs)) if *pick == other => {
                pick.join(mine, theirs);
            }
            (State::PickedWithin(pick, mine), State::PickedWithin(other, theirs))
                if *pick == other && mine.width_ms == theirs.width_ms =>
            {
                mine.merge(theirs, |known, new| pick.join(known, new));
            }
            (State::Sum(mine), State::Sum(theirs)) => *mine = mine.plus(theirs),
            (State::List(mine), State::List(theirs)) if mine.has_ids == theirs.has_ids => mine.merge(theirs),
            (State::Counter(mine), State::Counter(theirs)) if mine.unit == theirs.unit => mine.merge(theirs),
            (State::Total(mine), State::Total(theirs)) if mine.unit == theirs.unit => mine.merge(theirs),
            (State::Journey(mine), State::Journey(theirs)) => mine.merge(*theirs),
            (State::Foreign(kind, mine), State::Foreign(other, theirs)) => {
                if (other, &theirs) > (*kind, mine) {
                    (*kind, *mine) = (other, theirs);
                }
            }
            (mine, theirs) => {
                if theirs.rank() > mine.rank() {
                    return theirs;
                }
            }
        }
        self
    }

    /// Orders states of different shapes; distinct for states that do not merge.
    pub(crate) fn rank(&self) -> (u8, Option<Pick>, i64) {
        let unit = |unit: &Unit| i64::from(*unit == Unit::Nanos);
        match self {
            State::Picked(pick, _) => (0, Some(*pick), 0),
            State::PickedWithin(pick, ring) => (1, Some(*pick), ring.width_ms.wrapping_neg()),
            State::Sum(_) => (2, None, 0),
            State::List(list) => (3, None, i64::from(list.has_ids)),
            State::Counter(counter) => (4, None, unit(&counter.unit)),
            State::Total(total) => (5, None, unit(&total.unit)),
            State::Journey(_) => (6, None, 0),
            State::Foreign(kind, _) => (7, None, i64::from(*kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::value::Value;

    /// One state of every shape, ascending by rank.
    fn shapes() -> Vec<State> {
        let stamped = || Stamped { value: Value::from(5), time_ms: 5, event_id: "e".into() };
        let within =
            |pick, width_ms| State::PickedWithin(pick, Ring { width_ms, buckets: vec![(7, stamped())] });
        let counter = |unit| {
            State::Counter(Counter { unit, rings: vec![Ring { width_ms: 1_000, buckets: vec![(7, 1)] }] })
        };
        let total = |unit| State::Total(Total { unit, earlier: 3, until: 1, hours: vec![(7, 1)] });
        vec![
            State::Picked(Pick::Last, stamped()),
            State::Picked(Pick::First, stamped()),
            State::Picked(Pick::Min(Order::Number), stamped()),
            within(Pick::Last, 60_000),
            within(Pick::Last, 1_000),
            within(Pick::First, 60_000),
            State::Sum(Nanos(5)),
            State::List(ItemList { has_ids: false, ..ItemList::default() }),
            State::List(ItemList::default()),
            counter(Unit::Events),
            counter(Unit::Nanos),
            total(Unit::Events),
            total(Unit::Nanos),
            State::Journey(Box::default()),
            State::Foreign(8, vec![1]),
            State::Foreign(8, vec![2]),
            State::Foreign(9, vec![0]),
        ]
    }

    #[test]
    fn of_states_that_do_not_merge_the_later_stays_whoever_takes_over() {
        let shapes = shapes();
        for (index, earlier) in shapes.iter().enumerate() {
            for later in &shapes[index + 1..] {
                assert_eq!(earlier.clone().merge(later.clone()), *later, "{earlier:?}");
                assert_eq!(later.clone().merge(earlier.clone()), *later, "{earlier:?}");
            }
        }
    }
}
