//! Finds the profile that a pointer leads to.

use usher_engine::Keys;
use usher_engine::profile::Key;
use usher_engine::profile::codec::Unreadable;

use super::super::set::{ProfileIndex, ProfileSet};
use super::Deciding;
use super::found::{At, Search, Whereabouts};
use crate::message::shards::{Card, KeyState};
use crate::message::{KeyOf, Place};
use crate::store::shards::IntentRow;

impl Deciding<'_> {
    /// Where the profile of a key is, whose index among the read ones is `read_as`. `binds`: a profile that has claimed the key and does not
    /// list it must claim it again before it can.
    pub(in crate::writer) fn whose(
        &mut self,
        set: &ProfileSet,
        key: &KeyOf,
        read_as: usize,
        seen: Option<[u8; 16]>,
        binds: bool,
    ) -> Whereabouts {
        let listed = Key { name: key.name.clone(), value: key.value.clone(), seen_ms: 0 };
        if set.unreadable(&[read_as]).is_some() {
            return Whereabouts::Unavailable;
        }
        let found = match self.listing(set, &listed, read_as) {
            Some(index) if set.is_sealed(index) => {
                self.open.wait();
                Search::Later
            }
            Some(index) => Search::Found(At::Here(index)),
            None => match self.state(key.clone()) {
                Some(Some(state)) => self.committed(set, key, state, binds),
                Some(None) => Search::Unavailable,
                None => Search::Later,
            },
        };
        if let Search::Found(At::Here(index)) = &found
            && seen.is_some_and(|seen| {
                self.is_to_absorb(set, *index, |row| self.across.is_named(row.source, seen))
            })
        {
            // Who has seen a profile does not see its survivor without it.
            self.open.wait();
            return Whereabouts::Later;
        }
        match found {
            Search::Found(At::Here(index)) => match set.get(index) {
                Some(profile) => Whereabouts::Here(profile.id.0),
                None => Whereabouts::Nobody,
            },
            Search::Found(At::There(place)) => Whereabouts::There(place),
            Search::Nobody => Whereabouts::Nobody,
            Search::Later => Whereabouts::Later,
            Search::Lost => Whereabouts::Lost,
            Search::Unavailable => Whereabouts::Unavailable,
            Search::Unreadable(place) => Whereabouts::Damaged(place),
        }
    }

    /// The same, if the profile lists the key. Elsewhere one that does not has claimed it, and was not committed: it must claim
    /// the key again if the question says a generation. Here it may list the key by this very message. `committed`: the holder is
    /// known to have listed the key.
    pub(super) fn lister(
        &mut self,
        set: &ProfileSet,
        key: &KeyOf,
        (holder, generation): (Place, u64),
        committed: bool,
    ) -> Search {
        let committed = committed && !self.across.lost_begin_anew;
        let may_claim = |at: Place| at.shard != self.across.route.shard && at.shard != self.across.home(key);
        if may_claim(holder) && self.across.listed(key, holder.id, generation).is_none() {
            self.open.listed(key.clone(), holder, holder.id, generation);
        }
        let at = match self.search(set, holder, committed) {
            Search::Found(At::There(at)) if may_claim(at) => at,
            found => return found,
        };
        match self.across.listed(key, at.id, generation) {
            Some(Some(Some(true))) => Search::Found(At::There(at)),
            Some(Some(Some(false))) if !committed => Search::Nobody,
            // It went since its card was asked for, or its shard has given the key to another one, or let it go, which the home hears
            // of. If that does not come, its shard was restored to before it had the key.
            Some(Some(_)) => {
                self.open.card(at);
                self.open.listed(key.clone(), at, holder.id, generation);
                if !self.across.is_home(key) {
                    self.open.key(key.clone());
                }
                self.open.wait();
                Search::Later
            }
            Some(None) => Search::Unavailable,
            None => {
                self.open.listed(key.clone(), at, holder.id, generation);
                Search::Later
            }
        }
    }

    /// True if a profile has an open intent for one of these.
    pub(in crate::writer) fn is_to_absorb(
        &self,
        set: &ProfileSet,
        index: ProfileIndex,
        is_one: impl Fn(&IntentRow) -> bool,
    ) -> bool {
        let Some(id) = set.get(index).map(|profile| profile.id.0) else { return false };
        let has_absorbed =
            |other: [u8; 16]| set.merged().any(|(from, into, _)| (from.0, into.0) == (other, id));
        let is_its = |row: &IntentRow| row.survivor == id || has_absorbed(row.survivor);
        let mut intents = self.found.intents.iter().filter(|row| !row.withdrawn);
        intents.any(|row| row.audience == self.audience && is_its(row) && is_one(row))
    }

    /// The profile here that lists the primary key of an event and none of its other keys. If it has that key from one that it is
    /// about to absorb, that one may have counted the event.
    pub(in crate::writer) fn known_by_person(
        &self,
        set: &ProfileSet,
        keys: &Keys,
        read: &[usize],
    ) -> Option<ProfileIndex> {
        let mut all = keys.usable.iter().zip(read);
        let (key, read_as) = all.clone().find(|(key, _)| self.is_person(key))?;
        let index = self.listing(set, key, *read_as)?;
        let id = set.get(index)?.id;
        let is_of_it = |known: ProfileIndex| set.get(known).is_some_and(|profile| profile.id == id);
        let is_other = |key: &Key, read_as: usize| {
            !self.is_person(key) && self.listing(set, key, read_as).is_some_and(is_of_it)
        };
        (!all.any(|(key, read_as)| is_other(key, *read_as))).then_some(index)
    }

    /// The profile that lists a key: a holder that does not is not committed, and who had the key before has it still.
    fn committed(&mut self, set: &ProfileSet, key: &KeyOf, state: KeyState, binds: bool) -> Search {
        let generation = if binds { state.generation } else { 0 };
        let before = state.before.map(|place| (place, false));
        for (place, committed) in state.holder.map(|place| (place, state.committed)).into_iter().chain(before)
        {
            match self.lister(set, key, (place, generation), committed) {
                Search::Nobody => {}
                Search::Found(At::Here(index)) => {
                    if set.get(index).is_some_and(|profile| profile.has_key(&key.name, &key.value)) {
                        return Search::Found(At::Here(index));
                    }
                }
                found => return found,
            }
        }
        Search::Nobody
    }

    /// Follows a holder to the profile that it has become. `committed`: it was there.
    fn search(&mut self, set: &ProfileSet, holder: Place, committed: bool) -> Search {
        let mut at = holder;
        for _ in 0..8 {
            // A profile that has absorbed another one was there, too.
            let was_there = committed || at != holder;
            let is_lost = was_there && !self.across.lost_begin_anew;
            let void = if is_lost { Search::Lost } else { Search::Nobody };
            if at.shard == self.across.route.shard {
                if let Some(index) = set.of_id(at.id) {
                    if set.is_sealed(index) {
                        self.open.wait();
                        return Search::Later;
                    }
                    return Search::Found(At::Here(index));
                }
                match set.unreadable_id(at.id) {
                    Some(Unreadable::Damaged(_)) => return Search::Unreadable(at),
                    Some(Unreadable::TooNew) => return Search::Unavailable,
                    None => {}
                }
                if let Some(row) = self.gone(at.id) {
                    match row.into {
                        Some((into, _)) => at = into,
                        None if row.erased => return Search::Nobody,
                        None => return void,
                    }
                    continue;
                }
            }
            match self.across.card(self.audience, at) {
                Some(Some(Card::Here { .. })) if at.shard != self.across.route.shard => {
                    return Search::Found(At::There(at));
                }
                Some(Some(Card::Moved(to))) => at = *to,
                Some(Some(Card::Void)) => return void,
                Some(Some(Card::Erased)) => return Search::Nobody,
                Some(Some(Card::Sealed)) => {
                    self.open.card(at);
                    self.open.wait();
                    return Search::Later;
                }
                Some(Some(Card::Damaged)) => return Search::Unreadable(at),
                // It came or went since it was asked for.
                Some(Some(Card::Here { .. })) => {
                    self.open.card(at);
                    return Search::Later;
                }
                Some(Some(Card::TooNew) | None) => return Search::Unavailable,
                None => {
                    self.open.card(at);
                    return Search::Later;
                }
            }
        }
        Search::Unavailable
    }
}
