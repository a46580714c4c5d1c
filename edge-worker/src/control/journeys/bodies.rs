//! Journeys as the API's bodies, written anew where a file made them.

use usher_engine::definition::{
    Arm, Branch, ExitWhen, Gate, Goal, Journey, Reentry, Stage, Step, StepKind, Target,
};
use usher_engine::syntax::Expr;
use usher_engine::value::{Number, Value};

use super::super::answer::{object, optional};
use super::super::bodies::duration;
use super::super::call::Call;
use super::super::conditions::condition;
use super::super::state::Kind;

/// The attributes of a journey.
pub(super) fn journey(call: &Call<'_>, journey: &Journey) -> Value {
    let id = call.id(Kind::Journey, journey.key());
    let reentry = match journey.reentry {
        Reentry::Never => "no_reentry",
        Reentry::UnlessGoalAchieved => "reentry_unless_goal_achieved",
        Reentry::Always => "reentry_always",
    };
    let stages = journey.stages.iter().enumerate();
    let stages = stages.map(|(index, it)| stage(call, journey, call.part_id(id, it.key()), index, it));
    object([
        ("audienceId", Value::from(call.audience.as_str())),
        ("name", Value::from(journey.name.as_str())),
        ("description", optional(journey.description.as_deref())),
        ("goal", journey.goal.as_ref().map_or(Value::Null, |it| goal(call, journey, it))),
        ("reentryMode", Value::from(reentry)),
        ("realtimeJourneyStages", Value::List(stages.collect())),
        ("state", Value::from(state(journey))),
        ("paused", Value::from(journey.state == usher_engine::definition::JourneyState::Paused)),
    ])
}

/// The vendor's two states; a paused one is launched.
fn state(journey: &Journey) -> &'static str {
    if journey.state == usher_engine::definition::JourneyState::Draft { "draft" } else { "launched" }
}

/// Hundredths of a percent as a number of percent.
pub(super) fn percentage(share: u32) -> Value {
    if share.is_multiple_of(100) {
        return Value::from(i64::from(share / 100));
    }
    Value::Number(Number::Float(f64::from(share) / 100.0))
}

fn goal(call: &Call<'_>, journey: &Journey, goal: &Goal) -> Value {
    with(gate(call, &goal.gate), [("target", target(call, journey, goal.target.as_ref()))])
}

fn stage(call: &Call<'_>, journey: &Journey, id: &str, index: usize, stage: &Stage) -> Value {
    let maybe = |gate_of: &Option<Gate>| gate_of.as_ref().map_or(Value::Null, |it| gate(call, it));
    let exits = stage.exits.iter().map(|exit| {
        let name = Value::from(exit.name.as_str());
        let when = match &exit.when {
            ExitWhen::After(after_ms) => {
                let length = duration(*after_ms);
                let of = |name: &str| length.get(name).cloned().unwrap_or(Value::Null);
                object([("unit", of("unit")), ("exitAfter", of("value"))])
            }
            ExitWhen::Gate(of_exit) => gate(call, of_exit),
        };
        with(when, [("name", name), ("target", target(call, journey, exit.target.as_ref()))])
    });
    let steps = stage.steps.iter().map(|it| (it.id.clone(), step(call, journey, it)));
    object([
        ("id", Value::from(id)),
        ("name", Value::from(stage.name.as_str())),
        ("description", optional(stage.description.as_deref())),
        ("steps", Value::Object(steps.collect())),
        ("rootStep", optional(stage.root.as_deref())),
        ("entryCriteria", maybe(&stage.entry)),
        ("milestone", maybe(&stage.milestone)),
        ("exitCriterias", Value::List(exits.collect())),
        ("orderIndex", Value::from(i64::try_from(index).unwrap_or(i64::MAX))),
    ])
}

fn gate(call: &Call<'_>, gate: &Gate) -> Value {
    let key_event = gate.key_event.as_ref().map_or(Value::Null, |name| {
        let id = call.id(Kind::KeyEvent, name);
        object([
            ("keyEventId", Value::from(if id.is_empty() { name } else { id })),
            ("keyEventFilters", gate.event_filter.as_ref().map_or(Value::Null, |it| condition(call, it))),
        ])
    });
    let profile = match &gate.criteria {
        Expr::Constant(true) => Value::Null,
        criteria => condition(call, criteria),
    };
    object([
        ("name", optional(gate.name.as_deref())),
        ("description", optional(gate.description.as_deref())),
        ("keyEventCriteria", key_event),
        ("profileCriteria", profile),
        ("acceptUnknownProfiles", Value::from(gate.accept_unknown_profiles)),
    ])
}

/// The target of a jump, by ids where there are some.
fn target(call: &Call<'_>, own: &Journey, target: Option<&Target>) -> Value {
    let Some(target) = target else { return Value::Null };
    let journeys = &call.definition.journeys;
    let other = target.journey.as_deref().map(|called| {
        let index = call.definition.journey(called);
        index.and_then(|index| journeys.get(index))
    });
    let journey = other.unwrap_or(Some(own));
    let id = journey.map_or("", |journey| call.id(Kind::Journey, journey.key()));
    let stage = journey.and_then(|journey| journey.stages.get(journey.stage(&target.stage)?));
    let stage = stage.map_or("", |stage| call.part_id(id, stage.key()));
    let or = |id: &str, called: &str| Value::from(if id.is_empty() { called } else { id });
    object([
        ("realtimeJourneyId", or(id, target.journey.as_deref().unwrap_or_default())),
        ("realtimeJourneyStageId", or(stage, &target.stage)),
    ])
}

fn step(call: &Call<'_>, journey: &Journey, step: &Step) -> Value {
    let next = |next: &Option<String>| ("next", optional(next.as_deref()));
    let fields = match &step.kind {
        StepKind::Wait { wait_ms, next: after } => {
            let length = duration(*wait_ms);
            let of = |name: &str| length.get(name).cloned().unwrap_or(Value::Null);
            let (count, unit) = (("waitStep", of("value")), ("waitStepUnit", of("unit")));
            typed("WaitStep", [count, unit, next(after)])
        }
        StepKind::Activation { activation, next: after } => {
            let known = call.definition.activation(activation);
            let known = known.and_then(|index| call.definition.activations.get(index));
            let key = known.map(|it| usher_engine::definition::key_of(&it.id, &it.name));
            let id = key.map_or("", |key| call.id(Kind::Activation, key));
            let id = Value::from(if id.is_empty() { activation } else { id });
            typed("TriggeredActivation", [("journeyActivationStepId", id), next(after)])
        }
        StepKind::Decision { branches } => {
            let branches = branches.iter().map(|it| branch(call, it)).collect();
            typed("DecisionPoint", [("branches", Value::List(branches))])
        }
        StepKind::Merge { next: after } => typed("Merge", [next(after)]),
        StepKind::Jump { target: to } => typed("Jump", [("target", target(call, journey, Some(to)))]),
        StepKind::End => typed("End", []),
        StepKind::Variant { arms } => {
            typed("Variant", [("branches", Value::List(arms.iter().map(arm).collect()))])
        }
    };
    let (name, description) = (optional(step.name.as_deref()), optional(step.description.as_deref()));
    with(fields, [("name", name), ("description", description)])
}

fn typed<const N: usize>(kind: &str, fields: [(&str, Value); N]) -> Value {
    with(object([("type", Value::from(kind))]), fields)
}

fn branch(call: &Call<'_>, branch: &Branch) -> Value {
    object([
        ("id", optional(branch.id.as_deref())),
        ("name", Value::from(branch.name.as_str())),
        ("description", optional(branch.description.as_deref())),
        ("profileCriteria", branch.criteria.as_ref().map_or(Value::Null, |it| condition(call, it))),
        ("excludedPath", Value::from(branch.criteria.is_none())),
        ("next", optional(branch.next.as_deref())),
    ])
}

fn arm(arm: &Arm) -> Value {
    object([
        ("id", optional(arm.id.as_deref())),
        ("name", Value::from(arm.name.as_str())),
        ("percentage", percentage(arm.share)),
        ("isControlGroup", Value::from(arm.control)),
        ("next", optional(arm.next.as_deref())),
    ])
}

/// An object with further fields.
fn with<const N: usize>(value: Value, fields: [(&str, Value); N]) -> Value {
    super::super::bodies::patched(value, &fields.map(|(name, value)| (name.to_owned(), value)))
}
