//! One message of another shard that is decided: what is known here, and the answers to questions.

use usher_engine::profile::codec::{self, Unreadable};
use usher_engine::{Plan, Profile, ProfileId};

use super::super::across::Across;
use super::super::set::ProfileSet;
use crate::edge::{Edge, Running};
use crate::message::shards::{Ask, Card, Claim, Erasure, Facts, KeyState, Listed, Records, Repoint, ToShard};
use crate::message::{KeyOf, Place};
use crate::store::shards::{GoneRow, PointerRow, ShardFound};
use crate::store::{FoundProfile, Write};

/// One message that is decided, and what it writes. A step without an answer writes nothing, and is asked again.
pub(super) struct Step<'a> {
    pub(super) edge: &'a Edge,
    pub(super) across: &'a Across,
    /// None: the audience was taken out.
    pub(super) running: Option<&'a Running>,
    pub(super) audience: &'a str,
    pub(super) found: &'a ShardFound,
    pub(super) now_ms: i64,
    pub(super) write: Write,
    /// The number of a later bundle that wrote one of the profiles.
    pub(super) behind: Option<u64>,
}

/// A profile of this shard.
pub(super) enum Found {
    Here(Box<Profile>),
    Sealed([u8; 16]),
    Moved(Place, i64),
    /// It was never committed, or is no longer known.
    Nobody,
    Damaged,
    TooNew,
}

impl<'a> Step<'a> {
    pub(super) fn plan(&self) -> Option<&'a Plan> {
        self.running.map(|running| &running.plan)
    }

    pub(super) fn profile(&self, id: [u8; 16]) -> Found {
        if let Some(sealed) =
            self.found.sealed.iter().find(|row| row.audience == self.audience && row.id == id)
        {
            return Found::Sealed(sealed.intent);
        }
        let is = |row: &&FoundProfile| row.audience == self.audience && row.id == id;
        if let Some(found) = self.found.profiles.iter().find(is) {
            return match codec::decode(&found.state) {
                Ok(profile) => Found::Here(Box::new(profile)),
                Err(Unreadable::Damaged(_)) => Found::Damaged,
                Err(Unreadable::TooNew) => Found::TooNew,
            };
        }
        match self.gone(id) {
            Some(GoneRow { into: Some((into, created_ms)), .. }) => Found::Moved(*into, *created_ms),
            _ => Found::Nobody,
        }
    }

    fn gone(&self, id: [u8; 16]) -> Option<&'a GoneRow> {
        self.found.gone.iter().find(|row| row.audience == self.audience && row.id == id)
    }

    pub(super) fn pointer(&self, hash: [u8; 16]) -> Option<&'a PointerRow> {
        self.found.pointers.iter().find(|row| row.audience == self.audience && row.hash == hash)
    }

    /// The profile here that lists the key of this index among the read ones.
    pub(super) fn lister(&self, key: &KeyOf, index: usize) -> Option<[u8; 16]> {
        let is = |row: &&FoundProfile| row.audience == self.audience && row.keys.contains(&index);
        let row = self.found.profiles.iter().find(is)?;
        match codec::decode(&row.state) {
            Ok(profile) if !profile.has_key(&key.name, &key.value) => None,
            _ => Some(row.id),
        }
    }

    pub(super) fn set(&mut self) -> Option<ProfileSet> {
        let running = self.running?;
        match ProfileSet::load(self.audience, running.number, 0, &self.found.profiles) {
            Ok(set) => Some(set),
            Err(number) => {
                self.behind = Some(number);
                None
            }
        }
    }

    /// Adds the changed profiles to the write; false: one would be too large.
    pub(super) fn commit(&mut self, set: &mut ProfileSet) -> bool {
        let Some(running) = self.running else { return false };
        set.commit(running, self.edge.form(), self.now_ms, &mut self.write).is_ok()
    }

    pub(super) fn card(&mut self, id: [u8; 16]) -> Card {
        match self.profile(id) {
            Found::Here(profile) => {
                let person = self.plan().and_then(|plan| plan.person(profile.keys()));
                Card::Here { created_ms: profile.created_ms, person: person.map(str::to_owned) }
            }
            Found::Sealed(_) => Card::Sealed,
            Found::Moved(into, _) => Card::Moved(into),
            Found::Damaged => Card::Damaged,
            Found::TooNew => Card::TooNew,
            Found::Nobody if self.gone(id).is_some_and(|row| row.erased) => Card::Erased,
            Found::Nobody => {
                // From now on nobody commits it: whoever asks may give its keys to another.
                if self.gone(id).is_none() {
                    let row = GoneRow { audience: self.audience.to_owned(), id, into: None, erased: false };
                    self.write.shard.gone.push(row);
                }
                Card::Void
            }
        }
    }

    /// A pointer says more than a profile here that still lists the key: the message that takes it from there is on its way.
    pub(super) fn state(&self, key: &KeyOf, index: usize) -> KeyState {
        let row = self.pointer(self.across.hash(key));
        let here = || self.lister(key, index).map(|id| self.across.here(ProfileId(id)));
        match row {
            Some(row) if row.holder.is_some() => row.into(),
            row => KeyState {
                generation: row.map_or(0, |row| row.generation),
                holder: here(),
                ..KeyState::default()
            },
        }
    }

    /// The last erasure of the key of this index among the read ones.
    pub(super) fn erased(&self, index: usize) -> Option<Erasure> {
        let known = self.found.erased.iter().find(|erased| erased.key == index)?;
        Some(Erasure { at_ms: known.at_ms, imports: known.imports })
    }

    pub(super) fn ask(&mut self, ask: &Ask) -> Option<Facts> {
        let mut facts = Facts::default();
        for (index, (name, value)) in ask.keys.iter().enumerate() {
            let (name, value) = (name.clone(), value.clone());
            let state = self.state(&KeyOf { audience: ask.audience.clone(), name, value }, index);
            let here = state.holder.filter(|holder| holder.shard == self.across.route.shard);
            let card = here.map(|holder| self.card(holder.id));
            facts.keys.push((state, card));
            facts.erased.push(self.erased(index));
        }
        for id in &ask.profiles {
            let card = self.card(*id);
            facts.cards.push(card);
        }
        for (at, listed) in ask.listed.iter().enumerate() {
            let listed = self.listed(listed, ask.keys.len() + at);
            facts.listed.push(listed);
        }
        Some(facts)
    }

    /// The answer to the question whether a profile lists a key, whose index among the read ones is `index`. One that does not must
    /// claim it again before it can. Where another profile of this shard lists it, the home of the key hears that again.
    fn listed(&mut self, listed: &Listed, index: usize) -> Option<bool> {
        let Found::Here(profile) = self.profile(listed.profile) else { return None };
        let (name, value) = listed.key.clone();
        if profile.has_key(&name, &value) {
            return Some(true);
        }
        let audience = self.audience.to_owned();
        let key = KeyOf { audience: audience.clone(), name, value };
        if let Some(lister) = self.lister(&key, index) {
            // The home knows the profile by the name that its pointer has.
            let (hash, from, to) =
                (self.across.hash(&key), listed.pointed, self.across.here(ProfileId(lister)));
            let repoint = Repoint { audience, hash, from, to: Some(to), generation: 0 };
            let row = self.across.stored(self.across.home(&key), ToShard::Repoint(repoint), self.now_ms);
            self.write.shard.outbox.push(row);
            return None;
        }
        let hash = self.across.fence(&key);
        let generation = listed.generation.saturating_add(1);
        let is_fenced = self.pointer(hash).is_some_and(|row| row.generation >= generation);
        if listed.generation > 0 && !is_fenced {
            self.write.shard.pointers.push(PointerRow::closed(audience, hash, generation));
        }
        Some(false)
    }

    /// The state of the key after it; without an effect where the holder is not the expected one.
    pub(super) fn claim(&mut self, claim: &Claim) -> Option<KeyState> {
        let key = &claim.key;
        let state = self.state(key, 0);
        if !state.is(claim.expected) {
            return Some(state);
        }
        let before = if claim.holder_is_gone { state.before } else { state.holder };
        let (generation, holder, committed) = (state.generation + 1, Some(claim.to), false);
        let (audience, hash) = (self.audience.to_owned(), self.across.hash(key));
        let row = PointerRow { audience, hash, holder, generation, before, committed };
        let claimed = KeyState::from(&row);
        self.write.shard.pointers.push(row);
        Some(claimed)
    }

    /// Takes a key from a profile here, and sends its records after it.
    pub(super) fn let_go(&mut self, from: [u8; 16], key: &KeyOf, to: Place) -> Option<()> {
        if !matches!(self.profile(from), Found::Here(_)) {
            return None;
        }
        let plan = self.plan()?;
        let mut set = self.set()?;
        let index = set.of_id(from)?;
        let carrier = plan.let_go(set.get_mut(index)?, &key.name, &key.value);
        if !self.commit(&mut set) {
            return None;
        }
        if let Some(carrier) = carrier {
            let records = Records {
                key: key.clone(),
                number: self.running?.number,
                to: to.id,
                carrier: codec::encode(&carrier, self.edge.form().of_profiles()),
                at_ms: self.now_ms,
            };
            let row = self.across.stored(to.shard, ToShard::Records(records), self.now_ms);
            self.write.shard.outbox.push(row);
        }
        Some(())
    }
}

/// The keys of an encoded profile.
pub(super) fn keys_in(audience: &str, state: &[u8]) -> Vec<KeyOf> {
    let profile = codec::decode(state).ok();
    let keys = profile.iter().flat_map(|profile| profile.keys().iter());
    let key = |key: &usher_engine::profile::Key| KeyOf {
        audience: audience.to_owned(),
        name: key.name.clone(),
        value: key.value.clone(),
    };
    keys.map(key).collect()
}
