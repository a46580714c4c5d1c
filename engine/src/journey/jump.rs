//! The step Jump: the visitor goes on at another stage.

use super::here::Flow;
use crate::plan::TargetPlan;

/// Within a journey the entry goes on; in another one it is a new entry, and this one ends.
pub(super) fn take(target: TargetPlan) -> Flow {
    Flow::Jump(target)
}
