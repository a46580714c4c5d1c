//! A journey of the API: `attributes.realtimeJourneyStages` with steps by their ids.

mod conditions;
mod step;

use usher_engine::definition::{Exit, ExitWhen, Gate, Goal, Journey, JourneyState, Reentry, Stage};

use super::super::journeys::{REENTRIES, STATES};
use super::super::one_of::one_of;
use super::body::READ_BACK;
use super::spelling::spelled;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use conditions::{GATE, gate, length, target};

pub(in crate::dialect) fn lower(lower: &mut Lower, node: &Node) {
    let node = &spelled(lower, node);
    // The console's own.
    let known = ["id", "attributes", "relationships", "type", "links", "meta"];
    let Some(root) = lower.fields(node, "a journey", &known) else { return };
    let Some(node) = root.get("attributes") else { return };
    let path = format!("journeys[{}]", lower.definition.journeys.len());
    lower.enter(&path, node.span);
    let known = [
        "id",
        "audienceId",
        "name",
        "description",
        "goal",
        "reentryMode",
        "realtimeJourneyStages",
        "state",
        "paused",
        "segmentFolderId",
        "pausedAt",
        "launchedAt",
    ];
    let Some(fields) = lower.fields_and(node, "a journey's attributes", &known, &READ_BACK) else { return };
    lower.body_audience(fields);
    let name = lower.need_text(fields, "name");
    for (part, key) in [(".name", "name"), (".state", "state"), (".reentry", "reentryMode")] {
        lower.mark_key(part, fields, key);
    }
    let with_id = if root.get("id").is_some() { root } else { fields };
    lower.mark_key(".id", with_id, "id");
    let id = lower.id(with_id);
    let description = lower.text(fields, "description");
    let state = fields.get("state").and_then(|_| one_of(lower, fields, "state", &STATES));
    let paused = lower.boolean(fields, "paused") == Some(true);
    let state = match state.unwrap_or(JourneyState::Draft) {
        JourneyState::Launched if paused => JourneyState::Paused,
        state => state,
    };
    let reentry = fields.get("reentryMode").and_then(|_| one_of(lower, fields, "reentryMode", &REENTRIES));
    let reentry = reentry.unwrap_or(Reentry::UnlessGoalAchieved);
    let goal = fields.get("goal").and_then(|node| goal(lower, node));
    let items = lower.need(fields, "realtimeJourneyStages");
    let items = items.and_then(|node| lower.items_of(node, "realtimeJourneyStages"));
    lower.mark_key(".stages", fields, "realtimeJourneyStages");
    let mut stages = Vec::new();
    for item in items.unwrap_or_default() {
        lower.enter(format!("{path}.stages[{}]", stages.len()), item.span);
        stages.extend(stage(lower, item));
    }
    lower.bodies.criteria.push(path.clone());
    lower.enter(&path, fields.span("name"));
    if let Some(name) = name {
        let journey = Journey { name, id, description, state, reentry, goal, stages };
        lower.definition.journeys.push(journey);
    }
}

fn goal(lower: &mut Lower, node: &Node) -> Option<Goal> {
    lower.mark(".goal", node.span);
    let known = [GATE.to_vec(), vec!["target"]].concat();
    let fields = lower.fields_and(node, "a goal", &known, &["id"])?;
    Some(Goal { gate: gate(lower, fields, ".goal"), target: target(lower, fields, ".goal") })
}

fn stage(lower: &mut Lower, node: &Node) -> Option<Stage> {
    let known = [
        "id",
        "name",
        "description",
        "steps",
        "rootStep",
        "entryCriteria",
        "milestone",
        "exitCriterias",
        "orderIndex",
    ];
    let fields = lower.fields_and(node, "a stage", &known, &["createdAt", "updatedAt"])?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let entry = maybe_gate(lower, fields, "entryCriteria", ".entry");
    let milestone = maybe_gate(lower, fields, "milestone", ".milestone");
    let mut exits = Vec::new();
    for item in lower.items(fields, "exitCriterias").unwrap_or_default() {
        let part = format!(".exits[{}]", exits.len());
        lower.mark(&part, item.span);
        exits.extend(exit(lower, item, &part));
    }
    let steps = step::steps(lower, fields);
    let root = fields.get("rootStep").and_then(|_| lower.need_id(fields, "rootStep"));
    lower.mark_key(".root", fields, "rootStep");
    Some(Stage { name: name?, id, description, entry, milestone, exits, root, steps })
}

fn exit(lower: &mut Lower, node: &Node, part: &str) -> Option<Exit> {
    let known = [GATE.to_vec(), vec!["unit", "exitAfter", "target"]].concat();
    let fields = lower.fields_and(node, "exit criteria", &known, &["id", "type"])?;
    let name = lower.need_text(fields, "name");
    let when = if fields.get("exitAfter").is_some() || fields.get("unit").is_some() {
        lower.mark_key(&format!("{part}.after"), fields, "exitAfter");
        ExitWhen::After(length(lower, fields, "exitAfter", "unit")?)
    } else {
        ExitWhen::Gate(Box::new(Gate { name: None, ..gate(lower, fields, part) }))
    };
    let target = target(lower, fields, part);
    Some(Exit { name: name?, when, target })
}

fn maybe_gate(lower: &mut Lower, fields: Fields<'_>, key: &str, part: &str) -> Option<Gate> {
    let node = fields.get(key)?;
    lower.mark(part, node.span);
    let fields = lower.fields_and(node, "criteria", &GATE, &["id"])?;
    Some(gate(lower, fields, part))
}
