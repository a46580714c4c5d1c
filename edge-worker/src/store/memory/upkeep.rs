//! Erasures and turns of upkeep in memory.

use super::{MemoryStore, Suppressed};
use crate::limits::{DAY_MS, UPKEEP_ROWS_MAX};
use crate::store::{Due, DueBefore, DueProfile, IdleSince, Upkeep};

impl MemoryStore {
    pub(super) fn keep_up(&mut self, upkeep: &Upkeep) {
        for erased in &upkeep.erased {
            let position = self.profile_position(&erased.audience, erased.id);
            self.release_keys(position);
            if let Some(entry) = self.profiles.get_mut(position) {
                entry.state = None;
            }
            let is_of = |audience: &str, id: [u8; 16]| {
                audience == erased.audience && (id == erased.id || erased.absorbed.contains(&id))
            };
            self.journal.retain(|row| !is_of(&row.audience, row.profile));
            self.retired.retain(|retired| !is_of(&retired.audience, retired.id));
            self.journeys.erase(&erased.audience, erased.id, &erased.absorbed);
        }
        self.tables.erase(upkeep.rows.get());
        for new in &upkeep.suppressed {
            let before = self.suppressed.get(&new.name).map_or(new.at_ms, |known| known.at_ms);
            let suppressed = Suppressed { at_ms: new.at_ms.max(before), imports: true, copies: true };
            self.suppressed.insert(new.name.clone(), suppressed);
        }
        for name in &upkeep.admitted {
            if let Some(known) = self.suppressed.get_mut(name) {
                known.imports = false;
            }
        }
        let Some(turn) = &upkeep.turn else { return };
        self.idle.retain(|since| !turn.unlisted.contains(since));
        self.idle.extend(turn.listed.iter().cloned());
        self.journal.retain(|row| row.at_ms > turn.due.journal_ms);
        self.suppressed.retain(|_, known| known.at_ms > turn.due.suppressed_ms);
        self.retired.clear();
        self.age(turn.due.suppressed_ms);
        self.journeys.expire(turn.due.now_ms);
        self.tables.drop_replaced();
        for name in &turn.entombed {
            if let Some(known) = self.suppressed.get_mut(name) {
                known.copies = false;
            }
        }
        self.lease = turn.lease;
    }

    pub(super) fn due(&self, before: &DueBefore) -> Due {
        let idle = self.idle.iter().filter(|since| since.day < before.day).take(UPKEEP_ROWS_MAX);
        let profile = |since: &IdleSince| {
            let is = |at: usize| {
                let entry = self.profiles.get(at);
                entry.is_some_and(|entry| entry.audience == since.audience && entry.id == since.id)
            };
            let position = self.profile_index.find(&[since.audience.as_bytes(), &since.id], is)?;
            let entry = self.profiles.get(position)?;
            Some((entry.touched_ms, entry.state.clone()?))
        };
        let due = |since: &IdleSince| {
            let (touched_ms, state) = profile(since).unzip();
            let is_idle = touched_ms.is_some_and(|at_ms| at_ms < before.day.saturating_mul(DAY_MS));
            let state = state.filter(|_| is_idle).unwrap_or_default();
            DueProfile { since: since.clone(), touched_ms, state }
        };
        let entombed =
            self.suppressed.iter().filter(|(_, known)| known.copies && known.at_ms <= before.entomb_ms);
        let mut entombed: Vec<(i64, String)> =
            entombed.map(|(name, known)| (known.at_ms, name.clone())).collect();
        entombed.sort();
        entombed.truncate(UPKEEP_ROWS_MAX);
        Due {
            idle: idle.map(due).collect(),
            entombed: entombed.into_iter().map(|(_, name)| name).collect(),
            journal: self.journal.iter().filter(|row| row.at_ms <= before.journal_ms).count(),
            suppressed: self.suppressed.values().filter(|known| known.at_ms <= before.suppressed_ms).count(),
            retired: self.retired.len(),
            aged: self.aged(before.suppressed_ms),
            lease: self.lease,
            ..self.waiting(before.now_ms)
        }
    }
}
