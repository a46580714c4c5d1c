//! The paths that visitors can take through steps: what is reached, and loops that no wait interrupts.

use alloc::vec;
use alloc::vec::Vec;

use super::{JourneyPlan, KindPlan, StagePlan, StepPlan, TargetPlan};

/// A step: the indexes of its journey, its stage and itself.
pub(super) type StepAt = (usize, usize, usize);

impl StepPlan {
    /// The steps of the stage that may follow.
    fn successors(&self) -> Vec<usize> {
        match &self.kind {
            KindPlan::Wait { next, .. } | KindPlan::Activation { next, .. } | KindPlan::Merge { next } => {
                next.iter().copied().collect()
            }
            KindPlan::Decision(branches) => branches.iter().filter_map(|branch| branch.next).collect(),
            KindPlan::Variant { arms, .. } => arms.iter().filter_map(|arm| arm.next).collect(),
            KindPlan::Jump(_) | KindPlan::End => Vec::new(),
        }
    }

    /// True if the steps of the stage may end here.
    fn may_end(&self) -> bool {
        match &self.kind {
            KindPlan::Wait { next, .. } | KindPlan::Activation { next, .. } | KindPlan::Merge { next } => {
                next.is_none()
            }
            // Nobody may fit a branch.
            KindPlan::Decision(branches) => {
                branches.iter().any(|branch| branch.next.is_none())
                    || branches.iter().all(|branch| branch.criteria.is_some())
            }
            KindPlan::Variant { arms, .. } => arms.iter().any(|arm| arm.next.is_none()),
            KindPlan::Jump(_) => false,
            KindPlan::End => true,
        }
    }
}

impl StagePlan {
    /// For each step, true if some path from the root leads to it.
    pub(super) fn reached(&self) -> Vec<bool> {
        let mut reached = vec![false; self.steps.len()];
        let mut open: Vec<usize> = self.root.into_iter().collect();
        while let Some(index) = open.pop() {
            let Some(known) = reached.get_mut(index) else { continue };
            if !core::mem::replace(known, true)
                && let Some(step) = self.steps.get(index)
            {
                open.extend(step.successors());
            }
        }
        reached
    }
}

/// For each stage of a journey, true if visitors can come to it: it is the first, the one before completes, or something jumps
/// to it. `all` are all journeys, whose jumps may lead there.
pub(super) fn stages_reached(journey: usize, all: &[JourneyPlan]) -> Vec<bool> {
    let stages = all.get(journey).map(|journey| journey.stages.as_slice()).unwrap_or_default();
    let mut targets = Vec::new();
    for other in all {
        targets.extend(other.goal.iter().filter_map(|(_, target)| *target));
        for stage in &other.stages {
            targets.extend(stage.exits.iter().filter_map(|exit| exit.target));
            targets.extend(stage.steps.iter().filter_map(|step| match step.kind {
                KindPlan::Jump(target) => Some(target),
                _ => None,
            }));
        }
    }
    let mut before_completes = true;
    let reached = stages.iter().enumerate().map(|(number, stage)| {
        let jumped = targets.contains(&TargetPlan { journey, stage: number });
        let reached = before_completes || jumped;
        before_completes = reached && stage.completes();
        reached
    });
    reached.collect()
}

impl StagePlan {
    /// True if visitors can complete it: by its milestone, or because its steps end.
    fn completes(&self) -> bool {
        if self.milestone.is_some() || self.root.is_none() {
            return true;
        }
        let mut reached = self.steps.iter().zip(self.reached()).filter(|(_, reached)| *reached);
        reached.any(|(step, _)| step.may_end())
    }
}

/// A step on each loop that no wait interrupts, over the jumps of all journeys. A stage that its steps complete leads to the
/// next one.
pub(super) fn loops(all: &[JourneyPlan]) -> Vec<StepAt> {
    let mut state: Vec<Vec<Vec<Visit>>> = all
        .iter()
        .map(|journey| journey.stages.iter().map(|stage| vec![Visit::New; stage.steps.len()]).collect())
        .collect();
    let mut found = Vec::new();
    for (journey, plan) in all.iter().enumerate() {
        for (stage, stage_plan) in plan.stages.iter().enumerate() {
            for step in 0..stage_plan.steps.len() {
                search((journey, stage, step), all, &mut state, &mut found);
            }
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

/// A search in depth, with a stack of its own.
fn search(from: StepAt, all: &[JourneyPlan], state: &mut [Vec<Vec<Visit>>], found: &mut Vec<StepAt>) {
    let mut stack = vec![(from, false)];
    while let Some((at, is_done)) = stack.pop() {
        let Some(visit) = state.get_mut(at.0).and_then(|it| it.get_mut(at.1)).and_then(|it| it.get_mut(at.2))
        else {
            continue;
        };
        match (*visit, is_done) {
            (_, true) => *visit = Visit::Done,
            (Visit::New, false) => {
                *visit = Visit::Open;
                stack.push((at, true));
                stack.extend(followers(at, all).into_iter().map(|next| (next, false)));
            }
            (Visit::Open, false) if !found.contains(&at) => found.push(at),
            (Visit::Open | Visit::Done, false) => {}
        }
    }
}

/// The steps that follow at once.
fn followers(at: StepAt, all: &[JourneyPlan]) -> Vec<StepAt> {
    let (journey, stage, step) = at;
    let stage_plan = all.get(journey).and_then(|journey| journey.stages.get(stage));
    let Some(step_plan) = stage_plan.and_then(|stage| stage.steps.get(step)) else { return Vec::new() };
    match &step_plan.kind {
        KindPlan::Wait { .. } => Vec::new(),
        KindPlan::Jump(target) => begins(target.journey, target.stage, all).into_iter().collect(),
        _ => {
            let next = step_plan.successors().into_iter().map(|next| (journey, stage, next));
            let completes = step_plan.may_end() && stage_plan.is_some_and(|stage| stage.milestone.is_none());
            let next_stage = completes.then(|| begins(journey, stage.saturating_add(1), all)).flatten();
            next.chain(next_stage).collect()
        }
    }
}

/// The step with which a stage begins, or the next one that has steps, if all before complete at once.
fn begins(journey: usize, stage: usize, all: &[JourneyPlan]) -> Option<StepAt> {
    let stages = all.get(journey)?.stages.iter().enumerate().skip(stage);
    for (number, stage) in stages {
        if let Some(root) = stage.root {
            return Some((journey, number, root));
        }
        if stage.milestone.is_some() {
            return None;
        }
    }
    None
}
