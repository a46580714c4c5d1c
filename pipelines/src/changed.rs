//! The keys of a part of the state that changed since they were taken, where somebody takes them.

use std::collections::BTreeSet;

/// Nothing is noted before [`Changed::begin`].
#[derive(Debug)]
pub(crate) struct Changed<K> {
    keys: Option<BTreeSet<K>>,
}

impl<K> Default for Changed<K> {
    fn default() -> Changed<K> {
        Changed { keys: None }
    }
}

impl<K: Ord> Changed<K> {
    pub(crate) fn begin(&mut self) {
        self.keys = Some(BTreeSet::new());
    }

    pub(crate) fn note(&mut self, key: impl FnOnce() -> K) {
        if let Some(keys) = &mut self.keys {
            keys.insert(key());
        }
    }

    /// Notes nothing while something is done that the store has already.
    pub(crate) fn unnoted(&mut self) -> Option<BTreeSet<K>> {
        self.keys.take()
    }

    /// Goes on noting, after [`Changed::unnoted`].
    pub(crate) fn noted(&mut self, keys: Option<BTreeSet<K>>) {
        self.keys = keys;
    }

    /// The keys since the last time, in their order.
    pub(crate) fn take(&mut self) -> BTreeSet<K> {
        self.keys.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
