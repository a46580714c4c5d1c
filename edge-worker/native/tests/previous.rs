//! Data of release 0.1.0 under the present build, and the switch to the present form.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::path::Path;

use bed::{AUDIENCE, Answer, Directory, SERVER_KEY, Serving};
use rusqlite::Connection;
use serde_json::{Value, json};

/// A data directory as release 0.1.0 left it.
fn previous() -> Directory {
    let directory = Directory::new();
    directory.demo_secret();
    fs::create_dir(directory.join("data")).unwrap();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/previous/native/usher.sqlite3");
    fs::copy(stored, directory.join("data/usher.sqlite3")).unwrap();
    directory
}

fn database(directory: &Directory) -> Connection {
    Connection::open(directory.join("data/usher.sqlite3")).unwrap()
}

fn stored_form(directory: &Directory) -> Option<i64> {
    let query = "SELECT value FROM meta WHERE name = 'form'";
    database(directory).query_row(query, [], |row| row.get(0)).ok()
}

/// The forms in which profiles are stored, each as often as it is there.
fn profile_forms(directory: &Directory) -> Vec<u8> {
    let connection = database(directory);
    let mut statement = connection.prepare("SELECT state FROM profile").unwrap();
    let states = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut forms: Vec<u8> = states.map(|state| state.unwrap()[4]).collect();
    forms.sort_unstable();
    forms
}

fn health(edge: &Serving) -> (u16, Value) {
    let answer = edge.get("/healthz");
    (answer.status, answer.body)
}

/// Profile id, version, keys and values of a visitor.
fn known(edge: &Serving, visitor: &str) -> Value {
    let body = json!({"audience": AUDIENCE, "key": {"name": "td_client_id", "value": visitor}});
    let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
    let answer = edge.post("/v1/explain", &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn put(edge: &Serving, visitor: &str, price: i64, id: &str) -> Answer {
    let event = json!({"td_client_id": visitor, "product_id": "P-9", "price": price, "event_id": id});
    edge.ingest("/web/add_to_cart", event)
}

fn cart(edge: &Serving, visitor: &str) -> f64 {
    known(edge, visitor)["profile"]["attributes"]["cart_value"]["value"].as_f64().unwrap_or_default()
}

#[test]
fn data_of_the_previous_release_are_read_and_written_as_it_reads_them() {
    let directory = previous();
    let before = profile_forms(&directory);
    assert!(before.len() >= 2 && before.iter().all(|form| *form == 2), "{before:?}");
    let edge = Serving::start(&directory, &[]);
    let (status, body) = health(&edge);
    assert_eq!((status, &body["status"], &body["form"]), (200, &json!("ok"), &json!(1)));
    assert_eq!(body["bundles"][0]["number"], 1);
    // Two browsers that turned out to be one customer, with a record.
    let (one, two) = (known(&edge, "browser-1"), known(&edge, "browser-2"));
    assert_eq!(one["meta"]["profile"]["id"], two["meta"]["profile"]["id"]);
    assert_eq!(one["profile"]["attributes"]["loyalty_tier"]["value"], "VIP");
    assert!((cart(&edge, "browser-1") - 42.5).abs() < 1e-9, "{one}");
    for _ in 0..2 {
        assert_eq!(put(&edge, "browser-1", 10, "again-1").status, 200);
    }
    assert_eq!(put(&edge, "browser-new", 3, "new-1").status, 200);
    assert!((cart(&edge, "browser-2") - 52.5).abs() < 1e-9);
    let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
    let import = format!("/v1/audiences/{AUDIENCE}/profiles/import");
    let patch = edge.post(&format!("{import}?mode=patch"), &headers, b"{\"customer_id\":\"c-1001\"}");
    assert_eq!((patch.status, &patch.body["code"]), (409, &json!("needs_form")), "{patch:?}");
    assert_eq!(edge.get_as(&import, &headers).body["modes"], json!(["replace"]));
    // What needs the present form is refused, and says how to have it.
    let mut push = bed::command(&["push", bed::text(&bed::shop()), "--to", &edge.url, "-y"]);
    let pushed = bed::run(push.env("USHER_ADMIN_KEY", bed::ADMIN_KEY), "");
    assert!(pushed.code != 0 && pushed.err.contains("--form 2"), "{pushed:?}");
    assert!(edge.terminate().success());
    assert_eq!(stored_form(&directory), Some(1));
    let after = profile_forms(&directory);
    assert!(after.len() == before.len() + 1 && after.iter().all(|form| *form == 2), "{after:?}");
}

#[test]
fn the_form_is_raised_once_and_what_is_newer_is_left_alone() {
    let directory = previous();
    let edge = Serving::start(&directory, &["--form", "2"]);
    assert_eq!(health(&edge).1["form"], 2);
    assert_eq!(put(&edge, "browser-1", 10, "raised-1").status, 200);
    edge.fill();
    assert!(edge.terminate().success());
    assert_eq!(stored_form(&directory), Some(2));
    assert!(profile_forms(&directory).contains(&3));
    // It stays, whether nothing is said or less.
    let edge = Serving::start(&directory, &[]);
    let (status, body) = health(&edge);
    assert_eq!((status, &body["status"], &body["form"]), (200, &json!("ok"), &json!(2)));
    drop(edge);
    let edge = Serving::start(&directory, &["--form", "1"]);
    let (status, body) = health(&edge);
    assert_eq!((status, &body["status"], &body["form"]), (200, &json!("degraded"), &json!(2)));
    assert!(body["detail"].as_str().unwrap().contains("form 2 is still written"), "{body}");
    assert_eq!(put(&edge, "browser-1", 1, "lowered-1").status, 200);
    assert!((cart(&edge, "browser-1") - 53.5).abs() < 1e-9);
    drop(edge);

    // A newer build takes the data over, and this one comes back.
    let set_form = |form: i64| {
        database(&directory).execute("UPDATE meta SET value = ? WHERE name = 'form'", [form]).unwrap();
    };
    set_form(3);
    let dump = |directory: &Directory| {
        let connection = database(directory);
        let query = "SELECT group_concat(hex(state), ',' ORDER BY id) FROM profile";
        connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let before = dump(&directory);
    let edge = Serving::start(&directory, &[]);
    let (status, body) = health(&edge);
    assert_eq!((status, &body["status"]), (503, &json!("too_new")));
    let refused = put(&edge, "browser-1", 1, "too-new-1");
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!(2021)), "{refused:?}");
    drop(edge);
    assert_eq!(dump(&directory), before);
    set_form(2);
    let edge = Serving::start(&directory, &[]);
    assert_eq!(put(&edge, "browser-1", 1, "too-new-1").status, 200);
    assert!((cart(&edge, "browser-1") - 54.5).abs() < 1e-9);
}

#[test]
fn new_data_have_the_present_form() {
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    assert_eq!(health(&edge).1["form"], 2);
    drop(edge);
    assert_eq!(stored_form(&directory), Some(2));
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &["--form", "1"]);
    assert_eq!(health(&edge).1["form"], 1);
    drop(edge);
    assert_eq!(stored_form(&directory), Some(1));
    let refused = bed::usher(&["serve", "--form", "3"]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(refused.err.contains("forms 1 and 2"), "{refused:?}");
}
