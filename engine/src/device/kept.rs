//! The items of a list that are kept, numbered in the order in which they were asked for.
//!
//! Not in the order of the list: private parts decide where in it an item stands that they share with public ones.

use alloc::vec::Vec;

pub(super) struct Kept {
    /// By index: one more than the number; 0 for what is not kept.
    numbers: Vec<usize>,
    /// By number.
    indexes: Vec<usize>,
}

impl Kept {
    pub(super) fn none_of(count: usize) -> Kept {
        Kept { numbers: alloc::vec![0; count], indexes: Vec::new() }
    }

    /// Keeps an item. True if it was not kept before.
    pub(super) fn add(&mut self, index: usize) -> bool {
        let Some(number) = self.numbers.get_mut(index).filter(|number| **number == 0) else { return false };
        self.indexes.push(index);
        *number = self.indexes.len();
        true
    }

    /// Numbers the items in the order of the list.
    pub(super) fn ascend(&mut self) {
        self.indexes.clear();
        for (index, number) in self.numbers.iter_mut().enumerate().filter(|(_, number)| **number > 0) {
            self.indexes.push(index);
            *number = self.indexes.len();
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.numbers.get(index).is_some_and(|number| *number > 0)
    }

    /// The number of an item that is kept.
    pub(super) fn number(&self, index: usize) -> usize {
        self.numbers.get(index).and_then(|number| number.checked_sub(1)).unwrap_or(0)
    }

    /// The kept items by number.
    pub(super) fn among<'i, T>(&self, items: &'i [T]) -> impl Iterator<Item = &'i T> {
        self.indexes.iter().filter_map(|index| items.get(*index))
    }

    /// Drops all others.
    pub(super) fn retain<T>(&self, items: &mut Vec<T>) {
        let mut all: Vec<Option<T>> = core::mem::take(items).into_iter().map(Some).collect();
        items.extend(self.indexes.iter().filter_map(|index| all.get_mut(*index)?.take()));
    }
}
