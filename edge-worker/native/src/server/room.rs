//! Memory for bodies: all that are read or answered at one time have a bound together, and one source a part of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use usher_edge::Refusal;

use super::source::Source;
use crate::limits::{BODIES_BYTES_MAX, SOURCE_BODIES_BYTES_MAX};

/// The memory of all bodies.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<HashMap<Source, usize>>>);

/// The part of one body; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    room: Room,
    source: Source,
    bytes: usize,
}

impl Room {
    pub(super) fn part(&self, source: Source) -> Part {
        Part { room: self.clone(), source, bytes: 0 }
    }
}

impl Part {
    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// The refusal for a source that has its part, or for everybody when all of it is used.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let mut used = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = used.values().sum();
        let own = used.entry(self.source).or_default();
        let refusal = if *own + bytes > SOURCE_BODIES_BYTES_MAX {
            Some(Refusal::RATE)
        } else if all + bytes > BODIES_BYTES_MAX {
            Some(Refusal::STORAGE)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            if *own == 0 {
                used.remove(&self.source);
            }
            return Err(refusal);
        }
        *own += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut used = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = used.get_mut(&self.source) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                used.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_leaves_memory_to_others_and_gives_its_own_back() {
        let room = Room::default();
        let source = |last: u8| Source::of([203, 0, 113, last].into());
        let mut first = room.part(source(1));
        assert_eq!(first.grow(SOURCE_BODIES_BYTES_MAX), Ok(()));
        assert_eq!(room.part(source(1)).grow(1), Err(Refusal::RATE));
        let others: Vec<Part> = (2..=u8::try_from(BODIES_BYTES_MAX / SOURCE_BODIES_BYTES_MAX).unwrap())
            .map(|last| {
                let mut part = room.part(source(last));
                assert_eq!(part.grow(SOURCE_BODIES_BYTES_MAX), Ok(()));
                part
            })
            .collect();
        assert_eq!(room.part(source(99)).grow(1), Err(Refusal::STORAGE));
        drop(first);
        assert_eq!(room.part(source(99)).grow(1), Ok(()));
        drop(others);
        assert!(room.0.lock().unwrap().is_empty());
    }
}
