//! The step Merge: branches meet.

use super::here::Flow;

/// The visitor goes on.
pub(super) fn take(next: Option<usize>) -> Flow {
    Flow::Next(next)
}
