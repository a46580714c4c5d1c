//! Lookups: the visitor's extract, and each personalization as the service answers it to a page.

use serde_json::{Map, Value, json};
use usher_engine::definition::Input;

use super::Ask;
use super::recorder::Recorder;
use crate::run::AUDIENCE;
use crate::target::{Answer, Call};

/// The most personalizations that are asked about a visitor at one step.
const ASKED_MAX: usize = 16;

/// An event of a lookup or a step.
pub(super) struct Event {
    /// `database.table`
    pub(super) table: String,
    pub(super) columns: Map<String, Value>,
}

/// A visitor's part for devices.
pub(super) struct Extract {
    pub(super) bytes: String,
    pub(super) edge: Value,
}

impl Recorder {
    /// After a lookup of the vector: the same visitor, on the device.
    pub(super) fn looked(&mut self, call: &Call<'_>, answer: &Answer) {
        if self.running().is_none() || answer.status != 200 {
            return;
        }
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&call.body) else { return };
        if body.contains_key("identity") {
            return self.leave("a lookup by an identity token");
        }
        if body.get("audience").is_some_and(|audience| audience != AUDIENCE) {
            return self.leave("a lookup in another audience than the page's");
        }
        let mut who = body.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(key) = body.get("key")
            && let (Some(name), Some(value)) = (key["name"].as_str(), key.get("value"))
        {
            // A lookup asks by a key first, and a device knows keys by name.
            who.insert(name.to_owned(), value.clone());
        }
        let event = body.get("event").and_then(|event| {
            let table = format!("{}.{}", event["database"].as_str()?, event["table"].as_str()?);
            Some(Event { table, columns: event["columns"].as_object()?.clone() })
        });
        let named = body.get("personalization").and_then(Value::as_str);
        self.look_at(&who, event.as_ref(), named, call.now);
    }

    /// Gives the device the extract of this visitor, and asks every personalization.
    pub(super) fn look(&mut self, who: &Map<String, Value>, event: Option<&Event>, now: i64) {
        self.look_at(who, event, None, now);
    }

    fn look_at(&mut self, who: &Map<String, Value>, event: Option<&Event>, named: Option<&str>, now: i64) {
        let Some(extract) = self.extract(who, now) else {
            return self.leave("an extract that the service refuses");
        };
        self.push(Ask::Load { extract: extract.bytes.clone() });
        for ask in self.questions(who, event, named, &extract, now) {
            self.push(ask);
        }
    }

    /// Each personalization, or that of this name, as the service answers it for a device that has this extract.
    pub(super) fn questions(
        &mut self,
        who: &Map<String, Value>,
        event: Option<&Event>,
        named: Option<&str>,
        extract: &Extract,
        now: i64,
    ) -> Vec<Ask> {
        let Some(running) = self.running() else { return Vec::new() };
        let all = running.definition.personalizations.iter();
        let asked =
            all.filter(|it| named.is_none_or(|name| it.name == name || it.id.as_deref() == Some(name)));
        let columns = event.map(|event| &event.columns);
        let has = |input: &Input| {
            who.contains_key(&input.name) || columns.is_some_and(|it| it.contains_key(&input.name))
        };
        let (asked, lacking): (Vec<_>, Vec<_>) =
            asked.take(ASKED_MAX).partition(|it| it.inputs.iter().all(|input| !input.required || has(input)));
        let asked: Vec<String> = asked.into_iter().map(|it| it.name.clone()).collect();
        for _ in 0..lacking.len() {
            self.leave("a lookup that lacks a required input");
        }
        // An event is the visitor's if it says so.
        let keys = self.keys_of(who);
        let event = event.map(|event| {
            let mut columns = keys.clone();
            columns.extend(event.columns.clone());
            Event { table: event.table.clone(), columns }
        });
        let mut questions = Vec::new();
        for name in asked {
            let mut body = json!({"personalization": name, "inputs": who});
            let mut request = request(&keys, event.as_ref(), now);
            request["personalizations"] = json!([name]);
            request["inputs"] = json!(who);
            request["edge"] = extract.edge.clone();
            if let Some(Event { table, columns }) = &event {
                let (database, table) = table.split_once('.').unwrap_or_default();
                body["event"] = json!({"database": database, "table": table, "columns": columns});
                // Each personalization has the event for itself.
                questions.push(Ask::Load { extract: extract.bytes.clone() });
            }
            let answer = self.ask("POST", "/v1/personalize", "browser", body.to_string().into_bytes(), now);
            match offers(&answer) {
                Some(offers) => questions.push(Ask::Decide {
                    step: self.step(),
                    request: request.to_string(),
                    offers: Some(offers),
                }),
                None => self.leave(&format!("a lookup that the service answers {}", answer.status)),
            }
        }
        questions
    }

    /// The extract that a page with this visitor's last answer gets.
    pub(super) fn extract(&mut self, who: &Map<String, Value>, now: i64) -> Option<Extract> {
        let seen = self.token(who, "preview", now);
        let body = json!({"inputs": who, "seen": seen}).to_string().into_bytes();
        let answer = self.ask("POST", "/v1/device", "browser", body, now);
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(Extract { bytes: answer["extract"].as_str()?.to_owned(), edge: answer["edge"].clone() })
    }

    /// The token of the profile that these keys find for a caller; None: they find none.
    pub(super) fn token(&mut self, who: &Map<String, Value>, caller: &str, now: i64) -> Option<String> {
        self.explained(who, caller, now).header("usher-seen").map(str::to_owned)
    }

    /// The id of the profile that these keys find.
    pub(super) fn person(&mut self, who: &Map<String, Value>, now: i64) -> Option<Value> {
        let answer: Value = serde_json::from_slice(&self.explained(who, "server", now).body).ok()?;
        Some(answer["meta"]["profile"]["id"].clone())
    }

    fn explained(&mut self, who: &Map<String, Value>, caller: &str, now: i64) -> Answer {
        let mut body = json!({"audience": AUDIENCE, "inputs": who});
        // One that needs no input is asked in less time than all.
        let all =
            self.running().map(|running| running.definition.personalizations.as_slice()).unwrap_or_default();
        if let Some(one) = all.iter().find(|it| it.inputs.iter().all(|input| !input.required)) {
            body["personalization"] = json!(one.name);
        }
        self.ask("POST", "/v1/explain", caller, body.to_string().into_bytes(), now)
    }

    /// Those of these values that are keys.
    pub(super) fn keys_of(&self, values: &Map<String, Value>) -> Map<String, Value> {
        let known = self.running().map(|running| running.keys.as_slice()).unwrap_or_default();
        let keys = values.iter().filter(|(name, _)| known.contains(name));
        keys.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A request of the device.
pub(super) fn request(keys: &Map<String, Value>, event: Option<&Event>, now: i64) -> Value {
    let mut request = json!({"now_ms": now * 1_000, "visitor": keys});
    if let Some(Event { table, columns }) = event {
        request["table"] = json!(table);
        request["event"] = json!(columns);
        request["ingest"] = json!(true);
    }
    request
}

/// The beginning of an answer, up to the end of its offers.
pub(super) fn offers(answer: &Answer) -> Option<String> {
    let text = answer.text();
    if answer.status != 200 || !text.starts_with("{\"offers\":") {
        return None;
    }
    let end = text.rfind(",\"meta\":{\"bundle\":").unwrap_or(text.len().checked_sub(1)?);
    Some(text[..end].to_owned())
}
