//! Delivery of activations: signed, at least once, in order, and through kills.
//!
//! `USHER_DELIVERY_KILLS` is the number of kills under load.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bed::{ADMIN_KEY, AUDIENCE, Directory, SERVER_KEY, Serving, WRITE_KEY, command, run, text};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const KILLS: u32 = 25;
/// Messages that a kill meets on their way.
const MESSAGES: usize = 1_000;

const DEFINITION: &str = r#"parent_segment_id: "1069944"
events:
  - {name: add_to_cart, database: web, table: carts, filter: {field: sku, pattern: "."}}
attributes:
  - {name: last_sku, type: single, source_event: add_to_cart, source_field: sku, aggregation: last, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: customer_id}]
---
parent_segment_id: "1069944"
journeys:
  - name: each
    reentry: reentry_always
    stages:
      - name: only
        entry: {key_event: add_to_cart}
        steps: [{id: tell, activate: told}, {id: bye, end: true}]
activations:
  - {name: told, connection: receiver, body: '{"customer": "{{customer_id}}", "sku": "{{last_sku}}"}'}
"#;

/// A request that a receiver got.
#[derive(Clone, Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: Value,
    at: Instant,
}

impl Got {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn customer(&self) -> &str {
        self.body["customer"].as_str().unwrap()
    }
}

/// A server of somebody else, which answers with what a function says of the number of the request and of the requests with its id
/// before.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<(Got, u16)>>>,
}

impl Receiver {
    fn start(status: impl Fn(&Got, usize) -> u16 + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let (all, status) = (Arc::clone(&got), Arc::new(status));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (all, status) = (Arc::clone(&all), Arc::clone(&status));
                thread::spawn(move || take(stream.unwrap(), &all, &*status));
            }
        });
        Receiver { url, got }
    }

    fn got(&self) -> Vec<(Got, u16)> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    fn wait_for(&self, count: usize) -> Vec<(Got, u16)> {
        until(|| Some(self.got()).filter(|got| got.len() >= count))
    }

    fn settings(&self, directory: &Directory) -> std::path::PathBuf {
        let url = &self.url;
        directory.write("destinations.toml", format!(
            "[[destination]]\nid = \"receiver\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nprivate = true\nrate = 10000\n"
        ))
    }
}

fn take(mut stream: TcpStream, all: &Mutex<Vec<(Got, u16)>>, status: &dyn Fn(&Got, usize) -> u16) {
    let at = Instant::now();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        // A process that was killed sends half a request.
        if !matches!(reader.read_line(&mut line), Ok(1..)) {
            return;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let got = Got { headers, body: serde_json::from_slice(&body).unwrap(), at };
    let status = {
        let mut all = all.lock().unwrap();
        let before = all.iter().filter(|(known, _)| known.id() == got.id()).count();
        let status = status(&got, before);
        all.push((got, status));
        status
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} so\r\ncontent-length: 2\r\nlocation: http://127.0.0.1:1/\r\n\r\nok"
    );
}

/// Asks until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "it does not happen");
        thread::sleep(Duration::from_millis(20));
    }
}

const UNBOUNDED: [&str; 4] = ["--events-per-second", "0", "--new-profiles-per-minute", "0"];

fn start(directory: &Directory, settings: &std::path::Path, more: &[&str]) -> Serving {
    let mut args = vec!["--destinations", text(settings)];
    args.extend(UNBOUNDED);
    args.extend(more);
    Serving::start(directory, &args)
}

fn push(directory: &Directory, serving: &Serving) {
    let definition = directory.write("definition.yaml", DEFINITION);
    let mut push = command(&["push", text(&definition), "--to", &serving.url, "-y"]);
    let pushed = run(push.env("USHER_ADMIN_KEY", ADMIN_KEY), "");
    assert_eq!(pushed.code, 0, "{pushed:?}");
}

fn fire(serving: &Serving, customers: impl Iterator<Item = (String, usize)>) -> usize {
    let events: Vec<Value> = customers
        .map(|(customer, sku)| json!({"customer_id": customer, "sku": sku.to_string(), "event_id": format!("{customer}-{sku}")}))
        .collect();
    let body = json!({ "events": events }).to_string();
    let answer =
        serving.post("/web/carts", &[("authorization", &format!("TD1 {WRITE_KEY}"))], body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let receipts = answer.body["receipts"].as_array().unwrap();
    assert!(receipts.iter().all(|receipt| receipt["success"] == json!(true)), "{answer:?}");
    events.len()
}

fn asked(serving: &Serving, path: &str) -> Value {
    let answer = serving.get_as(
        &format!("/v1/audiences/{AUDIENCE}/activations{path}"),
        &[("authorization", &format!("TD1 {ADMIN_KEY}"))],
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn told(serving: &Serving, path: &str) -> Value {
    let path = format!("/v1/audiences/{AUDIENCE}/activations{path}");
    let answer = serving.post(&path, &[("authorization", &format!("TD1 {ADMIN_KEY}"))], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn one(customer: &str, sku: usize) -> impl Iterator<Item = (String, usize)> {
    std::iter::once((customer.to_owned(), sku))
}

#[test]
fn messages_are_signed_and_in_order_and_redirects_are_not_followed() {
    let directory = Directory::new();
    directory.demo_secret();
    // The first two attempts of the first message of `anna` fail.
    let receiver =
        Receiver::start(|got, before| match (got.customer(), got.body["sku"].as_str().unwrap(), before) {
            ("anna", "1", 0) => 500,
            ("anna", "1", 1) => 302,
            _ => 200,
        });
    let settings = receiver.settings(&directory);
    let serving = start(&directory, &settings, &[]);
    push(&directory, &serving);
    fire(&serving, one("anna", 1));
    receiver.wait_for(1);
    fire(&serving, one("anna", 2));
    fire(&serving, one("bert", 1));
    let got = receiver.wait_for(5);
    let order: Vec<(&str, &str, u16)> = got
        .iter()
        .map(|(got, status)| (got.customer(), got.body["sku"].as_str().unwrap(), *status))
        .collect();
    assert_eq!(
        order,
        [("anna", "1", 500), ("bert", "1", 200), ("anna", "1", 302), ("anna", "1", 200), ("anna", "2", 200)]
    );
    let anna: Vec<&Got> = got.iter().map(|(got, _)| got).filter(|got| got.customer() == "anna").collect();
    assert!(anna[..3].iter().all(|got| got.id() == anna[0].id()) && anna[3].id() != anna[0].id());
    let sequence = |got: &Got| got.headers["usher-sequence"].parse::<i64>().unwrap();
    assert!(sequence(anna[2]) == sequence(anna[0]) && sequence(anna[3]) > sequence(anna[0]));
    assert!(anna[1].at - anna[0].at >= Duration::from_millis(900));
    until(|| asked(&serving, "")["activations"].as_array().unwrap().is_empty().then_some(()));
    let attempts = asked(&serving, "/attempts");
    let attempts = attempts["attempts"].as_array().unwrap();
    let results: Vec<(&str, &str)> = attempts
        .iter()
        .map(|attempt| (attempt["delivered"].as_str().unwrap(), attempt["status"].as_str().unwrap()))
        .collect();
    assert_eq!(results.len(), 5, "{attempts:?}");
    assert_eq!(results[0], ("true", "200"));
    assert!(results.contains(&("false", "302")) && results.contains(&("false", "500")));
    let metrics = serving.get_as("/metrics", &[("authorization", &format!("TD1 {ADMIN_KEY}"))]).text;
    for line in [
        "usher_activation_attempts_total{result=\"delivered\"} 3",
        "usher_activation_attempts_total{result=\"failed\"} 2",
        "usher_activations_waiting 0",
        "usher_activations_parked 0",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in\n{metrics}");
    }
}

#[test]
fn an_erased_visitor_gets_nothing_any_more() {
    let directory = Directory::new();
    directory.demo_secret();
    let receiver = Receiver::start(|_, _| 503);
    let settings = receiver.settings(&directory);
    let serving = start(&directory, &settings, &["--shards", "4"]);
    push(&directory, &serving);
    fire(&serving, one("anna", 1));
    fire(&serving, one("anna", 2));
    receiver.wait_for(1);
    let erase = |customer: &str| {
        let url = format!("{}/v1/audiences/{AUDIENCE}/profiles/customer_id/{customer}", serving.url);
        let request = ureq::delete(url).header("authorization", format!("TD1 {SERVER_KEY}"));
        assert_eq!(request.call().unwrap().status(), 200);
    };
    erase("anna");
    let acknowledged = Instant::now();
    let pages = (0..4).map(|shard| asked(&serving, &format!("?next={shard}.0")));
    assert!(pages.into_iter().all(|page| page["activations"].as_array().unwrap().is_empty()));
    // Another visitor's are attempted meanwhile, twice.
    fire(&serving, one("bert", 1));
    let bert = || receiver.got().into_iter().filter(|(got, _)| got.customer() == "bert").count();
    until(|| (bert() >= 3).then_some(()));
    let late =
        receiver.got().into_iter().filter(|(got, _)| got.customer() == "anna" && got.at > acknowledged);
    assert_eq!(late.count(), 0);
    let attempts: Vec<Value> =
        (0..4).map(|shard| asked(&serving, &format!("/attempts?next={shard}.0"))).collect();
    let rid = receiver.got()[0].0.id().to_owned();
    assert!(attempts.iter().all(|page| !page.to_string().contains(&rid)), "{attempts:?}");
}

#[test]
fn without_a_destination_nothing_leaves_until_there_is_one() {
    let directory = Directory::new();
    directory.demo_secret();
    let receiver = Receiver::start(|_, _| 200);
    let serving = Serving::start(&directory, &UNBOUNDED);
    push(&directory, &serving);
    fire(&serving, one("anna", 1));
    let parked =
        |serving: &Serving| asked(serving, "?state=parked")["activations"].as_array().unwrap().clone();
    until(|| (parked(&serving).len() == 1).then_some(()));
    assert_eq!(parked(&serving)[0]["last"], json!("destination_not_allowed"));
    assert_eq!(asked(&serving, "/attempts")["attempts"][0]["status"], json!("destination_not_allowed"));
    assert_eq!(told(&serving, "/retry"), json!({"tried": 1, "next": null}));
    until(|| (parked(&serving).len() == 1).then_some(()));
    assert!(serving.terminate().success());
    let serving = start(&directory, &receiver.settings(&directory), &[]);
    // Messages behind it did not wait for it.
    fire(&serving, one("anna", 2));
    receiver.wait_for(1);
    let id = parked(&serving)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(told(&serving, &format!("/retry?id={id}")), json!({"tried": 1, "next": null}));
    let got = receiver.wait_for(2);
    assert_eq!((got[0].0.body["sku"].clone(), got[1].0.body["sku"].clone()), (json!("2"), json!("1")));
    until(|| asked(&serving, "/attempts")["attempts"][0]["by_hand"].as_bool().filter(|by_hand| *by_hand));
}

#[test]
fn no_message_is_lost_by_kills_while_every_other_attempt_fails() {
    let kills =
        std::env::var("USHER_DELIVERY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let directory = Directory::new();
    directory.demo_secret();
    // Of each message every other attempt, and of half of them the first.
    let receiver = Receiver::start(|got, before| {
        let drawn = got.id().bytes().map(usize::from).sum::<usize>();
        if (drawn + before).is_multiple_of(2) { 200 } else { 500 }
    });
    let settings = receiver.settings(&directory);
    let mut serving = start(&directory, &settings, &["--shards", "2"]);
    push(&directory, &serving);
    let mut fired = 0;
    for kill in 0..kills {
        // So many that a thousand are on their way; some visitors have several of them.
        let got = receiver.got();
        let delivered: BTreeSet<&str> =
            got.iter().filter(|(_, status)| *status == 200).map(|(got, _)| got.id()).collect();
        let mut more = MESSAGES.saturating_sub(fired - delivered.len());
        while more > 0 {
            let part = more.min(100);
            fired += fire(&serving, (fired..fired + part).map(|sku| (format!("v{}", sku % 700), sku)));
            more -= part;
        }
        let before = receiver.got().len();
        receiver.wait_for(before + 20 + 7 * (kill as usize % 6));
        // No handler runs.
        serving.kill();
        serving = start(&directory, &settings, &[]);
    }
    let delivered = until(|| {
        let got = receiver.got();
        let ids: BTreeSet<String> =
            got.iter().filter(|(_, status)| *status == 200).map(|(got, _)| got.id().to_owned()).collect();
        (ids.len() >= fired).then_some(got)
    });
    assert!(fired >= MESSAGES);
    // Whatever came twice has the same body, and one visitor's first deliveries are in their order.
    let mut bodies: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut last: BTreeMap<&str, (i64, &str)> = BTreeMap::new();
    for (got, _) in &delivered {
        assert_eq!(*bodies.entry(got.id()).or_insert(&got.body), &got.body);
        let sequence = got.headers["usher-sequence"].parse::<i64>().unwrap();
        let before = last.entry(got.customer()).or_insert((sequence, got.id()));
        assert!(sequence >= before.0, "{got:?} after {before:?}");
        *before = (sequence, got.id());
    }
    assert_eq!(bodies.len(), fired, "no message is there that no event fired");
}
