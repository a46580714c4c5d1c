//! Kills under load: callers at once share commits, and each event that was acknowledged is stored once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use bed::{Directory, Serving, WRITE_KEY};
use serde_json::{Value, json};

const KILLS: u64 = 5;
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

    /// The body of the answer 200, if one comes.
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
        assert!(status.contains(" 200 "), "{status}");
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
