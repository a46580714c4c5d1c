//! Connections to the database, one for each call. They run the statements of `usher_edge::store::sql`.
//!
//! Closing a connection rolls its transaction back, so a call that ends early leaves nothing half done.

use std::cell::{self, RefCell};

use spin_sdk::sqlite::{Connection, Error, Value};
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure, Write};

use crate::edge::edge;
use crate::log;

thread_local! {
    /// An idle connection. While it is open, SQLite keeps its log instead of writing it back and deleting it whenever a call
    /// closes its own.
    static KEEPER: RefCell<Option<Session>> = const { RefCell::new(None) };
    /// The database refused to overwrite what it deletes, which was logged.
    static KEEPS_DELETED: cell::Cell<bool> = const { cell::Cell::new(false) };
    /// The last logged reason why another form is written than the deployment sets.
    static FORM_COMPLAINT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has SQLite overwrite what it deletes. A connection has this mode until it is closed.
const OVERWRITE: &str = "PRAGMA secure_delete = ON";
/// Moves the log into the database and empties it, after an erasure.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const BEGIN: &str = "BEGIN";
const BEGIN_WITH_LOCK: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLL_BACK: &str = "ROLLBACK";
/// With a write-ahead log, readers and the writer do not wait for each other. The file stores this mode. Servers have their own
/// log and may refuse the statement.
const LOG_AHEAD: &str = "PRAGMA journal_mode = WAL";
/// Reads the [`schema_mark`] of the tables that were made here.
const READ_SCHEMA: &str = "SELECT value FROM meta WHERE name = 'schema'";
const WRITE_SCHEMA: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('schema', ?)";

/// Makes the tables, unless a build with the same tables made them, or a newer build wrote here.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn make_tables() -> Result<(), StoreFailure> {
    let mut session = Session::open().await?;
    let mark = schema_mark();
    // Every instance does this, and most find nothing to do. Without any table the read fails.
    if session.number(READ_SCHEMA).await != Ok(Some(mark)) {
        if let Err(failure) = session.run(LOG_AHEAD, Vec::new()).await {
            log::event("journal_mode_kept", &failure.0);
        }
        session.run(sql::META, Vec::new()).await?;
        session.lock().await?;
        if session.meet_form().await? {
            for statement in sql::SCHEMA {
                session.run(statement, Vec::new()).await?;
            }
            session.run(WRITE_SCHEMA, vec![Cell::Number(mark)]).await?;
        }
        session.run(COMMIT, Vec::new()).await?;
        session.has_begun = false;
    }
    KEEPER.set(Some(session));
    Ok(())
}

/// A number for the statements that make the tables: FNV-1a of their texts.
fn schema_mark() -> i64 {
    let bytes = sql::SCHEMA.iter().flat_map(|statement| statement.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// A connection.
pub(crate) struct Session {
    connection: Connection,
    /// True while its transaction is open.
    has_begun: bool,
    /// The trace of the last staged part.
    staged: Option<Statement>,
}

impl Session {
    pub(crate) async fn open() -> Result<Session, StoreFailure> {
        let connection = Connection::open_default().await.map_err(failure)?;
        Ok(Session { connection, has_begun: false, staged: None })
    }

    /// True while its transaction is open.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Begins a transaction with the lock for writing, in which SQLite overwrites what it deletes.
    pub(crate) async fn lock(&mut self) -> Result<(), StoreFailure> {
        // Servers decide that themselves, and may refuse the statement.
        if let Err(failure) = self.run(OVERWRITE, Vec::new()).await
            && !KEEPS_DELETED.replace(true)
        {
            log::event("secure_delete_unset", &failure.0);
        }
        self.begin(BEGIN_WITH_LOCK).await
    }

    /// Begins a transaction that reads one state and blocks no writer.
    pub(crate) async fn hold_state(&mut self) -> Result<(), StoreFailure> {
        self.begin(BEGIN).await
    }

    async fn begin(&mut self, statement: &str) -> Result<(), StoreFailure> {
        self.run(statement, Vec::new()).await?;
        self.has_begun = true;
        Ok(())
    }

    /// Ends the transaction without changes, if one is open. If that fails, closing the connection ends it.
    pub(crate) async fn roll_back(mut self) {
        self.end().await;
    }

    /// Rolls the transaction back; true if one was open and is not any more.
    async fn end(&mut self) -> bool {
        std::mem::take(&mut self.has_begun) && self.run(ROLL_BACK, Vec::new()).await.is_ok()
    }

    pub(crate) async fn read(&self, read: &Read) -> Result<Found, StoreFailure> {
        let mut found = Vec::new();
        for Statement { sql, params } in sql::reads(read) {
            found.push(self.run(sql, params).await?);
        }
        sql::found(read, found)
    }

    /// Stores a part of a message in the transaction.
    ///
    /// # Errors
    ///
    /// See [`Store::stage`](usher_edge::Store::stage).
    pub(crate) async fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.store(basis, write).await?;
        self.staged = sql::trace(write).or_else(|| self.staged.take());
        Ok(())
    }

    /// Stores a write and commits, with what was staged: all or nothing.
    ///
    /// # Errors
    ///
    /// See [`Store::commit`](usher_edge::Store::commit).
    pub(crate) async fn commit(mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        let stored = self.store(basis, write).await;
        if let Err(refused) = stored {
            self.end().await;
            return Err(refused);
        }
        let Err(failure) = self.run(COMMIT, Vec::new()).await else {
            if write.erases() {
                self.empty_log().await;
            }
            return Ok(());
        };
        // A transaction that can be rolled back was not committed. Otherwise only the answer may have been lost.
        let is_undone = self.end().await;
        let trace = sql::trace(write).or_else(|| self.staged.take());
        drop(self);
        let happened = match trace.filter(|_| !is_undone) {
            Some(Statement { sql, params }) => !Session::open().await?.run(sql, params).await?.is_empty(),
            None => false,
        };
        if happened { Ok(()) } else { Err(failure.into()) }
    }

    /// Empties the log of what was erased. Readers may hold that up; the next erasure tries again.
    async fn empty_log(&self) {
        let emptied = self.run(EMPTY_LOG, Vec::new()).await;
        if !matches!(
            emptied.as_ref().map(|rows| rows.first().and_then(|row| row.first())),
            Ok(Some(Cell::Number(0)))
        ) {
            log::event(
                "log_not_emptied",
                "a reader holds it up; the log has what was erased until the next erasure",
            );
        }
    }

    async fn store(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if !self.has_begun {
            self.lock().await?;
        }
        for Statement { sql, params } in sql::checks(basis) {
            if !self.run(sql, params).await?.is_empty() {
                return Err(CommitError::Conflict);
            }
        }
        for Statement { sql, params } in sql::writes(write) {
            self.run(sql, params).await?;
        }
        Ok(())
    }

    /// Compares the forms of the edge and of the database, and stores the one to write; false if a newer build wrote here.
    pub(crate) async fn meet_form(&self) -> Result<bool, StoreFailure> {
        let stored = self.number(sql::READ_FORM).await?.unwrap_or(0);
        let Some(form) = edge(|edge| edge.meet_form(stored)) else {
            log::event(
                "storage_too_new",
                "a newer build wrote the data; every route but /healthz answers 503",
            );
            return Ok(false);
        };
        let complaint = edge(|edge| edge.form_complaint());
        if let Some(complaint) =
            complaint.clone().filter(|_| FORM_COMPLAINT.replace(complaint.clone()) != complaint)
        {
            log::event("form_refused", &complaint);
        }
        let form = i64::from(form.number());
        if form > stored {
            self.run(sql::WRITE_FORM, vec![Cell::Number(form)]).await?;
        }
        Ok(true)
    }

    /// The number that a statement finds.
    async fn number(&self, sql: &str) -> Result<Option<i64>, StoreFailure> {
        let rows = self.run(sql, Vec::new()).await?;
        Ok(rows.into_iter().flatten().find_map(|cell| match cell {
            Cell::Number(number) => Some(number),
            Cell::Bytes(_) | Cell::Text(_) => None,
        }))
    }

    async fn run(&self, sql: &str, params: Vec<Cell>) -> Result<Rows, StoreFailure> {
        let params = params.into_iter().map(|cell| match cell {
            Cell::Bytes(bytes) => Value::Blob(bytes),
            Cell::Number(number) => Value::Integer(number),
            Cell::Text(text) => Value::Text(text),
        });
        let found = self.connection.execute(sql, params).await.map_err(failure)?;
        // The statement has run when its result is there.
        let rows = found.collect().await.map_err(failure)?;
        rows.into_iter().map(|row| row.values.into_iter().map(cell).collect()).collect()
    }
}

fn cell(value: Value) -> Result<Cell, StoreFailure> {
    match value {
        Value::Blob(bytes) => Ok(Cell::Bytes(bytes)),
        Value::Integer(number) => Ok(Cell::Number(number)),
        Value::Text(text) => Ok(Cell::Text(text)),
        // No statement selects these.
        Value::Null | Value::Real(_) => {
            Err(StoreFailure("a row is not what its statement selects".to_owned()))
        }
    }
}

/// SQLite's own words name tables and files, never values.
fn failure(error: Error) -> StoreFailure {
    StoreFailure(error.to_string())
}
