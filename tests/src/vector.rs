//! Vectors: how they are written, and which there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::deployment;

/// A scenario: what is there, and what happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What it shows, in a sentence.
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
    /// Whether a host with a live clock can run it, with its times shifted so that the last step is now.
    #[serde(default)]
    pub live: bool,
    /// Hosts that cannot run it, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
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
    /// Who calls: see [`Keys::headers`](deployment::Keys::headers).
    #[serde(rename = "as", default = "nobody")]
    pub who: String,
    /// Headers besides; an empty value removes one.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    #[serde(default)]
    pub body: String,
    /// Whether it is sent packed.
    #[serde(default)]
    pub gzip: bool,
    /// The header of the step before's answer that stands for `@{kept}` in body and headers.
    #[serde(default)]
    pub keep: Option<String>,
    #[serde(default = "ok")]
    pub status: u16,
    /// What comes back: JSON, as `pattern` describes. None: not looked at.
    #[serde(default)]
    pub answer: Option<String>,
    /// Headers that must come back; `<missing>` must not.
    #[serde(default)]
    pub answer_headers: BTreeMap<String, String>,
    /// Whether the watched visitor and the bundle must be as they were before it.
    #[serde(default)]
    pub unchanged: bool,
    /// The earlier look that must have seen the same profile.
    #[serde(default)]
    pub same_as: Option<String>,
    /// The earlier look that must have seen another profile.
    #[serde(default)]
    pub unlike: Option<String>,
}

fn nobody() -> String {
    "nobody".to_owned()
}

fn ok() -> u16 {
    200
}

/// Every vector, by its path without the ending.
pub fn all() -> Vec<(String, Vector)> {
    let vectors: Vec<(String, Vector)> = read(|name| !name.starts_with("criteria/"));
    for (path, vector) in &vectors {
        check(path, vector);
    }
    vectors
}

/// What a vector says must make sense, or it shows less than it seems to.
fn check(path: &str, vector: &Vector) {
    let names: BTreeSet<&str> = vector.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.len(), vector.steps.len(), "{path}: two steps of one name");
    assert!(vector.publish.is_none() || vector.definition.is_empty(), "{path}: publish or definition");
    for step in &vector.steps {
        let name = &step.name;
        assert_ne!(step.request.is_some(), step.look.is_some(), "{path}/{name}: a request or a look");
        assert!(step.look.is_none() || step.answer.is_some(), "{path}/{name}: a look without an answer");
        assert!(!step.unchanged || vector.watch.is_some(), "{path}/{name}: unchanged, and nobody is watched");
        let looks = step.same_as.is_none() && step.unlike.is_none();
        assert!(looks || step.look.is_some(), "{path}/{name}: only looks see profiles");
    }
}

/// The files below `vectors/` whose path without the ending is wanted.
pub(crate) fn read<T: serde::de::DeserializeOwned>(wanted: impl Fn(&str) -> bool) -> Vec<(String, T)> {
    let folder = deployment::root().join("tests/vectors");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    let named = files.into_iter().map(|file| {
        let name = file.strip_prefix(&folder).expect("below it").with_extension("").display().to_string();
        (name, file)
    });
    let read = named.filter(|(name, _)| wanted(name)).map(|(name, file)| {
        let text = std::fs::read_to_string(&file).expect("a vector");
        let vector = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (name, vector)
    });
    read.collect()
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
