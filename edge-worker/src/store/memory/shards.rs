//! The rows of a shard of several, in memory.

use super::super::shards::{IntentRow, PointerRow, ShardBasis, ShardFound, ShardRead, ShardWrite};
use super::super::{FoundProfile, Holder};
use super::{MemoryStore, Suppressed};
use crate::limits::DUE_MAX;
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
                || !erased.is_empty()
                || pointers.iter().any(|row| row.holder.is_some()),
            erased,
            pointers,
            gone: rows.gone.iter().filter(|row| is_read(&row.audience, &row.id)).cloned().collect(),
            sealed,
            intents: rows.intents.iter().filter(wanted).cloned().collect(),
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

    pub(super) fn write_shard(&mut self, write: &ShardWrite) {
        let rows = &mut self.shard;
        for row in &write.pointers {
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
        rows.gone.retain(|row| !write.forgotten.contains(&(row.audience.clone(), row.id)));
        for row in &write.outbox {
            rows.last += 1;
            rows.outbox.push((rows.last, row.clone()));
        }
        self.journal.retain(|row| !write.forgotten.contains(&(row.audience.clone(), row.profile)));
        for (name, at_ms) in &write.erased {
            let new = Suppressed { at_ms: *at_ms, imports: false, copies: false };
            let known = self.suppressed.entry(name.clone()).or_insert(new);
            known.at_ms = known.at_ms.max(*at_ms);
        }
    }
}
