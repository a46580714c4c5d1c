//! `rt_config` YAML: events, attributes, id_stitching.

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, EventTable, Increment, Keep, KeyEvent, ListAggregation, ListPart,
    StitchKey, Trust,
};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{
    DAY_MS, LIST_DURATION_MS_DEFAULT, LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX, WINDOW_MS_MAX,
};
use usher_engine::syntax::{Expr, Name, Test};

use super::common::spelling;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = ["parent_segment_id", "parent_segment_name", "events", "attributes", "id_stitching"];
    let Some(root) = lower.fields(node, "an rt_config", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    for item in lower.items(root, "events").unwrap_or_default() {
        event(lower, item);
    }
    for item in lower.items(root, "attributes").unwrap_or_default() {
        attribute(lower, item);
    }
    if let Some(node) = root.get("id_stitching") {
        identity(lower, node);
    }
}

fn event(lower: &mut Lower, node: &Node) {
    lower.enter(format!("key_events[{}]", lower.definition.key_events.len()), node.span);
    let known = ["name", "database", "table", "filter", "description"];
    let Some(fields) = lower.fields(node, "an event", &known) else { return lower.incomplete = true };
    let name = lower.need_text(fields, "name");
    lower.incomplete |= name.is_none();
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".table", fields, "table");
    let database = lower.need_text(fields, "database").unwrap_or_default();
    let table = lower.need_text(fields, "table").unwrap_or_default();
    let filter = fields.get("filter").and_then(|node| filter(lower, node));
    let description = lower.text(fields, "description");
    // Kept even when something in it is wrong, so that those who refer to it are not wrong too.
    if let Some(name) = name {
        lower.definition.key_events.push(KeyEvent {
            name,
            table: EventTable { database, table },
            filter,
            description,
        });
    }
}

fn filter(lower: &mut Lower, node: &Node) -> Option<Expr> {
    let fields = lower.fields(node, "a filter", &["field", "pattern"])?;
    let field = lower.need_text(fields, "field");
    let pattern = lower.need_text(fields, "pattern")?;
    lower.mark(".filter", fields.span("pattern"));
    Some(Expr::new_test(Name::column(&field?), Test::Matches(pattern), false))
}

/// The kinds, the aggregations that each has (its own first), and the keys that fit.
const KINDS: [Kind; 4] = [
    Kind {
        name: "single",
        aggregations: &["last", "first", "min", "max", "sum"],
        keys: &["source_event", "source_field", "aggregation", "duration", "data_type"],
    },
    Kind {
        name: "list",
        aggregations: &["distinct_list", "first", "last"],
        keys: &["source_event", "source_field", "aggregation", "max_items", "expiry_days", "duration"],
    },
    Kind {
        name: "counter",
        aggregations: &["count", "sum"],
        keys: &["source_event", "source_field", "aggregation", "window_duration"],
    },
    Kind { name: "imported_batch", aggregations: &[], keys: &["source", "column", "data_type"] },
];

struct Kind {
    name: &'static str,
    aggregations: &'static [&'static str],
    keys: &'static [&'static str],
}

/// What every kind of attribute may say.
const COMMON: [&str; 4] = ["name", "type", "sensitivity", "description"];

/// The keys that only some kinds have, each once.
fn specific_keys() -> impl Iterator<Item = &'static str> {
    KINDS.iter().enumerate().flat_map(|(at, kind)| {
        let new = move |key: &&str| !KINDS.iter().take(at).any(|earlier| earlier.keys.contains(key));
        kind.keys.iter().copied().filter(new)
    })
}

pub(super) fn attribute(lower: &mut Lower, node: &Node) {
    lower.enter(format!("attributes[{}]", lower.definition.attributes.len()), node.span);
    let known: Vec<&'static str> = COMMON.into_iter().chain(specific_keys()).collect();
    let Some(fields) = lower.fields(node, "an attribute", &known) else { return lower.incomplete = true };
    let name = lower.need_text(fields, "name");
    lower.incomplete |= name.is_none();
    for (part, key) in [
        (".name", "name"),
        (".kind", "type"),
        (".sensitive", "sensitivity"),
        (".key_event", "source_event"),
        (".column", "source_field"),
        (".increment", "source_field"),
        (".aggregation", "aggregation"),
        (".items_max", "max_items"),
        (".duration_ms", "expiry_days"),
        (".duration_ms", "duration"),
        (".window_ms", "window_duration"),
        (".data_type", "data_type"),
    ] {
        lower.mark_key(part, fields, key);
    }
    let kind = kind(lower, fields, name.as_deref());
    let description = lower.text(fields, "description");
    let batch = matches!(kind, Some(AttributeKind::Batch { .. }));
    let sensitive = sensitive(lower, fields, name.as_deref(), batch);
    // Kept even when something in it is wrong, so that those who refer to it are not wrong too.
    if let Some(name) = name {
        let kind = kind.unwrap_or_else(|| AttributeKind::Batch { column: name.clone(), data_type: None });
        lower.definition.attributes.push(Attribute { name, kind, sensitive, description });
    }
}

fn kind(lower: &mut Lower, fields: Fields<'_>, name: Option<&str>) -> Option<AttributeKind> {
    let text = lower.need_text(fields, "type")?;
    // The API's word is as good.
    let text = if text == "imported" { "imported_batch".to_owned() } else { text };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == text) else {
        let help = did_you_mean(&text, KINDS.iter().map(|kind| kind.name));
        let help = help.unwrap_or_else(|| "types are single, list, counter and imported_batch".to_owned());
        let message = format!("unknown attribute type `{text}`");
        lower.note_with(Code::UnknownName, fields.span("type"), message, Some(help));
        return None;
    };
    for key in specific_keys().filter(|key| !kind.keys.contains(key)) {
        if let Some(entry) = fields.entry(key).filter(|entry| !entry.value.is_null()) {
            let message = format!("`{key}` does not apply to a `{text}` attribute");
            let help = format!("keys that apply: {}", kind.keys.join(", "));
            lower.note_with(Code::UnknownKey, entry.key_span, message, Some(help));
        }
    }
    if kind.name == "imported_batch" {
        return batch(lower, fields, name);
    }
    let key_event = lower.need_text(fields, "source_event");
    let aggregation = aggregation(lower, fields, kind);
    match kind.name {
        "single" => single(lower, fields, key_event, aggregation),
        "list" => list(lower, fields, key_event, aggregation),
        _ => counter(lower, fields, key_event, aggregation),
    }
}

/// The aggregation as written, or the kind's own.
fn aggregation(lower: &mut Lower, fields: Fields<'_>, kind: &'static Kind) -> Option<&'static str> {
    let Some(node) = fields.get("aggregation") else { return kind.aggregations.first().copied() };
    let text = lower.text_of(node, "aggregation")?;
    if let Some(known) = kind.aggregations.iter().find(|known| **known == text) {
        return Some(known);
    }
    let supported = kind.aggregations.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let help = format!("a `{}` attribute knows {supported}", kind.name);
    let help = did_you_mean(&text, kind.aggregations.iter().copied()).unwrap_or(help);
    lower.note_with(Code::UnknownName, node.span, format!("Invalid aggregation: `{text}`"), Some(help));
    None
}

fn single(
    lower: &mut Lower,
    fields: Fields<'_>,
    key_event: Option<String>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    let column = lower.need_text(fields, "source_field");
    let data_type = lower.data_type(fields, "data_type");
    let duration_ms = lower.duration_ms(fields, "duration");
    let aggregation = match aggregation? {
        "first" => Aggregation::First,
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "sum" => Aggregation::Sum,
        _ => Aggregation::Last,
    };
    Some(AttributeKind::Single {
        key_event: key_event?,
        filter: None,
        column: column?,
        aggregation,
        duration_ms,
        data_type,
        backfill: None,
    })
}

fn list(
    lower: &mut Lower,
    fields: Fields<'_>,
    key_event: Option<String>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    let column = lower.need_text(fields, "source_field");
    let items_max = lower.count(fields, "max_items", i64::from(LIST_ITEMS_MAX));
    let items_max = items_max.and_then(|items| u32::try_from(items).ok()).unwrap_or(LIST_ITEMS_DEFAULT);
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
    let aggregation = aggregation?;
    let column = column?;
    // The first or last values of a list are of its events, not of its distinct values.
    let (column, parts) = match aggregation {
        "first" | "last" => {
            let aggregation = ListAggregation::Values;
            (None, vec![ListPart { name: "items".to_owned(), column, aggregation }])
        }
        _ => (Some(column), Vec::new()),
    };
    Some(AttributeKind::List {
        key_event: key_event?,
        filter: None,
        column,
        keep: if aggregation == "first" { Keep::Oldest } else { Keep::Newest },
        items_max,
        duration_ms,
        parts,
        actions: Vec::new(),
    })
}

fn counter(
    lower: &mut Lower,
    fields: Fields<'_>,
    key_event: Option<String>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    // Without a window it is a total.
    let wanted = fields.get("window_duration").is_some();
    let window_ms = lower.duration_ms(fields, "window_duration");
    if wanted && window_ms.is_none() {
        return None;
    }
    let column = lower.text(fields, "source_field");
    let increment = match (aggregation?, column) {
        ("sum", Some(column)) if !column.is_empty() => Increment::Column(column),
        ("sum", _) => {
            let help = "a `sum` needs the column to add up".to_owned();
            lower.missing(fields, "source_field", Some(help));
            return None;
        }
        _ => {
            if let Some(entry) = fields.entry("source_field").filter(|entry| !entry.value.is_null()) {
                let message = "`source_field` does not matter to `count`: every event adds 1";
                lower.note(Code::Ignored, entry.key_span, message);
            }
            Increment::Constant(1)
        }
    };
    Some(AttributeKind::Counter {
        key_event: key_event?,
        filter: None,
        increment,
        window_ms,
        parts: Vec::new(),
        backfill: None,
    })
}

fn batch(lower: &mut Lower, fields: Fields<'_>, name: Option<&str>) -> Option<AttributeKind> {
    if let Some(source) = lower.text(fields, "source")
        && source != "parent_segment"
    {
        let help = Some("imported attributes come from `parent_segment`".to_owned());
        lower.note_with(Code::UnknownName, fields.span("source"), format!("unknown source `{source}`"), help);
    }
    let data_type = lower.data_type(fields, "data_type");
    if let Some(node) = fields.get("column") {
        lower.mark(".column", node.span);
        let column = lower.name_of(node, "column")?;
        return Some(AttributeKind::Batch { column, data_type });
    }
    lower.mark_key(".column", fields, "name");
    Some(AttributeKind::Batch { column: name?.to_owned(), data_type })
}

fn sensitive(lower: &mut Lower, fields: Fields<'_>, name: Option<&str>, batch: bool) -> bool {
    let Some(node) = fields.get("sensitivity") else {
        let (taken, name) = (if batch { "sensitive" } else { "non-sensitive" }, name.unwrap_or("?"));
        let message = format!("attribute `{name}` does not say its sensitivity; `{taken}` is assumed");
        let help = "write `sensitivity: sensitive` or `sensitivity: non-sensitive`".to_owned();
        lower.note_with(Code::NoSensitivity, fields.span("name"), message, Some(help));
        return batch;
    };
    match lower.text_of(node, "sensitivity").as_deref() {
        Some("sensitive") => true,
        Some("non-sensitive") => false,
        Some(other) => {
            let help = did_you_mean(other, ["sensitive", "non-sensitive"]);
            let help = help.unwrap_or_else(|| "write `sensitive` or `non-sensitive`".to_owned());
            lower.note_with(
                Code::UnknownName,
                node.span,
                format!("unknown sensitivity `{other}`"),
                Some(help),
            );
            true
        }
        None => true,
    }
}

pub(super) fn identity(lower: &mut Lower, node: &Node) {
    if lower.places.contains_key("identity") {
        let message = "`id_stitching` is written twice; an audience has one";
        lower.leave();
        lower.note(Code::DuplicateName, node.span, message);
        return;
    }
    lower.enter("identity", node.span);
    let known = ["primary_key", "stitching_keys", "ext_lookup_key"];
    let Some(fields) = lower.fields(node, "id_stitching", &known) else { return };
    lower.definition.identity.primary_key = lower.need_text(fields, "primary_key");
    lower.mark_key(".primary_key", fields, "primary_key");
    lower.definition.identity.lookup_key = lower.text(fields, "ext_lookup_key");
    lower.mark_key(".lookup_key", fields, "ext_lookup_key");
    lower.mark_key(".keys", fields, "stitching_keys");
    for item in lower.items(fields, "stitching_keys").unwrap_or_default() {
        stitch_key(lower, item);
    }
}

pub(super) fn stitch_key(lower: &mut Lower, node: &Node) {
    lower.enter(format!("identity.keys[{}]", lower.definition.identity.keys.len()), node.span);
    let known = [
        "name",
        "exclude_regex",
        "valid_regexp",
        "validRegexp",
        "invalid_texts",
        "invalidTexts",
        "workflow_only",
        "internal",
        "trust",
    ];
    let Some(fields) = lower.fields(node, "a stitching key", &known) else { return };
    let Some(name) = lower.need_text(fields, "name") else { return };
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".exclude_regex", fields, "exclude_regex");
    let valid = spelling(lower, fields, ["valid_regexp", "validRegexp"]);
    lower.mark_key(".valid_regexp", fields, valid);
    let invalid = spelling(lower, fields, ["invalid_texts", "invalidTexts"]);
    lower.mark_key(".invalid_texts", fields, invalid);
    let only = spelling(lower, fields, ["workflow_only", "internal"]);
    let mut texts = Vec::new();
    for (index, item) in lower.items(fields, invalid).unwrap_or_default().iter().enumerate() {
        texts.extend(lower.text_of(item, &format!("{invalid}[{index}]")));
    }
    let trust = match lower.text(fields, "trust").as_deref() {
        None | Some("open") => Trust::Open,
        Some("verified") => Trust::Verified,
        Some(other) => {
            let help = Some("trust is `open` or `verified`".to_owned());
            lower.note_with(
                Code::UnknownName,
                fields.span("trust"),
                format!("unknown trust `{other}`"),
                help,
            );
            Trust::Verified
        }
    };
    let key = StitchKey {
        name,
        valid_regexp: lower.text(fields, valid),
        exclude_regex: lower.text(fields, "exclude_regex"),
        invalid_texts: texts,
        workflow_only: lower.boolean(fields, only).unwrap_or(false),
        trust,
    };
    lower.definition.identity.keys.push(key);
}
