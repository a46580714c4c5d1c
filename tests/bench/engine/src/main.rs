//! `make bench-engine`: the decision engine beside its peers. README.md of the folder above says how to read it.
//!
//! ```text
//! usher-bench [row …]            all rows, or those whose ids begin so
//! usher-bench --probe row side n  one side of one row, for callgrind
//! ```
//! QUICK=1 takes fewer rounds; CHECK=1 fails when a must is missed; SIZES=… are bytes that were weighed before.

mod agreement;
mod bundle;
mod callgrind;
mod hosts;
mod measure;
mod report;
mod rows;
mod statistics;
mod stored;
mod subject;
mod window;

use std::process::ExitCode;

use hosts::{Host, Hosted};
use measure::{Clocked, Run, measure, measured};
use report::{Line, Report};
use rows::Row;
use statistics::Ratio;
use usher_bench_work::{self as work, usher};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let said = match arguments.as_slice() {
        [flag, row, side, count] if flag == "--probe" => probe(row, side, count).map(|()| true),
        wanted => compare(wanted),
    };
    match said {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

/// Runs one side of a row: a part of it first, which is not counted, so that everything is made and warm.
fn probe(row: &str, side: &str, count: &str) -> Result<(), String> {
    let rows = rows::native();
    let row = rows.iter().find(|known| known.id == row).ok_or("no such row")?;
    let count: u64 = count.parse().map_err(|_| "no count")?;
    let mut run = if side == "ours" { (row.ours)() } else { (row.theirs)() };
    run(count.div_ceil(4));
    std::hint::black_box(measured(&mut run, count));
    Ok(())
}

/// Everything; whether every must was met, unless nobody asked.
fn compare(wanted: &[String]) -> Result<bool, String> {
    let is_wanted = |id: &str| wanted.is_empty() || wanted.iter().any(|start| id.starts_with(start.as_str()));
    let rounds = if is_set("QUICK") { 11 } else { 31 };
    let agreed = agreement::agree()?;
    window::agree()?;
    let mut report = Report::default();
    report.say(&format!(
        "agreement: {} answers, {} rules × {} profiles × 8 subjects; {} rules were dropped for all because one cannot say them",
        agreed.answers, agreed.rules, agreed.profiles, agreed.dropped
    ));
    report.say("sliding counters agree with exact ones up to one bucket");
    let valgrind = callgrind::is_there();
    if !valgrind {
        report.say("instructions: not measured: valgrind is missing");
    }
    report.head();
    for row in rows::native().iter().filter(|row| is_wanted(row.id)) {
        report.line(native(row, rounds, valgrind)?);
    }
    if is_wanted("update-bytes") {
        bytes(&mut report);
    }
    if is_wanted("wasm") {
        wasm(&mut report, rounds)?;
    }
    if is_wanted("size") {
        sizes(&mut report)?;
    }
    for (number, sections) in [(2, "100"), (3, "1,000")] {
        let entered = work::run(number, work::size::PROFILES as u64) as f64 / work::size::PROFILES as f64;
        report.say(&format!("of {sections} sections a visitor enters {entered}, on average"));
    }
    let [usher, rkyv, json, postcard] = stored::bytes();
    report.say(&format!("the stored profile: {usher} bytes; rkyv {rkyv}, JSON {json}, postcard {postcard}"));
    let [bundle, texts] = bundle::bytes();
    report.say(&format!("1,000 sections: a bundle of {bundle} bytes, filters of {texts}"));
    report.end();
    Ok(report.missed == 0 || !is_set("CHECK"))
}

fn native(row: &Row, rounds: usize, valgrind: bool) -> Result<Line, String> {
    let (mut ours, mut theirs): (Run, Run) = ((row.ours)(), (row.theirs)());
    // The works of the engine are made once, and where a run begins is where the last ended: the same count twice.
    let (mine, other) = (ours(64), theirs(64));
    if row.same && mine != other {
        return Err(format!("{}: usher says {mine}, {} says {other}", row.id, row.peer));
    }
    let measured = measure(&mut ours, &mut theirs, rounds);
    drop((ours, theirs));
    let counted = if valgrind {
        let part = |count: u64| (count / 12).max(1);
        let mine = callgrind::instructions(row.id, "ours", part(measured.ours_count))?;
        Some(mine / callgrind::instructions(row.id, "theirs", part(measured.theirs_count))?)
    } else {
        None
    };
    Ok(Line {
        what: row.what.to_owned(),
        peer: row.peer.to_owned(),
        ratio: measured.ratio,
        times: Some((measured.ours_ns, measured.theirs_ns)),
        instructions: counted,
        must: row.must,
    })
}

fn bytes(report: &mut Report) {
    for (per_window, must) in [(10, None), (1_000, Some((0.25, 0.25)))] {
        let ratio = usher::counters_bytes(per_window) as f64 / window::deques_bytes(per_window) as f64;
        report.line(Line {
            what: format!("bytes of 10 counters, {per_window} events per window"),
            peer: "exact deques by postcard".to_owned(),
            ratio: Ratio::exact(ratio),
            times: None,
            instructions: None,
            must,
        });
    }
}

/// The same code natively and as wasm.
fn wasm(report: &mut Report, rounds: usize) -> Result<(), String> {
    let mut hosts =
        [("wasmtime 48.0.8", Host::wasmtime()?, (1.6, 1.3)), ("V8 of Node", Host::node()?, (2.0, 1.5))];
    for (name, host, must) in &mut hosts {
        for (number, what) in rows::WASM {
            let native = work::run(number, 64) as u32;
            let (_, there) = host.run(number, 64)?;
            if u64::from(native) != there {
                return Err(format!("{what}: natively {native}, in {name} {there}"));
            }
            let mut native: Run = Box::new(move |n| work::run(number, n));
            let mut hosted = Hosted { host, work: number };
            // V8 compiles what is hot a second time.
            hosted.clock(64);
            let measured = measure(&mut hosted, &mut native, rounds);
            report.line(Line {
                what: format!("as wasm in {name}: {what}"),
                peer: "usher, native".to_owned(),
                ratio: measured.ratio,
                times: Some((measured.ours_ns, measured.theirs_ns)),
                instructions: None,
                must: Some(*must),
            });
        }
    }
    Ok(())
}

/// The sizes that `size.mjs` measured, in bytes: with patterns and without.
fn sizes(report: &mut Report) -> Result<(), String> {
    let Ok(said) = std::env::var("SIZES") else { return Ok(()) };
    let limits = [("with patterns", 90, 60), ("without patterns", 60, 45)];
    for ((name, must, aim), bytes) in limits.iter().zip(said.split(',')) {
        let bytes: f64 = bytes.parse().map_err(|_| format!("SIZES={said}"))?;
        report.weight(&format!("engine alone as wasm, gzip -9, {name}"), bytes, must * 1_000, aim * 1_000);
    }
    Ok(())
}
