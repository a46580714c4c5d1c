//! The HTTP service of the edge, without a host: requests in, responses and storage work out.
//!
//! # The path of a request
//!
//! 1. A host passes in a request. [`front::admit`] checks its head ([`host::Head`]: route, method, key, token, page) and
//!    returns the size of the body that the caller may send; [`front::serve`] takes the body. [`front::handle`] does both
//!    for hosts that have the whole request.
//! 2. The front answers, or returns the next step as data: a [`Step`].
//! 3. A message goes to the writer of a shard, or to the control object. [`drive::open`] returns what to read,
//!    [`drive::fold`] what to write and to answer ([`Folded`]).
//! 4. A lookup is answered from the nearest snapshot that is new enough: [`lookup::answer`].
//!
//! [`serve`] is the loop for hosts with synchronous storage. Other hosts run the same steps themselves.
//!
//! # Verbs
//!
//! | verb | does |
//! |---|---|
//! | [`serve`] | one request to its end, on synchronous storage |
//! | [`refresh`] | catches up with the control object |
//! | [`front::admit`], [`front::serve`], [`front::handle`] | a request to its next step |
//! | [`drive::open`], [`drive::fold`] | a message to its read, then to its write and answer |
//! | [`lookup::answer`] | a lookup and a snapshot to an answer |
//! | [`Bundle::read`], [`Bundle::write`] | a definition and its examples from and to bytes |
//! | [`Rehearsal::failure`] | runs an example |
//! | [`preview_token`] | a token for a page that explains |
//! | [`request_id`] | the id of a request, which its host puts into the answer and the log |
//! | [`keys_of`] | the keys of a secret, as operators see them |
//!
//! # Examples
//!
//! ```
//! use usher_edge::store::memory::MemoryStore;
//! use usher_edge::{Ambient, Edge, Request, serve};
//!
//! // The SHA-256 of the key `admin`.
//! let hash = "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918";
//! let secret = format!(
//!     r#"{{"signing_key": "{}", "keys": [{{"kind": "admin", "audience": "*", "sha256": "{hash}"}}]}}"#,
//!     "07".repeat(32),
//! );
//! let (mut edge, mut store) = (Edge::new(Some(&secret), false), MemoryStore::default());
//! assert_eq!(edge.complaint(), None);
//!
//! let headers = [("authorization".to_owned(), "TD1 admin".to_owned())];
//! let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
//! let mut ask = |method, target, body: &str| {
//!     let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
//!     serve(&mut edge, &mut store, &request, &mut |_line| ()).status
//! };
//! assert_eq!(ask("GET", "/v1/audiences/7/bundle", ""), 404);
//! let bundle = r#"{"format": 2, "definition": {"audience": {"id": "7"}}}"#;
//! assert_eq!(ask("PUT", "/v1/audiences/7/bundle", bundle), 200);
//! assert_eq!(ask("GET", "/v1/audiences/7/bundle", ""), 200);
//! ```
//!
//! # Rooms
//!
//! | room | holds |
//! |---|---|
//! | [`front`] | routes and authentication |
//! | [`lookup`] | pending lookups, and answers from snapshots |
//! | [`drive`] | the steps of a message |
//! | [`deliveries`] | turns of delivery within one call |
//! | [`host`] | requests, heads, steps |
//! | [`message`] | messages between the front, a writer and the control object |
//! | [`store`] | storage as a trait, with [`store::sql`] and [`store::memory`] |
//! | [`wire`] | JSON, frames, [`Response`] |
//! | [`log`] | lines of the operator's log |
//! | [`limits`] | every bound |
//!
//! [`Edge`] is the state of a process: its keys and the running bundles.
//!
//! # What this crate does not do
//!
//! No sockets, no async, no clock, no randomness, no storage: all of it is passed in or out as data. It knows no host.

// In reading order: the path of a request, then the modules it uses.
mod control;
pub mod deliveries;
pub mod discovery;
pub mod drive;
pub mod front;
pub mod host;
pub mod lookup;
mod metrics;
mod rates;
mod releases;
mod writer;

mod rehearsal;
mod shard;

mod answer;
pub mod destinations;
pub mod device;
mod edge;
pub mod log;
mod outcome;

mod bundle;
mod keys;
pub mod message;
mod request_id;
pub mod store;
pub mod wire;

mod error;
mod form;
pub mod limits;
mod order;
mod plane;

pub use bundle::{Bundle, Unrunnable, bundle_of, definition_of};
pub use drive::{refresh, serve};
pub use edge::{Edge, Installed};
pub use error::Refusal;
pub use form::Form;
pub use host::{Request, Step};
pub use keys::{keys_of, preview_token, read_keys};
pub use log::Line;
pub use message::Ambient;
pub use metrics::{Counts, Took};
pub use outcome::{Answered, FORGET, Folded, NEXT, Outcome, Question, Questions};
pub use plane::InControlPlane;
pub use rates::{MeterMemory, Rates};
pub use rehearsal::{Excess, Failed, Rehearsal};
pub use releases::DROPPED;
pub use request_id::{CALLERS_REQUEST_ID, REQUEST_ID, is_id, request_id};
pub use shard::Split;
pub use store::Store;
pub use usher_engine::planted;
pub use wire::Response;
