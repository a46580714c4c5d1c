//! The profiles of one message, and the changes to them.

mod journal;
mod keys;

pub(super) use keys::KeyChange;

use usher_engine::gather::Gather;
use usher_engine::limits::PROFILE_BYTES_MAX;
use usher_engine::planted::{self, Bug};
use usher_engine::profile::codec::{self, Unreadable};
use usher_engine::profile::{Key, Profile};
use usher_engine::{Keys, Plan, ProfileId};

use super::across::Across;
use super::journeys;
use crate::edge::{Edge, Running};
use crate::form::Form;
use crate::keys::{SeenToken, Signer};
use crate::limits::UNSIZED_KEYS_MAX;
use crate::log::{DAMAGED_PROFILE, Line};
use crate::message::{Ambient, KeyOf};
use crate::plane::{FOLDS_ALL, HAS_JOURNEYS, HAS_SHARDS};
use crate::store::index::HashIndex;
use crate::store::{FoundProfile, JournalRow, Pointer, ProfileRow, Read, Retired, Write};

/// The keys that a message reads, each once; profiles are found by their indexes.
#[derive(Debug)]
pub(super) struct KeysRead {
    keys: Vec<KeyOf>,
    known: HashIndex,
}

impl KeysRead {
    /// Without keys. The entropy of the message seeds the hash, so that callers cannot choose keys that are slow to
    /// find.
    pub(super) fn new(ambient: &Ambient) -> KeysRead {
        let [a, b, c, d, e, f, g, h, ..] = ambient.entropy;
        KeysRead {
            keys: Vec::new(),
            known: HashIndex::with_seed(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        }
    }

    /// The index of a key.
    pub(super) fn index(&mut self, audience: &str, key: &Key) -> usize {
        let is = |known: &KeyOf| {
            (&*known.audience, &known.name, &known.value) == (audience, &key.name, &key.value)
        };
        let name = [audience.as_bytes(), key.name.as_bytes(), key.value.as_bytes()];
        let same = |index: usize| self.keys.get(index).is_some_and(is);
        let index = self.known.find_or_put(&name, self.keys.len(), same);
        if index == self.keys.len() {
            let (name, value) = (key.name.clone(), key.value.clone());
            self.keys.push(KeyOf { audience: audience.to_owned(), name, value });
        }
        index
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The read of all profiles, or first of their sizes if they may be too many for one read; None without keys.
    pub(super) fn read(self, edge: &Edge, across: Option<&Across>) -> Option<Read> {
        match (self.keys.len(), across) {
            (0, _) => None,
            // Of several shards, those that an event needs besides are known later.
            (_, Some(across)) if HAS_SHARDS => Some(Read::Shard(Box::new(across.read_unerased(self.keys)))),
            (1..=UNSIZED_KEYS_MAX, _) => Some(read_of(edge, self.keys)),
            _ => Some(Read::Sizes(self.keys)),
        }
    }

    /// The same for rows of an import. Who hands all of them on reads nothing.
    pub(super) fn read_rows(self, edge: &Edge, across: Option<&Across>) -> Option<Read> {
        match across.filter(|_| HAS_SHARDS) {
            Some(across) if across.part.is_none() => None,
            Some(_) if self.keys.len() > UNSIZED_KEYS_MAX => Some(Read::Sizes(self.keys)),
            across => self.read(edge, across),
        }
    }
}

/// The read of these keys' profiles, and of which keys were erased.
pub(super) fn read_of(edge: &Edge, keys: Vec<KeyOf>) -> Read {
    let name = |signer: &Signer, key: &KeyOf| signer.snapshot_name(&key.audience, &key.name, &key.value);
    // Nothing is erased while form 1 is written.
    match edge.keyring().filter(|_| edge.form() >= Form::Two) {
        Some(keyring) => {
            let names = keys.iter().map(|key| name(&keyring.signer, key)).gather();
            Read::Unerased { keys, names }
        }
        None => Read::Profiles(keys),
    }
}

/// The profiles of one audience.
pub(super) struct ProfileSet {
    audience: String,
    /// The number of the writing bundle.
    number: u64,
    /// A profile keeps its index; a merged one names the profile that absorbed it.
    held: Vec<Held>,
    /// For each read key, the profile that had it last.
    holders: Vec<Option<ProfileIndex>>,
    /// For each read key, the reason if its profile is unreadable; empty if none is. Such a profile is never treated as
    /// new, nor written.
    unreadable: Vec<Option<Unreadable>>,
    /// The reason for each unreadable profile.
    pub(super) reasons: Vec<Unreadable>,
    /// The ids of those profiles, in the same order.
    unreadable_ids: Vec<[u8; 16]>,
    /// Ids of profiles that have handed their state over.
    sealed: Vec<[u8; 16]>,
    /// The number of profiles that dropped state without a reader, to make room.
    pub(super) made_room: usize,
    /// The number of merges in which the bound dropped event ids.
    pub(super) forgot_event_ids: usize,
    /// The number of keys that were dropped over the bound on keys of a profile.
    pub(super) evicted_keys: usize,
    retired: Vec<Retired>,
    journal: Vec<JournalRow>,
    /// Keys, name and value, that lead to another profile than storage says.
    pub(super) moved: Vec<(String, String)>,
    /// Profiles that were merged into others here.
    merged: Vec<(ProfileId, ProfileIndex)>,
    /// Their keys.
    left_behind: Vec<(ProfileId, String, String)>,
    /// Full profiles, ascending, which had to let go of what their attributes promise to keep.
    pub(super) trimmed: Vec<ProfileIndex>,
}

/// The position of a profile in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProfileIndex(usize);

struct Held {
    /// An empty one while it is stitched, and once another profile has absorbed it.
    profile: Profile,
    /// False for a new one.
    is_stored: bool,
    /// The profile that absorbed it in this message.
    into: Option<ProfileIndex>,
}

impl Held {
    /// The keys by which storage finds this profile, and that do not lead to it any more.
    fn lost_keys(&self) -> impl Iterator<Item = (String, String)> {
        let stored = self.profile.stored_keys().into_iter();
        let lost = stored.filter(|(name, value)| !self.profile.has_key(name, value));
        lost.map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    /// All its keys, if they are not those that storage has.
    fn changed_keys(&self) -> Option<Vec<(String, String)>> {
        let before = self.profile.stored_keys();
        let now = self.profile.keys();
        let known = |key: &Key| before.contains(&(&key.name, &key.value));
        let same = before.len() == now.len() && now.iter().all(known);
        if planted::is(Bug::LosesMovedKeys) && !before.is_empty() {
            return None;
        }
        (!same).then(|| now.iter().map(|key| (key.name.clone(), key.value.clone())).gather())
    }
}

/// A profile that was lent to stitching: its place, and what it was before.
struct Lent {
    index: ProfileIndex,
    id: ProfileId,
    /// The number of its keys.
    keys: usize,
    /// The keys by which storage finds it, if it may be absorbed.
    stored_keys: Vec<(String, String)>,
    /// These, and the keys that it has now.
    listed: Vec<(String, String)>,
}

impl ProfileSet {
    /// `keys` is the number of read keys. `Err` is the number of a later bundle that wrote one of the profiles: this
    /// writer must catch up.
    pub(super) fn load(
        audience: &str,
        number: u64,
        keys: usize,
        found: &[FoundProfile],
    ) -> Result<ProfileSet, u64> {
        let mut held = Vec::new();
        let mut holders = vec![None; keys];
        let (mut unreadable, mut reasons, mut unreadable_ids) = (Vec::new(), Vec::new(), Vec::new());
        for found in found.iter().filter(|found| found.audience == audience) {
            let profile = match codec::decode(&found.state) {
                Ok(profile) => profile,
                Err(what) => {
                    unreadable.resize(keys, None);
                    for key in &found.keys {
                        if let Some(reason) = unreadable.get_mut(*key) {
                            *reason = Some(what);
                        }
                    }
                    reasons.push(what);
                    unreadable_ids.push(found.id);
                    continue;
                }
            };
            if profile.bundle > number && !planted::is(Bug::WritesWithOlderBundle) {
                return Err(profile.bundle);
            }
            for key in &found.keys {
                if let Some(holder) = holders.get_mut(*key) {
                    *holder = Some(ProfileIndex(held.len()));
                }
            }
            held.push(Held { profile, is_stored: true, into: None });
        }
        Ok(ProfileSet {
            audience: audience.to_owned(),
            number,
            held,
            holders,
            unreadable,
            reasons,
            unreadable_ids,
            sealed: Vec::new(),
            made_room: 0,
            forgot_event_ids: 0,
            evicted_keys: 0,
            retired: Vec::new(),
            journal: Vec::new(),
            moved: Vec::new(),
            merged: Vec::new(),
            left_behind: Vec::new(),
            trimmed: Vec::new(),
        })
    }

    /// The reason why the profile of one of these keys, by index, cannot be read: events with that key are refused. Too
    /// new takes precedence over damaged, because a new writer resolves it.
    pub(super) fn unreadable(&self, read: &[usize]) -> Option<Unreadable> {
        let why = |index: &usize| self.unreadable.get(*index).copied().flatten();
        read.iter().filter_map(why).max_by_key(|why| *why == Unreadable::TooNew)
    }

    /// The profiles that have these usable keys, whose indexes are `read`; each once.
    fn holders_of(&self, keys: &Keys, read: &[usize]) -> Vec<ProfileIndex> {
        let mut indexes: Vec<ProfileIndex> = Vec::new();
        for (key, read_as) in keys.usable.iter().zip(read) {
            let holder = self.holders.get(*read_as).copied().flatten().map(|index| self.current(index));
            // It may have lost the key since.
            let holds = |index: &ProfileIndex| {
                self.get(*index).is_some_and(|held| held.has_key(&key.name, &key.value))
            };
            indexes.extend(holder.filter(|index| !indexes.contains(index) && holds(index)));
        }
        indexes
    }

    /// True if an event with these usable keys is the first of a new profile, even if others have one of the keys.
    pub(super) fn makes_profile(&self, plan: &Plan, keys: &Keys, read: &[usize]) -> bool {
        let holders = self.holders_of(keys, read);
        plan.makes_profile(keys, holders.iter().filter_map(|index| self.get(*index)))
    }

    /// The number of profiles that are not stored yet.
    pub(super) fn new_profiles(&self) -> usize {
        self.held.iter().filter(|held| !held.is_stored && held.into.is_none()).count()
    }

    /// Stitches an event with these keys: returns its profile, which is in the set from now on. `read` are the indexes
    /// of the usable keys.
    pub(super) fn stitch(
        &mut self,
        plan: &Plan,
        keys: &Keys,
        read: &[usize],
        fresh: ProfileId,
        now_ms: i64,
    ) -> ProfileIndex {
        let (mut lent, found) = self.lend(self.holders_of(keys, read));
        let stitched = plan.stitch(keys, found, fresh, now_ms);
        let id = stitched.profile.id;
        let mut of_id = |id: ProfileId| {
            let position = lent.iter().position(|lent| lent.id == id)?;
            Some(lent.swap_remove(position))
        };
        let own = of_id(id);
        let learned = stitched.profile.keys().len() > own.as_ref().map_or(0, |own| own.keys);
        let own = own.map_or_else(
            || {
                self.held.push(Held { profile: Profile::unknown(), is_stored: false, into: None });
                ProfileIndex(self.held.len() - 1)
            },
            |own| own.index,
        );
        // Profiles of other people: they lost a key, or are as they were.
        for other in stitched.others.into_iter().chain(stitched.left) {
            if let Some(held) = of_id(other.id).and_then(|lent| self.held.get_mut(lent.index.0)) {
                held.profile = other;
            }
        }
        for absorbed in lent {
            let Some(held) = self.held.get_mut(absorbed.index.0) else { continue };
            held.into = Some(own);
            self.merged.push((absorbed.id, own));
            let listed = absorbed.listed.into_iter().map(|(name, value)| (absorbed.id, name, value));
            self.left_behind.extend(listed);
            self.moved.extend(absorbed.stored_keys);
            // A profile that this message created and absorbed leaves no trace in storage.
            if held.is_stored {
                let id = absorbed.id.0;
                self.retired.push(Retired {
                    audience: self.audience.clone(),
                    id,
                    into: stitched.profile.id.0,
                });
            }
        }
        for (key, read_as) in keys.usable.iter().zip(read) {
            if stitched.profile.has_key(&key.name, &key.value)
                && let Some(holder) = self.holders.get_mut(*read_as)
            {
                *holder = Some(own);
            }
        }
        self.forgot_event_ids += usize::from(stitched.forgot);
        self.log(&stitched.journal, id, learned, now_ms);
        if let Some(held) = self.held.get_mut(own.0) {
            held.profile = stitched.profile;
        }
        own
    }

    /// Takes profiles out for stitching, which puts them back. They are never copied: one may be as large as the bound.
    fn lend(&mut self, indexes: Vec<ProfileIndex>) -> (Vec<Lent>, Vec<Profile>) {
        let mut lent: Vec<Lent> = Vec::with_capacity(indexes.len());
        let mut found = Vec::with_capacity(indexes.len());
        for index in indexes {
            let Some(held) = self.held.get_mut(index.0) else { continue };
            let profile = core::mem::replace(&mut held.profile, Profile::unknown());
            let (id, keys) = (profile.id, profile.keys().len());
            lent.push(Lent { index, id, keys, stored_keys: Vec::new(), listed: Vec::new() });
            found.push(profile);
        }
        // Of several some may be absorbed.
        if let [_, _, ..] = found.as_slice() {
            for (lent, profile) in lent.iter_mut().zip(&found) {
                let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                lent.stored_keys = profile.stored_keys().into_iter().map(own).gather();
                let now = profile.keys().iter().map(|key| own((&key.name, &key.value)));
                lent.listed = now.filter(|key| !lent.stored_keys.contains(key)).gather();
                lent.listed.extend(lent.stored_keys.iter().cloned());
            }
        }
        (lent, found)
    }

    /// The current position of this profile: its own, or that of the one that absorbed it.
    pub(super) fn current(&self, mut index: ProfileIndex) -> ProfileIndex {
        while let Some(into) = self.held.get(index.0).and_then(|held| held.into) {
            index = into;
        }
        index
    }

    /// The profile of this index, or the one that absorbed it.
    pub(super) fn get(&self, index: ProfileIndex) -> Option<&Profile> {
        self.held.get(self.current(index).0).map(|held| &held.profile)
    }

    /// The same, mutable.
    pub(super) fn get_mut(&mut self, index: ProfileIndex) -> Option<&mut Profile> {
        let index = self.current(index);
        self.held.get_mut(index.0).map(|held| &mut held.profile)
    }

    /// Tokens for these profiles, each once.
    pub(super) fn seen_tokens(&self, owners: &[(usize, ProfileIndex)]) -> Vec<SeenToken> {
        let mut tokens: Vec<SeenToken> = Vec::new();
        for (_, own) in owners {
            let Some(profile) = self.get(*own) else { continue };
            let token = SeenToken { profile: profile.id, version: profile.version };
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// Adds the changed profiles to the write, each with a version one higher.
    ///
    /// `Err` lists the profiles that would be too large, ascending; then nothing of this set may be written. A build that does not
    /// fold everything lists none of them.
    pub(super) fn commit(
        &mut self,
        running: &Running,
        form: Form,
        now_ms: i64,
        write: &mut Write,
    ) -> Result<(), Vec<ProfileIndex>> {
        let mut is_first_of_bundle = false;
        let mut too_large = Vec::new();
        let kept = self.held.iter().filter(|held| held.into.is_none());
        if FOLDS_ALL {
            self.moved.extend(kept.flat_map(Held::lost_keys));
        }
        for (index, held) in self.held.iter_mut().enumerate() {
            // A duplicate changes nothing, so nothing is written.
            if held.into.is_some() || (held.is_stored && !held.profile.is_changed()) {
                continue;
            }
            is_first_of_bundle |= held.profile.bundle < self.number;
            held.profile.version += 1;
            running.plan.adopt(&mut held.profile, self.number, now_ms);
            let mut state = codec::encode(&held.profile, form.of_profiles());
            let over = state.len().saturating_sub(PROFILE_BYTES_MAX);
            if !FOLDS_ALL && (over > 0 || held.profile.is_unfinished()) {
                return Err(Vec::new());
            }
            if over > 0 && held.profile.make_room(over) {
                self.made_room += 1;
                state = codec::encode(&held.profile, form.of_profiles());
            }
            let over = state.len().saturating_sub(PROFILE_BYTES_MAX);
            if over > 0 && held.profile.trim(over) {
                self.trimmed.push(ProfileIndex(index));
                state = codec::encode(&held.profile, form.of_profiles());
            }
            if state.len() > PROFILE_BYTES_MAX {
                too_large.push(ProfileIndex(index));
                continue;
            }
            let keys = if FOLDS_ALL { held.changed_keys() } else { None };
            let (id, version) = (held.profile.id, held.profile.version);
            if HAS_JOURNEYS {
                journeys::note_wait(&running.plan, &held.profile, &self.audience, now_ms, write);
            }
            let (audience, touched_ms) = (self.audience.clone(), now_ms);
            write.profiles.push(ProfileRow { audience, id: id.0, version, touched_ms, state, keys });
            // Its content is in the write. An import may have thousands, each many times as large as its bytes.
            held.profile = Profile::new(id, now_ms);
            held.profile.version = version;
        }
        if !too_large.is_empty() {
            return Err(too_large);
        }
        if is_first_of_bundle {
            let (audience, hash) = (self.audience.clone(), running.hash.clone());
            write.written.push(Pointer { audience, number: self.number, hash });
        }
        if FOLDS_ALL {
            write.retired.append(&mut self.retired);
            write.journal.append(&mut self.journal);
        }
        Ok(())
    }
}

/// The line for the log about an unreadable profile.
pub(super) fn unreadable(why: Unreadable) -> Line {
    match why {
        Unreadable::Damaged(_) => Line::with_detail(DAMAGED_PROFILE, why.to_string()),
        Unreadable::TooNew => Line::of("profile_too_new"),
    }
}
