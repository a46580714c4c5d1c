//! The access log: a line for each request, and nothing in it that a caller wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;

use bed::{Directory, PUBLIC_TOKEN, SERVER_KEY, Serving, WRITE_KEY, command, text};
use serde_json::{Value, json};

/// Texts that a caller may write anywhere.
const CANARY: &str = "canary-mira@shop.example";

#[test]
fn each_request_is_a_line_that_names_nobody() {
    let directory = Directory::new();
    directory.demo_secret();
    fs::create_dir(directory.join("www")).unwrap();
    directory.write(&format!("www/{CANARY}.html"), "<p>");
    let (data, keys) = (directory.join("data"), directory.join("keys.json"));
    let (www, log) = (directory.join("www"), directory.join("log"));
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(&data),
        "--keys",
        text(&keys),
        "--access-log",
        "--www",
        text(&www),
    ];
    let file = File::create(&log).unwrap();
    let serving = Serving::logging_to(command(&args).env("USHER_DEMO", "1"), file);
    serving.fill();

    let mut ids = Vec::new();
    let mut expected = Vec::new();
    let mut ask =
        |method: &str, target: &str, headers: &[(&str, &str)], body: &str, line: (&str, &str, u64)| {
            let address = serving.url.strip_prefix("http://").unwrap();
            let mut stream = TcpStream::connect(address).unwrap();
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            write!(
                stream,
                "{method} {target} HTTP/1.1\r\nhost: e\r\nconnection: close\r\nx-request-id: {CANARY}\r\n\
             {headers}content-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {} ", line.2)), "{method} {target}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let id = head.lines().find_map(|line| line.strip_prefix("usher-request-id: ")).expect("an id");
            ids.push(id.to_owned());
            expected.push(json!([line.0, line.1, line.2, body.len()]));
        };
    let write = format!("TD1 {WRITE_KEY}");
    let server = format!("TD1 {SERVER_KEY}");
    let event =
        json!({"events": [{"td_client_id": CANARY, "customer_id": CANARY, "td_path": CANARY}]}).to_string();
    let single = json!({"td_client_id": CANARY}).to_string();
    let events = "/{database}/{table}";
    ask(
        "POST",
        &format!("/web/pageviews?q={CANARY}"),
        &[("authorization", &write)],
        &event,
        ("POST", events, 200),
    );
    let page = [
        ("authorization", &*write),
        ("wp13n-token", PUBLIC_TOKEN),
        ("origin", bed::ORIGIN),
        ("user-agent", CANARY),
    ];
    ask("POST", "/public/web/pageviews", &page, &single, ("POST", "/public/{database}/{table}", 200));
    ask("POST", "/web/pageviews", &[("authorization", CANARY)], &event, ("POST", events, 401));
    ask("POST", "/web/pageviews", &[("authorization", &write)], CANARY, ("POST", events, 400));
    ask("GET", &format!("/{CANARY}/x"), &[("authorization", &server)], "", ("GET", "-", 404));
    ask("GET", &format!("/{CANARY}.html?{CANARY}"), &[], "", ("GET", "(file)", 200));
    ask("GET", "/healthz", &[("cookie", CANARY)], "", ("GET", "/healthz", 200));
    ask("CANARY-MIRA", "/healthz", &[("authorization", &server)], "", ("other", "/healthz", 405));
    let lookup = json!({"audience": bed::AUDIENCE, "personalization": "web_personalization",
        "key": {"name": "td_client_id", "value": CANARY}});
    ask(
        "POST",
        "/v1/personalize",
        &[("authorization", &server)],
        &lookup.to_string(),
        ("POST", "/v1/personalize", 200),
    );
    ask("POST", "/v1/explain", &[("authorization", CANARY)], CANARY, ("POST", "/v1/explain", 401));
    // What the service says of an event is about its request.
    let refused = json!({"events": [{"td_client_id": CANARY, "customer_id": ""}]}).to_string();
    ask("POST", "/web/pageviews", &[("authorization", &write)], &refused, ("POST", events, 200));
    assert_eq!(serving.terminate().code(), Some(0));

    let logged = fs::read_to_string(&log).unwrap();
    for secret in [CANARY, "canary", "CANARY", "mira", WRITE_KEY, SERVER_KEY, PUBLIC_TOKEN] {
        assert!(!logged.contains(secret), "{secret} is in the log: {logged}");
    }
    // Lines of what filled it may come behind the first of these.
    let lines = logged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines
        .filter(|line| line["request_id"].as_str().is_some_and(|id| ids.iter().any(|known| known == id)));
    let (lines, others): (Vec<Value>, Vec<Value>) = lines.partition(|line| line["event"] == "request");
    let fields = ["at_ms", "bytes", "event", "method", "ms", "request_id", "route", "status"];
    for line in &lines {
        let mut names: Vec<&String> = line.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, fields);
        assert!(line["ms"].as_f64().unwrap() >= 0.0 && line["at_ms"].is_i64());
    }
    let refused = others.iter().find(|line| line["event"] == "key_refused").expect("a line of the service");
    assert_eq!(refused["request_id"].as_str(), ids.last().map(String::as_str), "{refused}");
    assert!(refused["at_ms"].is_i64(), "{refused}");
    let told: Vec<Value> = lines
        .iter()
        .map(|line| json!([line["method"], line["route"], line["status"], line["bytes"]]))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
}
