//! The writer: where profiles change, beside their data.
//!
//! A message is opened (what must be read?) and folded (what is written, what is answered?), without waiting in between
//! but for that one read. Everything a message changes is one write: all of it or nothing.

mod control;
mod events;
mod import;
mod release;
mod set;

pub(crate) use release::DROPPED;

use crate::bundle::Edge;
use crate::error::Refusal;
use crate::log::Line;
use crate::message::{Message, Publish, Rollback, SnapshotRequest, ToControl, ToWriter};
use crate::store::{Found, Read, Write};
use crate::wire::Response;

/// A message that waits for what it must know.
#[derive(Debug)]
pub struct Opened {
    /// What to read; nothing when the message needs nothing.
    pub read: Option<Read>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Events(events::Batch),
    Import(import::Rows),
    Snapshot(SnapshotRequest),
    Pointers,
    Bundle,
    Publish(Publish),
    Rollback(Rollback),
    Releases { here: u64 },
    Release,
}

/// What became of a message.
#[derive(Debug)]
pub enum Folded {
    /// This writer runs an older bundle than the front or the profile's last writer: catch up with the control object,
    /// then open the message again.
    Behind,
    /// It is decided.
    Done(Box<Outcome>),
}

/// What to write, and what to answer once that is durable.
#[derive(Debug)]
pub struct Outcome {
    /// All or nothing; empty for messages that change nothing.
    pub write: Write,
    /// What the caller gets, if the write succeeds.
    pub response: Response,
    /// For the log.
    pub log: Vec<Line>,
}

impl Outcome {
    fn done(self) -> Folded {
        Folded::Done(Box::new(self))
    }

    fn of(response: Response) -> Folded {
        Outcome { write: Write::default(), response, log: Vec::new() }.done()
    }
}

impl Edge {
    /// Says what a message must know; `Err` is its answer when it cannot be taken at all.
    pub fn open(&self, message: &[u8]) -> Result<Opened, Response> {
        // Messages come from the front of the same build; one that cannot be read is a mistake of ours.
        let message = Message::decode(message).ok_or_else(|| Response::refused(Refusal::INTERNAL))?;
        Ok(match message {
            Message::Writer(ToWriter::Events(events)) => self.open_events(events)?,
            Message::Writer(ToWriter::Import(import)) => self.open_import(import)?,
            Message::Writer(ToWriter::Snapshot(request)) => {
                Opened { read: Some(Read::Profiles(request.keys.clone())), work: Work::Snapshot(request) }
            }
            Message::Control(message) => {
                let (read, work) = match message {
                    ToControl::Pointers => (Read::Pointers, Work::Pointers),
                    ToControl::Bundle { hash } => (Read::Bundle { hash }, Work::Bundle),
                    ToControl::Publish(publish) => {
                        (Read::Releases { audience: publish.audience.clone() }, Work::Publish(publish))
                    }
                    ToControl::Rollback(rollback) => {
                        let (audience, which) = (rollback.audience.clone(), rollback.which.clone());
                        (Read::Release { audience, which }, Work::Rollback(rollback))
                    }
                    ToControl::Releases { audience, here } => {
                        (Read::Releases { audience }, Work::Releases { here })
                    }
                    ToControl::Release { audience, which } => {
                        (Read::Release { audience, which }, Work::Release)
                    }
                };
                Opened { read: Some(read), work }
            }
        })
    }

    /// The answer to a message whose writer does not answer, or cannot catch up.
    pub fn unavailable(&self, message: &[u8]) -> Response {
        self.open(message).map_or_else(|refused| refused, |opened| opened.unavailable())
    }

    /// Decides a message by what its read found.
    pub fn fold(&self, opened: &Opened, found: Found) -> Folded {
        match (&opened.work, found) {
            (Work::Events(batch), Found::Profiles(profiles)) => self.fold_events(batch, &profiles),
            (Work::Import(rows), Found::Profiles(profiles)) => self.fold_import(rows, &profiles),
            (Work::Snapshot(request), Found::Profiles(profiles)) => control::snapshot(request, &profiles),
            (Work::Pointers, Found::Pointers(pointers)) => control::pointers(&pointers),
            (Work::Bundle, Found::Bundle(body)) => control::bundle(body),
            (Work::Publish(publish), Found::Releases(releases)) => release::publish(publish, &releases),
            (Work::Rollback(rollback), Found::Release { releases, wanted }) => {
                release::roll_back(rollback, &releases, wanted)
            }
            (Work::Releases { here }, Found::Releases(releases)) => release::list(&releases, *here),
            (Work::Release, Found::Release { wanted, .. }) => release::body(wanted),
            _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
        }
    }
}

impl Opened {
    /// What the caller gets when storage does not answer, before or after the fold.
    pub fn unavailable(&self) -> Response {
        match &self.work {
            Work::Events(batch) => batch.unavailable(),
            Work::Import(_)
            | Work::Publish(_)
            | Work::Rollback(_)
            | Work::Releases { .. }
            | Work::Release => Response::problem(Refusal::STORAGE, None),
            _ => Response::refused(Refusal::STORAGE),
        }
    }
}
