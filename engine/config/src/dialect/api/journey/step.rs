//! Steps of the API: a mapping of ids to steps.

use usher_engine::definition::{Arm, Branch, Step, StepKind};
use usher_engine::diagnostic::Code;

use super::super::super::common::UNREAD;
use super::super::super::condition::{Subject, condition};
use super::super::super::journeys::share_of;
use super::conditions::{length, target};
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};
use crate::suggest::one_of_these;

/// The types of steps, with their own keys.
const TYPES: [(&str, &[&str]); 7] = [
    ("WaitStep", &["waitStep", "waitStepUnit", "next"]),
    ("TriggeredActivation", &["journeyActivationStepId", "next"]),
    ("DecisionPoint", &["branches"]),
    ("Merge", &["next"]),
    ("Jump", &["target"]),
    ("End", &[]),
    ("Variant", &["branches", "controlVariant", "customizedSplit", "variants"]),
];

/// All visitors, in hundredths of a percent.
const WHOLE: u32 = 10_000;

pub(super) fn steps(lower: &mut Lower, fields: Fields<'_>) -> Vec<Step> {
    let Some(node) = fields.get("steps") else { return Vec::new() };
    lower.mark(".steps", node.span);
    let Content::Map(entries) = &node.content else {
        lower.wrong(node, "`steps`", "a mapping of ids to steps");
        return Vec::new();
    };
    let mut steps = Vec::new();
    for entry in entries {
        let part = format!(".steps[{}]", steps.len());
        lower.mark(&part, entry.key_span);
        steps.extend(step(lower, &entry.key, &entry.value, &part));
    }
    steps
}

fn step(lower: &mut Lower, id: &str, node: &Node, part: &str) -> Option<Step> {
    let text = node.get("type").and_then(Node::as_text).unwrap_or_default();
    let own = TYPES.iter().find(|(name, _)| *name == text);
    let Some((text, own)) = own else {
        let Some(span) = node.get("type").map(|node| node.span) else {
            if let Some(fields) = lower.fields(node, "a step", &["type", "next"]) {
                lower.need(fields, "type");
            }
            return None;
        };
        let help = one_of_these(text, TYPES.iter().map(|(name, _)| *name));
        lower.note_with(Code::UnknownName, span, format!("unknown step type `{text}`"), Some(help));
        return None;
    };
    let known = [vec!["type", "name", "description"], own.to_vec()].concat();
    let fields = lower.fields_and(node, "a step", &known, &["id"])?;
    lower.mark_key(&format!("{part}.next"), fields, "next");
    let next = next_of(lower, fields, part);
    let kind = match *text {
        "WaitStep" => {
            lower.mark_key(&format!("{part}.wait"), fields, "waitStep");
            StepKind::Wait { wait_ms: length(lower, fields, "waitStep", "waitStepUnit")?, next }
        }
        "TriggeredActivation" => {
            lower.mark_key(&format!("{part}.activation"), fields, "journeyActivationStepId");
            let activation = lower.need_id(fields, "journeyActivationStepId")?;
            StepKind::Activation { activation, next }
        }
        "DecisionPoint" => {
            let mut branches = Vec::new();
            for item in lower.items(fields, "branches").unwrap_or_default() {
                branches.extend(branch(lower, item, &format!("{part}.branches[{}]", branches.len())));
            }
            StepKind::Decision { branches }
        }
        "Merge" => StepKind::Merge { next },
        "Jump" => {
            lower.need(fields, "target")?;
            StepKind::Jump { target: target(lower, fields, part)? }
        }
        "Variant" => StepKind::Variant { arms: arms(lower, fields, part) },
        _ => StepKind::End,
    };
    let (name, description) = (lower.text(fields, "name"), lower.text(fields, "description"));
    Some(Step { id: id.to_owned(), name, description, kind })
}

fn branch(lower: &mut Lower, node: &Node, part: &str) -> Option<Branch> {
    lower.mark(part, node.span);
    let known = ["id", "name", "description", "profileCriteria", "excludedPath", "next"];
    let fields = lower.fields(node, "a branch", &known)?;
    let name = lower.need_text(fields, "name");
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let excluded = lower.boolean(fields, "excludedPath").unwrap_or(false);
    let criteria = match fields.get("profileCriteria") {
        Some(node) if excluded => {
            let message = "the excluded path takes everybody else, and has no criteria";
            lower.note(Code::WrongType, node.span, message);
            None
        }
        Some(node) => {
            lower.mark_criterion(&format!("{part}.criteria"), node.span);
            Some(condition(lower, node, Subject::Profile).unwrap_or(UNREAD))
        }
        None if excluded => None,
        None => {
            let help = "write the criteria, or `\"excludedPath\": true` for everybody else".to_owned();
            lower.missing(fields, "profileCriteria", Some(help));
            Some(UNREAD)
        }
    };
    let next = next_of(lower, fields, part);
    Some(Branch { name: name?, id, description, criteria, next })
}

/// The parts of a split. Without any percentage all are equal.
fn arms(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Vec<Arm> {
    let control = lower.text(fields, "controlVariant");
    let items = lower.items(fields, "branches").unwrap_or_default();
    let equal = items.iter().all(|item| item.get("percentage").is_none());
    let mut arms: Vec<Arm> = Vec::new();
    for item in items {
        let part = format!("{part}.arms[{}]", arms.len());
        lower.mark(&part, item.span);
        let known = ["id", "name", "description", "percentage", "isControlGroup", "next"];
        let Some(fields) = lower.fields(item, "a part of a split", &known) else { continue };
        let name = lower.need_text(fields, "name");
        let id = lower.id(fields);
        let share = if equal {
            Some(0)
        } else {
            lower.need(fields, "percentage").and_then(|node| share_of(lower, node))
        };
        let is_control = lower.boolean(fields, "isControlGroup").unwrap_or(false)
            || control
                .as_ref()
                .is_some_and(|control| Some(control) == id.as_ref() || Some(control) == name.as_ref());
        let next = next_of(lower, fields, &part);
        if let (Some(name), Some(share)) = (name, share) {
            arms.push(Arm { name, id, share, control: is_control, next });
        }
    }
    if equal && let Some(count) = u32::try_from(arms.len()).ok().filter(|count| *count > 0) {
        for (number, arm) in (0..count).zip(&mut arms) {
            arm.share = WHOLE / count + u32::from(number < WHOLE % count);
        }
    }
    arms
}

fn next_of(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Option<String> {
    lower.mark_key(&format!("{part}.next"), fields, "next");
    fields.get("next").and_then(|_| lower.need_id(fields, "next"))
}
