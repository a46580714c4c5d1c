//! The house's rules, as far as a test can hold them: what may know what, how files look, what ships.
//!
//! Rules are about the text of files. That is coarse and enough: each has a list of exceptions with reasons, and an
//! exception that nothing needs any more fails, too.

mod arrows;
mod dependencies;
mod files;
mod hosts;
mod imports;
mod pages;

use std::path::Path;

use toml::Table;
use usher_tests::deployment::root;

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
    let rooms = ["engine", "edge-worker", "pipelines", "browser-sdk", "www", "tests"];
    let all: Vec<_> = rooms.iter().flat_map(|room| files(room, &[".rs", ".js", ".mjs", ".ts"])).collect();
    assert!(all.len() > 60, "only {} sources were found", all.len());
    all
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The lines of a Rust file that ship: without its tests and comments.
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

/// True if a line has the word by itself, not within a longer one.
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
