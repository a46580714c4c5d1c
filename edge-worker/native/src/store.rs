//! Profiles and bundles in SQLite: the statements are `usher_edge::sql`'s, this runs them.
//!
//! A commit that returned is on disk: the log is synced with every commit, so an acknowledged event survives a
//! crash and a power failure. One process at a time owns a directory; a lock on a file beside the database says whose.
//!
//! A commit that fails, such as by a sync that the disk refuses, may have happened all the same: its pages may lie in the
//! log, and count when that is read again. So the database is opened anew and asked before anything else is answered
//! (`settle`). Where even that fails, the store is in doubt: it reads and writes nothing until the database can be asked,
//! which [`SqliteStore::settle_again`] tries at most once a second.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, TransactionBehavior};
use usher_edge::Form;
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use crate::exit::Failure;

/// The time that a reader from outside, such as a backup, may hold a commit up.
const BUSY: Duration = Duration::from_secs(5);
/// The attempts to ask whether a commit happened, and the pause between them, times the attempts so far.
const SETTLE_ATTEMPTS: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// The time that a store in doubt waits at least before it asks again.
const DOUBT_PAUSE: Duration = Duration::from_secs(1);
/// The statements that stay prepared at most; there are fewer.
const STATEMENTS_MAX: usize = 32;

struct Doubt {
    write: Write,
    /// The database is not asked before.
    next: Instant,
}

/// The store of this process.
pub(crate) struct SqliteStore {
    /// None: in doubt.
    connection: Option<Connection>,
    /// A commit of which it is not known whether it happened.
    doubt: Option<Doubt>,
    database: PathBuf,
    /// Nothing was in it when it was opened.
    is_new: bool,
    /// Held as long as the store is.
    _lock: File,
}

impl SqliteStore {
    /// Opens the database of a directory, and makes both if they are not there.
    pub(crate) fn open(directory: &Path) -> Result<SqliteStore, Failure> {
        let shown = directory.display();
        make_private(directory).map_err(|error| Failure::of_file("make", &shown, error))?;
        let lock = File::create(directory.join("usher.lock"))
            .map_err(|error| Failure::of_file("write into", &shown, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(format!("another process uses the data in `{shown}`"))
                    .help("stop it, or name another directory with --data"));
            }
            Err(TryLockError::Error(error)) => return Err(Failure::of_file("lock", &shown, error)),
        }
        let database = directory.join("usher.sqlite3");
        // SQLite gives the files that it makes beside the database the same permissions.
        private(&database).map_err(|error| Failure::of_file("make", database.display(), error))?;
        let is_new = !fs::metadata(&database).is_ok_and(|file| file.len() > 0);
        let connection =
            connect(&database).map_err(|error| Failure::of_file("open the database in", shown, error))?;
        Ok(SqliteStore { connection: Some(connection), doubt: None, database, is_new, _lock: lock })
    }

    /// True if nothing was in it when it was opened, so that no earlier build has written here.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The newest form in which something was written; 0: none was said.
    pub(crate) fn form(&self) -> Result<i64, StoreFailure> {
        stored_form(self.connection.as_ref().ok_or_else(in_doubt)?).map_err(failure)
    }

    /// Remembers the form in which is written from now on.
    pub(crate) fn set_form(&mut self, form: Form) -> Result<(), StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        connection.execute(sql::WRITE_FORM, [form.number()]).map(drop).map_err(failure)
    }

    /// True if it is not known what the database holds, so that nothing is read or written.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Asks the database again, where the store is in doubt and has waited long enough. Some: now it is known whether the
    /// commit happened.
    pub(crate) fn settle_again(&mut self) -> Option<bool> {
        let doubt = self.doubt.take_if(|doubt| Instant::now() >= doubt.next)?;
        let start = Instant::now();
        let settled = self.settle(&doubt.write);
        if settled.is_err() {
            // A disk that takes long to fail holds up nobody for more than a part of the time.
            let pause = DOUBT_PAUSE.max(start.elapsed() * 4);
            self.doubt = Some(Doubt { next: Instant::now() + pause, ..doubt });
        }
        settled.ok()
    }

    /// Opens the database anew after a commit that failed, and says whether it happened.
    fn settle(&mut self, write: &Write) -> rusqlite::Result<bool> {
        // Its cache may hold what the log does not.
        self.connection = None;
        let connection = connect(&self.database)?;
        // What the log holds by now goes into the database, and is synced once more: a sync that failed before does not
        // fail again for the same pages.
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let happened = match sql::trace(write) {
            Some(trace) => !rows(&connection, &trace)?.is_empty(),
            None => false,
        };
        self.connection = Some(connection);
        Ok(happened)
    }
}

/// Opens a database that is written durably, and makes its tables.
fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute(sql::META, [])?;
    // What a newer build wrote is left as it is.
    if stored_form(&connection)? <= i64::from(Form::NEWEST.number()) {
        for statement in sql::SCHEMA {
            connection.execute(statement, [])?;
        }
    }
    Ok(connection)
}

fn stored_form(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(sql::READ_FORM, [], |row| row.get(0)).optional().map(Option::unwrap_or_default)
}

/// The failure of a write.
enum Failed {
    /// Before its commit: nothing of it is stored.
    Undone(rusqlite::Error),
    /// In its commit.
    InDoubt(rusqlite::Error),
}

/// `false`: another writer changed what the write builds on, and nothing was written.
fn write_once(connection: &mut Connection, basis: &Basis, write: &Write) -> Result<bool, Failed> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failed::Undone)?;
    for check in sql::checks(basis) {
        let params = rusqlite::params_from_iter(check.params.iter().map(Bound));
        let mut prepared = transaction.prepare_cached(check.sql).map_err(Failed::Undone)?;
        if prepared.exists(params).map_err(Failed::Undone)? {
            return Ok(false);
        }
    }
    for statement in sql::writes(write) {
        let params = rusqlite::params_from_iter(statement.params.iter().map(Bound));
        let mut prepared = transaction.prepare_cached(statement.sql).map_err(Failed::Undone)?;
        prepared.execute(params).map_err(Failed::Undone)?;
    }
    match transaction.commit() {
        // A full disk did not take a page of the log, and so not the last one, which is what makes it a commit.
        Err(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull)) =>
        {
            Err(Failed::Undone(error))
        }
        committed => committed.map(|()| true).map_err(Failed::InDoubt),
    }
}

impl Store for SqliteStore {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let run = |statement| rows(connection, &statement);
        let found: Vec<Rows> =
            sql::reads(read).into_iter().map(run).collect::<rusqlite::Result<_>>().map_err(failure)?;
        sql::found(read, found)
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        let connection = self.connection.as_mut().ok_or_else(in_doubt)?;
        let failed = match write_once(connection, basis, write) {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(CommitError::Conflict),
            // The rollback went well, too.
            Err(Failed::Undone(error)) if connection.is_autocommit() => return Err(failure(error).into()),
            Err(Failed::Undone(error) | Failed::InDoubt(error)) => error,
        };
        for attempt in 0..SETTLE_ATTEMPTS {
            match self.settle(write) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(failure(failed).into()),
                // A disk that is full or does not answer may do so again.
                Err(_) => std::thread::sleep(SETTLE_PAUSE * attempt),
            }
        }
        self.doubt = Some(Doubt { write: write.clone(), next: Instant::now() + DOUBT_PAUSE });
        Err(failure(failed).into())
    }
}

/// A cell as SQLite takes it, without a copy.
struct Bound<'a>(&'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Cell::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn rows(connection: &Connection, statement: &Statement) -> rusqlite::Result<Rows> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    let count = prepared.column_count();
    let mut found = prepared.query(rusqlite::params_from_iter(statement.params.iter().map(Bound)))?;
    let mut rows = Rows::new();
    while let Some(row) = found.next()? {
        let cell = |index| match row.get_ref(index)? {
            ValueRef::Blob(bytes) => Ok(Cell::Bytes(bytes.to_vec())),
            ValueRef::Integer(number) => Ok(Cell::Number(number)),
            ValueRef::Text(text) => Ok(Cell::Text(String::from_utf8_lossy(text).into_owned())),
            // No statement selects these.
            other @ (ValueRef::Null | ValueRef::Real(_)) => {
                Err(rusqlite::Error::InvalidColumnType(index, String::new(), other.data_type()))
            }
        };
        rows.push((0..count).map(cell).collect::<rusqlite::Result<_>>()?);
    }
    Ok(rows)
}

fn in_doubt() -> StoreFailure {
    StoreFailure("a commit failed, and the database cannot be asked whether it happened".to_owned())
}

/// SQLite's own words name tables and files, never values.
fn failure(error: rusqlite::Error) -> StoreFailure {
    StoreFailure(error.to_string())
}

/// A file that only its owner can read, if it is not there yet.
fn private(file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

/// A directory that only its owner can look into, and that is still there after a power failure.
fn make_private(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    match directory.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod trials;

#[cfg(test)]
mod tests {
    use usher_edge::message::{KeyOf, WhichRelease};
    use usher_edge::store::memory::MemoryStore;
    use usher_edge::store::{JournalRow, ProfileRow, Published, Release, Retired};

    use super::*;

    fn opened(name: &str) -> (std::path::PathBuf, SqliteStore) {
        let directory = std::env::temp_dir().join(format!("usher-store-{name}-{}", std::process::id()));
        let store = SqliteStore::open(&directory).unwrap();
        (directory, store)
    }

    #[test]
    fn a_commit_is_synced() {
        let (directory, store) = opened("pragmas");
        let pragma =
            |name| store.connection.as_ref().unwrap().pragma_query_value(None, name, |row| row.get(0));
        assert_eq!(pragma("journal_mode"), Ok("wal".to_owned()));
        let full =
            store.connection.as_ref().unwrap().pragma_query_value(None, "synchronous", |row| row.get(0));
        assert_eq!(full, Ok(2));
        assert!(SqliteStore::open(&directory).is_err());
        drop(store);
        assert!(SqliteStore::open(&directory).is_ok());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn bodies_from_before_there_was_a_history_go() {
        let (directory, mut store) = opened("history");
        let release = Release { number: 3, hash: "runs".to_owned(), origin: 3, at_ms: 5 };
        let (audience, body) = ("7".to_owned(), Some(b"runs".to_vec()));
        let published = Published { audience, release, body, forgotten: 0, dropped: Vec::new() };
        store.commit(&Basis::default(), &Write { bundle: Some(published), ..Write::default() }).unwrap();
        // As an earlier build left it.
        let before = "DROP TABLE release; INSERT INTO bundle (hash, body) VALUES ('old', x'00')";
        store.connection.as_ref().unwrap().execute_batch(before).unwrap();
        drop(store);
        let mut store = SqliteStore::open(&directory).unwrap();
        let mut body = |hash: &str| store.read(&Read::Bundle { hash: hash.to_owned() });
        assert_eq!(body("old"), Ok(Found::Bundle(None)));
        assert_eq!(body("runs"), Ok(Found::Bundle(Some(b"runs".to_vec()))));
        drop(store);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn it_keeps_what_the_reference_keeps() {
        let (directory, mut store) = opened("reference");
        let mut reference = MemoryStore::default();
        let profile = |id: u8, version: u64, keys: &[&str]| ProfileRow {
            audience: "7".to_owned(),
            id: [id; 16],
            version,
            touched_ms: 5,
            state: vec![id, u8::try_from(version).unwrap()],
            keys: Some(keys.iter().map(|value| ("email".to_owned(), (*value).to_owned())).collect()),
        };
        let published = |number: u64, hash: &str, origin: u64| Published {
            audience: "7".to_owned(),
            release: Release { number, hash: hash.to_owned(), origin, at_ms: 5 },
            body: Some(vec![0, u8::try_from(number).unwrap()]),
            forgotten: number.saturating_sub(3),
            dropped: if number == 5 { vec!["x".to_owned()] } else { Vec::new() },
        };
        let journal = |profile, at_ms: i64| JournalRow {
            audience: "7".to_owned(),
            profile,
            at_ms,
            entry: format!("{{\"number\":{at_ms}}}"),
        };
        let bundle = |number, hash, origin| Write {
            bundle: Some(published(number, hash, origin)),
            ..Write::default()
        };
        let writes = [
            Write { profiles: vec![profile(1, 1, &["a"]), profile(2, 1, &["b", ""])], ..Write::default() },
            bundle(1, "x", 1),
            // A key moves, another goes.
            Write { profiles: vec![profile(2, 2, &["a"]), profile(1, 2, &[])], ..Write::default() },
            bundle(2, "y", 2),
            // It is brought back; the next one is forgotten with its number.
            bundle(3, "x", 1),
            bundle(4, "y", 2),
            bundle(5, "z", 5),
            Write {
                profiles: vec![profile(2, 3, &["a", "c"])],
                retired: vec![Retired { audience: "7".to_owned(), id: [1; 16], into: [2; 16] }],
                journal: vec![journal([2; 16], 5), journal([3; 16], 6), journal([2; 16], 7)],
                ..Write::default()
            },
        ];
        let key = |audience: &str, value: &str| KeyOf {
            audience: audience.to_owned(),
            name: "email".to_owned(),
            value: value.to_owned(),
        };
        let release = |audience: &str, which| Read::Release { audience: audience.to_owned(), which };
        let reads = [
            Read::Profiles(["a", "b", "c", "", "A"].map(|value| key("7", value)).to_vec()),
            Read::Profiles(vec![key("8", "a")]),
            // By two keys of one profile.
            Read::Journals(vec![key("7", "a"), key("7", "c"), key("8", "a")]),
            Read::Releases { audience: "7".to_owned() },
            Read::Releases { audience: "8".to_owned() },
            release("7", WhichRelease::Previous),
            release("8", WhichRelease::Previous),
            release("7", WhichRelease::Number(2)),
            release("7", WhichRelease::Number(9)),
            release("7", WhichRelease::Hash("y".to_owned())),
            release("7", WhichRelease::Hash("x".to_owned())),
            Read::Pointers,
            Read::Bundle { hash: "x".to_owned() },
            Read::Bundle { hash: "z".to_owned() },
        ];
        for write in &writes {
            store.commit(&Basis::default(), write).unwrap();
            reference.commit(&Basis::default(), write).unwrap();
            for read in &reads {
                assert_eq!(store.read(read), reference.read(read), "{read:?}");
            }
        }
        // A key that moves without end: the newest rows of each profile stay, and those of others.
        let moves = |from: i64| Write {
            journal: (from..from + 130)
                .map(|at_ms| journal([4 + u8::from(at_ms % 2 == 0); 16], at_ms))
                .collect(),
            ..Write::default()
        };
        let mut rows = Vec::new();
        for write in [moves(10), moves(140)] {
            store.commit(&Basis::default(), &write).unwrap();
            reference.commit(&Basis::default(), &write).unwrap();
            let connection = store.connection.as_ref().unwrap();
            let mut prepared = connection.prepare("SELECT at_ms FROM journal ORDER BY number").unwrap();
            rows =
                prepared.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<i64>, _>>().unwrap();
            let expected: Vec<i64> = reference.journal.iter().map(|row| row.at_ms).collect();
            assert_eq!(rows, expected);
        }
        assert_eq!((rows.len(), &rows[..4]), (203, &[5, 6, 7, 70][..]));
        // The most keys of a batch: several statements, and profiles with keys in more than one of them.
        let long = |index: usize| format!("{index:0>250}");
        let keys: Vec<KeyOf> = (0..10_000).map(|index| key("7", &long(index))).collect();
        let row = |id: u8, values: &[usize]| {
            let keys = values.iter().map(|value| ("email".to_owned(), long(*value))).collect();
            ProfileRow { keys: Some(keys), ..profile(id, 1, &[]) }
        };
        let many = Write {
            profiles: vec![row(4, &[9_999, 7]), row(5, &[5_000]), row(6, &[3, 5_001, 9_998])],
            ..Write::default()
        };
        let read = Read::Profiles(keys);
        assert!(sql::reads(&read).len() > 2);
        let before = Basis::of(&read, &store.read(&read).unwrap());
        for store in [&mut store as &mut dyn Store, &mut reference] {
            store.commit(&before, &many).unwrap();
            assert_eq!(store.commit(&before, &many), Err(CommitError::Conflict));
        }
        let found = store.read(&read).unwrap();
        assert_eq!(Ok(&found), reference.read(&read).as_ref());
        let Found::Profiles(profiles) = &found else { unreachable!() };
        assert_eq!(profiles.len(), 3);
        // One key of the last statement has moved since.
        let moved = Write { profiles: vec![row(5, &[9_999])], ..Write::default() };
        for store in [&mut store as &mut dyn Store, &mut reference] {
            store.commit(&Basis::of(&read, &found), &moved).unwrap();
            assert_eq!(store.commit(&Basis::of(&read, &found), &moved), Err(CommitError::Conflict));
        }
        drop(store);
        fs::remove_dir_all(directory).unwrap();
    }

    /// A crash leaves what is on disk at that moment: after each statement the files are copied and opened.
    #[test]
    fn a_crash_between_the_statements_of_a_bundle_leaves_old_or_new() {
        let (directory, mut store) = opened("crash");
        let bundle = |number: u64| Write {
            bundle: Some(Published {
                audience: "7".to_owned(),
                release: Release { number, hash: format!("h{number}"), origin: number, at_ms: 5 },
                body: Some(vec![u8::try_from(number).unwrap(); 300_000]),
                forgotten: number.saturating_sub(2),
                dropped: number.checked_sub(2).map(|old| format!("h{old}")).into_iter().collect(),
            }),
            ..Write::default()
        };
        for number in 1..=3 {
            store.commit(&Basis::default(), &bundle(number)).unwrap();
        }
        let copied = |count: usize| {
            let copy = std::env::temp_dir().join(format!("usher-store-copy-{count}-{}", std::process::id()));
            fs::create_dir_all(&copy).unwrap();
            for file in fs::read_dir(&directory).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), copy.join(file.file_name())).unwrap();
            }
            let mut store = SqliteStore::open(&copy).unwrap();
            let Ok(Found::Pointers(pointers)) = store.read(&Read::Pointers) else { unreachable!() };
            let [pointer] = pointers.as_slice() else { unreachable!("{pointers:?}") };
            let body = store.read(&Read::Bundle { hash: pointer.hash.clone() });
            let whole = vec![u8::try_from(pointer.number).unwrap(); 300_000];
            assert_eq!(body, Ok(Found::Bundle(Some(whole))));
            let releases = store.read(&Read::Releases { audience: "7".to_owned() });
            let Ok(Found::Releases(releases)) = releases else { unreachable!() };
            let numbers: Vec<u64> = releases.iter().map(|release| release.number).collect();
            assert_eq!(numbers, [pointer.number, pointer.number - 1]);
            // The next one works.
            store.commit(&Basis::default(), &bundle(pointer.number + 1)).unwrap();
            drop(store);
            fs::remove_dir_all(copy).unwrap();
            pointer.number
        };
        let statements = sql::writes(&bundle(4));
        assert!(statements.len() >= 5);
        store.connection.as_ref().unwrap().execute_batch("BEGIN IMMEDIATE").unwrap();
        for (count, statement) in statements.iter().enumerate() {
            assert_eq!(copied(count), 3, "before {}", statement.sql);
            let params = rusqlite::params_from_iter(statement.params.iter().map(Bound));
            store.connection.as_ref().unwrap().execute(statement.sql, params).unwrap();
        }
        assert_eq!(copied(statements.len()), 3);
        store.connection.as_ref().unwrap().execute_batch("COMMIT").unwrap();
        assert_eq!(copied(statements.len() + 1), 4);
        drop(store);
        fs::remove_dir_all(directory).unwrap();
    }

    fn row(id: u8, version: u64) -> ProfileRow {
        ProfileRow {
            audience: "7".to_owned(),
            id: [id; 16],
            version,
            touched_ms: 5,
            state: vec![id, u8::try_from(version).unwrap()],
            keys: Some(vec![("email".to_owned(), format!("{id}"))]),
        }
    }

    fn stored(store: &mut SqliteStore, id: u8) -> Vec<Vec<u8>> {
        let key = KeyOf { audience: "7".to_owned(), name: "email".to_owned(), value: format!("{id}") };
        let Ok(Found::Profiles(found)) = store.read(&Read::Profiles(vec![key])) else { unreachable!() };
        found.into_iter().map(|found| found.state).collect()
    }

    #[test]
    fn a_commit_that_fails_and_did_not_happen_is_a_failure() {
        let (directory, mut store) = opened("refused-commit");
        store.commit(&Basis::default(), &Write { profiles: vec![row(1, 1)], ..Write::default() }).unwrap();
        store.connection.as_mut().unwrap().commit_hook(Some(|| true)).unwrap();
        let failed = store
            .commit(&Basis::default(), &Write { profiles: vec![row(1, 2), row(2, 1)], ..Write::default() });
        assert!(failed.is_err());
        // The database was opened anew, without the hook.
        assert!(!store.is_in_doubt());
        assert_eq!((stored(&mut store, 1), stored(&mut store, 2)), (vec![vec![1, 1]], vec![]));
        store.commit(&Basis::default(), &Write { profiles: vec![row(1, 2)], ..Write::default() }).unwrap();
        assert_eq!(stored(&mut store, 1), [[1, 2]]);
        drop(store);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn whether_a_commit_happened_is_asked_of_the_database() {
        let (directory, mut store) = opened("settled");
        let profiles = Write { profiles: vec![row(1, 1)], ..Write::default() };
        let bundle = Write {
            bundle: Some(Published {
                audience: "7".to_owned(),
                release: Release { number: 1, hash: "h".to_owned(), origin: 1, at_ms: 5 },
                body: Some(b"h".to_vec()),
                forgotten: 0,
                dropped: Vec::new(),
            }),
            ..Write::default()
        };
        let retired = Write {
            retired: vec![Retired { audience: "7".to_owned(), id: [1; 16], into: [2; 16] }],
            ..Write::default()
        };
        for write in [profiles, bundle, retired] {
            assert!(!store.settle(&write).unwrap(), "{write:?}");
            store.commit(&Basis::default(), &write).unwrap();
            assert!(store.settle(&write).unwrap(), "{write:?}");
        }
        // A later version, or another state under the same one, is another write.
        let other = ProfileRow { state: vec![7], ..row(1, 1) };
        for row in [row(1, 2), other] {
            assert!(!store.settle(&Write { profiles: vec![row], ..Write::default() }).unwrap());
        }
        // Without its folder there is nothing to ask, and nothing is answered any more.
        fs::remove_dir_all(&directory).unwrap();
        assert!(store.settle(&Write { profiles: vec![row(1, 1)], ..Write::default() }).is_err());
        assert!(
            store.read(&Read::Pointers).is_err()
                && store.commit(&Basis::default(), &Write::default()).is_err()
        );
    }
}
