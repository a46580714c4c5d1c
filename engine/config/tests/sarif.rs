//! SARIF as the standard has it: every log that is written of definitions that are wrong holds only objects, properties and
//! values that SARIF 2.1.0 knows, and all that it asks for.
//!
//! The standard's JSON schema is not part of this project; what it says of the objects that are written stands here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use usher_config::{Source, check, sarif};

/// The keys that an object may have, and the check of each; required keys begin with `!`.
type Object = &'static [(&'static str, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Counted from 1.
    Position,
    /// Counted from 0.
    Index,
    OneOf(&'static [&'static str]),
    Uri,
    Object(Object),
    List(Object),
}

const LEVELS: Kind = Kind::OneOf(&["none", "note", "warning", "error"]);
const MESSAGE: Object = &[("!text", Kind::Text), ("markdown", Kind::Text)];
const RULE: Object = &[
    ("!id", Kind::Text),
    ("name", Kind::Text),
    ("shortDescription", Kind::Object(MESSAGE)),
    ("help", Kind::Object(MESSAGE)),
    ("defaultConfiguration", Kind::Object(&[("level", LEVELS)])),
];
const DRIVER: Object = &[("!name", Kind::Text), ("semanticVersion", Kind::Text), ("rules", Kind::List(RULE))];
const REGION: Object =
    &[("!startLine", Kind::Position), ("startColumn", Kind::Position), ("endColumn", Kind::Position)];
const PHYSICAL: Object =
    &[("artifactLocation", Kind::Object(&[("!uri", Kind::Uri)])), ("region", Kind::Object(REGION))];
const RESULT: Object = &[
    ("ruleId", Kind::Text),
    ("ruleIndex", Kind::Index),
    ("level", LEVELS),
    ("!message", Kind::Object(MESSAGE)),
    ("locations", Kind::List(&[("physicalLocation", Kind::Object(PHYSICAL))])),
];
const RUN: Object = &[
    ("!tool", Kind::Object(&[("!driver", Kind::Object(DRIVER))])),
    ("columnKind", Kind::OneOf(&["utf16CodeUnits", "unicodeCodePoints"])),
    ("results", Kind::List(RESULT)),
];
const LOG: Object =
    &[("$schema", Kind::Uri), ("!version", Kind::OneOf(&["2.1.0"])), ("!runs", Kind::List(RUN))];

/// Adds what is wrong with a value.
fn look(value: &Value, kind: Kind, at: &str, wrong: &mut Vec<String>) {
    let fits = match kind {
        Kind::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        Kind::Position => value.as_u64().is_some_and(|number| number >= 1),
        Kind::Index => value.as_u64().is_some(),
        Kind::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Kind::Uri => value.as_str().is_some_and(|text| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
            !text.is_empty() && text.bytes().all(known)
        }),
        Kind::List(object) => {
            let items = value.as_array();
            for (index, item) in items.into_iter().flatten().enumerate() {
                look(item, Kind::Object(object), &format!("{at}[{index}]"), wrong);
            }
            items.is_some()
        }
        Kind::Object(parts) => {
            let fields = value.as_object();
            for (key, inner) in fields.into_iter().flatten() {
                let at = format!("{at}.{key}");
                match parts.iter().find(|(name, _)| name.trim_start_matches('!') == key) {
                    Some((_, kind)) => look(inner, *kind, &at, wrong),
                    None => wrong.push(format!("{at} is unknown")),
                }
            }
            for (name, _) in parts.iter().filter_map(|(name, kind)| Some((name.strip_prefix('!')?, kind))) {
                if value.get(name).is_none() {
                    wrong.push(format!("{at}.{name} is missing"));
                }
            }
            fields.is_some()
        }
    };
    if !fits {
        wrong.push(format!("{at} is {value}"));
    }
}

#[test]
fn every_log_is_what_the_standard_knows() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut wrong, mut results) = (Vec::new(), 0);
    for entry in ["cases", "seeds"].iter().flat_map(|folder| fs::read_dir(tests.join(folder)).unwrap()) {
        let path = entry.unwrap().path();
        let sources = [Source { name: path.display().to_string(), text: fs::read_to_string(&path).unwrap() }];
        let findings = check(&sources).findings;
        results += findings.len();
        let log = sarif::log(&findings, &sources);
        look(&log, Kind::Object(LOG), &path.file_name().unwrap().to_string_lossy(), &mut wrong);
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"]
                [usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!(rule["id"], result["ruleId"]);
            let region = &result["locations"][0]["physicalLocation"]["region"];
            let columns = (region["startColumn"].as_u64(), region["endColumn"].as_u64());
            assert!(columns.0 < columns.1 || columns == (None, None), "{region}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(results > 100, "{results} findings");
}

type Change = fn(&mut Value);

#[test]
fn what_the_standard_does_not_know_is_seen() {
    let sources = [Source { name: "a.yaml".to_owned(), text: "events: 5\n".to_owned() }];
    let good = sarif::log(&check(&sources).findings, &sources);
    let broken: [(&str, Change); 5] = [
        ("version is \"2.2\"", |log| log["version"] = "2.2".into()),
        ("runs[0].tool is missing", |log| drop(log["runs"][0].as_object_mut().unwrap().remove("tool"))),
        ("level is \"fatal\"", |log| log["runs"][0]["results"][0]["level"] = "fatal".into()),
        ("color is unknown", |log| log["runs"][0]["results"][0]["color"] = "red".into()),
        ("message.text is missing", |log| {
            drop(log["runs"][0]["results"][0]["message"].as_object_mut().unwrap().remove("text"));
        }),
    ];
    for (words, change) in broken {
        let mut log = good.clone();
        change(&mut log);
        let mut wrong = Vec::new();
        look(&log, Kind::Object(LOG), "log", &mut wrong);
        assert!(wrong.iter().any(|one| one.ends_with(words)), "{words}: {wrong:?}");
    }
}
