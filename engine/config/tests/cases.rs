//! Broken definitions, one per file of `tests/cases/`, and what `check` says of each.
//!
//! Beside `x.yaml` stands `x.yaml.expected`: the findings as [`plain`] prints them, help behind ` | `. To add a
//! case, drop the file and run with `BLESS=1`, which writes what is said now; then read it.

use std::fs;
use std::path::Path;

use usher_config::render::{human, plain};
use usher_config::{Source, check};

#[test]
fn every_case_is_told_what_is_wrong() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut paths: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension != "expected"))
    {
        count += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let sources = [Source { name: name.clone(), text: fs::read_to_string(path).unwrap() }];
        let mut said = String::new();
        for finding in &check(&sources).findings {
            said.push_str(&plain(finding));
            if let Some(help) = &finding.diagnostic.help {
                said.push_str(&format!(" | {help}"));
            }
            said.push('\n');
            human(finding, &sources, true);
        }
        let expected = path.with_file_name(format!("{name}.expected"));
        if bless {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(count > 0);
    assert!(wrong.is_empty(), "not as expected (BLESS=1 rewrites):\n{}", wrong.join("\n"));
}

/// The quoted names of a message or a help, and those of the list at its end.
fn names(said: &str) -> Vec<&str> {
    let quoted = said.split('`').skip(1).step_by(2);
    let list = said.split_once("known here: ").map_or("", |(_, list)| list).split(", ");
    quoted.chain(list).filter(|name| name.contains(char::is_alphanumeric)).collect()
}

#[test]
fn no_message_names_a_thing_twice() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut count, mut wrong) = (0, Vec::new());
    for folder in ["broken", "cases"] {
        let paths = fs::read_dir(tests.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "expected")) {
            let text = fs::read_to_string(&path).unwrap();
            for said in text.lines().flat_map(|line| line.split(" | ")) {
                let mut names = names(said);
                count += names.len();
                names.sort_unstable();
                if names.windows(2).any(|pair| pair[0] == pair[1]) {
                    wrong.push(format!("{}: {said}", path.display()));
                }
            }
        }
    }
    assert!(count > 500, "{count} names");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
