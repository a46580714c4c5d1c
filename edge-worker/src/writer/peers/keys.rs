//! Keys that change hands, each by itself.

use usher_engine::profile::codec;

use super::step::{Found, Step};
use crate::message::Place;
use crate::message::shards::{Committed, Drop, Evicted, KeyState, Records, Repoint, ToShard};
use crate::store::shards::PointerRow;

impl Step<'_> {
    pub(super) fn repoint(&mut self, repoint: &Repoint) {
        let Some(row) = self.pointer(repoint.hash) else { return };
        let is_meant = [0, row.generation].contains(&repoint.generation);
        let is_from = |place: &Place| place.id == repoint.from;
        if is_meant && row.holder.as_ref().is_some_and(is_from) {
            let generation = row.generation + 1;
            self.write.shard.pointers.push(PointerRow {
                holder: repoint.to,
                generation,
                before: None,
                committed: repoint.to.is_some(),
                ..row.clone()
            });
        } else if is_meant && row.before.as_ref().is_some_and(is_from) {
            // Whoever has claimed it since takes it from there.
            self.write.shard.pointers.push(PointerRow { before: repoint.to, ..row.clone() });
        }
    }

    /// Profiles elsewhere are committed with the keys that they have claimed.
    pub(super) fn note_committed(&mut self, committed: &Committed) {
        for (hash, generation) in &committed.keys {
            // Somebody may have claimed it since.
            let row = self.pointer(*hash).filter(|row| row.generation == *generation && row.holder.is_some());
            self.write.shard.pointers.extend(row.map(|row| PointerRow { committed: true, ..row.clone() }));
        }
    }

    /// Makes a key nobody's that a profile here has lost, unless it has it again; `state` is the word of its home. Until the message
    /// for that arrives, who lists the key by the same generation must claim it again.
    pub(super) fn let_evicted(&mut self, evicted: &Evicted, state: KeyState) -> Option<()> {
        let Evicted { key, from } = evicted;
        if state.holder.is_none_or(|holder| holder.id != *from) {
            return Some(());
        }
        match self.profile(*from) {
            Found::Here(profile) if profile.has_key(&key.name, &key.value) => return Some(()),
            Found::Sealed(_) | Found::TooNew => return None,
            Found::Here(_) => {
                let (audience, hash) = (key.audience.clone(), self.across.fence(key));
                let generation = state.generation + 1;
                if self.pointer(hash).is_none_or(|row| row.generation < generation) {
                    self.write.shard.pointers.push(PointerRow::closed(audience, hash, generation));
                }
            }
            Found::Moved(..) | Found::Nobody | Found::Damaged => {}
        }
        let (audience, hash, generation) = (key.audience.clone(), self.across.hash(key), state.generation);
        let repoint = Repoint { audience, hash, from: *from, to: None, generation };
        let row = self.across.stored(self.across.home(key), ToShard::Repoint(repoint), self.now_ms);
        self.write.shard.outbox.push(row);
        Some(())
    }

    /// Where the profile went; None: it is done.
    pub(super) fn drop_key(&mut self, drop: &Drop) -> Option<Option<(Place, i64)>> {
        match self.profile(drop.from) {
            Found::Moved(into, created_ms) => Some(Some((into, created_ms))),
            Found::Sealed(_) | Found::TooNew => None,
            Found::Nobody | Found::Damaged => Some(None),
            Found::Here(profile) => {
                let row = self.pointer(self.across.hash(&drop.key));
                // The profile may have the key again, by a later claim.
                let is_back = match row {
                    Some(row) if self.across.is_home(&drop.key) => {
                        row.generation < drop.generation
                            || row.holder.is_none_or(|holder| holder.id == drop.from)
                    }
                    row => row.map_or(1, |row| row.generation) >= drop.generation,
                };
                let listed = profile.has_key(&drop.key.name, &drop.key.value);
                if listed && !is_back && drop.to.id != drop.from {
                    self.let_go(drop.from, &drop.key, drop.to)?;
                }
                Some(None)
            }
        }
    }

    /// Where the holder is; None: it is done.
    pub(super) fn records(&mut self, records: &Records) -> Option<Option<(Place, i64)>> {
        if records.to == [0; 16] {
            return Some(self.state(&records.key, 0).holder.map(|holder| (holder, 0)));
        }
        match self.profile(records.to) {
            Found::Moved(into, created_ms) => Some(Some((into, created_ms))),
            Found::Sealed(_) | Found::TooNew => None,
            Found::Nobody | Found::Damaged => Some(None),
            Found::Here(profile) => {
                if !profile.has_key(&records.key.name, &records.key.value) {
                    // It moved on.
                    let home = Place { id: [0; 16], shard: self.across.home(&records.key) };
                    return Some(Some((home, 0)));
                }
                let Ok(carrier) = codec::decode(&records.carrier) else { return Some(None) };
                let mut set = self.set()?;
                let index = set.of_id(records.to)?;
                set.get_mut(index)?.take_records(&carrier);
                self.commit(&mut set).then_some(None)
            }
        }
    }
}
