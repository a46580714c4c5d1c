//! Pipelines as streams: each event of one source, joined with the newest rows of others, gives one row.
//!
//! [`Plan`] is the compiled pipeline, [`Stream`] runs it: records in, rows out, with the time as an argument. It reads and
//! writes nothing. [`Chain`] passes the rows of streams on to those that read them. [`Runner`] is the loop around them, between
//! a [`Source`] and a [`Sink`].

pub mod limits;

mod aggregates;
mod bytes;
mod chain;
mod changed;
mod counts;
mod emitted;
mod held;
mod judge;
mod output;
mod plan;
mod record;
mod rows;
mod runner;
mod scope;
mod state;
mod stream;
mod written;

pub use aggregates::Aggregates;
pub use chain::{Chain, Given, Out};
pub use counts::{Counts, JoinCounts};
pub use output::{EndReason, Ended, Origin, Output, OutputRow};
pub use plan::Plan;
pub use record::{DELETED, Record};
pub use runner::{Arrival, Part, Payload, Polled, Read, Refused, RefusedReason, Runner, Sink, Source, Step};
pub use state::{Change, Entry, partition_of};
pub use stream::{Bounds, Stream};
pub use written::Rebuilt;
