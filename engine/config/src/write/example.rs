//! The file of examples.

use usher_engine::definition::{Audience, Example, ExampleCall, ExampleEvent, Expected, Sender};
use usher_engine::limits::DAY_MS;
use usher_engine::value::Value;

use super::yaml::{Map, Yaml};

pub(super) fn text(audience: &Audience, examples: &[Example]) -> String {
    Map::default()
        .text("parent_segment_id", &audience.id)
        .with("examples", Yaml::Spaced(examples.iter().map(example).collect()))
        .document()
}

fn example(example: &Example) -> Yaml {
    let browser = (example.sender == Sender::Browser).then(|| Yaml::Word("browser".to_owned()));
    let records = example.records.iter().map(|record| Yaml::Value(record.clone())).collect();
    let map = Map::default()
        .text("name", &example.name)
        // Milliseconds say it exactly, and above 10¹¹ they read as such.
        .maybe("now", example.now_ms.map(|ms| Yaml::Word(ms.to_string())))
        .maybe("sender", browser)
        .list("batch", records)
        .list("events", example.events.iter().map(event).collect());
    let map = match &example.call {
        ExampleCall::Event(told) => map.with("event", event(told)),
        ExampleCall::Lookup(None) => map,
        ExampleCall::Lookup(Some(key)) => {
            let named = (key.name.clone(), Value::string(&key.value));
            map.with("lookup", Yaml::Value(Value::Object(vec![named])))
        }
    };
    let expected = example.expect.iter().map(expected).collect::<Vec<_>>();
    Yaml::Map(
        map.maybe_text("personalization", example.personalization.as_ref())
            .maybe("inputs", object(&example.inputs))
            .with("expect", if expected.is_empty() { none() } else { Yaml::List(expected) }),
    )
}

fn event(event: &ExampleEvent) -> Yaml {
    let table = format!("{}.{}", event.table.database, event.table.table);
    let ago = (event.before_ms != 0).then(|| Yaml::Word(ago(event.before_ms)));
    let map = Map::default().text("table", &table).maybe("at", ago);
    Yaml::Map(map.with("columns", Yaml::Value(event.columns.clone())))
}

/// `-2h`, in the largest unit that says it exactly.
fn ago(before_ms: i64) -> String {
    let units = [("d", DAY_MS), ("h", DAY_MS / 24), ("m", DAY_MS / 1_440), ("s", 1_000), ("ms", 1)];
    let (unit, ms) = units.into_iter().find(|(_, ms)| before_ms % ms == 0).unwrap_or(("ms", 1));
    format!("-{}{unit}", before_ms / ms)
}

fn expected(expected: &Expected) -> Yaml {
    match object(&expected.attributes) {
        None => Yaml::Text(expected.section.clone()),
        Some(attributes) => {
            Yaml::Map(Map::default().text("section", &expected.section).with("attributes", attributes))
        }
    }
}

/// Nobody answers.
fn none() -> Yaml {
    Yaml::Value(Value::List(Vec::new()))
}

fn object(value: &Value) -> Option<Yaml> {
    (*value != Value::Null).then(|| Yaml::Value(value.clone()))
}
