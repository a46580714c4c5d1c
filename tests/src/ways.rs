//! Tables of ways: what a visitor did while time passed, and where they are in journeys then.
//!
//! Every case has a visitor of its own and begins 100 days after the one before, so that no wait of another ends in it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::deployment::{self, Keys};
use crate::run::{AUDIENCE, Outcome};
use crate::target::{Call, Target};
use crate::visits::milliseconds;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ways {
    /// Its subject, in a sentence.
    pub about: String,
    /// Definitions, as texts. Visitors are told apart by the keys `browser` and `app`; events arrive at tables of the
    /// database `test`.
    pub definition: Vec<String>,
    /// Further definitions, as texts, which a case may publish by their names.
    #[serde(default)]
    pub other: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(rename = "journey")]
    pub cases: Vec<Case>,
}

/// One visitor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file: what it shows.
    pub name: String,
    /// As JSON: events with their table under `@`, after the time under `in`, with the keys `browser`, or those under `by`;
    /// `{"tick": "1h"}`, after which waits that are over end; `{"publish": "name"}`.
    pub story: String,
    /// As JSON: where the visitor is in each journey then, in words, as [`summary`] has them.
    pub journeys: String,
    /// The visitor who is looked at, by this key.
    #[serde(default = "browser")]
    pub look: String,
}

fn browser() -> String {
    "browser".to_owned()
}

/// When the first case begins, Unix seconds: behind every real clock, by which hosts do their own upkeep.
const BEGIN: i64 = 2_000_000_000;
/// The time from one case to the next, in seconds.
const APART: i64 = 100 * 86_400;

impl Ways {
    /// Compares a host's result for each case with the expected one.
    pub fn ask(&self, target: &mut dyn Target) -> Vec<Outcome> {
        let mut host = Host { target, keys: Keys::demo(), now_ms: BEGIN * 1_000, running: String::new() };
        let mut outcomes = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            let twice = self.cases.iter().take(index).any(|other| other.name == case.name);
            assert!(!twice, "two cases of one name: {}", case.name);
            let begin_ms = (BEGIN + APART * index as i64) * 1_000;
            host.now_ms = begin_ms;
            let visitor = format!("v{index}");
            let failure = host
                .publish(self, "")
                .and_then(|()| host.tell(self, case, &visitor))
                .and_then(|()| host.look(case, &visitor, begin_ms));
            outcomes.push(Outcome { step: case.name.clone(), failure: failure.err() });
        }
        outcomes
    }
}

struct Host<'t> {
    target: &'t mut dyn Target,
    keys: Keys,
    now_ms: i64,
    /// The definition that is published.
    running: String,
}

impl Host<'_> {
    fn call(&mut self, request: &str, who: &str, body: Vec<u8>) -> Result<Value, String> {
        let (method, path) = request.split_once(' ').expect("method and path");
        let now = self.now_ms.div_euclid(1_000);
        let headers = self.keys.headers(who, now);
        let answer = self.target.call(&Call { method, path, headers, body, now });
        let json = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
        json.ok_or_else(|| format!("{request} answered {}: {}", answer.status, answer.text()))
    }

    /// Publishes the definition, or another one by its name.
    fn publish(&mut self, ways: &Ways, name: &str) -> Result<(), String> {
        let key = format!("/{name}");
        if self.running == key {
            return Ok(());
        }
        let texts = if name.is_empty() { &ways.definition } else { &ways.other[name] };
        let bundle = deployment::bundle_of_texts(texts);
        self.call(&format!("PUT /v1/audiences/{AUDIENCE}/bundle"), "admin", bundle)?;
        self.running = key;
        Ok(())
    }

    fn tell(&mut self, ways: &Ways, case: &Case, visitor: &str) -> Result<(), String> {
        let steps: Vec<Map<String, Value>> =
            serde_json::from_str(&case.story).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        for (index, mut step) in steps.into_iter().enumerate() {
            if let Some(name) = step.remove("publish") {
                self.publish(ways, name.as_str().expect("a name"))?;
                continue;
            }
            if let Some(time) = step.remove("tick") {
                self.now_ms += milliseconds(&time);
                // Turn by turn, until nothing is left to do.
                while self.call("POST /v1/tick", "admin", Vec::new())?["more"] == true {
                    self.now_ms += 1_000;
                }
                continue;
            }
            if let Some(time) = step.remove("in") {
                self.now_ms += milliseconds(&time);
            }
            let table = step.remove("@").expect("a table");
            let by =
                step.remove("by").map_or("browser".to_owned(), |by| by.as_str().expect("keys").to_owned());
            for key in by.split('+') {
                step.insert(key.to_owned(), json!(visitor));
            }
            step.entry("uuid").or_insert_with(|| json!(format!("{visitor}-{index}")));
            let body = json!({"events": [step]}).to_string().into_bytes();
            let path = format!("POST /test/{}", table.as_str().expect("a table"));
            let answer = self.call(&path, "server", body)?;
            if answer["receipts"][0]["success"] != true {
                return Err(format!("not taken: {answer}"));
            }
        }
        Ok(())
    }

    fn look(&mut self, case: &Case, visitor: &str, begin_ms: i64) -> Result<(), String> {
        let body = json!({"audience": AUDIENCE, "key": {"name": case.look, "value": visitor}});
        let explained = self.call("POST /v1/explain", "server", body.to_string().into_bytes())?;
        let journeys = explained["profile"]["journeys"].as_array().into_iter().flatten();
        let found: Map<String, Value> = journeys
            .map(|journey| {
                let name = journey["name"].as_str().unwrap_or_default().to_owned();
                (name, Value::String(summary(journey, begin_ms)))
            })
            .collect();
        let expected: Map<String, Value> =
            serde_json::from_str(&case.journeys).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        for (name, expected) in &expected {
            let found = found.get(name).ok_or_else(|| format!("no journey {name}"))?;
            if expected != found {
                return Err(format!("{name}: expected {expected}, found {found}"));
            }
        }
        Ok(())
    }
}

/// Where a visitor is: `out`, or `stage/step why`, `until 90m` of the case's beginning, `by arm` of a split; then `after` with
/// how earlier entries ended, the newest or best first.
fn summary(journey: &Value, begin_ms: i64) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let current = &journey["current"];
    let mut out = if current.is_null() {
        "out".to_owned()
    } else {
        let step = current["step"].as_str().map(|step| format!("/{step}")).unwrap_or_default();
        let stage = current["stage"].as_str().unwrap_or("?");
        format!("{stage}{step} {}", text(&current["why"]))
    };
    if let Some(due_ms) = current["due_ms"].as_i64() {
        out.push_str(&format!(" until {}m", (due_ms - begin_ms).div_euclid(60_000)));
    }
    let arms: Vec<String> =
        current["variants"].as_object().into_iter().flat_map(|all| all.values()).map(text).collect();
    if !arms.is_empty() {
        out.push_str(&format!(" by {}", arms.join("+")));
    }
    let endings = journey["finished"].as_array().into_iter().flatten();
    let endings: Vec<String> = endings.map(|ended| text(&ended["ending"])).collect();
    if !endings.is_empty() {
        out.push_str(&format!(" after {}", endings.join(",")));
    }
    out
}
