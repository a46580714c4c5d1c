//! Silent and slow connections, and heads that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bed::{Directory, ORIGIN, Serving, WRITE_KEY};

fn started() -> (Directory, Serving) {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    (directory, serving)
}

fn connected(serving: &Serving) -> TcpStream {
    let address: SocketAddr = serving.url.strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// All bytes that come back until the connection ends.
fn answer_to(serving: &Serving, request: &str) -> String {
    let mut stream = connected(serving);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_head_names_one_host() {
    let (_directory, serving) = started();
    let get = |version: &str, hosts: &str| {
        answer_to(&serving, &format!("GET /healthz HTTP/{version}\r\nconnection: close\r\n{hosts}\r\n"))
    };
    for (version, hosts) in [("1.1", "host: edge.example\r\n"), ("1.1", "Host: [::1]:8787\r\n"), ("1.0", "")]
    {
        let answer = get(version, hosts);
        assert!(answer.contains(" 200 OK\r\n"), "{hosts}: {answer}");
    }
    for hosts in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a, b\r\n",
        "host: a/b\r\n",
        "host: x@a\r\n",
        "host: \r\n",
        "host: a b\r\n",
        "host: a?b\r\n",
    ] {
        let answer = get("1.1", hosts);
        assert!(
            answer.contains(" 400 Bad Request\r\n") && answer.contains("host is missing"),
            "{hosts}: {answer}"
        );
    }
    let answer = answer_to(&serving, "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\nconnection: close\r\n\r\n");
    assert!(answer.contains(" 405 Method Not Allowed\r\n"), "{answer}");
    assert!(answer.contains("\r\nallow: DELETE, GET, OPTIONS, PATCH, POST, PUT\r\n"), "{answer}");
}

#[test]
fn an_empty_header_is_none() {
    let (_directory, serving) = started();
    serving.fill();
    let post = |empty: &str, origin: &str| {
        let body = "{\"events\":[{\"td_client_id\":\"e\"}]}";
        answer_to(
            &serving,
            &format!(
                "POST /web/pageviews HTTP/1.1\r\nhost: e\r\nauthorization: TD1 {WRITE_KEY}\r\n{empty}{origin}\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    for empty in [
        "content-encoding:\r\n",
        "content-encoding: \r\n",
        "wp13n-token: \r\n",
        "origin:\r\n",
        "if-match:\r\n",
    ] {
        let answer = post(empty, "");
        assert!(answer.contains(" 200 OK\r\n") && answer.contains("\"success\":true"), "{empty}: {answer}");
    }
    let answer = post("content-encoding:\r\n", &format!("origin: {ORIGIN}\r\n"));
    assert!(answer.contains(&format!("access-control-allow-origin: {ORIGIN}")), "{answer}");
}

#[test]
fn who_closes_its_side_after_the_request_is_answered() {
    let (_directory, serving) = started();
    serving.fill();
    let body = "{\"events\":[{\"td_client_id\":\"half\"}]}";
    let length = body.len();
    let head = format!("POST /web/pageviews HTTP/1.1\r\nhost: e\r\nauthorization: TD1 {WRITE_KEY}\r\n");
    for request in [
        "GET /healthz HTTP/1.1\r\nhost: e\r\n\r\n".to_owned(),
        format!("{head}content-length: {length}\r\n\r\n{body}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
    ] {
        for _ in 0..20 {
            let mut stream = connected(&serving);
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.contains(" 200 OK\r\n"), "{request}: {answer}");
        }
    }
    // One whose body ends early is told so, in the words of every host.
    let mut stream = connected(&serving);
    write!(stream, "{head}transfer-encoding: chunked\r\n\r\nzz\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("event is not a valid JSON object"), "{answer}");
}

#[test]
fn silent_connections_keep_nobody_out() {
    let (_directory, serving) = started();
    // More than one address may have, and more than there are.
    let silent: Vec<TcpStream> = (0..1_000)
        .map(|at| {
            let mut stream = connected(&serving);
            if at % 2 == 0 {
                let _ = stream.write_all(b"POST /web/pageviews HTTP/1.1\r\nhost: e");
            }
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(serving.get("/healthz").status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn a_head_that_does_not_come_ends_the_connection_and_a_body_that_does_not_is_told_so() {
    let (_directory, serving) = started();
    serving.fill();
    let mut silent = connected(&serving);
    let mut slow = connected(&serving);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nho").unwrap();
    let mut stuck = connected(&serving);
    let head = format!(
        "POST /web/pageviews HTTP/1.1\r\nhost: e\r\nauthorization: TD1 {WRITE_KEY}\r\norigin: {ORIGIN}\r\n\
         content-length: 100\r\n\r\n{{\"events\""
    );
    stuck.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 1_000];
    let count = stuck.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":4080"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {ORIGIN}\r\n")), "{answer}");
    for stream in [&mut silent, &mut slow] {
        assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0);
    }
}

#[test]
fn a_body_is_asked_for_when_its_head_was_looked_at() {
    let (_directory, serving) = started();
    serving.fill();
    let head = |key: &str, path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: e\r\nauthorization: TD1 {key}\r\norigin: {ORIGIN}\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    let first_line = |request: &str| {
        let mut stream = connected(&serving);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 1_000];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    let answer = first_line(&head(WRITE_KEY, "/web/pageviews", 100));
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    let refused = [
        ("no-key", "/web/pageviews", 100, 401),
        (WRITE_KEY, "/no/such/route", 100, 404),
        (WRITE_KEY, "/v1/audiences/1069944/profiles/import", 100, 403),
        (WRITE_KEY, "/web/pageviews", 6_000_000, 413),
    ];
    for (key, path, length, status) in refused {
        let answer = first_line(&head(key, path, length));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    // A page reads that it was too much.
    let answer = first_line(&head(WRITE_KEY, "/web/pageviews", 6_000_000));
    assert!(answer.contains(&format!("access-control-allow-origin: {ORIGIN}\r\n")), "{answer}");
}

/// Memory of the process, in KiB.
#[cfg(target_os = "linux")]
fn resident(serving: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Buffers are for callers who say something.
#[test]
#[cfg(target_os = "linux")]
fn a_silent_connection_takes_no_buffers() {
    let (_directory, serving) = started();
    assert_eq!(serving.get("/healthz").status, 200);
    let before = resident(&serving);
    // As many as one address may have, so that none of them is closed; the last one is answered after all were accepted.
    let silent: Vec<TcpStream> = (0..250).map(|_| connected(&serving)).collect();
    assert_eq!(serving.get("/healthz").status, 200);
    let each = (resident(&serving) - before) * 1_024 / 250;
    assert!(each < 6 * 1_024, "{each} bytes each");
    drop(silent);
}

/// The body of a caller without a key costs no memory: it is discarded.
#[test]
#[cfg(target_os = "linux")]
fn bodies_without_a_key_are_not_kept() {
    let (_directory, serving) = started();
    let before = resident(&serving);
    let part = vec![b' '; 64 * 1024];
    let mut streams: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = connected(&serving);
            let head = "POST /web/pageviews HTTP/1.1\r\nhost: e\r\ncontent-length: 5242880\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut most = before;
    for _ in 0..79 {
        for stream in &mut streams {
            // It may be closed by now.
            let _ = stream.write_all(&part);
        }
        most = most.max(resident(&serving));
    }
    for stream in &mut streams {
        let mut answer = [0; 20];
        let count = stream.read(&mut answer).unwrap_or(0);
        assert!(answer[..count].starts_with(b"HTTP/1.1 401 "));
    }
    assert!(most - before < 32 * 1024, "{} KiB more", most - before);
}
