//! The questions of one fold to other shards (docs/shards.md).

use super::across::Across;
use crate::message::shards::{Ask, Claim, Listed, ToShard};
use crate::message::{KeyOf, Place};
use crate::outcome::{Question, Questions};
use crate::shard;
use usher_engine::gather::Gather;

/// The questions of one fold, each asked once.
#[derive(Debug, Default)]
pub(super) struct Open {
    keys: Vec<KeyOf>,
    cards: Vec<Place>,
    listed: Vec<(u32, Listed)>,
    pub(super) claims: Vec<Claim>,
    handed: Vec<Question>,
    /// True if something is sealed for the moment.
    wait: bool,
    /// True if a profile was in a shard that was restored to an earlier time than the others.
    pub(super) is_lost: bool,
    /// Indexes of keys, among the read ones, of events that are not decided, or that go to this shard.
    pub(super) undecided: Vec<(usize, Option<u32>)>,
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
            && self.cards.is_empty()
            && self.listed.is_empty()
            && self.claims.is_empty()
            && self.handed.is_empty()
            && !self.wait
    }

    pub(super) fn wait(&mut self) {
        self.wait = true;
    }

    pub(super) fn hand_on(&mut self, question: Question) {
        self.handed.push(question);
    }

    pub(super) fn key(&mut self, key: KeyOf) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    pub(super) fn card(&mut self, place: Place) {
        if !self.cards.contains(&place) {
            self.cards.push(place);
        }
    }

    /// Asks whether a profile elsewhere lists a key; `pointed` is the one that the key's pointer names, which has become that one.
    pub(super) fn listed(&mut self, key: KeyOf, at: Place, pointed: [u8; 16], generation: u64) {
        let listed = Listed { profile: at.id, pointed, key: (key.name, key.value), generation };
        if !self.listed.iter().any(|(_, known)| *known == listed) {
            self.listed.push((at.shard, listed));
        }
    }

    /// All of them, those for one shard together.
    pub(super) fn questions(self, across: &Across, audience: &str, number: u64) -> Questions {
        let mut asks: Vec<(u32, Ask)> = Vec::new();
        let audience = audience.to_owned();
        let ask = || Ask {
            audience: audience.clone(),
            number,
            keys: Vec::new(),
            profiles: Vec::new(),
            listed: Vec::new(),
        };
        for (shard, keys) in shard::grouped(self.keys.into_iter().map(|key| (across.home(&key), key))) {
            let keys = keys.into_iter().map(|key| (key.name, key.value)).gather();
            asks.push((shard, Ask { keys, ..ask() }));
        }
        for (shard, profiles) in shard::grouped(self.cards.into_iter().map(|place| (place.shard, place.id))) {
            match asks.iter_mut().find(|(known, _)| *known == shard) {
                Some((_, ask)) => ask.profiles = profiles,
                None => asks.push((shard, Ask { profiles, ..ask() })),
            }
        }
        for (shard, listed) in shard::grouped(self.listed) {
            match asks.iter_mut().find(|(known, _)| *known == shard) {
                Some((_, ask)) => ask.listed = listed,
                None => asks.push((shard, Ask { listed, ..ask() })),
            }
        }
        let mut questions: Vec<Question> =
            asks.into_iter().map(|(shard, ask)| across.question(shard, ToShard::Ask(ask))).gather();
        let claims = self.claims.into_iter();
        questions.extend(claims.map(|claim| across.question(across.home(&claim.key), ToShard::Claim(claim))));
        questions.extend(self.handed);
        Questions { questions, wait: self.wait }
    }
}
