//! The file of examples, in their order.

use usher_engine::definition::{Audience, Example, ExampleCall, ExampleEvent, ExampleRows, Expected, Sender};
use usher_engine::limits::DAY_MS;
use usher_engine::time::rfc3339_ms;
use usher_engine::value::Value;

use super::instant::rfc3339;
use super::yaml::{Map, Yaml};

pub(super) fn text(audience: &Audience, examples: &[Example]) -> String {
    Map::default()
        .text("parent_segment_id", &audience.id)
        .with("examples", Yaml::Spaced(examples.iter().map(example).collect()))
        .document()
}

fn example(example: &Example) -> Yaml {
    let sender = (example.sender == Sender::Browser).then(|| Yaml::Word("browser".to_owned()));
    let batch = match example.records.as_slice() {
        [] => None,
        [record] => Some(Yaml::Value(record.clone())),
        records => Some(Yaml::List(records.iter().map(|record| Yaml::Value(record.clone())).collect())),
    };
    let map = Map::default()
        .text("name", &example.name)
        .maybe("now", example.now_ms.map(now))
        .maybe("sender", sender)
        .maybe("batch", batch)
        .maybe("rows", rows(example))
        .list("events", example.events.iter().map(event).collect());
    let happened = !example.records.is_empty() || !example.events.is_empty();
    let map = match &example.call {
        ExampleCall::Event(last) => map.with("event", event(last)),
        ExampleCall::Lookup(Some(key)) => {
            let key = vec![(key.name.clone(), Value::string(&key.value))];
            map.with("lookup", Yaml::Value(Value::Object(key)))
        }
        // A lookup of an unknown visitor, the default only without events and records.
        ExampleCall::Lookup(None) if happened => map.word("lookup", "null"),
        ExampleCall::Lookup(None) => map,
    };
    let inputs = (example.inputs != Value::Null).then(|| Yaml::Value(example.inputs.clone()));
    Yaml::Map(
        map.maybe_text("personalization", example.personalization.as_ref())
            .maybe("inputs", inputs)
            .with("expect", Yaml::List(example.expect.iter().map(expected).collect())),
    )
}

fn rows(example: &Example) -> Option<Yaml> {
    let of_table = |of: &ExampleRows| (of.table.clone(), Value::List(of.rows.clone()));
    let tables: Vec<_> = example.rows.iter().map(of_table).collect();
    (!tables.is_empty()).then_some(Yaml::Value(Value::Object(tables)))
}

fn event(event: &ExampleEvent) -> Yaml {
    let table = &event.table;
    // `table` is split at its first dot, so a database with a dot has a key of its own.
    let map = if table.database.contains('.') || table.database.is_empty() || table.table.is_empty() {
        Map::default().text("database", &table.database).text("table", &table.table)
    } else {
        Map::default().text("table", &format!("{}.{}", table.database, table.table))
    };
    let before = (event.before_ms != 0).then(|| ago(event.before_ms));
    let columns = (event.columns != Value::Object(Vec::new())).then(|| Yaml::Value(event.columns.clone()));
    Yaml::Map(map.maybe("at", before).maybe("columns", columns))
}

fn expected(expected: &Expected) -> Yaml {
    if expected.attributes == Value::Null {
        return Yaml::Text(expected.section.clone());
    }
    let attributes = Yaml::Value(expected.attributes.clone());
    Yaml::Map(Map::default().text("section", &expected.section).with("attributes", attributes))
}

/// A time as RFC 3339, or in milliseconds outside of the years 0 to 9999.
fn now(ms: i64) -> Yaml {
    let text = rfc3339(ms);
    if rfc3339_ms(&text) == Some(ms) { Yaml::Text(text) } else { Yaml::Word(ms.to_string()) }
}

/// The time from an event to the call, negative, in the largest unit that divides it.
fn ago(before_ms: i64) -> Yaml {
    let units = [(DAY_MS, "d"), (DAY_MS / 24, "h"), (DAY_MS / 1_440, "m"), (1_000, "s")];
    let found = units.into_iter().find(|(unit_ms, _)| before_ms % unit_ms == 0);
    let (unit_ms, unit) = found.unwrap_or((1, "ms"));
    Yaml::Word(format!("-{}{unit}", before_ms / unit_ms))
}
