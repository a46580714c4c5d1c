//! Erasure natively: nothing of a visitor is left in any file, whatever happens meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use bed::{ADMIN_KEY, AUDIENCE, Directory, SERVER_KEY, Serving, WRITE_KEY, command, run, shop, text};
use serde_json::{Value, json};

fn key() -> (&'static str, String) {
    ("authorization", format!("TD1 {SERVER_KEY}"))
}

fn profile(serving: &Serving, key: &str, value: &str) -> String {
    format!("{}/v1/audiences/{AUDIENCE}/profiles/{key}/{value}", serving.url)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}

/// The status of an erasure; None if the connection broke.
fn erase(url: &str) -> Option<u16> {
    let (name, value) = key();
    agent().delete(url).header(name, value).call().ok().map(|answer| answer.status().as_u16())
}

/// The files below a directory that contain a text.
fn with(directory: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(with(&entry.path(), canary));
        } else if fs::read(entry.path()).unwrap().windows(canary.len()).any(|part| part == canary.as_bytes())
        {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

fn import(serving: &Serving, record: &Value) -> Value {
    let (name, value) = key();
    let path = format!("/v1/audiences/{AUDIENCE}/profiles/import");
    serving.post(&path, &[(name, &value)], record.to_string().as_bytes()).body
}

/// A visitor with a canary as a key, in attributes and in a record, in two versions each, and with an absorbed profile.
fn fill(serving: &Serving, canary: &str) {
    for version in 0..2 {
        // Large enough to have pages of its own.
        for product in 0..40 {
            let product = format!("{canary}-attribute-{version}-{product}-{}", "x".repeat(150));
            let view = json!({"td_client_id": format!("{canary}-key"), "td_path": "/product/1", "product_id": product});
            assert_eq!(serving.ingest("/web/pageviews", view).body["receipts"][0]["success"], true);
        }
        let record = json!({"customer_id": format!("{canary}-customer"), "email": format!("{canary}-record-{version}")});
        assert_eq!(import(serving, &record)["imported"], 1);
    }
    let joined =
        json!({"td_client_id": format!("{canary}-key"), "customer_id": format!("{canary}-customer")});
    assert_eq!(serving.ingest("/web/formfills", joined).body["receipts"][0]["success"], true);
}

#[test]
fn nothing_is_left_in_any_file() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    serving.fill();
    fill(&serving, "canary-gone");
    fill(&serving, "canary-kept");
    let data = directory.join("data");
    for part in ["key", "attribute-0", "attribute-1", "record-0", "record-1", "customer"] {
        assert!(!with(&data, &format!("canary-gone-{part}")).is_empty(), "{part} is there before");
    }
    assert_eq!(erase(&profile(&serving, "td_client_id", "canary-gone-key")), Some(200));
    assert_eq!(with(&data, "canary-gone"), [""; 0]);
    // Late events and imports bring nothing back.
    let late = json!({"td_client_id": "canary-gone-key", "time": 1_790_000_000, "td_path": "/"});
    let refused = serving.ingest("/web/pageviews", late);
    assert_eq!(refused.body["receipts"][0]["error"]["name"], "erased", "{refused:?}");
    assert_eq!(
        import(&serving, &json!({"customer_id": "canary-gone-customer"}))["rejected"][0]["reason"],
        "erased"
    );
    assert_eq!(with(&data, "canary-gone"), [""; 0]);
    assert!(serving.terminate().success());
    assert_eq!(with(&data, "canary-gone"), [""; 0]);
    let serving = Serving::start(&directory, &[]);
    assert_eq!(with(&data, "canary-gone"), [""; 0]);
    assert_eq!(
        serving
            .get_as(
                &profile(&serving, "td_client_id", "canary-gone-key")[serving.url.len()..],
                &[(key().0, &key().1)]
            )
            .status,
        404
    );
    assert!(!with(&data, "canary-kept-record-1").is_empty(), "others are there");
}

/// Rows of tables go with the person, also one without a profile, and of a table that is declared no more.
#[test]
fn no_row_of_a_table_is_left_in_any_file() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    serving.fill();
    let tables = directory.write(
        "tables.yaml",
        "parent_segment_id: \"1069944\"\ntables:\n  - {name: letters, key: customer_id, columns: [topic]}\n",
    );
    let push = |paths: &[&str]| {
        let args = [&["push"], paths, &["--to", &serving.url, "-y"]].concat();
        let pushed = run(command(&args).env("USHER_ADMIN_KEY", ADMIN_KEY), "");
        assert_eq!(pushed.code, 0, "{pushed:?}");
    };
    let shop = shop();
    push(&[text(&shop), text(&tables)]);
    let rows = |version: usize| {
        let row = |number: usize| {
            let who = ["gone", "late", "kept"][number % 3];
            let topic = format!("canary-{who}-topic-{version}-{}", "x".repeat(number));
            json!({"customer_id": format!("canary-{who}-{}", number / 3), "topic": topic}).to_string()
        };
        let body = (0..90).map(row).collect::<Vec<_>>().join("\n");
        let path = format!("{}/v1/audiences/{AUDIENCE}/tables/letters/import", serving.url);
        let (name, value) = key();
        let answer = agent().put(&path).header(name, value).send(body.as_bytes()).unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    };
    rows(0);
    rows(1);
    let data = directory.join("data");
    assert!(!with(&data, "canary-gone-topic-1").is_empty() && !with(&data, "canary-late-29").is_empty());
    let all = |who: &str| {
        for number in 0..30 {
            let customer = profile(&serving, "customer_id", &format!("canary-{who}-{number}"));
            assert_eq!(erase(&customer), Some(200), "{customer}");
        }
        assert_eq!(with(&data, &format!("canary-{who}")), [""; 0]);
    };
    all("gone");
    push(&[text(&shop)]);
    all("late");
    assert!(!with(&data, "canary-kept-topic-1").is_empty(), "others are there");
    assert!(serving.terminate().success());
    let _serving = Serving::start(&directory, &[]);
    assert_eq!([with(&data, "canary-gone"), with(&data, "canary-late")].concat(), [""; 0]);
}

/// Others ask while the log is not empty, as in a backup.
#[test]
fn a_reader_of_the_files_holds_nothing_up_for_good() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    serving.fill();
    let view = json!({"td_client_id": "canary-read", "td_path": "/"});
    serving.ingest("/web/pageviews", view);
    let data = directory.join("data");
    let reader = rusqlite::Connection::open(data.join("usher.sqlite3")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let rows: i64 = reader.query_row("SELECT count(*) FROM profile_key", [], |row| row.get(0)).unwrap();
    assert!(rows > 0);
    assert_eq!(erase(&profile(&serving, "td_client_id", "canary-read")), Some(200));
    assert!(!with(&data, "canary-read").is_empty(), "the reader has it");
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    // The next erasure empties the log, too, if no turn of upkeep came before.
    serving.ingest("/web/pageviews", json!({"td_client_id": "canary-next", "td_path": "/"}));
    assert_eq!(erase(&profile(&serving, "td_client_id", "canary-next")), Some(200));
    assert_eq!(with(&data, "canary-"), [""; 0]);
}

/// An erasure amid events of the visitor, and a process that is killed at any moment of it: afterwards it is whole or has
/// not happened, and an event from before it is never in a profile.
#[test]
fn an_erasure_is_whole_or_has_not_happened() {
    let (mut gone, mut kept) = (0, 0);
    for round in 0..12_u64 {
        let directory = Directory::new();
        directory.demo_secret();
        let serving = Serving::start(&directory, &[]);
        serving.fill();
        let canary = format!("canary-{round}");
        fill(&serving, &canary);
        let (data, url) =
            (directory.join("data"), profile(&serving, "td_client_id", &format!("{canary}-key")));
        let events = format!("{}/web/pageviews", serving.url);
        let stopped = thread::scope(|scope| {
            // Events without a time: those that arrive later than the erasure begin anew.
            let views = scope.spawn(|| {
                let body = json!({"events": [{"td_client_id": format!("{canary}-key"), "td_path": "/late"}]});
                let send = || {
                    agent()
                        .post(&events)
                        .header("authorization", format!("TD1 {WRITE_KEY}"))
                        .send(body.to_string().as_bytes())
                };
                while send().is_ok() {}
            });
            let erasing = scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                erase(&url)
            });
            // From before the erasure until after it.
            thread::sleep(Duration::from_millis(4 + round));
            let id = serving.id();
            serving.kill();
            views.join().unwrap();
            (erasing.join().unwrap(), id)
        });
        let serving = Serving::start(&directory, &[]);
        let (name, value) = key();
        let answer = serving.get_as(
            &profile(&serving, "customer_id", &format!("{canary}-customer"))[serving.url.len()..],
            &[(name, &value)],
        );
        let left = with(&data, &format!("{canary}-customer"));
        if answer.status == 404 {
            // Whoever came back has a new profile, without the record and the attributes of before.
            assert_eq!(left, [""; 0], "round {round}");
            assert_eq!(with(&data, &format!("{canary}-attribute")), [""; 0], "round {round}");
            gone += 1;
        } else {
            assert_eq!((answer.status, stopped.0), (200, None), "round {round}: {answer:?}");
            assert_eq!(answer.body["records"][0]["key"], format!("{canary}-customer"));
            kept += 1;
            // It can be asked again.
            assert_eq!(erase(&profile(&serving, "td_client_id", &format!("{canary}-key"))), Some(200));
            assert_eq!(with(&data, &format!("{canary}-customer")), [""; 0], "round {round}");
        }
    }
    assert_eq!(gone + kept, 12);
    println!("{gone} erasures were whole, {kept} had not happened");
}

/// Nobody calls `POST /v1/tick`: the first turn comes a minute after the start.
#[test]
fn a_timer_deletes_who_has_been_idle_for_too_long() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    serving.fill();
    for visitor in ["canary-idle", "canary-active"] {
        serving.ingest("/web/pageviews", json!({"td_client_id": visitor, "td_path": "/"}));
    }
    assert!(serving.terminate().success());
    let data = directory.join("data");
    let connection = rusqlite::Connection::open(data.join("usher.sqlite3")).unwrap();
    let days = 401;
    let held = "IN (SELECT profile FROM profile_key WHERE value = 'canary-idle')";
    let earlier = format!(
        "UPDATE profile SET touched_ms = touched_ms - {days} * 86400000 WHERE id {held};
         UPDATE idle SET day = day - {days} WHERE id {held}"
    );
    connection.execute_batch(&earlier).unwrap();
    drop(connection);
    let serving = Serving::start(&directory, &[]);
    let status = |visitor: &str| {
        let path = &profile(&serving, "td_client_id", visitor)[serving.url.len()..];
        serving.get_as(path, &[(key().0, &key().1)]).status
    };
    assert_eq!((status("canary-idle"), status("canary-active")), (200, 200));
    let until = std::time::Instant::now() + Duration::from_secs(120);
    while status("canary-idle") == 200 && std::time::Instant::now() < until {
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!((status("canary-idle"), status("canary-active")), (404, 200));
}
