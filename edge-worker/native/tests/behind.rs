//! An edge whose isolates are not where its control object is: what the command line looks at, and what it mends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bed::{ADMIN_KEY, AUDIENCE, Directory, Ended, command, run, text};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The kept bundles, oldest first, and the one that the answering isolate runs.
struct Control {
    bodies: Vec<String>,
    isolate: Option<usize>,
}

/// The isolate that answers; every change that reached the control object is noted: `POST rollback` and the `If-Match`.
struct Stub {
    url: String,
    changes: Arc<Mutex<Vec<(String, String)>>>,
    /// The body of the last of them.
    sent: Arc<Mutex<String>>,
}

fn hash_of(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn body_of(name: &str) -> String {
    json!({"format": 2, "definition": {"audience": {"id": AUDIENCE, "name": name}}}).to_string()
}

impl Stub {
    fn start(control: Control) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let changes = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(Mutex::new(String::new()));
        let (noted, last) = (Arc::clone(&changes), Arc::clone(&sent));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                control.answer(stream, &noted, &last);
            }
        });
        Stub { url, changes, sent }
    }

    fn rolled_back(&self, more: &[&str]) -> Ended {
        let args = [&["rollback", "--audience", AUDIENCE, "--to", &self.url, "-y"], more].concat();
        run(command(&args).env("USHER_ADMIN_KEY", ADMIN_KEY), "")
    }

    fn changes(&self) -> Vec<(String, String)> {
        self.changes.lock().unwrap().clone()
    }
}

impl Control {
    /// One request a connection.
    fn answer(&self, stream: TcpStream, changes: &Mutex<Vec<(String, String)>>, sent: &Mutex<String>) {
        let mut reader = BufReader::new(&stream);
        let (mut first, mut line, mut length, mut if_match) =
            (String::new(), String::new(), 0, String::new());
        reader.read_line(&mut first).unwrap();
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some((name, value)) = line.trim().split_once(": ") {
                match &*name.to_ascii_lowercase() {
                    "content-length" => length = value.parse().unwrap(),
                    "if-match" => if_match = value.trim_matches('"').to_owned(),
                    _ => {}
                }
            }
            line.clear();
        }
        let mut told = String::new();
        reader.take(length).read_to_string(&mut told).unwrap();
        let mut words = first.split(' ');
        let method = words.next().unwrap();
        let path = words.next().unwrap().strip_prefix(&format!("/v1/audiences/{AUDIENCE}/")).unwrap();
        let newest = self.bodies.len() - 1;
        let shown = match (method, path) {
            ("GET", "bundle") => self.isolate,
            ("GET", "bundles/previous") => newest.checked_sub(1),
            ("GET", kept) if kept.starts_with("bundles/") => {
                self.bodies.iter().position(|body| hash_of(body) == kept["bundles/".len()..])
            }
            _ => None,
        };
        let (status, headers, body) = if let Some(body) = shown.and_then(|index| self.bodies.get(index)) {
            let number = shown.unwrap() + 1;
            (200, format!("etag: \"{}\"\r\nusher-bundle: {number}\r\n", hash_of(body)), body.clone())
        } else if method == "GET" && path == "bundles" {
            let status = if self.isolate == Some(newest) { "ok" } else { "updating" };
            let kept = |(index, body): (usize, &String)| json!({"number": index + 1, "hash": hash_of(body)});
            let bundles: Vec<Value> = self.bodies.iter().enumerate().rev().map(kept).collect();
            (200, String::new(), json!({"status": status, "kept": 20, "bundles": bundles}).to_string())
        } else if method == "GET" {
            (404, String::new(), json!({"title": "not found", "code": "not_found"}).to_string())
        } else {
            *sent.lock().unwrap() = told;
            changes.lock().unwrap().push((format!("{method} {path}"), if_match));
            let answer =
                json!({"status": "ok", "number": newest + 2, "hash": "0", "changed": path == "rollback"});
            (200, String::new(), answer.to_string())
        };
        let head =
            format!("HTTP/1.1 {status} x\r\n{headers}connection: close\r\ncontent-length: {}", body.len());
        (&stream).write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }
}

#[test]
fn a_rollback_replaces_what_should_run_wherever_it_is_asked() {
    let bodies = [body_of("good"), body_of("bad")];
    // It has not caught up, it cannot run anything, it runs what it should.
    for isolate in [Some(0), None, Some(1)] {
        let stub = Stub::start(Control { bodies: bodies.to_vec(), isolate });
        let ended = stub.rolled_back(&[]);
        assert_eq!(ended.code, 0, "{isolate:?} {ended:?}");
        assert!(ended.out.contains("Bundle 3 of audience 1069944 runs now"), "{ended:?}");
        assert!(ended.err.contains("Against bundle 2"), "{ended:?}");
        assert_eq!(stub.changes(), [("POST rollback".to_owned(), hash_of(&bodies[1]))], "{isolate:?}");
    }
}

#[test]
fn a_rollback_may_name_what_it_replaces() {
    let stub = Stub::start(Control { bodies: vec![body_of("good"), body_of("bad")], isolate: Some(1) });
    let hash = hash_of("another");
    assert_eq!(stub.rolled_back(&["--if-match", &hash]).code, 0);
    assert_eq!(stub.changes(), [("POST rollback".to_owned(), hash)]);
}

#[test]
fn a_push_of_what_should_run_is_sent_where_it_does_not() {
    let directory = Directory::new();
    let file = directory.write("a.yaml", format!("parent_segment_id: '{AUDIENCE}'\nid_stitching:\n  primary_key: v\n  stitching_keys: [{{name: v}}]\n"));
    let push = |stub: &Stub| {
        let args = ["push", text(&file), "--to", &stub.url, "-y"];
        run(command(&args).env("USHER_ADMIN_KEY", ADMIN_KEY), "")
    };
    let stub = Stub::start(Control { bodies: vec![body_of("bad")], isolate: None });
    assert_eq!(push(&stub).code, 0);
    assert_eq!(stub.changes(), [("PUT bundle".to_owned(), hash_of(&body_of("bad")))]);
    let body = stub.sent.lock().unwrap().clone();
    for (isolate, changes) in [(None, vec![("PUT bundle".to_owned(), hash_of(&body))]), (Some(0), Vec::new())]
    {
        let stub = Stub::start(Control { bodies: vec![body.clone()], isolate });
        let pushed = push(&stub);
        assert!(pushed.code == 0 && pushed.out.contains("already runs"), "{pushed:?}");
        assert_eq!(stub.changes(), changes);
    }
}
