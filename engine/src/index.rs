//! Names to numbers: the one map of the engine.
//!
//! A map of the standard library costs 5 to 10 KB of wasm for every type of key and value, and everything that a plan is
//! compiled with is found by a text. So all lookups share this one, a table of open addresses.

use alloc::string::String;
use alloc::vec::Vec;

/// The number of each name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// All names, one behind the other in the order in which they came: one allocation for many.
    text: String,
    /// Where each ends, and its number.
    names: Vec<(usize, usize)>,
    places: Places,
}

impl Index {
    /// A name's number.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        let found = self.places.find(print(name), &mut |entry| self.name(entry) == Some(name))?;
        self.names.get(found).map(|(_, number)| *number)
    }

    /// A name's number, which is this one if it had none.
    pub(crate) fn number(&mut self, name: &str, number: usize) -> usize {
        if let Some(known) = self.get(name) {
            return known;
        }
        self.places.add(print(name));
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

/// Entries by their prints, numbered in the order in which they came; whoever asks keeps the entries.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// An entry's print and one more than its number, at its print or behind it; number 0: nothing. As long as a power
    /// of two, and at least twice as long as there are entries.
    places: Vec<(u32, u32)>,
    entries: u32,
}

impl Places {
    /// The first entry of this print that is the one that is meant.
    pub(crate) fn find(&self, print: u32, is: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        let last = self.places.len().checked_sub(1)?;
        let mut at = print as usize & last;
        loop {
            let (known, entry) = *self.places.get(at)?;
            let entry = (entry as usize).checked_sub(1)?;
            if known == print && is(entry) {
                return Some(entry);
            }
            at = at.wrapping_add(1) & last;
        }
    }

    /// The next entry.
    pub(crate) fn add(&mut self, print: u32) {
        self.entries = self.entries.saturating_add(1);
        if (self.entries as usize).saturating_mul(2) > self.places.len() {
            let length = self.places.len().saturating_mul(2).max(16);
            let before = core::mem::replace(&mut self.places, alloc::vec![(0, 0); length]);
            before
                .into_iter()
                .filter(|(_, entry)| *entry > 0)
                .for_each(|(print, entry)| self.put(print, entry));
        }
        self.put(print, self.entries);
    }

    fn put(&mut self, print: u32, entry: u32) {
        let last = self.places.len().wrapping_sub(1);
        let mut at = print as usize & last;
        while self.places.get(at).is_some_and(|(_, taken)| *taken != 0) {
            at = at.wrapping_add(1) & last;
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = (print, entry);
        }
    }
}

fn print(name: &str) -> u32 {
    let mut print = Print::default();
    print.text(name);
    print.finish()
}

/// A number that is the same for what is the same, and seldom for anything else: words are multiplied in. What has a
/// print is part of a definition, whose author has nothing to gain from a slow one.
#[derive(Default)]
pub(crate) struct Print(u64);

impl Print {
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
