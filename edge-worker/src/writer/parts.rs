//! Cuts a message into parts, so that the profiles of each fit an isolate's memory.
//!
//! Events of one visitor, and events whose keys meet, are in one part: the answer to one does not depend on whether another
//! fits. Where these alone are too many, they are cut in their order. Parts are folded one after the other, each on what
//! those before it staged.

use crate::limits::PART_BYTES_MAX;
use crate::message::KeyOf;
use crate::plane::FOLDS_ALL;
use crate::store::{ErasedKey, FoundProfile, FoundSize};
use usher_engine::gather::Gather;

/// The parts of a message, in which items are its events or rows.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// All keys that the message reads; empty unless it has several parts.
    keys: Vec<KeyOf>,
    /// The keys of each item, by their indexes.
    items: Vec<Vec<usize>>,
    /// The part of each item; empty while there is one part.
    part_of: Vec<usize>,
    count: usize,
    /// The part whose turn it is.
    current: usize,
    /// Its keys, by their indexes, ascending.
    keys_of_current: Vec<usize>,
}

impl Parts {
    /// Cuts a message. `items` are the indexes of the keys of each item; if `last_is_last`, the last item is in the last part.
    pub(super) fn cut(
        keys: Vec<KeyOf>,
        items: Vec<Vec<usize>>,
        sizes: &[FoundSize],
        last_is_last: bool,
    ) -> Parts {
        let part_of = cut(keys.len(), &items, sizes, last_is_last);
        let count = part_of.iter().max().map_or(1, |last| last + 1);
        let mut parts = Parts { keys, items, part_of, count, ..Parts::default() };
        parts.find_keys();
        parts
    }

    fn find_keys(&mut self) {
        // Ascending without a sort, which would be 8 KB of wasm.
        let mut is_named = vec![false; self.keys.len()];
        for (part, item) in self.part_of.iter().zip(&self.items) {
            if *part == self.current {
                item.iter().for_each(|key| is_named[*key] = true);
            }
        }
        self.keys_of_current = (0..self.keys.len()).filter(|key| is_named[*key]).gather();
    }

    /// The items of each part that have keys.
    pub(super) fn items_of_each(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new(); self.count];
        for (item, (part, keys)) in self.part_of.iter().zip(&self.items).enumerate() {
            if !keys.is_empty() {
                all[*part].push(item);
            }
        }
        all.retain(|items| !items.is_empty());
        all
    }

    /// True if this item's turn has come.
    pub(super) fn has(&self, item: usize) -> bool {
        !FOLDS_ALL || self.part_of.get(item).is_none_or(|part| *part == self.current)
    }

    /// The keys of the current part.
    pub(super) fn keys(&self) -> Vec<KeyOf> {
        self.keys_of_current.iter().filter_map(|key| self.keys.get(*key).cloned()).gather()
    }

    /// Numbers the keys that the read of the current part found as those of the message are.
    pub(super) fn renumber(&self, found: &mut [FoundProfile], erased: &mut [ErasedKey]) {
        let erased = erased.iter_mut().map(|erased| &mut erased.key);
        for key in found.iter_mut().flat_map(|found| &mut found.keys).chain(erased) {
            // None while there is one part.
            if let Some(of_message) = self.keys_of_current.get(*key) {
                *key = *of_message;
            }
        }
    }

    /// True in the last part.
    pub(super) fn is_last(&self) -> bool {
        !FOLDS_ALL || self.current + 1 >= self.count
    }

    /// Goes on to the next part; false after the last.
    pub(super) fn advance(&mut self) -> bool {
        if !FOLDS_ALL {
            return false;
        }
        self.current += 1;
        self.find_keys();
        self.current < self.count
    }
}

/// Adds what is not there yet.
fn put(list: &mut Vec<usize>, index: usize) {
    if !list.contains(&index) {
        list.push(index);
    }
}

/// The part of each item. Items with a common key, or with keys of one profile, are a group.
fn cut(keys: usize, items: &[Vec<usize>], sizes: &[FoundSize], last_is_last: bool) -> Vec<usize> {
    let mut groups = Groups((0..keys).gather());
    for joined in items.iter().chain(sizes.iter().map(|size| &size.keys)) {
        joined.windows(2).for_each(|pair| groups.join(pair[0], pair[1]));
    }
    let mut profile_of = vec![None; keys];
    let mut bytes_of_group = vec![0; keys];
    for (profile, size) in sizes.iter().enumerate() {
        size.keys.iter().for_each(|key| profile_of[*key] = Some(profile));
        bytes_of_group[size.keys.first().map_or(0, |key| groups.of(*key))] += size.bytes;
    }
    // The items of each group, at the first of them.
    let mut first_of_group = vec![None; keys];
    let mut members = vec![Vec::new(); items.len()];
    for (item, keys) in items.iter().enumerate() {
        let first = keys.first().map_or(item, |key| *first_of_group[groups.of(*key)].get_or_insert(item));
        members[first].push(item);
    }
    if let Some(at) =
        members.iter().position(|of_group| last_is_last && of_group.last() == Some(&(items.len() - 1)))
    {
        let of_last = members.remove(at);
        members.push(of_last);
    }

    let mut part_of = vec![0; items.len()];
    let mut last_part_of = vec![None; sizes.len()];
    let (mut part, mut bytes) = (0, 0);
    for (place, item) in members.iter().flat_map(|of_group| of_group.iter().copied().enumerate()) {
        let mut own = Vec::new();
        items[item].iter().filter_map(|key| profile_of[*key]).for_each(|profile| put(&mut own, profile));
        let own_bytes = |part, last_part_of: &[Option<usize>]| {
            let new = own.iter().filter(|profile| last_part_of[**profile] != Some(part));
            new.map(|profile| sizes[*profile].bytes).sum::<usize>()
        };
        let group_bytes = items[item].first().map_or(0, |key| bytes_of_group[groups.of(*key)]);
        let is_whole = place == 0 && group_bytes <= PART_BYTES_MAX;
        let needed = if is_whole { group_bytes } else { own_bytes(part, &last_part_of) };
        if bytes > 0 && needed > 0 && bytes + needed > PART_BYTES_MAX {
            (part, bytes) = (part + 1, 0);
        }
        bytes += own_bytes(part, &last_part_of);
        own.iter().for_each(|profile| last_part_of[*profile] = Some(part));
        part_of[item] = part;
    }
    part_of
}

/// Disjoint sets of keys: the parent of each, which is itself in the one that names the set.
struct Groups(Vec<usize>);

impl Groups {
    fn of(&mut self, mut key: usize) -> usize {
        while self.0[key] != key {
            // Halves the path, so that it stays short.
            self.0[key] = self.0[self.0[key]];
            key = self.0[key];
        }
        key
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        self.0[other] = one;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = PART_BYTES_MAX / 2;

    fn size(keys: &[usize], bytes: usize) -> FoundSize {
        FoundSize { keys: keys.to_vec(), bytes }
    }

    #[test]
    fn what_is_not_stored_yet_is_one_part() {
        assert_eq!(cut(0, &[], &[], false), [] as [usize; 0]);
        assert_eq!(cut(2, &[vec![0], vec![], vec![1]], &[], false), [0, 0, 0]);
        assert_eq!(cut(2, &[vec![0], vec![1]], &[size(&[0], HALF), size(&[1], HALF)], false), [0, 0]);
    }

    #[test]
    fn a_part_has_whole_visitors_up_to_the_bound() {
        let sizes = [size(&[0], HALF), size(&[1], HALF), size(&[2], HALF), size(&[3], HALF + 1)];
        let items = [vec![0], vec![1], vec![2], vec![0], vec![3], vec![2], vec![4]];
        assert_eq!(cut(5, &items, &sizes, false), [0, 0, 1, 0, 2, 1, 2]);
        // The visitor of the last item is answered after all others.
        assert_eq!(cut(4, &items[..4], &sizes[..3], true), [1, 0, 0, 1]);
    }

    #[test]
    fn keys_that_meet_in_an_item_or_in_a_profile_stay_together() {
        // The first two by an event, the second and the fourth by a stored profile.
        let sizes = [size(&[0], HALF - 9), size(&[1, 3], 9), size(&[2], PART_BYTES_MAX)];
        let items = [vec![0], vec![2], vec![0, 1], vec![3]];
        assert_eq!(cut(4, &items, &sizes, false), [0, 1, 0, 0]);
    }

    #[test]
    fn more_than_fit_are_cut_in_order_where_they_meet() {
        let sizes: Vec<FoundSize> = (1..7).map(|key| size(&[key], HALF)).collect();
        let mut items: Vec<Vec<usize>> = (1..7).map(|key| vec![0, key]).collect();
        assert_eq!(cut(7, &items, &sizes, false), [0, 0, 1, 1, 2, 2]);
        // An item that is larger than the bound by itself is a part.
        items[2] = (0..7).collect();
        assert_eq!(cut(7, &items, &sizes, false), [0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn keys_are_numbered_as_those_of_the_message() {
        let keys: Vec<KeyOf> = (0..3)
            .map(|key| KeyOf { audience: String::new(), name: String::new(), value: format!("{key}") })
            .collect();
        let sizes = [size(&[0], PART_BYTES_MAX), size(&[1, 2], PART_BYTES_MAX)];
        let mut parts = Parts::cut(keys.clone(), vec![vec![0], vec![2, 1]], &sizes, false);
        assert_eq!((parts.keys(), parts.has(0), parts.has(1)), (keys[..1].to_vec(), true, false));
        assert!(parts.advance());
        assert_eq!((parts.keys(), parts.has(0), parts.has(1)), (keys[1..].to_vec(), false, true));
        let (audience, state) = (String::new(), Vec::new());
        let mut found = [FoundProfile { audience, keys: vec![0, 1], id: [0; 16], version: 1, state }];
        let mut erased = [ErasedKey { key: 1, at_ms: 5, imports: false }];
        parts.renumber(&mut found, &mut erased);
        assert_eq!(erased[0].key, 2);
        assert_eq!(found[0].keys, [1, 2]);
        assert!(!parts.advance());
    }
}
