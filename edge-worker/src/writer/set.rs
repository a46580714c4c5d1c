//! The profiles that one message works on, and what it did to them.

use sha2::{Digest, Sha256};
use usher_engine::profile::codec;
use usher_engine::profile::{Key, Profile};
use usher_engine::{Entry, Keys, Plan, ProfileId};

use crate::host::{JournalRow, Moment, ProfileRow, Retired, Write};
use crate::wire::json::Json;

/// The profiles of one audience.
pub(super) struct ProfileSet {
    audience: String,
    /// The number of the bundle that writes.
    number: u64,
    profiles: Vec<Held>,
    /// Profiles that this message merged, and into which.
    merged: Vec<(ProfileId, ProfileId)>,
    retired: Vec<Retired>,
    journal: Vec<JournalRow>,
}

struct Held {
    profile: Profile,
    /// As storage has it; None for one that is new.
    stored: Option<Profile>,
}

impl Held {
    /// All its keys, if they are not those that storage has.
    fn changed_keys(&self) -> Option<Vec<(String, String)>> {
        let before = self.stored.as_ref().map_or(&[][..], |stored| stored.keys());
        let now = self.profile.keys();
        let known = |key: &Key| before.iter().any(|old| (&old.name, &old.value) == (&key.name, &key.value));
        let same = before.len() == now.len() && now.iter().all(known);
        (!same).then(|| now.iter().map(|key| (key.name.clone(), key.value.clone())).collect())
    }
}

/// A profile was written by a later bundle, or cannot be read.
pub(super) enum Unusable {
    /// This writer must catch up.
    Behind,
    /// Its bytes are damaged: never a fresh profile, so the message is refused.
    Damaged(String),
}

impl ProfileSet {
    pub(super) fn load(
        audience: &str,
        number: u64,
        found: &[(String, Vec<u8>)],
    ) -> Result<ProfileSet, Unusable> {
        let mut profiles = Vec::new();
        for (_, bytes) in found.iter().filter(|(of, _)| of == audience) {
            let profile = codec::decode(bytes).map_err(|damage| Unusable::Damaged(damage.to_string()))?;
            if profile.bundle > number {
                return Err(Unusable::Behind);
            }
            profiles.push(Held { stored: Some(profile.clone()), profile });
        }
        Ok(ProfileSet {
            audience: audience.to_owned(),
            number,
            profiles,
            merged: Vec::new(),
            retired: Vec::new(),
            journal: Vec::new(),
        })
    }

    /// The profile of an event with these keys; it is in the set from now on.
    pub(super) fn stitch(&mut self, plan: &Plan, keys: &Keys, fresh: ProfileId, now_ms: i64) -> &mut Profile {
        let named = |held: &Held| keys.usable.iter().any(|key| held.profile.has_key(&key.name, &key.value));
        // Only those that are named are moved: an import has thousands that are not.
        let mut found: Vec<Held> = Vec::new();
        let mut index = 0;
        while let Some(held) = self.profiles.get(index) {
            if named(held) { found.push(self.profiles.swap_remove(index)) } else { index += 1 }
        }
        let named: Vec<Profile> = found.iter().map(|held| held.profile.clone()).collect();
        let stitched = plan.stitch(keys, named, fresh, now_ms);
        let own = stitched.profile.id;
        let mut stored = None;
        for held in found {
            let id = held.profile.id;
            if id == own {
                stored = held.stored;
            } else if !stitched.absorbed.contains(&id) {
                // What belongs to other people is not returned when the event does not say whose it is: it stays.
                let changed = stitched.others.iter().find(|other| other.id == id);
                let profile = changed.cloned().unwrap_or(held.profile);
                self.profiles.push(Held { profile, stored: held.stored });
            } else {
                self.merged.push((id, own));
                // One that was made by this message and absorbed again leaves no trace in storage.
                if held.stored.is_some() {
                    self.retired.push(Retired { audience: self.audience.clone(), id: id.0, into: own.0 });
                }
            }
        }
        // Being made is in the profile itself.
        for entry in stitched.journal.iter().filter(|entry| **entry != Entry::Created) {
            self.journal.push(JournalRow {
                audience: self.audience.clone(),
                profile: own.0,
                at_ms: now_ms,
                entry: describe(entry),
            });
        }
        self.profiles.push(Held { profile: stitched.profile, stored });
        // What was pushed last is there.
        let last = self.profiles.len() - 1;
        &mut self.profiles[last].profile
    }

    /// The profile that this id is now: itself, or the one that absorbed it in the course of this message.
    pub(super) fn get(&self, mut id: ProfileId) -> Option<&Profile> {
        // In the order in which they merged, so that one that went on is followed.
        for (source, into) in &self.merged {
            if *source == id {
                id = *into;
            }
        }
        self.profiles.iter().map(|held| &held.profile).find(|profile| profile.id == id)
    }

    /// What changed, with each changed profile's version one higher.
    ///
    /// `Err` names the profiles that would be too large; then nothing is to be written of this set.
    pub(super) fn commit(
        &mut self,
        plan: &Plan,
        now_ms: i64,
        write: &mut Write,
    ) -> Result<(), Vec<ProfileId>> {
        let mut too_large = Vec::new();
        for held in &mut self.profiles {
            // A duplicate changes nothing, and then nothing is written.
            if held.stored.as_ref() == Some(&held.profile) {
                continue;
            }
            held.profile.version += 1;
            plan.adopt(&mut held.profile, self.number, now_ms);
            let state = codec::encode(&held.profile);
            if state.len() > usher_engine::limits::PROFILE_BYTES_MAX {
                too_large.push(held.profile.id);
                continue;
            }
            write.profiles.push(ProfileRow {
                audience: self.audience.clone(),
                id: held.profile.id.0,
                version: held.profile.version,
                touched_ms: now_ms,
                state,
                keys: held.changed_keys(),
            });
        }
        if !too_large.is_empty() {
            return Err(too_large);
        }
        write.retired.append(&mut self.retired);
        write.journal.append(&mut self.journal);
        Ok(())
    }
}

/// A journal entry as JSON, without any key's value.
fn describe(entry: &Entry) -> String {
    let mut json = Json::new();
    let ids = |json: &mut Json, ids: &[ProfileId]| json.list(ids, |json, id| json.text(&id.to_string()));
    json.object(|o| match entry {
        Entry::Created => o.field("kind").text("created"),
        Entry::Merged { into, sources } => {
            o.field("kind").text("merged");
            o.field("into").text(&into.to_string());
            ids(o.field("sources"), sources);
        }
        Entry::KeyMoved { name, from } => {
            o.field("kind").text("key_moved");
            o.field("key").text(name);
            o.field("from").text(&from.to_string());
        }
        Entry::Ambiguous { left } => {
            o.field("kind").text("ambiguous");
            ids(o.field("left"), left);
        }
        Entry::KeyEvicted { name } => {
            o.field("kind").text("key_evicted");
            o.field("key").text(name);
        }
    });
    json.into_text()
}

/// Ids of one message: unpredictable, and distinct by their number.
pub(super) struct Mint {
    moment: Moment,
    count: u64,
}

impl Mint {
    pub(super) fn new(moment: Moment) -> Mint {
        Mint { moment, count: 0 }
    }

    /// A UUIDv7: its first 48 bits are the time, so ids of older profiles are smaller.
    pub(super) fn uuid(&mut self) -> ProfileId {
        let mut hasher = Sha256::new();
        hasher.update(self.moment.entropy);
        hasher.update(self.count.to_le_bytes());
        self.count += 1;
        let mut bytes = [0_u8; 16];
        bytes.iter_mut().zip(hasher.finalize()).for_each(|(byte, random)| *byte = random);
        bytes
            .iter_mut()
            .zip(self.moment.now_ms.to_be_bytes().into_iter().skip(2))
            .for_each(|(byte, time)| *byte = time);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        ProfileId(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_are_uuids_of_their_time() {
        let mut mint = Mint::new(Moment { now_ms: 0x0123_4567_89ab, entropy: [1; 32] });
        let (a, b) = (mint.uuid(), mint.uuid());
        assert_ne!(a, b);
        let text = a.to_string();
        assert!(text.starts_with("01234567-89ab-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
    }
}
