//! Where a visitor is in a journey, why, and what would move them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::definition::{ExitWhen, Gate, Journey, StepKind, key_of};
use crate::explain::{ConditionTrace, conditions};
use crate::plan::{GatePlan, WhenPlan};
use crate::progress::{Ending, Progress, Rest};
use crate::section::Prepared;
use crate::xxh3;

/// A visitor in a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyTrace {
    /// The journey's name.
    pub name: String,
    /// True if it runs.
    pub runs: bool,
    /// The entry that goes on; None: the visitor is not in it.
    pub standing: Option<Standing>,
    /// Entries that ended, the newest or best first: how, and when, Unix milliseconds.
    pub finished: Vec<(&'static str, i64)>,
    /// The conditions that would move the visitor.
    pub moves: Vec<GateTrace>,
}

/// Where an entry is.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The stage's name; None: the definition does not have it any more.
    pub stage: Option<String>,
    /// The step's id, if the entry is at one.
    pub step: Option<String>,
    /// `waiting`, `ended`, `completed`, or `step_removed`.
    pub why: &'static str,
    /// When it entered the journey, Unix milliseconds.
    pub entered_ms: i64,
    /// When it came to the step.
    pub since_ms: i64,
    /// When its wait ends.
    pub due_ms: Option<i64>,
    /// The arms that it took, by the ids of the steps.
    pub arms: Vec<(String, String)>,
}

/// A condition that would move a visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTrace {
    /// `entry`, `goal`, `milestone`, `next_stage`, or the name of an exit behind `exit: `.
    pub what: String,
    /// The key event that has to happen, if one has to.
    pub key_event: Option<String>,
    /// When it holds for being in the stage long enough, Unix milliseconds.
    pub at_ms: Option<i64>,
    /// Its criteria, as they are now.
    pub criteria: Option<ConditionTrace>,
}

impl Prepared<'_, '_> {
    /// Where the visitor is in each journey.
    pub fn journeys(&self) -> Vec<JourneyTrace> {
        let known = self.plan.progresses(self.profile);
        let journeys = self.plan.definition().journeys.iter().enumerate();
        let nothing = Progress::default();
        journeys
            .map(|(index, journey)| {
                let progress = known.iter().find(|(known, _)| *known == index);
                self.journey(index, journey, progress.map_or(&nothing, |(_, progress)| progress))
            })
            .collect()
    }

    fn journey(&self, index: usize, journey: &Journey, progress: &Progress) -> JourneyTrace {
        let plan = self.plan.journeys.get(index);
        let ended = progress.finished.iter().map(|ended| (Ending::as_str(ended.how), ended.ended_ms));
        let mut trace = JourneyTrace {
            name: journey.name.clone(),
            runs: plan.is_some_and(|plan| plan.runs),
            standing: None,
            finished: ended.collect(),
            moves: Vec::new(),
        };
        let mut add = |what: &str, gate: Option<&Gate>, plan: Option<&GatePlan>| {
            if let (Some(gate), Some(plan)) = (gate, plan) {
                trace.moves.push(GateTrace {
                    what: what.to_string(),
                    key_event: gate.key_event.clone(),
                    at_ms: None,
                    criteria: Some(conditions(self, &gate.criteria, &plan.criteria)),
                });
            }
        };
        let stages = plan.map(|plan| plan.stages.as_slice()).unwrap_or_default();
        let Some(current) = &progress.current else {
            let first = journey.stages.first().and_then(|stage| stage.entry.as_ref());
            add("entry", first, stages.first().and_then(|stage| stage.entry.as_ref()));
            return trace;
        };
        let goal = plan.and_then(|plan| plan.goal.as_ref()).map(|(gate, _)| gate);
        add("goal", journey.goal.as_ref().map(|goal| &goal.gate), goal);
        let mut times = Vec::new();
        let number = stages.iter().position(|stage| stage.name == current.stage);
        let at = number.and_then(|number| Some((journey.stages.get(number)?, stages.get(number)?)));
        let is_completed = current.rest == Rest::Completed;
        if let Some((stage, plan)) = at {
            if !is_completed {
                add("milestone", stage.milestone.as_ref(), plan.milestone.as_ref());
            }
            let next = number.and_then(|number| number.checked_add(1));
            if (is_completed || stage.milestone.is_none())
                && let Some(next) = next
            {
                let gate = journey.stages.get(next).and_then(|stage| stage.entry.as_ref());
                add("next_stage", gate, stages.get(next).and_then(|stage| stage.entry.as_ref()));
            }
            for (exit, plan) in stage.exits.iter().zip(&plan.exits) {
                let what = alloc::format!("exit: {}", exit.name);
                match (&exit.when, &plan.when) {
                    (ExitWhen::Gate(gate), WhenPlan::Gate(plan)) => {
                        add(&what, Some(gate.as_ref()), Some(plan));
                    }
                    (ExitWhen::After(after_ms), _) => {
                        times.push((what, current.staged_ms.saturating_add(*after_ms)));
                    }
                    (ExitWhen::Gate(_), WhenPlan::After(_)) => {}
                }
            }
        }
        trace.moves.extend(times.into_iter().map(|(what, at_ms)| GateTrace {
            what,
            key_event: None,
            at_ms: Some(at_ms),
            criteria: None,
        }));
        let position =
            at.and_then(|(_, plan)| plan.steps.iter().position(|step| Some(step.name) == current.step));
        let step = at.zip(position).and_then(|((stage, _), position)| stage.steps.get(position));
        let is_gone = at.is_none() || (current.step.is_some() && step.is_none());
        let due_ms = match current.rest {
            Rest::Waiting(due_ms) => Some(due_ms),
            Rest::Ended | Rest::Completed => None,
        };
        trace.standing = Some(Standing {
            stage: at.map(|(stage, _)| stage.name.clone()),
            step: step.map(|step| step.id.clone()),
            why: match current.rest {
                _ if is_gone => "step_removed",
                Rest::Waiting(_) => "waiting",
                Rest::Ended => "ended",
                Rest::Completed => "completed",
            },
            entered_ms: current.entered_ms,
            since_ms: current.stepped_ms,
            due_ms,
            arms: arms(journey, &current.arms),
        });
        trace
    }
}

/// The arms that an entry took, by name, as far as the definition has them.
fn arms(journey: &Journey, taken: &[(u64, u64)]) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let steps = journey.stages.iter().flat_map(|stage| stage.steps.iter().map(move |step| (stage, step)));
    for (stage, step) in steps {
        let StepKind::Variant { arms } = &step.kind else { continue };
        let split = xxh3::within(xxh3::name(stage.key()), xxh3::name(&step.id));
        let Some((_, arm)) = taken.iter().find(|(known, _)| *known == split) else { continue };
        let arm = arms.iter().find(|one| xxh3::name(key_of(&one.id, &one.name)) == *arm);
        named.extend(arm.map(|arm| (step.id.clone(), arm.name.clone())));
    }
    named
}
