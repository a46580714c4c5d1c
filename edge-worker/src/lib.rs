//! The HTTP service of the edge, without a host: requests in, responses and storage work out.
//!
//! One [`Edge`] holds what a process or isolate knows: keys and running bundles. A request passes the front
//! ([`front::handle`]: route, authenticate, bound), which answers or says what is needed next ([`Step`]). What touches
//! profiles happens in the writer, beside the data: [`drive::open`] says what to read, [`drive::fold`] makes of it what
//! to write and to answer. [`serve`] is the loop that a host with synchronous storage runs; hosts with other manners run
//! the same steps.
//!
//! # What this crate does not do
//!
//! No sockets, no async, no clock, no randomness, no storage: all of it is handed in or out as data. It knows no host.

// In the order in which a newcomer should read them: the path of a request, then what it stands on.
pub mod drive;
pub mod front;
pub mod host;
pub mod lookup;
mod releases;
mod writer;

mod rehearsal;
mod shard;

mod answer;
mod edge;
mod log;
mod outcome;

mod bundle;
mod keys;
pub mod message;
pub mod store;
pub mod wire;

mod error;
pub mod limits;

pub use bundle::{Bundle, bundle_of, definition_of};
pub use drive::{refresh, serve};
pub use edge::{Edge, Installed};
pub use error::Refusal;
pub use host::{Request, Step};
pub use keys::preview_token;
pub use log::Line;
pub use message::Ambient;
pub use outcome::{Folded, Outcome};
pub use rehearsal::{Excess, Failed, Rehearsal};
pub use store::Store;
pub use wire::Response;
