//! Names to numbers: the one map of the engine.
//!
//! A map of the standard library costs 5 to 10 KB of wasm for every type of key and value, and everything that a plan is
//! compiled with is found by a text. So all lookups share this one.

use alloc::{collections::BTreeMap, string::String};

/// The number of each name.
#[derive(Debug, Default)]
pub(crate) struct Index(BTreeMap<String, usize>);

impl Index {
    /// A name's number.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// A name's number, which is this one if it had none.
    pub(crate) fn number(&mut self, name: String, number: usize) -> usize {
        *self.0.entry(name).or_insert(number)
    }

    /// All names in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
