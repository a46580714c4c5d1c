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

/// The path with each parameter as `{}`.
fn pattern(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// True if a path, as a vector asks for it, is of this pattern.
fn is_of(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let (mut of_pattern, mut of_path) = (pattern.split('/'), path.split('/'));
    loop {
        match (of_pattern.next(), of_path.next()) {
            (None, None) => return true,
            (Some("{}"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Each route of the vendor's table is a route here, of which the named vectors have a request by each method; each command is in
/// the named walks; and no route of the control API is missing but Usher's own.
#[test]
fn routes_and_commands_of_the_vendor_have_their_tests() {
    let page = text("docs/control-api.md");
    let (_, table) = page.split_once("| RT 2.0 | here | test |\n|---|---|---|\n").expect("the table");
    let document: serde_json::Value = serde_json::from_str(&text("docs/openapi.json")).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut named = std::collections::BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let &[what, here, tests] = cells.as_slice() else { panic!("{row}: three cells") };
        let spans: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
        let files: Vec<String> = tests
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|file| match file {
                path if path.contains('/') => path.to_owned(),
                vector if vector.ends_with(".toml") => format!("tests/vectors/control/{vector}"),
                walk => format!("tests/seeds/{walk}"),
            })
            .collect();
        if here.starts_with("not there") {
            assert!(files.is_empty(), "{row}");
            continue;
        }
        let texts: Vec<String> = files.iter().map(String::as_str).map(text).collect();
        assert!(!texts.is_empty(), "{row}: no test");
        for span in spans.iter().filter(|span| !span.starts_with("--")) {
            if let Some(command) = span.strip_prefix("tdx ") {
                let ours = format!("usher {command}");
                assert!(here.contains(&ours) && texts.iter().any(|text| text.contains(&ours)), "{row}");
                continue;
            }
            let (wanted, methods) = (pattern(span), what.split('`').next().unwrap_or_default());
            let path = paths.iter().find(|(path, _)| pattern(path) == wanted);
            let (_, known) = path.unwrap_or_else(|| panic!("{span} is no route"));
            for method in methods.split(',').map(str::trim) {
                assert!(known.get(method.to_lowercase()).is_some(), "{method} {span} is no route");
                let asked = texts.iter().flat_map(|text| text.lines()).any(|line| {
                    let request = line.strip_prefix("request = \"").and_then(|rest| rest.strip_suffix('"'));
                    request
                        .and_then(|it| it.split_once(' '))
                        .is_some_and(|(by, path)| by == method && is_of(&wanted, path))
                });
                assert!(asked, "{tests}: no request {method} {span}");
                named.insert((method.to_lowercase(), wanted.clone()));
            }
        }
    }
    let of_api = ["/audiences/", "/entities/", "/tree/", "/v3/", "/v4/"];
    for (path, methods) in paths.iter().filter(|(path, _)| of_api.iter().any(|start| path.starts_with(start)))
    {
        let is_own = path.contains("/draft");
        for method in methods.as_object().expect("methods").keys() {
            let is_named = named.contains(&(method.clone(), pattern(path)));
            assert!(is_own || is_named, "docs/control-api.md: {method} {path} is not in the table");
        }
    }
}

/// True for a test of cargo's, whichever crate has it.
fn is_a_test(name: &str) -> bool {
    let rooms = ["tests", "tests/sim", "engine", "engine/config", "edge-worker/native"];
    rooms.iter().any(|room| {
        let tests = root().join(room).join("tests");
        tests.join(format!("{name}.rs")).exists() || tests.join(name).join("main.rs").exists()
    })
}
