//! The service as a Spin component: `wasi:http` in, SQLite behind.
//!
//! Spin passes up to 16 requests at once to one instance, 128 in its life, and runs as many instances as it needs. The requests
//! of an instance take turns at every `await`. So the state that they share is lent to closures, which cannot wait ([`edge`]);
//! each request opens its own connection; and a writer holds the database's lock from its read to its commit. A trap ends the
//! instance: its requests fail, their transactions are rolled back, and the next request gets a new instance.
//!
//! # The path of a request
//!
//! [`instance`] catches up with settings, tables and bundles. [`request`] reads a head and then a body. [`serve`] asks the front
//! for the next step. [`deliver`] takes a message through read, fold and commit ([`attempt`]) on a [`database`] connection.
//! [`response`] sends the answer. [`bundles`] installs what other instances publish; [`copies`] are bodies of bundles in the
//! key-value store. With a tick [`activations`] are delivered, each attempt by [`sender`].

mod activations;
mod attempt;
mod bundles;
mod copies;
mod database;
mod deliver;
mod edge;
mod instance;
mod limits;
mod log;
mod patience;
mod request;
mod response;
mod room;
mod sender;
mod serve;

use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

/// The component.
#[derive(Debug)]
pub struct Usher;

impl Guest for Usher {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        Ok(response::send(serve::answer(request).await))
    }
}

// The exported name has characters that other linkers refuse.
#[cfg(target_arch = "wasm32")]
spin_sdk::wasip3::http::service::export!(Usher);
