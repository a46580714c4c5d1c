//! The checks that definitions are promised: each is triggered by one edit and left alone by another that is just as near.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use serde::Deserialize;
use usher_config::{Reading, Sample, Source, check_with, codes, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checks {
    file: Vec<File>,
    check: Vec<Check>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    name: String,
    /// Which file is edited.
    file: String,
    /// Stands in it once, and is replaced by
    from: String,
    /// this, of which alone is said
    trigger: String,
    /// this, as code and line:column in the file,
    finding: String,
    /// or by this, of which nothing is said.
    fine: String,
    /// Events that really arrived.
    #[serde(default)]
    sample: Vec<String>,
    /// Others, for what is fine.
    fine_sample: Option<Vec<String>>,
}

fn read(files: &[File], check: &Check, to: &str, events: &[String]) -> (Reading, String) {
    let sources: Vec<Source> = files
        .iter()
        .map(|File { name, text }| {
            let edited = if *name == check.file { text.replacen(&check.from, to, 1) } else { text.clone() };
            Source { name: name.clone(), text: edited }
        })
        .collect();
    let mut sample = Sample::default();
    events.iter().for_each(|event| sample.add(event).unwrap());
    let reading = check_with(&sources, &sample);
    let drawn = reading.findings.iter().map(|finding| render::human(finding, &sources, false)).collect();
    (reading, drawn)
}

#[test]
fn every_check_is_triggered_and_just_not() {
    let Checks { file, check } = toml::from_str(include_str!("checks.toml")).unwrap();
    let mut wrong = Vec::new();
    for one in &check {
        let text = &file.iter().find(|file| file.name == one.file).unwrap().text;
        assert_eq!(text.matches(&one.from).count(), 1, "{}", one.name);
        let (reading, drawn) = read(&file, one, &one.trigger, &one.sample);
        let said: Vec<String> = reading
            .findings
            .iter()
            .map(|finding| {
                let place = finding.place.as_ref().unwrap();
                let file = if place.file == one.file { String::new() } else { format!("{}:", place.file) };
                format!("{} {file}{}:{}", finding.diagnostic.code, place.line, place.column)
            })
            .collect();
        if said != [one.finding.as_str()] {
            wrong.push(format!("{}: expected {}\n{drawn}", one.name, one.finding));
        }
        let events = one.fine_sample.as_ref().unwrap_or(&one.sample);
        let (reading, drawn) = read(&file, one, &one.fine, events);
        if !reading.findings.is_empty() {
            wrong.push(format!("{}: nothing is wrong with the other\n{drawn}", one.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let names: BTreeSet<&str> = check.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), check.len());
    for one in &check {
        assert!(codes::find(&one.finding[..4]).is_some(), "{}", one.finding);
    }
}

#[test]
fn what_cannot_be_checked_is_said() {
    let Checks { file, .. } = toml::from_str(include_str!("checks.toml")).unwrap();
    let unchecked = |columns: &str, events: &[&str]| {
        let listed = "    columns: [td_client_id, td_path, product_id]\n";
        let text = file[0].text.replacen(listed, columns, 1);
        assert!(text != file[0].text || columns == listed);
        let mut sample = Sample::default();
        events.iter().for_each(|event| sample.add(event).unwrap());
        let reading = check_with(&[Source { name: "rt.yaml".to_owned(), text }], &sample);
        assert!(reading.findings.is_empty(), "{:?}", reading.findings);
        reading
            .unchecked
            .iter()
            .map(|table| format!("{}.{}", table.database, table.table))
            .collect::<Vec<_>>()
    };
    assert_eq!(unchecked("    columns: [td_client_id, td_path, product_id]\n", &[]), [""; 0]);
    assert_eq!(unchecked("", &[]), ["web.pageviews"]);
    assert_eq!(unchecked("    columns: []\n", &[]), ["web.pageviews"]);
    let event = r#"{"database":"web","table":"pageviews","event":{"td_client_id":"a","td_path":"/","product_id":"P"}}"#;
    assert_eq!(unchecked("", &[event]), [""; 0]);
    let other = r#"{"database":"web","table":"orders","event":{"td_client_id":"a"}}"#;
    assert_eq!(unchecked("", &[other]), ["web.pageviews"]);
}
