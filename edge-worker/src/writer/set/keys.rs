//! The keys of a message's profiles, and those that changed hands, which other shards have to know.

use usher_engine::gather::Gather;
use usher_engine::planted::{self, Bug};
use usher_engine::profile::Key;
use usher_engine::profile::codec::Unreadable;
use usher_engine::{Entry, Keys, ProfileId};

use super::super::across::Moved;
use super::{Held, ProfileIndex, ProfileSet};
use crate::message::KeyOf;
use crate::store::shards::SealedRow;

/// A key that another profile lists than before.
pub(in crate::writer) struct KeyChange {
    pub(in crate::writer) name: String,
    pub(in crate::writer) value: String,
    pub(in crate::writer) before: Option<ProfileId>,
    pub(in crate::writer) after: Option<ProfileId>,
}

impl ProfileSet {
    /// Notes the profiles that have handed their state over.
    pub(in crate::writer) fn seal(&mut self, rows: &[SealedRow]) {
        let own = rows.iter().filter(|row| row.audience == self.audience);
        self.sealed.extend(own.map(|row| row.id));
    }

    /// True if a profile has handed its state over: nothing reads or writes it.
    pub(in crate::writer) fn is_sealed(&self, index: ProfileIndex) -> bool {
        if planted::is(Bug::FoldsIntoSealed) {
            return false;
        }
        !self.sealed.is_empty() && self.get(index).is_some_and(|profile| self.sealed.contains(&profile.id.0))
    }

    /// True if a profile that lists one of these keys has handed its state over.
    pub(in crate::writer) fn meets_sealed(&self, keys: &Keys, read: &[usize]) -> bool {
        self.holders_of(keys, read).into_iter().any(|index| self.is_sealed(index))
    }

    /// The profile that lists this key, whose index among the read ones is `read_as`.
    pub(in crate::writer) fn listing(&self, key: &Key, read_as: usize) -> Option<ProfileIndex> {
        let index = self.current(self.holders.get(read_as).copied().flatten()?);
        self.get(index)?.has_key(&key.name, &key.value).then_some(index)
    }

    /// The profile that lists all these keys, which it has now met again.
    pub(in crate::writer) fn meet(&mut self, keys: &Keys, read: &[usize]) -> Option<ProfileIndex> {
        let owner = self.listing(keys.usable.first()?, *read.first()?)?;
        let profile = self.get_mut(owner)?;
        keys.usable.iter().for_each(|key| profile.learn(key.clone()));
        Some(owner)
    }

    /// True if a profile lists a key that it did not when it was read.
    pub(in crate::writer) fn is_new_here(&self, index: ProfileIndex, key: &KeyOf) -> bool {
        let held = self.held.get(self.current(index).0);
        held.is_some_and(|held| !held.profile.stored_keys().contains(&(&key.name, &key.value)))
    }

    /// Notes a key that leads to a profile from now on which did not have it when it was read.
    pub(in crate::writer) fn note_new(&mut self, key: &Key, read_as: usize) {
        let Some(index) = self.listing(key, read_as) else { return };
        let known = (key.name.clone(), key.value.clone());
        let held = self.held.get(self.current(index).0);
        let is_new = held.is_some_and(|held| !held.profile.stored_keys().contains(&(&key.name, &key.value)));
        if is_new && !self.moved.contains(&known) {
            self.moved.push(known);
        }
    }

    /// True if a profile lists a key.
    pub(in crate::writer) fn is_listed(&self, key: &Key) -> bool {
        let mut kept = self.held.iter().filter(|held| held.into.is_none());
        kept.any(|held| held.profile.has_key(&key.name, &key.value))
    }

    /// A profile by its id.
    pub(in crate::writer) fn of_id(&self, id: [u8; 16]) -> Option<ProfileIndex> {
        let at = self.held.iter().position(|held| held.into.is_none() && held.profile.id.0 == id)?;
        Some(ProfileIndex(at))
    }

    /// The reason why the profile of this id cannot be read.
    pub(in crate::writer) fn unreadable_id(&self, id: [u8; 16]) -> Option<Unreadable> {
        let at = self.unreadable_ids.iter().position(|known| *known == id)?;
        self.reasons.get(at).copied()
    }

    /// Makes a profile list a key that its home says it has.
    pub(in crate::writer) fn adopt(&mut self, index: ProfileIndex, key: Key, read_as: usize) {
        if let Some(holder) = self.holders.get_mut(read_as) {
            *holder = Some(index);
        }
        if let Some(profile) = self.get_mut(index).filter(|profile| !profile.has_key(&key.name, &key.value)) {
            profile.edit_keys(|keys| keys.push(key));
        }
    }

    /// The keys of stored profiles that changed hands, and those that new ones list.
    pub(in crate::writer) fn key_changes(&self) -> Vec<KeyChange> {
        let mut changes = Vec::new();
        let kept = |held: &&Held| held.into.is_none();
        let lister = |name: &str, value: &str| {
            self.held
                .iter()
                .filter(kept)
                .find(|held| held.profile.has_key(name, value))
                .map(|held| held.profile.id)
        };
        for held in self.held.iter().filter(kept) {
            for (name, value) in held.lost_keys() {
                let after = lister(&name, &value);
                changes.push(KeyChange { name, value, before: Some(held.profile.id), after });
            }
        }
        for (from, name, value) in &self.left_behind {
            let (after, name, value) = (lister(name, value), name.clone(), value.clone());
            changes.push(KeyChange { name, value, before: Some(*from), after });
        }
        for held in self.held.iter().filter(kept) {
            let before = held.profile.stored_keys();
            for key in held.profile.keys() {
                let is = |change: &KeyChange| (&change.name, &change.value) == (&key.name, &key.value);
                if !before.contains(&(&key.name, &key.value)) && !changes.iter().any(is) {
                    let (name, value) = (key.name.clone(), key.value.clone());
                    changes.push(KeyChange { name, value, before: None, after: Some(held.profile.id) });
                }
            }
        }
        changes
    }

    /// The profiles that were merged into others here, each with that one and its creation.
    pub(in crate::writer) fn merged(&self) -> impl Iterator<Item = (ProfileId, ProfileId, i64)> {
        self.merged.iter().filter_map(|(from, index)| {
            let into = self.get(*index)?;
            Some((*from, into.id, into.created_ms))
        })
    }

    /// Adds to the journal of a profile the keys, by their names, that move to it from others elsewhere.
    pub(in crate::writer) fn note_moves(&mut self, to: ProfileIndex, moved: &[Moved], now_ms: i64) {
        let Some(id) = self.get(to).map(|profile| profile.id) else { return };
        let entry =
            |moved: &Moved| Entry::KeyMoved { name: moved.key.name.clone(), from: ProfileId(moved.from.id) };
        let moved = moved.iter().map(entry);
        let moved: Vec<Entry> = moved.gather();
        self.log(&moved, id, false, now_ms);
    }

    /// The same for the steps of stitching.
    pub(in crate::writer) fn note_all(&mut self, profile: ProfileId, entries: &[Entry], at_ms: i64) {
        self.log(entries, profile, false, at_ms);
    }
}
