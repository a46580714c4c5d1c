//! Runs a vector on a host and says what each step came to.
//!
//! Besides what a vector asks for, every answer is held to four rules: no cache may keep it, it names its request, a refusal
//! repeats nothing that was sent ([`MARK`]), and nothing answers 500.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use usher_edge::{REQUEST_ID, is_id};

use crate::deployment::{self, Keys};
use crate::pattern::mismatch;
use crate::target::{Answer, Call, Target};
use crate::vector::{Gzip, Step, Vector};

/// The audience of every vector.
pub const AUDIENCE: &str = "1069944";

/// A refusal never repeats what was sent; vectors write this where a careless message would.
pub const MARK: &str = "echo_me_not";

/// The result of one step.
pub struct Outcome {
    pub step: String,
    pub failure: Option<String>,
}

/// Runs a vector on a target that nothing has happened on yet, without the steps that this host cannot do.
pub fn run(vector: &Vector, host: &str, target: &mut dyn Target) -> Vec<Outcome> {
    let last = vector.steps.iter().filter_map(|step| step.at).max().unwrap_or(1_790_000_000);
    // On a live clock the last step is a few seconds ago, so that no event is from the future.
    let shift = if target.live() { unix_now() - 5 - last } else { 0 };
    let at = vector.steps.first().and_then(|step| step.at).unwrap_or(last);
    let mut run = Run { target, keys: Keys::demo(), shift, at, before: None, profiles: BTreeMap::new() };
    let mut outcomes = run.prepare(vector);
    for step in vector.steps.iter().filter(|step| !step.skip.contains_key(host)) {
        let failure = run.step(vector, step).err();
        outcomes.push(Outcome { step: step.name.clone(), failure });
    }
    outcomes
}

pub(crate) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("soon")
}

struct Run<'t> {
    target: &'t mut dyn Target,
    keys: Keys,
    /// The difference of a live clock to the vector's.
    shift: i64,
    at: i64,
    before: Option<Answer>,
    /// The ids that looks saw, by the name of their step.
    profiles: BTreeMap<String, Value>,
}

impl Run<'_> {
    fn prepare(&mut self, vector: &Vector) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let bundle = match &vector.publish {
            Some(folder) => Some(deployment::bundle(&deployment::root().join(folder))),
            None if vector.definition.is_empty() => None,
            None => Some(deployment::bundle_of_texts(&vector.definition)),
        };
        if let Some(body) = bundle {
            let answer = self.send(&format!("PUT /v1/audiences/{AUDIENCE}/bundle"), "admin", body, self.at);
            outcomes.push(needed("publish", &answer));
        }
        if let Some(file) = &vector.import {
            let body = std::fs::read(deployment::root().join(file)).expect("records");
            // Before the first event, so that nothing computed later is older than it.
            let request = format!("POST /v1/audiences/{AUDIENCE}/profiles/import");
            let answer = self.send(&request, "server", body, self.at - 60);
            outcomes.push(needed("import", &answer));
        }
        outcomes
    }

    fn send(&mut self, request: &str, who: &str, body: Vec<u8>, at: i64) -> Answer {
        let now = at + self.shift;
        let (method, path) = split(request);
        self.target.call(&Call { method, path, headers: self.keys.headers(who, now), body, now })
    }

    fn step(&mut self, vector: &Vector, step: &Step) -> Result<(), String> {
        self.at = step.at.unwrap_or(self.at);
        if let Some(visitor) = &step.look {
            return self.look(step, visitor);
        }
        if !step.definition.is_empty() {
            let body = deployment::bundle_of_texts(&step.definition);
            let answer = self.send(&format!("PUT /v1/audiences/{AUDIENCE}/bundle"), "admin", body, self.at);
            return needed(&step.name, &answer).failure.map_or(Ok(()), Err);
        }
        let watched = vector.watch.as_ref().filter(|_| step.unchanged);
        let before = watched.map(|visitor| self.seen(visitor)).transpose()?;
        let kept = step.keep.as_ref().and_then(|name| self.before.as_ref()?.header(name));
        let kept = kept.unwrap_or("").to_owned();
        let mut headers = self.keys.headers(&step.who, self.at + self.shift);
        for (name, value) in &step.headers {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name.clone(), expand(value, self.shift, &kept)));
            }
        }
        let mut body = expand(&self.with_tokens(vector, &step.body), self.shift, &kept).into_bytes();
        if let Some(packed) = packed(&body, step.gzip) {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
            body = packed;
        }
        let (method, path) = split(step.request.as_deref().expect("checked"));
        let answer = self.target.call(&Call { method, path, headers, body, now: self.at + self.shift });
        rules(&answer)?;
        check(step, &answer, self.shift)?;
        self.before = Some(answer);
        if let (Some(before), Some(visitor)) = (before, watched) {
            let after = self.seen(visitor)?;
            if before != after {
                return Err(format!("something was stored: before {before}\n      after {after}"));
            }
        }
        Ok(())
    }

    /// A body with the identity tokens that it names.
    fn with_tokens(&self, vector: &Vector, body: &str) -> String {
        vector.tokens.iter().fold(body.to_owned(), |body, (name, token)| {
            let place = format!("@{{jwt:{name}}}");
            if !body.contains(&place) {
                return body;
            }
            body.replace(&place, &token.text(|part| expand(part, self.shift, "")))
        })
    }

    fn look(&mut self, step: &Step, visitor: &str) -> Result<(), String> {
        let seen = self.seen(visitor)?;
        let pattern = step.answer.as_deref().expect("checked");
        matches(step, pattern, self.shift, &seen["facts"])?;
        let id = seen["profile"]["id"].clone();
        for (other, same) in [(&step.same_as, true), (&step.unlike, false)] {
            let Some(other) = other else { continue };
            let known = self.profiles.get(other).ok_or_else(|| format!("no look `{other}` before"))?;
            if id.is_null() || known.is_null() || (*known == id) != same {
                let wanted = if same { "the profile" } else { "another profile than" };
                return Err(format!("expected {wanted} of {other}, {known}; found {id}"));
            }
        }
        self.profiles.insert(step.name.clone(), id);
        Ok(())
    }

    /// The explanation of a visitor, without parts that change with time: `{"bundle", "profile", "facts"}`.
    fn seen(&mut self, visitor: &str) -> Result<Value, String> {
        let (name, value) = visitor.split_once('=').expect("key=value");
        let body = json!({"audience": AUDIENCE, "key": {"name": name, "value": value}}).to_string();
        let answer = self.send("POST /v1/explain", "server", body.into_bytes(), self.at);
        let explained: Value = serde_json::from_slice(&answer.body)
            .ok()
            .filter(|_| answer.status == 200)
            .ok_or_else(|| format!("a look answered {}: {}", answer.status, answer.text()))?;
        let profile = &explained["profile"];
        let mut keys: Vec<&str> = profile["keys"]
            .as_array()
            .map(|keys| keys.iter().filter_map(|key| key["name"].as_str()).collect())
            .unwrap_or_default();
        keys.sort_unstable();
        let attributes = profile["attributes"].as_object().into_iter().flatten();
        let values: serde_json::Map<String, Value> = attributes
            .map(|(name, known)| {
                let value =
                    if known["redacted"] == true { json!("<redacted>") } else { known["value"].clone() };
                (name.clone(), value)
            })
            .collect();
        Ok(json!({
            "bundle": explained["meta"]["bundle"],
            "profile": explained["meta"]["profile"],
            "facts": {
                "known": profile["known"], "batch_record": profile["batch_record"], "keys": keys,
                "segments": profile["segments"], "values": values,
            },
        }))
    }
}

fn split(request: &str) -> (&str, &str) {
    request.split_once(' ').expect("method and path")
}

fn needed(step: &str, answer: &Answer) -> Outcome {
    let failure = (answer.status != 200).then(|| format!("answered {}: {}", answer.status, answer.text()));
    Outcome { step: step.to_owned(), failure }
}

/// Rules that hold for every answer.
fn rules(answer: &Answer) -> Result<(), String> {
    if answer.header("cache-control") != Some("private, no-store") {
        return Err(format!("cache-control is {:?}", answer.header("cache-control")));
    }
    let ids: Vec<&str> = answer.values(REQUEST_ID).collect();
    if ids.len() != 1 || !is_id(ids[0]) {
        return Err(format!("expected one request id, found {ids:?}"));
    }
    let heard = answer.headers.iter().any(|(_, value)| value.contains(MARK)) || answer.text().contains(MARK);
    if answer.status >= 400 && heard {
        return Err(format!("the refusal repeats what was sent: {}", answer.text()));
    }
    if answer.status == 500 { Err(format!("it answered 500: {}", answer.text())) } else { Ok(()) }
}

fn check(step: &Step, answer: &Answer, shift: i64) -> Result<(), String> {
    if answer.status != step.status {
        return Err(format!("expected status {}, found {}: {}", step.status, answer.status, answer.text()));
    }
    for (name, expected) in &step.answer_headers {
        let found = answer.header(name);
        let fits = match expected.as_str() {
            "<own>" => found.is_some_and(|value| !step.headers.values().any(|sent| sent.contains(value))),
            "<missing>" => found.is_none(),
            "<text>" => found.is_some_and(|value| !value.is_empty()),
            expected => found == Some(expected),
        };
        if !fits {
            return Err(format!("header {name}: expected {expected}, found {found:?}"));
        }
    }
    let Some(pattern) = &step.answer else { return Ok(()) };
    let actual = serde_json::from_slice::<Value>(&answer.body)
        .map_err(|_| format!("expected JSON, found {}", answer.text()))?;
    matches(step, pattern, shift, &actual)
}

fn matches(step: &Step, pattern: &str, shift: i64, actual: &Value) -> Result<(), String> {
    let pattern = expand(pattern, shift, "");
    let pattern: Value =
        serde_json::from_str(&pattern).unwrap_or_else(|error| panic!("{}: {error}", step.name));
    match mismatch(&pattern, Some(actual), "answer") {
        Some(why) => Err(format!("{why}\n      in {actual}")),
        None => Ok(()),
    }
}

fn packed(body: &[u8], gzip: Gzip) -> Option<Vec<u8>> {
    let member = |body: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(body).expect("into memory");
        packer.finish().expect("into memory")
    };
    let mut packed = match gzip {
        Gzip::No => return None,
        Gzip::Whole | Gzip::Cut | Gzip::Followed => member(body),
        Gzip::Halves => {
            let (head, tail) = body.split_at(body.len() / 2);
            [member(head), member(tail)].concat()
        }
    };
    match gzip {
        Gzip::Cut => drop(packed.pop()),
        Gzip::Followed => packed.push(b' '),
        _ => {}
    }
    Some(packed)
}

/// Puts in what is known only when it is run, and what would be tiresome to write out.
pub(crate) fn expand(text: &str, shift: i64, kept: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let (word, after) = after.split_once('}').expect("a closed @{");
        out.push_str(before);
        out.push_str(&match word.split_once(':') {
            Some((what, count)) => filler(what, count.parse().expect("a count")),
            None if word == "kept" => kept.to_owned(),
            None => (word.parse::<i64>().expect("a time") + shift).to_string(),
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn filler(what: &str, count: usize) -> String {
    let each = |part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<Vec<_>>().join(",");
    match what {
        "fill" => "x".repeat(count),
        "nest" => format!("{}1{}", "{\"a\":".repeat(count), "}".repeat(count)),
        "keys" => each(&|index| format!("\"k{index}\":1")),
        "values" => each(&|_| "1".to_owned()),
        "events" => each(&|_| "{\"td_client_id\":\"many\"}".to_owned()),
        // One customer's browsers, a second apart, the last one a second before the usual now.
        "clients" => each(&|index| {
            let time = 1_790_000_000 - count + index;
            format!("{{\"customer_id\":\"many\",\"td_client_id\":\"client-{index}\",\"time\":{time}}}")
        }),
        // 500 of them, from this number on.
        "ids" => (count..count + 500)
            .map(|index| format!("{{\"td_client_id\":\"many\",\"uuid\":\"id-{index}\"}}"))
            .collect::<Vec<_>>()
            .join(","),
        "items" => each(&|index| format!("{{\"item\":\"i{index:03}\",\"ago\":\"{}s\"}}", count - index)),
        // Of an order of Segment's, with all that its documents name.
        "products" => each(&|index| {
            format!(
                "{{\"product_id\":\"p{index:03}\",\"sku\":\"s{index:03}\",\"category\":\"Games\",\"name\":\"Game {index}\",\
                 \"brand\":\"Usher\",\"variant\":\"red\",\"price\":19.5,\"quantity\":1,\"coupon\":\"MAY\",\"position\":{index},\
                 \"url\":\"https://shop.example/s{index:03}\",\"image_url\":\"https://shop.example/s{index:03}.jpg\"}}"
            )
        }),
        // Of a purchase of GA4's, with 15 parameters.
        "purchased" => each(&|index| {
            format!(
                "{{\"item_id\":\"s{index:03}\",\"item_name\":\"Game {index}\",\"affiliation\":\"Shop\",\"coupon\":\"MAY\",\
                 \"discount\":0.5,\"index\":{index},\"item_brand\":\"Usher\",\"item_category\":\"Games\",\
                 \"item_category2\":\"Board\",\"item_list_id\":\"l\",\"item_list_name\":\"New\",\"item_variant\":\"red\",\
                 \"location_id\":\"here\",\"price\":19.5,\"quantity\":1}}"
            )
        }),
        "rows" => each(&|index| format!("{{\"customer_id\":\"row-{index}\"}}")).replace("},", "}\n"),
        _ => panic!("nothing is called @{{{what}:{count}}}"),
    }
}
