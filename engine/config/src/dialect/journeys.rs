//! Journeys and activations in YAML, a dialect of Usher's own: `journeys` and `activations` at the top.
//!
//! Steps stand in a list, and each leads to the one below it unless it says otherwise.

mod activation;
mod conditions;
mod connector;
mod step;

pub(super) use activation::{headers, method_of};
pub(super) use connector::Template;
pub(super) use step::share_of;

use usher_engine::definition::{Exit, ExitWhen, Gate, Goal, Journey, JourneyState, Reentry, Stage};
use usher_engine::diagnostic::Code;

use super::one_of::one_of;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use conditions::{GATE, gate, jump};

/// The states of a journey, as all dialects write them.
pub(super) const STATES: [(&str, JourneyState); 3] =
    [("draft", JourneyState::Draft), ("launched", JourneyState::Launched), ("paused", JourneyState::Paused)];

/// The modes of re-entry, as all dialects write them.
pub(super) const REENTRIES: [(&str, Reentry); 3] = [
    ("no_reentry", Reentry::Never),
    ("reentry_unless_goal_achieved", Reentry::UnlessGoalAchieved),
    ("reentry_always", Reentry::Always),
];

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = ["parent_segment_id", "parent_segment_name", "journeys", "activations"];
    let Some(root) = lower.fields(node, "a file of journeys", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    for item in lower.items(root, "journeys").unwrap_or_default() {
        journey(lower, item);
    }
    for item in lower.items(root, "activations").unwrap_or_default() {
        activation::lower(lower, item);
    }
}

fn journey(lower: &mut Lower, node: &Node) {
    let path = format!("journeys[{}]", lower.definition.journeys.len());
    lower.enter(&path, node.span);
    let known = ["name", "id", "description", "state", "reentry", "goal", "stages"];
    let Some(fields) = lower.fields(node, "a journey", &known) else { return };
    let name = lower.need_text(fields, "name");
    for (part, key) in [(".name", "name"), (".id", "id"), (".state", "state"), (".reentry", "reentry")] {
        lower.mark_key(part, fields, key);
    }
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let state = fields.get("state").and_then(|_| one_of(lower, fields, "state", &STATES));
    let reentry = fields.get("reentry").and_then(|_| one_of(lower, fields, "reentry", &REENTRIES));
    let (state, reentry) = (state.unwrap_or_default(), reentry.unwrap_or_default());
    if fields.get("reentry").is_none() {
        lower.mark(".reentry", fields.span("name"));
    }
    let goal = fields.get("goal").and_then(|node| {
        lower.mark(".goal", node.span);
        let known = [GATE.to_vec(), vec!["jump"]].concat();
        let fields = lower.fields(node, "a goal", &known)?;
        Some(Goal { gate: gate(lower, fields, ".goal"), target: jump(lower, fields, ".goal") })
    });
    let stages = lower.need(fields, "stages").and_then(|node| lower.items_of(node, "stages"));
    lower.mark_key(".stages", fields, "stages");
    let mut read = Vec::new();
    for item in stages.unwrap_or_default() {
        lower.enter(format!("{path}.stages[{}]", read.len()), item.span);
        read.extend(stage(lower, item));
    }
    lower.enter(&path, fields.span("name"));
    if let Some(name) = name {
        lower.definition.journeys.push(Journey { name, id, description, state, reentry, goal, stages: read });
    }
}

fn stage(lower: &mut Lower, node: &Node) -> Option<Stage> {
    let known = ["name", "id", "description", "entry", "milestone", "exits", "root", "steps"];
    let fields = lower.fields(node, "a stage", &known)?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let entry = maybe_gate(lower, fields, "entry", "entry conditions");
    let milestone = maybe_gate(lower, fields, "milestone", "a milestone");
    let mut exits = Vec::new();
    for item in lower.items(fields, "exits").unwrap_or_default() {
        let part = format!(".exits[{}]", exits.len());
        lower.mark(&part, item.span);
        exits.extend(exit(lower, item, &part));
    }
    let steps = step::steps(lower, fields);
    let root = match fields.get("root") {
        Some(_) => lower.need_id(fields, "root"),
        None => steps.first().map(|step| step.id.clone()),
    };
    lower.mark_key(".root", fields, "root");
    Some(Stage { name: name?, id, description, entry, milestone, exits, root, steps })
}

fn exit(lower: &mut Lower, node: &Node, part: &str) -> Option<Exit> {
    let known = [GATE.to_vec(), vec!["after", "jump"]].concat();
    let fields = lower.fields(node, "an exit", &known)?;
    let name = lower.need_text(fields, "name");
    let conditions = ["key_event", "key_event_filters", "criteria"];
    let written = conditions.iter().find(|key| fields.get(key).is_some());
    let when = match (fields.entry("after"), written) {
        (Some(entry), Some(key)) => {
            let message = format!("an exit has either `after` or `{key}`");
            lower.note(Code::WrongType, entry.key_span, message);
            return None;
        }
        (Some(_), None) => {
            lower.mark_key(&format!("{part}.after"), fields, "after");
            ExitWhen::After(lower.duration_ms(fields, "after")?)
        }
        (None, None) => {
            let help = "write `after: 7d`, or conditions: `key_event`, `criteria`".to_owned();
            lower.missing(fields, "after", Some(help));
            return None;
        }
        (None, Some(_)) => ExitWhen::Gate(Box::new(Gate { name: None, ..gate(lower, fields, part) })),
    };
    let target = jump(lower, fields, part);
    Some(Exit { name: name?, when, target })
}

fn maybe_gate(lower: &mut Lower, fields: Fields<'_>, key: &str, what: &'static str) -> Option<Gate> {
    let node = fields.get(key)?;
    let part = format!(".{key}");
    lower.mark(&part, node.span);
    let fields = lower.fields(node, what, &GATE)?;
    Some(gate(lower, fields, &part))
}
