//! The output of the command line: the cases of `tests/cli`, whose README says how they are written.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::path::{Path, PathBuf};

use bed::{ADMIN_KEY, Directory, SERVER_KEY, Serving, command, run, shop, text};

#[test]
fn every_case_prints_what_it_did() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli");
    let bless = std::env::var_os("BLESS").is_some();
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut count, mut wrong) = (0, Vec::new());
    for path in cases(&root).iter().filter(|path| text(path).contains(&only)) {
        count += 1;
        let written = fs::read_to_string(path).unwrap();
        let printed = Case::read(&written).run();
        if printed == written {
            continue;
        }
        if bless {
            fs::write(path, printed).unwrap();
        } else {
            wrong.push(format!("{}\n{}", path.display(), first_difference(&written, &printed)));
        }
    }
    assert!(count > 0, "no case is there");
    assert!(wrong.is_empty(), "not as expected (BLESS=1 rewrites):\n{}", wrong.join("\n"));
}

fn cases(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn first_difference(expected: &str, found: &str) -> String {
    let (mut expected, mut found) = (expected.lines(), found.lines());
    for number in 1.. {
        match (expected.next(), found.next()) {
            (None, None) => break,
            (before, now) if before == now => {}
            (before, now) => {
                let rest: Vec<&str> = now.into_iter().chain(found).take(20).collect();
                let before = before.unwrap_or("(the end)");
                return format!(
                    "  line {number}\n  expected: {before}\n  found: {}",
                    rest.join("\n         ")
                );
            }
        }
    }
    "  the ends of lines differ".to_owned()
}

/// A case as it is written.
#[derive(Default)]
struct Case {
    prose: String,
    edge: Option<String>,
    files: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// One command; what it prints is what was found, not what was expected.
#[derive(Default)]
struct Step {
    command: String,
    stdin: Option<String>,
    /// Files that are looked at afterwards.
    wrote: Vec<String>,
}

impl Case {
    fn read(written: &str) -> Case {
        let mut case = Case::default();
        let (prose, sections) = written.split_once("--- ").expect("a section");
        assert!(!prose.trim().is_empty(), "a case says what it shows");
        case.prose = prose.to_owned();
        for section in sections.split("\n--- ") {
            let (header, body) = section.split_once('\n').unwrap_or((section, ""));
            // What stood before the next section's line ended with a line break.
            let body =
                if body.is_empty() || body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") };
            let (kind, rest) = header.split_once(' ').unwrap_or((header, ""));
            match kind {
                "file" => case.files.push((rest.to_owned(), body)),
                "edge" => case.edge = Some(rest.to_owned()),
                "$" => case.steps.push(Step { command: rest.to_owned(), ..Step::default() }),
                "stdin" => case.steps.last_mut().expect("a command").stdin = Some(body),
                "wrote" => case.steps.last_mut().expect("a command").wrote.push(rest.to_owned()),
                "stdout" | "stderr" | "exit" => {}
                other => unreachable!("no section is called `{other}`"),
            }
        }
        case
    }

    /// The case with what its commands do now.
    fn run(&self) -> String {
        let directory = Directory::new();
        let edge = self.edge.as_ref().map(|how| {
            directory.demo_secret();
            let edge = Serving::start(&directory, &[]);
            if how == "filled" {
                edge.fill();
            }
            edge
        });
        let work = directory.join("work");
        fs::create_dir(&work).unwrap();
        let work = work.canonicalize().unwrap();
        let shop = shop().canonicalize().unwrap();
        let mut names = vec![("{dir}", text(&work)), ("{shop}", text(&shop))];
        let version = format!("\"semanticVersion\": \"{}\"", env!("CARGO_PKG_VERSION"));
        names.push(("\"semanticVersion\": \"{version}\"", &version));
        names.extend(edge.as_ref().map(|edge| ("{edge}", edge.url.as_str())));
        let mut out = self.prose.clone();
        if let Some(how) = &self.edge {
            out.push_str(format!("--- edge {how}").trim_end());
            out.push('\n');
        }
        for (name, body) in &self.files {
            let path = work.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, fill(body, &names)).unwrap();
            out.push_str(&format!("--- file {name}\n{body}"));
        }
        for step in &self.steps {
            let mut words = words(&fill(&step.command, &names));
            let settings: Vec<String> = words.iter().take_while(|word| *word != "usher").cloned().collect();
            words.drain(..=settings.len());
            let args: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut command = command(&args);
            command.current_dir(&work);
            if edge.is_some() {
                command.env("USHER_ADMIN_KEY", ADMIN_KEY).env("USHER_SERVER_KEY", SERVER_KEY);
            }
            for (name, value) in settings.iter().map(|setting| setting.split_once('=').expect("a setting")) {
                if value.is_empty() {
                    command.env_remove(name)
                } else {
                    command.env(name, value)
                };
            }
            let ended = run(&mut command, &fill(step.stdin.as_deref().unwrap_or_default(), &names));
            out.push_str(&format!("--- $ {}\n", step.command));
            if let Some(stdin) = &step.stdin {
                out.push_str(&format!("--- stdin\n{stdin}"));
            }
            for (name, printed) in [("stdout", ended.out), ("stderr", ended.err)] {
                if !printed.is_empty() {
                    let printed = names.iter().fold(printed, |text, (name, value)| text.replace(value, name));
                    let printed = without_hashes(&printed);
                    out.push_str(&format!(
                        "--- {name}\n{}\n",
                        printed.strip_suffix('\n').unwrap_or(&printed)
                    ));
                }
            }
            if ended.code != 0 {
                out.push_str(&format!("--- exit {}\n", ended.code));
            }
            for name in &step.wrote {
                let left =
                    fs::read_to_string(work.join(name)).unwrap_or_else(|_| "(no such file)\n".to_owned());
                let left = names.iter().fold(left, |text, (name, value)| text.replace(value, name));
                let left = without_hashes(&left);
                let left = left.strip_suffix('\n').unwrap_or(&left);
                out.push_str(&format!("--- wrote {name}\n{left}\n"));
            }
        }
        out
    }
}

/// Hashes as `{hash}`, which change with every byte of a bundle, and keys, tokens and tags as `{key}`, `{token}` and `{tag}`:
/// they are no text for people.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() {
            digits.push(c);
            continue;
        }
        if digits.len() == 32 && out.ends_with('/') {
            // A token names its instance before the slash.
            out.truncate(out.len() - "01234567/".len());
        }
        out.push_str(match digits.len() {
            12 => "{tag}",
            32 => "{token}",
            40 => "{key}",
            64 => "{hash}",
            _ => &digits,
        });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}

fn fill(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The words of a command, quoted as in a shell; quotes do not nest.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is left open: {line}");
    words.extend(word);
    words
}
