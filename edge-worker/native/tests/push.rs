//! A push that is killed, wherever it is killed: the edge runs the old bundle or the new one, whole, and the next push
//! works.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bed::{ADMIN_KEY, AUDIENCE, Directory, SERVER_KEY, Serving, command, run, text};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The time that the edge has to end what it took.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two versions that say which they are in two places, and are long enough to be sent in several parts.
fn version(directory: &Directory, number: u32) -> PathBuf {
    let mut events = String::new();
    for index in 0..40 {
        let words = "what happened, at length, ".repeat(240);
        events.push_str(&format!(
            "  - {{name: e{index}, database: web, table: pages, filter: {{field: p, pattern: ^/}}, description: '{words}'}}\n"
        ));
    }
    let service = |name: &str| {
        format!(
            "---\nparent_segment_id: '{AUDIENCE}'\nservice_name: {name}\nsections:\n  - {{name: S, criteria: {{operator: ALWAYS}}, outputs: [{{name: version, value: {number}}}]}}\n"
        )
    };
    let text = format!(
        "parent_segment_id: '{AUDIENCE}'\nevents:\n{events}id_stitching:\n  primary_key: visitor\n  stitching_keys: [{{name: visitor}}]\n{}{}",
        service("first"),
        service("last"),
    );
    directory.write(&format!("v{number}.yaml"), text)
}

struct Bed {
    directory: Directory,
    edge: Serving,
    files: [PathBuf; 2],
}

impl Bed {
    fn new() -> Bed {
        let directory = Directory::new();
        directory.demo_secret();
        let edge = Serving::start(&directory, &[]);
        let files = [version(&directory, 1), version(&directory, 2)];
        let bed = Bed { directory, edge, files };
        bed.push(1);
        bed
    }

    /// A push that nobody disturbs.
    fn push(&self, number: usize) {
        let args = ["push", text(&self.files[number - 1]), "--to", &self.edge.url, "-y"];
        let pushed = run(command(&args).env("USHER_ADMIN_KEY", ADMIN_KEY), "");
        assert_eq!(pushed.code, 0, "{pushed:?}");
        assert_eq!(self.runs(), number);
    }

    /// A push on its way to another address.
    fn pushing(&self, number: usize, url: &str) -> Child {
        let mut command = command(&["push", text(&self.files[number - 1]), "--to", url, "-y"]);
        command.env("USHER_ADMIN_KEY", ADMIN_KEY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Which version the edge runs; it must be one of them everywhere, and whole.
    fn runs(&self) -> usize {
        let admin = [("authorization", &*format!("TD1 {ADMIN_KEY}"))];
        let list = || self.edge.get_as(&format!("/v1/audiences/{AUDIENCE}/bundles"), &admin);
        // What a killed push had sent whole may still be on its way into storage: two equal lists have none between them.
        let (mut before, mut found, mut listed);
        loop {
            before = list();
            found = self.edge.get_as(&format!("/v1/audiences/{AUDIENCE}/bundle"), &admin);
            listed = list();
            if before.text == listed.text {
                break;
            }
        }
        assert_eq!(found.status, 200, "{found:?}");
        let hash = Sha256::digest(found.text.as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found.header("etag"), Some(&*format!("\"{hash}\"")));
        assert_eq!(self.edge.get("/healthz").body["status"], "ok");
        assert_eq!(
            (&listed.body["status"], &listed.body["bundles"][0]["hash"]),
            (&json!("ok"), &json!(hash))
        );
        let mut versions = ["first", "last"].map(|name| {
            let asked = json!({"audience": AUDIENCE, "personalization": name}).to_string();
            let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
            let answer = self.edge.post("/v1/personalize", &headers, asked.as_bytes());
            answer.body["offers"]["S"]["attributes"]["version"].as_u64().unwrap()
        });
        versions.sort_unstable();
        assert_eq!(versions[0], versions[1], "a mixture runs");
        assert!(found.text.contains(&format!("\"constant\":{}", versions[0])));
        usize::try_from(versions[0]).unwrap()
    }
}

/// Between push and edge: lets so many bytes of the push through, then holds everything.
struct Proxy {
    url: String,
    /// Bytes that the push has sent.
    sent: std::sync::Arc<AtomicUsize>,
    /// Told once when the last byte that is let through has been passed on.
    held: Receiver<()>,
    /// Answers that came while nothing is let through.
    answered: Receiver<()>,
}

impl Proxy {
    fn start(edge: &str, limit: usize) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let edge = edge.strip_prefix("http://").unwrap().to_owned();
        let sent = std::sync::Arc::new(AtomicUsize::new(0));
        let (hold, held) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        let count = std::sync::Arc::clone(&sent);
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                let Ok(far) = TcpStream::connect(&edge) else { return };
                let (from, to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let (back, told) = (std::sync::Arc::clone(&count), answer.clone());
                thread::spawn(move || answers(from, to, &back, limit, &told));
                let (count, hold) = (std::sync::Arc::clone(&count), hold.clone());
                thread::spawn(move || requests(near, far, &count, limit, &hold));
            }
        });
        Proxy { url, sent, held, answered }
    }
}

fn requests(mut near: TcpStream, mut far: TcpStream, count: &AtomicUsize, limit: usize, hold: &Sender<()>) {
    let mut buffer = [0; 4096];
    loop {
        let before = count.load(Ordering::SeqCst);
        if before >= limit {
            let _ = hold.send(());
            // Until the push is gone; then the edge finds out.
            while near.read(&mut buffer).is_ok_and(|read| read > 0) {}
            let _ = far.shutdown(Shutdown::Both);
            return;
        }
        let room = buffer.len().min(limit - before);
        let read = near.read(&mut buffer[..room]).unwrap_or(0);
        if read == 0 || far.write_all(&buffer[..read]).is_err() {
            let _ = far.shutdown(Shutdown::Write);
            return;
        }
        count.fetch_add(read, Ordering::SeqCst);
    }
}

fn answers(mut far: TcpStream, mut near: TcpStream, count: &AtomicUsize, limit: usize, told: &Sender<()>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = far.read(&mut buffer) {
        if count.load(Ordering::SeqCst) >= limit {
            // The edge has answered; nobody hears it.
            let _ = told.send(());
        } else if near.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_push_killed_at_any_byte_leaves_old_or_new() {
    let bed = Bed::new();
    // How much a push sends: the questions what runs, and the bundle.
    let whole = Proxy::start(&bed.edge.url, usize::MAX);
    let mut pushing = bed.pushing(2, &whole.url);
    assert!(pushing.wait().unwrap().success());
    let length = whole.sent.load(Ordering::SeqCst);
    assert!(length > 200_000 && bed.runs() == 2, "{length}");
    bed.push(1);

    // Before anything is sent, within the question, between it and the bundle, within head and body, at the last byte.
    let question = 400;
    let steps =
        [0, 1, 60, 150, 200, 250, question, 700, 2_000, length / 2, length - 4_096, length - 2, length - 1];
    for limit in steps {
        let proxy = Proxy::start(&bed.edge.url, limit);
        let mut pushing = bed.pushing(2, &proxy.url);
        assert_eq!(proxy.held.recv_timeout(PATIENCE), Ok(()), "it never sent {limit} bytes");
        pushing.kill().unwrap();
        assert_eq!(pushing.wait().unwrap().code(), None, "it ended on its own after {limit} bytes");
        assert_eq!(bed.runs(), 1, "after {limit} bytes of {length}");
        bed.push(2);
        bed.push(1);
    }

    // All of it was sent: the edge has stored it and answered, and nobody heard the answer.
    for round in 0..3 {
        let proxy = Proxy::start(&bed.edge.url, length);
        let mut pushing = bed.pushing(2, &proxy.url);
        proxy.held.recv_timeout(PATIENCE).unwrap();
        if round > 0 {
            proxy.answered.recv_timeout(PATIENCE).unwrap();
        }
        pushing.kill().unwrap();
        pushing.wait().unwrap();
        if round > 0 {
            assert_eq!(bed.runs(), 2, "what was answered runs");
        } else {
            // It was on its way; whatever became of it is whole.
            assert!([1, 2].contains(&bed.runs()));
        }
        bed.push(2);
        bed.push(1);
    }
}

#[test]
fn a_connection_that_breaks_is_told_and_leaves_the_old() {
    let bed = Bed::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().for_each(drop));
    let mut pushing = bed.pushing(2, &url);
    assert_eq!(pushing.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    pushing.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("cannot talk to"), "{said}");
    assert_eq!(bed.runs(), 1);
    bed.push(2);
}

#[test]
fn an_edge_killed_while_it_publishes_runs_old_or_new() {
    let mut bed = Bed::new();
    let start = Instant::now();
    let mut pushing = bed.pushing(2, &bed.edge.url);
    assert!(pushing.wait().unwrap().success());
    let takes = start.elapsed();
    bed.push(1);
    let (mut old, mut new) = (0, 0);
    const ROUNDS: u32 = 16;
    for round in 0..ROUNDS {
        let mut pushing = bed.pushing(2, &bed.edge.url);
        // Over the whole of a push, and a little beyond.
        thread::sleep(takes.mul_f64(1.1) * round / ROUNDS);
        let Bed { directory, edge, files } = bed;
        edge.kill();
        let succeeded = pushing.wait().unwrap().success();
        let edge = Serving::start(&directory, &[]);
        bed = Bed { directory, edge, files };
        match bed.runs() {
            1 => {
                assert!(!succeeded, "what was acknowledged is lost");
                old += 1;
            }
            _ => new += 1,
        }
        bed.push(2);
        bed.push(1);
    }
    assert!(old > 0, "every one of {ROUNDS} kills came too late: {new}");
}
