//! The vectors of pipelines: records in, rows out, as data. `vectors/README.md` describes the format.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use usher_config::{Source as Text, read_pipelines, render};
use usher_engine::time::rfc3339_ms;
use usher_pipelines::{
    Arrival, Bounds, Chain, Change, Counts, Ended, OutputRow, Payload, Plan, Polled, Read, Refused, Runner,
    Sink, Source, Step, Stream,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    about: String,
    #[serde(default)]
    pipeline: String,
    file: Option<String>,
    held_max: Option<usize>,
    bytes_max: Option<u64>,
    #[serde(default)]
    step: Vec<VectorStep>,
    counts: BTreeMap<String, u64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorStep {
    name: String,
    /// The wall clock; the step before's when missing.
    at: Option<String>,
    topic: Option<String>,
    #[serde(default)]
    partition: u32,
    /// The record's own timestamp; `at` when missing.
    arrival: Option<String>,
    #[serde(default)]
    record: String,
    /// The key of its message.
    key: Option<String>,
    /// True for a value that is null.
    #[serde(default)]
    null: bool,
    /// All records of a file, in place of one.
    lines: Option<String>,
    #[serde(default)]
    rows: Vec<String>,
    #[serde(default)]
    ended: Vec<String>,
    #[serde(default)]
    refused: Vec<String>,
}

/// Outputs by step.
type Outputs = Rc<RefCell<Vec<[Vec<Value>; 3]>>>;

struct Steps {
    steps: Vec<(usize, VectorStep)>,
    next: usize,
    offset: u64,
    now_ms: Rc<Cell<i64>>,
    current: Rc<Cell<usize>>,
}

impl Source for Steps {
    fn poll(&mut self, wait: Duration) -> Result<Polled, String> {
        let Some((index, step)) = self.steps.get(self.next) else { return Ok(Polled::End) };
        if step.topic.is_none() && wait.is_zero() {
            return Ok(Polled::Nothing);
        }
        self.next += 1;
        self.offset += 1;
        self.current.set(*index);
        if let Some(at) = &step.at {
            self.now_ms.set(rfc3339_ms(at).unwrap());
        }
        let Some(topic) = &step.topic else { return Ok(Polled::Nothing) };
        let arrival_ms = step.arrival.as_ref().map_or(self.now_ms.get(), |at| rfc3339_ms(at).unwrap());
        Ok(Polled::Arrival(Arrival {
            topic: Arc::from(topic.as_str()),
            partition: step.partition,
            offset: self.offset,
            arrival_ms,
            end: 0,
            key: step.key.clone().map(String::into_bytes),
            payload: if step.null { Payload::Null } else { Payload::Json(step.record.clone().into_bytes()) },
        }))
    }
}

struct Kept {
    /// True if rows stand beside the topic that they are for.
    by_topic: bool,
    outputs: Outputs,
    current: Rc<Cell<usize>>,
    last: usize,
}

impl Kept {
    fn keep(&mut self, kind: usize, value: Value) {
        self.outputs.borrow_mut()[self.current.get()][kind].push(value);
    }
}

impl Sink for Kept {
    fn row(&mut self, topic: &str, row: &OutputRow) -> Result<(), String> {
        let row = serde_json::to_value(row).unwrap();
        self.keep(0, if self.by_topic { json!({ topic: row }) } else { row });
        Ok(())
    }

    fn ended(&mut self, _: &Plan, ended: &Ended) -> Result<(), String> {
        let columns: serde_json::Map<_, _> = ended
            .columns
            .iter()
            .map(|(name, value)| (name.clone(), serde_json::to_value(value).unwrap()))
            .collect();
        self.keep(1, json!({"reason": ended.reason.as_str(), "missing": ended.missing, "record": columns}));
        Ok(())
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), String> {
        self.keep(2, json!({"reason": refused.reason.as_str(), "record": refused.text()}));
        Ok(())
    }

    fn trace(&mut self, step: &Step<'_>) -> Result<(), String> {
        if matches!(step, Step::End) {
            self.current.set(self.last);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn commit(&mut self, _: Vec<(usize, Change)>, _: Vec<Read>, _: &Chain) -> Result<(), String> {
        panic!("these streams do not commit")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_vector_answers_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut wrong = Vec::new();
    for path in paths.iter().filter(|path| !path.ends_with("features.toml")) {
        let vector: Vector = toml::from_str(&fs::read_to_string(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(!vector.about.is_empty(), "{name}");
        wrong.extend(run(&vector).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(paths.len() > 5 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads and compiles pipelines.
fn compile(name: &str, text: String) -> Vec<Plan> {
    let read = read_pipelines(&[Text { name: name.to_owned(), text }]);
    let found: Vec<String> = read.findings.iter().map(render::plain).collect();
    assert!(!read.has_errors(), "{found:?}");
    read.pipelines.iter().map(|pipeline| Plan::compile(pipeline).unwrap()).collect()
}

fn run(vector: &Vector) -> Vec<String> {
    let text = match &vector.file {
        Some(file) => fs::read_to_string(root().join(file)).unwrap(),
        None => vector.pipeline.clone(),
    };
    let plans = compile("vector", text);
    let by_topic = plans.len() > 1;
    let standard = Bounds::default();
    let bounds = Bounds {
        held: vector.held_max.unwrap_or(standard.held),
        bytes: vector.bytes_max.unwrap_or(standard.bytes),
    };
    let mut steps = Vec::new();
    for (index, step) in vector.step.iter().enumerate().filter(|(_, step)| step.name != "end") {
        match &step.lines {
            Some(file) => {
                let text = fs::read_to_string(root().join(file)).unwrap();
                let of_line = |line: &str| (index, VectorStep { record: line.to_owned(), ..step.clone() });
                steps.extend(text.lines().map(of_line));
            }
            None => steps.push((index, step.clone())),
        }
    }
    let last = vector.step.len();
    let outputs: Outputs = Rc::new(RefCell::new(vec![Default::default(); last + 1]));
    let (now_ms, current) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let end = vector.step.iter().position(|step| step.name == "end").unwrap_or(last);
    let source =
        Steps { steps, next: 0, offset: 0, now_ms: Rc::clone(&now_ms), current: Rc::clone(&current) };
    let sink = Kept { by_topic, outputs: Rc::clone(&outputs), current, last: end };
    let streams = plans.into_iter().map(|plan| Stream::new(plan, bounds)).collect();
    let mut runner = Runner::new(Chain::new(streams).unwrap(), source, sink);
    runner.run(&move || now_ms.get(), &AtomicBool::new(false)).unwrap();
    let mut wrong = Vec::new();
    for (index, found) in outputs.borrow().iter().enumerate() {
        let step = vector.step.get(index);
        let name = step.map_or("the end", |step| &step.name);
        let wanted = step.map_or([const { Vec::new() }; 3], |step| {
            [&step.rows, &step.ended, &step.refused]
                .map(|texts| texts.iter().map(|text| parsed(text)).collect::<Vec<Value>>())
        });
        for ((kind, found), wanted) in ["rows", "ended", "refused"].into_iter().zip(found).zip(wanted) {
            if *found != wanted {
                wrong.push(format!(
                    "{name}: {kind}\n  expected {}\n  found    {}",
                    json!(wanted),
                    json!(found)
                ));
            }
        }
    }
    let of_streams: Vec<_> = runner.streams().iter().map(|stream| counts(stream.counts())).collect();
    for (name, wanted) in &vector.counts {
        let found = match name.as_str() {
            "refused" => runner.refused(),
            name => of_streams.iter().map(|counts| counts[name]).sum(),
        };
        if found != *wanted {
            wrong.push(format!("{name}: expected {wanted}, found {found}"));
        }
    }
    // Every event is in one count, or it would be lost.
    let ends = ["emitted", "duplicates", "filtered", "unjoined", "expired", "state_full", "unfinished"];
    for counts in of_streams {
        let sum: u64 = ends.iter().map(|name| counts[name]).sum();
        if sum != counts["events"] {
            wrong.push(format!("{} events, {sum} ends", counts["events"]));
        }
    }
    wrong
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn counts(counts: &Counts) -> BTreeMap<&'static str, u64> {
    let of_joins = |count: fn(&usher_pipelines::JoinCounts) -> u64| counts.joins.iter().map(count).sum();
    BTreeMap::from([
        ("events", counts.events),
        ("emitted", counts.emitted),
        ("duplicates", counts.duplicates),
        ("filtered", counts.filtered),
        ("unjoined", counts.unjoined),
        ("expired", counts.expired),
        ("state_full", counts.state_full),
        ("unfinished", counts.unfinished),
        ("undated", counts.undated),
        ("ids_forgotten", counts.ids_forgotten),
        ("refused_rows", of_joins(|join| join.keyless)),
        ("rows", of_joins(|join| join.rows)),
        ("deleted", of_joins(|join| join.deleted)),
        ("forgotten", of_joins(|join| join.forgotten)),
        ("hits", of_joins(|join| join.hits)),
        ("misses", of_joins(|join| join.misses)),
    ])
}

#[derive(Deserialize)]
struct Features {
    feature: Vec<Feature>,
}

/// A feature of SQL, and what it gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    query: String,
    event: String,
    /// The row of `d`, joined by `k`.
    #[serde(default)]
    joined: String,
    /// Empty: no row.
    #[serde(default)]
    row: String,
}

#[test]
fn every_feature_of_sql_is_documented_and_answers_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/features.toml");
    let features: Features = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let page = fs::read_to_string(root().join("docs/pipelines.md")).unwrap();
    let mut wrong = Vec::new();
    for feature in &features.feature {
        if !page.contains(&format!("| {} |", feature.name)) {
            wrong.push(format!("docs/pipelines.md has no row for {}", feature.name));
        }
        let query: String = feature.query.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!("name: p\noutput: {{topic: out, format: json}}\nquery: |\n{query}");
        let step = |name: &str, topic: &str, record: &str| VectorStep {
            name: name.to_owned(),
            at: Some("2026-01-01T12:00:00Z".to_owned()),
            topic: Some(topic.to_owned()),
            partition: 0,
            arrival: None,
            record: record.to_owned(),
            key: None,
            null: false,
            lines: None,
            rows: Vec::new(),
            ended: Vec::new(),
            refused: Vec::new(),
        };
        let mut event = step("event", "c", &feature.event);
        event.rows = (!feature.row.is_empty()).then(|| feature.row.clone()).into_iter().collect();
        let joined = (!feature.joined.is_empty()).then(|| step("joined", "d", &feature.joined));
        let vector = Vector {
            about: feature.name.clone(),
            pipeline: text,
            file: None,
            held_max: None,
            bytes_max: None,
            step: joined.into_iter().chain([event]).collect(),
            counts: BTreeMap::new(),
        };
        wrong.extend(run(&vector).into_iter().map(|what| format!("{}: {what}", feature.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
