//! Where a visitor is in a journey, why, and what would move them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::definition::{ExitWhen, Gate, Journey, Stage, Step, StepKind, key_of};
use crate::explain::{ConditionTrace, conditions};
use crate::plan::{GatePlan, JourneyPlan, StagePlan, WhenPlan};
use crate::progress::{Current, Ending, Progress, Rest};
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
        let place = progress.current.as_ref().map(|current| (current, Place::of(journey, plan, current)));
        JourneyTrace {
            name: journey.name.clone(),
            runs: plan.is_some_and(|plan| plan.runs),
            standing: place.as_ref().map(|(current, place)| standing(journey, place.as_ref(), current)),
            finished: ended.collect(),
            moves: match &place {
                Some((current, place)) => self.moves(journey, plan, (current, place.as_ref())),
                None => self.entry(0, "entry", journey, plan).into_iter().collect(),
            },
        }
    }

    /// The conditions that would move a visitor who is in the journey: those over time last.
    fn moves(
        &self,
        journey: &Journey,
        plan: Option<&JourneyPlan>,
        (current, place): (&Current, Option<&Place<'_>>),
    ) -> Vec<GateTrace> {
        let goal = plan.and_then(|plan| plan.goal.as_ref()).map(|(gate, _)| gate);
        let mut moves = Vec::new();
        moves.extend(self.gate("goal", journey.goal.as_ref().map(|goal| &goal.gate), goal));
        let Some(Place { number, stage, plan: of_stage }) = place else { return moves };
        let is_completed = current.rest == Rest::Completed;
        if !is_completed {
            moves.extend(self.gate("milestone", stage.milestone.as_ref(), of_stage.milestone.as_ref()));
        }
        if is_completed || stage.milestone.is_none() {
            moves.extend(self.entry(number.saturating_add(1), "next_stage", journey, plan));
        }
        let mut times = Vec::new();
        for (exit, plan) in stage.exits.iter().zip(&of_stage.exits) {
            let what = alloc::format!("exit: {}", exit.name);
            match (&exit.when, &plan.when) {
                (ExitWhen::Gate(gate), WhenPlan::Gate(plan)) => {
                    moves.extend(self.gate(&what, Some(gate.as_ref()), Some(plan)));
                }
                (ExitWhen::After(after_ms), _) => {
                    let at_ms = Some(current.staged_ms.saturating_add(*after_ms));
                    times.push(GateTrace { what, key_event: None, at_ms, criteria: None });
                }
                (ExitWhen::Gate(_), WhenPlan::After(_)) => {}
            }
        }
        moves.append(&mut times);
        moves
    }

    /// The gate of a stage's entry.
    fn entry(
        &self,
        number: usize,
        what: &str,
        journey: &Journey,
        plan: Option<&JourneyPlan>,
    ) -> Option<GateTrace> {
        let stage = journey.stages.get(number)?;
        let plan = plan?.stages.get(number)?;
        self.gate(what, stage.entry.as_ref(), plan.entry.as_ref())
    }

    fn gate(&self, what: &str, gate: Option<&Gate>, plan: Option<&GatePlan>) -> Option<GateTrace> {
        let (gate, plan) = gate.zip(plan)?;
        Some(GateTrace {
            what: what.to_string(),
            key_event: gate.key_event.clone(),
            at_ms: None,
            criteria: Some(conditions(self, &gate.criteria, &plan.criteria)),
        })
    }
}

/// The stage of an entry.
struct Place<'a> {
    number: usize,
    stage: &'a Stage,
    plan: &'a StagePlan,
}

impl<'a> Place<'a> {
    /// None if the definition does not have the stage any more.
    fn of(journey: &'a Journey, plan: Option<&'a JourneyPlan>, current: &Current) -> Option<Place<'a>> {
        let stages = &plan?.stages;
        let number = stages.iter().position(|stage| stage.name == current.stage)?;
        Some(Place { number, stage: journey.stages.get(number)?, plan: stages.get(number)? })
    }

    /// The step of an entry; None if it is at none, or at one that was removed.
    fn step(&self, current: &Current) -> Option<&'a Step> {
        let position = self.plan.steps.iter().position(|step| Some(step.name) == current.step)?;
        self.stage.steps.get(position)
    }
}

fn standing(journey: &Journey, place: Option<&Place<'_>>, current: &Current) -> Standing {
    let step = place.and_then(|place| place.step(current));
    let is_gone = place.is_none() || (current.step.is_some() && step.is_none());
    Standing {
        stage: place.map(|place| place.stage.name.clone()),
        step: step.map(|step| step.id.clone()),
        why: match current.rest {
            _ if is_gone => "step_removed",
            Rest::Waiting(_) => "waiting",
            Rest::Ended => "ended",
            Rest::Completed => "completed",
        },
        entered_ms: current.entered_ms,
        since_ms: current.stepped_ms,
        due_ms: match current.rest {
            Rest::Waiting(due_ms) => Some(due_ms),
            Rest::Ended | Rest::Completed => None,
        },
        arms: arms(journey, &current.arms),
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
