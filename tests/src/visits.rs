//! Tables of visits: what a visitor did, and what is known of them then.
//!
//! Every case has visitors of its own, so one file is one definition with many cases. Each is told to a host in several
//! ways, which must all come to the same: what is known is a function of the events, never of how they arrived.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::deployment::{self, Keys};
use crate::pattern::mismatch;
use crate::run::{AUDIENCE, Outcome, expand};
use crate::target::{Call, Target};

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visits {
    /// Its subject, in a sentence.
    pub about: String,
    /// Unix seconds at which everything arrives.
    pub now: i64,
    /// Definitions, as texts. Visitors are told apart by the keys `browser`, `app` and `person`, the primary key; events
    /// arrive at tables of the database `test`, one of which is `link`.
    pub definition: Vec<String>,
    /// In any order.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// One visitor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file: what it shows.
    pub name: String,
    /// A list of events, as JSON. `@` is the table (`events` when missing), `ago` how long ago it happened.
    #[serde(default)]
    pub events: String,
    /// A batch record, as JSON, or a list of them. `ago` is when it was computed.
    #[serde(default)]
    pub record: String,
    /// Time from `now` to the check, in seconds.
    #[serde(default)]
    pub after: i64,
    /// The ways in which it is told: all of [`WAYS`], unless only some come to this.
    #[serde(default = "all_ways")]
    pub ways: Vec<String>,
    /// The expected values then, by attribute.
    #[serde(default)]
    pub values: String,
    /// Notes of the receipts of events that are told in order.
    #[serde(default)]
    pub notes: String,
    /// The personalization that is looked up then, and its offers.
    #[serde(default)]
    pub offers: Option<(String, String)>,
}

/// In one batch; the last event first, each by itself; by two visitors who turn out to be one.
pub const WAYS: [&str; 3] = ["in order", "backwards", "merged"];

fn all_ways() -> Vec<String> {
    WAYS.map(str::to_owned).to_vec()
}

impl Visits {
    /// Compares a host's result for each case, in each of its ways, with the expected one.
    pub fn ask(&self, target: &mut dyn Target) -> Vec<Outcome> {
        let mut host = Host { target, keys: Keys::demo(), now: self.now };
        let bundle = deployment::bundle_of_texts(&self.definition);
        let published = host.call(&format!("PUT /v1/audiences/{AUDIENCE}/bundle"), "admin", bundle);
        let declared = deployment::attributes(&self.definition);
        let mut outcomes = vec![Outcome { step: "publish".to_owned(), failure: published.err() }];
        for (index, case) in self.cases.iter().enumerate() {
            let twice = self.cases.iter().take(index).any(|other| other.name == case.name);
            assert!(!twice, "two cases of one name: {}", case.name);
            assert!(!case.ways.is_empty(), "{}: told in no way", case.name);
            let looks = !case.values.is_empty() || !case.notes.is_empty() || case.offers.is_some();
            assert!(looks, "{}: nothing is looked at", case.name);
            // A slip in a name would be missing for ever.
            for name in objects(&case.values).iter().flat_map(Map::keys) {
                let known =
                    declared.iter().any(|known| name == known || name.starts_with(&format!("{known}.")));
                assert!(known, "{}: no attribute is called {name}", case.name);
            }
            for way in &case.ways {
                assert!(WAYS.contains(&way.as_str()), "no way is called {way}");
                let visitor = format!("{index}-{}", way.replace(' ', "-"));
                host.now = self.now;
                let failure = host.tell(case, way, &visitor).and_then(|()| {
                    host.now = self.now + case.after;
                    host.look(case, &visitor)
                });
                outcomes.push(Outcome { step: format!("{} ({way})", case.name), failure: failure.err() });
            }
        }
        outcomes
    }
}

struct Host<'t> {
    target: &'t mut dyn Target,
    keys: Keys,
    now: i64,
}

impl Host<'_> {
    fn call(&mut self, request: &str, who: &str, body: Vec<u8>) -> Result<Value, String> {
        let (method, path) = request.split_once(' ').expect("method and path");
        let headers = self.keys.headers(who, self.now);
        let answer = self.target.call(&Call { method, path, headers, body, now: self.now });
        let json = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
        json.ok_or_else(|| format!("answered {}: {}", answer.status, answer.text()))
    }

    fn tell(&mut self, case: &Case, way: &str, visitor: &str) -> Result<(), String> {
        for mut row in objects(&case.record) {
            let ago_ms = row.remove("ago").map_or(0, |ago| milliseconds(&ago));
            row.entry("computed_at").or_insert_with(|| json!(self.now * 1_000 - ago_ms));
            row.entry("person").or_insert_with(|| json!(visitor));
            let body = Value::Object(row).to_string().into_bytes();
            self.call(&format!("POST /v1/audiences/{AUDIENCE}/profiles/import"), "server", body)?;
        }
        let events = objects(&case.events).into_iter().enumerate().map(|(index, mut event)| {
            let table = event.remove("@").map_or("events".to_owned(), |table| text(&table));
            if let Some(ago) = event.remove("ago") {
                event.insert("time".to_owned(), json!(self.now * 1_000 - milliseconds(&ago)));
            }
            if !["uuid", "event_id", "messageId"].iter().any(|name| event.contains_key(*name)) {
                event.insert("uuid".to_owned(), json!(format!("e{index:03}")));
            }
            let key = if way == "merged" && index % 2 == 1 { "app" } else { "browser" };
            event.entry(key).or_insert_with(|| json!(visitor));
            (table, Value::Object(event))
        });
        let mut events: Vec<(String, Value)> = events.collect();
        if way == "backwards" {
            events.reverse();
        }
        let mut notes = Vec::new();
        // Neighbors that arrive at one table are one batch, unless each is to arrive by itself.
        while !events.is_empty() {
            let table = events[0].0.clone();
            let run = events.iter().take_while(|(other, _)| *other == table).count();
            let count = if way == "backwards" { 1 } else { run };
            let batch: Vec<Value> = events.drain(..count).map(|(_, event)| event).collect();
            let body = json!({"events": batch}).to_string().into_bytes();
            let answer = self.call(&format!("POST /test/{table}"), "server", body)?;
            for receipt in answer["receipts"].as_array().into_iter().flatten() {
                if receipt["success"] != true {
                    return Err(format!("not taken: {receipt}"));
                }
                notes.push(receipt.get("notes").cloned().unwrap_or(json!([])));
            }
        }
        // Whatever they did, it was them.
        let link = json!({"events": [{"browser": visitor, "app": visitor, "person": visitor}]});
        self.call("POST /test/link", "server", link.to_string().into_bytes())?;
        if way == "in order" && !case.notes.is_empty() {
            let expected: Value = serde_json::from_str(&case.notes).expect("notes are JSON");
            return mismatch(&expected, Some(&Value::Array(notes)), "notes").map_or(Ok(()), Err);
        }
        Ok(())
    }

    fn look(&mut self, case: &Case, visitor: &str) -> Result<(), String> {
        if !case.values.is_empty() {
            let body = json!({"audience": AUDIENCE, "key": {"name": "browser", "value": visitor}});
            let explained = self.call("POST /v1/explain", "server", body.to_string().into_bytes())?;
            let attributes = explained["profile"]["attributes"].as_object().into_iter().flatten();
            let values: Map<String, Value> =
                attributes.map(|(name, known)| (name.clone(), known["value"].clone())).collect();
            let mut expected: Value =
                serde_json::from_str(&expand(&case.values, 0, "")).expect("values are JSON");
            if let Value::Object(expected) = &mut expected {
                expected.insert("...".to_owned(), json!(0));
            }
            let actual = Value::Object(values);
            if let Some(why) = mismatch(&expected, Some(&actual), "values") {
                return Err(format!("{why}\n      in {actual}"));
            }
        }
        if let Some((personalization, offers)) = &case.offers {
            let key = json!({"name": "browser", "value": visitor});
            let body = json!({"audience": AUDIENCE, "personalization": personalization, "key": key});
            let answer = self.call("POST /v1/personalize", "server", body.to_string().into_bytes())?;
            let expected: Value = serde_json::from_str(offers).expect("offers are JSON");
            if let Some(why) = mismatch(&expected, answer.get("offers"), "offers") {
                return Err(format!("{why}\n      in {answer}"));
            }
        }
        Ok(())
    }
}

/// A list of objects, or one.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    if text.is_empty() {
        return Vec::new();
    }
    let object = |value: Value| match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    };
    let text = &expand(text, 0, "");
    match serde_json::from_str(text).unwrap_or_else(|why| panic!("{text}: {why}")) {
        Value::Array(items) => items.into_iter().map(object).collect(),
        one => vec![object(one)],
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// `24h`, `7d-1ms`, `0s`: a sum of whole numbers of d, h, m, s and ms.
pub(crate) fn milliseconds(ago: &Value) -> i64 {
    let text = text(ago);
    let mut sum = 0;
    let mut rest = text.as_str();
    let mut sign = 1;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let number: i64 = rest[..digits].parse().expect("a number");
        rest = &rest[digits..];
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            other => panic!("{text}: no unit is called {other}"),
        };
        sum += sign * number * unit;
        sign = if rest[end..].starts_with('-') { -1 } else { 1 };
        rest = rest.get(end + 1..).unwrap_or("");
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ago_is_a_sum() {
        for (written, meant) in [("24h", 86_400_000), ("7d-1ms", 604_799_999), ("1m+2s", 62_000), ("0s", 0)] {
            assert_eq!(milliseconds(&json!(written)), meant, "{written}");
        }
    }
}
