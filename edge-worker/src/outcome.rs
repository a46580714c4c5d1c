//! The outcome of a message: what is written, and what is answered once that is durable.

use crate::log::{Line, bounded};
use crate::store::Write;
use crate::wire::Response;

/// The result of folding a message into what its read found.
#[derive(Debug)]
pub enum Folded {
    /// This writer runs an older bundle than the front or the profile's last writer: catch up with the control object,
    /// then open the message again.
    NeedsNewerBundle,
    /// It is decided.
    Done(Box<Outcome>),
}

/// A write, and the answer once it is durable.
#[derive(Debug)]
pub struct Outcome {
    /// All or nothing; empty for messages that change nothing.
    pub write: Write,
    /// The answer, if the write succeeds.
    pub response: Response,
    /// For the log; a few lines, and a count of those beyond.
    pub log: Vec<Line>,
}

impl Outcome {
    pub(crate) fn done(mut self) -> Folded {
        self.log = bounded(self.log);
        Folded::Done(Box::new(self))
    }

    /// An answer that changes nothing.
    pub(crate) fn of(response: Response) -> Folded {
        Outcome { write: Write::default(), response, log: Vec::new() }.done()
    }
}
