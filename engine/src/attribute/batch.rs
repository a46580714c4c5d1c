//! Batch records: the imported values of one lookup key.
//!
//! Merge law: per lookup key the newest record that replaces, by (computed at, arrival), drops all older ones; of the
//! patches each keeps the columns for which it is the newest. Records of one age are joined by their content, so the
//! order does not matter. Commutative, associative, idempotent. A profile takes each value from the newest record that
//! has it.

use alloc::string::String;
use alloc::vec::Vec;

use core::cmp::Ordering;

use crate::gather::Gather;
use crate::order;
use crate::value::Value;

/// One imported record.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchRecord {
    /// The lookup key's value that the record was filed under.
    pub key: String,
    /// When it was computed, Unix milliseconds.
    pub computed_ms: i64,
    /// When it arrived, Unix milliseconds.
    pub arrival_ms: i64,
    /// Names of the batch segments that the profile is in; None when the record does not say.
    pub segments: Option<Vec<String>>,
    /// Values by column, ascending by name.
    pub values: Vec<(String, Value)>,
    /// True if it adds to older records of its key; otherwise it replaces them.
    pub patch: bool,
}

impl BatchRecord {
    /// The greatest is the newest; among records of one age and key a patch comes after the record that it adds to.
    pub(crate) fn age_key(&self) -> (i64, i64, &str, bool) {
        (self.computed_ms, self.arrival_ms, &self.key, self.patch)
    }

    fn age(&self, other: &BatchRecord) -> Ordering {
        (self.computed_ms, self.arrival_ms).cmp(&(other.computed_ms, other.arrival_ms))
    }

    fn is_of(&self, other: &BatchRecord, patch: bool) -> bool {
        self.key == other.key && self.patch == patch
    }

    fn says_nothing(&self) -> bool {
        self.values.is_empty() && self.segments.is_none()
    }

    /// Orders records of one age by their content, so that every order of arrival ends with the same one.
    fn by_content(&self, other: &BatchRecord) -> Ordering {
        let texts = |record: &BatchRecord| {
            record.values.iter().map(|(column, value)| (column.clone(), alloc::format!("{value}"))).gather()
        };
        self.segments.cmp(&other.segments).then_with(|| texts(self).cmp(&texts(other)))
    }

    /// Drops the columns that another record has.
    fn without(&mut self, other: &BatchRecord) {
        self.values.retain(|(column, _)| !other.values.iter().any(|(known, _)| known == column));
        if other.segments.is_some() {
            self.segments = None;
        }
    }
}

/// Adds a record to those of a profile. Returns whether it changed them: a record that is older than those of its key
/// does not. `wins`: of two records of one age this one counts; otherwise their content decides.
pub(crate) fn put(records: &mut Vec<BatchRecord>, mut record: BatchRecord, wins: bool) -> bool {
    order::sort(&mut record.values, |(a, _), (b, _)| a.cmp(b));
    let whole = records.iter().position(|known| known.is_of(&record, false));
    let known = whole.and_then(|index| records.get_mut(index));
    if record.patch {
        return known.is_none_or(|known| record.age(known).is_ge()) && put_patch(records, record, wins);
    }
    match known {
        Some(known) => {
            let content = || if wins { Ordering::Greater } else { record.by_content(known) };
            if record.age(known).then_with(content).is_le() {
                return false;
            }
            *known = record.clone();
        }
        None => records.push(record.clone()),
    }
    records.retain(|known| !known.is_of(&record, true) || known.age(&record).is_ge());
    true
}

/// Adds a patch: each column stays in the newest patch that has it.
fn put_patch(records: &mut Vec<BatchRecord>, mut record: BatchRecord, wins: bool) -> bool {
    for known in records.iter_mut() {
        if !known.is_of(&record, true) {
            continue;
        }
        match known.age(&record) {
            Ordering::Greater => record.without(known),
            Ordering::Less => known.without(&record),
            Ordering::Equal => {
                // One of them is enough: a column that both have stays with the value that counts.
                for (column, value) in &known.values {
                    match record.values.iter_mut().find(|(name, _)| name == column) {
                        None => record.values.push((column.clone(), value.clone())),
                        Some((_, own)) if !wins && alloc::format!("{value}") > alloc::format!("{own}") => {
                            *own = value.clone();
                        }
                        Some(_) => {}
                    }
                }
                if record.segments.is_none() || (!wins && known.segments > record.segments) {
                    record.segments.clone_from(&known.segments);
                }
                known.values.clear();
                known.segments = None;
            }
        }
    }
    order::sort(&mut record.values, |(a, _), (b, _)| a.cmp(b));
    records.retain(|known| !known.is_of(&record, true) || !known.says_nothing());
    let says = !record.says_nothing();
    if says {
        records.push(record);
    }
    says
}

/// The record that a column is read from: the newest that has the column.
pub(crate) fn read<'a>(records: &'a [BatchRecord], column: &str) -> Option<(&'a BatchRecord, &'a Value)> {
    records
        .iter()
        .filter_map(|record| {
            let index = record.values.binary_search_by(|(name, _)| name.as_str().cmp(column)).ok()?;
            Some((record, record.values.get(index)?.1.present()?))
        })
        .max_by_key(|(record, _)| record.age_key())
}

/// The newest record that lists segments.
pub(crate) fn segments(records: &[BatchRecord]) -> Option<(&BatchRecord, &[String])> {
    records
        .iter()
        .filter_map(|record| Some((record, record.segments.as_deref()?)))
        .max_by_key(|(record, _)| record.age_key())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = BatchRecord> {
        let values = prop::collection::btree_map("[ab]", 0_i64..3, 0..3);
        let segments = prop::option::of(prop::collection::vec("[xy]", 0..2));
        (0_i64..3, 0_i64..2, values, segments, any::<bool>()).prop_map(
            |(computed_ms, arrival_ms, values, segments, patch)| BatchRecord {
                key: "k".into(),
                computed_ms,
                arrival_ms,
                segments,
                values: values.into_iter().map(|(column, value)| (column, value.into())).collect(),
                patch,
            },
        )
    }

    fn all(records: &[BatchRecord]) -> Vec<BatchRecord> {
        let mut kept = vec![];
        for record in records {
            put(&mut kept, record.clone(), false);
        }
        kept.sort_by(|a, b| a.age_key().cmp(&b.age_key()));
        kept
    }

    proptest! {
        #[test]
        fn the_order_of_records_does_not_matter(records in prop::collection::vec(record(), 0..6), at in 0_usize..6) {
            let mut turned = records.clone();
            turned.rotate_left(at.min(records.len()));
            let once = all(&records);
            prop_assert_eq!(&once, &all(&turned));
            turned.reverse();
            prop_assert_eq!(&once, &all(&turned));
            // Two profiles with a part of the records each, and one that saw all of them twice.
            let (first, second) = records.split_at(at.min(records.len()));
            prop_assert_eq!(&once, &all(&[all(first), all(second)].concat()));
            prop_assert_eq!(&once, &all(&[once.clone(), records].concat()));
        }
    }
}
