//! Profiles and bundles in SQLite: the statements are `usher_edge::sql`'s, this runs them.
//!
//! A commit that returned is on disk: the log is synced with every commit, so an acknowledged event survives a
//! crash and a power failure. One process at a time owns a directory; a lock on a file beside the database says whose.
//!
//! Writes that wait at the same time are committed together ([`SqliteStore::open_group`]): one sync for all of them. Each is
//! applied behind a savepoint of its own, so one that fails costs the others nothing.
//!
//! SQLite overwrites what it deletes (`secure_delete`), and after an erasure the log is emptied into the database, so that no
//! file has anything of it. Where a reader holds that up, it is tried again ([`SqliteStore::forget`]); after a
//! crash it is done when the database is opened.
//!
//! A commit that fails, such as by a sync that the disk refuses, may have happened all the same: its pages may lie in the
//! log, and count when that is read again. So the database is opened anew and asked before anything else is answered
//! (`settle`). Where even that fails, the store is in doubt: it reads and writes nothing until the database can be asked,
//! which [`SqliteStore::settle_again`] tries at most once a second.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql};
use usher_edge::Form;
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use crate::exit::Failure;
use erasing::{EMPTY_LOG, Erasing};

mod erasing;

/// The time that a reader from outside, such as a backup, may hold a commit up.
const BUSY: Duration = Duration::from_secs(5);
/// The attempts to ask whether a commit happened, and the pause between them, times the attempts so far.
const SETTLE_ATTEMPTS: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// The time that a store in doubt waits at least before it asks again.
const DOUBT_PAUSE: Duration = Duration::from_secs(1);
/// The statements that stay prepared at most; there are fewer.
const STATEMENTS_MAX: usize = 32;

/// Writes that are committed together.
#[derive(Default)]
struct Group {
    /// Its transaction is open.
    is_begun: bool,
    /// The number of writes that were applied.
    writes: usize,
    /// Finds a row if the commit happened. That of the last write that leaves one: no later write of the group changes what
    /// it finds.
    trace: Option<Statement>,
    /// One of them erases.
    erases: bool,
    /// Its transaction holds less or more than the applied writes, and is never committed.
    is_broken: bool,
}

struct Doubt {
    trace: Option<Statement>,
    /// The database is not asked before.
    next: Instant,
}

/// The store of this process.
pub(crate) struct SqliteStore {
    /// None: in doubt.
    connection: Option<Connection>,
    /// The writes that wait for their commit; None: each has its own.
    group: Option<Group>,
    /// A commit of which it is not known whether it happened.
    doubt: Option<Doubt>,
    database: PathBuf,
    /// Nothing was in it when it was opened.
    is_new: bool,
    erasing: Erasing,
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
        let mut erasing = Erasing::at_start();
        // Of an erasure that a crash interrupted.
        erasing.forget(&connection, true, BUSY);
        Ok(SqliteStore {
            connection: Some(connection),
            group: None,
            doubt: None,
            database,
            is_new,
            erasing,
            _lock: lock,
        })
    }

    /// Overwrites what an earlier build deleted, once ([`erasing`]). What a newer build wrote is left as it is.
    pub(crate) fn scrub(&mut self) -> Result<(), StoreFailure> {
        let is_newer = self.form()? > i64::from(Form::NEWEST.number());
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let scrubbed = !is_newer && erasing::scrub(connection, self.is_new).map_err(failure)?;
        self.forget(scrubbed);
        Ok(())
    }

    /// Empties the log after a commit that erased something, or tries it again.
    pub(crate) fn forget(&mut self, erased: bool) {
        if let Some(connection) = &self.connection {
            self.erasing.forget(connection, erased, BUSY);
        }
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
        let settled = self.settle(doubt.trace.as_ref());
        if settled.is_err() {
            // A disk that takes long to fail holds up nobody for more than a part of the time.
            let pause = DOUBT_PAUSE.max(start.elapsed() * 4);
            self.doubt = Some(Doubt { next: Instant::now() + pause, ..doubt });
        }
        settled.ok()
    }

    /// From here on writes wait for [`SqliteStore::close_group`], and reads find what waits.
    pub(crate) fn open_group(&mut self) {
        self.group = Some(Group::default());
    }

    /// The number of writes that wait for the commit of the open group.
    pub(crate) fn waiting(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.writes)
    }

    /// Makes all writes of the open group durable by one commit.
    ///
    /// # Errors
    ///
    /// None of them is stored; or that is not known ([`SqliteStore::is_in_doubt`]).
    pub(crate) fn close_group(&mut self) -> Result<(), StoreFailure> {
        let Some(group) = self.group.take().filter(|group| group.is_begun) else { return Ok(()) };
        let connection = self.connection.as_mut().ok_or_else(in_doubt)?;
        let failed = match end(connection, &group) {
            Ok(()) => {
                self.forget(group.erases);
                return Ok(());
            }
            Err(Failed::Undone(failure)) if connection.is_autocommit() => return Err(failure),
            Err(Failed::Undone(failure) | Failed::InDoubt(failure)) => failure,
        };
        for attempt in 0..SETTLE_ATTEMPTS {
            match self.settle(group.trace.as_ref()) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(failed),
                // A disk that is full or does not answer may do so again.
                Err(_) => std::thread::sleep(SETTLE_PAUSE * attempt),
            }
        }
        self.doubt = Some(Doubt { trace: group.trace, next: Instant::now() + DOUBT_PAUSE });
        Err(failed)
    }

    /// Applies a write in the transaction of the open group.
    fn add(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        let connection = self.connection.as_mut().ok_or_else(in_doubt)?;
        let group = self.group.get_or_insert_default();
        if group.is_broken {
            return Err(StoreFailure("a write before it ended their transaction".to_owned()).into());
        }
        if !group.is_begun {
            connection.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
            group.is_begun = true;
        }
        // Until it is known to be applied, or undone.
        group.is_broken = true;
        let applied = apply(connection, basis, write);
        group.is_broken = matches!(applied, Err(Unapplied::Broken(_)));
        match applied {
            Ok(()) => {
                group.writes += 1;
                group.erases |= write.erases();
                group.trace = sql::trace(write).or(group.trace.take());
                Ok(())
            }
            Err(Unapplied::Conflict) => Err(CommitError::Conflict),
            Err(Unapplied::Undone(error) | Unapplied::Broken(error)) => Err(failure(error).into()),
        }
    }

    /// Opens the database anew after a commit that failed, and says whether it happened.
    fn settle(&mut self, trace: Option<&Statement>) -> rusqlite::Result<bool> {
        // Its cache may hold what the log does not.
        self.connection = None;
        let connection = connect(&self.database)?;
        // What the log holds by now goes into the database, and is synced once more: a sync that failed before does not
        // fail again for the same pages.
        let busy: i64 = connection.query_row(EMPTY_LOG, [], |row| row.get(0))?;
        if busy != 0 {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let happened = match trace {
            Some(trace) => !rows(&connection, trace)?.is_empty(),
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
    // Also of what is no erasure: a later version of a profile replaces an earlier one, which is erased with it.
    connection.pragma_update(None, "secure_delete", "ON")?;
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

/// The failure of a group.
enum Failed {
    /// Before its commit: nothing of it is stored.
    Undone(StoreFailure),
    /// In its commit.
    InDoubt(StoreFailure),
}

/// Commits the transaction of a group, or rolls it back if it is broken.
fn end(connection: &Connection, group: &Group) -> Result<(), Failed> {
    let failed = if group.is_broken {
        Failed::Undone(StoreFailure("a write ended the transaction of a group".to_owned()))
    } else {
        match connection.execute_batch("COMMIT") {
            Ok(()) => return Ok(()),
            // A full disk did not take a page of the log, and so not the last one, which is what makes it a commit.
            Err(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull)
                ) =>
            {
                Failed::Undone(failure(error))
            }
            Err(error) => Failed::InDoubt(failure(error)),
        }
    };
    if !connection.is_autocommit() {
        // Where it fails, the connection is not used any more.
        let _ = connection.execute_batch("ROLLBACK");
    }
    Err(failed)
}

/// The reason why a write was not applied.
enum Unapplied {
    /// Another writer changed what the write builds on.
    Conflict,
    /// It failed, and what it had changed was undone.
    Undone(rusqlite::Error),
    /// It failed, and the transaction is not what it was before.
    Broken(rusqlite::Error),
}

/// Applies a write in the open transaction: all of it or nothing.
fn apply(connection: &mut Connection, basis: &Basis, write: &Write) -> Result<(), Unapplied> {
    let savepoint = connection.savepoint().map_err(Unapplied::Undone)?;
    match run(&savepoint, basis, write) {
        Ok(true) => savepoint.commit().map_err(Unapplied::Broken),
        Ok(false) => savepoint.finish().map_err(Unapplied::Broken).and(Err(Unapplied::Conflict)),
        Err(error) => {
            // After some failures SQLite has rolled back all of the transaction.
            let is_undone = !savepoint.is_autocommit() && savepoint.finish().is_ok();
            Err(if is_undone { Unapplied::Undone(error) } else { Unapplied::Broken(error) })
        }
    }
}

/// `false`: another writer changed what the write builds on, and nothing was written.
fn run(connection: &Connection, basis: &Basis, write: &Write) -> rusqlite::Result<bool> {
    for check in sql::checks(basis) {
        let params = rusqlite::params_from_iter(check.params.iter().map(Bound));
        if connection.prepare_cached(check.sql)?.exists(params)? {
            return Ok(false);
        }
    }
    for statement in sql::writes(write) {
        let params = rusqlite::params_from_iter(statement.params.iter().map(Bound));
        connection.prepare_cached(statement.sql)?.execute(params)?;
    }
    Ok(true)
}

impl Store for SqliteStore {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let run = |statement| rows(connection, &statement);
        let found: Vec<Rows> =
            sql::reads(read).into_iter().map(run).collect::<rusqlite::Result<_>>().map_err(failure)?;
        sql::found(read, found)
    }

    /// In an open group it is durable when the group is closed.
    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if self.group.is_some() {
            return self.add(basis, write);
        }
        self.open_group();
        let added = self.add(basis, write);
        let closed = self.close_group();
        added.and(closed.map_err(CommitError::from))
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

/// For trials of what is above the store.
#[cfg(test)]
impl SqliteStore {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().unwrap()
    }

    /// Has the database be there when it is opened the next time.
    pub(crate) fn move_to(&mut self, database: PathBuf) -> PathBuf {
        std::mem::replace(&mut self.database, database)
    }
}

#[cfg(test)]
pub(crate) mod trials;

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
    fn one_commit_stores_a_group_and_the_last_write_tells_whether_it_happened() {
        let (directory, mut store) = opened("group");
        let profiles = |rows: &[ProfileRow]| Write { profiles: rows.to_vec(), ..Write::default() };
        let probe = Write { probed_ms: Some(7), ..Write::default() };
        let other = connect(&store.database).unwrap();
        store.open_group();
        for write in [profiles(&[row(1, 1)]), profiles(&[row(2, 1)]), profiles(&[row(1, 2)]), probe] {
            store.commit(&Basis::default(), &write).unwrap();
        }
        assert_eq!((store.waiting(), stored(&mut store, 1)), (4, vec![vec![1, 2]]));
        // A second connection sees nothing of it before the commit, and all of it after.
        let trace = store.group.as_ref().unwrap().trace.clone().unwrap();
        assert_eq!(rows(&other, &trace).unwrap().len(), 0);
        store.close_group().unwrap();
        assert_eq!((store.waiting(), rows(&other, &trace).unwrap().len()), (0, 1));
        drop(other);
        assert!(store.settle(Some(&trace)).unwrap());
        drop(store);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_write_that_fails_costs_its_group_nothing() {
        let (directory, mut store) = opened("savepoint");
        let profile = |row| Write { profiles: vec![row], ..Write::default() };
        // It fails in its last statement.
        store
            .connection()
            .execute_batch(
                "CREATE TRIGGER refuse BEFORE INSERT ON profile_key WHEN NEW.value = '2'
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
            )
            .unwrap();
        store.open_group();
        store.commit(&Basis::default(), &profile(row(1, 1))).unwrap();
        assert!(store.commit(&Basis::default(), &profile(row(2, 1))).is_err());
        let gone = Basis { running: Some(("7".to_owned(), 9)), ..Basis::default() };
        assert_eq!(store.commit(&gone, &profile(row(4, 1))), Err(CommitError::Conflict));
        store.commit(&Basis::default(), &profile(row(3, 1))).unwrap();
        store.close_group().unwrap();
        let found = [1, 2, 3, 4].map(|id| stored(&mut store, id).len());
        assert_eq!(found, [1, 0, 1, 0]);
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
            assert!(!store.settle(sql::trace(&write).as_ref()).unwrap(), "{write:?}");
            store.commit(&Basis::default(), &write).unwrap();
            assert!(store.settle(sql::trace(&write).as_ref()).unwrap(), "{write:?}");
        }
        // A later version, or another state under the same one, is another write.
        let other = ProfileRow { state: vec![7], ..row(1, 1) };
        for row in [row(1, 2), other] {
            let write = Write { profiles: vec![row], ..Write::default() };
            assert!(!store.settle(sql::trace(&write).as_ref()).unwrap());
        }
        // Without its folder there is nothing to ask, and nothing is answered any more.
        fs::remove_dir_all(&directory).unwrap();
        assert!(store.settle(None).is_err());
        assert!(
            store.read(&Read::Pointers).is_err()
                && store.commit(&Basis::default(), &Write::default()).is_err()
        );
    }
}
