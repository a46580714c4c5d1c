//! The files of `deploy/`: the commands that they run start a server, which ends well when it is told to.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::process::Command;

use bed::{Directory, Serving, command, text};

const UNIT: &str = include_str!("../deploy/usher.service");
const CONTAINER: &str = include_str!("../deploy/Containerfile");

/// Starts what the words of a deployment say, with its paths in a directory of the test, and ends it.
fn starts(words: &[&str]) {
    let directory = Directory::new();
    directory.demo_secret();
    let (data, keys) = (directory.join("data"), directory.join("keys.json"));
    let mut args: Vec<&str> = words
        .iter()
        .map(|word| match *word {
            "/var/lib/usher" => text(&data),
            "/etc/usher/secret.json" | "/run/secrets/usher" => text(&keys),
            "0.0.0.0:8787" => "127.0.0.1:0",
            word => word,
        })
        .collect();
    assert!(args.contains(&text(&data)) && args.contains(&text(&keys)), "{args:?}");
    if !args.contains(&"--listen") {
        args.extend(["--listen", "127.0.0.1:0"]);
    }
    let serving = Serving::of(command(&args).env("USHER_DEMO", "1"));
    assert_eq!(serving.get("/healthz").status, 200);
    assert_eq!(serving.terminate().code(), Some(0));
}

#[test]
fn the_command_of_the_unit_starts_a_server() {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/usher ")).unwrap();
    let words: Vec<&str> = line.split(' ').filter(|word| *word != "$USHER_OPTIONS").collect();
    starts(&words);
}

#[test]
fn the_command_of_the_image_starts_a_server() {
    let line = CONTAINER.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let words: Vec<String> = serde_json::from_str(line).unwrap();
    starts(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(CONTAINER.contains("ENTRYPOINT [\"/usr/local/bin/usher\"]"));
}

/// On a machine with systemd its check complains only that the binary and its user are not installed.
#[test]
fn systemd_takes_the_unit() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/usher.service");
    let Ok(verified) = Command::new("systemd-analyze").args(["verify", unit]).output() else {
        println!("not verified: this machine has no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| {
            line.contains("usher.service") && !line.contains("/usr/local/bin/usher is not executable")
        })
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
