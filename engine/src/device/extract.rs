//! Extracts: the part of a profile that a program reads, under the program's names.
//!
//! Two profiles that differ only in other parts have the same extract: it holds no key, no id, no version and no time of the
//! profile itself, and of batch records only the values that count.

use alloc::string::String;
use alloc::vec::Vec;

use super::reduce::Reduced;
use super::unusable::Unusable;
use crate::attribute::batch::read as newest;
use crate::attribute::{BatchRecord, batch_segments};
use crate::order;
use crate::profile::Profile;
use crate::profile::codec::{self, Form, Unreadable};

impl Reduced {
    /// The bytes of a profile's extract, for [`Device::load`](super::Device::load).
    pub fn extract(&self, profile: &Profile) -> Vec<u8> {
        let mut extract = Profile::unknown();
        for (name, slot) in &self.needs.states {
            if let Some(state) = profile.state(name) {
                *extract.state_mut(slot) = Some(state.clone());
            }
        }
        let records = self.records(profile);
        extract.edit_batch(|batch| *batch = records);
        codec::encode(&extract, Form::Three)
    }

    /// The values that count, each with the time at which it was computed.
    fn records(&self, profile: &Profile) -> Vec<BatchRecord> {
        let mut records: Vec<BatchRecord> = Vec::new();
        for column in &self.needs.columns {
            let Some((source, value)) = newest(profile.batch(), column) else { continue };
            let value = (column.clone(), value.clone());
            match records.iter_mut().find(|record| record.computed_ms == source.computed_ms) {
                Some(record) => record.values.push(value),
                None => records.push(BatchRecord { values: alloc::vec![value], ..empty(source.computed_ms) }),
            }
        }
        order::sort(&mut records, |a, b| a.computed_ms.cmp(&b.computed_ms));
        let listed = batch_segments(profile.batch()).map(|(_, listed)| {
            let wanted = self.needs.segments.iter().filter(|name| listed.contains(name));
            wanted.cloned().collect::<Vec<String>>()
        });
        let segments = listed.filter(|listed| !listed.is_empty());
        if records.is_empty() && (segments.is_some() || self.needs.known && profile.is_known()) {
            records.push(empty(0));
        }
        if let Some(record) = records.first_mut() {
            record.segments = segments;
        }
        records
    }
}

fn empty(computed_ms: i64) -> BatchRecord {
    BatchRecord {
        key: String::new(),
        computed_ms,
        arrival_ms: 0,
        segments: None,
        values: Vec::new(),
        patch: false,
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Profile, Unusable> {
    codec::decode(bytes).map_err(|unreadable| match unreadable {
        Unreadable::TooNew => Unusable::OtherEngine,
        Unreadable::Damaged(why) => Unusable::Damaged(why),
    })
}
