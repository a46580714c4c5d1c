//! Examples of a definition: written back, they read as the same; at their bounds, and one past them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use usher_config::{Reading, Source, check, render, write_with_examples};
use usher_engine::definition::{
    Definition, EventTable, Example, ExampleCall, ExampleEvent, ExampleKey, ExampleRows, Expected, Sender,
};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{EXAMPLE_STEPS_MAX, EXAMPLES_MAX, EXAMPLES_STEPS_MAX};
use usher_engine::value::Value;

const DEFINITION: &str = r#"parent_segment_id: "7"
events:
  - {name: view, database: web, table: pages, filter: {field: td_path, pattern: "^/"}}
tables:
  - {name: products, key: sku, columns: [name]}
id_stitching:
  primary_key: td_client_id
  stitching_keys: [{name: td_client_id}]
---
parent_segment_id: "7"
personalization_service:
  name: examples
  trigger_event: view
  sections:
    - {name: "A b: c", criteria: "", attributes: [{name: n, value: 1}]}
    - {name: "null", criteria: "", attributes: [{name: n, value: 1}]}
"#;

fn read(text: &str) -> Reading {
    check(&[Source { name: "x.yaml".to_owned(), text: text.to_owned() }])
}

fn definition() -> Definition {
    read(DEFINITION).definition
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\\n]{0,12}".prop_map(|text| Value::string(&text)),
        Just(Value::string("null")),
        Just(Value::string("2026-01-01")),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List), object_of(inner),]
    })
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z_.:# ]{1,8}", inner, 0..4)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

fn object() -> impl Strategy<Value = Value> {
    object_of(value())
}

fn event() -> impl Strategy<Value = ExampleEvent> {
    let before_ms = prop_oneof![Just(0), 1_i64..100_000, (1_i64..700).prop_map(|hours| hours * 3_600_000)];
    let table = EventTable { database: "web".to_owned(), table: "pages".to_owned() };
    (before_ms, object()).prop_map(move |(before_ms, columns)| ExampleEvent {
        table: table.clone(),
        before_ms,
        columns,
    })
}

fn example() -> impl Strategy<Value = Example> {
    let call = prop_oneof![
        event().prop_map(ExampleCall::Event),
        "[ -~]{1,9}".prop_map(|value| {
            ExampleCall::Lookup(Some(ExampleKey { name: "td_client_id".to_owned(), value }))
        }),
    ];
    let section = prop_oneof![Just("A b: c"), Just("null")];
    let attributes = prop_oneof![Just(Value::Null), object()];
    let expected = (section, attributes)
        .prop_map(|(section, attributes)| Expected { section: section.to_owned(), attributes });
    let now_ms = prop_oneof![Just(None), (200_000_000_000_i64..4_000_000_000_000).prop_map(Some)];
    let parts = (
        now_ms,
        any::<bool>(),
        (prop::collection::vec(object(), 0..3), prop::collection::vec(object(), 0..3)),
        prop::collection::vec(event(), 0..4),
        call,
        prop_oneof![Just(Value::Null), object()],
        prop::collection::vec(expected, 0..3),
    );
    parts.prop_map(|(now_ms, browser, (records, rows), events, call, inputs, expect)| Example {
        name: String::new(),
        now_ms,
        sender: if browser { Sender::Browser } else { Sender::Server },
        records,
        rows: if rows.is_empty() {
            Vec::new()
        } else {
            vec![ExampleRows { table: "products".to_owned(), rows }]
        },
        events,
        inputs: if matches!(call, ExampleCall::Lookup(_)) { inputs } else { Value::Null },
        call,
        personalization: Some("examples".to_owned()),
        expect,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(examples in prop::collection::vec(example(), 1..4)) {
        let definition = definition();
        let mut examples = examples;
        for (index, example) in examples.iter_mut().enumerate() {
            example.name = format!("- {index}: \"é");
        }
        let files = write_with_examples(&definition, &examples);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        prop_assert_eq!(names, ["rt_config.yaml", "examples_.yaml", "examples.yaml"]);
        let back = check(&files);
        prop_assert!(!back.has_errors(), "{:?}\n{}", back.findings, files[2].text);
        prop_assert_eq!(back.definition, definition);
        prop_assert_eq!(back.examples, examples);
    }
}

#[test]
fn bounds_hold_at_and_one_past() {
    let events = |count: usize| {
        let event = "{table: web.pages, at: -1h, columns: {td_client_id: a}}";
        format!("[{}]", vec![event; count].join(", "))
    };
    let examples = |counts: &[usize]| {
        let mut text = format!("{DEFINITION}examples:\n");
        for (index, count) in counts.iter().enumerate() {
            let events = events(*count);
            text.push_str(&format!(
                "  - {{name: e{index}, events: {events}, lookup: {{td_client_id: a}}, expect: ['A b: c']}}\n"
            ));
        }
        text
    };
    let full = vec![EXAMPLE_STEPS_MAX; EXAMPLES_STEPS_MAX / EXAMPLE_STEPS_MAX];
    for (counts, wrong) in [
        (vec![0; EXAMPLES_MAX], false),
        (vec![0; EXAMPLES_MAX + 1], true),
        (vec![EXAMPLE_STEPS_MAX], false),
        (vec![EXAMPLE_STEPS_MAX + 1], true),
        (full.clone(), false),
        ([full, vec![1]].concat(), true),
    ] {
        let reading = read(&examples(&counts));
        let over: Vec<_> =
            reading.findings.iter().filter(|found| found.diagnostic.code == Code::OverBound).collect();
        assert_eq!(over.len(), usize::from(wrong), "{:?}", reading.findings);
        assert_eq!(reading.has_errors(), wrong);
    }
}

#[test]
fn every_dialect_has_them_and_json_too() {
    let tree = DEFINITION.split("---").next().unwrap();
    let service = r#"---
parent_segment_id: "7"
service_name: home
sections: [{name: S, criteria: {operator: ALWAYS}, outputs: [{name: n, value: 1}]}]
examples: [{name: of the tree, expect: [S]}]
"#;
    let entity = r#"{"attributes": {"audienceId": "7", "name": "p", "sections": [{"name": "s",
      "entryCriteria": {"name": "c", "keyEventCriteria": null, "profileCriteria": null},
      "payload": {"0123456789abcdef0123456789abcdef": {"type": "ResponseNode", "name": "n", "definition": {
        "stringBuilder": [{"outputName": "x", "values": [{"type": "String", "value": "1"}]}]}}}}]},
      "examples": [{"name": "of the entity", "expect": ["s"]}]}"#;
    let alone = r#"{"parent_segment_id": "7", "examples": [{"name": "alone", "personalization": "home", "expect": ["S"]}]}"#;
    let file = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let reading = check(&[
        file(
            "a.yaml",
            &format!("{tree}examples: [{{name: of the config, personalization: p, expect: [s]}}]\n{service}"),
        ),
        file("b.json", entity),
        file("c.json", alone),
    ]);
    let plain: Vec<String> = reading.findings.iter().map(render::plain).collect();
    assert!(!reading.has_errors(), "{plain:#?}");
    let actual: Vec<_> = reading
        .examples
        .iter()
        .map(|example| (example.name.as_str(), example.personalization.as_deref().unwrap()))
        .collect();
    let expected =
        [("of the config", "p"), ("of the tree", "home"), ("of the entity", "p"), ("alone", "home")];
    assert_eq!(actual, expected);
}
