//! Rules for files: their length, their first line, their names, their bounds.

use std::collections::BTreeSet;
use std::path::Path;

use usher_tests::deployment::root;

use crate::{code, is_test, manifest, none, sources};

/// Bounds that are nobody else's business: they follow from a format, or they are the host's own.
const BOUNDS_ELSEWHERE: [(&str, &str); 12] = [
    ("edge-worker/cloudflare/entry/request.js:SMALL_BYTES_MAX", "what the host reads in one piece"),
    ("edge-worker/cloudflare/entry/request.js:DISCARDED_BYTES_MAX", "what the host reads and throws away"),
    (
        "edge-worker/cloudflare/entry/engine.js:KNOWN_MAX",
        "how many kinds of answers have their headers ready",
    ),
    ("edge-worker/native/src/client.rs:ANSWER_BYTES_MAX", "what the command line reads of an answer"),
    ("edge-worker/native/src/command/import/rows.rs:BYTES_MAX", "how the command line cuts what it sends"),
    ("edge-worker/native/src/command/import/rows.rs:ROWS_MAX", "how the command line cuts what it sends"),
    (
        "edge-worker/native/src/command/pipeline/broker/place.rs:METADATA_BYTES_MAX",
        "what brokers take with a commit",
    ),
    (
        "edge-worker/native/src/command/pipeline/metrics/listener.rs:REQUESTS_MAX",
        "requests for figures at a time",
    ),
    (
        "edge-worker/native/src/command/pipeline/metrics/listener.rs:HEAD_BYTES_MAX",
        "what is read of a request for figures",
    ),
    ("edge-worker/native/src/lines.rs:LINE_BYTES_MAX", "what the command line reads of a line"),
    ("edge-worker/native/src/definitions.rs:FILE_BYTES_MAX", "what the command line reads of a file"),
    ("edge-worker/native/src/store.rs:STATEMENTS_MAX", "prepared statements are the store's"),
];

/// Files of more than 400 lines of code. Each is one concept that was not worth cutting, and may not grow past this.
const LONG_FILES: [(&str, usize, &str); 0] = [];

#[test]
fn every_module_says_what_it_is_for() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        // A crate's attributes may stand before its documentation, which may be its README.
        let first = text.lines().find(|line| !line.is_empty() && !line.starts_with("#!")).unwrap_or("");
        let said = if path.ends_with(".rs") {
            first.starts_with("//!") || text.contains("#![doc = include_str!(")
        } else {
            first.starts_with("//") || first.starts_with("/*")
        };
        found.extend((!said).then_some(path));
    }
    none(found, "a Rust module opens with `//!`, a script with a comment");
}

#[test]
fn files_are_short() {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let (code, all) = (code(&text).count(), text.lines().count());
        let known = LONG_FILES.iter().find(|(known, _, _)| *known == path);
        match known {
            Some((_, most, _)) if code > *most => found.push(format!("{path}: {code} lines, {most} agreed")),
            Some(_) if code <= 400 => found.push(format!("{path}: {code} lines; it is short now")),
            None if code > 400 || all > 800 => {
                found.push(format!("{path}: {code} lines of code, {all} in all"))
            }
            _ => {}
        }
    }
    none(found, "at most 400 lines of code and 800 with tests; then split by concept");
}

#[test]
fn bounds_stand_in_one_file() {
    let mut unused: BTreeSet<&str> = BOUNDS_ELSEWHERE.iter().map(|(bound, _)| *bound).collect();
    let mut found = Vec::new();
    for (path, text) in sources() {
        if is_test(&path)
            || path.ends_with("limits.rs")
            || path.ends_with("limits.ts")
            || path.starts_with("www/")
        {
            continue;
        }
        for (number, line) in code(&text) {
            let Some((_, rest)) = line.split_once("const ") else { continue };
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let here = format!("{path}:{name}");
            if name.ends_with("_MAX") && !unused.remove(here.as_str()) {
                found.push(format!("{path}:{number}: {name}"));
            }
        }
    }
    found.extend(unused.iter().map(|bound| format!("{bound}: it is no more")));
    none(found, "bounds stand in limits.rs or limits.ts, or in the list of this file with a reason");
}

#[test]
fn every_test_runs() {
    let run = std::fs::read_to_string(root().join("tests/run.mjs")).expect("the runner");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/tests")).expect("the tests").flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        if !run.contains(&format!("\"--test\", \"{name}\"")) {
            found.push(format!("tests/tests/{name}"));
        }
    }
    none(found, "`make test` runs every test: tests/run.mjs names it");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    // Put together, so that this line is not found.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[ig", "nore")];
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let mark = marks.iter().find(|mark| line.contains(**mark));
            found.extend(mark.map(|mark| format!("{path}:{}: {mark}", number + 1)));
        }
    }
    none(found, "what is not done stands in the issue tracker, and no test is left out");
}

#[test]
fn names_say_what_things_are() {
    let vague = ["helper", "manager", "util"];
    let mut found = Vec::new();
    for (path, text) in sources() {
        let file = Path::new(&path).file_stem().expect("a name").to_string_lossy().to_lowercase();
        found.extend(vague.iter().filter(|word| file.contains(**word)).map(|_| path.clone()));
        for (number, line) in code(&text) {
            let kinds = ["struct ", "enum ", "trait ", "class ", "type ", "mod ", "interface "];
            let after = kinds.iter().find_map(|kind| {
                let at = line.find(kind).filter(|at| *at == 0 || line[..*at].ends_with([' ', '\t']))?;
                Some(line[at + kind.len()..].to_lowercase())
            });
            let name =
                after.map(|rest| rest.split([' ', '<', '(', '{', ';']).next().unwrap_or("").to_owned());
            let bad = name.filter(|name| vague.iter().any(|word| name.contains(word)));
            found.extend(bad.map(|name| format!("{path}:{number}: {name}")));
        }
    }
    none(found, "a name says what a thing is, not that it is of use");
}

#[test]
fn every_exception_from_a_lint_has_a_reason() {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| path.ends_with(".rs")) {
        for kind in ["allow(", "expect("] {
            for opening in ["#[", "#![", "test,\n        ", "\"wasm32\",\n    "] {
                for (at, _) in text.match_indices(&format!("{opening}{kind}")) {
                    let rest = &text[at..];
                    let end = rest.find(']').unwrap_or(rest.len());
                    let line = text[..at].lines().count();
                    found.extend((!rest[..end].contains("reason = \"")).then(|| format!("{path}:{line}")));
                }
            }
        }
    }
    none(found, "`allow` and `expect` say why");
    let lints = &manifest("Cargo.toml")["workspace"]["lints"]["clippy"];
    assert_eq!(lints["allow_attributes_without_reason"].as_str(), Some("deny"));
    for path in [
        "engine/config",
        "edge-worker",
        "edge-worker/cloudflare",
        "edge-worker/native",
        "edge-worker/spin",
        "edge-worker/tab",
        "pipelines",
    ] {
        let manifest = manifest(&format!("{path}/Cargo.toml"));
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{path} takes the workspace's lints"
        );
    }
}
