//! The ids of a profile's counted events, each kept for 7 days after its arrival.

use alloc::vec::Vec;

use crate::limits::{SEEN_MAX, SEEN_MS};
use crate::order;
use crate::planted::{self, Bug};

/// The ids of a profile's counted events, each kept for 7 days after its arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenIds {
    /// (hash of the id, arrival in Unix milliseconds), oldest arrival first.
    pub events: Vec<(u64, i64)>,
}

/// The result of [`SeenIds::note`] for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dedupe {
    /// It was counted already.
    Duplicate,
    /// It is new, and remembered.
    New,
    /// It is new, and remembered; the bound dropped an id younger than 7 days.
    NewForgotOther,
}

impl SeenIds {
    /// Counts an event's id, unless it was counted already. `now_ms` is the arrival, Unix milliseconds.
    pub(crate) fn note(&mut self, id: &str, now_ms: i64) -> Dedupe {
        // Oldest first, so expired ids come first.
        let over =
            self.events.partition_point(|(_, arrival_ms)| now_ms.saturating_sub(*arrival_ms) >= SEEN_MS);
        self.events.drain(..over);
        let hash = hash(id);
        // No branch per id: most ids are new, so that all are compared.
        let known = self
            .events
            .chunks(16)
            .any(|chunk| chunk.iter().fold(false, |any, (known, _)| any | (*known == hash)));
        if known {
            return Dedupe::Duplicate;
        }
        let index = self.events.partition_point(|(_, arrival_ms)| *arrival_ms <= now_ms);
        if planted::is(Bug::ForgetsIds) && hash & 3 == 0 {
            return Dedupe::New;
        }
        self.events.insert(index, (hash, now_ms));
        if self.forget() { Dedupe::NewForgotOther } else { Dedupe::New }
    }

    /// True if an event of this id was counted, and is remembered.
    pub fn has(&self, id: &str) -> bool {
        let hash = hash(id);
        self.events.iter().any(|(known, _)| *known == hash)
    }

    /// Merges the ids of another profile. Returns whether the bound dropped some.
    pub(super) fn merge(&mut self, other: &SeenIds) -> bool {
        if planted::is(Bug::MergesWithoutIds) {
            return false;
        }
        for (hash, arrival_ms) in other.events.iter().copied() {
            match self.events.iter_mut().find(|(known, _)| *known == hash) {
                // Counted by both: kept with the first arrival, as if one profile had counted both.
                Some((_, mine)) => *mine = (*mine).min(arrival_ms),
                None => self.events.push((hash, arrival_ms)),
            }
        }
        order::sort(&mut self.events, |a, b| (a.1, a.0).cmp(&(b.1, b.0)));
        self.forget()
    }

    fn forget(&mut self) -> bool {
        let over = self.events.len().saturating_sub(SEEN_MAX);
        self.events.drain(..over);
        over > 0
    }
}

/// A 64-bit hash of an event's id. Among 1,000 ids two collide with a probability of 3 in 10¹⁴; then one event is not
/// counted.
fn hash(id: &str) -> u64 {
    // FNV-1a, with the finalizer of MurmurHash3, because similar ids differ little in the low bits.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DAY_MS;

    #[test]
    fn an_id_is_counted_once_for_seven_days() {
        let mut seen = SeenIds::default();
        assert_eq!(seen.note("a", 0), Dedupe::New);
        assert_eq!(seen.note("a", 7 * DAY_MS - 1), Dedupe::Duplicate);
        // A duplicate does not extend the 7 days, which end exactly then.
        assert_eq!(seen.note("a", 7 * DAY_MS), Dedupe::New);
    }

    /// Hashes are stored: with another hash, events would be counted again.
    #[test]
    fn ids_are_remembered_as_ever() {
        assert_eq!(
            ["", "a", "b", "0190-event"].map(hash),
            [0xefd0_1f60_ba99_2926, 0x82a2_a958_a9be_ce5b, 0x6e67_3288_764a_d2d0, 0xe992_5f79_8dc5_0b92]
        );
    }

    #[test]
    fn the_bound_is_told() {
        let mut seen = SeenIds::default();
        for index in 0..SEEN_MAX {
            assert_eq!(seen.note(&alloc::format!("{index}"), 0), Dedupe::New);
        }
        assert_eq!(seen.note("one more", 1), Dedupe::NewForgotOther);
        assert_eq!(seen.note("one more", 1), Dedupe::Duplicate);
        assert_eq!(seen.events.len(), SEEN_MAX);
    }
}
