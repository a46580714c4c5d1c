//! The consequences of a fold's changes for other shards (docs/shards.md).

use usher_engine::gather::Gather;
use usher_engine::profile::Key;
use usher_engine::{Profile, ProfileId};

use super::across::{Across, Moved};
use super::decide::{Deciding, Source};
use super::set::{KeyChange, ProfileIndex, ProfileSet};
use crate::message::shards::{Committed, Drop, Evicted, KeyState, Repoint, Seal, ToShard};
use crate::message::{KeyOf, Place};
use crate::shard;
use crate::store::Write;
use crate::store::shards::{GoneRow, IntentRow, PointerRow};

impl Deciding<'_> {
    /// Adds to a write what follows for other shards from the keys that changed hands here. `taken` are the keys by which
    /// events were stitched, each with its profile.
    pub(super) fn relocate(&self, set: &ProfileSet, taken: &[(ProfileIndex, Key)], write: &mut Write) {
        let across = self.across;
        let changes = set.key_changes();
        let is_gone = |(owner, key): &&(ProfileIndex, Key)| {
            let is = |change: &KeyChange| (&change.name, &change.value) == (&key.name, &key.value);
            let stays = set.get(*owner).is_some_and(|profile| profile.has_key(&key.name, &key.value));
            !stays && !set.is_listed(key) && !changes.iter().any(is)
        };
        for (_, key) in taken.iter().filter(is_gone) {
            self.give_back(self.key_of(key), write);
        }
        self.take_back(set, taken, write);
        for change in &changes {
            let (name, value) = (change.name.clone(), change.value.clone());
            let key = KeyOf { audience: self.audience.to_owned(), name, value };
            let hash = across.hash(&key);
            let pointer = self.pointer(&key);
            let audience = self.audience.to_owned();
            if across.is_home(&key) {
                let Some(row) = pointer.filter(|row| change.after.is_some() && row.holder.is_some()) else {
                    continue;
                };
                let generation = row.generation + 1;
                write.shard.pointers.push(PointerRow::closed(audience, hash, generation));
                continue;
            }
            let home = across.home(&key);
            if let Some(from) = change.before {
                let from = from.0;
                let message = match change.after.map(|to| across.here(to)) {
                    to @ Some(_) => {
                        let (audience, generation) = (audience.clone(), 0);
                        ToShard::Repoint(Repoint { audience, hash, from, to, generation })
                    }
                    None => ToShard::Evicted(Evicted { key: key.clone(), from }),
                };
                write.shard.outbox.push(across.stored(home, message, self.now_ms));
            }
            // A shard that lists it is not asked again whether it was erased.
            if let (Some(_), Some(erased)) = (change.after, across.erased(&key)) {
                write.shard.erased.push((across.name(&key), erased.at_ms));
            }
            // A late message about an earlier change must not take it away.
            if let (Some(_), Some(Some(KeyState { generation: generation @ 2.., .. }))) =
                (change.after, across.key(&key))
            {
                write.shard.pointers.push(PointerRow::closed(audience, hash, generation));
            }
        }
        self.tell_committed(&changes, write);
        for (id, into, created_ms) in set.merged() {
            // Its survivor absorbs what it was about to absorb.
            let open = self
                .found
                .intents
                .iter()
                .filter(|row| row.audience == self.audience && row.survivor == id.0 && !row.withdrawn);
            write.shard.intents.extend(open.map(|row| IntentRow { survivor: into.0, ..row.clone() }));
            let into = Some((across.here(into), created_ms));
            let audience = self.audience.to_owned();
            write.shard.gone.push(GoneRow { audience, id: id.0, into, erased: false });
        }
    }

    /// Closes the pointers of keys that profiles of this home have taken back before they heard that others had them: who still lists a
    /// key has not got it anew, and the message that takes it away must find that it comes too late.
    fn take_back(&self, set: &ProfileSet, taken: &[(ProfileIndex, Key)], write: &mut Write) {
        for (owner, key) in taken {
            let key_of = self.key_of(key);
            let Some(profile) = set.get(*owner).filter(|_| self.across.is_home(&key_of)) else { continue };
            let is_stored = profile.stored_keys().contains(&(&key.name, &key.value));
            let Some(row) = self.pointer(&key_of).filter(|row| row.holder.is_some()) else { continue };
            if is_stored && profile.has_key(&key.name, &key.value) {
                let (audience, hash) = (self.audience.to_owned(), row.hash);
                write.shard.pointers.push(PointerRow::closed(audience, hash, row.generation + 1));
            }
        }
    }

    /// Tells the homes of keys that profiles here list by a claim from now on: whoever follows their pointers from then on and finds
    /// nothing has met a shard that was restored alone.
    fn tell_committed(&self, changes: &[KeyChange], write: &mut Write) {
        let across = self.across;
        let told = changes.iter().filter_map(|change| {
            let (name, value) = (change.name.clone(), change.value.clone());
            let key = KeyOf { audience: self.audience.to_owned(), name, value };
            let state = across.key(&key)??;
            let is_claimed = change.after.is_some_and(|to| state.holder == Some(across.here(to)));
            let is_news = is_claimed && !state.committed && !across.is_home(&key);
            is_news.then(|| (across.home(&key), (across.hash(&key), state.generation)))
        });
        for (home, keys) in shard::grouped(told) {
            let committed = Committed { audience: self.audience.to_owned(), keys };
            write.shard.outbox.push(across.stored(home, ToShard::Committed(committed), self.now_ms));
        }
    }

    /// Releases a key that this message brought and the bound pushed out again, and that no stored profile lists.
    fn give_back(&self, key: KeyOf, write: &mut Write) {
        let across = self.across;
        let (hash, audience) = (across.hash(&key), self.audience.to_owned());
        let closed = |hash, generation| PointerRow::closed(self.audience.to_owned(), hash, generation + 1);
        if across.is_home(&key) {
            let row = self.pointer(&key).filter(|row| row.holder.is_some());
            write.shard.pointers.extend(row.map(|row| closed(hash, row.generation)));
            return;
        }
        let Some(Some(KeyState { generation, holder: Some(holder), .. })) = across.key(&key) else { return };
        if holder.shard == across.route.shard {
            let repoint = Repoint { audience, hash, from: holder.id, to: None, generation };
            let row = across.stored(across.home(&key), ToShard::Repoint(repoint), self.now_ms);
            write.shard.outbox.push(row);
            // Until it arrives, who lists the key by this claim must claim it again.
            write.shard.pointers.push(closed(across.fence(&key), generation));
        }
    }

    /// Adds the messages that take keys from the profiles that had them, once this one lists them.
    pub(super) fn take_from(&self, to: ProfileId, moved: &[Moved], write: &mut Write) {
        for Moved { key, from, generation } in moved {
            let generation = generation + u64::from(self.across.is_home(key));
            let drop = Drop {
                key: key.clone(),
                number: self.number(),
                from: from.id,
                to: self.across.here(to),
                generation,
                at_ms: self.now_ms,
            };
            let row = self.across.stored(from.shard, ToShard::Drop(drop), self.now_ms);
            write.shard.outbox.push(row);
        }
    }

    /// Adds the intents of a profile to absorb these, unless there are some already.
    pub(super) fn propose(
        &self,
        survivor: &Profile,
        sources: &[Source],
        known: &[Key],
        intent_of: impl Fn(Place) -> [u8; 16],
        write: &mut Write,
    ) {
        for Source { place: source, gives_person } in sources {
            let is = |row: &&IntentRow| {
                row.audience == self.audience
                    && (row.survivor, row.source) == (survivor.id.0, source.id)
                    && !row.withdrawn
            };
            let open = self.found.intents.iter().chain(&write.shard.intents).rfind(is).cloned();
            if let Some(open) = open {
                if *gives_person && !open.has_person {
                    write.shard.intents.push(IntentRow { has_person: true, ..open });
                }
                continue;
            }
            let person = self.plan().and_then(|plan| plan.person(survivor.keys())).map(str::to_owned);
            let (id, audience) = (intent_of(*source), self.audience.to_owned());
            let into = self.across.here(survivor.id);
            let known = known.iter().map(|key| (key.name.clone(), key.value.clone())).gather();
            let (number, at_ms) = (self.number(), self.now_ms);
            let seal = Seal { audience, number, intent: id, source: source.id, into, person, known, at_ms };
            open_intent(self.across, source.shard, seal, *gives_person, write);
        }
    }
}

/// Opens an intent, and asks its source, in this shard, for its state.
pub(super) fn open_intent(across: &Across, shard: u32, seal: Seal, has_person: bool, write: &mut Write) {
    write.shard.intents.push(IntentRow {
        id: seal.intent,
        audience: seal.audience.clone(),
        survivor: seal.into.id,
        source: seal.source,
        withdrawn: false,
        has_person,
        at_ms: seal.at_ms,
    });
    let at_ms = seal.at_ms;
    write.shard.outbox.push(across.stored(shard, ToShard::Seal(seal), at_ms));
}
