//! The reference store: in memory, with faults on demand. Tests compare the other stores with it, and rehearsals use
//! it.

mod control;
mod journeys;
mod rows;
mod shards;
mod tables;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};

pub use rows::{Aged, JourneyRows, ShardRows};
use usher_engine::planted::{self, Bug};

use super::index::HashIndex;
use super::{
    Basis, CommitError, ErasedKey, Found, FoundProfile, FoundSize, HeldKey, IdleSince, JournalRow, Pointer,
    Read, Release, Retired, Store, StoreFailure, Write,
};
use crate::limits::{DAY_MS, JOURNAL_MS, JOURNAL_OF_PROFILE_MAX, JOURNAL_ROWS_MAX};
use crate::message::{KeyOf, WhichRelease};
use crate::plane::InControlPlane;

/// Profiles, keys and bundles of one writer.
///
/// # Examples
///
/// ```
/// use usher_edge::message::KeyOf;
/// use usher_edge::store::memory::MemoryStore;
/// use usher_edge::store::{Basis, CommitError, Found, ProfileRow, Read, Store, Write};
///
/// let mut store = MemoryStore::default();
/// let key = KeyOf { audience: "7".into(), name: "cookie".into(), value: "c-1".into() };
/// let read = Read::Profiles(vec![key]);
/// let nobody = store.read(&read).unwrap();
/// assert_eq!(nobody, Found::Profiles(vec![]));
///
/// let keys = Some(vec![("cookie".into(), "c-1".into())]);
/// let row = ProfileRow { audience: "7".into(), id: [1; 16], version: 1, touched_ms: 5, state: vec![0], keys };
/// let write = Write { profiles: vec![row], ..Write::default() };
/// let basis = Basis::of(&read, &nobody);
/// store.commit(&basis, &write).unwrap();
/// // Whoever read before has to read again.
/// assert_eq!(store.commit(&basis, &write), Err(CommitError::Conflict));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    /// A retired profile has no state.
    profiles: Vec<ProfileEntry>,
    profile_index: HashIndex,
    /// Each key with the position of its profile; None: no profile has it.
    keys: Vec<(KeyOf, Option<usize>)>,
    key_index: HashIndex,
    /// Hash and body.
    bundles: Vec<(String, Vec<u8>)>,
    /// Ascending by audience.
    histories: Vec<History>,
    written: Vec<Pointer>,
    /// The erased keys by their names.
    suppressed: BTreeMap<String, Suppressed>,
    /// Each profile once, on a day on which it was seen.
    idle: BTreeSet<IdleSince>,
    /// The holder of the lease on upkeep, and its end.
    lease: (i64, i64),
    /// Profiles that were merged into others.
    pub retired: Vec<Retired>,
    /// Steps of stitching.
    pub journal: Vec<JournalRow>,
    /// Rows of journeys.
    pub journeys: JourneyRows,
    /// Rows about other shards.
    pub shard: ShardRows,
    control: rows::ControlRows,
    tables: tables::TableRows,
    /// The operations that fail.
    pub fault: Fault,
    /// The state before the first staged part; None: nothing is staged.
    before: Option<Box<MemoryStore>>,
}

/// The refusal of a key.
#[derive(Clone, Copy, Debug)]
struct Suppressed {
    at_ms: i64,
    imports: bool,
    /// Its copies were not replaced once more yet.
    copies: bool,
}

#[derive(Clone, Debug)]
struct ProfileEntry {
    audience: String,
    id: [u8; 16],
    version: u64,
    touched_ms: i64,
    state: Option<Vec<u8>>,
    /// Positions of its keys.
    keys: Vec<usize>,
}

/// The bundles of an audience.
#[derive(Clone, Debug)]
struct History {
    pointer: Pointer,
    /// Oldest first.
    releases: Vec<Release>,
}

/// The operations of a store that fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Everything works.
    #[default]
    None,
    /// Reads and writes fail.
    Everything,
    /// Writes fail, and change nothing.
    Writes,
}

impl Store for MemoryStore {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        if self.fault == Fault::Everything {
            return Err(StoreFailure("a test wants it to fail".to_owned()));
        }
        Ok(match read {
            Read::Profiles(keys) => Found::Profiles(self.profiles_of(keys)),
            Read::Sizes(keys) => {
                let size = |found: FoundProfile| FoundSize { keys: found.keys, bytes: found.state.len() };
                Found::Sizes(self.profiles_of(keys).into_iter().map(size).collect())
            }
            Read::Journals(keys) => {
                let profiles = self.profiles_of(keys);
                let journal = self.journal_of(&profiles);
                Found::Journals(profiles, journal)
            }
            Read::Pointers => {
                Found::Pointers(self.histories.iter().map(|history| history.pointer.clone()).collect())
            }
            Read::Releases { audience } => Found::Releases(self.releases(audience).cloned().collect()),
            Read::Release { audience, which } => Found::Release {
                releases: self.releases(audience).cloned().collect(),
                wanted: self.wanted(audience, which),
            },
            Read::Bundle { hash } => Found::Bundle(self.bundle(hash).cloned()),
            Read::Written => Found::Pointers(self.written.clone()),
            Read::Probe => Found::Probe(0),
            Read::Due(before) => Found::Due(Box::new(self.due(before))),
            Read::Whole { keys, names } => {
                let profiles = self.profiles_of(keys);
                let held = profiles.iter().flat_map(|found| self.keys_of(found)).collect();
                Found::Whole(profiles, held, self.erased_of(names))
            }
            Read::Unerased { keys, names } => Found::Unerased(self.profiles_of(keys), self.erased_of(names)),
            Read::Shard(read) => Found::Shard(Box::new(self.read_shard(read))),
            Read::Unanswered(now_ms) => Found::Unanswered(self.unanswered(*now_ms)),
            Read::Control(read) => Found::Control(Box::new(self.read_control(read))),
            Read::Rows(names) => Found::Rows(InControlPlane::new(self.tables.find(names.get()))),
            Read::WithRows(both) => Found::WithRows(match both.get() {
                Some(both) => {
                    let (read, names) = &**both;
                    InControlPlane::new(Box::new((self.read(read)?, self.tables.find(Some(names)))))
                }
                None => InControlPlane::default(),
            }),
            Read::Table(of) => {
                let state = of.get().map(|(audience, table)| self.tables.state(audience, table));
                Found::Table(InControlPlane::new(state.unwrap_or_default()))
            }
            Read::Versions(of) => Found::Versions(InControlPlane::new(self.tables.versions(of.get()))),
            Read::Own(own) => Found::Own(InControlPlane::new(self.tables.own(own.get()))),
            Read::Activations(read) => Found::Activations(Box::new(self.journeys.activations(read))),
        })
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if self.before.is_none() {
            self.before = Some(Box::new(self.clone()));
        }
        self.put(basis, write)
    }

    fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            *self = *before;
        }
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.put(basis, write)?;
        self.before = None;
        Ok(())
    }
}

impl MemoryStore {
    fn put(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if self.fault != Fault::None {
            return Err(StoreFailure("a test wants it to fail".to_owned()).into());
        }
        if !self.holds(basis) {
            return Err(CommitError::Conflict);
        }
        // Keys move between profiles within one write, so all of them are released before any is assigned.
        for row in write.profiles.iter().filter(|row| row.keys.is_some()) {
            let position = self.profile_position(&row.audience, row.id);
            self.release_keys(position);
        }
        for retired in &write.retired {
            let position = self.profile_position(&retired.audience, retired.id);
            self.release_keys(position);
            if let Some(entry) = self.profiles.get_mut(position) {
                entry.state = None;
            }
            self.retired.push(retired.clone());
        }
        for row in &write.profiles {
            let position = self.profile_position(&row.audience, row.id);
            if row.version == 1 {
                let day = row.touched_ms.div_euclid(DAY_MS);
                self.idle.insert(IdleSince { day, audience: row.audience.clone(), id: row.id });
            }
            for (name, value) in row.keys.iter().flatten() {
                self.hold_key(position, &row.audience, name, value);
            }
            if let Some(entry) = self.profiles.get_mut(position) {
                entry.state = Some(row.state.clone());
                entry.version = row.version;
                entry.touched_ms = row.touched_ms;
            }
        }
        if let Some(newest_ms) = write.journal.iter().map(|row| row.at_ms).max() {
            self.journal.retain(|row| row.at_ms > newest_ms.saturating_sub(JOURNAL_MS));
        }
        for row in &write.journal {
            self.journal.push(row.clone());
            let is_of = |known: &JournalRow| (&known.audience, known.profile) == (&row.audience, row.profile);
            if self.journal.iter().filter(|known| is_of(known)).count() > JOURNAL_OF_PROFILE_MAX
                && let Some(oldest) = self.journal.iter().position(is_of)
            {
                self.journal.remove(oldest);
            }
        }
        for written in &write.written {
            match self.written.iter_mut().find(|known| known.audience == written.audience) {
                Some(known) if known.number < written.number => *known = written.clone(),
                Some(_) => {}
                None => self.written.push(written.clone()),
            }
        }
        if let Some(upkeep) = &write.upkeep {
            self.keep_up(upkeep);
        }
        if let Some(published) = &write.bundle {
            let (audience, release) = (&published.audience, &published.release);
            if let Some(body) = &published.body {
                self.bundles.retain(|(hash, _)| *hash != release.hash);
                self.bundles.push((release.hash.clone(), body.clone()));
            }
            let pointer =
                Pointer { audience: audience.clone(), number: release.number, hash: release.hash.clone() };
            let at = self.histories.partition_point(|history| history.pointer.audience < *audience);
            match self.histories.get_mut(at).filter(|history| history.pointer.audience == *audience) {
                Some(history) => {
                    history.pointer = pointer;
                    history.releases.retain(|known| known.number != release.number);
                    history.releases.push(release.clone());
                    history.releases.retain(|known| known.number > published.forgotten);
                }
                None => self.histories.insert(at, History { pointer, releases: vec![release.clone()] }),
            }
            self.bundles.retain(|(hash, _)| !published.dropped.contains(hash));
        }
        self.journeys.write(write);
        self.write_shard(&write.shard);
        self.write_control(write);
        if let Some(table) = write.table.get() {
            self.tables.write(table);
        }
        Ok(())
    }

    /// True if nothing of the basis has changed.
    fn holds(&self, basis: &Basis) -> bool {
        if planted::is(Bug::CommitsWithoutCondition) {
            return true;
        }
        let keys: Vec<KeyOf> = basis.keys.iter().map(|(key, _)| key.clone()).collect();
        let held = Basis::of(&Read::Profiles(keys.clone()), &Found::Profiles(self.profiles_of(&keys))).keys;
        let number = |audience: &str| self.releases(audience).next().map_or(0, |release| release.number);
        held == basis.keys
            && self.shard_holds(&basis.shard)
            && self.control_holds(&basis.control)
            && self.tables.holds(basis.table.get())
            && basis.running.as_ref().is_none_or(|(audience, known)| number(audience) == *known)
    }

    /// The erased ones among these names, by their places.
    fn erased_of(&self, names: &[String]) -> Vec<ErasedKey> {
        let erased = names.iter().enumerate().filter_map(|(key, name)| {
            let known = self.suppressed.get(name)?;
            Some(ErasedKey { key, at_ms: known.at_ms, imports: known.imports })
        });
        erased.collect()
    }

    /// All keys of a profile.
    fn keys_of(&self, found: &FoundProfile) -> Vec<HeldKey> {
        let is = |at: usize| {
            self.profiles
                .get(at)
                .is_some_and(|entry| entry.audience == found.audience && entry.id == found.id)
        };
        let name = [found.audience.as_bytes(), &found.id[..]];
        let Some(position) = self.profile_index.find(&name, is) else { return Vec::new() };
        let held = self.keys.iter().filter(|(_, holder)| *holder == Some(position));
        held.map(|(key, _)| HeldKey { profile: found.id, name: key.name.clone(), value: key.value.clone() })
            .collect()
    }

    /// Each profile once, in the order of the first key that names it.
    fn profiles_of(&self, keys: &[KeyOf]) -> Vec<FoundProfile> {
        let mut found: Vec<FoundProfile> = Vec::new();
        let mut positions: Vec<usize> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let known = |at: usize| self.keys.get(at).is_some_and(|(known, _)| known == key);
            let Some(at) = self.key_index.find(&key_name(key), known) else { continue };
            let Some(position) = self.keys.get(at).and_then(|(_, profile)| *profile) else { continue };
            let Some(entry) = self.profiles.get(position) else { continue };
            let Some(state) = &entry.state else { continue };
            let before = positions.iter().position(|known| *known == position);
            match before.and_then(|at| found.get_mut(at)) {
                Some(profile) => profile.keys.push(index),
                None => {
                    let (audience, state) = (entry.audience.clone(), state.clone());
                    let (id, version) = (entry.id, entry.version);
                    found.push(FoundProfile { audience, keys: vec![index], id, version, state });
                    positions.push(position);
                }
            }
        }
        found
    }

    /// The newest rows of the journal of these profiles.
    fn journal_of(&self, profiles: &[FoundProfile]) -> Vec<JournalRow> {
        let is_of = |row: &&JournalRow| {
            profiles.iter().any(|found| (&found.audience, found.id) == (&row.audience, row.profile))
        };
        self.journal.iter().rev().filter(is_of).take(JOURNAL_ROWS_MAX).cloned().collect()
    }

    /// A profile by its id, without keys.
    fn profile_of(&self, audience: &str, id: [u8; 16]) -> Option<FoundProfile> {
        let is = |at: usize| {
            self.profiles.get(at).is_some_and(|entry| entry.audience == audience && entry.id == id)
        };
        let entry = self.profiles.get(self.profile_index.find(&[audience.as_bytes(), &id], is)?)?;
        let state = entry.state.clone()?;
        let (audience, version) = (entry.audience.clone(), entry.version);
        Some(FoundProfile { audience, keys: Vec::new(), id, version, state })
    }

    /// The position of a profile; a new one has no state.
    fn profile_position(&mut self, audience: &str, id: [u8; 16]) -> usize {
        let profiles = &self.profiles;
        let is =
            |at: usize| profiles.get(at).is_some_and(|entry| entry.audience == audience && entry.id == id);
        let position = self.profile_index.find_or_put(&[audience.as_bytes(), &id], profiles.len(), is);
        if position == self.profiles.len() {
            let audience = audience.to_owned();
            self.profiles.push(ProfileEntry {
                audience,
                id,
                version: 0,
                touched_ms: 0,
                state: None,
                keys: Vec::new(),
            });
        }
        position
    }

    /// Releases all keys of a profile.
    fn release_keys(&mut self, position: usize) {
        let Some(entry) = self.profiles.get_mut(position) else { return };
        for key in entry.keys.drain(..) {
            if let Some((_, holder)) = self.keys.get_mut(key)
                && *holder == Some(position)
            {
                *holder = None;
            }
        }
    }

    /// Assigns a key to a profile, and takes it from any other.
    fn hold_key(&mut self, position: usize, audience: &str, name: &str, value: &str) {
        let key = KeyOf { audience: audience.to_owned(), name: name.to_owned(), value: value.to_owned() };
        let keys = &self.keys;
        let known = |at: usize| keys.get(at).is_some_and(|(known, _)| *known == key);
        let at = self.key_index.find_or_put(&key_name(&key), keys.len(), known);
        match self.keys.get_mut(at) {
            Some((_, holder)) => *holder = Some(position),
            None => self.keys.push((key, Some(position))),
        }
        if let Some(entry) = self.profiles.get_mut(position) {
            entry.keys.push(at);
        }
    }

    /// The bundles of an audience, newest first.
    fn releases(&self, audience: &str) -> impl Iterator<Item = &Release> {
        let history = self.histories.iter().find(move |history| history.pointer.audience == audience);
        history.into_iter().flat_map(|history| history.releases.iter().rev())
    }

    fn wanted(&self, audience: &str, which: &WhichRelease) -> Option<(Release, Vec<u8>)> {
        let running = self.releases(audience).next()?;
        let wanted = self.releases(audience).find(|release| match which {
            WhichRelease::Previous => release.number < running.origin && release.hash != running.hash,
            WhichRelease::Number(number) => release.number == *number,
            WhichRelease::Hash(hash) => release.hash == *hash,
            WhichRelease::Before(number) => release.number < *number,
        })?;
        Some((wanted.clone(), self.bundle(&wanted.hash)?.clone()))
    }
}

fn key_name(key: &KeyOf) -> [&[u8]; 3] {
    [key.audience.as_bytes(), key.name.as_bytes(), key.value.as_bytes()]
}
