//! The house's rules, as far as a test can hold them: what may know what, how files look, what ships.
//!
//! Rules are about the text of files. That is coarse and enough: each has a list of exceptions with reasons, and an
//! exception that nothing needs any more fails, too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use usher_tests::deployment::root;

/// Bounds that are nobody else's business: they follow from a format, or they are the host's own.
const BOUNDS_ELSEWHERE: [(&str, &str); 9] = [
    ("edge-worker/cloudflare/entry/request.js:BODY_BYTES_MAX", "where the host stops reading; Rust refuses"),
    ("edge-worker/cloudflare/entry/snapshots.js:MEMORY_BYTES_MAX", "room in the isolate's own memory"),
    ("edge-worker/native/src/client.rs:ANSWER_BYTES_MAX", "what the command line reads of an answer"),
    ("edge-worker/native/src/command/import/rows.rs:BYTES_MAX", "how the command line cuts what it sends"),
    ("edge-worker/native/src/command/import/rows.rs:ROWS_MAX", "how the command line cuts what it sends"),
    ("edge-worker/native/src/lines.rs:LINE_BYTES_MAX", "what the command line reads of a line"),
    ("edge-worker/native/src/definitions.rs:FILE_BYTES_MAX", "what the command line reads of a file"),
    ("edge-worker/native/src/store.rs:STATEMENTS_MAX", "prepared statements are the store's"),
    ("engine/src/time.rs:SECONDS_MAX", "no bound: where seconds end and milliseconds begin"),
];

/// Files of more than 400 lines of code. Each is one concept that was not worth cutting, and may not grow past this.
const LONG_FILES: [(&str, usize, &str); 0] = [];

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder with one of these endings, by their path from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "dist" | "vendor") {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let short = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((short, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    found
}

/// Everything that people wrote and machines run.
fn sources() -> Vec<(String, String)> {
    let rooms = ["engine", "edge-worker", "browser-sdk", "www", "tests"];
    let all: Vec<_> = rooms.iter().flat_map(|room| files(room, &[".rs", ".js", ".mjs", ".ts"])).collect();
    assert!(all.len() > 60, "only {} sources were found", all.len());
    all
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// What ships of a Rust file: without its tests and comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let before = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let lines = text[..before].lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
}

fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Code lines of these files that have one of these words in them.
fn lines_with(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in code(text) {
            let word = words.iter().find(|word| has_word(line, word));
            found.extend(word.map(|word| format!("{path}:{number}: `{word}` in {}", line.trim())));
        }
    }
    found
}

/// Whether a word stands in a line by itself, and not within a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let starts = part_of_name(word.chars().next()) && part_of_name(line[..at].chars().next_back());
        let ends =
            part_of_name(word.chars().next_back()) && part_of_name(line[at + word.len()..].chars().next());
        !starts && !ends
    })
}

fn manifest(path: &str) -> Table {
    text(path).parse().expect("a manifest")
}

/// The dependencies that a crate ships with; those of its tests are left out.
fn dependencies(path: &str) -> BTreeSet<String> {
    let manifest = manifest(path);
    let target = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let of_targets = target.filter_map(|(_, table)| table.get("dependencies"));
    let all = ["dependencies", "build-dependencies"].iter().filter_map(|kind| manifest.get(*kind));
    all.chain(of_targets).filter_map(Value::as_table).flat_map(|table| table.keys().cloned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_engine_depends_on_nothing_but_data() {
    let path = "engine/Cargo.toml";
    assert_eq!(dependencies(path), set(&["serde"]));
    let manifest = manifest(path);
    for (name, dependency) in manifest["dependencies"].as_table().expect("a table") {
        assert_eq!(dependency.get("optional"), Some(&Value::Boolean(true)), "{name} is optional");
    }
    let lints = &manifest["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "todo",
        "unimplemented",
        "unreachable",
        "indexing_slicing",
        "string_slice",
        "arithmetic_side_effects",
        "allow_attributes_without_reason",
    ] {
        assert_eq!(lints["clippy"].get(lint).and_then(Value::as_str), Some("deny"), "{lint}");
    }
    assert!(text("engine/src/lib.rs").starts_with("#![no_std]\n"));
}

#[test]
fn the_engine_knows_no_world() {
    let files: Vec<_> =
        files("engine/src", &[".rs"]).into_iter().filter(|(path, _)| !is_test(path)).collect();
    let words = ["std::", "serde_json", "println!", "eprintln!", "async", "await", "unsafe", "http", "yaml"];
    none(lines_with(&files, &words), "the engine knows no HTTP, JSON or YAML text, files, threads or logs");
}

#[test]
fn definitions_as_text_reach_no_edge() {
    for path in ["edge-worker/Cargo.toml", "edge-worker/cloudflare/Cargo.toml"] {
        let found = dependencies(path);
        assert!(!found.contains("usher-config"), "{path} links YAML into wasm");
    }
    let engine = dependencies("engine/config/Cargo.toml");
    assert!(!engine.contains("usher-edge"), "who reads definitions knows no service");
    let lock: Table = text("Cargo.lock").parse().expect("a lock file");
    for name in ["usher-edge", "usher-cloudflare"] {
        let below = closure(&lock, name);
        assert!(!below.contains("usher-config") && !below.contains("saphyr-parser"), "{name}: {below:?}");
    }
}

/// Everything that a package depends on, as the lock file knows it.
fn closure(lock: &Table, name: &str) -> BTreeSet<String> {
    let packages = lock["package"].as_array().expect("packages");
    let (mut seen, mut open) = (BTreeSet::new(), vec![name.to_owned()]);
    while let Some(name) = open.pop() {
        let named = packages.iter().filter(|package| package["name"].as_str() == Some(&name));
        for dependency in named.filter_map(|p| p.get("dependencies")?.as_array()).flatten() {
            // `name`, or `name version` when there are several.
            let name =
                dependency.as_str().and_then(|text| text.split(' ').next()).expect("a name").to_owned();
            if seen.insert(name.clone()) {
                open.push(name);
            }
        }
    }
    assert!(!seen.is_empty(), "{name} is not in Cargo.lock");
    seen
}

#[test]
fn the_service_knows_no_host() {
    let known = set(&["hmac", "sha2", "subtle", "usher-engine"]);
    assert_eq!(dependencies("edge-worker/Cargo.toml"), known);
    let files = files("edge-worker/src", &[".rs"]);
    let words = [
        "worker::",
        "spin_sdk",
        "tokio",
        "std::net",
        "std::fs",
        "std::thread",
        "std::env",
        "std::process",
        "Send",
        "Sync",
        "SystemTime",
        "Instant",
        "async",
        "unsafe",
        "println!",
        "eprintln!",
        "rand",
        "getrandom",
    ];
    none(lines_with(&files, &words), "the service knows no host, no clock and no randomness");
}

/// What carries bytes between a platform and the service, on each host.
fn hosts() -> Vec<(String, String)> {
    let mut hosts = files("edge-worker/cloudflare/src", &[".rs"]);
    hosts.extend(files("edge-worker/cloudflare/entry", &[".js"]));
    hosts.extend(files("edge-worker/native/src/server", &[".rs"]));
    hosts.extend(files("edge-worker/native/src", &["server.rs", "store.rs"]));
    assert!(hosts.len() >= 10, "{:?}", hosts.iter().map(|(path, _)| path).collect::<Vec<_>>());
    hosts
}

#[test]
fn hosts_name_no_field_of_the_wire() {
    let fields = [
        "offers",
        "attributes",
        "batch_segments",
        "receipts",
        "success",
        "events",
        "meta",
        "audience",
        "personalization",
        "inputs",
        "criteria",
        "td_client_id",
        "customer_id",
        "sections",
        "uuid",
    ];
    let quoted: Vec<String> = fields.iter().map(|name| format!("\"{name}\"")).collect();
    let words: Vec<&str> = quoted.iter().map(String::as_str).collect();
    none(lines_with(&hosts(), &words), "hosts move bytes; only the service knows the wire");
    // The native host puts the time into log lines, which are JSON and the operator's.
    let read: Vec<_> =
        hosts().into_iter().filter(|(path, _)| path != "edge-worker/native/src/server/writer.rs").collect();
    none(lines_with(&read, &["JSON.parse", "serde_json"]), "hosts read no JSON");
}

#[test]
fn hosts_decide_no_status() {
    let statuses =
        ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429", "500", "502", "503"];
    // What a text says of a status is for people.
    let wordless: Vec<_> = hosts().into_iter().map(|(path, text)| (path, without_texts(&text))).collect();
    none(lines_with(&wordless, &statuses), "a host answers what the service gave it, its refusals included");
    let named =
        ["BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "PAYLOAD_TOO_LARGE", "SERVICE_UNAVAILABLE"];
    none(lines_with(&wordless, &named), "a host answers what the service gave it, its refusals included");
}

/// Line by line without what stands between double quotes.
fn without_texts(text: &str) -> String {
    text.lines().map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join("\"") + "\n").collect()
}

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
        if is_test(&path) || path.ends_with("limits.rs") || path.starts_with("www/") {
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
    none(found, "bounds stand in limits.rs, or in the list of this file with a reason");
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
    for path in ["engine/config", "edge-worker", "edge-worker/cloudflare", "edge-worker/native"] {
        let manifest = manifest(&format!("{path}/Cargo.toml"));
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{path} takes the workspace's lints"
        );
    }
}

#[test]
fn what_tests_may_say_to_a_build_is_behind_features() {
    for (path, text) in files("edge-worker/src", &[".rs"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in code(&text) {
            let said = [("x-usher-now", "test-clock"), ("x-usher-fault", "fault")];
            let Some((header, feature)) = said.iter().find(|(header, _)| line.contains(header)) else {
                continue;
            };
            let above = &lines[number.saturating_sub(10)..number - 1];
            let gate = format!("#[cfg(feature = \"{feature}\")]");
            assert!(above.iter().any(|line| line.trim() == gate), "{path}:{number}: {header} without {gate}");
        }
    }
}

#[test]
fn what_ships_has_no_ear_for_tests() {
    let built = root().join("target/worker/release/usher.wasm");
    let Ok(bytes) = std::fs::read(&built) else {
        println!("skipped: {} is not there; `make worker` and `make test` build it", built.display());
        return;
    };
    for word in ["x-usher-now", "x-usher-fault"] {
        let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!found, "{}: a build that ships knows {word}", built.display());
    }
    // A build with them does know them, or the search above finds nothing at all.
    let test = PathBuf::from("target/worker/test/usher.wasm");
    if let Ok(bytes) = std::fs::read(root().join(test)) {
        let word = b"x-usher-now";
        assert!(bytes.windows(word.len()).any(|window| window == word), "the test build has lost its clock");
    }
}
