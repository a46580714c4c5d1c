//! Journeys that work and are probably not intended: steps and stages that nobody reaches, goals that are missing.

use alloc::vec::Vec;

use super::{JourneyPlan, StagePlan, paths};
use crate::definition::{Definition, JourneyState, Reentry};
use crate::diagnostic::{At, Code, Diagnostic, words};

/// Adds the warnings about all journeys.
pub(in crate::plan) fn warn(definition: &Definition, plans: &[JourneyPlan], found: &mut Vec<Diagnostic>) {
    for (index, journey) in definition.journeys.iter().enumerate() {
        let at = At::item("journeys", index);
        let is_draft = journey.state == JourneyState::Draft;
        if !is_draft && journey.reentry == Reentry::UnlessGoalAchieved && journey.goal.is_none() {
            let name = &journey.name;
            let message =
                words!("visitors may enter `{name}` again unless they reached its goal, and it has none");
            let help = words!("give it a goal, or write `reentry: reentry_always` or `no_reentry`");
            found.push(Diagnostic::new(Code::NoGoal, message).at(at.field("reentry")).help(help));
        }
        if is_draft {
            let message = words!("the journey `{}` is a draft: it is checked and does not run", journey.name);
            let help = words!("write `state: launched` to run it");
            found.push(Diagnostic::new(Code::NotRunning, message).at(at.field("state")).help(help));
        }
        let stages_reached = paths::stages_reached(index, plans);
        let plans = plans.get(index).map(|plan| plan.stages.as_slice()).unwrap_or_default();
        for (number, (stage, plan)) in journey.stages.iter().zip(plans).enumerate() {
            let at = at.inner("stages", number);
            if !stages_reached.get(number).is_some_and(|reached| *reached) {
                let message =
                    words!("nobody comes to the stage `{}`: the one before is never completed", stage.name);
                let help = words!("give the stage before a milestone, or let its steps end");
                found.push(Diagnostic::new(Code::UnreachableStep, message).at(at).help(help));
                continue;
            }
            // An unknown first step is an error of its own.
            if plan.root.is_none() {
                continue;
            }
            let steps = stage.steps.iter().zip(StagePlan::reached(plan)).enumerate();
            for (position, (step, _)) in steps.filter(|(_, (_, reached))| !reached) {
                let message = words!("no path leads to the step `{}`", step.id);
                let help = words!("name it as the `next` of another step, or remove it");
                found.push(
                    Diagnostic::new(Code::UnreachableStep, message)
                        .at(at.inner("steps", position))
                        .help(help),
                );
            }
        }
    }
}
