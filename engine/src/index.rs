//! Names to numbers: the one map of the engine.
//!
//! A map of the standard library costs 5 to 10 KB of wasm for every type of key and value, and everything that a plan is
//! compiled with is found by a text. So all lookups share this one, a table of open addresses.

use alloc::string::String;
use alloc::vec::Vec;

/// The number of each name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In the order in which they came.
    names: Vec<(String, usize)>,
    /// Where each name's entry is, one more than its place, at the print of the name or behind it; 0: nowhere. As long
    /// as a power of two, and at least twice as long as there are names.
    places: Vec<u32>,
}

impl Index {
    /// A name's number.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        let (_, found) = self.find(name)?;
        self.names.get(found?).map(|(_, number)| *number)
    }

    /// A name's number, which is this one if it had none.
    pub(crate) fn number(&mut self, name: &str, number: usize) -> usize {
        if self.names.len().saturating_mul(2) >= self.places.len() {
            self.grow();
        }
        match self.find(name) {
            Some((_, Some(found))) => self.names.get(found).map_or(number, |(_, known)| *known),
            Some((place, None)) => {
                self.names.push((name.into(), number));
                self.put(place, self.names.len());
                number
            }
            None => number,
        }
    }

    /// All names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// The place of a name, and where it is among the names if it is there.
    fn find(&self, name: &str) -> Option<(usize, Option<usize>)> {
        let last = self.places.len().checked_sub(1)?;
        let mut place = print(name) & last;
        loop {
            let Some(entry) = (*self.places.get(place)? as usize).checked_sub(1) else {
                return Some((place, None));
            };
            if self.names.get(entry).is_some_and(|(known, _)| known == name) {
                return Some((place, Some(entry)));
            }
            place = place.wrapping_add(1) & last;
        }
    }

    fn put(&mut self, place: usize, entry: usize) {
        if let Some(place) = self.places.get_mut(place) {
            *place = u32::try_from(entry).unwrap_or(u32::MAX);
        }
    }

    fn grow(&mut self) {
        let length = self.places.len().saturating_mul(2).max(16);
        self.places.clear();
        self.places.resize(length, 0);
        for entry in 0..self.names.len() {
            let print = self.names.get(entry).map_or(0, |(name, _)| print(name));
            let last = length.wrapping_sub(1);
            let mut place = print & last;
            while self.places.get(place).is_some_and(|taken| *taken != 0) {
                place = place.wrapping_add(1) & last;
            }
            self.put(place, entry.saturating_add(1));
        }
    }
}

/// FNV-1a, folded. Names are those of a definition, whose author has nothing to gain from a slow one.
fn print(name: &str) -> usize {
    let print = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |print, byte| {
        (print ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (print ^ (print >> 32)) as usize
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
