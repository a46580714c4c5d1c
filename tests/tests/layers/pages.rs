//! The pages for operators name what is there: files, tests, and targets of the Makefile.

use usher_tests::deployment::root;

use crate::text;

#[test]
fn reliability_names_commands_that_are_there() {
    let page = text("RELIABILITY.md");
    let makefile = text("Makefile");
    // The texts between backticks, outside of links.
    let spans = page.split('`').skip(1).step_by(2);
    let mut checked = 0;
    for span in spans {
        let words: Vec<&str> = span.split_whitespace().collect();
        for pair in words.windows(2) {
            let is_there = match pair {
                ["make", target] => makefile.contains(&format!("\n{target}:")),
                ["--test", name] if !name.contains(['.', '/']) => is_a_test(name),
                _ => continue,
            };
            assert!(is_there, "RELIABILITY.md: {} is not there, in `{span}`", pair.join(" "));
            checked += 1;
        }
        for file in words.iter().filter(|word| word.ends_with(".test.mjs")) {
            let is_there = if file.contains('/') {
                root().join(file).exists()
            } else {
                ["workerd", "attacks", "spin"]
                    .iter()
                    .any(|room| root().join("tests").join(room).join(file).exists())
            };
            assert!(is_there, "RELIABILITY.md: there is no {file}");
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} names were found, so that this shows nothing");
}

/// True for a test of cargo's, whichever crate has it.
fn is_a_test(name: &str) -> bool {
    let rooms = ["tests", "tests/sim", "engine", "engine/config", "edge-worker/native"];
    rooms.iter().any(|room| {
        let tests = root().join(room).join("tests");
        tests.join(format!("{name}.rs")).exists() || tests.join(name).join("main.rs").exists()
    })
}
