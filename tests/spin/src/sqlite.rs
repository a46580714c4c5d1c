//! `spin:sqlite`: one connection to a file for each `open`.
//!
//! As in Spin, a statement that cannot be prepared or run fails in its result, after columns and rows.

use std::sync::{Arc, Mutex};

use rusqlite::types::{Value as Stored, ValueRef};
use tokio::task::spawn_blocking;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

use crate::Result;
use crate::app::App;
use crate::guest::Guest;
use crate::guest::spin::sqlite::sqlite::{
    Error, Host, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value,
};

/// The database below the data's folder.
pub(crate) const FILE: &str = "sqlite_db.db";

/// An open connection.
#[derive(Clone)]
pub struct Connection(Arc<Mutex<rusqlite::Connection>>);

impl Connection {
    fn open(app: &App, database: &str) -> Result<Connection, Error> {
        if !app.databases.iter().any(|known| known == database) {
            return Err(Error::AccessDenied);
        }
        let opened = rusqlite::Connection::open(app.data.join(FILE)).map_err(failure)?;
        Ok(Connection(Arc::new(Mutex::new(opened))))
    }

    fn execute(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<(Vec<String>, Vec<RowResult>), Error> {
        let connection = self.0.lock().expect("nobody panics with it");
        let mut prepared = connection.prepare_cached(statement).map_err(failure)?;
        let columns: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
        let parameters = parameters.into_iter().map(|value| match value {
            Value::Integer(number) => Stored::Integer(number),
            Value::Real(number) => Stored::Real(number),
            Value::Text(text) => Stored::Text(text),
            Value::Blob(bytes) => Stored::Blob(bytes),
            Value::Null => Stored::Null,
        });
        let mut found = prepared.query(rusqlite::params_from_iter(parameters)).map_err(failure)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(failure)? {
            let value = |column| row.get_ref(column).map(read).map_err(failure);
            let values = (0..columns.len()).map(value).collect::<Result<_, _>>()?;
            rows.push(RowResult { values });
        }
        Ok((columns, rows))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => {
            Value::Text(String::from_utf8(text.to_vec()).expect("Spin takes no other text"))
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn failure(error: rusqlite::Error) -> Error {
    Error::Io(error.to_string())
}

impl<T> HostConnectionWithStore<T> for HasSelf<Guest> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> Result<Result<Resource<Connection>, Error>> {
        let app = accessor.with(|mut access| Arc::clone(&access.get().app));
        match spawn_blocking(move || Connection::open(&app, &database)).await? {
            Ok(opened) => Ok(Ok(accessor.with(|mut access| access.get().table.push(opened))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Result<(Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>), Error>> {
        let connection = accessor.with(|mut access| access.get().table.get(&connection).cloned())?;
        let executed = spawn_blocking(move || connection.execute(&statement, parameters)).await?;
        let (columns, rows, result) = match executed {
            Ok((columns, rows)) => (columns, rows, Ok(())),
            Err(error) => (Vec::new(), Vec::new(), Err(error)),
        };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, rows)?;
            let result = FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?;
            Ok(Ok((columns, rows, result)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> Result<i64> {
        accessor.with(|mut access| access.get().last_insert_rowid(connection))
    }

    async fn changes_async(accessor: &Accessor<T, Self>, connection: Resource<Connection>) -> Result<u64> {
        accessor.with(|mut access| access.get().changes(connection))
    }
}

impl Host for Guest {}

impl HostConnection for Guest {
    fn open(&mut self, database: String) -> Result<Result<Resource<Connection>, Error>> {
        match Connection::open(&self.app, &database) {
            Ok(opened) => Ok(Ok(self.table.push(opened)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Result<QueryResult, Error>> {
        let executed = self.table.get(&connection)?.execute(&statement, parameters);
        Ok(executed.map(|(columns, rows)| QueryResult { columns, rows }))
    }

    fn last_insert_rowid(&mut self, connection: Resource<Connection>) -> Result<i64> {
        Ok(self.table.get(&connection)?.0.lock().expect("nobody panics with it").last_insert_rowid())
    }

    fn changes(&mut self, connection: Resource<Connection>) -> Result<u64> {
        Ok(self.table.get(&connection)?.0.lock().expect("nobody panics with it").changes())
    }

    fn drop(&mut self, connection: Resource<Connection>) -> Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
