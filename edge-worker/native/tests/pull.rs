//! `usher pull` that is killed: every file is old or new as a whole, a mixture never
//! validates, and pulling again completes it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use bed::{ADMIN_KEY, AUDIENCE, Directory, Serving, command, run, text};

const SERVICES: usize = 60;
/// The number of kills while it writes, and as many while it puts in place.
const KILLS: u32 = 8;

#[test]
fn a_pull_that_is_killed_leaves_old_or_new_files() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    let push = |version: usize| {
        let file = directory.write("pushed.yaml", definition(version));
        let ended = run(
            command(&["push", text(&file), "--to", &serving.url, "-y"]).env("USHER_ADMIN_KEY", ADMIN_KEY),
            "",
        );
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    let pull = |into: &Path| {
        let mut command =
            command(&["pull", text(into), "--to", &serving.url, "--audience", AUDIENCE, "--force"]);
        command.env("USHER_ADMIN_KEY", ADMIN_KEY).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let (old, new) = (directory.join("old"), directory.join("new"));
    push(1);
    assert!(pull(&old).status().unwrap().success());
    push(2);
    let begun = Instant::now();
    assert!(pull(&new).status().unwrap().success());
    let whole = begun.elapsed();
    let (old, new) = (files(&old), files(&new));
    assert_eq!((old.len(), new.len()), (SERVICES + 1, SERVICES + 1));

    let (mut mixed, mut untouched) = (0, 0);
    for kill in 1..=2 * KILLS {
        let into = directory.join(&format!("killed-{kill}"));
        fs::create_dir(&into).unwrap();
        old.iter().for_each(|(name, text)| fs::write(into.join(name), text).unwrap());
        let before = old.keys().map(|name| (name.as_str(), into.join(name).metadata().unwrap().ino()));
        let before: BTreeMap<&str, u64> = before.collect();
        let mut child = pull(&into).spawn().unwrap();
        if kill <= KILLS {
            thread::sleep(whole * kill / KILLS);
        } else {
            let moved = |name: &str| into.join(name).metadata().is_ok_and(|it| it.ino() != before[name]);
            while !moved("s100.yaml") && child.try_wait().unwrap().is_none() {}
            let moving = Instant::now();
            while moving.elapsed() < Duration::from_micros(u64::from(kill - KILLS - 1) * 60) {}
        }
        // It may have ended already.
        let _ = child.kill();
        child.wait().unwrap();
        let left = files(&into);
        let is_new = |name: &String| left[name] == new[name] && left[name] != old[name];
        for (name, said) in &left {
            assert!(*said == old[name] || *said == new[name], "kill {kill} broke {name}:\n{said}");
        }
        let done = left.keys().filter(|name| is_new(name)).count();
        // Whoever reads which bundle it is may rely on it.
        match left.get("rt_config.yaml") {
            Some(said) if *said == new["rt_config.yaml"] => assert_eq!(done, SERVICES + 1, "kill {kill}"),
            Some(_) => assert_eq!(done, 0, "kill {kill}"),
            None => assert!(into.join(".usher-pull").exists(), "kill {kill}"),
        }
        let validated = run(&mut command(&["validate", text(&into)]), "");
        if left != old && left != new {
            assert_eq!(validated.code, 1, "kill {kill} leaves a mixture that validates: {validated:?}");
            assert!(validated.err.contains("was interrupted"), "{validated:?}");
        } else if !into.join(".usher-pull").exists() {
            assert_eq!(validated.code, 0, "kill {kill}: {validated:?}");
        }
        mixed += usize::from(left != old && left != new);
        untouched += usize::from(done == 0);
        assert!(pull(&into).status().unwrap().success());
        assert_eq!(files(&into), new, "kill {kill}");
        assert!(!into.join(".usher-pull").exists());
    }
    let kills = 2 * KILLS;
    println!(
        "of {kills} kills {untouched} came before the first file was in place, {mixed} between two files"
    );
    assert!(untouched > 0);
}

/// As many services as make a pull last, each with something of its version.
fn definition(version: usize) -> String {
    let audience = format!("parent_segment_id: \"{AUDIENCE}\"\n");
    let mut out = audience.clone() + "events:\n  - {name: view, database: web, table: pages}\n";
    for number in 100..100 + SERVICES {
        out += &format!(
            "---\n{audience}personalization_service:\n  name: s{number}\n  sections:\n    - {{name: Default{number}, criteria: '', attributes: [{{name: version, value: {version}}}]}}\n"
        );
    }
    out
}

/// The definitions in a directory.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path: &PathBuf| path.extension().is_some_and(|it| it == "yaml"));
    yaml.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    })
    .collect()
}
