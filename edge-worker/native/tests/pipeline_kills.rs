//! `usher pipeline run --state` is killed again and again while it reads, writes and commits. What it leaves in the end is
//! what it leaves without a kill, byte by byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bed::{Directory, command, run};

/// Kills in each half of the test: before and after rows come that events wait for.
const KILLS: u64 = 14;
/// A round without a kill is one in which the process was done before it came to that.
const ROUNDS_MAX: u64 = 400;
const LINES: u64 = 300;

const PIPELINE: &str = "
name: enriched
query: |
  SELECT c.event_id, c.user, p.category AS category, p.price * 1.1 AS price, u.tier AS tier FROM clicks c
  LEFT JOIN products p ON c.product = p.product LEFT JOIN users u ON c.user = u.user
  WHERE c.kind IN ('view', 'cart')
output: {topic: rows, format: json}
emission: {require: [category]}
state:
  events: {default_ttl: 600m30s, overrides: {users: 300m30s}}
  dimensions: [products]
";

/// A line of clicks: a minute after the one before it, sometimes a copy, of no use, for a product that comes later or never.
fn click(number: u64) -> String {
    if number.is_multiple_of(97) {
        return "{\"event_id\": \n".to_owned();
    }
    let id = if number.is_multiple_of(13) { number - 1 } else { number };
    let kind = ["view", "cart", "view", "scroll"][(number % 4) as usize];
    let time = 1_780_000_000 + number * 60;
    format!(
        "{{\"event_id\": \"e{id}\", \"user\": \"u{}\", \"product\": {}, \"kind\": \"{kind}\", \"time\": {time}}}\n",
        number % 31,
        number % 23,
    )
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A deployment of the pipeline.
struct Run<'a>(&'a Directory);

impl Run<'_> {
    fn command(&self) -> Command {
        let path = |name: &str| self.0.join(name).display().to_string();
        let mut command = command(&["pipeline", "run", &path("p.yaml"), "--state", &path("state")]);
        command.args(["--commit-ms", "5"]);
        for topic in ["products", "users", "clicks"] {
            command.args(["--input", &format!("{topic}={}", path(topic))]);
        }
        for (option, name) in [("--output", "rows"), ("--expired", "expired"), ("--dead", "dead")] {
            command.args([option, &path(name)]);
        }
        command
    }

    /// Lets it come to the end.
    fn finish(&self) {
        let ended = run(&mut self.command(), "");
        assert_eq!(ended.code, 0, "{}", ended.err);
    }

    /// True if a kill found it alive. It comes when the rows have grown by so many bytes.
    fn kill(&self, bytes: u64) -> bool {
        let length = || fs::metadata(self.0.join("rows")).map_or(0, |rows| rows.len());
        let before = length();
        let mut child =
            self.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Rows behind the last commit are cut off first.
        while child.try_wait().unwrap().is_none() && length() < before + bytes {
            thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap().signal() == Some(9)
    }

    fn left(&self) -> [String; 3] {
        ["rows", "expired", "dead"].map(|name| fs::read_to_string(self.0.join(name)).unwrap())
    }
}

/// Rows of products and users: in the second half the products of which the clicks of the first were waiting.
fn rows(half: u64) -> [String; 2] {
    let product = |number: u64| {
        format!("{{\"product\": {number}, \"category\": \"c{}\", \"price\": {number}.5}}\n", number % 3)
    };
    let user = |number: u64| {
        let time = 1_780_000_000 + half * 86_400;
        format!("{{\"user\": \"u{number}\", \"tier\": \"t{}\", \"time\": {time}}}\n", half + number % 2)
    };
    let products = if half == 0 { 0..15 } else { 10..21 };
    [products.map(product).collect(), (0..29).map(user).collect()]
}

#[test]
fn a_kill_at_any_point_loses_no_row_and_doubles_none() {
    let [killed, whole] = [Directory::new(), Directory::new()];
    for directory in [&killed, &whole] {
        directory.write("p.yaml", PIPELINE);
        directory.write("clicks", "");
    }
    let (mut number, mut seed) = (0, 1_u64);
    for half in 0..2 {
        let [products, users] = rows(half);
        append(&killed.join("products"), &products);
        append(&killed.join("users"), &users);
        let (mut kills, mut clicks, mut rest) = (0, String::new(), String::new());
        for _ in 0..ROUNDS_MAX {
            if kills == KILLS {
                break;
            }
            let more: String = (number..number + LINES).map(click).collect();
            number += LINES;
            clicks.push_str(&more);
            // The last line is written in two pieces.
            let (now, later) = more.split_at(more.len() - (number / LINES * 7 % 50) as usize);
            append(&killed.join("clicks"), &(rest + now));
            rest = later.to_owned();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Some come before anything was written.
            kills += u64::from(Run(&killed).kill((seed >> 33) % 20_000));
        }
        assert_eq!(kills, KILLS, "the process is done too soon to be killed");
        append(&killed.join("clicks"), &rest);
        Run(&killed).finish();
        append(&whole.join("products"), &products);
        append(&whole.join("users"), &users);
        append(&whole.join("clicks"), &clicks);
        Run(&whole).finish();
    }
    let [rows, expired, dead] = Run(&whole).left();
    assert!(rows.len() > 100_000 && expired.len() > 10_000 && dead.len() > 1_000, "too little happened");
    for (found, wanted) in Run(&killed).left().iter().zip([rows, expired, dead]) {
        let differs = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
        assert!(
            *found == wanted,
            "{} lines instead of {}, different from line {differs:?} on",
            found.lines().count(),
            wanted.lines().count()
        );
    }
}
