//! The step Decision: the first branch whose criteria hold.

use super::here::{Flow, Here};
use crate::expr::eval::{Memo, holds};
use crate::plan::BranchPlan;

/// A branch without criteria is for everybody; if no branch fits, the steps of the stage end.
pub(super) fn take<'c>(here: Here<'c>, branches: &[BranchPlan], memo: &mut Memo<'c>) -> Flow {
    let program = &here.plan.program;
    let taken = branches.iter().find(|branch| {
        branch.criteria.as_ref().is_none_or(|criteria| holds(program, criteria, here.call, memo))
    });
    Flow::Next(taken.and_then(|branch| branch.next))
}
