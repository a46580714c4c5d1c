//! Whatever definition there is, its files read back as the same definition, without a finding: 10,000 of them, with every
//! field and kind, and with names that trip those who read YAML; and every definition of this project. `USHER_CASES=10`
//! tries ten times as many.

use std::path::{Path, PathBuf};

use usher_config::{Source, check, definition_files, read, render, write_with_examples};
use usher_engine::definition::{Definition, Example};
use usher_tests::definitions::{definition, examples};
use usher_tests::deployment::root;
use usher_tests::random::{Random, cases};

const DEFINITIONS: usize = 10_000;

#[test]
fn written_definitions_read_back() {
    for seed in 0..cases(DEFINITIONS) as u64 {
        let random = &mut Random::new(seed);
        let definition = definition(random);
        let examples = examples(random, &definition);
        there_and_back(&definition, &examples, &format!("definition {seed}"));
    }
}

#[test]
fn definitions_of_this_project_read_back() {
    let mut count = 0;
    for folder in ["examples", "edge-worker/native/src/command/init", "engine/config/tests/cases"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            let inner =
                std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
            folders.extend(inner.filter(|path| path.is_dir()));
            let sources = definition_files(&folder).expect("a folder").sources;
            // Cases stand alone; a folder of anything else is one definition.
            let alone = folder.ends_with("cases");
            let groups: Vec<&[Source]> =
                if alone { sources.chunks(1).collect() } else { vec![sources.as_slice()] };
            for group in groups.into_iter().filter(|group| !group.is_empty()) {
                count += usize::from(read_and_back(group, &folder));
            }
        }
    }
    assert!(count >= 6, "only {count} definitions without errors");
}

#[test]
fn what_the_documentation_shows_reads_back() {
    let text = std::fs::read_to_string(root().join("docs/definitions.md")).expect("text");
    let blocks =
        text.split("\n```").skip(1).step_by(2).map(|block| block.strip_prefix("yaml\n").expect("YAML"));
    let source = |text: &str| Source { name: "block.yaml".to_owned(), text: format!("{text}\n") };
    let sources: Vec<Source> = blocks.map(source).collect();
    let reading = check(&sources);
    let said: Vec<String> = reading.findings.iter().map(render::plain).collect();
    assert!(!reading.has_errors(), "{said:#?}");
    there_and_back(&reading.definition, &reading.examples, "docs/definitions.md");
}

#[test]
fn definitions_of_vectors_read_back() {
    let mut count = 0;
    for path in vectors(&root().join("tests/vectors")) {
        let text = std::fs::read_to_string(&path).expect("text");
        let vector: toml::Table = text.parse().expect("a vector");
        let steps = vector.get("step").and_then(toml::Value::as_array).into_iter().flatten();
        let all = steps.filter_map(|step| step.get("definition")).chain(vector.get("definition"));
        for texts in all.filter_map(toml::Value::as_array) {
            let name =
                |text: &str| if text.trim_start().starts_with(['{', '[']) { "a.json" } else { "a.yaml" };
            let texts = texts.iter().filter_map(toml::Value::as_str);
            let sources: Vec<Source> =
                texts.map(|text| Source { name: name(text).to_owned(), text: text.to_owned() }).collect();
            count += usize::from(read_and_back(&sources, &path));
        }
    }
    assert!(count >= 20, "only {count} definitions without errors");
}

fn vectors(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut found: Vec<PathBuf> =
        files.into_iter().filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
    found.extend(folders.iter().flat_map(|folder| vectors(folder)));
    found
}

/// True if the definition has no errors and was compared.
fn read_and_back(sources: &[Source], place: &Path) -> bool {
    let reading = read(sources);
    // Some are wrong on purpose, and a folder of pipelines has no definition.
    let fine = !reading.has_errors() && reading.definition != Definition::default();
    if fine {
        there_and_back(&reading.definition, &reading.examples, &place.display().to_string());
    }
    fine
}

fn there_and_back(definition: &Definition, examples: &[Example], what: &str) {
    let written = write_with_examples(definition, examples);
    // A directory is read in the order of its names.
    let mut sorted = written.clone();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let reading = read(&sorted);
    // A query that passes all columns is warned of wherever it stands.
    let others = reading.findings.iter().filter(|finding| finding.diagnostic.code.as_str() != "W022");
    let said: Vec<String> = others.map(render::plain).collect();
    assert!(said.is_empty(), "{what}:\n{}\n{}", said.join("\n"), show(&written));
    assert_eq!(reading.definition, *definition, "{what}:\n{}", show(&written));
    assert_eq!(reading.examples, examples, "{what}:\n{}", show(&written));
    // Equal numbers may differ in kind: the text tells them apart.
    assert_eq!(show(&write_with_examples(&reading.definition, &reading.examples)), show(&written), "{what}");
}

fn show(sources: &[Source]) -> String {
    sources.iter().map(|source| format!("# {}\n{}", source.name, source.text)).collect()
}
