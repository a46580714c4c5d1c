//! The YAML and JSON blocks of the documents that teach RT 2.0, one by one: accepted, or refused with the finding that it
//! deserves. `docs/dialects.md` is written from them by `BLESS=1 cargo test -p usher-config --test seeds`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use usher_config::{Finding, Source, check};
use usher_engine::diagnostic::Severity;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    page: Vec<Page>,
    block: Vec<Block>,
}

/// A document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    name: String,
    about: String,
    /// The number of its blocks that are YAML or JSON, counted in the document itself.
    blocks: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    page: String,
    heading: String,
    file: String,
    what: String,
    /// Files beside it: what the block speaks of and another part of its document says.
    #[serde(default)]
    with: Vec<String>,
    why: String,
    /// `E004 1:1`
    findings: Vec<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds")
}

fn index() -> Index {
    toml::from_str(&fs::read_to_string(directory().join("index.toml")).unwrap()).unwrap()
}

/// The findings about a block and the files beside it.
fn findings(block: &Block) -> (Vec<Finding>, Vec<Finding>) {
    let files = block.with.iter().chain([&block.file]);
    let sources: Vec<Source> = files
        .map(|name| Source { name: name.clone(), text: fs::read_to_string(directory().join(name)).unwrap() })
        .collect();
    let is_own = |finding: &Finding| finding.place.as_ref().is_none_or(|place| place.file == block.file);
    check(&sources).findings.into_iter().partition(is_own)
}

fn line(finding: &Finding) -> String {
    let place =
        finding.place.as_ref().map_or(String::new(), |place| format!(" {}:{}", place.line, place.column));
    format!("{}{place}", finding.diagnostic.code)
}

#[test]
fn every_block_is_told_what_it_deserves() {
    let mut wrong = Vec::new();
    for block in index().block {
        let (own, others) = findings(&block);
        let own: Vec<String> = own.iter().map(line).collect();
        if own != block.findings {
            wrong.push(format!("{}: {own:?}", block.file));
        }
        if !others.is_empty() {
            wrong.push(format!("{}: beside it {others:?}", block.file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_block_is_there() {
    let index = index();
    for Page { name, blocks, .. } in &index.page {
        assert_eq!(index.block.iter().filter(|block| block.page == *name).count(), *blocks, "{name}");
    }
    assert!(index.block.iter().all(|block| index.page.iter().any(|page| page.name == block.page)));
    // A file that no entry names is a block that nobody reads.
    let named = index.block.iter().flat_map(|block| block.with.iter().chain([&block.file]));
    let named: BTreeSet<&str> = named.map(String::as_str).chain(["index.toml"]).collect();
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(named.contains(name.as_str()), "{name} stands in no entry of index.toml");
    }
}

#[test]
fn the_published_table_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dialects.md");
    let table = table(&index());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == table, "docs/dialects.md is stale (BLESS=1 rewrites)");
}

fn table(index: &Index) -> String {
    let mut out = String::from(
        "# What Usher reads of RT 2.0's documents\n\n\
         Written from `engine/config/tests/seeds/` by `BLESS=1 cargo test -p usher-config --test seeds`; do not edit it here.\n\n\
         Every YAML and JSON block of the documents that teach RT 2.0, and every JSON body in their shell blocks, with its\n\
         placeholders filled: accepted, accepted with remarks, or refused, and why. A block that speaks of what another part of\n\
         its document declares is read together with that. Codes are explained in [diagnostics.md](diagnostics.md).\n",
    );
    for Page { name, about, blocks } in &index.page {
        out.push_str(&format!(
            "\n## {about} (`{name}`, {blocks} blocks)\n\n| block | what it is | result | why |\n|---|---|---|---|\n"
        ));
        for block in index.block.iter().filter(|block| block.page == *name) {
            let (own, _) = findings(block);
            let refused = own.iter().any(|finding| finding.diagnostic.severity() == Severity::Error);
            let skipped = own.iter().any(|finding| finding.diagnostic.message.ends_with("skipped"));
            let result = match (refused, skipped, own.is_empty()) {
                (true, ..) => "refused",
                (_, true, _) => "skipped",
                (_, _, true) => "accepted",
                _ => "accepted, with remarks",
            };
            let mut said = Vec::new();
            for finding in &own {
                let code = finding.diagnostic.code;
                let text = format!(
                    "[{code}](diagnostics.md#{}) {}",
                    code.as_str().to_lowercase(),
                    finding.diagnostic.message
                );
                said.push(text);
            }
            if !block.why.is_empty() {
                said.push(block.why.clone());
            }
            let said = said.join("; ").replace('|', "\\|");
            out.push_str(&format!("| {} | {} | {result} | {said} |\n", block.heading, block.what));
        }
    }
    out
}
