//! Kills under load: callers at once share commits, and each event that was acknowledged is stored once, also where the keys of
//! a visitor lie in different shards.
//!
//! `USHER_KILLS` is the number of kills with several shards.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bed::{AUDIENCE, Directory, SERVER_KEY, Serving, WRITE_KEY};
use serde_json::{Value, json};

const KILLS: u64 = 5;
const KILLS_WITH_SHARDS: u64 = 25;
const CALLERS: usize = 8;
/// A profile remembers so many ids.
const EVENTS_MAX: usize = 900;

/// A caller that keeps its connection.
struct Caller(BufReader<TcpStream>);

impl Caller {
    fn of(serving: &Serving) -> Caller {
        let stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        Caller(BufReader::new(stream))
    }

    /// Sends a batch again while an event of it is refused because a merge is under way; its receipts, and the number of tries
    /// that were refused.
    fn send_until_taken(&mut self, events: &[Value]) -> (Vec<Value>, usize) {
        for tries in 0..40 {
            let answer = self.send(events).unwrap();
            let receipts = answer["receipts"].as_array().cloned().unwrap_or_default();
            if receipts.len() == events.len()
                && receipts.iter().all(|receipt| receipt["success"] == json!(true))
            {
                return (receipts, tries);
            }
            thread::sleep(Duration::from_millis(50));
        }
        unreachable!("no batch of {} events is taken", events.len())
    }

    /// The body of the answer 200, or 503, if one comes.
    fn send(&mut self, events: &[Value]) -> io::Result<Value> {
        let body = json!({ "events": events }).to_string();
        let length = body.len();
        let head = "POST /web/pageviews HTTP/1.1\r\nhost: e\r\nauthorization: TD1 ";
        write!(self.0.get_mut(), "{head}{WRITE_KEY}\r\ncontent-length: {length}\r\n\r\n{body}")?;
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        while line != "\r\n" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if status.is_empty() {
                status.clone_from(&line);
            }
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        assert!(status.contains(" 200 ") || status.contains(" 503 "), "{status}");
        Ok(serde_json::from_slice(&body).unwrap())
    }
}

fn event(visitor: &str, id: usize) -> Value {
    json!({"td_client_id": visitor, "td_path": "/", "event_id": format!("{visitor}-{id}")})
}

/// Sends until the process is gone; the numbers of events that were acknowledged and sent.
fn load(serving: &Serving, visitor: &str) -> (usize, usize) {
    let mut caller = Caller::of(serving);
    for id in 0..EVENTS_MAX {
        match caller.send(&[event(visitor, id)]) {
            Ok(answer) => assert_eq!(answer, json!({"receipts": [{"success": true}]})),
            Err(_) => return (id, id + 1),
        }
    }
    (EVENTS_MAX, EVENTS_MAX)
}

#[test]
fn what_was_acknowledged_before_a_kill_is_counted_once() {
    let directory = Directory::new();
    directory.demo_secret();
    let unbounded = ["--events-per-second", "0", "--new-profiles-per-minute", "0"];
    let mut serving = Serving::start(&directory, &unbounded);
    serving.fill();
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let visitors: Vec<String> = (0..CALLERS).map(|caller| format!("v{kill}-{caller}")).collect();
        let counts: Vec<(usize, usize)> = thread::scope(|scope| {
            let serving = &serving;
            let callers: Vec<_> =
                visitors.iter().map(|visitor| scope.spawn(move || load(serving, visitor))).collect();
            thread::sleep(Duration::from_millis(150 + 70 * kill));
            // No handler runs.
            assert!(Command::new("kill").args(["-9", &serving.id().to_string()]).status().unwrap().success());
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        // It holds its data until it has ended.
        serving.kill();
        serving = Serving::start(&directory, &unbounded);
        for (visitor, (known, sent)) in visitors.iter().zip(counts) {
            let mut caller = Caller::of(&serving);
            // What was sent last may be stored or not.
            for id in 0..sent {
                let answer = caller.send(&[event(visitor, id)]).unwrap();
                let is_duplicate = answer["receipts"][0]["notes"] == json!(["duplicate"]);
                assert!(is_duplicate || id >= known, "{visitor}: {id} was lost: {answer}");
            }
            acknowledged += known;
            let offers = serving.personalize("td_client_id", visitor);
            let section = if sent < 3 { "Default" } else { "Warm" };
            let views = offers[section]["attributes"]["page_views_24h"].as_f64();
            assert_eq!(views, Some(f64::from(u32::try_from(sent).unwrap())), "{visitor}: {offers}");
        }
    }
    assert!(acknowledged > 100, "{acknowledged} events are no load");
}

/// An event of a visitor with a cookie of each of two browsers, an email address and a number as customer: first each key comes
/// alone, then each with the number, then alone again.
fn event_of_several(visitor: &str, id: usize) -> Value {
    let mut event = json!({"td_path": "/", "event_id": format!("{visitor}-{id}")});
    let (key, value) = match id % 3 {
        0 => ("td_client_id", format!("{visitor}-phone")),
        1 => ("td_client_id", format!("{visitor}-desk")),
        _ => ("email", format!("{visitor}@shop.io")),
    };
    event[key] = json!(value);
    if (3..6).contains(&(id % 30)) {
        event["customer_id"] = json!(visitor);
    }
    event
}

/// The events after which all keys of a visitor are one person's.
const JOINED: usize = 6;

/// Sends until the process is gone; the number of events that were acknowledged, and sent.
fn load_of_several(serving: &Serving, visitor: &str) -> (usize, usize) {
    let mut caller = Caller::of(serving);
    let mut id = 0;
    while id < EVENTS_MAX {
        match caller.send(&[event_of_several(visitor, id)]) {
            Ok(answer) if answer["receipts"][0]["success"] == json!(true) => id += 1,
            // It is refused for now, and sent again.
            Ok(_) => {}
            Err(_) => return (id, id + 1),
        }
    }
    (EVENTS_MAX, EVENTS_MAX)
}

/// The page views of a customer, once they are as many as expected, or after a while.
fn views_of(serving: &Serving, visitor: &str, expected: usize) -> Option<f64> {
    let start = Instant::now();
    loop {
        let offers = serving.personalize("customer_id", visitor);
        let views = offers.as_object().and_then(|offers| {
            offers.values().find_map(|offer| offer["attributes"]["page_views_24h"].as_f64())
        });
        let is_there = views.is_some_and(|views| views >= f64::from(u32::try_from(expected).unwrap()));
        if is_there || start.elapsed() > Duration::from_secs(10) {
            return views;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_acknowledged_is_counted_once_where_keys_lie_in_several_shards() {
    let kills = std::env::var("USHER_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills: u64 = kills.unwrap_or(KILLS_WITH_SHARDS);
    let directory = Directory::new();
    directory.demo_secret();
    let settings = ["--shards", "8", "--events-per-second", "0", "--new-profiles-per-minute", "0"];
    let mut serving = Serving::start(&directory, &settings);
    serving.fill();
    let (mut acknowledged, mut unfinished, mut waits) = (0, 0, 0);
    for kill in 0..kills {
        let visitors: Vec<String> = (0..CALLERS).map(|caller| format!("s{kill}-{caller}")).collect();
        let counts: Vec<(usize, usize)> = thread::scope(|scope| {
            let serving = &serving;
            let callers: Vec<_> = visitors
                .iter()
                .map(|visitor| scope.spawn(move || load_of_several(serving, visitor)))
                .collect();
            // Often while the first merges are under way.
            thread::sleep(Duration::from_millis(20 + 37 * (kill % 8)));
            assert!(Command::new("kill").args(["-9", &serving.id().to_string()]).status().unwrap().success());
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        serving.kill();
        serving = Serving::start(&directory, &settings);
        for (visitor, (known, sent)) in visitors.iter().zip(counts) {
            let mut caller = Caller::of(&serving);
            unfinished += usize::from((3..=9).contains(&sent));
            acknowledged += known;
            let all = sent.max(JOINED);
            let events: Vec<Value> = (0..all).map(|id| event_of_several(visitor, id)).collect();
            for (part, events) in events.chunks(100).enumerate() {
                let (receipts, tries) = caller.send_until_taken(events);
                waits += tries;
                for (at, receipt) in receipts.iter().enumerate() {
                    let id = part * 100 + at;
                    let is_duplicate =
                        receipt["notes"].as_array().is_some_and(|notes| notes.contains(&json!("duplicate")));
                    assert_eq!(receipt["success"], json!(true), "{visitor} {id}: {receipt}");
                    assert!(is_duplicate || id >= known, "{visitor}: {id} was lost: {receipt}");
                }
            }
            let expected = f64::from(u32::try_from(all).unwrap());
            assert_eq!(
                views_of(&serving, visitor, all),
                Some(expected),
                "{visitor}, of which {known} were known"
            );
        }
    }
    println!(
        "{kills} kills, {acknowledged} events acknowledged, {unfinished} visitors cut off among their merges, {waits} waits"
    );
    assert!(acknowledged > 100, "{acknowledged} events are no load");
}

/// The keys of an import that profiles list in the databases of a server that has ended, sorted.
fn imported(directory: &Directory) -> Vec<String> {
    let shards = std::fs::read_dir(directory.join("data/shards")).unwrap();
    let files = shards.map(|file| file.unwrap().path()).chain([directory.join("data/usher.sqlite3")]);
    let mut keys = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "sqlite3")) {
        let database = rusqlite::Connection::open(file).unwrap();
        let mut read = database.prepare("SELECT value FROM profile_key WHERE value LIKE 'import-%'").unwrap();
        keys.extend(read.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    keys.sort();
    keys
}

#[test]
fn an_import_over_several_shards_that_is_killed_is_sent_again() {
    const ROWS: usize = 8_000;
    let directory = Directory::new();
    directory.demo_secret();
    let settings = ["--shards", "2", "--events-per-second", "0", "--new-profiles-per-minute", "0"];
    let mut serving = Serving::start(&directory, &settings);
    serving.fill();
    let all: Vec<String> = (0..ROWS).map(|row| format!("import-{row:05}")).collect();
    let body: String =
        all.iter().map(|id| format!("{{\"customer_id\":\"{id}\",\"customer_tier\":\"gold\"}}\n")).collect();
    let target = format!("/v1/audiences/{AUDIENCE}/profiles/import");
    let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
    for kill in 0..KILLS {
        thread::scope(|scope| {
            let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
            let (body, target) = (&body, &target);
            let sent = scope.spawn(move || {
                let length = body.len();
                let head =
                    format!("POST {target} HTTP/1.1\r\nhost: e\r\nauthorization: TD1 {SERVER_KEY}\r\n");
                // It may be gone at any time.
                let _ = write!(stream, "{head}content-length: {length}\r\n\r\n{body}");
                let _ = stream.read_to_end(&mut Vec::new());
            });
            thread::sleep(Duration::from_millis(350 * (kill + 1)));
            assert!(Command::new("kill").args(["-9", &serving.id().to_string()]).status().unwrap().success());
            sent.join().unwrap();
        });
        serving.kill();
        let stored = imported(&directory);
        println!("killed: {} of {ROWS} rows are stored", stored.len());
        assert!(stored.windows(2).all(|pair| pair[0] != pair[1]), "two profiles have one key");
        serving = Serving::start(&directory, &settings);
    }
    let answer = serving.post(&target, &headers, body.as_bytes());
    let counts = ["imported", "unchanged"].map(|name| answer.body[name].as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), ROWS as u64, "{answer:?}");
    serving.kill();
    assert_eq!(imported(&directory), all, "each key has one profile");
}
