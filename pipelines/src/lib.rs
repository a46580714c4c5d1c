//! Pipelines as streams: each event of one source, joined with the newest rows of others, gives one row.
//!
//! [`Plan`] is the compiled pipeline, [`Stream`] runs it: records in, rows out, with the time as an argument. It reads and
//! writes nothing. [`Runner`] is the loop around it, between a [`Source`] and a [`Sink`].

pub mod limits;

mod counts;
mod emitted;
mod held;
mod output;
mod plan;
mod record;
mod rows;
mod runner;
mod scope;
mod stream;

pub use counts::{Counts, JoinCounts};
pub use output::{EndReason, Ended, Origin, Output, OutputRow};
pub use plan::Plan;
pub use record::{DELETED, Record};
pub use runner::{Arrival, Polled, Refused, RefusedReason, Runner, Sink, Source, Step};
pub use stream::{Bounds, Stream};
