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
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::profile::Key;
    /// # use usher_engine::{Entry, Plan, Profile, ProfileId};
    /// # let keys = ["cookie", "email"].map(|name| StitchKey { name: name.into(), ..StitchKey::default() }).to_vec();
    /// # let identity = Identity { keys, ..Identity::default() };
    /// # let definition = Definition { audience: Audience { id: "7".into(), name: None }, identity, ..Definition::default() };
    /// let plan = Plan::compile(&definition).unwrap();
    /// let known_by = |id: u8, name: &str, value: &str| {
    ///     let mut profile = Profile::new(ProfileId([id; 16]), 1_790_000_000_000 + i64::from(id));
    ///     profile.edit_keys(|keys| keys.push(Key { name: name.into(), value: value.into(), seen_ms: 1_790_000_000_000 }));
    ///     profile
    /// };
    /// let (mut earlier, later) = (known_by(1, "cookie", "c-1"), known_by(2, "email", "anna@mail.example"));
    /// let united = plan.unite(&mut earlier, later, &[], 1_790_000_060_000);
    /// assert!(earlier.has_key("cookie", "c-1") && earlier.has_key("email", "anna@mail.example"));
    /// assert_eq!(earlier.absorbed(), [ProfileId([2; 16])]);
    /// assert!(matches!(united.journal[..], [Entry::Merged { .. }]));
    /// ```
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
