//! The reference store: everything in memory, with faults on demand. Tests hold the others to it.

use std::collections::BTreeMap;

use super::{Found, FoundProfile, JournalRow, Pointer, Read, Release, Retired, Store, StoreFailure, Write};
use crate::message::WhichRelease;

/// Profiles, keys and bundles of one writer.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    profiles: BTreeMap<(String, [u8; 16]), Vec<u8>>,
    keys: BTreeMap<(String, String, String), [u8; 16]>,
    bundles: BTreeMap<String, Vec<u8>>,
    pointers: BTreeMap<String, Pointer>,
    /// By audience, oldest first.
    releases: BTreeMap<String, Vec<Release>>,
    /// Profiles that are no more.
    pub retired: Vec<Retired>,
    /// What stitching did.
    pub journal: Vec<JournalRow>,
    /// What fails from now on.
    pub fault: Fault,
}

/// What a store does not do.
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
            return Err(StoreFailure("told to fail".to_owned()));
        }
        Ok(match read {
            Read::Profiles(keys) => {
                let mut profiles: Vec<FoundProfile> = Vec::new();
                let mut known: BTreeMap<(&str, [u8; 16]), usize> = BTreeMap::new();
                for (index, key) in keys.iter().enumerate() {
                    let held = (key.audience.clone(), key.name.clone(), key.value.clone());
                    let Some(id) = self.keys.get(&held).copied() else { continue };
                    let Some(state) = self.profiles.get(&(key.audience.clone(), id)) else { continue };
                    let at = *known.entry((&key.audience, id)).or_insert(profiles.len());
                    match profiles.get_mut(at) {
                        Some(profile) => profile.keys.push(index),
                        None => profiles.push(FoundProfile {
                            audience: key.audience.clone(),
                            keys: vec![index],
                            state: state.clone(),
                        }),
                    }
                }
                Found::Profiles(profiles)
            }
            Read::Pointers => Found::Pointers(self.pointers.values().cloned().collect()),
            Read::Releases { audience } => Found::Releases(self.history(audience).cloned().collect()),
            Read::Release { audience, which } => {
                let running = self.history(audience).next();
                let is_wanted = |release: &&Release| match which {
                    WhichRelease::Previous => {
                        running.is_some_and(|now| release.number < now.origin && release.hash != now.hash)
                    }
                    WhichRelease::Number(number) => release.number == *number,
                    WhichRelease::Hash(hash) => release.hash == *hash,
                };
                let wanted = self.history(audience).find(is_wanted);
                let with_body =
                    |release: &Release| Some((release.clone(), self.bundles.get(&release.hash)?.clone()));
                Found::Release {
                    releases: self.history(audience).cloned().collect(),
                    wanted: wanted.and_then(with_body),
                }
            }
            Read::Bundle { hash } => Found::Bundle(self.bundles.get(hash).cloned()),
        })
    }

    fn write(&mut self, write: &Write) -> Result<(), StoreFailure> {
        if self.fault != Fault::None {
            return Err(StoreFailure("told to fail".to_owned()));
        }
        let mut gone: Vec<(&str, [u8; 16])> = write
            .profiles
            .iter()
            .filter(|row| row.keys.is_some())
            .map(|row| (row.audience.as_str(), row.id))
            .collect();
        gone.extend(write.retired.iter().map(|retired| (retired.audience.as_str(), retired.id)));
        self.keys.retain(|(audience, _, _), id| !gone.contains(&(audience.as_str(), *id)));
        for retired in &write.retired {
            self.profiles.remove(&(retired.audience.clone(), retired.id));
            self.retired.push(retired.clone());
        }
        for row in &write.profiles {
            self.profiles.insert((row.audience.clone(), row.id), row.state.clone());
            for (name, value) in row.keys.iter().flatten() {
                self.keys.insert((row.audience.clone(), name.clone(), value.clone()), row.id);
            }
        }
        self.journal.extend(write.journal.iter().cloned());
        if let Some(published) = &write.bundle {
            let (audience, release) = (&published.audience, &published.release);
            self.bundles.insert(release.hash.clone(), published.body.clone());
            let pointer =
                Pointer { audience: audience.clone(), number: release.number, hash: release.hash.clone() };
            self.pointers.insert(audience.clone(), pointer);
            let releases = self.releases.entry(audience.clone()).or_default();
            releases.push(release.clone());
            releases.retain(|known| known.number > published.forgotten);
            self.bundles.retain(|hash, _| !published.dropped.contains(hash));
        }
        Ok(())
    }
}

impl MemoryStore {
    /// Newest first.
    fn history(&self, audience: &str) -> impl Iterator<Item = &Release> {
        self.releases.get(audience).into_iter().flatten().rev()
    }
}
