//! Rows of bytes in the order of their keys, and the rows that have changed.

use std::collections::{BTreeMap, BTreeSet};

/// A row to store, or to delete if it has no value.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// Rows in memory.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Keys of rows that have changed since they were taken.
    changed: BTreeSet<Vec<u8>>,
    /// Rows as they were before staged changes, in the order of the changes.
    before: Vec<Change>,
}

impl Rows {
    pub(super) fn of(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Rows {
        Rows { rows: rows.collect(), ..Rows::default() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(key).map(Vec::as_slice)
    }

    /// The rows whose keys begin so, in their order.
    pub(super) fn below<'r>(
        &'r self,
        prefix: &'r [u8],
    ) -> impl DoubleEndedIterator<Item = (&'r [u8], &'r [u8])> {
        let rows = self.rows.range(prefix.to_vec()..after(prefix));
        rows.map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let before = self.rows.insert(key.clone(), value);
        self.note(key, before);
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        if let Some(before) = self.rows.remove(key) {
            self.note(key.to_vec(), Some(before));
        }
    }

    fn note(&mut self, key: Vec<u8>, before: Option<Vec<u8>>) {
        self.changed.insert(key.clone());
        self.before.push((key, before));
    }

    /// Keeps all changes.
    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// Takes back all changes that were not kept.
    pub(super) fn undo(&mut self) {
        for (key, before) in std::mem::take(&mut self.before).into_iter().rev() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// The rows that have changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|key| (self.rows.get(&key).cloned(), key)).map(|(value, key)| (key, value)).collect()
    }
}

/// The first key after all that begin so.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    // No kind of row begins with the highest byte.
    vec![u8::MAX]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let pairs = [([1, 255].to_vec(), 1), ([1].to_vec(), 2), ([2, 0].to_vec(), 3), ([1, 7].to_vec(), 4)];
        Rows::of(pairs.into_iter().map(|(key, value)| (key, vec![value])))
    }

    #[test]
    fn rows_below_a_prefix_are_all_of_it_and_no_others() {
        let below = |prefix: &[u8]| rows().below(prefix).map(|(_, value)| value[0]).collect::<Vec<_>>();
        assert_eq!(below(&[1]), [2, 4, 1]);
        assert_eq!(below(&[1, 255]), [1]);
        assert!(below(&[3]).is_empty());
        assert_eq!(below(&[2]), [3]);
    }

    #[test]
    fn undone_changes_are_as_if_they_had_never_been() {
        let mut rows = rows();
        rows.put(vec![1], vec![9]);
        rows.keep();
        rows.put(vec![1], vec![8]);
        rows.put(vec![1], vec![7]);
        rows.delete(&[2, 0]);
        rows.put(vec![5], vec![5]);
        rows.undo();
        assert_eq!(rows.get(&[1]), Some(&[9][..]));
        assert_eq!(rows.get(&[2, 0]), Some(&[3][..]));
        assert_eq!(rows.get(&[5]), None);
        // Storing them again as they are does no harm.
        let changes = rows.take_changes();
        assert!(changes.contains(&(vec![1], Some(vec![9]))) && changes.contains(&(vec![5], None)));
        assert!(rows.take_changes().is_empty());
    }
}
