//! Stitching of profiles that two writers hold: each step of it changes one profile.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::Entry;
use crate::attribute::put_record;
use crate::merge::absorb;
use crate::plan::Plan;
use crate::profile::{Key, Profile, ProfileId};

/// The result of [`Plan::unite`].
#[derive(Clone, Debug, PartialEq)]
pub struct United {
    /// True if the bound on remembered event ids dropped some.
    pub forgot: bool,
    /// The journal entries, in order.
    pub journal: Vec<Entry>,
}

impl Plan {
    /// The value of the primary key among these keys: whose profile or event it is.
    pub fn person<'k>(&self, keys: &'k [Key]) -> Option<&'k str> {
        self.person_of(keys)
    }

    /// True if profiles of these persons may become one: they are the same, or one of them is nobody's.
    pub fn may_unite(one: Option<&str>, other: Option<&str>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }

    /// Merges a profile that another writer handed over into the earlier one. The bound on keys takes none of the `known`
    /// ones, by name and value, which found the two.
    pub fn unite(
        &self,
        profile: &mut Profile,
        source: Profile,
        known: &[(String, String)],
        now_ms: i64,
    ) -> United {
        let id = source.id;
        profile.version = profile.version.max(source.version);
        let forgot = absorb(profile, source, &self.attributes, now_ms);
        let mut journal = vec![Entry::Merged { into: profile.id, sources: vec![id] }];
        let is_known =
            |key: &&Key| known.iter().any(|(name, value)| (name, value) == (&key.name, &key.value));
        let known: Vec<Key> = profile.keys().iter().filter(is_known).cloned().collect();
        self.bound_keys(profile, &known.iter().collect::<Vec<_>>(), &mut journal);
        United { forgot, journal }
    }

    /// Takes a key from a profile, for that of another person. The records that were imported under it are returned as a
    /// profile that has nothing else; None: there are none.
    pub fn let_go(&self, profile: &mut Profile, name: &str, value: &str) -> Option<Profile> {
        let held = profile.keys().iter().find(|key| key.name == name && key.value == value).cloned()?;
        profile.edit_keys(|keys| keys.retain(|key| key.name != name || key.value != value));
        let records = self.records_of(profile, &held);
        (!records.is_empty()).then(|| {
            let mut carrier = Profile::new(ProfileId([0; 16]), 0);
            carrier.edit_batch(|own| *own = records);
            carrier
        })
    }
}

impl Profile {
    /// Takes the records of [`Plan::let_go`].
    pub fn take_records(&mut self, carrier: &Profile) {
        self.edit_batch(|own| {
            for record in carrier.batch() {
                put_record(own, record.clone(), false);
            }
        });
    }
}
