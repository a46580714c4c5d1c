//! RT 2.0's own walks, as scripts (`tests/seeds`), against a running edge.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::path::Path;
use std::process::Command;

use bed::{AUDIENCE, Directory, Serving, text};
use serde_json::json;
use sha2::{Digest, Sha256};

/// One key for everything, as RT 2.0's master key is.
const KEY: &str = "1/abababababababababababababababababababab";

/// Runs a walk against an edge of its own, and returns what it printed.
fn walk(name: &str) -> String {
    let directory = Directory::new();
    let sha256: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = |kind: &str| json!({"kind": kind, "sha256": sha256, "audience": AUDIENCE, "account": "1"});
    let mut server = record("server");
    server["scopes"] = json!(["personalize"]);
    let secret = json!({"signing_key": "07".repeat(32), "keys": [record("admin"), server]});
    directory.write("keys.json", secret.to_string());
    let edge = Serving::start(&directory, &[]);
    let binary = Path::new(env!("CARGO_BIN_EXE_usher")).parent().unwrap();
    let path = format!("{}:{}", text(binary), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/seeds").join(name);
    let ended = Command::new("bash")
        .arg(text(&script))
        .current_dir(&directory.0)
        .env("PATH", path)
        .env("USHER_URL", &edge.url)
        .env("USHER_AUDIENCE", AUDIENCE)
        .env("TD_API_KEY", KEY)
        .env("SEEDS_SLEEP", "0.5")
        .env_remove("USHER_TARGET")
        .env_remove("USHER_CONFIG")
        .output()
        .expect("bash is there");
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let told = format!("{out}\n{}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{told}");
    assert!(out.contains(", 0 failed\n"), "{told}");
    out
}

#[test]
fn the_setup_of_a_personalization_passes_its_own_checklist() {
    let out = walk("rt-setup-personalization.sh");
    let of_checklist = |line: &&str| line.starts_with("ok - ") && line.as_bytes()[5].is_ascii_digit();
    assert_eq!(out.lines().filter(of_checklist).count(), 5, "{out}");
}

#[test]
fn the_infrastructure_is_set_up() {
    walk("rt-infrastructure.sh");
}

#[test]
fn a_configuration_is_set_up_and_looked_at() {
    walk("rt-config.sh");
}

#[test]
fn a_service_is_pushed_alone() {
    walk("rt-personalization.sh");
}
