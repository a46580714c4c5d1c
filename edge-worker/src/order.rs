//! Sorts lists by the numbers of their items: one function for all types, because a sort of the standard library takes 4 KB
//! of wasm for each.

use usher_engine::gather::Gather;

/// The numbers of so many items in ascending order; equal ones keep their order.
pub(crate) fn ascending(count: usize, is_less: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).gather();
    let mut merged: Vec<usize> = Vec::with_capacity(count);
    let mut width = 1;
    while width < count {
        for pair in order.chunks(2 * width) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let ([first, lefts @ ..], [second, rights @ ..]) = (left, right) {
                if is_less(*second, *first) {
                    merged.push(*second);
                    right = rights;
                } else {
                    merged.push(*first);
                    left = lefts;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        core::mem::swap(&mut order, &mut merged);
        merged.clear();
        width *= 2;
    }
    order
}

/// The items in ascending order.
pub(crate) fn sorted<T: Ord + Default>(mut items: Vec<T>) -> Vec<T> {
    let order = ascending(items.len(), &|a, b| items[a] < items[b]);
    order.into_iter().map(|index| core::mem::take(&mut items[index])).gather()
}

/// The items in ascending order, each once.
pub(crate) fn distinct<T: Ord + Default>(items: Vec<T>) -> Vec<T> {
    let mut items = sorted(items);
    items.dedup();
    items
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in prop::collection::vec((0..9_u8, any::<u8>()), 0..70)) {
            let mut expected: Vec<usize> = (0..items.len()).collect();
            expected.sort_by_key(|index| items[*index].0);
            prop_assert_eq!(ascending(items.len(), &|a, b| items[a].0 < items[b].0), expected);
            let mut expected = items.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(items.clone()), &*expected);
            expected.dedup();
            prop_assert_eq!(distinct(items), expected);
        }
    }
}
