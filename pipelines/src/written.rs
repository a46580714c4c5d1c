//! Events whose rows stand in the output before they are read: a process wrote them, and did not come to commit that.

use std::collections::BTreeSet;

use crate::changed::Changed;

/// The places of such events, by partition and offset.
#[derive(Debug, Default)]
pub(crate) struct Written {
    places: BTreeSet<(u32, u64)>,
    pub(crate) changed: Changed<(u32, u64)>,
}

/// The state of a partition is made again from events that were read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The offset of the first event that was not.
    pub until: u64,
    /// The clock of the partition when that one was next.
    pub clock_ms: i64,
}

impl Written {
    pub(crate) fn note(&mut self, partition: u32, offset: u64) {
        if self.places.insert((partition, offset)) {
            self.changed.note(|| (partition, offset));
        }
    }

    pub(crate) fn has(&self, partition: u32, offset: u64) -> bool {
        self.places.contains(&(partition, offset))
    }

    /// True if the event is one of them. It comes once.
    pub(crate) fn take(&mut self, partition: u32, offset: u64) -> bool {
        let was_there = self.places.remove(&(partition, offset));
        if was_there {
            self.changed.note(|| (partition, offset));
        }
        was_there
    }

    /// Forgets those of a partition.
    pub(crate) fn clear(&mut self, partition: u32) {
        self.places.retain(|(of, _)| *of != partition);
    }
}
