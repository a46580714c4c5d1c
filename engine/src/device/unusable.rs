//! Why a device leaves a decision to the edge.

use core::fmt;

/// Why a device cannot use bytes of a program or extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Made by another build.
    OtherEngine,
    /// Not what an edge sends; the reason.
    Damaged(&'static str),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::OtherEngine => f.write_str("made for another build of the engine"),
            Unusable::Damaged(why) => f.write_str(why),
        }
    }
}
