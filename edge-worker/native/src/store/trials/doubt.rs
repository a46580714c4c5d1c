//! A commit of which it is not known whether it happened: until the database can be asked, nothing is taken, lookups are
//! answered without a profile, and `/healthz` says so.

use std::fs;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use super::super::{DOUBT_PAUSE, SqliteStore};
use super::{Writer, bundle, text};

fn view(id: &str) -> String {
    format!(r#"{{"events":[{{"cookie":"c","ref":"r","event_id":"{id}"}}]}}"#)
}

#[test]
fn nothing_is_taken_until_the_database_can_be_asked() {
    let directory = std::env::temp_dir().join(format!("usher-doubt-{}", std::process::id()));
    let mut writer = Writer::start(SqliteStore::open(&directory).unwrap(), &Rc::default());
    assert_eq!(writer.ask("PUT", "/v1/audiences/7/bundle", &bundle("home")).status, 200);
    assert_eq!(writer.ask("POST", "/web/views", &view("first")).status, 200);
    let known = writer.offer("cookie", "c");
    assert!(known.contains(r#""views":1"#), "{known}");
    // The commit fails, and where the database was is nothing that opens.
    writer.store.connection.as_mut().unwrap().commit_hook(Some(|| true)).unwrap();
    let database = std::mem::replace(&mut writer.store.database, directory.clone());
    assert_eq!(writer.ask("POST", "/web/views", &view("in doubt")).status, 503);
    assert!(writer.store.is_in_doubt());
    assert_eq!(writer.store.settle_again(), None, "it was asked a moment ago");
    for id in ["first", "in doubt", "refused"] {
        let refused = writer.ask("POST", "/web/views", &view(id));
        assert_eq!(refused.status, 503, "{id}: a duplicate is not known to be one: {}", text(&refused));
    }
    let body = r#"{"audience":"7","personalization":"home","key":{"name":"cookie","value":"c"}}"#;
    let answer = writer.ask("POST", "/v1/personalize", body);
    assert_eq!(answer.status, 200, "{}", text(&answer));
    assert!(text(&answer).contains(r#""all":"STALE""#), "{}", text(&answer));
    assert_eq!(writer.health(), r#"{"status":"degraded""#);
    // As long as the database cannot be opened, it is asked now and then.
    sleep(DOUBT_PAUSE);
    assert_eq!(writer.store.settle_again(), None);
    assert!(writer.store.is_in_doubt());
    assert_eq!(writer.store.settle_again(), None, "it was asked a moment ago");
    writer.store.database = database;
    sleep(DOUBT_PAUSE + Duration::from_millis(200));
    assert_eq!(writer.store.settle_again(), Some(false));
    assert_eq!(writer.offer("cookie", "c"), known);
    assert_eq!(writer.ask("POST", "/web/views", &view("in doubt")).status, 200);
    let counted = writer.offer("cookie", "c");
    assert!(counted.contains(r#""views":2"#), "{counted}");
    drop(writer);
    fs::remove_dir_all(directory).unwrap();
}
