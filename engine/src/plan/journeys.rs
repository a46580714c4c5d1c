//! The part of the compiler that compiles journeys: every name in them becomes an index, every criterion a node.
//!
//! Criteria are visited twice, as all others: first for the types that their uses allow, then to lower them. So the whole
//! journey is walked twice, with the visit as an argument.

mod check;
mod paths;
mod warn;

pub(super) use warn::warn;

use alloc::string::String;
use alloc::vec::Vec;

use crate::definition::{
    Activation, Definition, Exit, ExitWhen, Gate, Journey, JourneyState, Reentry, Stage, Step, StepKind,
    Target,
};
use crate::diagnostic::{At, Code, Diagnostic, NameKind, words};
use crate::expr::Node;
use crate::expr::scope::Scope;
use crate::flat::flat;
use crate::limits::{FINISHED_MAX, SPLITS_MAX};
use crate::syntax::Expr;
use crate::xxh3;

/// True if this build has journeys. The linker drops what only they use.
pub(crate) const HAS_JOURNEYS: bool = cfg!(feature = "journeys");

/// Begins the names under which profiles keep the progress of journeys; the name of an attribute that begins so does not
/// compile.
pub(crate) const PROGRESS_PREFIX: char = '\u{1}';

/// A compiled journey.
#[derive(Debug)]
pub(crate) struct JourneyPlan {
    /// The name of its state in a profile.
    pub(crate) state_name: String,
    pub(crate) name: String,
    /// True if visitors enter and move.
    pub(crate) runs: bool,
    pub(crate) reentry: Reentry,
    pub(crate) goal: Option<(GatePlan, Option<TargetPlan>)>,
    pub(crate) stages: Vec<StagePlan>,
}

impl JourneyPlan {
    /// The id by which profiles and messages name it.
    pub(crate) fn key(&self) -> &str {
        self.state_name.get(PROGRESS_PREFIX.len_utf8()..).unwrap_or_default()
    }

    /// The most bytes that a profile keeps of it, with its name: times of 7 bytes, ids of 16, hashes of 8.
    pub(super) fn bytes_max(&self) -> usize {
        let steps = self.stages.iter().flat_map(|stage| &stage.steps);
        let splits = steps.filter(|step| matches!(step.kind, KindPlan::Variant { .. })).count();
        let arms = splits.min(SPLITS_MAX).saturating_mul(16).saturating_add(1);
        let ended = arms.saturating_add(2 * 7 + 16 + 8 + 9).saturating_mul(FINISHED_MAX);
        let current = arms.saturating_add(1 + 1 + 3 * 7 + 16 + 8 + 9 + 8 + 8);
        self.state_name.len().saturating_add(12).saturating_add(ended).saturating_add(current)
    }
}

#[derive(Debug)]
pub(crate) struct GatePlan {
    pub(crate) key_event: Option<usize>,
    pub(crate) event_filter: Node,
    pub(crate) criteria: Node,
    pub(crate) accept_unknown_profiles: bool,
}

#[derive(Debug)]
pub(crate) struct StagePlan {
    /// Hash of its id.
    pub(crate) name: u64,
    /// Its id, or its name where it has none.
    pub(crate) key: String,
    pub(crate) entry: Option<GatePlan>,
    pub(crate) milestone: Option<GatePlan>,
    pub(crate) exits: Vec<ExitPlan>,
    pub(crate) root: Option<usize>,
    pub(crate) steps: Vec<StepPlan>,
}

#[derive(Debug)]
pub(crate) struct ExitPlan {
    /// Hash of its name.
    pub(crate) name: u64,
    pub(crate) when: WhenPlan,
    pub(crate) target: Option<TargetPlan>,
}

#[derive(Debug)]
pub(crate) enum WhenPlan {
    After(i64),
    Gate(GatePlan),
}

impl WhenPlan {
    /// The time after which it holds, in milliseconds, if it is about time.
    pub(crate) fn after_ms(&self) -> Option<i64> {
        match self {
            WhenPlan::After(after_ms) => Some(*after_ms),
            WhenPlan::Gate(_) => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct StepPlan {
    /// Hash of its id.
    pub(crate) name: u64,
    pub(crate) id: String,
    pub(crate) kind: KindPlan,
}

/// The kinds of step; `next` is an index into the steps of the stage.
#[derive(Debug)]
pub(crate) enum KindPlan {
    Wait { wait_ms: i64, next: Option<usize> },
    Activation { activation: usize, next: Option<usize> },
    Decision(Vec<BranchPlan>),
    Merge { next: Option<usize> },
    Jump(TargetPlan),
    End,
    Variant { digits: u32, arms: Vec<ArmPlan> },
}

/// A branch of a decision; without criteria, that of all others.
#[derive(Debug)]
pub(crate) struct BranchPlan {
    pub(crate) criteria: Option<Node>,
    pub(crate) next: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct ArmPlan {
    /// Hash of its id.
    pub(crate) name: u64,
    /// In hundredths of a percent.
    pub(crate) share: u32,
    pub(crate) next: Option<usize>,
}

/// A stage, by indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TargetPlan {
    pub(crate) journey: usize,
    pub(crate) stage: usize,
}

/// Visits a criterion: where it stands, and the names that it may use.
pub(super) type Visit<'v, 'a> = &'v mut dyn FnMut(&'a Expr, Scope<'static>, At<'_>) -> Node;

/// Compiles all journeys. Names that nothing declares go to `found`.
pub(super) fn journeys<'a>(
    definition: &'a Definition,
    key_event_tables: &[usize],
    visit: Visit<'_, 'a>,
    found: &mut Vec<Diagnostic>,
) -> Vec<JourneyPlan> {
    let mut lowering = Lowering { definition, key_event_tables, visit, found };
    let journeys = definition.journeys.iter().enumerate();
    journeys.map(|(index, journey)| lowering.journey(index, journey)).collect()
}

struct Lowering<'l, 'v, 'a> {
    definition: &'a Definition,
    key_event_tables: &'l [usize],
    visit: Visit<'v, 'a>,
    found: &'l mut Vec<Diagnostic>,
}

impl<'a> Lowering<'_, '_, 'a> {
    fn journey(&mut self, index: usize, journey: &'a Journey) -> JourneyPlan {
        let at = At::item("journeys", index);
        let goal = journey.goal.as_ref().map(|goal| {
            let at = at.field("goal");
            let gate = self.gate(&goal.gate, &at);
            (gate, self.maybe_target(index, goal.target.as_ref(), &at))
        });
        let mut splits = 0;
        let stages = journey
            .stages
            .iter()
            .enumerate()
            .map(|(number, stage)| self.stage(index, stage, &at.inner("stages", number), &mut splits));
        let mut state_name = String::from(PROGRESS_PREFIX);
        state_name.push_str(journey.key());
        JourneyPlan {
            stages: stages.collect(),
            state_name,
            name: journey.name.clone(),
            runs: journey.state == JourneyState::Launched,
            reentry: journey.reentry,
            goal,
        }
    }

    fn stage(&mut self, journey: usize, stage: &'a Stage, at: &At<'_>, splits: &mut u32) -> StagePlan {
        let entry = stage.entry.as_ref().map(|gate| self.gate(gate, &at.field("entry")));
        let milestone = stage.milestone.as_ref().map(|gate| self.gate(gate, &at.field("milestone")));
        let exits = stage.exits.iter().enumerate();
        let exits =
            exits.map(|(number, exit)| self.exit(journey, exit, &at.inner("exits", number))).collect();
        let root = stage.root.as_deref().and_then(|id| self.step_of(stage, id, at.field("root")));
        let steps = stage.steps.iter().enumerate().map(|(number, step)| {
            let at = at.inner("steps", number);
            StepPlan {
                name: xxh3::name(&step.id),
                id: step.id.clone(),
                kind: self.step(journey, stage, step, &at, splits),
            }
        });
        StagePlan {
            steps: steps.collect(),
            name: xxh3::name(stage.key()),
            key: stage.key().into(),
            entry,
            milestone,
            exits,
            root,
        }
    }

    fn exit(&mut self, journey: usize, exit: &'a Exit, at: &At<'_>) -> ExitPlan {
        let when = match &exit.when {
            ExitWhen::After(after_ms) => WhenPlan::After(*after_ms),
            ExitWhen::Gate(gate) => WhenPlan::Gate(self.gate(gate, at)),
        };
        let target = self.maybe_target(journey, exit.target.as_ref(), at);
        ExitPlan { name: xxh3::name(&exit.name), when, target }
    }

    fn gate(&mut self, gate: &'a Gate, at: &At<'_>) -> GatePlan {
        let key_event = gate.key_event.as_ref().and_then(|name| self.key_event(name, at.field("key_event")));
        let table = key_event.and_then(|index| self.key_event_tables.get(index).copied());
        let scope = Scope { table, columns_only: false, inputs: &[] };
        let criteria = (self.visit)(&gate.criteria, scope, at.field("criteria"));
        let event_filter = match &gate.event_filter {
            Some(filter) => {
                (self.visit)(filter, Scope { columns_only: true, ..scope }, at.field("event_filter"))
            }
            None => Node::Constant(true),
        };
        GatePlan { key_event, event_filter, criteria, accept_unknown_profiles: gate.accept_unknown_profiles }
    }

    fn step(
        &mut self,
        journey: usize,
        stage: &'a Stage,
        step: &'a Step,
        at: &At<'_>,
        splits: &mut u32,
    ) -> KindPlan {
        let next = |id: &Option<String>, lowering: &mut Self, at: &At<'_>| {
            id.as_deref().and_then(|id| lowering.step_of(stage, id, at.field("next")))
        };
        match &step.kind {
            StepKind::Wait { wait_ms, next: id } => {
                KindPlan::Wait { wait_ms: *wait_ms, next: next(id, self, at) }
            }
            StepKind::Activation { activation, next: id } => {
                let next = next(id, self, at);
                match self.activation(activation, at.field("activation")) {
                    Some(activation) => KindPlan::Activation { activation, next },
                    None => KindPlan::Merge { next },
                }
            }
            StepKind::Decision { branches } => {
                let branches = branches.iter().enumerate().map(|(number, branch)| {
                    let at = at.inner("branches", number);
                    let scope = Scope { table: None, columns_only: false, inputs: &[] };
                    let criteria = branch.criteria.as_ref();
                    let criteria = criteria.map(|expr| (self.visit)(expr, scope, at.field("criteria")));
                    BranchPlan { criteria, next: next(&branch.next, self, &at) }
                });
                KindPlan::Decision(branches.collect())
            }
            StepKind::Merge { next: id } => KindPlan::Merge { next: next(id, self, at) },
            StepKind::Jump { target } => {
                self.target(journey, target, at).map_or(KindPlan::End, KindPlan::Jump)
            }
            StepKind::End => KindPlan::End,
            StepKind::Variant { arms } => {
                let digits = *splits;
                *splits = splits.saturating_add(1);
                let arms = arms.iter().enumerate().map(|(number, arm)| {
                    let at = at.inner("arms", number);
                    let name = xxh3::name(crate::definition::key_of(&arm.id, &arm.name));
                    ArmPlan { name, share: arm.share, next: next(&arm.next, self, &at) }
                });
                KindPlan::Variant { digits, arms: arms.collect() }
            }
        }
    }

    fn maybe_target(&mut self, journey: usize, target: Option<&Target>, at: &At<'_>) -> Option<TargetPlan> {
        target.and_then(|target| self.target(journey, target, at))
    }

    fn target(&mut self, journey: usize, target: &Target, at: &At<'_>) -> Option<TargetPlan> {
        let at = at.field("target");
        let journeys = &self.definition.journeys;
        let journey = match &target.journey {
            None => journey,
            Some(called) => match self.definition.journey(called) {
                Some(index) => index,
                None => {
                    let names = journeys.iter().map(|journey| journey.name.as_str());
                    self.unknown("journey", called, at.field("journey"), names);
                    return None;
                }
            },
        };
        let stages = journeys.get(journey).map(|journey| journey.stages.as_slice()).unwrap_or_default();
        match journeys.get(journey).and_then(|journey| journey.stage(&target.stage)) {
            Some(stage) => Some(TargetPlan { journey, stage }),
            None => {
                let names = stages.iter().map(|stage| stage.name.as_str());
                self.unknown("stage", &target.stage, at.field("stage"), names);
                None
            }
        }
    }

    fn step_of(&mut self, stage: &Stage, id: &str, at: At<'_>) -> Option<usize> {
        let found = stage.step(id);
        if found.is_none() {
            self.unknown("step", id, at, stage.steps.iter().map(|step| step.id.as_str()));
        }
        found
    }

    fn activation(&mut self, called: &str, at: At<'_>) -> Option<usize> {
        let found = self.definition.activation(called);
        if found.is_none() {
            let names = self.definition.activations.iter().map(|known: &Activation| known.name.as_str());
            self.unknown("activation", called, at, names);
        }
        found
    }

    fn key_event(&mut self, name: &str, at: At<'_>) -> Option<usize> {
        let found = self.definition.key_events.iter().position(|key_event| key_event.name == name);
        if found.is_none() {
            let message = words!("Unknown event name `{name}`");
            let diagnostic = Diagnostic::new(Code::UnknownName, message).at(at);
            self.found.push(diagnostic.unknown(NameKind::KeyEvent, name));
        }
        found
    }

    #[cold]
    fn unknown<'n>(&mut self, what: &str, name: &str, at: At<'_>, known: impl Iterator<Item = &'n str>) {
        let message = words!("unknown {what} `{name}`");
        let mut diagnostic = Diagnostic::new(Code::UnknownName, message).at(at);
        if cfg!(feature = "words") {
            let mut each: Vec<&str> = Vec::new();
            for name in known {
                if !each.contains(&name) && each.len() < 8 {
                    each.push(name);
                }
            }
            let list = if each.is_empty() { words!("none is declared") } else { each.join(", ") };
            diagnostic = diagnostic.help(words!("known here: {list}"));
        }
        self.found.push(diagnostic);
    }
}

flat!(struct JourneyPlan { state_name, name, runs, reentry, goal, stages });
flat!(struct GatePlan { key_event, event_filter, criteria, accept_unknown_profiles });
flat!(struct StagePlan { name, key, entry, milestone, exits, root, steps });
flat!(struct ExitPlan { name, when, target });
flat!(enum WhenPlan { 0 = After(after_ms), 1 = Gate(gate) });
flat!(struct TargetPlan { journey, stage });
