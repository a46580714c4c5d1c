//! Runs every vector on every host: `cargo test -p usher-tests --test suite [-- <part of a path>]`.
//!
//! Hosts that are processes run where they have been built: `USHER_TEST_NATIVE` names the binary with a test clock,
//! `USHER_TEST_WORKER` the folder of the worker with one, and `USHER_TEST_WORKER_RELEASE` that of the worker that
//! ships; `USHER_TEST_RUST_WORKER` the folder of the Rust Worker in `examples`; `USHER_TEST_SPIN` the program that stands for Spin, and `USHER_TEST_SPIN_COMPONENT` what it compiled; `USHER_TEST_TAB` the
//! folder of the edge for browser tabs. `make test` builds all of them; without one its host is skipped, and that is said.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use usher_tests::criteria::{self, Table};
use usher_tests::lines::odd_line;
use usher_tests::run::{Outcome, run};
use usher_tests::target::{InProcess, Native, Sharded, Spin, Tab, Target, Workerd};
use usher_tests::vector::{self, Vector};
use usher_tests::visits::Visits;
use usher_tests::ways::Ways;

type Start = Box<dyn Fn() -> Box<dyn Target> + Send>;
/// A host by its name, with whether its clock is the real one. Without a start it was not built.
type Host = (&'static str, bool, Option<Start>);

/// Hosts that run at the same time.
const AT_ONCE: usize = 2;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |path: &str| wanted.is_empty() || wanted.iter().any(|part| path.contains(part.as_str()));
    let mut tally = Tally::default();
    let (mut vectors, mut tables, mut visits) = (vector::all(), criteria::all(), vector::visits());
    vectors.retain(|(path, _)| is_wanted(path));
    tables.retain(|(path, _)| is_wanted(path));
    visits.retain(|(path, _)| is_wanted(path));
    let mut ways = vector::ways();
    ways.retain(|(path, _)| is_wanted(path));
    for (path, table) in vector::keys().iter().filter(|(path, _)| is_wanted(path)) {
        tally.add("engine", path, table.decide());
    }
    for (path, table) in &tables {
        tally.add("engine", path, table.decide());
    }
    // Vectors wait for their host most of the time, so several hosts run at once.
    let waiting = Mutex::new(hosts().into_iter());
    let work = || {
        let mut tally = Tally::default();
        while let Some(host) = { waiting.lock().unwrap().next() } {
            let (name, mut of_host) = (host.0, Tally::default());
            let start = Instant::now();
            play(host, &vectors, &visits, &ways, &tables, &mut of_host);
            print!("{}", of_host.said);
            println!(
                "{name}: {} passed, {} failed, {:.1} min",
                of_host.passed,
                of_host.failed,
                start.elapsed().as_secs_f64() / 60.0
            );
            tally.join(of_host);
        }
        tally
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| tally.join(worker.join().unwrap()));
    });
    let Tally { passed, failed, skipped, .. } = tally;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    // Nothing run is nothing shown.
    std::process::exit(if failed > 0 || passed == 0 { 1 } else { 0 });
}

/// Runs everything on one host.
fn play(
    (host, live, start): Host,
    vectors: &[(String, Vector)],
    visits: &[(String, Visits)],
    ways: &[(String, Ways)],
    tables: &[(String, Table)],
    tally: &mut Tally,
) {
    let Some(start) = start else {
        return tally.skip(host, "it was not built (see the head of suite.rs)");
    };
    // Several shards are no other host.
    let named = match host {
        "workerd-8-shards" => "workerd",
        "native-8-shards" => "native",
        "tab-restarted" => "tab",
        host if host.contains("shard") => "in-process",
        host => host,
    };
    let real = live.then_some("it sets the clock, and this host's is the real one");
    for (path, vector) in vectors {
        if let Some(reason) = reason_to_skip(vector, named, live).or_else(|| of_one_process(host, path)) {
            tally.skip(&format!("{host} {path}"), reason);
            continue;
        }
        for (step, reason) in vector.skipped_steps(named) {
            tally.skip(&format!("{host} {path}/{step}"), reason);
        }
        let mut target = start();
        let mut outcomes = run(vector, named, target.as_mut());
        if let Some(odd) = odd_line(&target.log()) {
            outcomes.push(Outcome { step: "its log".to_owned(), failure: Some(odd) });
        }
        tally.add(host, path, outcomes);
    }
    let mut ask =
        |path: &str, reason: Option<&str>, ask: &dyn Fn(&mut dyn Target) -> Vec<Outcome>| match reason {
            Some(reason) => tally.skip(&format!("{host} {path}"), reason),
            None => tally.add(host, path, ask(start().as_mut())),
        };
    visits.iter().for_each(|(path, visit)| ask(path, real, &|target| visit.ask(target)));
    ways.iter().for_each(|(path, way)| ask(path, real, &|target| way.ask(target)));
    tables
        .iter()
        .for_each(|(path, table)| ask(path, table.engine_only().or(real), &|target| table.ask(target)));
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// What is printed of them.
    said: String,
}

impl Tally {
    fn join(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.said.push_str(&other.said);
    }

    fn add(&mut self, host: &str, path: &str, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome.failure {
                None => self.passed += 1,
                Some(failure) => {
                    self.failed += 1;
                    self.said.push_str(&format!("FAILED {host} {path}/{}\n      {failure}\n", outcome.step));
                }
            }
        }
    }

    fn skip(&mut self, what: &str, reason: &str) {
        self.skipped += 1;
        self.said.push_str(&format!("skipped {what}: {reason}\n"));
    }
}

fn reason_to_skip<'v>(vector: &'v Vector, host: &str, live: bool) -> Option<&'v str> {
    if live && !vector.live {
        return Some("it sets the clock, and this host's is the real one");
    }
    vector.skip.get(host).map(String::as_str)
}

/// The reason why an edge that starts anew at each request does not run a vector.
fn of_one_process(host: &str, path: &str) -> Option<&'static str> {
    let is_any = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    match host {
        "tab-restarted" if is_any(&["http/metrics", "http/server-rates"]) => {
            Some("what a process counts ends with it")
        }
        "tab-restarted" if !is_any(&["http/", "stitching/"]) => {
            Some("it stores no other rows than those of http/ and stitching/")
        }
        _ => None,
    }
}

/// Each host, those first that take longest.
fn hosts() -> Vec<Host> {
    let built = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let native = built("USHER_TEST_NATIVE")
        .map(|program| -> Start { Box::new(move || Box::new(Native::start(&program, false))) });
    let native_shards = built("USHER_TEST_NATIVE")
        .map(|program| -> Start { Box::new(move || Box::new(Native::with_shards(&program, 8))) });
    let worker = |name: &str, live: bool, shards: u32| {
        built(name).map(|dist| -> Start { Box::new(move || Box::new(Workerd::start(&dist, live, shards))) })
    };
    let spin = built("USHER_TEST_SPIN").zip(built("USHER_TEST_SPIN_COMPONENT")).map(
        |(program, component)| -> Start { Box::new(move || Box::new(Spin::start(&program, &component))) },
    );
    let tab = |start: fn(&str) -> Tab| {
        built("USHER_TEST_TAB").map(|dist| -> Start { Box::new(move || Box::new(start(&dist))) })
    };
    vec![
        ("workerd-8-shards", false, worker("USHER_TEST_WORKER", false, 8)),
        ("workerd", false, worker("USHER_TEST_WORKER", false, 1)),
        ("rust-worker", false, worker("USHER_TEST_RUST_WORKER", false, 1)),
        ("spin", false, spin),
        ("workerd-release", true, worker("USHER_TEST_WORKER_RELEASE", true, 1)),
        ("native-8-shards", false, native_shards),
        ("native", false, native),
        ("tab", false, tab(Tab::start)),
        ("tab-restarted", false, tab(Tab::restarting)),
        ("8-shards", false, Some(Box::new(|| Box::new(Sharded::start(8))))),
        ("7-shards", false, Some(Box::new(|| Box::new(Sharded::start(7))))),
        ("2-shards", false, Some(Box::new(|| Box::new(Sharded::start(2))))),
        ("1-shard", false, Some(Box::new(|| Box::new(Sharded::start(1))))),
        ("in-process", false, Some(Box::new(|| Box::new(InProcess::start())))),
    ]
}
