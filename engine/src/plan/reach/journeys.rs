//! The same for journeys: gates that nobody passes, and branches of decisions that nobody takes.

use alloc::vec::Vec;

use super::Reach;
use crate::definition::{Branch, ExitWhen, Gate, StepKind};
use crate::diagnostic::{At, Code, words};
use crate::expr::Node;
use crate::expr::entail::All;
use crate::limits::ENTAILED_PAIRS_MAX;
use crate::plan::{BranchPlan, GatePlan, KindPlan, WhenPlan};

impl Reach<'_> {
    /// Checks every gate and every decision of the journeys.
    pub(super) fn journeys(&mut self) {
        let (definition, plan) = (self.definition, self.plan);
        let mut pairs = ENTAILED_PAIRS_MAX;
        for (index, (journey, plan)) in definition.journeys.iter().zip(&plan.journeys).enumerate() {
            let at = At::item("journeys", index);
            if let (Some(goal), Some((plan, _))) = (&journey.goal, &plan.goal) {
                self.gate(&goal.gate, plan, &at.field("goal"));
            }
            for (number, (stage, plan)) in journey.stages.iter().zip(&plan.stages).enumerate() {
                let at = at.inner("stages", number);
                for (name, gate, plan) in
                    [("entry", &stage.entry, &plan.entry), ("milestone", &stage.milestone, &plan.milestone)]
                {
                    if let (Some(gate), Some(plan)) = (gate, plan) {
                        self.gate(gate, plan, &at.field(name));
                    }
                }
                for (number, (exit, plan)) in stage.exits.iter().zip(&plan.exits).enumerate() {
                    if let (ExitWhen::Gate(gate), WhenPlan::Gate(plan)) = (&exit.when, &plan.when) {
                        self.gate(gate, plan, &at.inner("exits", number));
                    }
                }
                for (number, (step, plan)) in stage.steps.iter().zip(&plan.steps).enumerate() {
                    if let (StepKind::Decision { branches }, KindPlan::Decision(plans)) =
                        (&step.kind, &plan.kind)
                    {
                        self.decision(branches, plans, &mut pairs, &at.inner("steps", number));
                    }
                }
            }
        }
    }

    fn gate(&mut self, gate: &Gate, plan: &GatePlan, at: &At<'_>) {
        self.criteria(&gate.criteria, &plan.criteria, at.field("criteria"));
        self.filter(plan.key_event, &plan.event_filter, at.field("event_filter"));
    }

    /// A branch is taken by whom no branch before it took.
    fn decision(&mut self, branches: &[Branch], plans: &[BranchPlan], pairs: &mut usize, at: &At<'_>) {
        let mut before: Vec<(&str, &Node)> = Vec::new();
        for (number, (branch, plan)) in branches.iter().zip(plans).enumerate() {
            let at = at.inner("branches", number);
            let criteria = at.field("criteria");
            let (Some(expr), Some(node)) = (&branch.criteria, &plan.criteria) else { continue };
            if self.criteria(expr, node, criteria) || !self.is_sound(criteria) {
                continue;
            }
            let mut own = All::new(&self.plan.program, &self.domains);
            own.add(node, true);
            let mut others = before.iter().take(*pairs);
            *pairs = pairs.saturating_sub(others.len());
            match others.find(|(_, other)| own.imply(other)).map(|(name, _)| *name) {
                Some(other) => {
                    let name = &branch.name;
                    let message =
                        words!("nobody takes the branch `{name}`: whoever fits it fits `{other}` before it");
                    let help = words!("move it before `{other}`, which lets more visitors in");
                    self.report(Code::Unreachable, at, message, help);
                }
                None => before.push((&branch.name, node)),
            }
        }
    }
}
