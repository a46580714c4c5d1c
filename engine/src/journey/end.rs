//! The step End: the steps of the stage end.

use super::here::Flow;

/// The visitor stays in the stage until its milestone; a stage without one is completed.
pub(super) fn take() -> Flow {
    Flow::Next(None)
}
