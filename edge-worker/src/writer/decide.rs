//! Decides where an event of a shard of several is folded, and by which keys (docs/shards.md).

mod found;
mod search;

pub(super) use found::Whereabouts;
use found::{At, Search};
use usher_engine::profile::Key;
use usher_engine::{Keys, Plan, ProfileId};

use super::across::{Across, Moved};
use super::questions::Open;
use super::set::{ProfileIndex, ProfileSet};
use crate::edge::Running;
use crate::message::shards::{Card, Claim, KeyState};
use crate::message::{KeyOf, Place};
use crate::store::shards::{GoneRow, PointerRow, ShardFound};

/// Stitches an event in a shard of several.
pub(super) enum Decision {
    /// Here, with these keys.
    Here(Stitching),
    /// In another shard.
    There(u32),
    /// The answers to questions decide.
    Later,
    /// Not at all: its profile was in a shard that was restored to an earlier time than the others.
    Lost,
    /// Not at all now: a shard does not answer, or is merging the profile.
    Unavailable,
    /// Its profile is damaged.
    Unreadable,
}

/// The keys by which an event is stitched here, and what follows from those of profiles elsewhere.
#[derive(Default)]
pub(super) struct Stitching {
    pub(super) keys: Keys,
    pub(super) read: Vec<usize>,
    /// Profiles elsewhere that the event's profile is to absorb.
    pub(super) sources: Vec<Source>,
    /// Keys that move here from profiles elsewhere.
    pub(super) moved: Vec<Moved>,
    /// Keys that profiles here have, as their homes say, and do not list yet; with their indexes among the read keys.
    pub(super) adopted: Vec<(ProfileIndex, Key, usize)>,
}

/// A profile elsewhere that is to be absorbed.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Source {
    pub(super) place: Place,
    /// True if its primary key moves before it.
    pub(super) gives_person: bool,
}

/// A profile that has one of an event's keys.
struct Candidate {
    at: At,
    id: [u8; 16],
    created_ms: i64,
    person: Option<String>,
}

/// The holder of an event's key.
struct Whose {
    /// Index among the candidates; None: it is nobody's.
    candidate: Option<usize>,
    /// The word of its home; None: a profile here lists it.
    state: Option<KeyState>,
    /// True if the home's holder does not lead to the candidate.
    holder_is_gone: bool,
    /// The profile from which the candidate has got it by a claim, and which still lists it.
    from: Option<Candidate>,
}

impl Stitching {
    fn absorb(&mut self, place: Place, gives_person: bool) {
        match self.sources.iter_mut().find(|source| source.place == place) {
            Some(source) => source.gives_person |= gives_person,
            None => self.sources.push(Source { place, gives_person }),
        }
    }
}

/// The profile of an event, and what is known of its keys.
struct Joined<'a> {
    id: ProfileId,
    /// The event's primary key.
    own: Option<&'a str>,
    /// The value of the profile's primary key, with this event.
    person: Option<&'a str>,
    candidates: &'a [Candidate],
    all: &'a [Whose],
}

impl Joined<'_> {
    fn is_mine(&self, known: &Candidate) -> bool {
        is_of(known, self.person)
    }

    /// True if the holder is found by a key that its profile lists. Another one that it has by this message's claim is as new to
    /// it as in one shard.
    fn is_found(&self, one: &Whose) -> bool {
        self.all.iter().any(|known| known.candidate == one.candidate && known.state.is_none())
    }
}

/// True if a profile may be one with that of this person.
fn is_of(known: &Candidate, person: Option<&str>) -> bool {
    known.person.as_deref().is_none_or(|other| Some(other) == person)
}

/// The parts that the events of one audience share.
pub(super) struct Deciding<'a> {
    pub(super) across: &'a Across,
    /// None: this writer has not heard of the audience yet. Lookups do without.
    pub(super) running: Option<&'a Running>,
    pub(super) audience: &'a str,
    pub(super) found: &'a ShardFound,
    pub(super) now_ms: i64,
    pub(super) open: Open,
}

impl Deciding<'_> {
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.running.map(|running| &running.plan)
    }

    /// The number of the bundle that this writer runs.
    pub(super) fn number(&self) -> u64 {
        self.running.map_or(0, |running| running.number)
    }

    pub(super) fn key_of(&self, key: &Key) -> KeyOf {
        KeyOf { audience: self.audience.to_owned(), name: key.name.clone(), value: key.value.clone() }
    }

    pub(super) fn pointer(&self, key: &KeyOf) -> Option<&PointerRow> {
        let hash = self.across.hash(key);
        self.found.pointers.iter().find(|row| row.audience == self.audience && row.hash == hash)
    }

    fn gone(&self, id: [u8; 16]) -> Option<&GoneRow> {
        self.found.gone.iter().find(|row| row.audience == self.audience && row.id == id)
    }

    /// Later events with one of these keys, by their indexes, are decided when this one is, or go to the same shard.
    pub(super) fn wait_for(&mut self, read: &[usize], shard: Option<u32>) {
        self.open.undecided.extend(read.iter().map(|key| (*key, shard)));
    }

    /// The shard of the events before that share a key with this one, if they are all for one.
    pub(super) fn goes_with(&mut self, read: &[usize]) -> Option<u32> {
        let mut before =
            self.open.undecided.iter().filter(|(key, _)| read.contains(key)).map(|(_, shard)| *shard);
        let first = before.next()??;
        if before.any(|shard| shard != Some(first)) {
            return None;
        }
        self.wait_for(read, Some(first));
        Some(first)
    }

    /// Decides how an event with these keys is stitched, whose indexes are `read`. `fresh` is the id of a new profile.
    pub(super) fn decide(
        &mut self,
        set: &ProfileSet,
        keys: &Keys,
        read: &[usize],
        fresh: ProfileId,
    ) -> Decision {
        let mut decision = self.decide_now(set, keys, read, fresh);
        if matches!(decision, Decision::Here(_))
            && let Some(index) = self.known_by_person(set, keys, read)
            && self.is_to_absorb(set, index, |row| row.has_person)
        {
            self.open.wait();
            decision = Decision::Later;
        }
        // A key that is another one's by now may still be listed by a profile here that has handed its state over.
        if let Decision::Here(stitching) = &decision
            && set.meets_sealed(&stitching.keys, &stitching.read)
        {
            self.open.wait();
            decision = Decision::Later;
        }
        if matches!(decision, Decision::Later) {
            if self.across.is_last() {
                return Decision::Unavailable;
            }
            self.wait_for(read, None);
        }
        decision
    }

    fn decide_now(&mut self, set: &ProfileSet, keys: &Keys, read: &[usize], fresh: ProfileId) -> Decision {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut all: Vec<Whose> = Vec::new();
        let (mut later, mut lists_all) = (false, true);
        for (key, read_as) in keys.usable.iter().zip(read) {
            if let Some(index) = self.listing(set, key, *read_as) {
                if set.is_sealed(index) {
                    self.open.wait();
                    later = true;
                }
                let candidate = self.candidate(set, &mut candidates, At::Here(index));
                all.push(Whose { candidate, state: None, holder_is_gone: false, from: None });
                continue;
            }
            lists_all = false;
            let key_of = self.key_of(key);
            let state = match self.state(key_of.clone()) {
                Some(Some(state)) => state,
                Some(None) => return Decision::Unavailable,
                None => {
                    later = true;
                    continue;
                }
            };
            let mut whose = Whose { candidate: None, state: Some(state), holder_is_gone: true, from: None };
            // The holder; if there is none, who had the key before.
            let own = self.across.here(fresh);
            let mut search = Search::Nobody;
            if let Some(holder) = state.holder.filter(|holder| *holder != own) {
                search = self.lister(set, &key_of, (holder, state.generation), state.committed);
            }
            let has_it = matches!(search, Search::Found(At::Here(_))) || state.holder == Some(own);
            // Of one that was merged away, too, the pointer leads on to who has it.
            let leads_there = matches!(search, Search::Found(_));
            if let (Search::Nobody | Search::Found(At::Here(_)), Some(before)) = (&search, state.before) {
                match self.lister(set, &key_of, (before, state.generation), false) {
                    Search::Found(at) if has_it => {
                        let mut before = Vec::new();
                        self.candidate(set, &mut before, at);
                        whose.from = before.pop();
                    }
                    found if !has_it => search = found,
                    Search::Later => later = true,
                    // Whose person it is, and so whether the two are to be merged, is not known.
                    Search::Unavailable => return Decision::Unavailable,
                    Search::Lost => return Decision::Lost,
                    _ => {}
                }
            }
            match search {
                Search::Found(at) => {
                    whose.candidate = self.candidate(set, &mut candidates, at);
                    whose.holder_is_gone = whose.candidate.is_none() || !leads_there;
                }
                Search::Nobody => {}
                Search::Later => later = true,
                Search::Lost => return Decision::Lost,
                Search::Unavailable => return Decision::Unavailable,
                Search::Unreadable(_) => return Decision::Unreadable,
            }
            all.push(whose);
        }
        if later || self.open.undecided.iter().any(|(key, _)| read.contains(key)) {
            return Decision::Later;
        }
        if lists_all {
            let (keys, read) = (keys.clone(), read.to_vec());
            return Decision::Here(Stitching { keys, read, ..Stitching::default() });
        }
        if let Some(shard) = had_before(keys, &candidates, &all, |key| self.is_person(key)) {
            return Decision::There(shard);
        }
        self.stitch(keys, read, fresh, &candidates, &all)
    }

    fn is_person(&self, key: &Key) -> bool {
        self.plan().is_some_and(|plan| plan.person(core::slice::from_ref(key)).is_some())
    }

    /// The profile here that lists a key, unless this is the home of the key and says that another one has it.
    fn listing(&self, set: &ProfileSet, key: &Key, read_as: usize) -> Option<ProfileIndex> {
        let index = set.listing(key, read_as)?;
        let key = self.key_of(key);
        let is_elsewhere = |row: &PointerRow| row.holder.is_some();
        let moved = self.across.is_home(&key)
            && self.pointer(&key).is_some_and(is_elsewhere)
            && !set.is_new_here(index, &key);
        (!moved).then_some(index)
    }

    /// The word of a key's home, if no profile here lists it. None: it is asked. The inner None: it does not answer.
    fn state(&mut self, key: KeyOf) -> Option<Option<KeyState>> {
        if self.across.is_home(&key) {
            let row = self.pointer(&key);
            return Some(Some(row.map(KeyState::from).unwrap_or_default()));
        }
        let known = self.across.key(&key);
        if known.is_none() {
            self.open.key(key);
        }
        known
    }

    fn candidate(&self, set: &ProfileSet, candidates: &mut Vec<Candidate>, at: At) -> Option<usize> {
        if let Some(index) = candidates.iter().position(|known| known.at == at) {
            return Some(index);
        }
        let candidate = match at {
            At::Here(index) => {
                let profile = set.get(index)?;
                let person = self.plan().and_then(|plan| plan.person(profile.keys())).map(str::to_owned);
                Candidate { at, id: profile.id.0, created_ms: profile.created_ms, person }
            }
            At::There(place) => match self.across.card(self.audience, place) {
                Some(Some(Card::Here { created_ms, person })) => {
                    Candidate { at, id: place.id, created_ms: *created_ms, person: person.clone() }
                }
                _ => return None,
            },
        };
        candidates.push(candidate);
        Some(candidates.len() - 1)
    }

    /// The rules of [`Plan::stitch`], as far as they decide where the event is folded and whose its keys become.
    fn stitch(
        &mut self,
        keys: &Keys,
        read: &[usize],
        fresh: ProfileId,
        candidates: &[Candidate],
        all: &[Whose],
    ) -> Decision {
        let own = self.plan().and_then(|plan| plan.person(&keys.usable));
        // Candidates are in routing order.
        let person = own.or_else(|| candidates.iter().find_map(|known| known.person.as_deref()));
        let is_mine = |known: &Candidate| is_of(known, person);
        let mine = candidates.iter().filter(|known| is_mine(known));
        // A key is claimed before the profile that has it is merged; that one lists it until then.
        let before = all.iter().filter_map(|whose| whose.from.as_ref());
        let elsewhere = before.filter(|known| matches!(known.at, At::There(_)) && is_mine(known));
        let survivor = mine.chain(elsewhere).min_by_key(|known| (known.created_ms, known.id));
        let id = match survivor {
            Some(Candidate { at: At::There(place), .. }) => return Decision::There(place.shard),
            Some(known) => ProfileId(known.id),
            None if self.gone(fresh.0).is_some() => return Decision::Unavailable,
            None => fresh,
        };
        let mut stitching = Stitching::default();
        let joined = Joined { id, own, person, candidates, all };
        for (at, (key, read_as)) in keys.usable.iter().zip(read).enumerate() {
            let Some(whose) = all.get(at) else { continue };
            if !self.take(&mut stitching, &joined, (key, *read_as), whose) {
                return Decision::Unavailable;
            }
        }
        Decision::Here(stitching)
    }

    /// Adds a key to a stitching, and what follows from its holder. False: there is no round left to claim it in.
    fn take(
        &mut self,
        stitching: &mut Stitching,
        joined: &Joined<'_>,
        (key, read_as): (&Key, usize),
        whose: &Whose,
    ) -> bool {
        let holder = whose.candidate.and_then(|index| joined.candidates.get(index));
        let (is_person, names_person) = (self.is_person(key), joined.own.is_some());
        let mut from = None;
        if let Some(other @ Candidate { at: At::There(place), .. }) = holder {
            if joined.is_mine(other) {
                stitching.absorb(*place, is_person);
                // It comes with the profile, unless it says whose profile this is from now on.
                if !is_person {
                    return true;
                }
            } else if !names_person {
                return true;
            }
            from = Some(*place);
        }
        if let Some(other @ Candidate { at: At::There(place), .. }) = &whose.from {
            if joined.is_mine(other) {
                stitching.absorb(*place, is_person);
            }
            from = from.or(Some(*place));
        }
        // A profile stays its person's until it is merged.
        if let Some(from) = from.filter(|from| from.id != joined.id.0 && !is_person) {
            let generation = whose.state.map_or(0, |state| state.generation);
            stitching.moved.push(Moved { key: self.key_of(key), from, generation });
        }
        if let Some(state) = whose.state {
            let key_of = self.key_of(key);
            if !names_person && holder.is_some_and(|known| !joined.is_mine(known)) {
                return true;
            }
            if let Some(known @ Candidate { at: At::Here(index), .. }) = holder
                && joined.is_mine(known)
                && !(joined.is_found(whose) && self.across.was_nobodys(&key_of))
            {
                stitching.adopted.push((*index, key.clone(), read_as));
            }
            if !self.claim(key_of, state, whose.holder_is_gone, self.across.here(joined.id)) {
                return false;
            }
        }
        stitching.keys.usable.push(key.clone());
        stitching.read.push(read_as);
        true
    }

    /// Claims a key for this profile, unless this is the key's home or a claim holds already. False: there is no round left to
    /// ask in.
    fn claim(&mut self, key: KeyOf, state: KeyState, holder_is_gone: bool, to: Place) -> bool {
        let fence = self.across.fence(&key);
        let is_fenced = |row: &PointerRow| {
            row.audience == self.audience && row.hash == fence && row.generation > state.generation
        };
        let has_claimed = state.holder == Some(to) && !self.found.pointers.iter().any(is_fenced);
        if self.across.is_home(&key) || has_claimed {
            return true;
        }
        if self.across.is_last() {
            return false;
        }
        self.open.claims.push(Claim {
            key,
            number: self.number(),
            expected: state,
            holder_is_gone: holder_is_gone || state.holder == Some(to),
            to,
            at_ms: self.now_ms,
        });
        true
    }
}

/// The shard of the profile that had the primary key of an event before a claim that nothing else of the event leads to: as long as
/// it is not committed, the event is for that one, which may have counted it.
fn had_before(
    keys: &Keys,
    candidates: &[Candidate],
    all: &[Whose],
    is_person: impl Fn(&Key) -> bool,
) -> Option<u32> {
    let mut whose = keys.usable.iter().zip(all);
    let (_, claimed) = whose.find(|(key, whose)| is_person(key) && whose.state.is_some())?;
    let Candidate { at: At::There(before), .. } = claimed.from.as_ref()? else { return None };
    let is_here = |known: &Candidate| matches!(known.at, At::Here(_));
    claimed.candidate.and_then(|index| candidates.get(index)).filter(|known| is_here(known))?;
    let lists = |whose: &Whose| whose.state.is_none() && whose.candidate == claimed.candidate;
    (!all.iter().any(lists)).then_some(before.shard)
}
