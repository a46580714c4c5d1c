//! An attribute of `rt_config`: `single`, `list`, `counter`, `imported_batch` or `catalog`.

use usher_engine::definition::{Aggregation, Attribute, AttributeKind, Backfill, CounterPart, Increment};
use usher_engine::diagnostic::Code;
use usher_engine::limits::SUMMAND_MAX;
use usher_engine::syntax::Expr;

use super::super::common::says_none;
use super::super::filter::filter;
use super::list::list;
use super::table::catalog;
use crate::document::Node;
use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

/// The kinds, each with its aggregations (the default first) and its keys.
const KINDS: [Kind; 5] = [
    Kind {
        name: "single",
        aggregations: &["last", "first", "min", "max", "sum"],
        keys: &["source_event", "filter", "source_field", "aggregation", "duration", "data_type", "backfill"],
    },
    Kind {
        name: "list",
        aggregations: &["distinct_list", "first", "last"],
        keys: &[
            "source_event",
            "filter",
            "source_field",
            "aggregation",
            "max_items",
            "expiry_days",
            "duration",
            "id_column",
            "keep",
            "aggregations",
            "actions",
        ],
    },
    Kind {
        name: "counter",
        aggregations: &["count", "sum"],
        keys: &[
            "source_event",
            "filter",
            "source_field",
            "aggregation",
            "increment",
            "window_duration",
            "sub_durations",
            "backfill",
        ],
    },
    Kind { name: "imported_batch", aggregations: &[], keys: &["source", "column", "data_type"] },
    Kind { name: "catalog", aggregations: &[], keys: &["table", "key", "columns", "limit"] },
];

struct Kind {
    name: &'static str,
    aggregations: &'static [&'static str],
    keys: &'static [&'static str],
}

/// The keys that every kind of attribute has.
const COMMON: [&str; 4] = ["name", "type", "sensitivity", "description"];

/// The keys that only some kinds have, each once.
fn specific_keys() -> impl Iterator<Item = &'static str> {
    KINDS.iter().enumerate().flat_map(|(at, kind)| {
        let new = move |key: &&str| !KINDS.iter().take(at).any(|earlier| earlier.keys.contains(key));
        kind.keys.iter().copied().filter(new)
    })
}

pub(in crate::dialect) fn attribute(lower: &mut Lower, node: &Node) {
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
        (".column", "id_column"),
        (".increment", "source_field"),
        (".increment", "increment"),
        (".aggregation", "aggregation"),
        (".items_max", "max_items"),
        (".duration_ms", "expiry_days"),
        (".duration_ms", "duration"),
        (".window_ms", "window_duration"),
        (".data_type", "data_type"),
        (".backfill", "backfill"),
    ] {
        lower.mark_key(part, fields, key);
    }
    let kind = kind(lower, fields, name.as_deref());
    let description = lower.text(fields, "description");
    let batch = matches!(kind, Some(AttributeKind::Batch { .. }));
    // The columns of a row say for themselves whether they are sensitive.
    let of_row = fields.get("type").and_then(Node::as_text).is_some_and(is_catalog)
        && fields.get("sensitivity").is_none();
    let sensitive = !of_row && sensitive(lower, fields, name.as_deref(), batch);
    // Kept even when a part is wrong, so that references to it are not errors, too.
    if let Some(name) = name {
        let kind = kind.unwrap_or_else(|| AttributeKind::Batch { column: name.clone(), data_type: None });
        lower.definition.attributes.push(Attribute { name, kind, sensitive, description });
    }
}

fn kind(lower: &mut Lower, fields: Fields<'_>, name: Option<&str>) -> Option<AttributeKind> {
    let text = lower.need_text(fields, "type")?;
    // The API's words are accepted, too.
    let text = match text.as_str() {
        "imported" => "imported_batch".to_owned(),
        text if is_catalog(text) => "catalog".to_owned(),
        _ => text,
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == text) else {
        let help = did_you_mean(&text, KINDS.iter().map(|kind| kind.name));
        let help =
            help.unwrap_or_else(|| "types are single, list, counter, imported_batch and catalog".to_owned());
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
    if kind.name == "catalog" {
        return catalog(lower, fields);
    }
    let key_event = lower.need_text(fields, "source_event");
    let filter = filter(lower, fields, "filter", ".filter");
    let aggregation = aggregation(lower, fields, kind);
    match kind.name {
        "single" => single(lower, fields, key_event, filter, aggregation),
        "list" => list(lower, fields, key_event, filter, aggregation),
        _ => counter(lower, fields, key_event, filter, aggregation),
    }
}

/// True for the type of attributes that read rows, in YAML's spelling and the API's.
fn is_catalog(text: &str) -> bool {
    matches!(text, "catalog" | "lookupCatalog" | "lookup_catalog")
}

/// The aggregation as written, or the kind's default.
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
    filter: Option<Expr>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    let column = lower.need_text(fields, "source_field");
    let data_type = lower.data_type(fields, "data_type");
    let duration_ms = lower.duration_ms(fields, "duration");
    let backfill = backfill(lower, fields);
    let aggregation = match aggregation? {
        "first" => Aggregation::First,
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "sum" => Aggregation::Sum,
        _ => Aggregation::Last,
    };
    Some(AttributeKind::Single {
        key_event: key_event?,
        filter,
        column: column?,
        aggregation,
        duration_ms,
        data_type,
        backfill,
    })
}

fn counter(
    lower: &mut Lower,
    fields: Fields<'_>,
    key_event: Option<String>,
    filter: Option<Expr>,
    aggregation: Option<&str>,
) -> Option<AttributeKind> {
    // A counter without a window is a total.
    let window_ms = lower.duration_ms(fields, "window_duration");
    let wanted = fields.entry("window_duration").is_some_and(|entry| !says_none(fields, &entry.key));
    if wanted && window_ms.is_none() {
        return None;
    }
    let increment = match (aggregation?, fields.get("source_field")) {
        ("sum", Some(node)) => Increment::Column(lower.name_of(node, "source_field")?),
        ("sum", None) => {
            let help = "a `sum` needs the column to add up".to_owned();
            lower.missing(fields, "source_field", Some(help));
            return None;
        }
        _ => {
            if let Some(entry) = fields.entry("source_field").filter(|entry| !entry.value.is_null()) {
                let message = "`source_field` does not matter to `count`: every event adds the same";
                lower.note(Code::Ignored, entry.key_span, message);
            }
            Increment::Constant(lower.count(fields, "increment", SUMMAND_MAX).unwrap_or(1))
        }
    };
    if let (Increment::Column(_), Some(entry)) = (&increment, fields.entry("increment")) {
        let message = "`increment` does not matter to `sum`: every event adds what stands in `source_field`";
        lower.note(Code::Ignored, entry.key_span, message);
    }
    let mut parts: Vec<CounterPart> = Vec::new();
    for item in lower.items(fields, "sub_durations").unwrap_or_default() {
        lower.mark_part(&format!(".parts[{}]", parts.len()), item);
        parts.extend(window(lower, item));
    }
    let backfill = backfill(lower, fields);
    Some(AttributeKind::Counter { key_event: key_event?, filter, increment, window_ms, parts, backfill })
}

/// A further window of a counter.
fn window(lower: &mut Lower, node: &Node) -> Option<CounterPart> {
    let fields = lower.fields(node, "a sub-duration", &["identifier", "window_duration"])?;
    let name = lower.need_text(fields, "identifier");
    let window_ms = lower.duration_ms(fields, "window_duration");
    if fields.get("window_duration").is_none()
        && (says_none(fields, "window_duration") || fields.entry("window_duration").is_none())
    {
        lower.missing(fields, "window_duration", None);
    }
    Some(CounterPart { name: name?, window_ms: window_ms? })
}

/// The batch attributes that hold a value or total from before events arrived.
fn backfill(lower: &mut Lower, fields: Fields<'_>) -> Option<Backfill> {
    let known = ["attribute_identifier", "timestamp_identifier"];
    let fields = lower.fields(fields.get("backfill")?, "a backfill", &known)?;
    let attribute = lower.need_text(fields, "attribute_identifier");
    let time_attribute = lower.text(fields, "timestamp_identifier");
    Some(Backfill { attribute: attribute?, time_attribute })
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
        if lower.is_misspelled(fields, "sensitivity") {
            return true;
        }
        let (assumed, name) = (if batch { "sensitive" } else { "non-sensitive" }, name.unwrap_or("?"));
        let message = format!("attribute `{name}` does not say its sensitivity; `{assumed}` is assumed");
        let help = "write `sensitivity: sensitive` or `sensitivity: non-sensitive`".to_owned();
        lower.note_with(Code::NoSensitivity, fields.span("name"), message, Some(help));
        return batch;
    };
    match node.as_text() {
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
        None => {
            let message = format!("`sensitivity` must be a text, found {}", node.kind());
            let help = "write `sensitive` or `non-sensitive`".to_owned();
            lower.note_with(Code::WrongType, node.span, message, Some(help));
            true
        }
    }
}
