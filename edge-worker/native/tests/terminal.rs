//! The screen and the questions of a person at a real terminal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use bed::{ADMIN_KEY, AUDIENCE, Directory, SERVER_KEY, Serving, command, shop, text};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use serde_json::{Value, json};

/// The time that anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);
/// The beginning of a color.
const COLOR: &str = "\u{1b}[3";
/// The beginning of an error's heading, in bold.
const ESCAPE: char = '\u{1b}';

/// Somebody at a terminal, where the binary runs.
struct Terminal {
    keys: Arc<Pty>,
    shown: Receiver<Vec<u8>>,
    so_far: String,
    child: std::process::Child,
    /// The bytes that went to a pipe instead of the terminal.
    piped: Option<thread::JoinHandle<String>>,
}

impl Terminal {
    fn run(args: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::start(args, environment, false)
    }

    /// The same, with standard output in a pipe: `usher … | jq`.
    fn piping(args: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::start(args, environment, true)
    }

    fn start(args: &[&str], environment: &[(&str, &str)], piped: bool) -> Terminal {
        let (keys, screen) = open().unwrap();
        keys.resize(Size::new(40, 200)).unwrap();
        let bare = command(args);
        let mut command = Command::new(bare.get_program()).args(bare.get_args());
        for (name, _) in bare.get_envs() {
            command = command.env_remove(name);
        }
        command = command.envs(environment.iter().copied()).env("TERM", "xterm-256color");
        if piped {
            command = command.stdout(Stdio::piped());
        }
        let mut child = command.spawn(screen).unwrap();
        let piped = child.stdout.take().map(|mut out| {
            thread::spawn(move || {
                let mut text = String::new();
                out.read_to_string(&mut text).unwrap();
                text
            })
        });
        let (show, shown) = mpsc::channel();
        let keys = Arc::new(keys);
        let screen = Arc::clone(&keys);
        thread::spawn(move || {
            let (mut screen, mut buffer) = (&*screen, [0; 4096]);
            // It ends with an error when nobody holds the other end any more.
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                if show.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { keys, shown, so_far: String::new(), child, piped }
    }

    /// Waits until this stands on the screen.
    fn until(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.so_far.contains(words) {
            let left = deadline.saturating_duration_since(Instant::now());
            let more = self.shown.recv_timeout(left);
            assert!(more.is_ok(), "no `{words}` in:\n{}", self.so_far);
            self.so_far.push_str(&String::from_utf8_lossy(&more.unwrap()));
        }
    }

    fn types(&mut self, keys: &str) {
        (&*self.keys).write_all(keys.as_bytes()).unwrap();
    }

    /// The status, the screen, and the bytes of the pipe.
    fn end(mut self) -> (ExitStatus, String, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.so_far);
            thread::sleep(Duration::from_millis(5));
        };
        while let Ok(more) = self.shown.recv_timeout(Duration::from_millis(500)) {
            self.so_far.push_str(&String::from_utf8_lossy(&more));
        }
        let piped = self.piped.take().map(|piped| piped.join().unwrap()).unwrap_or_default();
        (status, self.so_far, piped)
    }
}

fn started() -> (Directory, Serving) {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &[]);
    (directory, serving)
}

/// The number of bundles that the edge has run.
fn runs(serving: &Serving) -> Value {
    serving.get("/healthz").body["bundles"][0]["number"].clone()
}

#[test]
fn push_asks_and_does_what_it_is_told() {
    let (_directory, serving) = started();
    let shop = shop();
    let args = ["push", text(&shop), "--to", &serving.url];
    let key = [("USHER_ADMIN_KEY", ADMIN_KEY)];
    for no in ["n\r", "\r", "no\r", "x\r", "\u{4}"] {
        let mut terminal = Terminal::run(&args, &key);
        terminal.until("[y/N] ");
        terminal.types(no);
        let (status, screen, _) = terminal.end();
        assert_eq!(status.code(), Some(1), "{screen}");
        assert!(screen.contains("nothing was published"), "{screen}");
        assert_eq!(runs(&serving), Value::Null);
    }
    // Ctrl-C ends it as it ends everything else.
    let mut terminal = Terminal::run(&args, &key);
    terminal.until("[y/N] ");
    terminal.types("\u{3}");
    let (status, screen, _) = terminal.end();
    assert_eq!((status.code(), status.signal()), (None, Some(2)), "{screen}");
    assert_eq!(runs(&serving), Value::Null);

    for (number, yes) in [(1, "y\r"), (2, "YES\r")] {
        let definitions = if number == 1 { shop.clone() } else { changed(&_directory) };
        let mut terminal = Terminal::run(&["push", text(&definitions), "--to", &serving.url], &key);
        terminal.until("[y/N] ");
        terminal.types(yes);
        let (status, screen, _) = terminal.end();
        assert_eq!(status.code(), Some(0), "{screen}");
        assert!(screen.contains(&format!("Bundle {number} of audience")), "{screen}");
        assert_eq!(runs(&serving), number);
    }

    let mut terminal = Terminal::run(&["rollback", "--audience", AUDIENCE, "--to", &serving.url], &key);
    terminal.until("[y/N] ");
    terminal.types("n\r");
    assert_eq!(terminal.end().0.code(), Some(1));
    let mut terminal = Terminal::run(&["rollback", "--audience", AUDIENCE, "--to", &serving.url], &key);
    terminal.until("[y/N] ");
    terminal.types("y\r");
    let (status, screen, _) = terminal.end();
    assert!(status.success() && screen.contains("it is bundle 1 once more"), "{screen}");

    for (keys, code) in [("\r", 1), ("y\r", 0)] {
        let mut terminal = Terminal::run(&["unpublish", "--audience", AUDIENCE, "--to", &serving.url], &key);
        terminal.until("[y/N] ");
        terminal.types(keys);
        let (status, screen, _) = terminal.end();
        assert_eq!(status.code(), Some(code), "{screen}");
        assert_eq!(runs(&serving) == Value::Null, code == 0, "{screen}");
    }
}

#[test]
fn pull_asks_before_it_replaces() {
    let (directory, serving) = started();
    serving.fill();
    let into = directory.join("mine");
    std::fs::create_dir(&into).unwrap();
    let file = into.join("rt_config.yaml");
    std::fs::write(&file, "parent_segment_id: '7'\nevents: []\n").unwrap();
    let args = ["pull", text(&into), "--to", &serving.url, "--audience", AUDIENCE];
    for (keys, code) in [("n\r", 1), ("\r", 1), ("y\r", 0)] {
        let mut terminal = Terminal::run(&args, &[("USHER_ADMIN_KEY", ADMIN_KEY)]);
        terminal.until("Replace them? [y/N] ");
        terminal.types(keys);
        let (status, screen, _) = terminal.end();
        assert_eq!(status.code(), Some(code), "{screen}");
        let replaced = std::fs::read_to_string(&file).unwrap().starts_with("# Bundle 1 of audience");
        assert_eq!(replaced, code == 0, "{screen}");
        assert_eq!(into.join("examples.yaml").exists(), replaced);
    }
}

#[test]
fn push_names_what_it_would_remove_altogether() {
    let (_directory, serving) = started();
    serving.fill();
    let part = shop().join("rt_config.yaml");
    let push = ["push", text(&part), "--to", &serving.url];
    let mut terminal = Terminal::run(&push, &[("USHER_ADMIN_KEY", ADMIN_KEY)]);
    terminal.until("and remove all 5 personalizations of bundle 1? [y/N] ");
    terminal.types("n\r");
    assert_eq!(terminal.end().0.code(), Some(1));
}

/// The shop with another discount, in a directory of its own.
fn changed(directory: &Directory) -> std::path::PathBuf {
    let changed = directory.join("changed");
    std::fs::create_dir_all(&changed).unwrap();
    for file in ["rt_config.yaml", "web_personalization.yaml"] {
        let text = std::fs::read_to_string(shop().join(file)).unwrap();
        std::fs::write(changed.join(file), text.replace(">= 3", ">= 4")).unwrap();
    }
    changed
}

#[test]
fn a_difference_is_colored_on_a_terminal_unless_nobody_wants_it() {
    let (directory, serving) = started();
    serving.fill();
    let changed = changed(&directory);
    let push = ["push", text(&changed), "--to", &serving.url, "--dry-run"];
    let broken = directory.write("broken.yaml", "parent_segment_id: '7'\nevnets: []\nattributes: []\n");
    let validate = ["validate", text(&broken)];
    for args in [push.as_slice(), validate.as_slice()] {
        let shown = |environment: &[(&str, &str)]| {
            let environment = [environment, &[("USHER_ADMIN_KEY", ADMIN_KEY)]].concat();
            Terminal::run(args, &environment).end().1
        };
        let (colored, plain, empty) = (shown(&[]), shown(&[("NO_COLOR", "1")]), shown(&[("NO_COLOR", "")]));
        assert!(colors(&colored) > 0, "{colored}");
        assert_eq!(colors(&plain), 0, "{plain}");
        // <https://no-color.org>: only when it is not empty.
        assert_eq!(colors(&empty), colors(&colored), "{empty}");
        let piped = bed::run(command(args).env("USHER_ADMIN_KEY", ADMIN_KEY), "");
        assert!(!piped.err.contains(ESCAPE) && !piped.out.contains(ESCAPE), "{piped:?}");
    }
}

/// The number of times that a color or weight is chosen, without movements of the cursor.
fn colors(screen: &str) -> usize {
    let sequences = screen.split(ESCAPE).skip(1);
    sequences
        .filter(|rest| rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|at| &rest[at..=at] == "m"))
        .count()
}

#[test]
fn progress_is_on_the_terminal_while_output_pipes() {
    let (directory, serving) = started();
    serving.fill();
    let rows: String =
        (0..4_500).map(|row| format!("{}\n", json!({"customer_id": format!("c-{row}")}))).collect();
    let file = directory.write("rows.ndjson", rows);
    let import = ["import", text(&file), "--audience", AUDIENCE, "--to", &serving.url];
    let (status, screen, piped) = Terminal::piping(&import, &[("USHER_SERVER_KEY", SERVER_KEY)]).end();
    assert!(status.success(), "{screen}");
    assert_eq!(piped, "imported 4500, unchanged 0, rejected 0, values refused 0\n");
    // The line is drawn over and over, and gone in the end.
    let drawn: Vec<&str> = screen.split("\r\u{1b}[K").collect();
    assert!(drawn.len() > 3 && drawn.iter().any(|line| line.contains('%')), "{screen:?}");
    assert_eq!(drawn.last().map(|line| line.trim()), Some(""), "{screen:?}");
    assert!(!screen.contains(COLOR), "{screen:?}");
    // In a pipe there is none of it.
    let quiet = bed::run(command(&import).env("USHER_SERVER_KEY", SERVER_KEY), "");
    assert!(quiet.err.lines().count() == 1 && quiet.err.contains("rows.ndjson:1: lacks "), "{quiet:?}");
    assert_eq!(quiet.out, "imported 4500, unchanged 0, rejected 0, values refused 0\n");

    let shop = shop();
    let json: [(&[&str], &str); 3] = [
        (&["ps", "list", "--to", &serving.url, "--json"], "USHER_ADMIN_KEY"),
        (&["validate", text(&shop), "--format", "json"], "USHER_ADMIN_KEY"),
        (
            &[
                "explain",
                "--from",
                &serving.url,
                "--audience",
                AUDIENCE,
                "--key",
                "customer_id=c-1001",
                "--json",
            ],
            "USHER_SERVER_KEY",
        ),
    ];
    for (args, name) in json {
        let key = if name == "USHER_ADMIN_KEY" { ADMIN_KEY } else { SERVER_KEY };
        let (_, screen, piped) = Terminal::piping(args, &[(name, key)]).end();
        let parsed: Result<Value, _> = serde_json::from_str(&piped);
        assert!(parsed.is_ok(), "{args:?}: {piped}\n{screen}");
        assert!(!piped.contains(ESCAPE));
    }
    // What pushing says goes to the terminal, its answer to the pipe.
    let changed = changed(&directory);
    let push = ["push", text(&changed), "--to", &serving.url, "-y"];
    let (status, screen, piped) = Terminal::piping(&push, &[("USHER_ADMIN_KEY", ADMIN_KEY)]).end();
    assert!(status.success() && piped.starts_with("✅ Bundle 2") && !piped.contains(ESCAPE), "{piped}");
    assert!(screen.contains("reading what runs") && screen.contains("publishing"), "{screen:?}");
}
