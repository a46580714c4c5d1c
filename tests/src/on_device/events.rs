//! Events: the device has the extract from before, and adds them itself.

use serde_json::{Map, Value, json};

use super::Ask;
use super::lookups::{Event, Extract, offers, request};
use super::recorder::Recorder;
use crate::target::{Answer, Call};

/// The most events of a call that are told to a device.
const EVENTS_MAX: usize = 20;

/// The headers of a page. Others say where a request comes from, which the extract's own request did not.
const OF_PAGE: [&str; 3] = ["authorization", "origin", "wp13n-token"];

/// A visitor of a call, with their events.
struct Visitor {
    keys: Map<String, Value>,
    events: Vec<Event>,
    /// The id of their profile before, where there are several keys.
    person: Option<Value>,
    /// The token of that profile, and its extract; or why the device cannot follow.
    before: Result<(Option<String>, Extract), &'static str>,
}

impl Recorder {
    /// A call with events: the device adds them to what it knew, and answers as the service does afterwards.
    pub(super) fn told(&mut self, call: &Call<'_>, path: &str) -> Answer {
        let mut visitors = match (self.running(), events(&call.body, path)) {
            (None, _) | (_, None) => Vec::new(),
            _ if call.body.windows(11).any(|bytes| bytes == b"\"identity\":") => {
                self.leave("events with an identity token");
                Vec::new()
            }
            (_, Some(events)) if events.len() > EVENTS_MAX => {
                self.leave("a call with more events than are told to a device");
                Vec::new()
            }
            (_, Some(events)) => self.visitors(events, call.now),
        };
        let answer = self.forward(call);
        if answer.status != 200 {
            visitors.clear();
        }
        let notes = notes(&answer);
        for visitor in visitors {
            let is_page = path.starts_with("/public/")
                && call.headers.iter().all(|(name, _)| OF_PAGE.contains(&name.as_str()));
            self.follow(visitor, &notes, Some(&answer).filter(|_| is_page), call.now);
        }
        answer
    }

    fn visitors(&mut self, events: Vec<Event>, now: i64) -> Vec<Visitor> {
        let mut visitors: Vec<Visitor> = Vec::new();
        for event in events {
            let keys = self.keys_of(&event.columns);
            if keys.is_empty() {
                self.leave("an event without a key");
                continue;
            }
            match visitors.iter_mut().find(|visitor| visitor.keys == keys) {
                Some(visitor) => visitor.events.push(event),
                None => {
                    let before = self.before(&keys, now);
                    let person = if keys.len() > 1 { self.person(&keys, now) } else { None };
                    visitors.push(Visitor { keys, events: vec![event], person, before });
                }
            }
        }
        let shared: Vec<bool> = visitors
            .iter()
            .map(|one| {
                let same = |other: &&Visitor| {
                    one.keys.iter().any(|(name, value)| other.keys.get(name) == Some(value))
                };
                visitors.iter().filter(same).count() > 1
            })
            .collect();
        for (visitor, shared) in visitors.iter_mut().zip(shared) {
            if shared {
                visitor.before = Err("events of one visitor under several sets of keys");
            }
        }
        visitors
    }

    /// The extract of a visitor, if a page with these keys gets it and they are of one profile at most.
    fn before(
        &mut self,
        keys: &Map<String, Value>,
        now: i64,
    ) -> Result<(Option<String>, Extract), &'static str> {
        let profile = self.one_profile(keys, now)?;
        Ok((profile, self.extract(keys, now).ok_or("an extract that the service refuses")?))
    }

    /// The token of the one profile that has these keys, if there is one.
    fn one_profile(&mut self, keys: &Map<String, Value>, now: i64) -> Result<Option<String>, &'static str> {
        let whole = self.token(keys, "server", now);
        for (name, value) in keys.iter().filter(|_| keys.len() > 1) {
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            let token = self.token(&alone, "server", now);
            if token.is_some() && token != whole {
                return Err("events that join profiles");
            }
        }
        if self.token(keys, "preview", now) != whole {
            return Err("keys by which a page may not ask");
        }
        Ok(whole)
    }

    fn follow(&mut self, visitor: Visitor, notes: &[Value], answer: Option<&Answer>, now: i64) {
        let Visitor { keys, events, person, before } = visitor;
        let before = before.and_then(|(profile, before)| {
            let after = self.one_profile(&keys, now)?;
            if notes.iter().any(|note| note != &json!([])) {
                return Err("events that the service marks or refuses");
            }
            if after.is_none() || after == profile {
                return Err("events that the service does not store: copies, refused keys, erased visitors");
            }
            // A browser that another person takes.
            let is_other = keys.len() > 1 && profile.is_some() && self.person(&keys, now) != person;
            if is_other { Err("events that move keys to another profile") } else { Ok(before) }
        });
        match before {
            Err(reason) => self.leave(reason),
            Ok(before) => {
                self.push(Ask::Load { extract: before.bytes.clone() });
                let answer = answer.filter(|_| events.len() == 1 && notes.is_empty());
                for (number, event) in events.iter().enumerate() {
                    let step = self.step();
                    let mut request = request(&keys, Some(event), now);
                    // After those of the service, which ascend, too.
                    request["id"] = json!(format!("~{number:02}"));
                    request["edge"] = before.edge.clone();
                    let offers = answer.and_then(offers);
                    self.push(Ask::Decide { step, request: request.to_string(), offers });
                }
                let questions = self.questions(&keys, None, None, &before, now);
                let after = self.extract(&keys, now);
                questions.iter().for_each(|ask| self.push(ask.clone()));
                let Some(after) = after else { return self.leave("an extract that the service refuses") };
                self.push(Ask::Load { extract: after.bytes });
                questions.into_iter().for_each(|ask| self.push(ask));
                return;
            }
        }
        self.look(&keys, None, now);
    }
}

/// The events of a body; None: it is no object of events.
fn events(body: &[u8], path: &str) -> Option<Vec<Event>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = match body.get("events") {
        Some(Value::Array(list)) => list.clone(),
        _ => vec![body],
    };
    let table = path.trim_start_matches("/public").trim_start_matches('/').replacen('/', ".", 1);
    let events = list.into_iter().filter_map(|event| {
        let Value::Object(mut columns) = event else { return None };
        let table = match path {
            "/v1/e" => columns.remove("table")?.as_str()?.to_owned(),
            _ => table.clone(),
        };
        Some(Event { table, columns })
    });
    Some(events.collect())
}

/// What the service said of each event of a batch; a refusal is no list.
fn notes(answer: &Answer) -> Vec<Value> {
    let Ok(answer) = serde_json::from_slice::<Value>(&answer.body) else { return Vec::new() };
    let receipts = answer["receipts"].as_array().cloned().unwrap_or_default();
    let note = |receipt: Value| match receipt["success"] == true {
        true => receipt.get("notes").cloned().unwrap_or(json!([])),
        false => Value::Null,
    };
    receipts.into_iter().map(note).collect()
}
