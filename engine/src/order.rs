//! Sorts short lists.
//!
//! The standard library's sorts are fast for long slices and cost 5 to 8 KB of wasm for every type they sort. The lists
//! here are short: keys of a profile, items of a list, values of an `IN`.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Sorts by `compare`; equal items keep their order. Quadratic.
pub(crate) fn sort<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut sorted: Vec<T> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        // After all items that are not greater.
        let index = sorted.iter().rposition(|known| compare(known, &item).is_le());
        sorted.insert(index.map_or(0, |index| index.saturating_add(1)), item);
    }
    *items = sorted;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_and_is_stable(mut items in prop::collection::vec((0..10_u8, any::<u8>()), 0..60)) {
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            super::sort(&mut items, |a, b| a.0.cmp(&b.0));
            prop_assert_eq!(items, expected);
        }
    }
}
