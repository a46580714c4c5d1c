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
