//! The service in this process, with an ear for what visitors' devices could be asked at each call.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use usher_edge::Rates;
use usher_engine::Plan;
use usher_engine::definition::Definition;

use super::{Ask, Record, Records};
use crate::deployment::Keys;
use crate::run::AUDIENCE;
use crate::target::{Answer, Call, InProcess, Target};

/// A target that records.
pub(super) struct Recorder {
    target: InProcess,
    keys: Keys,
    /// The vector and the variant.
    of: String,
    /// True if nothing is to be sensitive.
    bare: bool,
    /// The bundle that runs, as it was published here.
    running: Option<Running>,
    records: Vec<Record>,
    pub(super) left: BTreeMap<String, usize>,
    definitions: usize,
    calls: usize,
}

/// A definition whose program is the last record's.
pub(super) struct Running {
    pub(super) definition: Definition,
    pub(super) keys: Vec<String>,
    /// The hash of the bundle.
    tag: Option<String>,
}

impl Recorder {
    pub(super) fn new(of: String, bare: bool) -> Recorder {
        let mut target = InProcess::start();
        // The questions besides would draw on them, too.
        target.set_rates(Rates { events: 0, new_profiles: 0 });
        let (keys, left) = (Keys::demo(), BTreeMap::new());
        Recorder {
            target,
            keys,
            of,
            bare,
            running: None,
            records: Vec::new(),
            left,
            definitions: 0,
            calls: 0,
        }
    }

    pub(super) fn finish(self, all: &mut Records) {
        all.records.extend(self.records);
        all.definitions += self.definitions;
        for (reason, count) in self.left {
            *all.left.entry(reason).or_default() += count;
        }
    }

    pub(super) fn leave(&mut self, reason: &str) {
        *self.left.entry(reason.to_owned()).or_default() += 1;
    }

    /// A call of the recorder's own.
    pub(super) fn ask(&mut self, method: &str, path: &str, who: &str, body: Vec<u8>, now: i64) -> Answer {
        let headers = self.keys.headers(who, now);
        self.target.call(&Call { method, path, headers, body, now })
    }

    /// A call of the vector.
    pub(super) fn forward(&mut self, call: &Call<'_>) -> Answer {
        self.target.call(call)
    }

    pub(super) fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The name of the present step in messages.
    pub(super) fn step(&self) -> String {
        format!("call {}", self.calls)
    }

    pub(super) fn push(&mut self, ask: Ask) {
        if let Some(record) = self.records.last_mut() {
            record.steps.push(ask);
        }
    }

    /// Publishes a definition, with all personalizations for devices if it can be.
    fn publish(&mut self, call: &Call<'_>) -> Answer {
        let Some(body) = for_devices(&call.body, self.bare) else {
            return self.forward(call);
        };
        let changed = Call { body, headers: call.headers.clone(), ..*call };
        let answer = self.forward(&changed);
        if answer.status != 200 {
            let answer = self.forward(call);
            if answer.status == 200 {
                self.definitions += 1;
                self.leave("no bundle once its personalizations are for devices");
                self.running = None;
            }
            return answer;
        }
        match self.bare && for_devices(&call.body, false).as_ref() == Some(&changed.body) {
            // The other variant has it.
            true => self.running = None,
            false => self.begin(&changed.body, call.now),
        }
        answer
    }

    /// Takes the program of a bundle that runs from now on.
    fn begin(&mut self, bundle: &[u8], now: i64) {
        self.definitions += 1;
        self.running = None;
        let definition = usher_edge::definition_of(bundle).expect("it runs");
        let plan = Plan::compile(&definition).expect("it runs");
        let answer = self.ask("POST", "/v1/device", "browser", b"{}".to_vec(), now);
        let answer: Value = serde_json::from_slice(&answer.body).expect("an extract");
        let Some(hash) = answer["program"].as_str() else {
            let reason = match definition.personalizations.is_empty() {
                true => "a definition without personalizations",
                false => "a program that was revoked",
            };
            return self.leave(reason);
        };
        let headers: Vec<(String, String)> = self.keys.headers("browser", now);
        let header =
            |name: &str| headers.iter().find(|(known, _)| known == name).expect("a page's").1.clone();
        let path = format!("/v1/audiences/{AUDIENCE}/programs/{hash}?token={}", header("wp13n-token"));
        let headers = vec![("origin".to_owned(), header("origin"))];
        let program = self.target.call(&Call { method: "GET", path: &path, headers, body: Vec::new(), now });
        assert_eq!(program.status, 200, "{}: {}", self.of, program.text());
        let personalizations = definition.personalizations.iter().enumerate();
        let public = personalizations.map(|(index, it)| {
            let sections = plan.published(index).map(|published| published.sections).unwrap_or_default();
            (it.name.clone(), sections.into_iter().map(str::to_owned).collect())
        });
        self.records.push(Record {
            of: format!("{}, definition {}", self.of, self.definitions),
            program: program.body.iter().map(|byte| format!("{byte:02x}")).collect(),
            public: public.collect(),
            steps: Vec::new(),
        });
        let keys = plan.key_names().map(str::to_owned).collect();
        let tag = self.tag(now);
        self.running = Some(Running { definition, keys, tag });
        // Also of a definition that no step asks about.
        self.look(&Map::new(), None, now);
    }

    /// The hash of the bundle that runs.
    fn tag(&mut self, now: i64) -> Option<String> {
        let answer = self.ask("GET", &format!("/v1/audiences/{AUDIENCE}/bundle"), "admin", Vec::new(), now);
        answer.header("etag").map(str::to_owned)
    }

    /// Looks whether another bundle runs: a draft was published, or a bundle rolled back. Its program is asked in a deployment of its
    /// own, because publishing it again would change what the vector goes on with.
    fn notice(&mut self, now: i64) {
        let tag = self.tag(now);
        let known = self.running.as_ref().and_then(|running| running.tag.clone());
        if tag == known || (tag.is_none() && self.running.is_none()) {
            return;
        }
        let path = format!("/v1/audiences/{AUDIENCE}/bundle");
        let bundle = self.ask("GET", &path, "admin", Vec::new(), now);
        self.running = None;
        let Some(body) = for_devices(&bundle.body, self.bare).filter(|_| bundle.status == 200) else {
            return;
        };
        let mut aside = Recorder::new(format!("{}, call {}", self.of, self.calls), self.bare);
        let headers = self.keys.headers("admin", now);
        aside.publish(&Call { method: "PUT", path: &path, headers, body, now });
        self.records.append(&mut aside.records);
        self.definitions += aside.definitions;
        for (reason, count) in aside.left {
            *self.left.entry(reason).or_default() += count;
        }
        // The vector's own deployment runs it without devices.
        self.running = None;
    }
}

impl Target for Recorder {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.calls += 1;
        let path = call.path.split('?').next().unwrap_or_default();
        let packed = call.headers.iter().any(|(name, _)| name == "content-encoding");
        match (call.method, path) {
            ("PUT", path) if path == format!("/v1/audiences/{AUDIENCE}/bundle") && !packed => {
                self.publish(call)
            }
            ("POST", "/v1/explain" | "/v1/personalize") => {
                let answer = self.forward(call);
                self.looked(call, &answer);
                answer
            }
            ("POST", path) if !packed && is_for_events(path) => self.told(call, path),
            ("GET", _) => self.forward(call),
            _ => {
                let answer = self.forward(call);
                if answer.status < 300 && path != "/v1/tick" && !path.ends_with("/import") {
                    self.notice(call.now);
                }
                answer
            }
        }
    }

    fn log(&self) -> String {
        self.target.log()
    }
}

/// `/v1/e`, `/public/<database>/<table>`, `/<database>/<table>`
fn is_for_events(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v1", "e"] | ["public", _, _] => true,
        [first, _] => !["v1", "audiences", "entities"].contains(first),
        _ => false,
    }
}

/// A bundle with all its personalizations for devices, unless some are; with nothing sensitive, if it is to be bare.
fn for_devices(bundle: &[u8], bare: bool) -> Option<Vec<u8>> {
    let mut bundle: Value = serde_json::from_slice(bundle).ok()?;
    let definition = bundle.get_mut("definition")?.as_object_mut()?;
    let all = definition.get_mut("personalizations").and_then(Value::as_array_mut);
    let some = all.as_ref().is_some_and(|all| all.iter().any(|one| one["device"] == true));
    for one in all.into_iter().flatten().filter(|_| !some) {
        one.as_object_mut()?.insert("device".to_owned(), json!(true));
    }
    for one in definition.get_mut("attributes").and_then(Value::as_array_mut).into_iter().flatten() {
        if bare {
            one.as_object_mut()?.insert("sensitive".to_owned(), json!(false));
        }
    }
    Some(bundle.to_string().into_bytes())
}
