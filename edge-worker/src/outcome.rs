//! The outcome of a message: a write, and the answer once it is durable.

use crate::limits::FORGOTTEN_NAMES_MAX;
use crate::log::{Line, bounded};
use crate::metrics::{COUNTS_LINES, Count};
use crate::order;
use crate::store::{Pointer, Write};
use crate::wire::Response;
use crate::wire::frame::FrameWriter;
use crate::wire::hex::hex;
use usher_engine::gather::Gather;

/// A header that only the host reads, `<Unix milliseconds> <names>`: copies of snapshots that the message makes wrong, by
/// their names in caches, separated by commas; `*` is all that were taken until then. After an erasure a third part follows,
/// in hexadecimal digits: the snapshot that takes their place.
pub const FORGET: &str = "usher-forget";
/// A header that only the host reads, of the answer to a request for a snapshot: the name under which it may be kept.
pub(crate) const SNAPSHOT_NAME: &str = "usher-snapshot";

/// A header that only the host reads: the time after which the next turn of upkeep is due, in milliseconds.
pub const NEXT: &str = "usher-next";

/// A header that only the host reads, of the control object's answer: the reason why the data are not where the settings say
/// ([`Edge::set_placement_fault`](crate::Edge::set_placement_fault)).
pub(crate) const PLACEMENT_FAULT: &str = "usher-placement-fault";

/// The header [`FORGET`] for these names.
pub(crate) fn forget(now_ms: i64, names: &[String]) -> (&'static str, String) {
    if names.len() > FORGOTTEN_NAMES_MAX {
        return forget_all(now_ms);
    }
    (FORGET, format!("{now_ms} {}", list(names)))
}

/// The header [`FORGET`] after an erasure: a tombstone takes the place of every copy.
pub(crate) fn entomb(now_ms: i64, names: &[String], tombstone: &[u8]) -> (&'static str, String) {
    (FORGET, format!("{now_ms} {} {}", list(names), hex(tombstone)))
}

/// Not `join` of texts that own their bytes: the one of borrowed texts is there already.
fn list(names: &[String]) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// The header [`FORGET`] for all that several answers make a host forget; None: nothing.
pub(crate) fn joined(headers: &[String]) -> Option<(&'static str, String)> {
    let split = || headers.iter().filter_map(|header| header.split_once(' '));
    let latest = split().filter_map(|(at, _)| at.parse().ok()).max()?;
    if split().any(|(_, names)| names == "*") {
        return Some(forget_all(latest));
    }
    let names = split().flat_map(|(_, names)| names.split(',')).map(str::to_owned).gather();
    Some(forget(latest, &order::distinct(names)))
}

/// The header [`FORGET`] for every snapshot.
pub(crate) fn forget_all(now_ms: i64) -> (&'static str, String) {
    (FORGET, format!("{now_ms} *"))
}

/// The result of folding a message into what its read found.
#[derive(Debug)]
pub enum Folded {
    /// This writer runs an older bundle than the front or the profile's last writer: catch up with the control object,
    /// then open the message again. If the control object has no newer bundle either, it was lost, and must be given
    /// the number ([`message::raise`](crate::message::raise)).
    NeedsNewerBundle {
        /// The audience's id.
        audience: String,
        /// The number of the newer bundle.
        number: u64,
    },
    /// Another bundle was installed since the message was opened under the one before: open it again
    /// ([`drive::open_again`](crate::drive::open_again)). Only hosts that install bundles between the two meet this.
    OpenAgain,
    /// A part of the message is decided: stage its write, then run the read that the opened message has now, and fold that.
    /// All parts are stored together, or none.
    Part(Box<Write>),
    /// Other shards have to be asked first: open it again with their answers
    /// ([`drive::open_with`](crate::drive::open_with)). Nothing is written yet.
    Ask(Questions),
    /// It concerns other shards, and this build has no control plane: a build with one opens it again
    /// ([`drive::open_with`](crate::drive::open_with), without answers). Nothing is written yet.
    ControlPlane,
    /// The message is decided.
    Done(Box<Outcome>),
}

/// A message to another shard whose answer is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The shard's number.
    pub shard: u32,
    /// For `drive::open` there.
    pub message: Vec<u8>,
}

/// The questions of a fold; they are sent at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// None may be needed: then only time.
    pub questions: Vec<Question>,
    /// True if a profile is being merged: the host waits a little before it sends them.
    pub wait: bool,
}

/// The answer to a question. None: there was none in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// The answer.
    pub response: Option<Response>,
}

/// A write, and the answer once it is durable.
#[derive(Debug)]
pub struct Outcome {
    /// All or nothing, with the parts before it; empty if the message, or its last part, changes nothing.
    pub write: Write,
    /// The answer, if the write succeeds.
    pub response: Response,
    /// Lines for the log, bounded.
    pub log: Vec<Line>,
}

impl Outcome {
    /// True if nothing of the message may be stored: staged parts are taken back.
    pub fn is_refused(&self) -> bool {
        self.response.status >= 400
    }

    pub(crate) fn done(mut self) -> Folded {
        if COUNTS_LINES {
            let counted = self.log.iter().filter_map(|line| Count::of_line(line.event()));
            counted.for_each(|count| self.response.counts.add(count));
        }
        self.log = bounded(self.log);
        Folded::Done(Box::new(self))
    }

    /// An answer for hosts only, as a frame: a list of `audience · number · hash`.
    pub(crate) fn of_pointers(pointers: &[Pointer]) -> Folded {
        let mut frame = FrameWriter::default();
        frame.list(pointers, |w, pointer| {
            w.text(&pointer.audience).long(pointer.number.cast_signed()).text(&pointer.hash);
        });
        Outcome::of(Response::typed(200, "application/octet-stream", frame.0))
    }

    /// An answer that changes nothing.
    pub(crate) fn of(response: Response) -> Folded {
        Outcome { write: Write::default(), response, log: Vec::new() }.done()
    }
}
