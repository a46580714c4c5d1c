//! Answers: the laws that each must keep, and what their clients make of them.

use std::collections::BTreeSet;

use serde_json::Value;
use usher_edge::Response;

use crate::call::What;
use crate::deployment::{Caller, DIGITS, People};
use crate::isolate::POINTERS_MS;
use crate::kv::LAG_MS;
use crate::model::{Counts, counts};
use crate::setting::Fault;
use crate::world::{Due, Exchange, Heard, World};

/// The greatest age of a copy of a snapshot, and the longest time of a request, in milliseconds.
const FRESH_MS: i64 = 60_000 + 2 * LAG_MS + POINTERS_MS + 60_000;

impl World {
    /// Holds an answer to the laws for all, when it leaves its front.
    pub fn inspect(&mut self, exchange: &Exchange, response: &Response) {
        let header = |name: &str| {
            response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        };
        if header("cache-control") != Some("private, no-store") {
            self.fail(format!("an answer {} may be kept by caches", response.status));
        }
        let internal = ["usher-forget", "usher-snapshot", "usher-dropped", "usher-form"];
        if let Some(name) = internal.iter().find(|name| header(name).is_some()) {
            self.fail(format!("an answer has the header {name}, which is the host's"));
        }
        let call = &self.calls[exchange.call];
        let fits = match (&call.what, response.status) {
            (_, 200 | 503) => true,
            // Before anything is known of what was lost.
            // Nobody has the key, or form 1 is written.
            (What::Erase { .. }, 404 | 409) => true,
            (_, 404) => self.model.has_lost_control || matches!(call.what, What::RollBack),
            (What::Publish(_) | What::RollBack, 409 | 412 | 422) => self.model.has_lost_control,
            _ => false,
        };
        if !fits {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            self.fail(format!("a lawful call is answered {}: {text}", response.status));
        }
        if response.status >= 400 {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            if let Some(value) = self.personal_value_in(&text) {
                self.fail(format!("a refusal repeats {value}"));
            }
        }
        if response.status == 200
            && let What::LookUp { key, must } = self.calls[exchange.call].what.clone()
        {
            self.inspect_lookup(exchange, response, &key, &must);
        }
    }

    fn inspect_lookup(
        &mut self,
        exchange: &Exchange,
        response: &Response,
        key: &(String, String),
        must: &[usize],
    ) {
        let Ok(answer) = serde_json::from_slice::<Value>(&response.body) else {
            return self.fail("a lookup is answered without JSON");
        };
        let meta = &answer["meta"];
        let source = meta["source"].as_str().unwrap_or("");
        let isolate = &mut self.isolates[exchange.isolate];
        let bundle = meta["bundle"].as_u64().unwrap_or(0);
        if bundle < isolate.bundle && !self.model.has_lost_control {
            let before = isolate.bundle;
            self.fail(format!("an isolate answers with bundle {bundle} after bundle {before}"));
            return;
        }
        isolate.bundle = bundle;
        let (seen, ids) = counted(&answer["offers"]["Known"]["attributes"]);
        let caller = self.calls[exchange.call].caller;
        if key.0 == "member" && caller == Caller::Browser && !seen.is_empty() {
            return self.fail("a page reads through a key that only servers may name");
        }
        // Without a snapshot nobody is known, and nothing is answered that could be older.
        let must =
            if source == "none" || (key.0 == "member" && caller == Caller::Browser) { &[] } else { must };
        let is_erased = self.model.may_be_erased(key);
        let must = if is_erased { &[] } else { must };
        let held = self.model.check_lookup(key, &seen, &ids, must);
        self.hold(held);
        if source == "memory" {
            let owner = seen.keys().find_map(|event| self.model.events[*event].email());
            let moved = |heard: &Heard| {
                heard.isolate == exchange.isolate
                    && heard.key == *key
                    && Some(heard.whose.as_str()) == owner
                    && exchange.copied_at.is_some_and(|at| at < heard.at)
            };
            if self.model.people == People::StayApart && self.heard.iter().any(moved) {
                return self.fail(format!("an isolate answers {} from a copy of before it moved", key.1));
            }
        }
        let has_clocks = self.setting.rate(Fault::Clock) > 0;
        let is_back = |event: &&usize| {
            let known = &self.model.events[**event];
            known.committed_ms < known.erased_ms && known.erased_ms < self.now_ms - FRESH_MS
        };
        if source != "stale"
            && !has_clocks
            && let Some(event) = seen.keys().find(is_back)
        {
            let law = format!("event {event} is answered from {source} minutes after it was erased");
            return self.fail(law);
        }
        if ["memory", "kv", "writer"].contains(&source)
            && !has_clocks
            && !is_erased
            && !self.model.has_shards
            && self.model.people == People::Merge
            && key.0 != "member"
        {
            let old = self.model.certain_since(key, self.now_ms - FRESH_MS);
            if let Some(event) = old.iter().find(|event| !seen.contains_key(*event)) {
                self.fail(format!("event {event} is missing minutes after its receipt, from {source}"));
            }
        }
    }

    /// An answer reaches its client.
    pub fn receive(&mut self, number: usize, response: &Response) {
        if self.calls[number].is_answered {
            return;
        }
        let call = self.calls[number].clone();
        if matches!(call.what, What::Explain) {
            self.answers.insert(number, response.clone());
        }
        if response.status != 200 {
            // Nothing to roll back to, or nobody to erase.
            let is_final = match &call.what {
                What::RollBack => response.status == 404,
                What::Erase { .. } => [404, 409].contains(&response.status),
                _ => false,
            };
            if is_final {
                if let What::Erase { key, .. } = &call.what
                    && response.status == 404
                    && self.model.is_gone(key, call.sent_ms)
                {
                    self.fail(format!("an erasure by {} is answered 404 after it was done", key.0));
                }
                self.calls[number].is_answered = true;
                return;
            }
            if let Some(attempt) = self.calls.get(number).map(|call| call.attempts)
                && attempt > 0
            {
                // One answer per attempt counts; a copy's is as good as any.
                self.schedule(0, Due::Deadline { call: number, attempt });
            }
            return;
        }
        self.calls[number].is_answered = true;
        if let What::Erase { key, gone } = &call.what {
            self.model.note_gone(key, self.now_ms);
            for event in gone {
                self.model.note_erased(*event, call.sent_ms);
            }
        }
        let acked = match call.what {
            What::Offers => call.events.clone(),
            What::Events => self.acked(&call.events, &response.body),
            _ => return,
        };
        for event in &acked {
            self.model.acknowledge(*event, self.now_ms);
        }
        let token = response.headers.iter().find(|(name, _)| *name == "usher-seen");
        let Some((_, token)) = token.filter(|_| acked.len() == call.events.len()) else { return };
        let keys: Vec<_> =
            call.events.iter().flat_map(|event| self.model.events[*event].keys.clone()).collect();
        let names_people = keys.iter().any(|(name, _)| name == "email");
        let mut known = call.certain;
        known.extend(&acked);
        match self.model.people {
            People::Merge => self.persons[call.person].token = Some((keys, token.clone(), known)),
            // Whose an anonymous event is, is not known here.
            People::StayApart if names_people => {
                known.retain(|event| self.model.events[*event].email().is_some());
                let whose = self.model.events[known[0]].email().map(str::to_owned);
                let others = known.iter().any(|event| self.model.events[*event].email() != whose.as_deref());
                if !others {
                    self.persons[call.person].token = Some((keys, token.clone(), known));
                }
            }
            People::StayApart => {}
        }
    }

    fn acked(&mut self, events: &[usize], body: &[u8]) -> Vec<usize> {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let receipts = answer["receipts"].as_array().cloned().unwrap_or_default();
        if receipts.len() != events.len() {
            self.fail(format!("{} receipts for {} events", receipts.len(), events.len()));
            return Vec::new();
        }
        let pairs = events.iter().zip(&receipts);
        pairs.filter(|(_, receipt)| receipt["success"] == true).map(|(event, _)| *event).collect()
    }
}

/// The counts in the sums of an answer, and the events in its list.
pub fn counted(values: &Value) -> (Counts, BTreeSet<usize>) {
    let seen = counts('a', |name| number(&values[name]));
    let ids = values["ids"].as_array().into_iter().flatten();
    let ids = ids.filter_map(|id| id.as_str()?.strip_prefix('e')?.parse().ok()).collect();
    (seen, ids)
}

/// A sum as it is printed.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}

/// True if an event's number has a digit among the sums whose shape changes.
pub fn is_parked(event: usize) -> bool {
    event < crate::deployment::PARKED_SUMS * DIGITS
}
