//! Storage that survives processes: the reference store, or SQLite with the statements that every host runs.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure, Write};
use usher_edge::{Form, Store};

/// One storage, with the form in which it was last written.
pub struct Disk {
    place: Place,
    /// The newest form that was written; 0: none.
    form: i64,
}

enum Place {
    Memory(Box<MemoryStore>),
    Sqlite(Connection),
}

impl Disk {
    /// Empty storage.
    pub fn new(sqlite: bool) -> Disk {
        let place = match sqlite {
            false => Place::Memory(Box::default()),
            true => Place::Sqlite(database().expect("a database in memory")),
        };
        Disk { place, form: 0 }
    }

    /// The form that was written here; 0: none.
    pub fn form(&self) -> i64 {
        self.form
    }

    /// Remembers the form to write.
    pub fn set_form(&mut self, form: Form) {
        self.form = self.form.max(i64::from(form.number()));
    }
}

impl Store for Disk {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        match &mut self.place {
            Place::Memory(store) => store.read(read),
            Place::Sqlite(connection) => {
                let run = |statement: &Statement| rows(connection, statement).map_err(failure);
                sql::found(read, sql::reads(read).iter().map(run).collect::<Result<_, _>>()?)
            }
        }
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        match &mut self.place {
            Place::Memory(store) => store.stage(basis, write),
            Place::Sqlite(connection) => decided(put(connection, basis, write)),
        }
    }

    fn undo(&mut self) {
        match &mut self.place {
            Place::Memory(store) => store.undo(),
            Place::Sqlite(connection) => roll_back(connection),
        }
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        match &mut self.place {
            Place::Memory(store) => store.commit(basis, write),
            Place::Sqlite(connection) => {
                let committed = decided(commit(connection, basis, write));
                roll_back(connection);
                committed
            }
        }
    }
}

fn database() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for statement in sql::SCHEMA {
        connection.execute(statement, [])?;
    }
    Ok(connection)
}

fn decided(made: rusqlite::Result<bool>) -> Result<(), CommitError> {
    match made {
        Ok(true) => Ok(()),
        Ok(false) => Err(CommitError::Conflict),
        Err(error) => Err(failure(error).into()),
    }
}

/// Ends an open transaction without its changes.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").expect("a transaction is open");
    }
}

fn commit(connection: &Connection, basis: &Basis, write: &Write) -> rusqlite::Result<bool> {
    if !put(connection, basis, write)? {
        return Ok(false);
    }
    connection.execute_batch("COMMIT")?;
    Ok(true)
}

/// Runs a write in a transaction, which stays open. `false`: another writer changed what the write builds on.
fn put(connection: &Connection, basis: &Basis, write: &Write) -> rusqlite::Result<bool> {
    if connection.is_autocommit() {
        connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    for check in sql::checks(basis) {
        if !rows(connection, &check)?.is_empty() {
            return Ok(false);
        }
    }
    for statement in sql::writes(write) {
        let params = rusqlite::params_from_iter(statement.params.iter().map(Bound));
        connection.prepare_cached(statement.sql)?.execute(params)?;
    }
    Ok(true)
}

fn failure(error: rusqlite::Error) -> StoreFailure {
    StoreFailure(error.to_string())
}

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
        let cell = |index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
                ValueRef::Integer(number) => Cell::Number(number),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                other => {
                    return Err(rusqlite::Error::InvalidColumnType(index, String::new(), other.data_type()));
                }
            })
        };
        rows.push((0..count).map(cell).collect::<rusqlite::Result<_>>()?);
    }
    Ok(rows)
}
