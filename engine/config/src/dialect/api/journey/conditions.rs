//! Conditions, times and jumps, as stages, exits, goals and steps have them.

use usher_engine::definition::{Gate, Target};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{DAY_MS, WINDOW_MS_MAX};
use usher_engine::syntax::Expr;
use usher_engine::value::{Number, Value};

use super::super::super::common::UNREAD;
use super::super::super::condition::{Subject, condition};
use crate::lower::{Fields, Lower};

/// The keys of conditions.
pub(super) const GATE: [&str; 5] =
    ["name", "description", "keyEventCriteria", "profileCriteria", "acceptUnknownProfiles"];

/// A number under one key, its unit under another, in milliseconds.
pub(super) fn length(
    lower: &mut Lower,
    fields: Fields<'_>,
    key: &'static str,
    unit: &'static str,
) -> Option<i64> {
    let node = lower.need(fields, key)?;
    let unit_ms = match lower.need_text(fields, unit)?.as_str() {
        "minute" => DAY_MS / 1_440,
        "hour" => DAY_MS / 24,
        "day" => DAY_MS,
        other => {
            let help = Some("units are minute, hour and day".to_owned());
            lower.note_with(Code::BadDuration, fields.span(unit), format!("unknown unit `{other}`"), help);
            return None;
        }
    };
    let length_ms = match node.value() {
        Some(Value::Number(Number::Integer(count))) => count.checked_mul(unit_ms),
        _ => None,
    };
    let length_ms = length_ms.filter(|length_ms| (1..=WINDOW_MS_MAX).contains(length_ms));
    if length_ms.is_none() {
        let message = format!("Invalid {key}: it takes from 1 minute to {} days", WINDOW_MS_MAX / DAY_MS);
        lower.note(Code::BadDuration, node.span, message);
    }
    length_ms
}

/// The conditions of a part.
pub(super) fn gate(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Gate {
    let mut gate = Gate {
        name: lower.text(fields, "name"),
        description: lower.text(fields, "description"),
        key_event: None,
        event_filter: None,
        criteria: Expr::Constant(true),
        accept_unknown_profiles: lower.boolean(fields, "acceptUnknownProfiles").unwrap_or(true),
    };
    if let Some(node) = fields.get("profileCriteria") {
        lower.mark_criterion(&format!("{part}.criteria"), node.span);
        gate.criteria = condition(lower, node, Subject::Profile).unwrap_or(UNREAD);
    }
    let node = fields.get("keyEventCriteria");
    let known = ["keyEventId", "keyEventFilters"];
    let Some(fields) = node.and_then(|node| lower.fields(node, "keyEventCriteria", &known)) else {
        return gate;
    };
    gate.key_event = lower.key_event_id(fields, "keyEventId");
    lower.mark_key(&format!("{part}.key_event"), fields, "keyEventId");
    if let Some(node) = fields.get("keyEventFilters") {
        lower.mark_criterion(&format!("{part}.event_filter"), node.span);
        let filter = condition(lower, node, Subject::Event);
        gate.event_filter = filter.filter(|filter| *filter != Expr::Constant(true));
    }
    gate
}

/// The stage of another journey, or of this one.
pub(super) fn target(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Option<Target> {
    let node = fields.get("target")?;
    lower.mark(&format!("{part}.target"), node.span);
    // Whether the console asked again.
    let known = ["realtimeJourneyId", "realtimeJourneyStageId", "confirmed"];
    let fields = lower.fields(node, "a jump's target", &known)?;
    let journey = fields.get("realtimeJourneyId").and_then(|_| lower.need_id(fields, "realtimeJourneyId"));
    let stage = lower.need_id(fields, "realtimeJourneyStageId")?;
    lower.mark_key(&format!("{part}.target.journey"), fields, "realtimeJourneyId");
    lower.mark_key(&format!("{part}.target.stage"), fields, "realtimeJourneyStageId");
    Some(Target { journey, stage })
}
