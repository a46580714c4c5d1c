//! The HTTP host over real sockets, with the verbs that talk to it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bed::{
    ADMIN_KEY, AUDIENCE, Directory, ORIGIN, PUBLIC_TOKEN, SERVER_KEY, Serving, WRITE_KEY, command, run, shop,
    text, usher,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

fn started() -> (Directory, Serving) {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    (directory, serving)
}

fn page_view(id: &str) -> Value {
    json!({"td_client_id": "anon-7", "td_path": "/", "uuid": id})
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_visit_is_answered_and_a_restart_keeps_it() {
    let (directory, serving) = started();
    serving.fill();
    assert_eq!(serving.get("/healthz").body["status"], "ok");

    for id in ["e1", "e2", "e3"] {
        let answer = serving.ingest("/web/pageviews", page_view(id));
        assert_eq!((answer.status, &answer.body["receipts"][0]["success"]), (200, &json!(true)));
    }
    assert!(serving.personalize("td_client_id", "anon-7").get("Warm").is_some());
    let form = json!({"td_client_id": "anon-7", "customer_id": "c-1001", "uuid": "e4"});
    assert_eq!(serving.ingest("/web/formfills", form).status, 200);
    let headers = [
        ("authorization", &*format!("TD1 {WRITE_KEY}")),
        ("wp13n-token", PUBLIC_TOKEN),
        ("origin", ORIGIN),
        ("content-type", "application/json"),
    ];
    let answer = serving.post("/public/web/pageviews", &headers, page_view("e5").to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let vip = &answer.body["offers"]["VIP Customers"];
    assert_eq!(vip["attributes"]["vip_discount_percentage"], 15);
    assert_eq!(vip["batch_segments"], json!(["high_value", "newsletter"]));

    assert_eq!(serving.terminate().code(), Some(0));
    let serving = Serving::start(&directory, &[]);
    assert_eq!(serving.personalize("td_client_id", "anon-7")["VIP Customers"], *vip);
    let health = serving.get("/healthz");
    assert_eq!(health.body["bundles"][0]["number"], 1);

    // The same tree from the edge.
    let explain = |key: &str, more: &[&str]| {
        let key = format!("td_client_id={key}");
        let args = [&["explain", "--from", &serving.url, "--key", &key], more].concat();
        run(command(&args).env("USHER_SERVER_KEY", SERVER_KEY), "")
    };
    let explained = explain("anon-7", &["--personalization", "web_personalization"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert!(explained.out.contains("✓ loyalty_tier = 'VIP': matched; loyalty_tier = \"VIP\" (batch"));
    let none = explain("nobody", &["--personalization", "cart_entity"]);
    assert_eq!(none.code, 3, "{none:?}");
}

#[test]
fn a_crash_right_after_an_acknowledgement_loses_nothing() {
    let (directory, mut serving) = started();
    serving.fill();
    for round in 1..=5 {
        let answer = serving.ingest("/web/pageviews", page_view(&format!("r{round}")));
        assert_eq!(answer.body["receipts"][0]["success"], true);
        serving.kill();
        serving = Serving::start(&directory, &[]);
        let offers = serving.personalize("td_client_id", "anon-7");
        let section = if round < 3 { "Default" } else { "Warm" };
        assert_eq!(offers[section]["attributes"]["page_views_24h"], round, "{offers}");
    }
}

#[test]
fn push_publishes_once_and_heeds_if_match() {
    let (_directory, serving) = started();
    let shop = shop();
    let push = |more: &[&str]| {
        let args = [&["push", text(&shop), "--to", &serving.url], more].concat();
        run(command(&args).env("USHER_ADMIN_KEY", ADMIN_KEY), "")
    };
    let dry = push(&["--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(serving.get("/healthz").body["bundles"], json!([]));
    let unasked = push(&[]);
    assert_eq!(unasked.code, 64, "{unasked:?}");
    assert!(unasked.err.contains("add -y"), "{unasked:?}");

    let first = push(&["-y"]);
    assert!(first.code == 0 && first.out.contains("Bundle 1 of audience 1069944 runs now"), "{first:?}");
    let hash = first.out.lines().find_map(|line| line.strip_prefix("hash ")).unwrap();
    let again = push(&["-y", "--if-match", hash]);
    assert!(again.code == 0 && again.out.contains("Bundle 1 of audience 1069944 already runs"), "{again:?}");
    let other = push(&["-y", "--if-match", &"0".repeat(64)]);
    assert!(other.code == 1 && other.err.contains("412"), "{other:?}");
}

#[test]
fn keys_that_do_not_fit_are_refused_and_never_repeated() {
    let (directory, serving) = started();
    let shop = shop();
    let push = ["push", text(&shop), "--to", &serving.url, "-y"];
    let missing = usher(&push);
    assert!(missing.code == 64 && missing.err.contains("USHER_ADMIN_KEY is not set"), "{missing:?}");
    for key in ["1/wrong-and-secret", SERVER_KEY] {
        let refused = run(command(&push).env("USHER_ADMIN_KEY", key), "");
        assert!(refused.code == 1 && refused.err.contains("USHER_ADMIN_KEY"), "{refused:?}");
        assert!(!refused.err.contains(key) && !refused.out.contains(key), "{refused:?}");
    }
    let file = shop.join("profiles.ndjson");
    let import = ["import", text(&file), "--audience", AUDIENCE, "--to", &serving.url];
    let refused = run(command(&import).env("USHER_SERVER_KEY", WRITE_KEY), "");
    assert!(refused.code == 1 && refused.err.contains("403"), "{refused:?}");
    let answer = serving.post("/web/pageviews", &[("authorization", "TD1 1/wrong")], b"{\"events\":[]}");
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!(4010)));
    serving.terminate();

    // The demo's keys are public: without a word that this is a demo nothing is served by them.
    let data = directory.join("data");
    let keys = directory.join("keys.json");
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--keys", text(&keys)];
    let closed = Serving::of(&mut command(&args));
    assert_eq!(closed.ingest("/web/pageviews", page_view("x")).status, 503);
    assert_eq!(closed.get("/healthz").body["status"], "unconfigured");
}

#[test]
fn import_names_the_lines_of_the_file() {
    let (directory, serving) = started();
    serving.fill();
    let mut rows = String::new();
    for row in 1..=2_500 {
        match row {
            1_200 => rows.push_str("\n\n"),
            7 => rows.push_str("{\"customer_id\": 7}\n"),
            2_100 => rows.push_str("not json\n"),
            _ => rows
                .push_str(&format!("{{\"customer_id\":\"i-{row}\",\"loyalty_tier\":\"VIP\",\"shoe\":1}}\n")),
        }
    }
    let file = directory.write("rows.ndjson", rows);
    let import = ["import", text(&file), "--audience", AUDIENCE, "--to", &serving.url];
    let imported = run(command(&import).env("USHER_SERVER_KEY", SERVER_KEY), "");
    assert_eq!(imported.code, 1, "{imported:?}");
    assert_eq!(imported.out, "imported 2497, unchanged 0, rejected 2, values refused 0\n");
    let lines: BTreeSet<&str> = imported
        .err
        .lines()
        .filter(|line| line.contains(": rejected: "))
        .filter_map(|line| line.strip_prefix(text(&file))?.split(':').nth(1))
        .collect();
    // One row of the loop is two blank lines, so what follows stands a line lower.
    assert_eq!(lines, BTreeSet::from(["7", "2101"]), "{imported:?}");
    assert!(imported.err.contains("shoe"), "{imported:?}");
    assert!(serving.personalize("customer_id", "i-2500").get("VIP Customers").is_some());

    let input = "{\"customer_id\":\"i-1\",\"loyalty_tier\":\"Gold\",\"computed_at\":\"2020-01-01\"}";
    let older = ["import", "-", "--audience", AUDIENCE, "--to", &serving.url];
    let older = run(command(&older).env("USHER_SERVER_KEY", SERVER_KEY), input);
    assert_eq!(
        (older.code, older.out.as_str()),
        (0, "imported 0, unchanged 1, rejected 0, values refused 0\n"),
        "{older:?}"
    );
}

#[test]
fn bodies_are_bounded_and_inflated() {
    let (_directory, serving) = started();
    serving.fill();
    let authorization = format!("TD1 {WRITE_KEY}");
    let post = |encoding: Option<&str>, body: &[u8]| {
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
        let answer = serving.post("/web/pageviews", &headers, body);
        (answer.status, answer.body["code"].as_i64())
    };
    let event = json!({"events": [page_view("g1")]}).to_string();
    assert_eq!(post(Some("gzip"), &packed(event.as_bytes())), (200, None));
    assert_eq!(post(Some("identity"), event.as_bytes()), (200, None));
    assert!(serving.personalize("td_client_id", "anon-7").get("Default").is_some());

    let large = vec![b' '; 6 * 1024 * 1024];
    assert_eq!(post(None, &large), (413, Some(4130)));
    assert_eq!(post(Some("gzip"), &packed(&large)), (413, Some(4130)));
    assert_eq!(post(Some("gzip"), event.as_bytes()), (400, Some(3004)));
    assert_eq!(post(Some("br"), event.as_bytes()).0, 415);
    assert_eq!(post(None, event.as_bytes()), (200, None));
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let (_directory, serving) = started();
    serving.fill();
    let body = "{\"events\":[]}";
    let address = serving.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /web/pageviews HTTP/1.1\r\nhost: x\r\nauthorization: TD1 {WRITE_KEY}\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It has taken the request when it asks for the body.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let ending = thread::spawn(move || serving.terminate());
    // New callers are turned away once it has heard the signal.
    let address = stream.peer_addr().unwrap();
    let deadline = Instant::now() + Duration::from_secs(4);
    while TcpStream::connect(address).is_ok() && Instant::now() < deadline {
        thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(ending.join().unwrap().code(), Some(0));
}

/// A request whose body does not come: its head is taken, and it is waited for.
fn stuck(serving: &Serving) -> TcpStream {
    let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /web/pageviews HTTP/1.1\r\nhost: x\r\nauthorization: TD1 {WRITE_KEY}\r\ncontent-length: 100\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    stream
}

#[test]
fn who_says_nothing_does_not_delay_the_end() {
    let (_directory, serving) = started();
    let address = serving.url.strip_prefix("http://").unwrap().to_owned();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(serving.get("/healthz").status, 200);
    let start = Instant::now();
    assert_eq!(serving.terminate().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn who_is_waited_for_is_cut_off_after_a_while_and_at_once_by_a_second_signal() {
    for (again, code, seconds) in [(false, 0, 4..60), (true, 1, 0..4)] {
        let (_directory, serving) = started();
        serving.fill();
        let stream = stuck(&serving);
        let id = serving.id().to_string();
        let start = Instant::now();
        let ending = thread::spawn(move || serving.terminate());
        thread::sleep(Duration::from_millis(700));
        if again {
            assert!(std::process::Command::new("kill").arg(&id).status().unwrap().success());
        }
        assert_eq!(ending.join().unwrap().code(), Some(code));
        assert!(seconds.contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        drop(stream);
    }
}

#[test]
fn callers_at_once_are_all_counted() {
    let (_directory, serving) = started();
    serving.fill();
    thread::scope(|scope| {
        for caller in 0..4 {
            let serving = &serving;
            scope.spawn(move || {
                for event in 0..10 {
                    let answer = serving.ingest("/web/pageviews", page_view(&format!("c{caller}-{event}")));
                    assert_eq!(answer.body["receipts"][0]["success"], true);
                }
            });
        }
    });
    let offers = serving.personalize("td_client_id", "anon-7");
    assert_eq!(offers["Warm"]["attributes"]["page_views_24h"], 40, "{offers}");
}

/// Only where a panic unwinds; a release build aborts, and whoever watches the process starts it again.
#[test]
#[cfg(all(feature = "fault", panic = "unwind"))]
fn a_panic_is_one_callers_misfortune() {
    let (_directory, serving) = started();
    serving.fill();
    serving.ingest("/web/pageviews", page_view("p1"));
    // Where the head is looked at, and in the writer's thread.
    for (fault, next) in [("panic", "p2"), ("body panic", "p3")] {
        let headers = [("x-usher-fault", fault), ("authorization", &*format!("TD1 {WRITE_KEY}"))];
        let answer = serving.post("/web/pageviews", &headers, b"{}");
        assert_eq!((answer.status, &answer.body["code"]), (500, &json!(9999)), "{fault}");
        assert_eq!(serving.ingest("/web/pageviews", page_view(next)).status, 200, "{fault}");
    }
    let offers = serving.personalize("td_client_id", "anon-7");
    assert_eq!(offers["Warm"]["attributes"]["page_views_24h"], 3, "{offers}");
}

#[test]
fn a_damaged_profile_is_not_explained_as_nobody() {
    let (directory, serving) = started();
    serving.fill();
    assert_eq!(serving.ingest("/web/pageviews", page_view("damaged-1")).status, 200);
    let database = rusqlite::Connection::open(directory.join("data/usher.sqlite3")).unwrap();
    database.execute("UPDATE profile SET state = x'00'", []).unwrap();
    let visitor = page_view("")["td_client_id"].clone();
    let body = json!({"audience": AUDIENCE, "key": {"name": "td_client_id", "value": visitor}});
    let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
    let answer = serving.post("/v1/explain", &headers, body.to_string().as_bytes());
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("storage_unavailable")), "{answer:?}");
    // Whom nobody knows is explained as nobody.
    let body = json!({"audience": AUDIENCE, "key": {"name": "td_client_id", "value": "nobody"}});
    let answer = serving.post("/v1/explain", &headers, body.to_string().as_bytes());
    assert_eq!((answer.status, &answer.body["profile"]["known"]), (200, &json!(false)), "{answer:?}");
}

#[test]
fn one_process_owns_a_directory() {
    let (directory, serving) = started();
    let data = directory.join("data");
    let second = usher(&["serve", "--listen", "127.0.0.1:0", "--data", text(&data)]);
    assert!(second.code == 1 && second.err.contains("another process"), "{second:?}");
    drop(serving);
}

#[test]
fn the_number_of_shards_is_fixed_at_the_first_start() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--shards", "3"]);
    serving.fill();
    serving.ingest("/web/pageviews", page_view("s1"));
    assert_eq!(serving.terminate().code(), Some(0));
    let data = directory.join("data");
    let other = usher(&["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--shards", "4"]);
    assert!(other.code == 1 && other.err.contains("has 3 shards, not 4"), "{other:?}");
    assert!(other.err.contains("--shards 3") && other.err.contains("export and import"), "{other:?}");
    let serving = Serving::start(&directory, &[]);
    let offers = serving.personalize("td_client_id", "anon-7");
    assert_eq!(offers["Default"]["attributes"]["page_views_24h"], 1, "{offers}");
    let headers = [("authorization", &*format!("Bearer {ADMIN_KEY}"))];
    let metrics = serving.get_as("/metrics", &headers).text;
    assert!(metrics.lines().any(|line| line == "usher_open_merges 0"), "{metrics}");
}

#[test]
fn files_are_served_beside_the_service() {
    let directory = Directory::new();
    directory.demo_secret();
    std::fs::create_dir(directory.join("www")).unwrap();
    directory.write("www/index.html", "<p>shop</p>");
    directory.write("www/healthz", "not this");
    let www = directory.join("www");
    let serving = Serving::start(&directory, &["--www", text(&www)]);
    let page = serving.get("/?x=1");
    assert_eq!((page.status, page.text.as_str()), (200, "<p>shop</p>"));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(serving.get("/healthz").body["status"], "ok");
    assert_eq!(serving.get("/keys.json").status, 404);
    assert_eq!(serving.get("/%2e%2e/keys.json").status, 404);
}
