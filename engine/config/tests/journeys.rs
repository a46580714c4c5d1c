//! Journeys come back from files as they were, and the page about them is true.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use serde::Deserialize;
use usher_config::{Source, check, read, write};
use usher_engine::definition::{Definition, StepKind};
use usher_engine::value::{FromValue, ToValue};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Written and read again, as files and as data.
fn there_and_back(definition: &Definition) {
    let files = write(definition);
    let back = read(&files);
    assert!(!back.has_errors(), "{:?}\n{}", back.findings, files.last().unwrap().text);
    assert_eq!(back.definition.journeys, definition.journeys, "{}", files.last().unwrap().text);
    assert_eq!(back.definition.activations, definition.activations, "{}", files.last().unwrap().text);
    assert_eq!(Definition::from_value(&definition.to_value()), Ok(definition.clone()));
}

#[test]
fn the_page_is_valid_and_has_every_kind_of_step() {
    let page = fs::read_to_string(root().join("docs/journeys.md")).unwrap();
    let text = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let reading = check(&[Source { name: "journeys.yaml".to_owned(), text: text.to_owned() }]);
    assert!(reading.findings.is_empty(), "{:?}", reading.findings);
    let journeys = &reading.definition.journeys;
    let steps = || journeys.iter().flat_map(|journey| &journey.stages).flat_map(|stage| &stage.steps);
    for is_of in [
        |kind: &StepKind| matches!(kind, StepKind::Wait { .. }),
        |kind: &StepKind| matches!(kind, StepKind::Activation { .. }),
        |kind: &StepKind| matches!(kind, StepKind::Decision { .. }),
        |kind: &StepKind| matches!(kind, StepKind::Variant { .. }),
        |kind: &StepKind| matches!(kind, StepKind::Jump { .. }),
        |kind: &StepKind| matches!(kind, StepKind::End),
    ] {
        assert!(steps().any(|step| is_of(&step.kind)));
    }
    there_and_back(&reading.definition);
}

#[derive(Deserialize)]
struct Family {
    file: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    text: String,
}

/// Bodies of the API, too, return as YAML that means the same.
#[test]
fn journeys_of_both_dialects_come_back() {
    let family: Family = toml::from_str(include_str!("broken/journeys.toml")).unwrap();
    let sources: Vec<Source> =
        family.file.into_iter().map(|file| Source { name: file.name, text: file.text }).collect();
    let definition = read(&sources).definition;
    assert_eq!((definition.journeys.len(), definition.activations.len()), (3, 2));
    there_and_back(&definition);
}

/// Whatever a step leads to, and wherever a stage begins.
#[test]
fn every_next_comes_back() {
    let text = "parent_segment_id: '7'\njourneys:\n  - name: a\n    stages:\n      - name: s\n        entry: {criteria: ''}\n        root: two\n        steps:\n          - {id: one, merge: true, next: null}\n          - {id: two, wait: 1h, next: one}\n          - {id: three, merge: true}\n";
    let source = Source { name: "a.yaml".to_owned(), text: text.to_owned() };
    let reading = read(&[source]);
    assert!(!reading.has_errors(), "{:?}", reading.findings);
    let stage = &reading.definition.journeys[0].stages[0];
    assert_eq!(stage.root.as_deref(), Some("two"));
    let nexts: Vec<_> = stage.steps.iter().map(|step| step.successors()).collect();
    assert_eq!(nexts, [vec![], vec![(None, "one")], vec![]]);
    there_and_back(&reading.definition);
}

/// Method, headers and body.
type Sent = (String, Vec<(String, String)>, String);

/// The request of one activation, or the findings about it.
fn activation(source: Source) -> Result<Sent, Vec<String>> {
    let with_keys = Source {
        name: "setting.yaml".to_owned(),
        text: "parent_segment_id: '7'\nid_stitching:\n  primary_key: customer_id\n  stitching_keys: [{name: customer_id}]\n"
            .to_owned(),
    };
    let reading = read(&[with_keys, source]);
    if reading.has_errors() {
        return Err(reading.findings.iter().map(|found| found.diagnostic.message.clone()).collect());
    }
    let activation = reading.definition.activations[0].clone();
    let headers = activation.headers.into_iter().map(|header| (header.name, header.value)).collect();
    there_and_back(&reading.definition);
    Ok((activation.method, headers, activation.body.unwrap()))
}

fn in_yaml(connector: &str, rest: &str) -> Result<Sent, Vec<String>> {
    let text = format!(
        "parent_segment_id: '7'\njourneys: []\nactivations:\n  - {{name: a, connection: c, connector: {connector}, {rest}}}\n"
    );
    activation(Source { name: "journeys.yaml".to_owned(), text })
}

fn in_api(connector: &str, values: &str) -> Result<Sent, Vec<String>> {
    let export = serde_json::json!({ "exportJson": values });
    let text = serde_json::json!({ "attributes": {
        "name": "a", "connectionId": "c", "connectorType": connector, "connector": export
    }});
    activation(Source { name: "activation.json".to_owned(), text: text.to_string() })
}

const TEMPLATES: [(&str, &str, &str); 3] = [
    (
        "sendgrid_out",
        r#"{"to": "{{customer_id}}", "from": "a@b.example", "template_id": "d-1", "data": {"n": "{{customer_id}}", "t": "hello {{customer_id}}", "list": [1, true, null]}}"#,
        r#"{"personalizations": [{"to": [{"email": {{customer_id}}}], "dynamic_template_data": {"n": {{customer_id}}, "t": "hello {{customer_id}}", "list": [1, true, null]}}], "from": {"email": "a@b.example"}, "template_id": "d-1"}"#,
    ),
    (
        "braze_out",
        r#"{"external_id": "{{customer_id}}", "event": "left a \"cart\""}"#,
        r#"{"events": [{"external_id": {{customer_id}}, "name": "left a \"cart\"", "time": "{{step_time}}", "properties": {}}]}"#,
    ),
    (
        "salesforce_mc_out",
        r#"{"contact_key": "{{customer_id}}", "event_definition_key": "APIEvent-1", "data": {"Zahl": 7}}"#,
        r#"{"ContactKey": {{customer_id}}, "EventDefinitionKey": "APIEvent-1", "Data": {"Zahl": 7}}"#,
    ),
];

#[test]
fn connectors_of_vendors_are_templates_in_both_dialects() {
    for (connector, values, body) in TEMPLATES {
        let headers = match connector {
            "salesforce_mc_out" => {
                vec![("content-type".to_owned(), "application/json; charset=UTF-8".to_owned())]
            }
            _ => Vec::new(),
        };
        let expected = Ok(("POST".to_owned(), headers, body.to_owned()));
        assert_eq!(in_yaml(connector, &format!("with: {values}")), expected, "{connector}");
        assert_eq!(in_api(connector, values), expected, "{connector}");
        // The same connector with a request of one's own.
        let own = Ok(("PUT".to_owned(), Vec::new(), "{}".to_owned()));
        assert_eq!(in_yaml(connector, "method: put, body: '{}'"), own);
        assert_eq!(in_api(connector, r#"{"method": "put", "body": "{}"}"#), own);
    }
}

#[test]
fn values_that_a_template_cannot_have_are_named() {
    let refused = |found: Result<_, Vec<String>>, expected: &str| {
        let Err(findings) = found else { panic!("{expected}: it is read") };
        assert!(findings.iter().any(|message| message == expected), "{expected}: {findings:?}");
    };
    for (connector, rest, expected) in [
        (
            "td_webhook_out",
            "with: {to: a}",
            "`with` has the values of a template, and `td_webhook_out` has none",
        ),
        (
            "sendgrid_out",
            "with: {to: a, from: b, template_id: c}, body: x",
            "`body` is that of the template of `sendgrid_out`",
        ),
        ("sendgrid_out", "with: {to: a, from: b}", "missing `template_id` in `with`"),
        ("sendgrid_out", "with: {to: a, from: b, template: c}", "unknown key `template` in `with`"),
        ("sendgrid_out", "with: [a]", "`with` must be a mapping, found a list"),
        ("sendgrid_out", "with: {to: 7, from: b, template_id: c}", "`to` must be a text, found `7`"),
        ("braze_out", "with: {external_id: a}", "missing `event` in `with`"),
        (
            "braze_out",
            "with: {external_id: a, event: b, properties: 7}",
            "`properties` must be a mapping of names to values, found `7`",
        ),
        (
            "salesforce_mc_out",
            "with: {contact_key: a, event_definition_key: b.c}",
            "Marketing Cloud takes no `event_definition_key` with a period",
        ),
    ] {
        refused(in_yaml(connector, rest), expected);
    }
    refused(
        in_api("sendgrid_out", "{\"to\": \"a\", \"from\": \"b\"}"),
        "missing `template_id` in exportJson",
    );
}
