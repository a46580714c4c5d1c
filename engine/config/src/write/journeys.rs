//! The file of journeys and activations.

use usher_engine::definition::{
    Activation, Arm, Branch, Definition, Exit, ExitWhen, Gate, Journey, JourneyState, Reentry, Stage, Step,
    StepKind, Target,
};
use usher_engine::syntax::Expr;
use usher_engine::value::Value;

use super::criteria::{criteria, duration, filter};
use super::yaml::{Map, Yaml};

pub(super) fn text(definition: &Definition) -> String {
    let journeys: Vec<Yaml> = definition.journeys.iter().map(journey).collect();
    let activations: Vec<Yaml> = definition.activations.iter().map(activation).collect();
    let list = |items: Vec<Yaml>| (!items.is_empty()).then_some(Yaml::Spaced(items));
    Map::default()
        .text("parent_segment_id", &definition.audience.id)
        .maybe("journeys", list(journeys))
        .maybe("activations", list(activations))
        .document()
}

fn journey(journey: &Journey) -> Yaml {
    let state = match journey.state {
        JourneyState::Launched => None,
        JourneyState::Draft => Some(Yaml::Word("draft".to_owned())),
        JourneyState::Paused => Some(Yaml::Word("paused".to_owned())),
    };
    let reentry = match journey.reentry {
        Reentry::UnlessGoalAchieved => None,
        Reentry::Never => Some(Yaml::Word("no_reentry".to_owned())),
        Reentry::Always => Some(Yaml::Word("reentry_always".to_owned())),
    };
    let goal = journey.goal.as_ref().map(|goal| with_jump(gate(&goal.gate), goal.target.as_ref()));
    Yaml::Map(
        Map::default()
            .text("name", &journey.name)
            .maybe_text("id", journey.id.as_ref())
            .maybe_text("description", journey.description.as_ref())
            .maybe("state", state)
            .maybe("reentry", reentry)
            .maybe("goal", goal.map(Yaml::Map))
            .with("stages", Yaml::Spaced(journey.stages.iter().map(stage).collect())),
    )
}

fn stage(stage: &Stage) -> Yaml {
    let first = stage.steps.first().map(|step| &step.id);
    let root = stage.root.as_ref().filter(|root| Some(*root) != first);
    let below = stage.steps.iter().skip(1).map(|step| Some(step.id.as_str())).chain([None]);
    let steps = stage.steps.iter().zip(below).map(|(one, below)| step(one, below));
    Yaml::Map(
        Map::default()
            .text("name", &stage.name)
            .maybe_text("id", stage.id.as_ref())
            .maybe_text("description", stage.description.as_ref())
            .maybe("entry", stage.entry.as_ref().map(|it| Yaml::Map(gate(it))))
            .maybe("milestone", stage.milestone.as_ref().map(|it| Yaml::Map(gate(it))))
            .list("exits", stage.exits.iter().map(exit).collect())
            .maybe_text("root", root)
            .list("steps", steps.collect()),
    )
}

/// Conditions. Where nothing is asked, the criteria say so: a mapping without keys would be none.
fn gate(gate: &Gate) -> Map {
    let known_only = (!gate.accept_unknown_profiles).then(|| Yaml::Word("false".to_owned()));
    let asks = gate.criteria != Expr::Constant(true) || gate.key_event.is_none();
    Map::default()
        .maybe_text("name", gate.name.as_ref())
        .maybe_text("description", gate.description.as_ref())
        .maybe_text("key_event", gate.key_event.as_ref())
        .maybe("key_event_filters", gate.event_filter.as_ref().map(filter))
        .maybe("criteria", asks.then(|| criteria(&gate.criteria)))
        .maybe("accept_unknown_profiles", known_only)
}

fn with_jump(map: Map, target: Option<&Target>) -> Map {
    map.maybe("jump", target.map(jump))
}

fn jump(target: &Target) -> Yaml {
    match &target.journey {
        None => Yaml::Text(target.stage.clone()),
        Some(journey) => Yaml::Map(Map::default().text("journey", journey).text("stage", &target.stage)),
    }
}

fn exit(exit: &Exit) -> Yaml {
    let named = Map::default().text("name", &exit.name);
    let map = match &exit.when {
        ExitWhen::After(after_ms) => named.with("after", duration(*after_ms)),
        ExitWhen::Gate(conditions) => named.and(gate(conditions)),
    };
    Yaml::Map(with_jump(map, exit.target.as_ref()))
}

fn step(step: &Step, below: Option<&str>) -> Yaml {
    let map = Map::default()
        .text("id", &step.id)
        .maybe_text("name", step.name.as_ref())
        .maybe_text("description", step.description.as_ref());
    let next = |map: Map, next: &Option<String>| match next {
        Some(next) if Some(next.as_str()) == below => map,
        Some(next) => map.text("next", next),
        None if below.is_none() => map,
        None => map.word("next", "null"),
    };
    Yaml::Map(match &step.kind {
        StepKind::Wait { wait_ms, next: id } => next(map.with("wait", duration(*wait_ms)), id),
        StepKind::Activation { activation, next: id } => next(map.text("activate", activation), id),
        StepKind::Decision { branches } => {
            map.with("decide", Yaml::List(branches.iter().map(branch).collect()))
        }
        StepKind::Merge { next: id } => next(map.word("merge", "true"), id),
        StepKind::Jump { target } => map.with("jump", jump(target)),
        StepKind::End => map.word("end", "true"),
        StepKind::Variant { arms } => map.with("split", Yaml::List(arms.iter().map(arm).collect())),
    })
}

fn branch(branch: &Branch) -> Yaml {
    Yaml::Map(
        Map::default()
            .text("name", &branch.name)
            .maybe_text("id", branch.id.as_ref())
            .maybe_text("description", branch.description.as_ref())
            .maybe("criteria", branch.criteria.as_ref().map(criteria))
            .maybe_text("next", branch.next.as_ref()),
    )
}

fn arm(arm: &Arm) -> Yaml {
    let (whole, part) = (arm.share / 100, arm.share % 100);
    let percentage = if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}") };
    Yaml::Map(
        Map::default()
            .text("name", &arm.name)
            .maybe_text("id", arm.id.as_ref())
            .word("percentage", percentage)
            .flag("control", arm.control)
            .maybe_text("next", arm.next.as_ref()),
    )
}

fn activation(activation: &Activation) -> Yaml {
    let headers = activation.headers.iter();
    let headers = headers.map(|header| (header.name.clone(), Value::string(header.value.as_str())));
    let headers: Vec<(String, Value)> = headers.collect();
    Yaml::Map(
        Map::default()
            .text("name", &activation.name)
            .maybe_text("id", activation.id.as_ref())
            .maybe_text("connection", activation.connection.as_ref())
            .text("connector", &activation.connector)
            .text("method", &activation.method)
            .maybe_text("url", activation.url.as_ref())
            .maybe("headers", (!headers.is_empty()).then_some(Yaml::Value(Value::Object(headers))))
            .maybe_text("body", activation.body.as_ref()),
    )
}
