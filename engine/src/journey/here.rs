//! A visitor at a moment, as steps see them, and what follows a step.

use crate::call::Call;
use crate::plan::{Plan, StagePlan, TargetPlan};
use crate::profile::Profile;
use crate::progress::Current;

/// A visitor at a moment.
#[derive(Clone, Copy)]
pub(super) struct Here<'c> {
    pub(super) plan: &'c Plan,
    pub(super) profile: &'c Profile,
    pub(super) call: &'c Call<'c>,
    pub(super) now_ms: i64,
}

/// The continuation after a step.
pub(super) enum Flow {
    /// This step; without one the steps of the stage end.
    Next(Option<usize>),
    /// Nothing, until this time.
    Wait(i64),
    Jump(TargetPlan),
}

/// A step: the indexes of its journey, of its stage, and in the stage.
#[derive(Clone, Copy)]
pub(super) struct StepAt {
    pub(super) journey: usize,
    pub(super) stage: usize,
    pub(super) step: usize,
}

/// True if the stage still has the step at which an entry is.
pub(super) fn has_step(stage: &StagePlan, current: &Current) -> bool {
    current.step.is_none_or(|name| stage.steps.iter().any(|step| step.name == name))
}
