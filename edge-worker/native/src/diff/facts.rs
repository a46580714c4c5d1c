//! The facts of each part of a definition, for comparison: its written form, field by field, in words.
//!
//! Nothing is listed that could be forgotten: a field without words of its own is called by its name, and its value is shown
//! as JSON.

use usher_engine::definition::{Output, OutputSource};
use usher_engine::syntax::Expr;
use usher_engine::value::{FromValue, Value};

/// Labels and texts, compared one by one.
pub(super) type Facts = Vec<(String, String)>;

/// All that a part says. `what` is its kind, such as `attribute`.
pub(super) fn facts_of(what: &str, part: &Value) -> Facts {
    let mut facts = Facts::new();
    walk(what, "", part, &mut facts);
    facts
}

/// The text for a field that is not written, because it has its default.
pub(super) fn unwritten(label: &str) -> &'static str {
    match label {
        "columns" => "not listed",
        "duration" | "window" => "for ever",
        "unknown profiles" => "true",
        "include_sensitive" | "workflow_only" | "placeholders" => "false",
        "trust" => "open",
        "list of placeholders" => "0",
        "form of segments" => "names",
        "kept" => "newest",
        "state" => "launched",
        "reentry" => "reentry_unless_goal_achieved",
        _ => "none",
    }
}

fn walk(what: &str, path: &str, value: &Value, facts: &mut Facts) {
    match (path, value) {
        // What a part is found by is compared by whoever finds it, and so are the parts within it.
        ("name", _) if what != "audience" => {}
        ("keys", Value::List(keys)) => {
            let names = keys.iter().filter_map(|key| field(key, "name")).map(shown);
            facts.push(("keys".to_owned(), list(names)));
        }
        ("sections", Value::List(sections)) => {
            let names = sections.iter().filter_map(|section| field(section, "name")).map(shown);
            facts.push(("order of sections".to_owned(), list(names)));
        }
        ("stages", Value::List(stages)) => {
            let names = stages.iter().filter_map(|stage| field(stage, "name")).map(shown);
            facts.push(("order of stages".to_owned(), list(names)));
        }
        ("kind", Value::Object(fields)) => {
            for (kind, content) in fields {
                facts.push(("kind".to_owned(), kind.clone()));
                walk(what, "", content, facts);
            }
        }
        ("" | "backfill", Value::Object(fields)) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(what, &path, value, facts);
            }
        }
        _ => facts.push((label(what, path).to_owned(), said(path, value))),
    }
}

/// The name of a field.
fn label<'p>(what: &str, path: &'p str) -> &'p str {
    match path {
        "tables" => "event tables",
        "sensitive" => "sensitivity",
        "key_event" if what == "attribute" => "event",
        "key_event" => "key event",
        "duration_ms" => "duration",
        "window_ms" => "window",
        "data_type" => "type",
        "backfill.attribute" => "backfill",
        "backfill.time_attribute" => "time of backfill",
        "keep" => "kept",
        "items_max" => "most items",
        "increment" => "each adds",
        "primary_key" => "primary key",
        "lookup_key" => "lookup key",
        "placeholder_list" => "list of placeholders",
        "invalid_texts" => "invalid texts",
        "event_filter" => "event filter",
        "accept_unknown_profiles" => "unknown profiles",
        "segments_as" => "form of segments",
        "device" => "decided on devices",
        "now_ms" => "time",
        "records" => "batch records",
        "expect" => "expected",
        other => other,
    }
}

/// The value of a field in words.
fn said(path: &str, value: &Value) -> String {
    match (path, value) {
        ("sensitive", Value::Boolean(true)) => "sensitive".to_owned(),
        ("sensitive", _) => "non-sensitive".to_owned(),
        ("duration_ms" | "window_ms", value) => {
            value.as_number().map_or_else(|| shown(value), |ms| span(ms.to_f64()))
        }
        ("filter" | "event_filter" | "criteria", value) => criterion(value),
        ("table", value) => table(value),
        ("tables", Value::List(tables)) => list(tables.iter().map(table)),
        ("outputs", Value::List(outputs)) => list(outputs.iter().map(output)),
        ("parts", Value::List(parts)) => list(parts.iter().map(part)),
        ("actions", Value::List(actions)) => list(actions.iter().map(action)),
        ("inputs", Value::List(inputs)) => list(inputs.iter().map(input)),
        ("segments", Value::List(segments)) => list(segments.iter().map(segment)),
        ("increment", value) => match field(value, "column") {
            Some(column) => format!("the column {}", shown(column)),
            None => field(value, "constant").map_or_else(|| shown(value), shown),
        },
        (_, value) => shown(value),
    }
}

/// Texts bare, lists by their items, all else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::List(items) => list(items.iter().map(shown)),
        Value::Null => "none".to_owned(),
        other => json(other),
    }
}

fn json(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        _ => None,
    }
}

fn table(value: &Value) -> String {
    match (field(value, "database"), field(value, "table")) {
        (Some(database), Some(table)) => format!("{}.{}", shown(database), shown(table)),
        _ => json(value),
    }
}

fn criterion(value: &Value) -> String {
    match Expr::from_value(value).map(|expr| expr.to_string()) {
        Ok(text) if text.is_empty() => "always".to_owned(),
        Ok(text) => format!("`{text}`"),
        Err(_) => json(value),
    }
}

/// The values of these fields, if the object has no others; else None, and it is shown as JSON.
fn only<const N: usize>(value: &Value, names: [&str; N]) -> Option<[String; N]> {
    let Value::Object(fields) = value else { return None };
    let known = fields.iter().all(|(name, _)| names.contains(&name.as_str()));
    known.then(|| names.map(|name| field(value, name).map(shown).unwrap_or_default()))
}

fn part(value: &Value) -> String {
    if let Some([name, ms]) = only(value, ["name", "window_ms"]) {
        return format!("{name} of {}", ms.parse().map_or(ms, span));
    }
    match only(value, ["name", "aggregation", "column"]) {
        Some([name, aggregation, column]) => format!("{name} ({aggregation} of {column})"),
        None => json(value),
    }
}

fn action(value: &Value) -> String {
    let filter = field(value, "filter").map(criterion);
    match only(value, ["action", "key_event", "filter"]) {
        Some([action, event, _]) => match filter {
            Some(filter) => format!("{action} on {event} where {filter}"),
            None => format!("{action} on {event}"),
        },
        None => json(value),
    }
}

fn input(value: &Value) -> String {
    match only(value, ["name", "data_type", "required"]) {
        Some([name, data_type, required]) => {
            format!("{name} ({data_type}{})", if required == "true" { ", required" } else { "" })
        }
        None => json(value),
    }
}

fn segment(value: &Value) -> String {
    match only(value, ["name", "id"]) {
        Some([name, id]) => format!("{name} ({id})"),
        None => shown(value),
    }
}

fn output(value: &Value) -> String {
    let Ok(Output { name, source }) = Output::from_value(value) else { return json(value) };
    match source {
        OutputSource::Attribute { name: attribute, part: None } if attribute == name => name,
        OutputSource::Attribute { name: attribute, part: None } => format!("{name} from {attribute}"),
        OutputSource::Attribute { name: attribute, part: Some(part) } => {
            format!("{name} from {attribute}.{part}")
        }
        OutputSource::Constant(value) => format!("{name} = {}", json(&value)),
        OutputSource::Text(texts) => {
            format!("{name} = texts {}", json(&Value::List(texts.iter().map(Value::string).collect())))
        }
        OutputSource::Template(text) => format!("{name} = '{text}'"),
        OutputSource::Expression(expr) => format!("{name} = {expr}"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// A span of milliseconds.
pub(super) fn span(ms: f64) -> String {
    let units = [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "m"), (1_000.0, "s"), (1.0, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms % size == 0.0).unwrap_or((1.0, "ms"));
    format!("{}{unit}", ms / size)
}
