//! Sorts short lists.
//!
//! The standard library's sorts are fast for long slices and cost 5 to 8 KB of wasm for every type they sort. The lists
//! here are short: keys of a profile, items of a list, values of an `IN`.

use core::cmp::Ordering;
use core::mem;

/// Sorts by `compare`; equal items keep their order. Quadratic, and linear for what is sorted already.
pub(crate) fn sort<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        // Down to its place, which is after all items that are not greater.
        let mut at = end;
        while let Some(below) = at.checked_sub(1)
            && let Some([lower, item]) = items.get_mut(below..=at)
            && compare(lower, item).is_gt()
        {
            mem::swap(lower, item);
            at = below;
        }
    }
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
