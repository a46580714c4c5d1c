//! Profiles of several shards: the events that they count, and those that go with them, from every commit that was seen.

use std::collections::{BTreeMap, BTreeSet};

use usher_edge::store::Write;
use usher_engine::Profile;
use usher_engine::attribute::State;
use usher_engine::profile::codec;

use crate::deployment::People;
use crate::model::{Key, counts};

/// An id of a profile or an intent.
type Id = [u8; 16];

/// An event of a message.
pub struct Sent {
    /// Its number.
    pub event: usize,
    /// The keys by which it may stitch.
    pub keys: Vec<Key>,
    /// Its time, by the clock of its front.
    pub at_ms: i64,
}

/// The profiles of all shards, as they were committed last.
#[derive(Default)]
pub struct Erasures {
    profiles: BTreeMap<Id, BTreeSet<usize>>,
    /// The survivor and the source of each open intent.
    intents: BTreeMap<Id, (Id, Id)>,
    /// Erased profiles.
    gone: BTreeSet<Id>,
    /// The keys of erased profiles: events that a front took before this time are refused.
    keys: BTreeMap<Key, i64>,
    keys_of: BTreeMap<Id, Vec<Key>>,
}

impl Erasures {
    /// Takes note of a write for a message with these events that a front took at `taken_ms`. Returns the events that it erases: those of erased profiles, and of what these were about to absorb.
    pub fn follow(
        &mut self,
        write: &Write,
        sent: &[Sent],
        taken_ms: i64,
        people: People,
    ) -> Result<BTreeSet<usize>, String> {
        for row in &write.profiles {
            let Ok(profile) = codec::decode(&row.state) else { continue };
            if self.gone.contains(&row.id) {
                return Err("an erased profile was written again".to_owned());
            }
            let (events, before) = (events_of(&profile), self.profiles.get(&row.id));
            let is_new =
                |event: &usize| events.contains(event) && before.is_none_or(|before| !before.contains(event));
            for Sent { event, keys, at_ms } in sent.iter().filter(|sent| is_new(&sent.event)) {
                // A browser that goes from person to person is listed by two of them for a while.
                let stays = |key: &Key| key.0 != "cid" || people == People::Merge;
                let is_refused = |key: &&Key| {
                    let is_erased = self.keys.get(*key).is_some_and(|at| at > at_ms);
                    is_erased && stays(key) && profile.has_key(&key.0, &key.1)
                };
                if let Some((name, _)) = keys.iter().find(is_refused) {
                    return Err(format!(
                        "event {event} is counted, and is older than the erasure of its {name}"
                    ));
                }
            }
            self.profiles.insert(row.id, events);
            let keys = profile.keys().iter().map(|key| (key.name.clone(), key.value.clone()));
            self.keys_of.insert(row.id, keys.collect());
        }
        for intent in &write.shard.intents {
            match intent.withdrawn {
                true => drop(self.intents.remove(&intent.id)),
                false => drop(self.intents.insert(intent.id, (intent.survivor, intent.source))),
            }
        }
        for intent in &write.shard.closed {
            let Some((survivor, source)) = self.intents.remove(intent) else { continue };
            if write.profiles.iter().any(|row| row.id == survivor) {
                // The survivor has what it counted.
                self.profiles.remove(&source);
            }
        }
        for retired in &write.retired {
            self.profiles.remove(&retired.id);
        }
        let mut erased = BTreeSet::new();
        for one in write.upkeep.iter().flat_map(|upkeep| &upkeep.erased) {
            self.gone.insert(one.id);
            for key in self.keys_of.get(&one.id).into_iter().flatten() {
                let at = self.keys.entry(key.clone()).or_default();
                *at = taken_ms.max(*at);
            }
            let sources = self.intents.values().filter(|(survivor, _)| *survivor == one.id);
            let ids = sources.map(|(_, source)| source).chain([&one.id]);
            let ids: Vec<Id> = ids.copied().collect();
            erased.extend(ids.iter().filter_map(|id| self.profiles.remove(id)).flatten());
        }
        // A copy that another profile took before is that one's.
        erased.retain(|event| !self.profiles.values().any(|events| events.contains(event)));
        Ok(erased)
    }
}

/// The events that a profile counts.
fn events_of(profile: &Profile) -> BTreeSet<usize> {
    let sum = |name: &str| match profile.state(name) {
        Some(State::Sum(sum)) => u64::try_from(sum.0 / 1_000_000_000).ok(),
        _ => None,
    };
    counts('a', sum).into_keys().collect()
}
