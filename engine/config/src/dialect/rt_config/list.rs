//! A list of `rt_config`. Its short form keeps one column, with `source_field` and `aggregation`; its long form has an
//! `id_column` that identifies items and `aggregations` for its parts, as the API does.

use usher_engine::definition::{AttributeKind, Keep, ListAction, ListAggregation, ListPart};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{
    DAY_MS, LIST_DURATION_MS_DEFAULT, LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX, WINDOW_MS_MAX,
};
use usher_engine::syntax::Expr;

use super::super::filter::filter;
use super::super::one_of::{AGGREGATIONS, REMOVALS, one_of};
use crate::document::Node;
use crate::lower::{Fields, Lower};

pub(super) fn list(
    lower: &mut Lower,
    fields: Fields<'_>,
    key_event: Option<String>,
    filter: Option<Expr>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    let items_max = lower.count(fields, "max_items", i64::from(LIST_ITEMS_MAX));
    let items_max = items_max.and_then(|items| u32::try_from(items).ok()).unwrap_or(LIST_ITEMS_DEFAULT);
    lower.forgotten(fields, "expiry_days");
    let days = lower.count(fields, "expiry_days", WINDOW_MS_MAX / DAY_MS);
    let duration_ms = lower.duration_ms(fields, "duration");
    if let (Some(_), Some(entry)) = (fields.get("expiry_days"), fields.entry("duration")) {
        lower.note(
            Code::DuplicateName,
            entry.key_span,
            "`duration` and `expiry_days` say the same; write one",
        );
    }
    let duration_ms =
        days.map(|days| days.saturating_mul(DAY_MS)).or(duration_ms).unwrap_or(LIST_DURATION_MS_DEFAULT);
    let long = ["id_column", "keep", "aggregations"].into_iter().find(|key| fields.get(key).is_some());
    let kept = match long {
        Some(key) => long_form(lower, fields, key),
        None => short_form(lower, fields, aggregation),
    };
    let mut actions: Vec<ListAction> = Vec::new();
    for item in lower.items(fields, "actions").unwrap_or_default() {
        let at = format!(".actions[{}]", actions.len());
        lower.mark(&at, item.span);
        actions.extend(action(lower, item, &at));
    }
    let Kept { column, keep, parts } = kept?;
    Some(AttributeKind::List {
        key_event: key_event?,
        filter,
        column,
        keep,
        items_max,
        duration_ms,
        parts,
        actions,
    })
}

/// The columns and parts of a list.
struct Kept {
    column: Option<String>,
    keep: Keep,
    parts: Vec<ListPart>,
}

fn short_form(lower: &mut Lower, fields: Fields<'_>, aggregation: Option<&str>) -> Option<Kept> {
    let column = lower.need_text(fields, "source_field");
    let (aggregation, column) = (aggregation?, column?);
    // First and last values of a list are per event, not per distinct value.
    let (column, parts) = match aggregation {
        "first" | "last" => {
            let aggregation = ListAggregation::Values;
            (None, vec![ListPart { name: "items".to_owned(), column, aggregation }])
        }
        _ => (Some(column), Vec::new()),
    };
    let keep = if aggregation == "first" { Keep::Oldest } else { Keep::Newest };
    Some(Kept { column, keep, parts })
}

/// `key` is the key of the long form that is present.
fn long_form(lower: &mut Lower, fields: Fields<'_>, key: &str) -> Option<Kept> {
    for short in ["source_field", "aggregation"] {
        if let Some(entry) = fields.entry(short).filter(|entry| !entry.value.is_null()) {
            let message = format!("a list cannot have both `{key}` and `{short}`");
            let help = "write `source_field` and `aggregation`, or `id_column` and `aggregations`".to_owned();
            lower.note_with(Code::WrongType, entry.key_span, message, Some(help));
        }
    }
    let column = match fields.get("id_column") {
        Some(node) => Some(lower.name_of(node, "id_column")?),
        None => None,
    };
    let keep = match fields.get("keep") {
        Some(_) => one_of(lower, fields, "keep", &[("newest", Keep::Newest), ("oldest", Keep::Oldest)]),
        None => Some(Keep::Newest),
    };
    let mut parts: Vec<ListPart> = Vec::new();
    for item in lower.items(fields, "aggregations").unwrap_or_default() {
        lower.mark_part(&format!(".parts[{}]", parts.len()), item);
        parts.extend(part(lower, item));
    }
    Some(Kept { column, keep: keep?, parts })
}

/// One part of a list.
fn part(lower: &mut Lower, node: &Node) -> Option<ListPart> {
    let fields = lower.fields(node, "an aggregation", &["identifier", "aggregation_type", "column"])?;
    let name = lower.need_text(fields, "identifier");
    let column = lower.need_text(fields, "column");
    let all = AGGREGATIONS.into_iter().chain([("values", ListAggregation::Values)]).collect::<Vec<_>>();
    let aggregation = one_of(lower, fields, "aggregation_type", &all);
    Some(ListPart { name: name?, column: column?, aggregation: aggregation? })
}

fn action(lower: &mut Lower, node: &Node, at: &str) -> Option<ListAction> {
    let fields = lower.fields(node, "an action", &["action", "source_event", "filter"])?;
    let action = one_of(lower, fields, "action", &REMOVALS);
    let key_event = lower.need_text(fields, "source_event");
    lower.mark_key(&format!("{at}.key_event"), fields, "source_event");
    let filter = filter(lower, fields, "filter", &format!("{at}.filter"));
    Some(ListAction { action: action?, key_event: key_event?, filter })
}
