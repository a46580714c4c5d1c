//! Finds duplicate names of an object, without comparing each with all before it.

use usher_engine::value::Value;

/// Up to this number of entries, a linear search is faster than binary search.
const FEW: usize = 16;

/// The positions of an object's entries, ordered by name; empty while there are few.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<usize>);

impl Names {
    /// The position of this name among the entries; None if it is new, and the next one to be added.
    ///
    /// Not a hash table: a sender could choose names with one hash.
    pub(super) fn find_or_put(&mut self, entries: &[(String, Value)], name: &str) -> Option<usize> {
        if entries.len() < FEW {
            return entries.iter().position(|(known, _)| known == name);
        }
        if self.0.is_empty() {
            for at in 0..entries.len() {
                let place = entries
                    .get(at)
                    .map_or(0, |(known, _)| self.place(entries, known).unwrap_or_else(|at| at));
                self.0.insert(place, at);
            }
        }
        match self.place(entries, name) {
            Ok(found) => self.0.get(found).copied(),
            Err(place) => {
                self.0.insert(place, entries.len());
                None
            }
        }
    }

    fn place(&self, entries: &[(String, Value)], name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|at| entries.get(*at).map_or("", |(known, _)| known).cmp(name))
    }
}
