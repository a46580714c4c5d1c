//! Batch records: what an import said about one lookup key.
//!
//! Merge law: per lookup key the newest record, by (computed at, arrival), replaces the older whole; commutative,
//! associative, idempotent. A profile with several keys takes each value from the newest record that has it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::order;
use crate::value::Value;

/// One imported record.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchRecord {
    /// The lookup key's value that it came under.
    pub key: String,
    /// When it was computed, Unix milliseconds.
    pub computed_ms: i64,
    /// When it arrived, Unix milliseconds.
    pub arrival_ms: i64,
    /// Names of the batch segments that the profile is in; None when the record does not say.
    pub segments: Option<Vec<String>>,
    /// Values by column, ascending.
    pub values: Vec<(String, Value)>,
}

impl BatchRecord {
    /// Newer records come first.
    pub(crate) fn age_key(&self) -> (i64, i64, &str) {
        (self.computed_ms, self.arrival_ms, &self.key)
    }
}

/// Adds a record to those of a profile; an older one of its key changes nothing.
pub(crate) fn put(records: &mut Vec<BatchRecord>, mut record: BatchRecord) -> bool {
    order::sort(&mut record.values, |(a, _), (b, _)| a.cmp(b));
    match records.iter_mut().find(|known| known.key == record.key) {
        Some(known) => {
            let newer = (record.computed_ms, record.arrival_ms) >= (known.computed_ms, known.arrival_ms);
            if newer {
                *known = record;
            }
            newer
        }
        None => {
            records.push(record);
            true
        }
    }
}

/// The record that a column is read from: the newest that has it.
pub(crate) fn read<'a>(records: &'a [BatchRecord], column: &str) -> Option<(&'a BatchRecord, &'a Value)> {
    records
        .iter()
        .filter_map(|record| {
            let index = record.values.binary_search_by(|(name, _)| name.as_str().cmp(column)).ok()?;
            Some((record, record.values.get(index)?.1.present()?))
        })
        .max_by_key(|(record, _)| record.age_key())
}

/// The newest record that says which segments the profile is in.
pub(crate) fn segments(records: &[BatchRecord]) -> Option<(&BatchRecord, &[String])> {
    records
        .iter()
        .filter_map(|record| Some((record, record.segments.as_deref()?)))
        .max_by_key(|(record, _)| record.age_key())
}
