//! Steps in YAML: a list in which each step leads to the one below it.

use usher_engine::definition::{Arm, Branch, Step, StepKind};
use usher_engine::diagnostic::Code;
use usher_engine::value::{Number, Value};

use super::super::common::{UNREAD, says_none};
use super::super::operator_tree::condition;
use super::conditions::jump;
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};

/// The keys that tell what a step does.
const KINDS: [&str; 7] = ["wait", "activate", "decide", "merge", "jump", "split", "end"];

pub(super) fn steps(lower: &mut Lower, fields: Fields<'_>) -> Vec<Step> {
    let items = lower.items(fields, "steps").unwrap_or_default();
    lower.mark_key(".steps", fields, "steps");
    let mut steps = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let part = format!(".steps[{}]", steps.len());
        lower.mark(&part, item.span);
        let below = items.get(index + 1).and_then(|below| below.get("id")).and_then(id_in);
        steps.extend(step(lower, item, &part, below));
    }
    steps
}

/// An id as it is written.
fn id_in(node: &Node) -> Option<String> {
    match &node.content {
        Content::Scalar(scalar) if !scalar.text.is_empty() => Some(scalar.text.clone()),
        _ => None,
    }
}

fn step(lower: &mut Lower, node: &Node, part: &str, below: Option<String>) -> Option<Step> {
    let known = [vec!["id", "name", "description", "next"], KINDS.to_vec()].concat();
    let fields = lower.fields(node, "a step", &known)?;
    let id = lower.need_id(fields, "id");
    let name = lower.text(fields, "name");
    let description = lower.text(fields, "description");
    let mut written = KINDS.into_iter().filter(|kind| fields.entry(kind).is_some());
    let Some(kind) = written.next() else {
        let help = format!("write one of {}", KINDS.join(", "));
        lower.note_with(Code::MissingKey, node.span, "this step does nothing", Some(help));
        return None;
    };
    if let Some(other) = written.next() {
        let message = format!("a step does one thing: this one has `{kind}` and `{other}`");
        let span = fields.entry(other).map_or(node.span, |entry| entry.key_span);
        lower.note(Code::WrongType, span, message);
        return None;
    }
    lower.mark_key(&format!("{part}.next"), fields, "next");
    let leads_on = matches!(kind, "wait" | "activate" | "merge");
    if let Some(entry) = fields.entry("next").filter(|_| !leads_on) {
        lower.note(Code::WrongType, entry.key_span, format!("a step with `{kind}` has no `next`"));
        return None;
    }
    let next = if says_none(fields, "next") {
        None
    } else if fields.get("next").is_some() {
        lower.need_id(fields, "next")
    } else {
        below
    };
    let kind = match kind {
        "wait" => {
            lower.mark_key(&format!("{part}.wait"), fields, "wait");
            StepKind::Wait { wait_ms: lower.duration_ms(fields, "wait")?, next }
        }
        "activate" => {
            lower.mark_key(&format!("{part}.activation"), fields, "activate");
            StepKind::Activation { activation: lower.need_id(fields, "activate")?, next }
        }
        "decide" => {
            let mut branches = Vec::new();
            for item in lower.items(fields, "decide").unwrap_or_default() {
                branches.extend(branch(lower, item, &format!("{part}.branches[{}]", branches.len())));
            }
            StepKind::Decision { branches }
        }
        "split" => {
            let mut arms = Vec::new();
            for item in lower.items(fields, "split").unwrap_or_default() {
                arms.extend(arm(lower, item, &format!("{part}.arms[{}]", arms.len())));
            }
            StepKind::Variant { arms }
        }
        "jump" => StepKind::Jump { target: jump(lower, fields, part)? },
        kind => {
            if lower.boolean(fields, kind) == Some(false) {
                let message = format!("write `{kind}: true`, or remove it");
                lower.note(Code::WrongType, fields.span(kind), message);
            }
            if kind == "end" { StepKind::End } else { StepKind::Merge { next } }
        }
    };
    Some(Step { id: id?, name, description, kind })
}

fn branch(lower: &mut Lower, node: &Node, part: &str) -> Option<Branch> {
    lower.mark(part, node.span);
    let fields = lower.fields(node, "a branch", &["name", "id", "description", "criteria", "next"])?;
    let name = lower.need_text(fields, "name");
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let criteria = fields.get("criteria").map(|node| {
        lower.mark_criterion(&format!("{part}.criteria"), node.span);
        let read = match node.content {
            Content::Map(_) => condition(lower, node),
            _ => lower.criteria_text(node, "criteria"),
        };
        read.unwrap_or(UNREAD)
    });
    let next = next_of(lower, fields, part);
    Some(Branch { name: name?, id, description, criteria, next })
}

fn arm(lower: &mut Lower, node: &Node, part: &str) -> Option<Arm> {
    lower.mark(part, node.span);
    let fields = lower.fields(node, "a part of a split", &["name", "id", "percentage", "control", "next"])?;
    let name = lower.need_text(fields, "name");
    let id = lower.id(fields);
    let share = lower.need(fields, "percentage").and_then(|node| share_of(lower, node));
    let control = lower.boolean(fields, "control").unwrap_or(false);
    let next = next_of(lower, fields, part);
    Some(Arm { name: name?, id, share: share?, control, next })
}

fn next_of(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Option<String> {
    lower.mark_key(&format!("{part}.next"), fields, "next");
    fields.get("next").and_then(|_| lower.need_id(fields, "next"))
}

/// A percentage with at most two decimals, in hundredths.
pub(in crate::dialect) fn share_of(lower: &mut Lower, node: &Node) -> Option<u32> {
    let share = match node.value() {
        Some(Value::Number(Number::Integer(whole))) => whole.checked_mul(100),
        Some(Value::Number(Number::Float(part))) => {
            let hundredths = (part * 100.0).round();
            let is_exact = (hundredths / 100.0 - part).abs() < 1e-9;
            (is_exact && (0.0..=10_000.0).contains(&hundredths)).then_some(hundredths as i64)
        }
        _ => None,
    };
    let share =
        share.filter(|share| (0..=10_000).contains(share)).and_then(|share| u32::try_from(share).ok());
    if share.is_none() {
        let message = format!(
            "a percentage is a number from 0 to 100 with at most two decimals, found {}",
            node.kind()
        );
        lower.note(Code::WrongType, node.span, message);
    }
    share
}
