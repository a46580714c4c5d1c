//! Erasures where SQLite leaves what it deletes in the file, as in a Durable Object: a renewal leaves nothing of them, whatever
//! else is written meanwhile.

use std::cell::Cell as Shared;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::Connection;
use usher_edge::store::sql::{self, Cell};
use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use super::super::rows;
use super::{Writer, bundle, text};

/// A database that does not overwrite what it deletes.
struct Leaving {
    connection: Connection,
}

impl Leaving {
    fn open(file: &Path) -> Leaving {
        let connection = Connection::open(file).unwrap();
        // A small cache, so that pages are written while a transaction goes on.
        connection.execute_batch("PRAGMA secure_delete = 0; PRAGMA cache_size = 20").unwrap();
        connection.execute_batch(sql::META).unwrap();
        sql::SCHEMA.iter().for_each(|statement| connection.execute_batch(statement).unwrap());
        Leaving { connection }
    }
}

fn failure(error: rusqlite::Error) -> StoreFailure {
    StoreFailure(error.to_string())
}

impl Store for Leaving {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        let found = sql::reads(read).into_iter().map(|statement| {
            if statement.sql != sql::SIZE {
                return rows(&self.connection, &statement).map_err(failure);
            }
            let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            let bytes = self.connection.query_row(size, [], |row| row.get(0)).map_err(failure)?;
            Ok(vec![vec![Cell::Number(bytes)]])
        });
        sql::found(read, found.collect::<Result<_, _>>()?)
    }

    fn stage(&mut self, _: &Basis, _: &Write) -> Result<(), CommitError> {
        Err(StoreFailure("no message here has parts".to_owned()).into())
    }

    fn undo(&mut self) {}

    fn commit(&mut self, _: &Basis, write: &Write) -> Result<(), CommitError> {
        let transaction = self.connection.transaction().map_err(failure)?;
        for statement in sql::writes(write) {
            rows(&transaction, &statement).map_err(failure)?;
        }
        transaction.commit().map_err(failure)?;
        Ok(())
    }
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let folder = std::env::temp_dir().join(format!("usher-renewal-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    Folder(folder)
}

fn writer(file: &Path) -> Writer<Leaving> {
    let mut writer = Writer::start(Leaving::open(file), &Rc::new(Shared::new(0)));
    writer.edge.set_form("2");
    let answer = writer.ask("PUT", "/v1/audiences/7/bundle", &bundle("home"));
    assert_eq!(answer.status, 200, "{}", text(&answer));
    writer
}

/// A view of a visitor with a key that begins with this word, and a record.
fn views(writer: &mut Writer<Leaving>, word: &str, visitor: usize) {
    let event = format!(
        "{{\"events\":[{{\"cookie\":\"{word}-{visitor}-{0}\",\"customer_id\":\"{word}-{visitor}-c\",\"ref\":\"r\"}}]}}",
        "x".repeat(visitor % 200)
    );
    let answer = writer.ask("POST", "/web/views", &event);
    assert!(text(&answer).contains("\"success\":true"), "{}", text(&answer));
    let record = format!(
        "{{\"customer_id\":\"{word}-{visitor}-c\",\"tier\":\"{word}-tier-{}\"}}",
        "t".repeat(visitor % 300)
    );
    let answer = writer.ask("POST", "/v1/audiences/7/profiles/import", &record);
    assert!(text(&answer).starts_with("{\"imported\":1"), "{word}-{visitor}: {}", text(&answer));
}

/// The number of times that a file has a text.
fn count(file: &Path, part: &str) -> usize {
    fs::read(file).unwrap().windows(part.len()).filter(|bytes| *bytes == part.as_bytes()).count()
}

/// Erases every visitor of the word, then takes turns until the renewal is done; `between` comes between each two turns.
fn renews(
    writer: &mut Writer<Leaving>,
    word: &str,
    visitors: usize,
    mut between: impl FnMut(&mut Writer<Leaving>),
) -> usize {
    for visitor in 0..visitors {
        let erased =
            writer.ask("DELETE", &format!("/v1/audiences/7/profiles/customer_id/{word}-{visitor}-c"), "");
        assert_eq!(erased.status, 200, "{}", text(&erased));
    }
    for turn in 1..1_000 {
        let answer = writer.ask("POST", "/v1/tick", "");
        assert_eq!(answer.status, 200, "{}", text(&answer));
        let step = "SELECT step FROM renewal";
        let step: i64 = writer.store.connection.query_row(step, [], |row| row.get(0)).unwrap();
        if step == 0 {
            return turn;
        }
        between(writer);
    }
    panic!("it does not end");
}

#[test]
fn nothing_of_an_erased_visitor_is_left() {
    for visitors in [1, 3, 40, 250] {
        let folder = folder(&format!("left-{visitors}"));
        let file = folder.0.join("data");
        let mut writer = writer(&file);
        for _ in 0..2 {
            for visitor in 0..visitors {
                views(&mut writer, "gone", visitor);
                views(&mut writer, "kept", visitor);
            }
        }
        let mut at = 0;
        let turns = renews(&mut writer, "gone", visitors, |writer| {
            at = (at + 7) % visitors;
            views(writer, "kept", at);
        });
        assert!(turns > 13, "{turns} turns");
        assert_eq!(count(&file, "gone-"), 0, "of {visitors} visitors");
        for visitor in 0..visitors {
            let offer = writer.offer("customer_id", &format!("kept-{visitor}-c"));
            assert!(offer.contains("kept-tier-"), "{visitor}: {offer}");
            assert!(!writer.offer("customer_id", &format!("gone-{visitor}-c")).contains("tier"));
        }
        // As if it had never been; the next one waits.
        let names = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE name LIKE 'profile%' ORDER BY name)";
        let names: String = writer.store.connection.query_row(names, [], |row| row.get(0)).unwrap();
        assert_eq!(names, "profile,profile_key,profile_key_of");
        assert_eq!(renews(&mut writer, "kept", 1, |_| {}), 1);
        let check: String =
            writer.store.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

/// Without a renewal it is there, so that the test above can fail.
#[test]
fn without_one_it_is_there() {
    let folder = folder("without");
    let file = folder.0.join("data");
    let mut writer = writer(&file);
    for visitor in 0..40 {
        views(&mut writer, "gone", visitor);
    }
    for visitor in 0..40 {
        writer.ask("DELETE", &format!("/v1/audiences/7/profiles/customer_id/gone-{visitor}-c"), "");
    }
    assert!(count(&file, "gone-") > 0);
}

/// Visitors who are erased, come anew, and lose keys while the tables are copied are as they would be without.
#[test]
fn what_changes_meanwhile_is_kept() {
    let folder = folder("meanwhile");
    let mut writer = writer(&folder.0.join("data"));
    for visitor in 0..300 {
        views(&mut writer, "kept", visitor);
    }
    views(&mut writer, "gone", 0);
    let mut at = 0;
    renews(&mut writer, "gone", 1, |writer| {
        let erased = writer.ask("DELETE", &format!("/v1/audiences/7/profiles/customer_id/kept-{at}-c"), "");
        assert_eq!(erased.status, 200, "{}", text(&erased));
        views(writer, "new", at);
        views(writer, "kept", 299 - at);
        at += 1;
    });
    for visitor in 0..300 {
        let known = writer.offer("customer_id", &format!("kept-{visitor}-c")).contains("kept-tier-");
        assert_eq!(known, visitor >= at, "{visitor}");
    }
    for visitor in 0..at {
        assert!(writer.offer("customer_id", &format!("new-{visitor}-c")).contains("new-tier-"));
    }
    let orphans = "SELECT count(*) FROM profile_key AS k LEFT JOIN profile AS p ON p.audience = k.audience AND p.id = k.profile
                   WHERE p.id IS NULL";
    let orphans: i64 = writer.store.connection.query_row(orphans, [], |row| row.get(0)).unwrap();
    assert_eq!(orphans, 0);
}
