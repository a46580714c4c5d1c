//! What changes from one definition to another, in words.

mod anew;

use std::fmt::Debug;

use usher_engine::definition::{
    Attribute, AttributeKind, Choice, Definition, EventTable, Example, ExampleCall, ExampleEvent, Increment,
    KeyEvent, Output, OutputSource, Personalization, Section, StitchKey,
};
use usher_engine::syntax::Expr;
use usher_engine::value::Value;

use crate::terminal::clean;
use anew::anew;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    sign: char,
    what: String,
}

impl Change {
    /// The line, with its sign before it.
    pub(crate) fn line(&self, color: bool) -> String {
        let paint = match (color, self.sign) {
            (false, _) => return format!("  {} {}", self.sign, clean(&self.what).replace('\n', " ")),
            (true, '+') => "\u{1b}[32m",
            (true, '-') => "\u{1b}[31m",
            (true, _) => "\u{1b}[33m",
        };
        format!("  {paint}{}\u{1b}[0m {}", self.sign, clean(&self.what).replace('\n', " "))
    }
}

/// What is said of a thing: labels and texts, compared one by one.
type Facts = Vec<(&'static str, String)>;

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From what somebody wrote: what cannot go on starts anew.
    On,
    /// From what ran before, whose state profiles still have.
    Back,
}

/// All differences, part by part, in the order of the new definition; what is gone comes last in its part.
pub(crate) fn changes(before: &Definition, after: &Definition, way: Way) -> Vec<Change> {
    let mut out = Vec::new();
    let whole = |definition: &Definition| {
        let tables = definition.tables.iter().map(|table| format!("{}.{}", table.database, table.table));
        vec![("name", show(definition.audience.name.as_ref())), ("event tables", list(tables))]
    };
    facts(&mut out, "audience", &whole(before), &whole(after));
    parts(&mut out, "key event", &before.key_events, &after.key_events, |k| &k.name, key_event);
    parts(&mut out, "attribute", &before.attributes, &after.attributes, |a| &a.name, attribute);
    for after in &after.attributes {
        let known = before.attributes.iter().find(|known| known.name == after.name);
        if let Some(what) = known.and_then(|known| anew(&known.kind, &after.kind)) {
            let becomes = match way {
                Way::On => "starts anew; for 30 days a rollback finds what was kept before",
                Way::Back => "goes on with what was kept when it last ran, for which there are 30 days",
            };
            out.push(Change { sign: '~', what: format!("attribute: `{}`, {what} {becomes}", after.name) });
        }
    }
    let identity = |definition: &Definition| {
        let identity = &definition.identity;
        let order: Vec<&str> = identity.keys.iter().map(|key| key.name.as_str()).collect();
        vec![
            ("primary key", show(identity.primary_key.as_ref())),
            ("lookup key", show(identity.lookup_key.as_ref())),
            ("keys", order.join(", ")),
        ]
    };
    facts(&mut out, "identity", &identity(before), &identity(after));
    parts(&mut out, "key", &before.identity.keys, &after.identity.keys, |k| &k.name, stitch_key);
    let (old, new) = (&before.personalizations, &after.personalizations);
    parts(&mut out, "personalization", old, new, |p| &p.name, personalization);
    for after in new {
        let before = old.iter().find(|known| known.name == after.name);
        let sections = before.map(|before| before.sections.as_slice()).unwrap_or_default();
        let what = format!("section of `{}`", after.name);
        parts(&mut out, &what, sections, &after.sections, |s| &s.name, section);
    }
    out
}

/// The same for the examples beside a definition.
pub(crate) fn examples(before: &[Example], after: &[Example]) -> Vec<Change> {
    let mut out = Vec::new();
    parts(&mut out, "example", before, after, |example| &example.name, example);
    out
}

fn parts<T>(
    out: &mut Vec<Change>,
    what: &str,
    before: &[T],
    after: &[T],
    name: fn(&T) -> &String,
    facts_of: fn(&T) -> Facts,
) {
    for thing in after {
        let of_name = format!("{what}: `{}`", name(thing));
        match before.iter().find(|known| name(known) == name(thing)) {
            Some(known) => facts(out, &of_name, &facts_of(known), &facts_of(thing)),
            None => out.push(Change { sign: '+', what: of_name }),
        }
    }
    let gone = before.iter().filter(|known| after.iter().all(|thing| name(thing) != name(known)));
    out.extend(gone.map(|known| Change { sign: '-', what: format!("{what}: `{}`", name(known)) }));
}

fn facts(out: &mut Vec<Change>, what: &str, before: &Facts, after: &Facts) {
    let of =
        |facts: &Facts, label| facts.iter().find(|(known, _)| *known == label).map(|(_, text)| text.clone());
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in before.iter().chain(after) {
        if !labels.contains(label) {
            labels.push(label);
        }
    }
    for label in labels {
        let (old, new) = (of(before, label), of(after, label));
        if old != new {
            let none = || "nothing".to_owned();
            let (old, new) = (old.unwrap_or_else(none), new.unwrap_or_else(none));
            out.push(Change { sign: '~', what: format!("{what}, {label}: {old} → {new}") });
        }
    }
}

fn key_event(event: &KeyEvent) -> Facts {
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

fn attribute(attribute: &Attribute) -> Facts {
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
                ("backfill", backfill.as_ref().map_or_else(|| show(None), |known| known.attribute.clone())),
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
                ("backfill", backfill.as_ref().map_or_else(|| show(None), |known| known.attribute.clone())),
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

fn stitch_key(key: &StitchKey) -> Facts {
    vec![
        ("valid_regexp", show(key.valid_regexp.as_ref())),
        ("exclude_regex", show(key.exclude_regex.as_ref())),
        ("invalid texts", list(key.invalid_texts.iter().cloned())),
        ("workflow_only", key.workflow_only.to_string()),
        ("trust", lower(&key.trust)),
    ]
}

fn personalization(personalization: &Personalization) -> Facts {
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

fn section(section: &Section) -> Facts {
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

fn example(example: &Example) -> Facts {
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

fn show(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "none".to_owned())
}

fn filter(expr: Option<&Expr>) -> String {
    match expr.map(ToString::to_string) {
        None => "none".to_owned(),
        Some(text) if text.is_empty() => "always".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// The name of a variant.
fn lower(variant: &impl Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

fn span(ms: Option<i64>) -> String {
    let Some(ms) = ms else { return "for ever".to_owned() };
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms % size == 0).unwrap_or((1, "ms"));
    format!("{}{unit}", ms / size)
}

#[cfg(test)]
mod tests {
    use usher_config::{Source, check};

    use super::*;

    const TEXT: &str = r#"parent_segment_id: "7"
events:
  - {name: view, database: web, table: pages}
attributes:
  - {name: views, type: counter, source_event: view, aggregation: count, window_duration: 24h, sensitivity: sensitive}
  - {name: last, type: single, source_event: view, source_field: a, aggregation: last, sensitivity: non-sensitive}
  - {name: all, type: list, source_event: view, source_field: a, aggregation: distinct_list, max_items: 9}
  - {name: tier, type: imported_batch, source: parent_segment, data_type: string, sensitivity: non-sensitive}
id_stitching:
  primary_key: cookie
  stitching_keys:
    - {name: cookie, exclude_regex: "^test"}
---
parent_segment_id: "7"
service_name: home
trigger_event: view
sections:
  - {name: A, criteria: {attribute: tier, operator: equals, value: VIP}, outputs: [{attribute: last}, {name: n, value: 5}]}
  - {name: B, criteria: {operator: ALWAYS}, outputs: [{attribute: all}], batch_segments: [s]}
"#;

    fn read(text: &str) -> Definition {
        let reading = check(&[Source { name: "x.yaml".to_owned(), text: text.to_owned() }]);
        assert!(!reading.has_errors(), "{:?}", reading.findings);
        reading.definition
    }

    #[test]
    fn every_change_has_words() {
        assert_eq!(changes(&read(TEXT), &read(TEXT), Way::On), []);
        for (old, new, words) in [
            ("table: pages", "table: sites", "~ key event: `view`, table: web.pages → web.sites"),
            (
                "table: pages",
                "table: pages, columns: [a, cookie]",
                "~ key event: `view`, columns: not listed → a, cookie",
            ),
            ("24h", "2h", "~ attribute: `views`, window: 1d → 2h"),
            ("aggregation: last", "aggregation: max", "~ attribute: `last`, aggregation: last → max"),
            ("24h", "2h", "~ attribute: `views`, the window of 2h starts anew; for 30 days a rollback"),
            ("aggregation: last", "aggregation: max", "~ attribute: `last`, it starts anew"),
            ("max_items: 9", "max_items: 8", "~ attribute: `all`, most items: 9 → 8"),
            (
                "sensitivity: sensitive",
                "sensitivity: non-sensitive",
                "sensitivity: sensitive → non-sensitive",
            ),
            ("^test", "^t", "~ key: `cookie`, exclude_regex: ^test → ^t"),
            ("{name: cookie,", "{name: cookie, trust: verified,", "~ key: `cookie`, trust: open → verified"),
            ("value: VIP", "value: Gold", "criteria: `tier = 'VIP'` → `tier = 'Gold'`"),
            ("{name: n, value: 5}", "{name: n, value: 6}", "outputs: last, n = 5 → last, n = 6"),
            ("[s]", "[s, t]", "segments: s → s, t"),
            ("name: B", "name: C", "+ section of `home`: `C`"),
            ("service_name: home", "service_name: main", "- personalization: `home`"),
            ("trigger_event: view", "choice: all", "~ personalization: `home`, choice: first → all"),
        ] {
            assert!(TEXT.contains(old), "{old}");
            let found = changes(&read(TEXT), &read(&TEXT.replacen(old, new, 1)), Way::On);
            let lines: Vec<String> = found.iter().map(|change| change.line(false)).collect();
            assert!(lines.iter().any(|line| line.contains(words)), "{words} in {lines:#?}");
        }
    }
    #[test]
    fn what_goes_on_does_not_start_anew() {
        // 24 h and 25 h are told apart by the same buckets; a list keeps its items.
        for (old, new) in [
            ("24h", "25h"),
            ("max_items: 9", "max_items: 8"),
            ("source_field: a, aggregation: last", "source_field: b, aggregation: last"),
        ] {
            assert!(TEXT.contains(old), "{old}");
            let found = changes(&read(TEXT), &read(&TEXT.replacen(old, new, 1)), Way::On);
            assert!(
                !found.is_empty() && !found.iter().any(|change| change.what.contains("anew")),
                "{found:?}"
            );
        }
    }
}
