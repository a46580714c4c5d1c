//! Every code has a page whose examples do what it says of them, and the published page is made of these.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use usher_config::{Finding, Sample, Source, check_with, codes, read_pipelines};
use usher_engine::diagnostic::Code;

/// The blocks of a page: the definition that breaks the rule, and the one that does not; and the sample of events that
/// both are held to, if there is one.
fn blocks(text: &str) -> (Vec<Source>, Sample) {
    let (mut found, mut sample) = (Vec::new(), Sample::default());
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "ndjson" {
            text.lines().for_each(|line| sample.add(line).unwrap());
            continue;
        }
        found.push(Source { name: format!("example.{language}"), text: format!("{text}\n") });
    }
    (found, sample)
}

/// What is found in an example: a definition, or a pipeline.
fn findings(source: Source, sample: &Sample) -> Vec<Finding> {
    let is_pipeline = source.text.lines().any(|line| line.starts_with("query: "));
    let sources = [source];
    if is_pipeline { read_pipelines(&sources).findings } else { check_with(&sources, sample).findings }
}

#[test]
fn every_code_has_a_page_that_is_true() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let page = codes::page(*code).unwrap_or_else(|| panic!("{code} has no page in src/codes/"));
        let (blocks, sample) = blocks(page.text);
        let [broken, mended] = blocks.try_into().unwrap();
        let found = findings(broken, &sample);
        // Who plays examples is the command line: a test of its own holds this page to it.
        // So does what is found only against what ran before.
        let played =
            matches!(code, Code::FailedExample | Code::StartsOver | Code::ChangedKeyRule | Code::UnfitRows);
        if !played && !found.iter().any(|finding| finding.diagnostic.code == *code) {
            wrong.push(format!("{code}: the first example raises {found:?}"));
        }
        // A page is about one code: what else its first example raises would only confuse.
        let others: Vec<_> = found.iter().filter(|finding| finding.diagnostic.code != *code).collect();
        if !others.is_empty() {
            wrong.push(format!("{code}: the first example also raises {others:?}"));
        }
        let rest = findings(mended, &sample);
        if rest.iter().any(|finding| finding.diagnostic.code == *code) {
            wrong.push(format!("{code}: the second example raises {rest:?}"));
        }
        assert!(!page.title.ends_with('.') && page.title.len() < 80, "{code}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn codes_are_found_by_name() {
    assert_eq!(codes::find("e012"), Some(Code::PrimaryKeyNotStitched));
    assert_eq!(codes::find("E999"), None);
    assert_eq!(codes::pages().count(), Code::ALL.len());
}

#[test]
fn the_published_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, codes::reference()).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == codes::reference(), "docs/diagnostics.md is stale (BLESS=1 rewrites)");
}
