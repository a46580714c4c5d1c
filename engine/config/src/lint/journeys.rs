//! The conditions of journeys, for lints of every condition.

use usher_engine::definition::{Definition, ExitWhen, Gate, Journey, StepKind};
use usher_engine::syntax::Expr;

/// A condition of a journey.
pub(super) struct Condition<'d> {
    /// Its place in the definition.
    pub(super) at: String,
    /// The key event whose columns it may name.
    pub(super) key_event: Option<&'d str>,
    pub(super) expr: &'d Expr,
}

/// All conditions of all journeys, in the order of the definition.
pub(super) fn conditions(definition: &Definition) -> Vec<Condition<'_>> {
    let mut found = Vec::new();
    for (index, journey) in definition.journeys.iter().enumerate() {
        of_journey(journey, &format!("journeys[{index}]"), &mut found);
    }
    found
}

fn of_journey<'d>(journey: &'d Journey, at: &str, found: &mut Vec<Condition<'d>>) {
    if let Some(goal) = &journey.goal {
        of_gate(&goal.gate, &format!("{at}.goal"), found);
    }
    for (number, stage) in journey.stages.iter().enumerate() {
        let at = format!("{at}.stages[{number}]");
        for (name, gate) in [("entry", &stage.entry), ("milestone", &stage.milestone)] {
            gate.iter().for_each(|gate| of_gate(gate, &format!("{at}.{name}"), found));
        }
        for (number, exit) in stage.exits.iter().enumerate() {
            if let ExitWhen::Gate(gate) = &exit.when {
                of_gate(gate, &format!("{at}.exits[{number}]"), found);
            }
        }
        for (number, step) in stage.steps.iter().enumerate() {
            let StepKind::Decision { branches } = &step.kind else { continue };
            for (branch, of) in branches.iter().enumerate() {
                let at = format!("{at}.steps[{number}].branches[{branch}].criteria");
                found.extend(of.criteria.iter().map(|expr| Condition {
                    at: at.clone(),
                    key_event: None,
                    expr,
                }));
            }
        }
    }
}

fn of_gate<'d>(gate: &'d Gate, at: &str, found: &mut Vec<Condition<'d>>) {
    let key_event = gate.key_event.as_deref();
    found.push(Condition { at: format!("{at}.criteria"), key_event, expr: &gate.criteria });
    let filter = gate.event_filter.iter();
    found.extend(filter.map(|expr| Condition { at: format!("{at}.event_filter"), key_event, expr }));
}
