//! `examples:` of a definition: a visitor's events and the expected answer. Every dialect has them at its top, and a
//! file may hold nothing else.

use usher_engine::definition::{
    EventTable, Example, ExampleCall, ExampleEvent, ExampleKey, ExampleRows, Expected, Personalization,
    Sender,
};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::limits::{
    DAY_MS, EXAMPLE_NAME_MAX, EXAMPLE_STEPS_MAX, EXAMPLES_MAX, EXAMPLES_STEPS_MAX, WINDOW_MS_MAX,
};
use usher_engine::time::instant_ms;
use usher_engine::value::Value;

use super::common::says_none;
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

/// A file of examples alone.
pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = ["parent_segment_id", "parent_segment_name", "examples"];
    let Some(root) = lower.fields(node, "a file of examples", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    examples(lower, root, None);
}

/// The examples at the top of a document; in a service, they are about it unless they name another.
pub(super) fn examples(lower: &mut Lower, root: Fields<'_>, service: Option<&str>) {
    for item in lower.items(root, "examples").unwrap_or_default() {
        if lower.examples.len() > EXAMPLES_MAX {
            // Keeps one more than the bound, for the engine to report.
            return;
        }
        lower.enter(format!("examples[{}]", lower.examples.len()), item.span);
        if let Some(example) = example(lower, item, service) {
            lower.examples.push(example);
        }
    }
    lower.leave();
}

fn example(lower: &mut Lower, node: &Node, service: Option<&str>) -> Option<Example> {
    let known = [
        "name",
        "now",
        "sender",
        "batch",
        "rows",
        "events",
        "event",
        "lookup",
        "personalization",
        "inputs",
        "expect",
    ];
    let fields = lower.fields(node, "an example", &known)?;
    let name = lower.need_text(fields, "name");
    for key in ["name", "event", "lookup", "personalization", "expect"] {
        lower.mark_key(&format!(".{key}"), fields, key);
    }
    let now_ms = fields.get("now").and_then(|node| now(lower, node));
    let records = records(lower, fields);
    let rows = rows(lower, fields);
    let mut events = Vec::new();
    for (index, item) in lower.items(fields, "events").unwrap_or_default().iter().enumerate() {
        events.extend(event(lower, item, &format!(".events[{index}]")));
    }
    let call = call(lower, fields, !records.is_empty() || !events.is_empty());
    let personalization = lower.text(fields, "personalization").or_else(|| service.map(str::to_owned));
    let inputs = object(lower, fields, "inputs").unwrap_or(Value::Null);
    if let (Some(entry), Some(ExampleCall::Event(_))) =
        (fields.entry("inputs").filter(|_| inputs != Value::Null), &call)
    {
        let help = "write them as columns of the `event`".to_owned();
        lower.note_with(
            Code::WrongType,
            entry.key_span,
            "the columns of an event are its inputs",
            Some(help),
        );
    }
    let example = Example {
        name: name?,
        now_ms,
        sender: sender(lower, fields),
        records,
        rows,
        events,
        call: call?,
        personalization,
        inputs,
        expect: expect(lower, fields)?,
    };
    bounded(lower, fields, &example);
    Some(example)
}

fn now(lower: &mut Lower, node: &Node) -> Option<i64> {
    let time = node.value().as_ref().and_then(instant_ms);
    if time.is_none() {
        let help = "write it as 2026-05-04T10:15:00Z, or in Unix seconds".to_owned();
        lower.note_with(Code::WrongType, node.span, "`now` must be a time", Some(help));
    }
    time
}

fn sender(lower: &mut Lower, fields: Fields<'_>) -> Sender {
    match lower.text(fields, "sender").as_deref() {
        None | Some("server") => Sender::Server,
        Some("browser") => Sender::Browser,
        Some(other) => {
            let help = Some("a sender is `server` or `browser`".to_owned());
            let message = format!("unknown sender `{other}`");
            lower.note_with(Code::UnknownName, fields.span("sender"), message, help);
            Sender::Server
        }
    }
}

/// One record, or a list of them.
fn records(lower: &mut Lower, fields: Fields<'_>) -> Vec<Value> {
    let Some(node) = fields.get("batch") else { return Vec::new() };
    let items = match &node.content {
        Content::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| object_of(lower, item, "batch")).collect()
}

/// `{products: [{sku: p-1, price: 80}]}`: one row, or a list of them, for each table.
fn rows(lower: &mut Lower, fields: Fields<'_>) -> Vec<ExampleRows> {
    let Some(node) = fields.get("rows") else { return Vec::new() };
    let Content::Map(tables) = &node.content else {
        lower.wrong(node, "`rows`", "a mapping of tables to their rows");
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in tables {
        lower.mark(&format!(".rows[{}]", all.len()), entry.key_span);
        let items = match &entry.value.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let rows = items.iter().filter_map(|item| object_of(lower, item, &entry.key)).collect();
        all.push(ExampleRows { table: entry.key.clone(), rows });
    }
    all
}

/// The steps of an example before its call.
fn steps(example: &Example) -> usize {
    let rows = example.rows.iter().map(|of_table| of_table.rows.len());
    example.records.len() + example.events.len() + rows.sum::<usize>()
}

fn event(lower: &mut Lower, node: &Node, part: &str) -> Option<ExampleEvent> {
    lower.mark(part, node.span);
    let fields = lower.fields(node, "an event of an example", &["database", "table", "at", "columns"])?;
    lower.mark_key(&format!("{part}.table"), fields, "table");
    let table = event_table(lower, fields);
    let before_ms = before(lower, fields);
    let columns = match fields.get("columns") {
        None => Some(Value::Object(Vec::new())),
        Some(_) => object(lower, fields, "columns"),
    };
    Some(ExampleEvent { table: table?, before_ms: before_ms?, columns: columns? })
}

/// `table: web.pageviews`; a database with a dot has a key of its own, as in events.
fn event_table(lower: &mut Lower, fields: Fields<'_>) -> Option<EventTable> {
    let table = lower.need_text(fields, "table")?;
    if fields.get("database").is_some() {
        return lower.need_text(fields, "database").map(|database| EventTable { database, table });
    }
    let split = table.split_once('.').filter(|(database, table)| !database.is_empty() && !table.is_empty());
    if split.is_none() {
        let help = "write the database and the table, such as web.pageviews".to_owned();
        let message = format!("`{table}` is no `database.table`");
        lower.note_with(Code::WrongType, fields.span("table"), message, Some(help));
    }
    split.map(|(database, table)| EventTable { database: database.to_owned(), table: table.to_owned() })
}

/// `at: -2h`: the time from the event to the call.
fn before(lower: &mut Lower, fields: Fields<'_>) -> Option<i64> {
    let Some(node) = fields.get("at") else { return Some(0) };
    let text = match &node.content {
        Content::Scalar(scalar) => scalar.text.as_str(),
        _ => "",
    };
    let digits = text.strip_prefix('-').unwrap_or_default();
    // Longest suffix first.
    let units = [("ms", 1), ("d", DAY_MS), ("h", DAY_MS / 24), ("m", DAY_MS / 1_440), ("s", 1_000)];
    let found = units.iter().find_map(|(unit, ms)| Some((digits.strip_suffix(unit)?, ms)));
    let before_ms = found
        .filter(|(digits, _)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|(digits, ms)| digits.parse::<i64>().ok()?.checked_mul(*ms))
        .filter(|before_ms| *before_ms <= WINDOW_MS_MAX);
    if text == "0" {
        return Some(0);
    }
    if before_ms.is_none() {
        let help = "write how long before, such as -30s, -90m, -2h or -3d; the longest is -640d".to_owned();
        lower.note_with(Code::BadDuration, node.span, format!("Invalid at `{text}`"), Some(help));
    }
    before_ms
}

fn call(lower: &mut Lower, fields: Fields<'_>, history: bool) -> Option<ExampleCall> {
    match (fields.get("event"), fields.get("lookup")) {
        (Some(_), Some(node)) => {
            let message = "an example has an `event` that is answered or a `lookup`, not both";
            lower.note(Code::WrongType, node.span, message);
            None
        }
        (Some(node), None) => event(lower, node, ".event").map(ExampleCall::Event),
        (None, Some(node)) => key(lower, node).map(|key| ExampleCall::Lookup(Some(key))),
        (None, None) if history && !says_none(fields, "lookup") => {
            let help =
                "say who is looked up (`lookup: {td_client_id: a}`), or which last `event` is answered";
            lower.missing(fields, "lookup", Some(help.to_owned()));
            None
        }
        (None, None) => Some(ExampleCall::Lookup(None)),
    }
}

/// `{td_client_id: anon-7}`
fn key(lower: &mut Lower, node: &Node) -> Option<ExampleKey> {
    if let Content::Map(entries) = &node.content
        && let [entry] = entries.as_slice()
    {
        let value = lower.name_of(&entry.value, &entry.key)?;
        return Some(ExampleKey { name: entry.key.clone(), value });
    }
    let help = "such as `lookup: {td_client_id: anon-7}`".to_owned();
    lower.note_with(Code::WrongType, node.span, "`lookup` must be one key with its value", Some(help));
    None
}

fn expect(lower: &mut Lower, fields: Fields<'_>) -> Option<Vec<Expected>> {
    let node = lower.need(fields, "expect")?;
    let mut expected = Vec::new();
    for (index, item) in lower.items_of(node, "expect")?.iter().enumerate() {
        let part = format!(".expect[{index}]");
        lower.mark(&part, item.span);
        if let Content::Scalar(_) = item.content {
            let section = lower.name_of(item, "expect")?;
            expected.push(Expected { section, attributes: Value::Null });
            continue;
        }
        let inner = lower.fields(item, "an expected section", &["section", "attributes"])?;
        let section = lower.need_text(inner, "section");
        lower.mark_key(&format!("{part}.attributes"), inner, "attributes");
        let attributes = object(lower, inner, "attributes").unwrap_or(Value::Null);
        expected.push(Expected { section: section?, attributes });
    }
    Some(expected)
}

fn object(lower: &mut Lower, fields: Fields<'_>, key: &str) -> Option<Value> {
    fields.get(key).and_then(|node| object_of(lower, node, key))
}

fn object_of(lower: &mut Lower, node: &Node, key: &str) -> Option<Value> {
    if !matches!(node.content, Content::Map(_)) {
        lower.wrong(node, &format!("`{key}`"), "a mapping of names to values");
        return None;
    }
    lower.value_at(node, "")
}

fn bounded(lower: &mut Lower, fields: Fields<'_>, example: &Example) {
    let all = lower.examples.iter().map(steps).sum::<usize>() + steps(example);
    let complaint = if lower.examples.len() >= EXAMPLES_MAX {
        format!("a definition has at most {EXAMPLES_MAX} examples")
    } else if steps(example) > EXAMPLE_STEPS_MAX {
        format!("an example has at most {EXAMPLE_STEPS_MAX} events, records and rows before its call")
    } else if all > EXAMPLES_STEPS_MAX {
        format!(
            "the examples of a definition have at most {EXAMPLES_STEPS_MAX} events, records and rows together"
        )
    } else if example.name.len() > EXAMPLE_NAME_MAX {
        format!("an example's name has at most {EXAMPLE_NAME_MAX} bytes")
    } else {
        return;
    };
    lower.note(Code::OverBound, fields.span("name"), complaint);
}

/// Resolves the names, once all texts are read.
pub(super) fn finish(lower: &mut Lower) {
    let examples = std::mem::take(&mut lower.examples);
    let mut settled: Vec<Example> = Vec::new();
    for (index, mut example) in examples.into_iter().enumerate() {
        let path = format!("examples[{index}]");
        if settled.iter().any(|earlier| earlier.name == example.name) {
            let message = format!("the example `{}` is written twice", example.name);
            complain(lower, Code::DuplicateName, format!("{path}.name"), message, None);
        }
        // A lookup may leave out the only personalization.
        if let ([only], None, ExampleCall::Lookup(_)) =
            (lower.definition.personalizations.as_slice(), &example.personalization, &example.call)
        {
            example.personalization = Some(only.name.clone());
        }
        if !lower.incomplete {
            names(lower, &path, &example);
        }
        settled.push(example);
    }
    lower.examples = settled;
}

fn names(lower: &mut Lower, path: &str, example: &Example) {
    let definition = &lower.definition;
    let mut unknown: Vec<(String, String, Option<String>)> = Vec::new();
    let tables: Vec<String> = definition
        .tables
        .iter()
        .chain(definition.key_events.iter().map(|key_event| &key_event.table))
        .map(|table| format!("{}.{}", table.database, table.table))
        .collect();
    let known = || definition.lookup_tables.iter().map(|table| table.name.as_str());
    for (index, of_table) in example.rows.iter().enumerate() {
        if !known().any(|known| known == of_table.table) {
            let help = did_you_mean(&of_table.table, known());
            unknown.push((
                format!("{path}.rows[{index}]"),
                format!("unknown table `{}`", of_table.table),
                help,
            ));
        }
    }
    let mut table = |part: String, event: &ExampleEvent| {
        let named = format!("{}.{}", event.table.database, event.table.table);
        if !tables.contains(&named) {
            let help = did_you_mean(&named, tables.iter().map(String::as_str));
            unknown.push((part, format!("unknown event table `{named}`"), help));
        }
    };
    for (index, event) in example.events.iter().enumerate() {
        table(format!("{path}.events[{index}].table"), event);
    }
    match &example.call {
        ExampleCall::Event(event) => table(format!("{path}.event.table"), event),
        ExampleCall::Lookup(Some(key)) => {
            let identity = &definition.identity;
            let keys =
                identity.keys.iter().map(|key| key.name.as_str()).chain(identity.lookup_key.as_deref());
            if !keys.clone().any(|known| known == key.name) {
                let help = did_you_mean(&key.name, keys);
                unknown.push((format!("{path}.lookup"), format!("unknown key `{}`", key.name), help));
            }
        }
        ExampleCall::Lookup(None) => {}
    }
    let all = &definition.personalizations;
    let asked = example.personalization.as_ref();
    let is =
        |known: &Personalization, named: &String| known.name == *named || known.id.as_ref() == Some(named);
    if let Some(name) = asked.filter(|name| !all.iter().any(|known| is(known, name))) {
        let help = did_you_mean(name, all.iter().map(|known| known.name.as_str()));
        unknown.push((format!("{path}.personalization"), format!("unknown personalization `{name}`"), help));
    }
    let sections = || {
        let asked = all.iter().filter(|known| asked.is_none_or(|name| is(known, name)));
        asked.flat_map(|known| &known.sections).map(|section| section.name.as_str())
    };
    for (index, expected) in example.expect.iter().enumerate() {
        if sections().next().is_some() && !sections().any(|known| known == expected.section) {
            let help = did_you_mean(&expected.section, sections());
            let message = format!("unknown section `{}`", expected.section);
            unknown.push((format!("{path}.expect[{index}]"), message, help));
        }
    }
    let silent = asked.is_none() && matches!(example.call, ExampleCall::Lookup(_));
    for (part, message, help) in unknown {
        complain(lower, Code::UnknownName, part, message, help);
    }
    if silent {
        let help = "write `personalization:` with its name".to_owned();
        let message = "a lookup names the personalization that it asks";
        complain(lower, Code::MissingKey, path.to_owned(), message.to_owned(), Some(help));
    }
}

fn complain(lower: &mut Lower, code: Code, path: String, message: String, help: Option<String>) {
    let whole = path.split('.').next().unwrap_or_default();
    let at = lower.places.get(&path).or_else(|| lower.places.get(whole)).copied();
    let mut diagnostic = Diagnostic::new(code, message).at(&path);
    diagnostic.help = help;
    lower.push(diagnostic, at);
}
