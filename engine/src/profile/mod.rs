//! The state of one stitched visitor.
//!
//! A profile is plain data; what its attributes mean is in the plan. State that the running plan does not know is
//! carried along untouched, so that a rollback finds its counters again. [`codec`] stores it.

pub mod codec;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::attribute::{BatchRecord, State};
use crate::limits::{SEEN_MAX, SEEN_MS};
use crate::order;

/// The internal id of a profile, a UUIDv7 by convention of the hosts: ids of older profiles are smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub [u8; 16]);

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The state of one stitched visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Names it.
    pub id: ProfileId,
    /// Arrival of the first row that made it, Unix milliseconds: of several profiles the earliest survives a merge.
    pub created_ms: i64,
    /// How many commits it has seen; 0 before the first.
    pub version: u64,
    /// The number of the bundle that wrote it last; an older one must not.
    pub bundle: u64,
    /// The identifiers it is known by.
    pub keys: Vec<Key>,
    /// Profiles that were merged into it.
    pub absorbed: Vec<ProfileId>,
    /// Ids of the events that were counted.
    pub seen: Seen,
    /// What imports said.
    pub batch: Vec<BatchRecord>,
    /// What events said, by the attribute's name, ascending.
    pub attributes: Vec<(String, State)>,
}

/// An identifier of a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The stitching key's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Newest time of an event that carried it, Unix milliseconds.
    pub seen_ms: i64,
}

impl Profile {
    /// A profile that knows nothing.
    pub fn new(id: ProfileId, created_ms: i64) -> Profile {
        Profile {
            id,
            created_ms,
            version: 0,
            bundle: 0,
            keys: Vec::new(),
            absorbed: Vec::new(),
            seen: Seen::default(),
            batch: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The profile of somebody unknown: for answers that are not stored.
    pub fn unknown() -> Profile {
        Profile::new(ProfileId([0; 16]), 0)
    }

    /// Whether a batch record says something about it.
    pub fn is_known(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Whether it is known by this identifier.
    pub fn has_key(&self, name: &str, value: &str) -> bool {
        self.keys.iter().any(|key| key.name == name && key.value == value)
    }

    /// The value of a key that a profile has at most one of.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.name == name).map(|key| key.value.as_str())
    }

    /// What is kept under an attribute's name.
    pub fn state(&self, name: &str) -> Option<&State> {
        let index = self.attributes.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.attributes.get(index).map(|(_, state)| state)
    }

    /// Replaces what is kept under an attribute's name by what `change` makes of it.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(Option<State>) -> State) {
        match self.attributes.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(index) => {
                if let Some((_, state)) = self.attributes.get_mut(index) {
                    // An empty sum stands in for the moment of the move.
                    let old = core::mem::replace(state, State::Sum(crate::value::Nanos(0)));
                    *state = change(Some(old));
                }
            }
            Err(index) => self.attributes.insert(index, (name.into(), change(None))),
        }
    }

    /// Takes over everything of another profile, once: one that was absorbed already changes nothing.
    ///
    /// Commutative and associative in all but `id` and `created_ms`, which the caller chose by whom it calls.
    pub(crate) fn absorb(&mut self, other: Profile) {
        if other.id == self.id || self.absorbed.contains(&other.id) {
            return;
        }
        for id in other.absorbed.into_iter().chain([other.id]) {
            if let Err(index) = self.absorbed.binary_search(&id) {
                self.absorbed.insert(index, id);
            }
        }
        self.bundle = self.bundle.max(other.bundle);
        for key in other.keys {
            self.learn(key);
        }
        self.seen.merge(other.seen);
        for record in other.batch {
            crate::attribute::put_record(&mut self.batch, record);
        }
        for (name, state) in other.attributes {
            self.change(&name, |mine| match mine {
                Some(mine) => mine.merge(state),
                None => state,
            });
        }
    }

    /// Adds an identifier, or notes that it was seen again.
    pub(crate) fn learn(&mut self, key: Key) {
        match self.keys.iter_mut().find(|known| known.name == key.name && known.value == key.value) {
            Some(known) => known.seen_ms = known.seen_ms.max(key.seen_ms),
            None => self.keys.push(key),
        }
    }
}

/// The ids of the events that a profile counted: each once for 7 days after its arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// (hash of the id, arrival in Unix milliseconds), oldest arrival first.
    pub events: Vec<(u64, i64)>,
}

/// What [`Seen::note`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Not seen before; remembered now.
    First,
    /// Not seen before; remembered now, and the bound made it forget a younger than 7 days.
    FirstAndForgot,
    /// Counted already.
    Again,
}

impl Seen {
    /// Remembers an event's id, unless it is remembered already.
    pub(crate) fn note(&mut self, id: &str, now_ms: i64) -> Sight {
        self.events.retain(|(_, arrival_ms)| now_ms.saturating_sub(*arrival_ms) < SEEN_MS);
        let hash = hash(id);
        if self.events.iter().any(|(known, _)| *known == hash) {
            return Sight::Again;
        }
        let index = self.events.partition_point(|(_, arrival_ms)| *arrival_ms <= now_ms);
        self.events.insert(index, (hash, now_ms));
        if self.forget() { Sight::FirstAndForgot } else { Sight::First }
    }

    fn merge(&mut self, other: Seen) {
        for (hash, arrival_ms) in other.events {
            match self.events.iter_mut().find(|(known, _)| *known == hash) {
                // Counted by both: remembered from the first arrival, as if one profile had seen both.
                Some((_, mine)) => *mine = (*mine).min(arrival_ms),
                None => self.events.push((hash, arrival_ms)),
            }
        }
        order::sort(&mut self.events, |a, b| (a.1, a.0).cmp(&(b.1, b.0)));
        self.forget();
    }

    fn forget(&mut self) -> bool {
        let over = self.events.len().saturating_sub(SEEN_MAX);
        self.events.drain(..over);
        over > 0
    }
}

/// 64 bits of an event's id. Of 1,000 ids two collide with a chance of 3 in 10¹⁴, and then one event goes uncounted.
fn hash(id: &str) -> u64 {
    // FNV-1a, with the finalizer of MurmurHash3 to spread what similar ids leave in the low bits.
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
        let mut seen = Seen::default();
        assert_eq!(seen.note("a", 0), Sight::First);
        assert_eq!(seen.note("a", 7 * DAY_MS - 1), Sight::Again);
        // Not renewed by the duplicate, and strictly less.
        assert_eq!(seen.note("a", 7 * DAY_MS), Sight::First);
    }

    #[test]
    fn the_bound_is_told() {
        let mut seen = Seen::default();
        for index in 0..SEEN_MAX {
            assert_eq!(seen.note(&alloc::format!("{index}"), 0), Sight::First);
        }
        assert_eq!(seen.note("one more", 1), Sight::FirstAndForgot);
        assert_eq!(seen.note("one more", 1), Sight::Again);
        assert_eq!(seen.events.len(), SEEN_MAX);
    }
}
