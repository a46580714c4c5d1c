//! Vectors: how they are written, and which there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::deployment;
use crate::keys::KeyTable;
use crate::tokens::Token;
use crate::visits::Visits;
use crate::ways::Ways;

/// A scenario: what is there, and what happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Its subject, in a sentence.
    pub about: String,
    /// A folder of definitions to publish first, from the project's root.
    #[serde(default)]
    pub publish: Option<PathBuf>,
    /// Definitions to publish first, as texts; instead of `publish`.
    #[serde(default)]
    pub definition: Vec<String>,
    /// NDJSON to import first.
    #[serde(default)]
    pub import: Option<PathBuf>,
    /// The visitor that steps with `unchanged` look at, as `key=value`.
    #[serde(default)]
    pub watch: Option<String>,
    /// True if a host with a live clock can run it, with its times shifted so that the last step is now.
    #[serde(default)]
    pub live: bool,
    /// Hosts that cannot run it, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// Identity tokens, by name: `@{jwt:name}` stands for one in a body.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// In order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One request and what it must answer; or one look at a visitor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in its vector.
    pub name: String,
    /// Unix seconds at which it happens; the step before's when missing.
    #[serde(default)]
    pub at: Option<i64>,
    /// `POST /web/pageviews`
    #[serde(default)]
    pub request: Option<String>,
    /// Instead of a request: the visitor whose facts `answer` describes, as `key=value`.
    #[serde(default)]
    pub look: Option<String>,
    /// Instead of a request: definitions that are published in place of those before.
    #[serde(default)]
    pub definition: Vec<String>,
    /// The caller: see [`Keys::headers`](deployment::Keys::headers).
    #[serde(rename = "as", default = "nobody")]
    pub who: String,
    /// Headers besides; an empty value removes one.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body to send.
    #[serde(default)]
    pub body: String,
    /// The compression of the body.
    #[serde(default)]
    pub gzip: Gzip,
    /// The header of the step before's answer that stands for `@{kept}` in body and headers.
    #[serde(default)]
    pub keep: Option<String>,
    #[serde(default = "ok")]
    pub status: u16,
    /// The expected answer: JSON, as `pattern` describes. None: not checked.
    #[serde(default)]
    pub answer: Option<String>,
    /// Headers that must come back; `<missing>` must not.
    #[serde(default)]
    pub answer_headers: BTreeMap<String, String>,
    /// True if the watched visitor and the bundle must stay unchanged.
    #[serde(default)]
    pub unchanged: bool,
    /// The earlier look that must have seen the same profile.
    #[serde(default)]
    pub same_as: Option<String>,
    /// The earlier look that must have seen another profile.
    #[serde(default)]
    pub unlike: Option<String>,
    /// Hosts that cannot do it, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
}

impl Vector {
    /// The steps that a host cannot do, each with the reason.
    pub fn skipped_steps<'v>(&'v self, host: &'v str) -> impl Iterator<Item = (&'v str, &'v str)> {
        self.steps.iter().filter_map(move |step| Some((step.name.as_str(), step.skip.get(host)?.as_str())))
    }
}

/// The compression of a body.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(from = "GzipText")]
pub enum Gzip {
    /// It is not.
    #[default]
    No,
    /// As one member.
    Whole,
    /// As one member that lacks its last byte.
    Cut,
    /// As one member, and a byte follows.
    Followed,
    /// Its halves as a member each.
    Halves,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GzipText {
    Packed(bool),
    Wrong(WrongGzip),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrongGzip {
    Cut,
    Followed,
    Halves,
}

impl From<GzipText> for Gzip {
    fn from(text: GzipText) -> Gzip {
        match text {
            GzipText::Packed(false) => Gzip::No,
            GzipText::Packed(true) => Gzip::Whole,
            GzipText::Wrong(WrongGzip::Cut) => Gzip::Cut,
            GzipText::Wrong(WrongGzip::Followed) => Gzip::Followed,
            GzipText::Wrong(WrongGzip::Halves) => Gzip::Halves,
        }
    }
}

fn nobody() -> String {
    "nobody".to_owned()
}

fn ok() -> u16 {
    200
}

/// Every vector, by its path without the ending.
pub fn all() -> Vec<(String, Vector)> {
    let vectors: Vec<(String, Vector)> = read("step");
    for (path, vector) in &vectors {
        check(path, vector);
    }
    vectors
}

/// Every table of visits, by its path without the ending.
pub fn visits() -> Vec<(String, Visits)> {
    read("case")
}

/// Every table of ways through journeys, by its path without the ending.
pub fn ways() -> Vec<(String, Ways)> {
    read("journey")
}

/// Every table of keys, by its path without the ending.
pub fn keys() -> Vec<(String, KeyTable)> {
    read("keys")
}

/// Checks that a vector is consistent; otherwise it would test less than it seems to.
fn check(path: &str, vector: &Vector) {
    let names: BTreeSet<&str> = vector.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.len(), vector.steps.len(), "{path}: two steps of one name");
    assert!(vector.publish.is_none() || vector.definition.is_empty(), "{path}: publish or definition");
    for step in &vector.steps {
        let name = &step.name;
        let kinds = [step.request.is_some(), step.look.is_some(), !step.definition.is_empty()];
        let kinds = kinds.into_iter().filter(|kind| *kind).count();
        assert_eq!(kinds, 1, "{path}/{name}: a request, a look or a definition");
        assert!(step.look.is_none() || step.answer.is_some(), "{path}/{name}: a look without an answer");
        assert!(!step.unchanged || vector.watch.is_some(), "{path}/{name}: unchanged, and nobody is watched");
        let looks = step.same_as.is_none() && step.unlike.is_none();
        assert!(looks || step.look.is_some(), "{path}/{name}: only looks see profiles");
    }
}

/// The files below `vectors/` that have this at their top; every file has one of five.
pub(crate) fn read<T: serde::de::DeserializeOwned>(mark: &str) -> Vec<(String, T)> {
    let folder = deployment::root().join("tests/vectors");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&folder).expect("below it").with_extension("").display().to_string();
        let text = std::fs::read_to_string(&file).expect("a vector");
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let marks =
            ["step", "cases", "case", "keys", "journey"].into_iter().filter(|mark| table.contains_key(*mark));
        assert_eq!(marks.count(), 1, "{}: steps, cases, journeys or keys", file.display());
        if table.contains_key(mark) {
            let vector = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            found.push((name, vector));
        }
    }
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
}
