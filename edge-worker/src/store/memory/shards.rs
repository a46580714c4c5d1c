//! The rows of a shard of several, in memory.

use super::super::journeys::SendRow;
use super::super::shards::{IntentRow, PointerRow, ShardBasis, ShardFound, ShardRead, ShardWrite};
use super::super::{FoundProfile, Holder};
use super::{Aged, MemoryStore, Suppressed};
use crate::limits::{DAY_MS, DUE_MAX, SUPPRESSION_MS};
use crate::message::Delivery;

impl MemoryStore {
    pub(super) fn read_shard(&self, read: &ShardRead) -> ShardFound {
        let rows = &self.shard;
        let mut profiles = self.profiles_of(&read.keys);
        for (audience, id) in &read.ids {
            let is = |found: &FoundProfile| (&found.audience, &found.id) == (audience, id);
            if !profiles.iter().any(is) {
                profiles.extend(self.profile_of(audience, *id));
            }
        }
        let is_found = |audience: &String, id: &[u8; 16]| {
            profiles.iter().any(|found| (&found.audience, &found.id) == (audience, id))
        };
        let is_read = |audience: &String, id: &[u8; 16]| {
            read.ids.iter().any(|(known, known_id)| (known, known_id) == (audience, id))
        };
        let has = |row: &&PointerRow| {
            read.pointers.iter().any(|(audience, hash)| (audience, hash) == (&row.audience, &row.hash))
        };
        let wanted =
            |row: &&IntentRow| read.intents.contains(&row.id) || is_found(&row.audience, &row.survivor);
        let pointers: Vec<PointerRow> = rows.pointers.iter().filter(has).cloned().collect();
        let sealed: Vec<_> =
            rows.sealed.iter().filter(|row| is_found(&row.audience, &row.id)).cloned().collect();
        let erased = self.erased_of(&read.names);
        let held = profiles.iter().filter(|found| read.held && !found.keys.is_empty());
        ShardFound {
            held: held.flat_map(|found| self.keys_of(found)).collect(),
            elsewhere: !sealed.is_empty()
                || rows.intents.iter().any(|row| wanted(&row) && !row.withdrawn)
                || !erased.is_empty()
                || pointers.iter().any(|row| row.holder.is_some()),
            erased,
            pointers,
            gone: rows.gone.iter().filter(|row| is_read(&row.audience, &row.id)).cloned().collect(),
            sealed,
            intents: rows.intents.iter().filter(wanted).cloned().collect(),
            sends: if read.sends { self.journeys.sends_of(&read.ids) } else { Vec::new() },
            journal: if read.journal { self.journal_of(&profiles) } else { Vec::new() },
            row: read.row.is_some_and(|row| rows.outbox.iter().any(|(number, _)| *number == row)),
            profiles,
        }
    }

    pub(super) fn unanswered(&self, now_ms: i64) -> Vec<Delivery> {
        let due = self.shard.outbox.iter().filter(|(_, row)| row.due_ms <= now_ms).take(DUE_MAX);
        due.map(|(number, row)| Delivery { number: *number, shard: row.shard, message: row.message.clone() })
            .collect()
    }

    /// True if nothing of the basis has changed.
    pub(super) fn shard_holds(&self, basis: &ShardBasis) -> bool {
        let rows = &self.shard;
        let pointer = |(audience, hash, generation): &(String, [u8; 16], u64)| {
            let row = rows.pointers.iter().find(|row| (&row.audience, &row.hash) == (audience, hash));
            row.map_or(0, |row| row.generation) == *generation
        };
        let profile = |(audience, id, holder): &(String, [u8; 16], Option<Holder>)| {
            let found = self.profile_of(audience, *id);
            found.map(|found| Holder { id: found.id, version: found.version }) == *holder
        };
        basis.pointers.iter().all(pointer)
            && basis.profiles.iter().all(profile)
            && basis.sealed.iter().all(|row| rows.sealed.contains(row))
            && basis.row.is_none_or(|row| rows.outbox.iter().any(|(number, _)| *number == row))
    }

    /// The number of rows that go with the next turn of upkeep.
    pub(super) fn aged(&self, before_ms: i64) -> usize {
        self.shard.aged.values().filter(|day| **day < before_ms.div_euclid(DAY_MS)).count()
    }

    /// A turn of upkeep: rows that are of no more use go when that is known for as long as erasures are.
    pub(super) fn age(&mut self, before_ms: i64) {
        let (today, rows) = ((before_ms + SUPPRESSION_MS).div_euclid(DAY_MS), &mut self.shard);
        let gone = rows.gone.iter().map(|row| (Aged::Gone, row.audience.clone(), row.id));
        let closed = rows.pointers.iter().filter(|row| row.holder.is_none());
        let closed = closed.map(|row| (Aged::Pointer, row.audience.clone(), row.hash));
        let withdrawn = rows.intents.iter().filter(|row| row.withdrawn);
        let withdrawn = withdrawn.map(|row| (Aged::Intent, row.audience.clone(), row.id));
        for row in gone.chain(closed).chain(withdrawn) {
            rows.aged.entry(row).or_insert(today);
        }
        let is_over = |day: &i64| *day < before_ms.div_euclid(DAY_MS);
        let over =
            |kind, audience: &String, id| rows.aged.get(&(kind, audience.clone(), id)).is_some_and(is_over);
        rows.gone.retain(|row| !over(Aged::Gone, &row.audience, row.id));
        rows.pointers.retain(|row| row.holder.is_some() || !over(Aged::Pointer, &row.audience, row.hash));
        rows.intents.retain(|row| !row.withdrawn || !over(Aged::Intent, &row.audience, row.id));
        rows.aged.retain(|_, day| !is_over(day));
    }

    pub(super) fn write_shard(&mut self, write: &ShardWrite) {
        let rows = &mut self.shard;
        for row in &write.gone {
            rows.aged.remove(&(Aged::Gone, row.audience.clone(), row.id));
        }
        for row in &write.pointers {
            rows.aged.remove(&(Aged::Pointer, row.audience.clone(), row.hash));
            rows.pointers.retain(|known| (&known.audience, known.hash) != (&row.audience, row.hash));
            rows.pointers.push(row.clone());
        }
        for row in &write.gone {
            rows.gone.retain(|known| (&known.audience, known.id) != (&row.audience, row.id));
            rows.gone.push(row.clone());
        }
        for row in &write.sealed {
            rows.sealed.retain(|known| (&known.audience, known.id) != (&row.audience, row.id));
            rows.sealed.push(row.clone());
        }
        rows.sealed.retain(|row| !write.unsealed.contains(&(row.audience.clone(), row.id)));
        for row in &write.intents {
            rows.intents.retain(|known| known.id != row.id);
            rows.intents.push(row.clone());
        }
        rows.intents.retain(|row| !write.closed.contains(&row.id));
        rows.outbox.retain(|(number, _)| !write.answered.contains(number));
        for (again, due_ms) in &write.again {
            rows.outbox
                .iter_mut()
                .filter(|(number, _)| number == again)
                .for_each(|(_, row)| row.due_ms = *due_ms);
        }
        for row in &mut rows.gone {
            if write.forgotten.contains(&(row.audience.clone(), row.id)) {
                (row.into, row.erased) = (None, true);
            }
        }
        for row in &write.outbox {
            rows.last += 1;
            rows.outbox.push((rows.last, row.clone()));
        }
        let of = |row: &SendRow| (row.audience.clone(), row.profile, row.id);
        self.journeys.keep(|_, row| !write.handed_over.iter().any(|moved| of(moved) == of(row)));
        for (audience, id) in &write.forgotten {
            self.journeys.erase(audience, *id, &[]);
        }
        self.journal.retain(|row| !write.forgotten.contains(&(row.audience.clone(), row.profile)));
        for (name, at_ms) in &write.erased {
            let new = Suppressed { at_ms: *at_ms, imports: false, copies: false };
            let known = self.suppressed.entry(name.clone()).or_insert(new);
            known.at_ms = known.at_ms.max(*at_ms);
        }
    }
}
