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

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql};
use usher_edge::Form;
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use crate::exit::Failure;
use erasing::{EMPTY_LOG, Erasing};

mod erasing;
mod shards;

pub(crate) use shards::Shards;

/// The time that a reader from outside, such as a backup, may hold a commit up.
const BUSY: Duration = Duration::from_secs(5);
/// The attempts to ask whether a commit happened, and the pause between them, times the attempts so far.
const SETTLE_ATTEMPTS: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// The time that a store in doubt waits at least before it asks again.
const DOUBT_PAUSE: Duration = Duration::from_secs(1);
/// The statements that stay prepared at most; there are fewer.
const STATEMENTS_MAX: usize = 32;

// The parts of a message, within the transaction of its group.
const STAGE: &str = "SAVEPOINT staged";
const RELEASE: &str = "RELEASE staged";
const UNSTAGE: &str = "ROLLBACK TO staged; RELEASE staged";

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
    /// Parts of a message are staged, and the message is not decided.
    staged: Option<Staged>,
}

/// What ends a message in parts.
struct Staged {
    /// The message has the group for itself.
    is_alone: bool,
    /// The trace of the group without the parts.
    trace: Option<Statement>,
}

impl Group {
    /// Begins its transaction, unless that is open.
    fn begin(&mut self, connection: &Connection) -> Result<(), StoreFailure> {
        if !self.is_begun {
            connection.execute_batch("BEGIN IMMEDIATE").map_err(failure)?;
            self.is_begun = true;
        }
        Ok(())
    }
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
    /// The time that it took so far, all together.
    spent: Duration,
    /// Held as long as the store is, by the store of the first shard.
    _lock: Option<File>,
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
        SqliteStore::of_file(directory.join("usher.sqlite3"), Some(lock))
    }

    /// Opens a database, and makes it if it is not there; its directory is locked.
    fn of_file(database: PathBuf, lock: Option<File>) -> Result<SqliteStore, Failure> {
        // SQLite gives the files that it makes beside the database the same permissions.
        private(&database).map_err(|error| Failure::of_file("make", database.display(), error))?;
        let is_new = !fs::metadata(&database).is_ok_and(|file| file.len() > 0);
        let connection = connect(&database)
            .map_err(|error| Failure::of_file("open the database", database.display(), error))?;
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
            spent: Duration::ZERO,
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

    /// The time that reads and writes took so far, all together: who looks before and after knows what a message's took.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
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
        // Those of a message that ended by a panic.
        self.undo();
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

    /// Applies a write in the transaction of the open group, which then has so many more.
    fn add(&mut self, basis: &Basis, write: &Write, writes: usize) -> Result<(), CommitError> {
        let connection = self.connection.as_mut().ok_or_else(in_doubt)?;
        let group = self.group.get_or_insert_default();
        if group.is_broken {
            return Err(StoreFailure("a write before it ended their transaction".to_owned()).into());
        }
        group.begin(connection)?;
        // Until it is known to be applied, or undone.
        group.is_broken = true;
        let applied = apply(connection, basis, write);
        group.is_broken = matches!(applied, Err(Unapplied::Broken(_)));
        match applied {
            Ok(()) => {
                group.writes += writes;
                group.erases |= write.erases();
                group.trace = sql::trace(write).or(group.trace.take());
                Ok(())
            }
            Err(Unapplied::Conflict) => Err(CommitError::Conflict),
            Err(Unapplied::Undone(error) | Unapplied::Broken(error)) => Err(failure(error).into()),
        }
    }

    /// Adds a write to the open group, or commits it alone.
    fn add_or_commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if self.group.as_ref().is_some_and(|group| group.staged.is_some()) {
            self.add(basis, write, 1)?;
            return Ok(self.release()?);
        }
        if self.group.is_some() {
            return self.add(basis, write, 1);
        }
        self.open_group();
        let added = self.add(basis, write, 1);
        let closed = self.close_group();
        added.and(closed.map_err(CommitError::from))
    }

    /// Keeps the staged parts of a message that is decided, and commits them if it is alone.
    fn release(&mut self) -> Result<(), StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let Some(group) = &mut self.group else { return Ok(()) };
        let is_alone = group.staged.take().is_some_and(|staged| staged.is_alone);
        let released = connection.execute_batch(RELEASE).map_err(failure);
        group.is_broken |= released.is_err();
        if is_alone { self.close_group() } else { released }
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
    // Else every new value of a parameter has its statement planned anew, because the plan might be better for that value: a third
    // of the work of an event. Nothing here has statistics that could say so.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute(sql::META, [])?;
    // What a newer build wrote is left as it is.
    if stored_form(&connection)? <= i64::from(Form::NEWEST.number()) {
        // One sync for all of them.
        let transaction = connection.unchecked_transaction()?;
        for statement in sql::SCHEMA {
            transaction.execute(statement, [])?;
        }
        transaction.commit()?;
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
        let start = Instant::now();
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let run = |statement| rows(connection, &statement);
        let found = sql::reads(read).into_iter().map(run).collect::<rusqlite::Result<Vec<Rows>>>();
        self.spent += start.elapsed();
        sql::found(read, found.map_err(failure)?)
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        let start = Instant::now();
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let is_alone = self.group.is_none();
        let group = self.group.get_or_insert_default();
        if group.staged.is_none() {
            group.begin(connection)?;
            connection.execute_batch(STAGE).map_err(failure)?;
            group.staged = Some(Staged { is_alone, trace: group.trace.clone() });
        }
        let added = self.add(basis, write, 0);
        self.spent += start.elapsed();
        added
    }

    fn undo(&mut self) {
        let Some(group) = &mut self.group else { return };
        let Some(staged) = group.staged.take() else { return };
        group.trace = staged.trace;
        let undone =
            self.connection.as_ref().is_some_and(|connection| connection.execute_batch(UNSTAGE).is_ok());
        group.is_broken |= !undone;
        if staged.is_alone {
            group.is_broken = true;
            // It has nothing to commit.
            let _ = self.close_group();
        }
    }

    /// In an open group it is durable when the group is closed.
    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        let start = Instant::now();
        let committed = self.add_or_commit(basis, write);
        self.spent += start.elapsed();
        committed
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
mod tests;
