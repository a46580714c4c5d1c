//! The service as a library for a Rust Worker on Cloudflare: one function and one Durable Object.
//!
//! A Worker of your own, on the `worker` crate, hands requests over to [`fetch`] and exports [`UsherStore`]. Its own routes
//! stand beside. `edge-worker/cloudflare` is the ready-made Worker of the same service, with a thin entry in JavaScript: it
//! is smaller, and takes less time for a request. docs/rust-worker.md compares them.
//!
//! # Examples
//!
//! ```no_run
//! use worker::{Context, Env, Request, Response, Result, event};
//!
//! pub use usher_worker::UsherStore;
//!
//! #[event(fetch)]
//! async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
//!     match request.path().as_str() {
//!         "/hello" => Response::ok("a route of my own"),
//!         _ => usher_worker::fetch(request, env, context).await,
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! # Bindings
//!
//! Those of the ready-made Worker, by the same names: the Durable Object namespace `USHER_STORE` of class `UsherStore`, the
//! key-value namespace `USHER_KV`, the secrets `USHER_KEYS` and `USHER_DESTINATIONS`, the variables `USHER_FORM` and `USHER_DEMO`,
//! and, if it is there, the rate limit `USHER_RATE`. Both Workers store the same data.
//!
//! # The path of a request
//!
//! `bundles` catches up with what was published. `head` and `body` read a request, the body only for a caller who may send it.
//! `serve` asks the front for the next step. `store` takes a message through read, fold and commit, in a Durable Object, whose
//! `alarm` does what is due by itself: upkeep, and `deliveries` of activations.
//! `snapshots` answer lookups. A trap ends the instance of the whole Worker: the platform's glue starts another, which
//! installs no bundle that ended the last one (`installing`).

mod alarm;
mod body;
mod bundles;
mod deliveries;
mod edge;
mod head;
mod installing;
mod javascript;
mod limits;
mod log;
mod objects;
mod patience;
mod response;
mod serve;
mod snapshots;
mod store;

pub use serve::fetch;
pub use store::UsherStore;
