//! The reads of the service, answered from rows.

use usher_edge::InControlPlane;
use usher_edge::limits::{DAY_MS, JOURNAL_ROWS_MAX, UPKEEP_ROWS_MAX};
use usher_edge::message::{KeyOf, WhichRelease};
use usher_edge::store::{
    Due, DueBefore, DueProfile, ErasedKey, Found, FoundProfile, FoundSize, HeldKey, JournalRow, Pointer,
    Read, Release, StoreFailure,
};

use super::RowStore;
use super::row::{
    self, BUNDLE, IDLE, KEY, LEASE, PROFILE, Profile, RELEASE, SUPPRESSED, Suppressed, WRITTEN, key,
};

impl RowStore {
    pub(super) fn found(&self, read: &Read) -> Result<Found, StoreFailure> {
        Ok(match read {
            Read::Profiles(keys) => Found::Profiles(self.profiles(keys)?),
            Read::Sizes(keys) => {
                let size = |found: FoundProfile| FoundSize { keys: found.keys, bytes: found.state.len() };
                Found::Sizes(self.profiles(keys)?.into_iter().map(size).collect())
            }
            Read::Journals(keys) => {
                let profiles = self.profiles(keys)?;
                let journal = self.journal_of(&profiles)?;
                Found::Journals(profiles, journal)
            }
            Read::Whole { keys, names } => {
                let profiles = self.profiles(keys)?;
                let mut held = Vec::new();
                for found in &profiles {
                    held.append(&mut self.keys_of(found)?);
                }
                Found::Whole(profiles, held, self.erased(names)?)
            }
            Read::Unerased { keys, names } => Found::Unerased(self.profiles(keys)?, self.erased(names)?),
            Read::Pointers => Found::Pointers(self.pointers()?),
            Read::Probe => Found::Probe(0),
            Read::Written => {
                let written = self.rows.below(&[WRITTEN]).map(|(_, row)| row::read_written(row));
                Found::Pointers(written.collect::<Result<_, _>>()?)
            }
            Read::Releases { audience } => Found::Releases(self.releases(audience)?),
            Read::Release { audience, which } => {
                let releases = self.releases(audience)?;
                let wanted = wanted(&releases, which);
                let wanted = wanted.and_then(|wanted| Some((wanted.clone(), self.bundle(&wanted.hash)?)));
                Found::Release { wanted, releases }
            }
            Read::Bundle { hash } => Found::Bundle(self.bundle(hash)),
            Read::Due(before) => Found::Due(Box::new(self.due(before)?)),
            Read::Control(of) => Found::Control(Box::new(self.control(of)?)),
            Read::Rows(names) => Found::Rows(InControlPlane::new(self.table_rows(names.get())?)),
            Read::WithRows(both) => Found::WithRows(match both.get() {
                Some(both) => {
                    let (read, names) = &**both;
                    InControlPlane::new(Box::new((self.found(read)?, self.table_rows(Some(names))?)))
                }
                None => InControlPlane::default(),
            }),
            Read::Table(of) => {
                let state = of.get().map(|(audience, table)| self.table_state(audience, table));
                Found::Table(InControlPlane::new(state.transpose()?.unwrap_or_default()))
            }
            Read::Versions(of) => Found::Versions(InControlPlane::new(self.table_versions(of.get())?)),
            Read::Own(own) => Found::Own(InControlPlane::new(self.own_rows(own.get())?)),
            Read::Activations(asked) => Found::Activations(Box::new(self.activations(asked)?)),
            Read::Shard(_) | Read::Unanswered(_) => {
                return Err(StoreFailure("there is one shard, which asks nobody".to_owned()));
            }
        })
    }

    /// Each profile once, in the order of the first key that names it.
    fn profiles(&self, keys: &[KeyOf]) -> Result<Vec<FoundProfile>, StoreFailure> {
        let mut found: Vec<FoundProfile> = Vec::new();
        for (index, of) in keys.iter().enumerate() {
            let name = key(KEY, &[of.audience.as_bytes(), of.name.as_bytes(), of.value.as_bytes()]);
            let id: Option<[u8; 16]> = self.rows.get(&name).and_then(|id| id.try_into().ok());
            let Some(id) = id else { continue };
            let known = found.iter_mut().find(|known| known.audience == of.audience && known.id == id);
            if let Some(known) = known {
                known.keys.push(index);
            } else if let Some(profile) = self.profile(&of.audience, id)? {
                found.push(profile.found(&of.audience, id, vec![index]));
            }
        }
        Ok(found)
    }

    pub(super) fn profile(&self, audience: &str, id: [u8; 16]) -> Result<Option<Profile>, StoreFailure> {
        self.rows.get(&key(PROFILE, &[audience.as_bytes(), &id])).map(Profile::read).transpose()
    }

    /// All keys of a profile.
    fn keys_of(&self, found: &FoundProfile) -> Result<Vec<HeldKey>, StoreFailure> {
        let listed = self.profile(&found.audience, found.id)?.map_or_else(Vec::new, |known| known.keys);
        let is_held = |(name, value): &(String, String)| {
            let name = key(KEY, &[found.audience.as_bytes(), name.as_bytes(), value.as_bytes()]);
            self.rows.get(&name) == Some(&found.id)
        };
        let held = listed.into_iter().filter(is_held);
        Ok(held.map(|(name, value)| HeldKey { profile: found.id, name, value }).collect())
    }

    /// The newest steps of these profiles.
    fn journal_of(&self, profiles: &[FoundProfile]) -> Result<Vec<JournalRow>, StoreFailure> {
        let is_of = |step: &JournalRow| {
            profiles.iter().any(|found| (&found.audience, found.id) == (&step.audience, step.profile))
        };
        let newest_first = self.journal()?.into_iter().rev().map(|(_, step)| step);
        Ok(newest_first.filter(is_of).take(JOURNAL_ROWS_MAX).collect())
    }

    fn erased(&self, names: &[String]) -> Result<Vec<ErasedKey>, StoreFailure> {
        let mut erased = Vec::new();
        for (key, name) in names.iter().enumerate() {
            if let Some(known) = self.suppressed(name)? {
                erased.push(ErasedKey { key, at_ms: known.at_ms, imports: known.imports });
            }
        }
        Ok(erased)
    }

    pub(super) fn suppressed(&self, name: &str) -> Result<Option<Suppressed>, StoreFailure> {
        self.rows.get(&key(SUPPRESSED, &[name.as_bytes()])).map(Suppressed::read).transpose()
    }

    pub(super) fn all_suppressed(&self) -> Result<Vec<(String, Suppressed)>, StoreFailure> {
        let rows = self.rows.below(&[SUPPRESSED]);
        rows.map(|(key, row)| Ok((row::read_first_text(key)?, Suppressed::read(row)?))).collect()
    }

    /// The newest release of each audience.
    fn pointers(&self) -> Result<Vec<Pointer>, StoreFailure> {
        let mut pointers: Vec<Pointer> = Vec::new();
        for (key, row) in self.rows.below(&[RELEASE]) {
            let (audience, release) = (row::read_first_text(key)?, row::read_release(row)?);
            pointers.retain(|known| known.audience != audience);
            pointers.push(Pointer { audience, number: release.number, hash: release.hash });
        }
        pointers.sort_by(|a, b| a.audience.cmp(&b.audience));
        Ok(pointers)
    }

    /// The releases of an audience, newest first.
    pub(super) fn releases(&self, audience: &str) -> Result<Vec<Release>, StoreFailure> {
        let prefix = key(RELEASE, &[audience.as_bytes()]);
        self.rows.below(&prefix).rev().map(|(_, row)| row::read_release(row)).collect()
    }

    pub(super) fn bundle(&self, hash: &str) -> Option<Vec<u8>> {
        self.rows.get(&key(BUNDLE, &[hash.as_bytes()])).map(<[u8]>::to_vec)
    }

    fn due(&self, before: &DueBefore) -> Result<Due, StoreFailure> {
        let mut idle = Vec::new();
        for (key, _) in self.rows.below(&[IDLE]).take(UPKEEP_ROWS_MAX) {
            let since = row::read_idle_key(key)?;
            if since.day >= before.day {
                break;
            }
            let profile = self.profile(&since.audience, since.id)?;
            let touched_ms = profile.as_ref().map(|profile| profile.touched_ms);
            let is_idle = touched_ms.is_some_and(|at_ms| at_ms < before.day.saturating_mul(DAY_MS));
            let state = profile.filter(|_| is_idle).map_or_else(Vec::new, |profile| profile.state);
            idle.push(DueProfile { since, touched_ms, state });
        }
        let suppressed = self.all_suppressed()?;
        let mut entombed: Vec<_> =
            suppressed.iter().filter(|(_, known)| known.copies && known.at_ms <= before.entomb_ms).collect();
        entombed.sort_by_key(|(_, known)| known.at_ms);
        entombed.truncate(UPKEEP_ROWS_MAX);
        Ok(Due {
            idle,
            entombed: entombed.into_iter().map(|(name, _)| name.clone()).collect(),
            journal: self.journal()?.iter().filter(|(_, step)| step.at_ms <= before.journal_ms).count(),
            suppressed: suppressed.iter().filter(|(_, known)| known.at_ms <= before.suppressed_ms).count(),
            lease: self.rows.get(&[LEASE]).map(row::read_pair).transpose()?.unwrap_or_default(),
            ..self.waiting(before.now_ms)?
        })
    }
}

fn wanted<'r>(releases: &'r [Release], which: &WhichRelease) -> Option<&'r Release> {
    let running = releases.first()?;
    releases.iter().find(|release| match which {
        WhichRelease::Previous => release.number < running.origin && release.hash != running.hash,
        WhichRelease::Number(number) => release.number == *number,
        WhichRelease::Hash(hash) => release.hash == *hash,
        WhichRelease::Before(number) => release.number < *number,
    })
}
