//! Conditions and jumps, as stages, exits, goals and steps have them.

use usher_engine::definition::{Gate, Target};
use usher_engine::syntax::Expr;

use super::super::common::UNREAD;
use super::super::filter::filter;
use super::super::operator_tree::condition;
use crate::document::Content;
use crate::lower::{Fields, Lower};

/// The keys of conditions.
pub(super) const GATE: [&str; 6] =
    ["name", "description", "key_event", "key_event_filters", "criteria", "accept_unknown_profiles"];

/// The conditions of a part.
pub(super) fn gate(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Gate {
    let criteria = match fields.get("criteria") {
        None => Expr::Constant(true),
        Some(node) => {
            lower.mark_criterion(&format!("{part}.criteria"), node.span);
            let read = match node.content {
                Content::Map(_) => condition(lower, node),
                _ => lower.criteria_text(node, "criteria"),
            };
            read.unwrap_or(UNREAD)
        }
    };
    lower.mark_key(&format!("{part}.key_event"), fields, "key_event");
    Gate {
        name: lower.text(fields, "name"),
        description: lower.text(fields, "description"),
        key_event: lower.text(fields, "key_event"),
        event_filter: filter(lower, fields, "key_event_filters", &format!("{part}.event_filter")),
        criteria,
        accept_unknown_profiles: lower.boolean(fields, "accept_unknown_profiles").unwrap_or(true),
    }
}

/// The stage under `jump`: its name, or `{journey, stage}`.
pub(super) fn jump(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Option<Target> {
    let node = fields.get("jump")?;
    lower.mark(&format!("{part}.target"), node.span);
    if !matches!(node.content, Content::Map(_)) {
        let stage = lower.need_id(fields, "jump")?;
        return Some(Target { journey: None, stage });
    }
    let fields = lower.fields(node, "a jump", &["journey", "stage"])?;
    let journey = fields.get("journey").and_then(|_| lower.need_id(fields, "journey"));
    let stage = lower.need_id(fields, "stage")?;
    lower.mark_key(&format!("{part}.target.journey"), fields, "journey");
    lower.mark_key(&format!("{part}.target.stage"), fields, "stage");
    Some(Target { journey, stage })
}
