#![no_std]
#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that panics has found something"
    )
)]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

// In the order in which a newcomer should read them.
pub mod definition;
pub mod diagnostic;
pub mod limits;
pub mod syntax;
pub mod time;
pub mod value;

mod bytes;
mod compare;
mod expr;
mod flat;
pub mod gather;
mod index;
mod letters;
mod order;
mod pattern;
mod plan;
pub mod planted;

mod progress;
mod xxh3;

pub mod attribute;
mod event;
mod identity;
mod import;
mod ingest;
mod merge;
mod objects;
pub mod profile;

mod call;
mod candidates;
mod criterion;
mod device;
mod explain;
mod export;
mod expressions;
mod journey;
mod lookup;
mod payload;
mod pipeline;
mod query;
mod rows;
mod section;

pub use criterion::{Criterion, Row};
pub use device::{Device, Published, Reduced, Unusable};
pub use event::{Event, Note, SentAt, order_clamped};
pub use explain::{
    ConditionTrace, Explanation, KnownAttribute, ObservedValue, Outcome, PersonalizationTrace, SectionTrace,
    Source,
};
pub use export::{Export, export};
pub use expr::eval::Truth;
pub use expressions::{Columns, Expressions};
pub use identity::{Entry, Evidence, Keys, RefusedKey, Stitched, United};
pub use import::{Record, RefusedColumn};
pub use ingest::{Ingested, RefusedValue};
pub use journey::{Advanced, Fired, GateTrace, JourneyTrace, Standing};
pub use lookup::{DELETED_COLUMN, ImportedRow, RefusedRow, RowTrace, key_text, version_number};
pub use payload::{Offer, Reason};
pub use pipeline::{Place, RowPlan, RowProgram, Sources, TableRow, TableRows};
pub use plan::Plan;
pub use profile::{Profile, ProfileId};
pub use progress::{Current, Ending, Finished, Progress, Rest};
pub use query::{Access, Asked, Query};
pub use rows::{FoundRow, Missed, RowKey, Rows};
pub use section::{Answer, Prepared, Skipped, Why};
