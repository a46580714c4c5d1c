//! Attributes: what is kept of events, one kind per file, each with its merge law.
//!
//! State is a function of the set of accepted events: applying them in any order, and merging profiles that saw parts
//! of them in any order, gives the same state. Reading takes `now`, because some of it fades.

mod batch;
mod counter;
mod list;
mod single;

pub use batch::BatchRecord;
pub(crate) use batch::{put as put_record, read as read_batch, segments as batch_segments};
pub use counter::Ring;
pub(crate) use counter::width_ms;
pub use list::{Item, ItemList};
pub use single::Last;

use crate::value::Nanos;

/// What a profile keeps of one attribute that is computed from events.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The newest value.
    Last(Last),
    /// The exact sum.
    Sum(Nanos),
    /// Distinct items.
    List(ItemList),
    /// Buckets of a sliding window.
    Counter(Ring),
}

impl State {
    /// Both together. Commutative and associative for states of one kind, and idempotent where the kind is.
    ///
    /// States of different kinds meet only when a definition changed in between: the later kind (in the order of this
    /// enum) stays, so that the order of merging does not matter.
    #[must_use]
    pub fn merge(self, other: State) -> State {
        match (self, other) {
            (State::Last(a), State::Last(b)) => State::Last(a.merge(b)),
            (State::Sum(a), State::Sum(b)) => State::Sum(a.plus(b)),
            (State::List(a), State::List(b)) => State::List(a.merge(b)),
            (State::Counter(a), State::Counter(b)) => State::Counter(a.merge(b)),
            (a, b) if a.rank() >= b.rank() => a,
            (_, b) => b,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            State::Last(_) => 0,
            State::Sum(_) => 1,
            State::List(_) => 2,
            State::Counter(_) => 3,
        }
    }
}

#[cfg(test)]
mod tests;
