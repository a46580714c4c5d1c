//! The changes from one definition to another, in words.

mod facts;
mod reset;
mod rows;

use std::collections::BTreeSet;

use usher_engine::definition::{Definition, Example, StitchKey, Table, Trust};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::value::{ToValue, Value};

use crate::terminal::clean;
use facts::{Facts, facts_of, unwritten};
use reset::reset_reason;

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

/// The direction of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To a newly written definition: attributes that cannot continue from stored state start over.
    Publish,
    /// To an earlier definition, whose state profiles may still have.
    Rollback,
}

/// All differences, part by part, in the order of the new definition; what is gone comes last in its part.
pub(crate) fn changes(before: &Definition, after: &Definition, direction: Direction) -> Vec<Change> {
    let mut out = Vec::new();
    whole(&mut out, before, after);
    parts(&mut out, "key event", &before.key_events, &after.key_events, |k| &k.name);
    parts(&mut out, "attribute", &before.attributes, &after.attributes, |a| &a.name);
    order(&mut out, "key events", &before.key_events, &after.key_events, |k| &k.name);
    order(&mut out, "attributes", &before.attributes, &after.attributes, |a| &a.name);
    for after in &after.attributes {
        let known = before.attributes.iter().find(|known| known.name == after.name);
        if let Some(what) = known.and_then(|known| reset_reason(&known.kind, &after.kind)) {
            let becomes = match direction {
                Direction::Publish => "starts over; for 30 days a rollback finds what was kept before",
                Direction::Rollback => {
                    "goes on with what was kept when it last ran, for which there are 30 days"
                }
            };
            out.push(Change { sign: '~', what: format!("attribute: `{}`, {what} {becomes}", after.name) });
        }
    }
    facts(&mut out, "identity", "identity", [&before.identity, &after.identity].map(ToValue::to_value));
    parts(&mut out, "key", &before.identity.keys, &after.identity.keys, |k| &k.name);
    let (old, new) = (&before.personalizations, &after.personalizations);
    parts(&mut out, "personalization", old, new, |p| &p.name);
    order(&mut out, "personalizations", old, new, |p| &p.name);
    for after in new {
        let before = old.iter().find(|known| known.name == after.name);
        let sections = before.map(|before| before.sections.as_slice()).unwrap_or_default();
        let what = format!("section of `{}`", after.name);
        parts(&mut out, &what, sections, &after.sections, |s| &s.name);
    }
    parts(&mut out, "table", &before.lookup_tables, &after.lookup_tables, |table| &table.name);
    for (_, after, unfit) in unfit_rows(before, after) {
        let what = format!("table: `{}`, {}; import it again", after.name, unfit.what);
        out.push(Change { sign: '~', what });
    }
    parts(&mut out, "pipeline", &before.pipelines, &after.pipelines, |pipeline| &pipeline.name);
    let (old, new) = (&before.journeys, &after.journeys);
    parts(&mut out, "journey", old, new, |journey| &journey.name);
    order(&mut out, "journeys", old, new, |journey| &journey.name);
    for after in new {
        let before = old.iter().find(|known| known.name == after.name);
        let stages = before.map(|before| before.stages.as_slice()).unwrap_or_default();
        parts(&mut out, &format!("stage of `{}`", after.name), stages, &after.stages, |stage| &stage.name);
    }
    parts(&mut out, "activation", &before.activations, &after.activations, |activation| &activation.name);
    order(&mut out, "activations", &before.activations, &after.activations, |activation| &activation.name);
    out
}

/// The consequences of a change for what is stored: attributes that start over, keys with another rule, and rows of tables that
/// do not fit any more.
pub(crate) fn consequences(before: &Definition, after: &Definition) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, attribute) in after.attributes.iter().enumerate() {
        let known = before.attributes.iter().find(|known| known.name == attribute.name);
        if let Some(what) = known.and_then(|known| reset_reason(&known.kind, &attribute.kind)) {
            let name = &attribute.name;
            let what = if what == "it" {
                format!("attribute `{name}`")
            } else {
                format!("{what} of the attribute `{name}`")
            };
            let message = format!("{what} starts over: profiles hold nothing of it that goes on");
            let help = "give it another name to keep both; for 30 days a rollback finds what was kept before";
            let at = format_args!("attributes[{index}].kind");
            found.push(Diagnostic::new(Code::StartsOver, message).at(at).help(help));
        }
    }
    for (index, key) in after.identity.keys.iter().enumerate() {
        let Some(known) = before.identity.keys.iter().find(|known| known.name == key.name) else { continue };
        // Whose word counts is no rule about values.
        let rule = |key: &StitchKey| StitchKey { trust: Trust::Open, workflow_only: false, ..key.clone() };
        if rule(known) != rule(key) {
            let message = format!(
                "the rule of the key `{}` changes: values that profiles are known by may be refused now",
                key.name
            );
            let help = "events with such a value no longer find their profile; reading and erasing still do";
            found.push(
                Diagnostic::new(Code::ChangedKeyRule, message)
                    .at(format_args!("identity.keys[{index}]"))
                    .help(help),
            );
        }
    }
    for (index, table, unfit) in unfit_rows(before, after) {
        let message = format!("the table `{}` changes: {}", table.name, unfit.what);
        let help = "import the whole table again when this definition runs (`usher import --mode replace`)";
        let at = format_args!("lookup_tables[{index}].{}", unfit.field);
        found.push(Diagnostic::new(Code::UnfitRows, message).at(at).help(help));
    }
    found
}

/// The reasons why stored rows do not fit, each with the index of the new table.
fn unfit_rows<'d>(
    before: &'d Definition,
    after: &'d Definition,
) -> impl Iterator<Item = (usize, &'d Table, rows::Unfit)> {
    after.lookup_tables.iter().enumerate().flat_map(|(index, table)| {
        let reasons = before.lookup_table(&table.name).map(|known| rows::unfit(known, table));
        reasons.into_iter().flatten().map(move |unfit| (index, table, unfit))
    })
}

/// The changes beside the lists of parts: the audience and other single fields.
fn whole(out: &mut Vec<Change>, before: &Definition, after: &Definition) {
    let parts = [
        "key_events",
        "attributes",
        "identity",
        "personalizations",
        "journeys",
        "activations",
        "lookup_tables",
    ];
    let of = |definition: &Definition| {
        let Value::Object(fields) = definition.to_value() else { return Value::Null };
        let rest = fields.into_iter().filter(|(name, _)| !parts.contains(&name.as_str()));
        let rest = rest.flat_map(|field| match field {
            (name, Value::Object(fields)) if name == "audience" => fields,
            field => vec![field],
        });
        Value::Object(rest.collect())
    };
    facts(out, "audience", "audience", [of(before), of(after)]);
}

/// The same for the examples beside a definition.
pub(crate) fn examples(before: &[Example], after: &[Example]) -> Vec<Change> {
    let mut out = Vec::new();
    parts(&mut out, "example", before, after, |example| &example.name);
    order(&mut out, "examples", before, after, |example| &example.name);
    out
}

fn parts<T: ToValue>(out: &mut Vec<Change>, what: &str, before: &[T], after: &[T], name: fn(&T) -> &String) {
    for thing in after {
        let of_name = format!("{what}: `{}`", name(thing));
        match before.iter().find(|known| name(known) == name(thing)) {
            Some(known) => facts(out, what, &of_name, [known.to_value(), thing.to_value()]),
            None => out.push(Change { sign: '+', what: of_name }),
        }
    }
    let gone = before.iter().filter(|known| after.iter().all(|thing| name(thing) != name(known)));
    out.extend(gone.map(|known| Change { sign: '-', what: format!("{what}: `{}`", name(known)) }));
}

/// Says it when those that are in both stand in another order.
fn order<T>(out: &mut Vec<Change>, what: &str, before: &[T], after: &[T], name: fn(&T) -> &String) {
    let in_both = |these: &[T], those: &[T]| -> Vec<String> {
        let known: BTreeSet<&String> = those.iter().map(name).collect();
        these.iter().map(name).filter(|name| known.contains(name)).cloned().collect()
    };
    let (old, new) = (in_both(before, after), in_both(after, before));
    if old != new {
        let what = format!("order of {what}: {} → {}", old.join(", "), new.join(", "));
        out.push(Change { sign: '~', what });
    }
}

/// The differences between two written forms of one object. `what` is its kind, `of_name` its name.
fn facts(out: &mut Vec<Change>, what: &str, of_name: &str, forms: [Value; 2]) {
    let [before, after] = forms.map(|form| facts_of(what, &form));
    let of = |facts: &Facts, label: &str| {
        facts.iter().find(|(known, _)| known == label).map(|(_, text)| text.clone())
    };
    let mut labels: Vec<&String> = Vec::new();
    for (label, _) in before.iter().chain(&after) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    // What one kind of attribute says and another does not is no default of it.
    let same_kind = of(&before, "kind") == of(&after, "kind");
    for label in labels {
        let none = || if same_kind { unwritten(label) } else { "nothing" }.to_owned();
        let (old, new) = (of(&before, label).unwrap_or_else(none), of(&after, label).unwrap_or_else(none));
        if old != new {
            out.push(Change { sign: '~', what: format!("{of_name}, {label}: {old} → {new}") });
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_config::{Source, check};
    use usher_engine::value::FromValue;

    use super::*;

    const TEXT: &str = r#"parent_segment_id: "7"
events:
  - {name: view, database: web, table: pages}
attributes:
  - {name: views, type: counter, source_event: view, aggregation: count, window_duration: 24h, sensitivity: sensitive}
  - {name: last, type: single, source_event: view, source_field: a, aggregation: last, sensitivity: non-sensitive}
  - {name: all, type: list, source_event: view, source_field: a, aggregation: distinct_list, max_items: 9}
  - {name: since, type: imported_batch, source: parent_segment, data_type: timestamp, sensitivity: non-sensitive}
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
        assert_eq!(changes(&read(TEXT), &read(TEXT), Direction::Publish), []);
        let other = changes(&read(TEXT), &read(&TEXT.replace("\"7\"", "\"8\"")), Direction::Publish);
        assert_eq!(other[0].line(false), "  ~ audience, id: 7 → 8");
        for (old, new, words) in [
            ("table: pages", "table: sites", "~ key event: `view`, table: web.pages → web.sites"),
            (
                "table: pages",
                "table: pages, columns: [a, cookie]",
                "~ key event: `view`, columns: not listed → a, cookie",
            ),
            ("24h", "2h", "~ attribute: `views`, window: 1d → 2h"),
            ("aggregation: last", "aggregation: max", "~ attribute: `last`, aggregation: last → max"),
            ("24h", "2h", "~ attribute: `views`, the window of 2h starts over; for 30 days a rollback"),
            ("aggregation: last", "aggregation: max", "~ attribute: `last`, it starts over"),
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
            ("[s]", "[{name: s, id: 7}]", "segments: s → s (7)"),
            (
                "trigger_event: view",
                "trigger_event: view\nid: 290",
                "~ personalization: `home`, id: none → 290",
            ),
            (
                "trigger_event: view",
                "trigger_event: view\nbatch_segments_as: ids",
                "~ personalization: `home`, form of segments: names → ids",
            ),
            ("name: B", "name: C", "+ section of `home`: `C`"),
            ("service_name: home", "service_name: main", "- personalization: `home`"),
            (
                "aggregation: last,",
                "aggregation: last, backfill: {attribute_identifier: tier, timestamp_identifier: since},",
                "~ attribute: `last`, time of backfill: none → since",
            ),
            ("trigger_event: view", "choice: all", "~ personalization: `home`, choice: first → all"),
        ] {
            assert!(TEXT.contains(old), "{old}");
            let found = changes(&read(TEXT), &read(&TEXT.replacen(old, new, 1)), Direction::Publish);
            let lines: Vec<String> = found.iter().map(|change| change.line(false)).collect();
            assert!(lines.iter().any(|line| line.contains(words)), "{words} in {lines:#?}");
        }
    }

    #[test]
    fn stored_rows_that_do_not_fit_have_words() {
        let table =
            |table: &str| read(&format!("parent_segment_id: \"7\"\ntables:\n  - {{name: t, {table}}}\n"));
        let full = "key: sku, version: at, columns: [name, {name: price, type: number}]";
        let messages = |old: &str, new: &str| -> Vec<String> {
            consequences(&table(old), &table(new))
                .into_iter()
                .map(|found| format!("{} {}", found.path, found.message))
                .collect()
        };
        for (old, new, path, words) in [
            ("sku", "code", "lookup_tables[0].key", "by the values of `sku` and are looked for by `code`"),
            ("at", "revision", "lookup_tables[0].version", "greater than a row's `revision`"),
            (" version: at,", "", "lookup_tables[0].version", "the row that arrives last stays"),
            ("type: number", "type: string", "lookup_tables[0].columns[1]", "`price` was of number"),
            ("[name,", "[name, brand,", "lookup_tables[0].columns[1]", "lack the column `brand`"),
        ] {
            let found = messages(full, &full.replacen(old, new, 1));
            assert!(found.len() == 1 && found[0].starts_with(path) && found[0].contains(words), "{found:?}");
            let lines = changes(&table(full), &table(&full.replacen(old, new, 1)), Direction::Publish);
            let lines: Vec<String> = lines.iter().map(|change| change.line(false)).collect();
            assert!(lines.iter().any(|line| line.contains(words)), "{lines:?}");
        }
        let unversioned = full.replace(" version: at,", "");
        assert!(messages(&unversioned, full)[0].contains("stored rows have no version"));
        // A column that is read no more, or may be of any type, fits; so does a table that is new.
        assert_eq!(messages(full, &full.replace("name, ", "")), [""; 0]);
        assert_eq!(messages(full, &full.replace("{name: price, type: number}", "price")), [""; 0]);
        assert_eq!(consequences(&read(TEXT), &table(full)), []);
    }

    #[test]
    fn another_order_has_words() {
        let line = |start: &str| TEXT.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
        let (views, last) = (line("- {name: views"), line("- {name: last"));
        let swapped = TEXT.replacen(&format!("{views}\n{last}"), &format!("{last}\n{views}"), 1);
        let service = "---\nparent_segment_id: '7'\nservice_name: sale\nsections: [{name: S, criteria: {operator: ALWAYS}, outputs: [{attribute: last}]}]\n";
        let view = line("- {name: view,");
        let cart = "  - {name: cart, database: web, table: carts}";
        let (first, second) = (format!("{view}\n{cart}"), format!("{cart}\n{view}"));
        let of_events = |events: &str| TEXT.replacen(view, events, 1);
        let (rt_config, home) = TEXT.split_once("---\n").unwrap();
        for (before, after, words) in [
            (
                TEXT.to_owned(),
                swapped,
                "~ order of attributes: views, last, all, since, tier → last, views, all, since, tier",
            ),
            (of_events(&first), of_events(&second), "~ order of key events: view, cart → cart, view"),
            (
                format!("{rt_config}---\n{home}{service}"),
                format!("{rt_config}{service}---\n{home}"),
                "~ order of personalizations: home, sale → sale, home",
            ),
        ] {
            let lines: Vec<String> = changes(&read(&before), &read(&after), Direction::Publish)
                .iter()
                .map(|change| change.line(false))
                .collect();
            assert_eq!(lines, [format!("  {words}")]);
        }
        // What is new stands where it stands.
        let added = changes(&read(TEXT), &read(&of_events(&second)), Direction::Publish);
        assert!(added.iter().all(|change| change.sign == '+'), "{added:?}");
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
            let found = changes(&read(TEXT), &read(&TEXT.replacen(old, new, 1)), Direction::Publish);
            assert!(
                !found.is_empty() && !found.iter().any(|change| change.what.contains("starts over")),
                "{found:?}"
            );
        }
    }

    /// A definition with everything set, each name once.
    fn everything() -> Value {
        let mut text = include_str!("../../golden/everything-today.json").to_owned();
        for name in ["P", "S"] {
            for number in 0.. {
                let written = format!("\"name\":\"{name}\"");
                if !text.contains(&written) {
                    break;
                }
                text = text.replacen(&written, &format!("\"name\":\"{name}{number}\""), 1);
            }
        }
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let Value::Object(fields) = bundle else { panic!("an object") };
        fields.into_iter().find(|(name, _)| name == "definition").unwrap().1
    }

    /// The value with each of its leaves changed, and each field left out: with the path of what is different.
    fn changed(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) => {
                for (index, (name, inner)) in fields.iter().enumerate() {
                    let path = format!("{path}.{name}");
                    let mut without = fields.clone();
                    without.remove(index);
                    out.push((format!("{path} left out"), Value::Object(without)));
                    let mut changes = Vec::new();
                    changed(inner, &path, &mut changes);
                    out.extend(changes.into_iter().map(|(path, inner)| {
                        let mut fields = fields.clone();
                        fields[index].1 = inner;
                        (path, Value::Object(fields))
                    }));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let mut changes = Vec::new();
                    changed(item, &format!("{path}[{index}]"), &mut changes);
                    out.extend(changes.into_iter().map(|(path, item)| {
                        let mut items = items.clone();
                        items[index] = item;
                        (path, Value::List(items))
                    }));
                }
                out.push((format!("{path} emptied"), Value::List(Vec::new())));
            }
            Value::Boolean(value) => out.push((path.to_owned(), Value::from(!value))),
            Value::Number(_) => out.push((path.to_owned(), Value::from(77))),
            Value::String(text) => {
                let words =
                    ["first", "open", "oldest", "trim", "clear", "sum", "string", "date", "event.other = 1"];
                for word in words.into_iter().filter(|word| *word != text.as_str()) {
                    out.push((format!("{path} as {word}"), Value::string(word)));
                }
            }
            Value::Null => {}
        }
    }

    #[test]
    fn a_change_of_any_field_is_seen() {
        let written = everything();
        let before = Definition::from_value(&written).unwrap();
        assert_eq!(changes(&before, &before, Direction::Publish), []);
        let mut all = Vec::new();
        changed(&written, "", &mut all);
        let (mut seen, mut silent) = (BTreeSet::new(), Vec::new());
        for (path, other) in &all {
            // What is no definition any more is nobody's change, nor is another spelling of the same.
            let Ok(after) = Definition::from_value(other) else { continue };
            if after == before {
                continue;
            }
            seen.insert(path.split([' ', '[']).next().unwrap().to_owned());
            if changes(&before, &after, Direction::Publish).is_empty() {
                silent.push(path);
            }
        }
        assert!(silent.is_empty(), "{silent:#?}");
        assert!(seen.len() >= 5 && all.len() > 500, "{} {seen:?}", all.len());
    }
}
