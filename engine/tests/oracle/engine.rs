//! The engine under test, driven as a host drives it: load what the keys name, stitch, ingest, adopt, store.

use std::rc::Rc;

use usher_engine::profile::Key;
use usher_engine::profile::codec::{self, Form};
use usher_engine::value::Value;
use usher_engine::{
    Access, Asked, Entry, Event, Evidence, Keys, Plan, Profile, ProfileId, Query, SentAt, order_clamped,
};

use crate::generate::{Columns, Proof};
use crate::model::Receipt;

/// All profiles of an audience.
#[derive(Clone, Default)]
pub struct Store {
    pub profiles: Vec<Profile>,
}

pub fn profile_id(id: u64) -> ProfileId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    ProfileId(bytes)
}

pub fn number_of(id: ProfileId) -> u64 {
    u64::from_be_bytes(id.0[8..].try_into().expect("eight bytes"))
}

/// An event as the plan sees it.
pub fn resolve(plan: &Plan, table: &str, columns: &Columns, at_ms: i64, minted_id: &str) -> Event {
    let table = plan.table("web", table).expect("known");
    let mut event = plan.event(table, columns.clone(), at_ms, minted_id.into(), SentAt::Absent);
    order_clamped(std::iter::once(&mut event));
    event
}

impl Store {
    pub fn event(
        &mut self,
        (plan, bundle): (&Plan, u64),
        event: &Event,
        proof: &Proof,
        (fresh, now_ms): (u64, i64),
    ) -> Receipt {
        let evidence = match proof {
            Proof::Nobody => Evidence::NONE,
            Proof::Server => Evidence { server: true, keys: &[] },
            Proof::Token(keys) => Evidence { server: false, keys },
        };
        let keys = plan.keys(event, &evidence);
        let refused =
            keys.refused.iter().map(|refused| (refused.name.clone(), refused.reason.to_owned())).collect();
        if keys.usable.is_empty() {
            return Receipt { refused, ..Receipt::default() };
        }
        let as_stored: Vec<Profile> =
            self.profiles.iter().filter(|profile| !profile.is_changed()).cloned().collect();
        let (mut profile, mut receipt) = self.stitch(plan, &keys, fresh, now_ms);
        receipt.duplicate = plan.ingest(&mut profile, event, now_ms).duplicate;
        // A host writes what has changed.
        for now in self.profiles.iter().chain([&profile]) {
            if let Some(before) = as_stored.iter().find(|before| before.id == now.id) {
                assert_eq!(now.is_changed(), now != before, "{before:?}\n{now:?}");
            }
        }
        plan.adopt(&mut profile, bundle, now_ms);
        receipt.refused = refused;
        self.profiles.push(profile);
        receipt
    }

    /// The profile of these keys, taken out of the store.
    pub fn stitch(&mut self, plan: &Plan, keys: &Keys, fresh: u64, now_ms: i64) -> (Profile, Receipt) {
        let named = |profile: &Profile| keys.usable.iter().any(|key| profile.has_key(&key.name, &key.value));
        let (found, rest) = std::mem::take(&mut self.profiles).into_iter().partition(named);
        let known: Vec<Profile> = found;
        self.profiles = rest;
        let stitched = plan.stitch(keys, known.clone(), profile_id(fresh), now_ms);
        let is_new = known.iter().all(|profile| profile.id != stitched.profile.id);
        assert_eq!(plan.makes_profile(keys, &known), is_new, "the forecast differs: {keys:?}");
        let mut receipt = Receipt { visitor: Some(number_of(stitched.profile.id)), ..Receipt::default() };
        for entry in &stitched.journal {
            match entry {
                Entry::Created => receipt.created = true,
                Entry::Merged { into, sources } => {
                    assert_eq!(*into, stitched.profile.id);
                    assert_eq!(*sources, stitched.absorbed);
                    receipt.merged = sources.iter().copied().map(number_of).collect();
                }
                Entry::KeyMoved { name, from } => receipt.moved.push((name.clone(), number_of(*from))),
                Entry::Ambiguous { left } => receipt.left = left.iter().copied().map(number_of).collect(),
                Entry::KeyEvicted { name } => receipt.evicted.push(name.clone()),
            }
        }
        // Profiles that are not mentioned stay unchanged.
        for profile in known {
            let gone = stitched.absorbed.contains(&profile.id) || stitched.profile.id == profile.id;
            if !gone {
                let other = stitched.others.iter().find(|other| other.id == profile.id);
                self.profiles.push(other.cloned().unwrap_or(profile));
            }
        }
        (stitched.profile, receipt)
    }

    pub fn import(
        &mut self,
        (plan, bundle): (&Plan, u64),
        row: &Columns,
        (fresh, now_ms): (u64, i64),
    ) -> Receipt {
        let Ok(record) = plan.record(row, now_ms) else { return Receipt::default() };
        let found =
            self.profiles.iter().position(|profile| profile.has_key(&record.key.name, &record.key.value));
        let created = found.is_none();
        let mut profile = found
            .map_or_else(|| Profile::new(profile_id(fresh), now_ms), |index| self.profiles.remove(index));
        profile.import(record, now_ms);
        plan.adopt(&mut profile, bundle, now_ms);
        let visitor = Some(number_of(profile.id));
        self.profiles.push(profile);
        Receipt { visitor, created, ..Receipt::default() }
    }

    pub fn get(&self, id: u64) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == profile_id(id))
    }

    /// Writes and reads every profile that the mark draws.
    pub fn store(&mut self, drawn: impl Fn(u64) -> bool) -> Result<(), String> {
        for profile in &mut self.profiles {
            if drawn(number_of(profile.id)) {
                *profile = stored(profile)?;
            }
        }
        Ok(())
    }
}

/// The profile as it comes back from either form; bytes that were read and looked at are written as they were.
pub fn stored(profile: &Profile) -> Result<Profile, String> {
    let read = |bytes: &[u8]| codec::decode(bytes).map_err(|unreadable| format!("{unreadable}"));
    for form in Form::ALL {
        let bytes = codec::encode(profile, form);
        let back = read(&bytes)?;
        if codec::encode(&back, form) != bytes {
            return Err(format!("unread, it is written otherwise in {form:?}"));
        }
        // Form 2 has no mark of a trim.
        let mut expected = profile.clone();
        expected.trimmed &= form >= Form::Three;
        if back != expected {
            return Err(format!("it does not come back from {form:?}:\n{profile:?}\n{back:?}"));
        }
        if codec::encode(&back, form) != bytes {
            return Err(format!("read, it is written otherwise in {form:?}"));
        }
        if back.is_changed() {
            return Err(format!("read and compared, it counts as changed in {form:?}"));
        }
    }
    // A copy that nobody has looked at, by way of the other form.
    read(&codec::encode(&read(&codec::encode(profile, Form::Two))?, Form::Three))
}

/// Everything that is known: names of attributes and of their parts, with values.
pub fn facts(plan: &Plan, profile: &Profile, now_ms: i64) -> Vec<(String, Value)> {
    let query = Query {
        event: None,
        asked: Asked::Named(&[]),
        inputs: &[],
        edge: &[],
        access: Access::default(),
        blind: false,
    };
    let known = plan.explain(profile, &query, now_ms).attributes;
    known.into_iter().map(|known| (known.name, known.value.expect("nothing is sensitive"))).collect()
}

/// Keys that nobody refused, for a stitch without an event.
pub fn usable(keys: &[(&str, String)], seen_ms: i64) -> Keys {
    let usable = keys
        .iter()
        .map(|(name, value)| Key { name: (*name).into(), value: value.clone(), seen_ms })
        .collect();
    Keys { usable, ..Keys::default() }
}

pub type Compiled = Rc<Plan>;
