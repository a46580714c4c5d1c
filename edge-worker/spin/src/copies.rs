//! Copies of bundles in the key-value store, under their hashes. A new instance installs a bundle from its copy, because the
//! database may be far away. The edge checks the hash; without a good copy the body comes from the database.

use spin_sdk::key_value::{Error, Store};

use crate::limits::COPY_TIME;
use crate::log;
use crate::patience::within;

pub(crate) async fn get(hash: &str) -> Option<Vec<u8>> {
    patiently(async { Store::open_default().await?.get(name(hash)).await }).await.flatten()
}

pub(crate) async fn put(hash: &str, body: &[u8]) {
    patiently(async { Store::open_default().await?.set(name(hash), body).await }).await;
}

/// Deletes a copy. If that fails, the copy only takes space.
pub(crate) async fn delete(hash: &str) {
    patiently(async { Store::open_default().await?.delete(name(hash)).await }).await;
}

fn name(hash: &str) -> String {
    format!("bundle/{hash}")
}

async fn patiently<T>(work: impl Future<Output = Result<T, Error>>) -> Option<T> {
    match within(COPY_TIME, work).await? {
        Ok(done) => Some(done),
        Err(error) => {
            log::event("kv_failed", &error.to_string());
            None
        }
    }
}
