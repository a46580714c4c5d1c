//! An attribute: `single`, `list`, `counter`, `imported` or `lookupCatalog`.

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Backfill, CounterPart, Increment, Keep, ListAction, ListPart,
};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{LIST_DURATION_MS_DEFAULT, LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX, SUMMAND_MAX};

use super::super::common::says_none;
use super::super::one_of::{AGGREGATIONS, REMOVALS, one_of};
use super::super::rt_config::{catalog_columns, rows_max};
use super::body::{READ_BACK, unique};
use super::key_event::filter_rule;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

/// The types of attributes, each with its specific keys.
pub(in crate::dialect) const TYPES: [(&str, &[&str]); 5] = [
    (
        "single",
        &[
            "realtimeKeyEventId",
            "filterRule",
            "valueColumn",
            "dataType",
            "aggregation",
            "duration",
            "backfill",
        ],
    ),
    (
        "list",
        &[
            "realtimeKeyEventId",
            "filterRule",
            "idColumn",
            "fields",
            "duration",
            "maxItems",
            "actions",
            "aggregations",
        ],
    ),
    (
        "counter",
        &[
            "realtimeKeyEventId",
            "filterRule",
            "counterType",
            "increment",
            "duration",
            "backfill",
            "subDurations",
        ],
    ),
    ("imported", &["column", "dataType"]),
    ("lookupCatalog", &["lookupCatalogTableName", "lookupCatalogColumns", "lookupKeys"]),
];

/// The keys that every attribute may have.
const COMMON: [&str; 8] =
    ["id", "audienceId", "name", "identifier", "type", "realtimeAttributeKind", "description", "sensitive"];

/// Keys that documents of RT 2.0 have in lists, but its API ignores.
const OF_NO_USE_IN_LISTS: [&str; 2] = ["valueColumn", "dataType"];

const OF_SINGLES: [(&str, Aggregation); 5] = [
    ("last", Aggregation::Last),
    ("first", Aggregation::First),
    ("sum", Aggregation::Sum),
    ("min", Aggregation::Min),
    ("max", Aggregation::Max),
];

pub(super) fn lower(lower: &mut Lower, node: &Node, id: Option<String>) {
    lower.enter(format!("attributes[{}]", lower.definition.attributes.len()), node.span);
    let known = [COMMON.to_vec(), specific_keys()].concat();
    let Some(fields) = lower.fields_and(node, "an attribute", &known, &READ_BACK) else { return };
    lower.body_audience(fields);
    let name = match fields.get("identifier") {
        Some(node) => lower.name_of(node, "identifier"),
        None => lower.need_text(fields, "name"),
    };
    lower.incomplete |= name.is_none();
    let own = if fields.get("identifier").is_some() { "identifier" } else { "name" };
    for (part, key) in [
        (".name", own),
        (".kind", "type"),
        (".sensitive", "sensitive"),
        (".key_event", "realtimeKeyEventId"),
        (".column", "valueColumn"),
        (".column", "idColumn"),
        (".column", "column"),
        (".increment", "increment"),
        (".items_max", "maxItems"),
        (".duration_ms", "duration"),
        (".window_ms", "duration"),
        (".data_type", "dataType"),
        (".backfill", "backfill"),
    ] {
        lower.mark_key(part, fields, key);
    }
    let kind = kind(lower, fields);
    let description = lower.text(fields, "description");
    // Attributes without the key are not sensitive; batch attributes are by default.
    let batch = matches!(kind, Some(AttributeKind::Batch { .. }));
    let sensitive = lower.boolean(fields, "sensitive").unwrap_or(batch);
    // Kept even when a part is wrong, so that references to it are not errors, too.
    if let Some(name) = name {
        let called = lower.text(fields, "name");
        unique(lower, fields, &name, [id.as_deref(), called.as_deref()], "attribute");
        let kind = kind.unwrap_or_else(|| AttributeKind::Batch { column: name.clone(), data_type: None });
        lower.bodies.own.push(lower.definition.attributes.len());
        lower.definition.attributes.push(Attribute { name, kind, sensitive, description });
    }
}

/// The keys that only some types have, each once.
fn specific_keys() -> Vec<&'static str> {
    let mut all = Vec::new();
    for key in TYPES.iter().flat_map(|(_, keys)| *keys) {
        if !all.contains(key) {
            all.push(*key);
        }
    }
    all
}

fn kind(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    let text = lower.need_text(fields, "type")?;
    let Some((name, keys)) = TYPES.into_iter().find(|(name, _)| *name == text) else {
        let help = did_you_mean(&text, TYPES.into_iter().map(|(name, _)| name));
        let help =
            help.unwrap_or_else(|| "types are single, list, counter, imported and lookupCatalog".to_owned());
        let message = format!("unknown attribute type `{text}`");
        lower.note_with(Code::UnknownName, fields.span("type"), message, Some(help));
        return None;
    };
    for key in specific_keys().into_iter().filter(|key| !keys.contains(key)) {
        let Some(entry) = fields.entry(key).filter(|entry| !entry.value.is_null()) else { continue };
        if name == "list" && OF_NO_USE_IN_LISTS.contains(&key) {
            lower.note(Code::Ignored, entry.key_span, format!("`{key}` in a list is not used"));
            continue;
        }
        let message = format!("`{key}` does not apply to a `{name}` attribute");
        let help = format!("keys that apply: {}", keys.join(", "));
        lower.note_with(Code::UnknownKey, entry.key_span, message, Some(help));
    }
    match name {
        "single" => single(lower, fields),
        "list" => list(lower, fields),
        "counter" => counter(lower, fields),
        "imported" => {
            let data_type = lower.data_type(fields, "dataType");
            Some(AttributeKind::Batch { column: lower.need_text(fields, "column")?, data_type })
        }
        _ => catalog(lower, fields),
    }
}

/// A row of a catalog: its key is the value of an attribute.
fn catalog(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    for (part, key) in
        [(".table", "lookupCatalogTableName"), (".key", "lookupKeys"), (".columns", "lookupCatalogColumns")]
    {
        lower.mark_key(part, fields, key);
    }
    let table = lower.need_text(fields, "lookupCatalogTableName");
    let columns = catalog_columns(lower, fields, "lookupCatalogColumns", "dataType");
    let node = lower.need(fields, "lookupKeys")?;
    let key = match lower.items_of(node, "lookupKeys")? {
        [item] => {
            let fields = lower.fields(item, "a lookup key", &["id", "type", "subAttributeIdentifier"])?;
            let part = lower.text(fields, "subAttributeIdentifier");
            let name = lower.attribute_id(fields, "id")?;
            part.map_or(name.clone(), |part| format!("{name}.{part}"))
        }
        other => {
            let message = format!("a row has one key, found {}", other.len());
            let help =
                "name one attribute; a table with a key of several columns has a column that joins them";
            lower.note_with(Code::NotSupported, node.span, message, Some(help.to_owned()));
            return None;
        }
    };
    Some(AttributeKind::Catalog { table: table?, key, columns, limit: rows_max() })
}

fn single(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    let key_event = lower.key_event_id(fields, "realtimeKeyEventId");
    let filter = filter_rule(lower, fields, ".filter");
    let column = lower.need_text(fields, "valueColumn");
    let data_type = lower.data_type(fields, "dataType");
    let aggregation = match fields.get("aggregation") {
        Some(_) => one_of(lower, fields, "aggregation", &OF_SINGLES),
        None => Some(Aggregation::Last),
    };
    let duration_ms = lower.duration_ms(fields, "duration");
    let backfill = backfill(lower, fields);
    let (key_event, column, aggregation) = (key_event?, column?, aggregation?);
    Some(AttributeKind::Single { key_event, filter, column, aggregation, duration_ms, data_type, backfill })
}

fn list(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    let key_event = lower.key_event_id(fields, "realtimeKeyEventId");
    let filter = filter_rule(lower, fields, ".filter");
    let column = lower.need_text(fields, "idColumn");
    let items_max = lower.count(fields, "maxItems", i64::from(LIST_ITEMS_MAX));
    let items_max = items_max.and_then(|items| u32::try_from(items).ok()).unwrap_or(LIST_ITEMS_DEFAULT);
    let duration_ms = lower.duration_ms(fields, "duration").unwrap_or(LIST_DURATION_MS_DEFAULT);
    let kept = lower.names(fields, "fields");
    let mut parts: Vec<ListPart> = Vec::new();
    let written = lower.items(fields, "aggregations").unwrap_or_default();
    for item in written {
        let at = format!(".parts[{}]", parts.len());
        lower.mark_part(&at, item);
        let Some(part) = part(lower, item) else { continue };
        let is_kept =
            kept.iter().any(|(name, _)| *name == part.column) || Some(&part.column) == column.as_ref();
        if fields.get("fields").is_some() && !is_kept {
            let message =
                format!("`{}` reads the column `{}`, which is not among `fields`", part.name, part.column);
            let help = Some("add it there, or leave `fields` out".to_owned());
            lower.note_with(
                Code::UnknownName,
                item.get("column").map_or(item.span, |node| node.span),
                message,
                help,
            );
        }
        parts.push(part);
    }
    // An unreadable part may be the one that uses it.
    for (name, span) in kept.iter().filter(|_| parts.len() == written.len()) {
        if Some(name) != column.as_ref() && !parts.iter().any(|part| part.column == *name) {
            let message = format!("no aggregation reads the field `{name}`; it is not kept");
            lower.note(Code::Ignored, *span, message);
        }
    }
    let mut actions: Vec<ListAction> = Vec::new();
    for item in lower.items(fields, "actions").unwrap_or_default() {
        let at = format!(".actions[{}]", actions.len());
        lower.mark(&at, item.span);
        actions.extend(action(lower, item, &at));
    }
    let keep = Keep::Newest;
    let (key_event, column) = (key_event?, Some(column?));
    Some(AttributeKind::List { key_event, filter, column, keep, items_max, duration_ms, parts, actions })
}

/// An aggregation of a list, addressed by its sub-identifier.
fn part(lower: &mut Lower, node: &Node) -> Option<ListPart> {
    let fields =
        lower.fields(node, "an aggregation", &["name", "identifier", "aggregationType", "column"])?;
    let name = sub_identifier(lower, fields);
    let column = lower.need_text(fields, "column");
    let aggregation = one_of(lower, fields, "aggregationType", &AGGREGATIONS);
    Some(ListPart { name: name?, column: column?, aggregation: aggregation? })
}

fn action(lower: &mut Lower, node: &Node, at: &str) -> Option<ListAction> {
    let fields = lower.fields(node, "an action", &["action", "realtimeKeyEventId", "filterRule"])?;
    let action = one_of(lower, fields, "action", &REMOVALS);
    let key_event = lower.key_event_id(fields, "realtimeKeyEventId");
    lower.mark_key(&format!("{at}.key_event"), fields, "realtimeKeyEventId");
    let filter = filter_rule(lower, fields, &format!("{at}.filter"));
    Some(ListAction { action: action?, key_event: key_event?, filter })
}

fn counter(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    let key_event = lower.key_event_id(fields, "realtimeKeyEventId");
    let filter = filter_rule(lower, fields, ".filter");
    let increment = match fields.get("increment") {
        Some(node) => increment(lower, node),
        None => Some(Increment::Constant(1)),
    };
    let total = match fields.get("counterType") {
        Some(_) => one_of(lower, fields, "counterType", &[("sliding", false), ("total", true)]),
        None => Some(false),
    };
    let window_ms = lower.duration_ms(fields, "duration");
    let backfill = backfill(lower, fields);
    let mut parts: Vec<CounterPart> = Vec::new();
    for item in lower.items(fields, "subDurations").unwrap_or_default() {
        let at = format!(".parts[{}]", parts.len());
        lower.mark_part(&at, item);
        parts.extend(window(lower, item));
    }
    let total = total?;
    if total && fields.get("duration").is_some() {
        let message = "a `total` counter with a window: it counts since ever, whatever its `duration`";
        let help = "write `\"counterType\": \"sliding\"` to count within the window".to_owned();
        lower.note_with(Code::TotalWindow, fields.span("duration"), message, Some(help));
    } else if !total && fields.entry("duration").is_none_or(|_| says_none(fields, "duration")) {
        let help = "a sliding counter needs a window; `\"counterType\": \"total\"` has none".to_owned();
        lower.missing(fields, "duration", Some(help));
    }
    let window_ms = if total { None } else { Some(window_ms?) };
    let (key_event, increment) = (key_event?, increment?);
    Some(AttributeKind::Counter { key_event, filter, increment, window_ms, parts, backfill })
}

/// A sub-duration of a counter.
fn window(lower: &mut Lower, node: &Node) -> Option<CounterPart> {
    let fields = lower.fields(node, "a sub-duration", &["name", "identifier", "value", "unit"])?;
    let name = sub_identifier(lower, fields);
    let window_ms = lower.parts_ms(fields, "subDurations");
    Some(CounterPart { name: name?, window_ms: window_ms? })
}

fn increment(lower: &mut Lower, node: &Node) -> Option<Increment> {
    let fields = lower.fields(node, "an increment", &["type", "value"])?;
    if one_of(lower, fields, "type", &[("const", false), ("field", true)])? {
        return lower.need_text(fields, "value").map(Increment::Column);
    }
    lower.need(fields, "value")?;
    lower.count(fields, "value", SUMMAND_MAX).map(Increment::Constant)
}

fn backfill(lower: &mut Lower, fields: Fields<'_>) -> Option<Backfill> {
    let node = fields.get("backfill")?;
    let fields = lower.fields(node, "a backfill", &["attributeIdentifier", "timestampIdentifier"])?;
    let attribute = lower.need_text(fields, "attributeIdentifier");
    let time_attribute = lower.text(fields, "timestampIdentifier");
    Some(Backfill { attribute: attribute?, time_attribute })
}

/// The name of a part: its identifier, or else its name.
fn sub_identifier(lower: &mut Lower, fields: Fields<'_>) -> Option<String> {
    match fields.get("identifier") {
        Some(node) => lower.name_of(node, "identifier"),
        None => lower.need_text(fields, "name"),
    }
}
