//! Journeys and activations, as every dialect lowers to them.
//!
//! A journey leads a visitor through stages, and within a stage through steps. References between its parts are texts:
//! a journey, stage, step, branch or activation is called by its id, or where it has none by its name.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::flat::flat;
use crate::syntax::Expr;
use crate::value::data::{names, read_fields, records, tagged, write_fields};
use crate::value::{FromValue, Reading, ToValue, Value, variant};

/// A path of stages that visitors take, one stage at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// Unique in the audience.
    pub name: String,
    /// The id under which the API knows it. Profiles keep their progress under it, or under the name where there is
    /// none.
    pub id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// True if it runs.
    pub state: JourneyState,
    /// True if a visitor whose entry ended may enter again.
    pub reentry: Reentry,
    /// The goal, which ends an entry.
    pub goal: Option<Goal>,
    /// In the order in which visitors take them.
    pub stages: Vec<Stage>,
}

/// True if a journey runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JourneyState {
    /// It is checked and does not run.
    Draft,
    /// It runs.
    #[default]
    Launched,
    /// Visitors stay where they are: nobody enters, nothing is due.
    Paused,
}

/// True if a visitor whose entry ended may enter again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reentry {
    /// Never.
    Never,
    /// Unless an earlier entry reached the goal.
    #[default]
    UnlessGoalAchieved,
    /// Always.
    Always,
}

/// Conditions on an event and on the visitor; both must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The key event that must happen. None: any event and any due time will do.
    pub key_event: Option<String>,
    /// A further filter on that key event; names in it are columns, written `event.column`.
    pub event_filter: Option<Expr>,
    /// The criteria that the visitor must fulfil.
    pub criteria: Expr,
    /// True if a profile without a batch record may pass.
    pub accept_unknown_profiles: bool,
}

/// The goal of a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The conditions under which it is reached.
    pub gate: Gate,
    /// The stage at which the visitor goes on. None: the entry ends.
    pub target: Option<Target>,
}

/// A stage of a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Unique in the journey.
    pub name: String,
    /// Its id in the API.
    pub id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The conditions to enter it. The first stage needs them.
    pub entry: Option<Gate>,
    /// The conditions that complete it. None: its steps do, at their end.
    pub milestone: Option<Gate>,
    /// The conditions to leave the journey, tried in order.
    pub exits: Vec<Exit>,
    /// The step that it begins with. None: it has no steps.
    pub root: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A condition to leave a journey from a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// Unique in the stage.
    pub name: String,
    /// The condition.
    pub when: ExitWhen,
    /// The stage at which the visitor goes on. None: the entry ends.
    pub target: Option<Target>,
}

/// The condition of an exit.
#[derive(Clone, Debug, PartialEq)]
pub enum ExitWhen {
    /// The visitor has been in the stage for this long, in milliseconds.
    After(i64),
    /// These conditions hold.
    Gate(Box<Gate>),
}

/// A step of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Unique in the stage.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The kind, with what it needs.
    pub kind: StepKind,
}

/// The kinds of step. `next` is the id of the step that follows; without one the steps of the stage end there.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// Time passes.
    Wait {
        /// The duration in milliseconds.
        wait_ms: i64,
        /// The step that follows.
        next: Option<String>,
    },
    /// Something is sent.
    Activation {
        /// The activation, by its id or name.
        activation: String,
        /// The step that follows.
        next: Option<String>,
    },
    /// The first branch whose criteria hold is taken.
    Decision {
        /// In the order in which they are tried.
        branches: Vec<Branch>,
    },
    /// Branches meet.
    Merge {
        /// The step that follows.
        next: Option<String>,
    },
    /// The visitor goes on at another stage.
    Jump {
        /// That stage.
        target: Target,
    },
    /// The steps of the stage end.
    End,
    /// Visitors are split by chance.
    Variant {
        /// The parts of the split.
        arms: Vec<Arm>,
    },
}

/// A branch of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// Unique in the decision.
    pub name: String,
    /// Its id in the API.
    pub id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The criteria that the visitor must fulfil. None: the branch of all others.
    pub criteria: Option<Expr>,
    /// The step that follows.
    pub next: Option<String>,
}

/// A part of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Unique in the step.
    pub name: String,
    /// Its id in the API.
    pub id: Option<String>,
    /// The share of visitors, in hundredths of a percent.
    pub share: u32,
    /// True if it is the control group.
    pub control: bool,
    /// The step that follows.
    pub next: Option<String>,
}

/// A stage at which a visitor goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The journey, by its id or name. None: the same.
    pub journey: Option<String>,
    /// The stage, by its id or name.
    pub stage: String,
}

/// A message to a server of somebody else: a signed webhook. Text in it may have `{{name}}` placeholders for attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// Unique in the audience.
    pub name: String,
    /// Its id in the API.
    pub id: Option<String>,
    /// The destination's id. None: the destination is found by the address.
    pub connection: Option<String>,
    /// The connector's type, such as `td_webhook_out`.
    pub connector: String,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The address. None: the destination's own.
    pub url: Option<String>,
    /// Headers, by name.
    pub headers: Vec<Header>,
    /// The body. None: the journey, stage and step, and the keys of the visitor.
    pub body: Option<String>,
}

/// A header of an activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The id by which a part of a journey is called, or its name where it has none.
pub fn key_of<'a>(id: &'a Option<String>, name: &'a str) -> &'a str {
    id.as_deref().unwrap_or(name)
}

impl Journey {
    /// The id under which profiles keep their progress, or the name where there is none.
    pub fn key(&self) -> &str {
        key_of(&self.id, &self.name)
    }

    /// All its criteria about visitors, to change them.
    pub fn criteria_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let goal = self.goal.iter_mut().map(|goal| &mut goal.gate.criteria);
        let of_stages = self.stages.iter_mut().flat_map(|stage| {
            let Stage { entry, milestone, exits, steps, .. } = stage;
            let branches = steps.iter_mut().flat_map(|step| match &mut step.kind {
                StepKind::Decision { branches } => branches.iter_mut(),
                _ => Default::default(),
            });
            let gates = gates_mut(entry, milestone, exits).map(|gate| &mut gate.criteria);
            gates.chain(branches.filter_map(|branch| branch.criteria.as_mut()))
        });
        goal.chain(of_stages)
    }

    /// All its conditions on events, to change them.
    pub fn gates_mut(&mut self) -> impl Iterator<Item = &mut Gate> {
        let goal = self.goal.iter_mut().map(|goal| &mut goal.gate);
        let stages = self.stages.iter_mut();
        goal.chain(
            stages.flat_map(|stage| gates_mut(&mut stage.entry, &mut stage.milestone, &mut stage.exits)),
        )
    }

    /// The stages to which it jumps, to change them.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let goal = self.goal.iter_mut().filter_map(|goal| goal.target.as_mut());
        let of_stages = self.stages.iter_mut().flat_map(|stage| {
            let exits = stage.exits.iter_mut().filter_map(|exit| exit.target.as_mut());
            let steps = stage.steps.iter_mut().filter_map(|step| match &mut step.kind {
                StepKind::Jump { target } => Some(target),
                _ => None,
            });
            exits.chain(steps)
        });
        goal.chain(of_stages)
    }

    /// The index of the stage of this id, or else of this name.
    pub fn stage(&self, called: &str) -> Option<usize> {
        of_id_or_name(&self.stages, called, |stage| (&stage.id, &stage.name))
    }
}

/// The conditions of a stage.
fn gates_mut<'a>(
    entry: &'a mut Option<Gate>,
    milestone: &'a mut Option<Gate>,
    exits: &'a mut [Exit],
) -> impl Iterator<Item = &'a mut Gate> {
    let exits = exits.iter_mut().filter_map(|exit| match &mut exit.when {
        ExitWhen::Gate(gate) => Some(&mut **gate),
        ExitWhen::After(_) => None,
    });
    entry.iter_mut().chain(milestone).chain(exits)
}

impl Stage {
    /// The id, or the name where there is none.
    pub fn key(&self) -> &str {
        key_of(&self.id, &self.name)
    }

    /// The index of the step of this id.
    pub fn step(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}

impl Step {
    /// The ids of the steps that may follow, in order, with the place of each in the step: `next`, or a branch's.
    pub fn successors(&self) -> Vec<(Option<usize>, &str)> {
        match &self.kind {
            StepKind::Wait { next, .. } | StepKind::Activation { next, .. } | StepKind::Merge { next } => {
                next.iter().map(|next| (None, next.as_str())).collect()
            }
            StepKind::Decision { branches } => {
                let nexts = branches.iter().map(|branch| branch.next.as_deref()).enumerate();
                nexts.filter_map(|(index, next)| Some((Some(index), next?))).collect()
            }
            StepKind::Variant { arms } => {
                let nexts = arms.iter().map(|arm| arm.next.as_deref()).enumerate();
                nexts.filter_map(|(index, next)| Some((Some(index), next?))).collect()
            }
            StepKind::Jump { .. } | StepKind::End => Vec::new(),
        }
    }
}

/// The index of the item of this id, or else of this name.
pub(super) fn of_id_or_name<'a, T>(
    items: &'a [T],
    called: &str,
    names: impl Fn(&'a T) -> (&'a Option<String>, &'a String),
) -> Option<usize> {
    let of_id = items.iter().position(|item| names(item).0.as_deref() == Some(called));
    of_id.or_else(|| items.iter().position(|item| names(item).1 == called))
}

records! {
    Journey {
        name,
        id = None,
        description = None,
        state = JourneyState::Launched,
        reentry = Reentry::UnlessGoalAchieved,
        goal = None,
        stages,
    }
    Gate {
        name = None,
        description = None,
        key_event = None,
        event_filter = None,
        criteria = Expr::Constant(true),
        accept_unknown_profiles = true,
    }
    Goal { gate, target = None }
    Stage {
        name,
        id = None,
        description = None,
        entry = None,
        milestone = None,
        exits = Vec::new(),
        root = None,
        steps = Vec::new(),
    }
    Exit { name, when, target = None }
    Step { id, name = None, description = None, kind }
    Branch { name, id = None, description = None, criteria = None, next = None }
    Arm { name, id = None, share, control = false, next = None }
    Target { journey = None, stage }
    Activation {
        name,
        id = None,
        connection = None,
        connector,
        method,
        url = None,
        headers = Vec::new(),
        body = None,
    }
    Header { name, value }
}

names! {
    JourneyState { Draft = "draft", Launched = "launched", Paused = "paused" }
    Reentry {
        Never = "no_reentry",
        UnlessGoalAchieved = "reentry_unless_goal_achieved",
        Always = "reentry_always",
    }
}

impl FromValue for ExitWhen {
    fn read(value: &Value, reading: &mut Reading) -> ExitWhen {
        let (name, content) = variant(value, &["after", "gate"], reading);
        reading.inside(name, |reading| match name {
            "after" => ExitWhen::After(FromValue::read(content, reading)),
            _ => ExitWhen::Gate(FromValue::read(content, reading)),
        })
    }
}

impl ToValue for ExitWhen {
    fn to_value(&self) -> Value {
        match self {
            ExitWhen::After(after_ms) => tagged("after", after_ms.to_value()),
            ExitWhen::Gate(gate) => tagged("gate", gate.to_value()),
        }
    }
}

impl FromValue for StepKind {
    fn read(value: &Value, reading: &mut Reading) -> StepKind {
        let kinds = ["wait", "activation", "decision", "merge", "jump", "variant", "end"];
        let (name, content) = variant(value, &kinds, reading);
        reading.inside(name, |reading| match name {
            "wait" => read_fields!(content, reading => StepKind::Wait { wait_ms, next = None }),
            "activation" => {
                read_fields!(content, reading => StepKind::Activation { activation, next = None })
            }
            "decision" => read_fields!(content, reading => StepKind::Decision { branches }),
            "merge" => read_fields!(content, reading => StepKind::Merge { next = None }),
            "jump" => read_fields!(content, reading => StepKind::Jump { target }),
            "variant" => read_fields!(content, reading => StepKind::Variant { arms }),
            _ => StepKind::End,
        })
    }
}

impl ToValue for StepKind {
    fn to_value(&self) -> Value {
        match self {
            StepKind::Wait { wait_ms, next } => tagged("wait", write_fields!(wait_ms, next)),
            StepKind::Activation { activation, next } => {
                tagged("activation", write_fields!(activation, next))
            }
            StepKind::Decision { branches } => tagged("decision", write_fields!(branches)),
            StepKind::Merge { next } => tagged("merge", write_fields!(next)),
            StepKind::Jump { target } => tagged("jump", write_fields!(target)),
            StepKind::Variant { arms } => tagged("variant", write_fields!(arms)),
            StepKind::End => "end".into(),
        }
    }
}

flat!(enum Reentry { 0 = Never, 1 = UnlessGoalAchieved, 2 = Always });
