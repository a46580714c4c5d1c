//! `spin:key-value`: a table in a file beside the database.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::OptionalExtension;
use tokio::task::spawn_blocking;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

use crate::Result;
use crate::guest::Guest;
use crate::guest::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore};

const FILE: &str = "sqlite_key_value.db";

/// An open store.
#[derive(Clone)]
pub struct Store(Arc<Mutex<rusqlite::Connection>>);

impl Store {
    fn open(data: &Path) -> rusqlite::Result<Store> {
        let opened = rusqlite::Connection::open(data.join(FILE))?;
        opened
            .execute_batch("CREATE TABLE IF NOT EXISTS pair (key TEXT PRIMARY KEY, value BLOB NOT NULL)")?;
        Ok(Store(Arc::new(Mutex::new(opened))))
    }
}

/// Runs some work on a store, on a thread for blocking work.
async fn with<T, R: Send + 'static>(
    accessor: &Accessor<T, HasSelf<Guest>>,
    store: Resource<Store>,
    work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<R> + Send + 'static,
) -> Result<Result<R, Error>> {
    let store = accessor.with(|mut access| access.get().table.get(&store).cloned())?;
    let done = spawn_blocking(move || work(&store.0.lock().expect("nobody panics with it"))).await?;
    Ok(done.map_err(failure))
}

fn failure(error: rusqlite::Error) -> Error {
    Error::Other(error.to_string())
}

impl<T> HostStoreWithStore<T> for HasSelf<Guest> {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Result<Resource<Store>, Error>> {
        let app = accessor.with(|mut access| Arc::clone(&access.get().app));
        if !app.key_value_stores.contains(&label) {
            return Ok(Err(Error::AccessDenied));
        }
        match spawn_blocking(move || Store::open(&app.data)).await? {
            Ok(opened) => Ok(Ok(accessor.with(|mut access| access.get().table.push(opened))?)),
            Err(error) => Ok(Err(failure(error))),
        }
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        with(accessor, store, move |pairs| {
            pairs.query_row("SELECT value FROM pair WHERE key = ?", [key], |row| row.get(0)).optional()
        })
        .await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        with(accessor, store, move |pairs| {
            let set = "INSERT OR REPLACE INTO pair (key, value) VALUES (?, ?)";
            pairs.execute(set, rusqlite::params![key, value]).map(drop)
        })
        .await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> Result<Result<(), Error>> {
        with(accessor, store, move |pairs| pairs.execute("DELETE FROM pair WHERE key = ?", [key]).map(drop))
            .await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
        key: String,
    ) -> Result<Result<bool, Error>> {
        with(accessor, store, move |pairs| pairs.prepare("SELECT 1 FROM pair WHERE key = ?")?.exists([key]))
            .await
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        store: Resource<Store>,
    ) -> Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let listed = with(accessor, store, |pairs| {
            let mut listing = pairs.prepare("SELECT key FROM pair")?;
            listing.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        });
        let (keys, result) = match listed.await? {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            Ok((keys, FutureReader::new(&mut access, async move { wasmtime::error::Ok(result) })?))
        })
    }
}

impl Host for Guest {}

impl HostStore for Guest {
    fn drop(&mut self, store: Resource<Store>) -> Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}
