//! The end of a run: faults stop, everything comes to rest, and what is stored is held to what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::answer::{is_parked, number};
use crate::call;
use crate::deployment::{Kind, People};
use crate::model::{Counts, Key, counts};
use crate::world::World;

/// The stored state of a key.
struct Stored {
    profile: String,
    counts: Counts,
    parked: Counts,
}

impl World {
    /// Faults stop, and clients that wait get their answers.
    pub fn heal(&mut self) {
        self.say(|| "faults stop".to_owned());
        self.setting.heal();
        self.is_calm = true;
        self.rest();
    }

    /// Publishes the first definition again, lets everybody catch up, and asks for every key.
    pub fn audit(&mut self) {
        if self.failure.is_some() {
            return;
        }
        for isolate in 0..self.isolates.len() {
            self.isolates[isolate].skew_ms = 0;
            self.refresh(isolate);
        }
        let published = self.send(call::publish(self.setting.people, Kind::Plain));
        self.rest();
        (0..self.isolates.len()).for_each(|isolate| self.refresh(isolate));
        if self.failure.is_some() {
            return;
        }
        if !self.calls[published].is_answered {
            return self.fail("after all faults, nothing can be published");
        }
        let mut keys: Vec<Key> = self.model.events.iter().flat_map(|event| event.keys.clone()).collect();
        keys.sort();
        keys.dedup();
        let mut asked = Vec::new();
        for key in keys {
            asked.push((self.send(call::explain(&key)), key));
            self.rest();
        }
        if self.failure.is_some() {
            return;
        }
        let mut found: BTreeMap<Key, Stored> = BTreeMap::new();
        for (call, key) in asked {
            let answer = self.answers.get(&call).filter(|answer| answer.status == 200);
            let answer = answer.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let Some(answer) = answer else {
                return self.fail(format!("after all faults, {}={} cannot be explained", key.0, key.1));
            };
            let values = &answer["profile"]["attributes"];
            let sum = |name: &str| number(&values[name]["value"]);
            let Some(profile) = answer["meta"]["profile"]["id"].as_str().map(str::to_owned) else { continue };
            let stored = Stored { profile, counts: counts('a', sum), parked: counts('p', sum) };
            found.insert(key, stored);
        }
        let held = self.audited(&found);
        self.hold(held);
        self.say(|| "audited".to_owned());
    }

    fn audited(&mut self, found: &BTreeMap<Key, Stored>) -> Result<(), String> {
        let first_keys: Vec<Key> = self.model.events.iter().map(|event| event.keys[0].clone()).collect();
        let wanted_gone: Vec<bool> = first_keys.iter().map(|key| self.model.may_be_erased(key)).collect();
        let by_profile: BTreeMap<&str, &Stored> =
            found.values().map(|stored| (stored.profile.as_str(), stored)).collect();
        let known = self.model.events.len();
        if let Some(event) =
            by_profile.values().flat_map(|stored| stored.counts.keys()).find(|e| **e >= known)
        {
            return Err(format!("event {event} is counted and was never sent"));
        }
        for (number, event) in self.model.events.iter().enumerate() {
            let counted = |stored: &&&Stored| stored.counts.contains_key(&number);
            let holders: Vec<&Stored> = by_profile.values().filter(counted).copied().collect();
            let total: usize = holders.iter().map(|stored| stored.counts[&number]).sum();
            // An event without a person's name goes with the browser, which may have gone to somebody else since.
            let is_fixed = self.setting.people == People::Merge || event.email().is_some();
            let most = match (event.has_id, is_fixed) {
                (false, _) => event.deliveries,
                (true, true) => 1,
                // After an erasure the browser is nobody's, and who comes to it next gets what was counted there since.
                (true, false) if wanted_gone[number] => event.deliveries,
                (true, false) => holders.len(),
            };
            if total > 0 && event.erased_ms < i64::MAX && event.committed_ms < event.erased_ms {
                return Err(format!("event {number} was erased, and is there again"));
            }
            if event.is_acked && total == 0 && !wanted_gone[number] {
                return Err(format!("event {number} was acknowledged, and is lost"));
            }
            if total > most {
                return Err(format!("event {number} is counted {total} times, at most {most} are right"));
            }
            if total == 0 {
                continue;
            }
            let profiles: BTreeSet<Option<&str>> = match self.setting.people {
                People::Merge => event.keys.iter().map(|key| profile_of(found, key)).collect(),
                People::StayApart => {
                    let own = event.keys.iter().filter(|(name, _)| name == "email");
                    own.map(|key| profile_of(found, key)).collect()
                }
            };
            let own = holders.first().map(|stored| stored.profile.as_str());
            // A key may be erased with its own profile just before the merge with the one that counts the event.
            let is_parted = self.model.has_shards && wanted_gone[number];
            if is_fixed && !is_parted && (profiles.len() != 1 || profiles.first().copied() != Some(own)) {
                return Err(format!(
                    "event {number} is counted in profile {own:?}; its keys {:?} lead to {profiles:?}",
                    event.keys
                ));
            }
            let is_known = !self.model.has_lost_control && !wanted_gone[number] && !self.model.has_shards;
            if event.has_id && is_fixed && is_parked(number) && is_known {
                let parked = holders.iter().any(|stored| stored.parked.contains_key(&number));
                let expected = event.kind.is_some_and(Kind::adds_to_parked);
                if parked != expected {
                    return Err(format!(
                        "event {number} was committed under {:?}; the sums that come back with the first definition {} it",
                        event.kind,
                        if parked { "have" } else { "lack" }
                    ));
                }
            }
        }
        Ok(())
    }
}

fn profile_of<'f>(found: &'f BTreeMap<Key, Stored>, key: &Key) -> Option<&'f str> {
    found.get(key).map(|stored| stored.profile.as_str())
}
