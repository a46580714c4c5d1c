//! Truth, and where an evaluation gets its values from.

use super::operand::Operand;
use super::{Node, Program};
use crate::value::Value;

/// Three-valued logic: a comparison with a missing side is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// No.
    False,
    /// A side was missing.
    Unknown,
    /// Yes.
    True,
}

impl Truth {
    pub(super) fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// The source of values for one evaluation.
pub(crate) trait Source<'v> {
    /// The value of a slot, fitted to its types.
    fn fitted(&mut self, program: &Program, slot: u32) -> Operand<'v>;
    /// The same as it was ingested, if it was.
    fn ingested(&mut self, program: &Program, slot: u32) -> Option<&'v Value>;
    /// Unix milliseconds: the time of the call's event, or of the request.
    fn event_ms(&self) -> i64;
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
    /// The truth of a condition.
    fn truth(&mut self, program: &Program, node: &Node) -> Truth;
}
