//! The dependencies that a crate may have, and the words of the outside world that it may not use.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::{files, is_test, lines_with, manifest, none, text};

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

/// At the edge a definition arrives as data. Texts are read for the control API alone, by builds with the control plane.
#[test]
fn definitions_as_text_reach_the_control_plane_alone() {
    let edge = manifest("edge-worker/Cargo.toml");
    assert_eq!(edge["dependencies"]["usher-config"].get("optional"), Some(&Value::Boolean(true)));
    let with_control_plane = edge["features"]["control-plane"].as_array().expect("a list");
    assert!(with_control_plane.contains(&Value::from("dep:usher-config")));
    for host in ["cloudflare", "spin", "tab"] {
        let path = &format!("edge-worker/{host}/Cargo.toml");
        assert!(!dependencies(path).contains("usher-config"), "{path} reads texts");
    }
    let files: Vec<_> = files("edge-worker/src", &[".rs"])
        .into_iter()
        .filter(|(path, _)| path != "edge-worker/src/control/lowering.rs")
        .collect();
    none(lines_with(&files, &["usher_config"]), "one file of the service reads texts");
    let engine = dependencies("engine/config/Cargo.toml");
    assert!(!engine.contains("usher-edge"), "who reads definitions knows no service");
}

/// The parser of SQL is for native programs: no wasm module links it.
#[test]
fn sql_is_read_by_native_programs_alone() {
    let config = manifest("engine/config/Cargo.toml");
    let natives = config["target"].as_table().expect("a table");
    assert_eq!(natives.keys().collect::<Vec<_>>(), ["cfg(not(target_family = \"wasm\"))"]);
    assert!(config["dependencies"].get("sqlparser").is_none());
    for (path, text) in files("", &["Cargo.toml"]) {
        let is_known = ["Cargo.toml", "engine/config/Cargo.toml"].contains(&path.as_str());
        assert!(is_known || !text.contains("sqlparser"), "{path} reads SQL");
    }
    let pipelines = dependencies("pipelines/Cargo.toml");
    assert_eq!(pipelines, set(&["serde", "serde_json", "usher-engine"]), "streams read and write nothing");
}

/// `--locked` builds outside the workspace fail otherwise, and not all of them run in tests.
#[test]
fn lock_files_beside_the_workspace_know_its_dependencies() {
    for path in [
        "tests/bench/engine/Cargo.lock",
        "tests/fuzz/Cargo.lock",
        "tests/no-std/Cargo.lock",
        "tests/spin/Cargo.lock",
    ] {
        let lock: Table = text(path).parse().expect("a lock file");
        let packages = lock["package"].as_array().expect("packages");
        for (name, manifest) in
            [("usher-engine", "engine/Cargo.toml"), ("usher-edge", "edge-worker/Cargo.toml")]
        {
            let named = |package: &&Value| package["name"].as_str() == Some(name);
            let Some(package) = packages.iter().find(named) else { continue };
            let locked = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
            // A dependency of which there are several versions is followed by its own.
            let locked: BTreeSet<&str> = locked.filter_map(|it| it.as_str()?.split(' ').next()).collect();
            let wanted = dependencies(manifest);
            // `serde` is optional.
            let is_lacking = |it: &&String| *it != "serde" && !locked.contains(it.as_str());
            let lacking: Vec<_> = wanted.iter().filter(is_lacking).collect();
            assert!(
                lacking.is_empty(),
                "{path} lacks {lacking:?} of {name}: run `cargo update --workspace` beside it"
            );
        }
    }
}

#[test]
fn the_service_knows_no_host() {
    let known = set(&["ed25519-dalek", "hmac", "sha2", "subtle", "usher-config", "usher-engine"]);
    assert_eq!(dependencies("edge-worker/Cargo.toml"), known);
    let mut files = files("edge-worker/src", &[".rs"]);
    // A test may compare a page of the docs.
    files.retain(|(path, _)| !is_test(path));
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
