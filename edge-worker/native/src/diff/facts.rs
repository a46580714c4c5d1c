//! What is said of each part of a definition, so that it can be compared.

use std::fmt::Debug;

use usher_engine::definition::{
    Attribute, AttributeKind, Choice, EventTable, Example, ExampleCall, ExampleEvent, Increment, KeyEvent,
    Output, OutputSource, Personalization, Section, StitchKey,
};
use usher_engine::syntax::Expr;
use usher_engine::value::Value;

/// Labels and texts, compared one by one.
pub(super) type Facts = Vec<(&'static str, String)>;

pub(super) fn key_event(event: &KeyEvent) -> Facts {
    vec![
        ("table", format!("{}.{}", event.table.database, event.table.table)),
        ("filter", filter(event.filter.as_ref())),
        (
            "columns",
            if event.columns.is_empty() { "not listed".to_owned() } else { event.columns.join(", ") },
        ),
        ("description", show(event.description.as_ref())),
    ]
}

pub(super) fn attribute(attribute: &Attribute) -> Facts {
    let mut facts = vec![
        ("sensitivity", if attribute.sensitive { "sensitive" } else { "non-sensitive" }.to_owned()),
        ("description", show(attribute.description.as_ref())),
    ];
    match &attribute.kind {
        AttributeKind::Single {
            key_event,
            filter: only,
            column,
            aggregation,
            duration_ms,
            data_type,
            backfill,
        } => {
            facts.extend([
                ("kind", "single".to_owned()),
                ("event", key_event.clone()),
                ("filter", filter(only.as_ref())),
                ("column", column.clone()),
                ("aggregation", lower(aggregation)),
                ("duration", span(*duration_ms)),
                ("type", data_type.map_or_else(|| show(None), |known| known.as_str().to_owned())),
                ("backfill", show(backfill.as_ref().map(|known| &known.attribute))),
                ("time of backfill", show(backfill.as_ref().and_then(|known| known.time_attribute.as_ref()))),
            ]);
        }
        AttributeKind::List {
            key_event,
            filter: only,
            column,
            keep,
            items_max,
            duration_ms,
            parts,
            actions,
        } => {
            facts.extend([
                ("kind", "list".to_owned()),
                ("event", key_event.clone()),
                ("filter", filter(only.as_ref())),
                ("column", show(column.as_ref())),
                ("kept", lower(keep)),
                ("most items", items_max.to_string()),
                ("duration", span(Some(*duration_ms))),
                ("parts", list(parts.iter().map(|part| format!("{part:?}")))),
                ("actions", list(actions.iter().map(|action| format!("{action:?}")))),
            ]);
        }
        AttributeKind::Counter { key_event, filter: only, increment, window_ms, parts, backfill } => {
            let counted = match increment {
                Increment::Constant(number) => number.to_string(),
                Increment::Column(column) => format!("the column {column}"),
            };
            let windows = parts.iter().map(|part| format!("{} of {}", part.name, span(Some(part.window_ms))));
            facts.extend([
                ("kind", "counter".to_owned()),
                ("event", key_event.clone()),
                ("filter", filter(only.as_ref())),
                ("each adds", counted),
                ("window", span(*window_ms)),
                ("further windows", list(windows)),
                ("backfill", show(backfill.as_ref().map(|known| &known.attribute))),
                ("time of backfill", show(backfill.as_ref().and_then(|known| known.time_attribute.as_ref()))),
            ]);
        }
        AttributeKind::Batch { column, data_type } => facts.extend([
            ("kind", "batch".to_owned()),
            ("column", column.clone()),
            ("type", data_type.map_or_else(|| show(None), |known| known.as_str().to_owned())),
        ]),
    }
    facts
}

pub(super) fn stitch_key(key: &StitchKey) -> Facts {
    vec![
        ("normalize", list(key.normalize.iter().map(lower))),
        ("valid_regexp", show(key.valid_regexp.as_ref())),
        ("exclude_regex", show(key.exclude_regex.as_ref())),
        ("invalid texts", list(key.invalid_texts.iter().cloned())),
        ("placeholders", key.placeholders.to_string()),
        ("workflow_only", key.workflow_only.to_string()),
        ("trust", lower(&key.trust)),
    ]
}

pub(super) fn personalization(personalization: &Personalization) -> Facts {
    let choice = match personalization.choice {
        Choice::All => "all",
        Choice::First => "first",
    };
    let required = |required| if required { ", required" } else { "" };
    let inputs = personalization.inputs.iter();
    let inputs = inputs
        .map(|input| format!("{} ({}{})", input.name, input.data_type.as_str(), required(input.required)));
    vec![
        ("choice", choice.to_owned()),
        ("trigger", show(personalization.trigger.as_ref())),
        ("inputs", list(inputs)),
        ("order of sections", list(personalization.sections.iter().map(|section| section.name.clone()))),
        ("description", show(personalization.description.as_ref())),
    ]
}

pub(super) fn section(section: &Section) -> Facts {
    vec![
        ("key event", show(section.key_event.as_ref())),
        ("event filter", filter(section.event_filter.as_ref())),
        ("criteria", filter(Some(&section.criteria))),
        ("unknown profiles", section.accept_unknown_profiles.to_string()),
        ("outputs", list(section.outputs.iter().map(output))),
        ("segments", list(section.segments.iter().cloned())),
        ("include_sensitive", section.include_sensitive.to_string()),
    ]
}

pub(super) fn example(example: &Example) -> Facts {
    let value = |value: &Value| serde_json::to_string(value).unwrap_or_default();
    let event = |event: &ExampleEvent| {
        let EventTable { database, table } = &event.table;
        let ago = if event.before_ms == 0 {
            String::new()
        } else {
            format!(" {} before", span(Some(event.before_ms)))
        };
        format!("{database}.{table}{ago} {}", value(&event.columns))
    };
    let call = match &example.call {
        ExampleCall::Event(told) => event(told),
        ExampleCall::Lookup(None) => "a lookup of nobody".to_owned(),
        ExampleCall::Lookup(Some(key)) => format!("a lookup of {} = {}", key.name, key.value),
    };
    let expected = example.expect.iter().map(|expected| match &expected.attributes {
        Value::Null => expected.section.clone(),
        attributes => format!("{} with {}", expected.section, value(attributes)),
    });
    vec![
        ("time", example.now_ms.map_or_else(|| show(None), |ms| ms.to_string())),
        ("sender", lower(&example.sender)),
        ("batch records", list(example.records.iter().map(value))),
        ("events", list(example.events.iter().map(event))),
        ("call", call),
        ("personalization", show(example.personalization.as_ref())),
        ("inputs", value(&example.inputs)),
        ("expected", list(expected)),
    ]
}

fn output(output: &Output) -> String {
    let name = &output.name;
    match &output.source {
        OutputSource::Attribute { name: attribute, part: None } if attribute == name => name.clone(),
        OutputSource::Attribute { name: attribute, part: None } => format!("{name} from {attribute}"),
        OutputSource::Attribute { name: attribute, part: Some(part) } => {
            format!("{name} from {attribute}.{part}")
        }
        OutputSource::Constant(value) => {
            format!("{name} = {}", serde_json::to_string(value).unwrap_or_default())
        }
        OutputSource::Text(texts) => format!("{name} = '{}'", texts.concat()),
        OutputSource::Template(text) => format!("{name} = '{text}'"),
    }
}

pub(super) fn show(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "none".to_owned())
}

fn filter(expr: Option<&Expr>) -> String {
    match expr.map(ToString::to_string) {
        None => "none".to_owned(),
        Some(text) if text.is_empty() => "always".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The name of a variant.
fn lower(variant: &impl Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

pub(super) fn span(ms: Option<i64>) -> String {
    let Some(ms) = ms else { return "for ever".to_owned() };
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms % size == 0).unwrap_or((1, "ms"));
    format!("{}{unit}", ms / size)
}
