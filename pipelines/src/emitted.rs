//! The ids of one partition whose events were emitted, each while its TTL runs.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::changed::Changed;

/// Ids, each with the moment of the partition's clock after which it is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    ids: HashMap<Rc<str>, i64>,
    by_end: BTreeSet<(i64, Rc<str>)>,
    bytes: u64,
    pub(crate) changed: Changed<Rc<str>>,
}

/// Bytes that an id takes beside its text: its entries in two tables.
const ID_BYTES: usize = 96;

impl Emitted {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    /// The moment after which an id is forgotten.
    pub(crate) fn until_ms(&self, id: &str) -> Option<i64> {
        self.ids.get(id).copied()
    }

    pub(crate) fn remember(&mut self, id: Rc<str>, until_ms: i64) {
        self.bytes += (ID_BYTES + id.len()) as u64;
        self.changed.note(|| Rc::clone(&id));
        if let Some(before_ms) = self.ids.insert(Rc::clone(&id), until_ms) {
            self.bytes = self.bytes.saturating_sub((ID_BYTES + id.len()) as u64);
            self.by_end.remove(&(before_ms, Rc::clone(&id)));
        }
        self.by_end.insert((until_ms, id));
    }

    /// Forgets the ids whose TTL ended before the clock showed this.
    pub(crate) fn forget(&mut self, clock_ms: i64) {
        while self.by_end.first().is_some_and(|(until_ms, _)| *until_ms < clock_ms) {
            self.forget_oldest();
        }
    }

    /// True if there was one.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let Some((_, id)) = self.by_end.pop_first() else { return false };
        self.bytes = self.bytes.saturating_sub((ID_BYTES + id.len()) as u64);
        self.ids.remove(&id);
        self.changed.note(|| id);
        true
    }
}
