//! A map from names to numbers, the only map of the engine.
//!
//! A map of the standard library costs 5 to 10 KB of wasm for every type of key and value. The compiler finds everything by
//! name, so all its lookups share this map, which uses open addressing.

use crate::bytes::{Reader, Writer};
use crate::flat::Flat;
use alloc::string::String;
use alloc::vec::Vec;

/// A map from names to numbers.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// All names in the order of their insertion, concatenated: one allocation for many.
    text: String,
    /// The end of each name in `names`, and its number.
    names: Vec<(usize, usize)>,
    hashes: HashIndex,
}

impl Index {
    /// A name's number.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        let found = self.hashes.find(hash(name), &mut |entry| self.name(entry) == Some(name))?;
        self.names.get(found).map(|(_, number)| *number)
    }

    /// A name's number, which is this one if it had none.
    pub(crate) fn number(&mut self, name: &str, number: usize) -> usize {
        if let Some(known) = self.get(name) {
            return known;
        }
        self.hashes.add(hash(name));
        self.text.push_str(name);
        self.names.push((self.text.len(), number));
        number
    }

    /// All names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.names.len()).filter_map(|entry| self.name(entry))
    }

    fn name(&self, entry: usize) -> Option<&str> {
        let start = entry.checked_sub(1).and_then(|before| self.names.get(before)).map_or(0, |(end, _)| *end);
        let (end, _) = self.names.get(entry)?;
        self.text.get(start..*end)
    }
}

/// Numbers of entries by their hash, in the order of insertion. The caller keeps the entries and compares them.
#[derive(Debug, Default)]
pub(crate) struct HashIndex {
    /// Open addressing: hash and entry number + 1, 0 for an empty bucket. The length is a power of two and at least twice
    /// the number of entries.
    buckets: Vec<(u32, u32)>,
    entries: u32,
}

impl HashIndex {
    /// The first entry of this hash that `is` accepts.
    pub(crate) fn find(&self, hash: u32, is: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        let last = self.buckets.len().checked_sub(1)?;
        let mut at = hash as usize & last;
        loop {
            let (known, entry) = *self.buckets.get(at)?;
            let entry = (entry as usize).checked_sub(1)?;
            if known == hash && is(entry) {
                return Some(entry);
            }
            at = at.wrapping_add(1) & last;
        }
    }

    /// Adds the next entry.
    pub(crate) fn add(&mut self, hash: u32) {
        self.entries = self.entries.saturating_add(1);
        if (self.entries as usize).saturating_mul(2) > self.buckets.len() {
            let length = self.buckets.len().saturating_mul(2).max(16);
            let before = core::mem::replace(&mut self.buckets, alloc::vec![(0, 0); length]);
            before
                .into_iter()
                .filter(|(_, entry)| *entry > 0)
                .for_each(|(hash, entry)| self.put(hash, entry));
        }
        self.put(hash, self.entries);
    }

    fn put(&mut self, hash: u32, entry: u32) {
        let last = self.buckets.len().wrapping_sub(1);
        let mut at = hash as usize & last;
        while self.buckets.get(at).is_some_and(|(_, entry)| *entry != 0) {
            at = at.wrapping_add(1) & last;
        }
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket = (hash, entry);
        }
    }
}

fn hash(name: &str) -> u32 {
    let mut hash = Hasher32::default();
    hash.text(name);
    hash.finish()
}

/// A 32-bit hash, not collision-resistant. Hash only what is part of a definition: its author gains nothing from
/// collisions.
#[derive(Default)]
pub(crate) struct Hasher32(u64);

impl Hasher32 {
    pub(crate) fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) fn text(&mut self, text: &str) {
        let (words, rest) = text.as_bytes().as_chunks();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        let rest = rest.iter().fold(0, |rest, byte| (rest << 8) | u64::from(*byte));
        self.word(rest ^ ((text.len() as u64) << 56));
    }

    pub(crate) fn finish(&self) -> u32 {
        (self.0 ^ (self.0 >> 32)) as u32
    }
}

impl Flat for Index {
    fn write(&self, w: &mut Writer) {
        w.count(self.names.len());
        for (entry, (_, number)) in self.names.iter().enumerate() {
            w.text(self.name(entry).unwrap_or_default());
            number.write(w);
        }
    }

    fn read(r: &mut Reader<'_>) -> Index {
        // The hashes are made again: damaged ones could make a search endless.
        let names: Vec<(String, usize)> = Flat::read(r);
        let mut index = Index::default();
        for (name, number) in names {
            index.number(&name, number);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map(names in prop::collection::vec("[ab]{0,6}", 0..200)) {
            let (mut index, mut map) = (Index::default(), BTreeMap::new());
            for (number, name) in names.iter().enumerate() {
                prop_assert_eq!(index.get(name), map.get(name).copied());
                prop_assert_eq!(index.number(name, number), *map.entry(name.clone()).or_insert(number));
            }
            prop_assert!(index.iter().count() == map.len());
        }
    }
}
