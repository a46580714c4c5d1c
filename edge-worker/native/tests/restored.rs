//! One of eight databases is put back to an earlier copy: who is lost with it is refused, and not taken for nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bed::{AUDIENCE, Directory, SERVER_KEY, Serving};
use rusqlite::Connection;
use serde_json::json;

const SHARDS: usize = 8;
const VISITORS: usize = 40;

fn database(data: &Path, shard: usize) -> PathBuf {
    match shard {
        0 => data.join("usher.sqlite3"),
        _ => data.join(format!("shards/{shard:04}.sqlite3")),
    }
}

fn count(data: &Path, shard: usize, sql: &str) -> i64 {
    let connection = Connection::open(database(data, shard)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The number of keys with other homes that lead to profiles of a shard, which the lower bits of the column are.
fn led_to(data: &Path, shard: usize) -> i64 {
    let sql = format!("SELECT count(*) FROM key_pointer WHERE profile <> x'' AND shard & 65535 = {shard}");
    (0..SHARDS).filter(|other| *other != shard).map(|other| count(data, other, &sql)).sum()
}

/// Every message between shards has arrived.
fn come_to_rest(data: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while (0..SHARDS).any(|shard| count(data, shard, "SELECT count(*) FROM outbox") > 0) {
        assert!(Instant::now() < until, "messages between shards arrive");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Replaces a database by a copy of it, which a stopped process left.
fn put(from: &Path, to: &Path) {
    for ending in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{ending}", to.display()));
        if beside.exists() {
            fs::remove_file(beside).unwrap();
        }
    }
    fs::copy(from, to).unwrap();
}

/// Copies all databases of a stopped process.
fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("shards")).unwrap();
    (0..SHARDS).for_each(|shard| put(&database(from, shard), &database(to, shard)));
}

/// The statuses of all visitors, asked by their second key.
fn statuses(serving: &Serving) -> Vec<u16> {
    let key = format!("TD1 {SERVER_KEY}");
    let status = |visitor: usize| {
        let path = format!("/v1/audiences/{AUDIENCE}/profiles/td_client_id/lost-{visitor}");
        serving.get_as(&path, &[("authorization", &key)]).status
    };
    (0..VISITORS).map(status).collect()
}

#[test]
fn a_database_that_is_restored_alone_makes_nobody_of_its_visitors() {
    let directory = Directory::new();
    directory.demo_secret();
    let data = directory.join("data");
    let serving = Serving::start(&directory, &["--shards", "8"]);
    serving.fill();
    come_to_rest(&data);
    assert!(serving.terminate().success());
    let restored = 5;
    let copy = directory.join("copy.sqlite3");
    fs::copy(database(&data, restored), &copy).unwrap();
    let before = count(&data, restored, "SELECT count(*) FROM profile");
    let led_before = led_to(&data, restored);

    let serving = Serving::start(&directory, &[]);
    for visitor in 0..VISITORS {
        let event = json!({"td_client_id": format!("lost-{visitor}"), "customer_id": format!("c-{visitor}")});
        assert_eq!(serving.ingest("/web/formfills", event).body["receipts"][0]["success"], true);
    }
    come_to_rest(&data);
    assert_eq!(statuses(&serving), [200; VISITORS]);
    assert!(serving.terminate().success());
    let newest = directory.join("newest.sqlite3");
    fs::copy(database(&data, restored), &newest).unwrap();
    assert!(count(&data, restored, "SELECT count(*) FROM profile") > before, "some visitors are there");
    let led = led_to(&data, restored) - led_before;
    assert!(led > 0, "keys with other homes lead there");

    put(&copy, &database(&data, restored));
    let serving = Serving::start(&directory, &[]);
    assert_eq!(serving.get("/healthz").body["status"], "ok");
    let lost = statuses(&serving).iter().filter(|status| **status == 503).count();
    assert_eq!(i64::try_from(lost).unwrap(), led);
    let health = serving.get("/healthz").body;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["warning"], "a shard was restored to an earlier time than the others", "{health}");
    // An event of such a visitor is refused in the same way, and makes nobody.
    let refused = (0..VISITORS).map(|visitor| json!({"td_client_id": format!("lost-{visitor}")}));
    let refused: Vec<_> = refused.map(|event| serving.ingest("/web/pageviews", event)).collect();
    let refused: Vec<_> = refused.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(refused.len(), lost);
    assert!(refused.iter().all(|answer| answer.text.contains("restored to an earlier time")), "{refused:?}");
    come_to_rest(&data);
    assert!(serving.terminate().success());
    let all = directory.join("all");
    copy_all(&data, &all);

    // The operator accepts the loss: who is lost is nobody, and begins anew.
    let serving = Serving::start(&directory, &["--lost-begin-anew"]);
    assert_eq!(statuses(&serving).iter().filter(|status| **status == 503).count(), 0);
    for visitor in 0..VISITORS {
        let event = json!({"td_client_id": format!("lost-{visitor}")});
        assert_eq!(serving.ingest("/web/pageviews", event).body["receipts"][0]["success"], true);
    }
    assert_eq!(serving.get("/healthz").body["status"], "ok");
    come_to_rest(&data);
    assert!(serving.terminate().success());
    let serving = Serving::start(&directory, &[]);
    assert_eq!(statuses(&serving), [200; VISITORS]);
    assert!(serving.terminate().success());

    // Instead of that, all are of one time again.
    copy_all(&all, &data);
    put(&newest, &database(&data, restored));
    let serving = Serving::start(&directory, &[]);
    assert_eq!(serving.get("/healthz").body["status"], "ok");
    let found = statuses(&serving);
    assert!(found.iter().all(|status| *status == 200), "{found:?}");
}
