//! The writer: where profiles are read and changed, beside their data.
//!
//! A message is opened (which profiles must be read?) and folded (what is written, what is answered?), without waiting in
//! between but for that one read. Everything that a message changes is one write: all of it or nothing.

mod events;
mod import;
mod set;
mod snapshot;

use crate::edge::Edge;
use crate::error::Refusal;
use crate::form::Form;
use crate::message::{SnapshotRequest, ToWriter};
use crate::outcome::{Folded, Outcome};
use crate::rates::Meter;
use crate::store::{Found, Read};
use crate::wire::Response;

/// A message that waits for its read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The one read that it needs; None: nothing is needed.
    pub(crate) read: Option<Read>,
    pub(crate) work: Work,
}

/// The work that is left once the profiles were read.
#[derive(Debug)]
pub(crate) enum Work {
    Events(Box<events::Batch>),
    Import(import::Rows),
    /// With the newest form in which its asker reads it.
    Snapshot(SnapshotRequest, Form),
    Written,
}

/// Says what a message must read; `Err` is its answer when it cannot be taken at all. `reads` is the newest form in which
/// its sender reads an answer.
pub(crate) fn open(edge: &Edge, message: ToWriter, reads: Form) -> Result<Opened, Response> {
    match message {
        ToWriter::Events(events) => {
            let (read, batch) = events::open(edge, events)?;
            Ok(Opened { read, work: Work::Events(Box::new(batch)) })
        }
        ToWriter::Import(import) => {
            let (read, rows) = import::open(edge, import)?;
            Ok(Opened { read, work: Work::Import(rows) })
        }
        ToWriter::Snapshot(request) => {
            let read = Some(Read::Profiles(request.keys.clone()));
            Ok(Opened { read, work: Work::Snapshot(request, reads) })
        }
        ToWriter::Written => Ok(Opened { read: Some(Read::Written), work: Work::Written }),
    }
}

/// Takes the part of its source's rates that a message uses; `Err` is the answer when too little is left.
/// `again`: it took its events before.
pub(crate) fn meter(meter: &mut Meter, work: &mut Work, again: bool) -> Result<(), Response> {
    match work {
        Work::Events(batch) => batch.meter(meter, again),
        Work::Import(_) | Work::Snapshot(..) | Work::Written => Ok(()),
    }
}

/// Counts the profiles that a message makes.
pub(crate) fn charge(meter: &mut Meter, work: &Work, folded: &Folded) {
    if let (Work::Events(batch), Folded::Done(outcome)) = (work, folded) {
        batch.charge(meter, &outcome.write);
    }
}

/// Decides a message by what its read found.
pub(crate) fn fold(edge: &Edge, work: &Work, found: &Found) -> Folded {
    match (work, found) {
        (Work::Events(batch), Found::Profiles(profiles)) => events::fold(edge, batch, profiles),
        (Work::Import(rows), Found::Profiles(profiles)) => import::fold(edge, rows, profiles),
        (Work::Snapshot(request, reads), Found::Profiles(profiles)) => {
            snapshot::fold(edge, request, *reads, profiles)
        }
        (Work::Written, Found::Pointers(pointers)) => Outcome::of_pointers(pointers),
        _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
    }
}

/// The answer when storage does not answer, before or after the fold.
pub(crate) fn unavailable(work: &Work) -> Response {
    match work {
        Work::Events(batch) => batch.unavailable(),
        Work::Import(_) => Response::problem(Refusal::STORAGE, None),
        Work::Snapshot(..) | Work::Written => Response::refused(Refusal::STORAGE),
    }
}
