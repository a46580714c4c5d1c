//! Bundles that are damaged in the database, and a control object that was lost: visitors are answered by the last good
//! bundle, nobody is told that a table is unknown, and a push heals.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::SqliteStore;
use super::{Writer, bundle, text};

const VIEW: &str = r#"{"events":[{"cookie":"c","ref":"r"}]}"#;

/// A database that is thrown away.
struct Database(PathBuf);

impl Database {
    fn new(name: &str) -> Database {
        Database(std::env::temp_dir().join(format!("usher-damage-{name}-{}", std::process::id())))
    }

    /// A new process on it.
    fn start(&self) -> Writer<SqliteStore> {
        Writer::start(SqliteStore::open(&self.0).unwrap(), &Rc::default())
    }

    fn run(&self, sql: &str) {
        let database: &Path = &self.0.join("usher.sqlite3");
        rusqlite::Connection::open(database).unwrap().execute_batch(sql).unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn put(writer: &mut Writer<SqliteStore>, name: &str) -> String {
    let put = writer.ask("PUT", "/v1/audiences/7/bundle", &bundle(name));
    assert_eq!(put.status, 200, "{}", text(&put));
    text(&put)
}

fn view(writer: &mut Writer<SqliteStore>) {
    let accepted = writer.ask("POST", "/web/views", VIEW);
    assert_eq!((accepted.status, text(&accepted)), (200, r#"{"receipts":[{"success":true}]}"#.to_owned()));
}

#[test]
fn an_earlier_bundle_answers_for_a_damaged_one() {
    let database = Database::new("bundle");
    let mut writer = database.start();
    for name in ["old", "home", "home2"] {
        put(&mut writer, name);
        view(&mut writer);
    }
    drop(writer);
    // The newest two are damaged in different ways.
    database.run(
        "UPDATE bundle SET body = x'00' WHERE hash = (SELECT hash FROM release WHERE number = 3);
         DELETE FROM bundle WHERE hash = (SELECT hash FROM release WHERE number = 2)",
    );
    let mut writer = database.start();
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
    view(&mut writer);
    let unknown = writer.ask("POST", "/web/others", VIEW);
    assert_eq!(unknown.status, 404, "what answers knows which tables there are");
    let body = r#"{"audience":"7","personalization":"old","key":{"name":"cookie","value":"c"}}"#;
    let answer = text(&writer.ask("POST", "/v1/personalize", body));
    assert!(answer.contains(r#""views":4"#), "{answer}");
    // The same content as what should run: nothing changes but its body, which is whole again.
    let pushed = put(&mut writer, "home2");
    assert!(pushed.contains(r#""number":3"#) && pushed.contains(r#""changed":false"#), "{pushed}");
    assert_eq!(writer.health(), r#"{"status":"ok""#);
    view(&mut writer);
    drop(writer);
    assert_eq!(database.start().health(), r#"{"status":"ok""#);
}

#[test]
fn a_damaged_bundle_is_no_unknown_table() {
    let database = Database::new("only");
    put(&mut database.start(), "home");
    database.run("UPDATE bundle SET body = x'00'");
    let mut writer = database.start();
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
    let refused = writer.ask("POST", "/web/views", VIEW);
    assert_eq!(refused.status, 503, "{}", text(&refused));
    put(&mut writer, "home");
    assert_eq!(writer.health(), r#"{"status":"ok""#);
    view(&mut writer);
}

#[test]
fn a_lost_control_object_is_no_fresh_deployment() {
    let database = Database::new("control");
    let mut writer = database.start();
    for name in ["a", "b", "home"] {
        put(&mut writer, name);
    }
    view(&mut writer);
    drop(writer);
    database.run("DELETE FROM pointer; DELETE FROM release");
    // Its bundles are found by what the shard has seen.
    let mut writer = database.start();
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
    view(&mut writer);
    // A push begins a new history; its numbers go on.
    put(&mut writer, "home");
    view(&mut writer);
    assert!(writer.offer("cookie", "c").contains(r#""views":3"#), "{}", writer.offer("cookie", "c"));
    let history = text(&writer.ask("GET", "/v1/audiences/7/bundles", ""));
    assert!(history.contains(r#""number":3"#), "{history}");
    assert_eq!(writer.health(), r#"{"status":"ok""#);
    // With other content they are above what was seen.
    database.run("DELETE FROM pointer; DELETE FROM release");
    drop(writer);
    let mut writer = database.start();
    put(&mut writer, "other");
    view(&mut writer);
    let history = text(&writer.ask("GET", "/v1/audiences/7/bundles", ""));
    assert!(history.contains(r#""number":4"#), "{history}");
}

#[test]
fn a_control_object_of_an_earlier_time_catches_up() {
    let database = Database::new("restored");
    let mut writer = database.start();
    for name in ["a", "b", "home"] {
        put(&mut writer, name);
    }
    view(&mut writer);
    drop(writer);
    // As a copy of the time of the first bundle has it.
    database.run(
        "DELETE FROM release WHERE number > 1;
         UPDATE pointer SET number = 1, hash = (SELECT hash FROM release WHERE number = 1);
         UPDATE bundle SET body = body",
    );
    let mut writer = database.start();
    view(&mut writer);
    let history = text(&writer.ask("GET", "/v1/audiences/7/bundles", ""));
    assert!(history.contains(r#""number":4"#) && history.contains(r#""number":1"#), "{history}");
    drop(writer);
    assert_eq!(database.start().health(), r#"{"status":"ok""#);
}

#[test]
fn a_full_disk_is_not_well() {
    let database = Database::new("full");
    let mut writer = database.start();
    put(&mut writer, "home");
    view(&mut writer);
    assert_eq!(writer.health(), r#"{"status":"ok""#);
    // No page can be added any more. The write of the question itself needs none, so a visitor has to find out.
    let connection = writer.store.connection.as_ref().unwrap();
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let mut refused = 0;
    for visitor in 0..200 {
        let event = format!(r#"{{"events":[{{"cookie":"{visitor}-{}","ref":"r"}}]}}"#, "x".repeat(200));
        refused += usize::from(writer.ask("POST", "/web/views", &event).status == 503);
    }
    assert!(refused > 0, "the disk is full");
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
}

#[test]
fn a_damaged_profile_is_not_well() {
    let database = Database::new("profile");
    let mut writer = database.start();
    put(&mut writer, "home");
    view(&mut writer);
    database.run("UPDATE profile SET state = x'00'");
    assert_eq!(writer.health(), r#"{"status":"ok""#, "nobody has met it");
    assert_eq!(writer.ask("POST", "/web/views", VIEW).status, 503);
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
}
