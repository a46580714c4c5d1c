//! Keys of erased profiles: their homes refuse what is older, and forget who had them.

use usher_engine::planted::{self, Bug};

use super::step::Step;
use crate::message::KeyOf;
use crate::message::shards::{Forget, KeyState, Refusing, Suppress};
use crate::store::shards::PointerRow;
use crate::store::{ErasedKey, Suppression, Upkeep};

impl Step<'_> {
    /// Refuses events and imports of keys from now on. Asked again it changes nothing.
    pub(super) fn suppress(&mut self, suppress: &Suppress) -> Vec<Refusing> {
        let mut upkeep = Upkeep::default();
        let mut all = Vec::new();
        for (index, (name, value)) in suppress.keys.iter().enumerate() {
            let (audience, name, value) = (suppress.audience.clone(), name.clone(), value.clone());
            let key = KeyOf { audience, name, value };
            if !planted::is(Bug::ForgetsErasures) {
                upkeep.suppressed.push(Suppression { name: self.across.name(&key), at_ms: suppress.at_ms });
            }
            let KeyState { holder, generation, .. } = self.state(&key, index);
            let is_of_it = |id: [u8; 16]| {
                self.found.sealed.iter().any(|row| row.audience == self.audience && row.id == id)
            };
            let is_sealed = holder.is_some_and(|holder| is_of_it(holder.id));
            all.push(Refusing { holder, generation, is_sealed });
        }
        self.write.upkeep = Some(Box::new(upkeep));
        all
    }

    /// Makes keys nobody's that lead to a profile which was erased.
    pub(super) fn forget(&mut self, forget: &Forget) {
        for hash in &forget.hashes {
            let Some(row) = self.pointer(*hash) else { continue };
            let is_gone = |id: [u8; 16]| forget.profiles.contains(&id);
            let before = row.before.filter(|before| !is_gone(before.id));
            let row = match row.holder {
                Some(holder) if is_gone(holder.id) => {
                    let generation = row.generation + 1;
                    PointerRow { holder: before, generation, before: None, committed: false, ..row.clone() }
                }
                _ if before != row.before => PointerRow { before, ..row.clone() },
                _ => continue,
            };
            self.write.shard.pointers.push(row);
        }
        let of_audience = |id: &[u8; 16]| (forget.audience.clone(), *id);
        self.write.shard.forgotten.extend(forget.profiles.iter().map(of_audience));
    }

    /// The keys among these that were erased, as far as this shard knows.
    pub(super) fn erased_of(&self, names: &[String]) -> Vec<(String, i64)> {
        let of = |erased: &ErasedKey| Some((names.get(erased.key)?.clone(), erased.at_ms));
        self.found.erased.iter().filter_map(of).collect()
    }
}
