//! Vectors: how they are written, and how one is run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

use crate::deployment::{self, Keys};
use crate::pattern::mismatch;
use crate::target::{Answer, Call, Target};

/// A scenario: what is there, and what happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What it shows, in a sentence.
    pub about: String,
    /// A folder of definitions to publish first, from the project's root.
    #[serde(default)]
    pub publish: Option<PathBuf>,
    /// NDJSON to import first.
    #[serde(default)]
    pub import: Option<PathBuf>,
    /// Whether a host with a live clock can run it, with its times shifted so that the last step is now.
    #[serde(default)]
    pub live: bool,
    /// Hosts that cannot run it, with the reason.
    #[serde(default)]
    pub skip: std::collections::BTreeMap<String, String>,
    /// In order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One request and what it must answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in its vector.
    pub name: String,
    /// Unix seconds at which it happens; the step before's when missing.
    #[serde(default)]
    pub at: Option<i64>,
    /// `POST /web/pageviews`
    pub request: String,
    /// Who calls: see [`Keys::headers`].
    #[serde(rename = "as")]
    pub who: String,
    /// Headers besides; an empty value removes one.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// What is sent. `@{n}` is the time n, shifted on a live clock; `@{fill:n}` is n bytes of text.
    #[serde(default)]
    pub body: String,
    /// The header of the step before's answer that stands for `@{kept}` in the body.
    #[serde(default)]
    pub keep: Option<String>,
    pub status: u16,
    /// What comes back: JSON, as `pattern` describes. None: not looked at.
    #[serde(default)]
    pub answer: Option<String>,
    /// Headers that must come back; `<missing>` must not.
    #[serde(default)]
    pub answer_headers: std::collections::BTreeMap<String, String>,
}

/// Every vector, by its path without the ending.
pub fn all() -> Vec<(String, Vector)> {
    let folder = deployment::root().join("tests/vectors");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&folder).expect("below it").with_extension("").display().to_string();
            let text = std::fs::read_to_string(&file).expect("a vector");
            let vector: Vector = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let names: BTreeSet<&str> = vector.steps.iter().map(|step| step.name.as_str()).collect();
            assert_eq!(names.len(), vector.steps.len(), "{name}: two steps of one name");
            (name, vector)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
}

/// What one step came to.
pub struct Outcome {
    pub step: String,
    pub failure: Option<String>,
}

/// Runs a vector on a target that nothing has happened on yet.
pub fn run(vector: &Vector, target: &mut dyn Target) -> Vec<Outcome> {
    let keys = Keys::demo();
    let last = vector.steps.iter().filter_map(|step| step.at).max().unwrap_or(1_790_000_000);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()).expect("soon");
    // On a live clock the last step is a few seconds ago, so that no event is from the future.
    let shift = if target.live() { now - 5 - last } else { 0 };
    let first = vector.steps.first().and_then(|step| step.at).unwrap_or(last);
    let mut outcomes = Vec::new();
    let mut at = first;
    if let Some(folder) = &vector.publish {
        let body = deployment::bundle(&deployment::root().join(folder));
        let answer = send(target, &keys, "PUT /v1/audiences/1069944/bundle", "admin", body, at + shift);
        let failure = (answer.status != 200).then(|| format!("publishing answered {}: {}", answer.status, answer.text()));
        outcomes.push(Outcome { step: "publish".into(), failure });
    }
    if let Some(file) = &vector.import {
        let body = std::fs::read(deployment::root().join(file)).expect("records");
        // Before the first event, so that nothing computed later is older than it.
        let answer = send(target, &keys, "POST /v1/audiences/1069944/profiles/import", "server", body, at - 60 + shift);
        let failure = (answer.status != 200).then(|| format!("importing answered {}: {}", answer.status, answer.text()));
        outcomes.push(Outcome { step: "import".into(), failure });
    }
    let mut before: Option<Answer> = None;
    for step in &vector.steps {
        at = step.at.unwrap_or(at);
        let kept = step.keep.as_ref().and_then(|name| before.as_ref()?.header(name)).unwrap_or("").to_owned();
        let body = expand(&step.body, shift, &kept);
        let mut headers = keys.headers(&step.who, at + shift);
        for (name, value) in &step.headers {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name.clone(), value.clone()));
            }
        }
        let (method, path) = step.request.split_once(' ').expect("method and path");
        let answer = target.call(&Call { method, path, headers, body: body.into_bytes(), now: at + shift });
        outcomes.push(Outcome { step: step.name.clone(), failure: check(step, &answer, shift) });
        before = Some(answer);
    }
    outcomes
}

fn send(target: &mut dyn Target, keys: &Keys, request: &str, who: &str, body: Vec<u8>, now: i64) -> Answer {
    let (method, path) = request.split_once(' ').expect("method and path");
    target.call(&Call { method, path, headers: keys.headers(who, now), body, now })
}

fn check(step: &Step, answer: &Answer, shift: i64) -> Option<String> {
    if answer.status != step.status {
        return Some(format!("expected status {}, found {}: {}", step.status, answer.status, answer.text()));
    }
    for (name, expected) in &step.answer_headers {
        let found = answer.header(name);
        let fits = match expected.as_str() {
            "<missing>" => found.is_none(),
            "<text>" => found.is_some_and(|value| !value.is_empty()),
            expected => found == Some(expected),
        };
        if !fits {
            return Some(format!("header {name}: expected {expected}, found {found:?}"));
        }
    }
    let pattern = expand(step.answer.as_ref()?, shift, "");
    let pattern: Value = serde_json::from_str(&pattern).unwrap_or_else(|e| panic!("{}: {e}", step.name));
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(actual) => mismatch(&pattern, Some(&actual), "answer").map(|why| format!("{why}\n      in {actual}")),
        Err(_) => Some(format!("expected JSON, found {}", answer.text())),
    }
}

/// Puts in what is known only when it is run.
fn expand(text: &str, shift: i64, kept: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let (word, after) = after.split_once('}').expect("a closed @{");
        out.push_str(before);
        match word.split_once(':') {
            Some(("fill", count)) => out.push_str(&"x".repeat(count.parse().expect("a count"))),
            Some(("nest", count)) => {
                let count: usize = count.parse().expect("a count");
                out.push_str(&format!("{}1{}", "{\"a\":".repeat(count), "}".repeat(count)));
            }
            Some(("keys", count)) => {
                let count: usize = count.parse().expect("a count");
                let fields: Vec<String> = (0..count).map(|index| format!("\"k{index}\":1")).collect();
                out.push_str(&fields.join(","));
            }
            Some(("events", count)) => {
                let count: usize = count.parse().expect("a count");
                out.push_str(&vec!["{\"td_client_id\":\"many\"}"; count].join(","));
            }
            _ if word == "kept" => out.push_str(kept),
            _ => out.push_str(&(word.parse::<i64>().expect("a time") + shift).to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
