//! Definitions that are fine, and the slips that people make in them: each is found where it is, by its code, alone.
//!
//! A file of `tests/broken/` holds definitions of which nothing is said, and cases: edits, and everything that is said of
//! the definition then, as `code file:line:column`, what the edit is about first. Beside `x.toml` stands `x.expected`: what
//! is said in full, help behind ` | `, so that no help goes wrong unseen; BLESS=1 writes what is said now.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use usher_config::{Source, check, render};

/// The minimum number of cases.
const CASES_MIN: usize = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    about: String,
    file: Vec<File>,
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    findings: Vec<String>,
    edit: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    /// Stands in the file once.
    from: String,
    to: String,
    /// The number of times that `to` is written.
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

fn families() -> Vec<(String, Family)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut families: Vec<(String, Family)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let family = toml::from_str(&fs::read_to_string(&path).unwrap());
            assert!(family.is_ok(), "{}: {}", path.display(), family.err().unwrap());
            (name, family.unwrap())
        })
        .collect();
    families.sort_by(|a, b| a.0.cmp(&b.0));
    families
}

/// The findings about files: in brief, in full, and rendered.
fn said(files: &[File]) -> (Vec<String>, String, String) {
    let sources: Vec<Source> =
        files.iter().map(|file| Source { name: file.name.clone(), text: file.text.clone() }).collect();
    let findings = check(&sources).findings;
    let brief = findings.iter().map(|finding| {
        let place = finding.place.as_ref();
        let place = place.map(|place| format!(" {}:{}:{}", place.file, place.line, place.column));
        format!("{}{}", finding.diagnostic.code, place.unwrap_or_default())
    });
    let full = findings.iter().map(|finding| {
        let help = finding.diagnostic.help.as_ref().map_or_else(String::new, |help| format!(" | {help}"));
        format!("{}{help}\n", render::plain(finding))
    });
    let drawn = findings.iter().map(|finding| render::human(finding, &sources, false)).collect();
    (brief.collect(), full.collect(), drawn)
}

#[test]
fn what_is_fine_is_left_alone() {
    for (name, family) in families() {
        assert!(!family.about.is_empty());
        let (brief, _, drawn) = said(&family.file);
        assert!(brief.is_empty(), "{name}:\n{drawn}");
    }
}

#[test]
fn every_slip_is_found_where_it_is() {
    let (mut count, mut wrong) = (0, Vec::new());
    let show = std::env::var_os("SHOW").is_some();
    for (name, family) in families() {
        let (mut known, mut all) = (BTreeSet::new(), String::new());
        for case in &family.case {
            count += 1;
            assert!(known.insert(case.name.as_str()), "{name}: two cases are called `{}`", case.name);
            let mut files = family.file.clone();
            for Edit { file, from, to, times } in &case.edit {
                let text = &mut files.iter_mut().find(|known| known.name == *file).unwrap().text;
                assert_eq!(text.matches(from).count(), 1, "{name}, {}: `{from}`", case.name);
                *text = text.replacen(from, &to.repeat(*times), 1);
            }
            let (mut brief, full, drawn) = said(&files);
            all.push_str(&format!("=== {}\n{full}", case.name));
            // Findings are in the order of the text; the case tells first what its edit is about.
            let mut expected = case.findings.clone();
            assert!(!expected.is_empty(), "{name}, {}", case.name);
            expected.sort();
            brief.sort();
            if show {
                println!("=== {name}, {}\n{drawn}", case.name);
            }
            if brief != expected {
                wrong.push(format!("=== {name}, {}: expected {expected:?}\n{drawn}", case.name));
            }
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/broken/{name}.expected"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &all).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        for (before, now) in before.split("=== ").zip(all.split("=== ")).filter(|(before, now)| before != now)
        {
            wrong.push(format!("=== {name} (BLESS=1 rewrites)\n--- before: {before}--- now: {now}"));
        }
        if before.len() != all.len() {
            wrong.push(format!("=== {name}: {} is stale (BLESS=1 rewrites)", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES_MIN, "{count} cases");
}
