//! Runs damaged inputs through the wasm that ships, in wasmtime, with fuel.
//!
//! ```text
//! usher-fuzz <module.wasm> [N] [seed]      the kept cases, then N inputs over all targets (10⁶)
//! usher-fuzz <module.wasm> case <file>…    what these do, by the target that their folder names
//! ```
//! See README.md beside it.

mod budget;
mod hunt;
mod machine;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use usher_fuzz_inputs::Target;

use budget::BUDGETS;
use hunt::{Found, hunt};
use machine::{Ending, Machine};

const INPUTS: u64 = 1_000_000;
/// Into how many lanes a target's inputs are cut, so that what is found does not depend on how many processors there are.
const LANES: u64 = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [wasm, rest @ ..] = texts.as_slice() else {
        eprintln!("usage: usher-fuzz <module.wasm> [N] [seed] | usher-fuzz <module.wasm> case <file>…");
        return ExitCode::from(64);
    };
    let machine =
        match std::fs::read(wasm).map_err(wasmtime::Error::from).and_then(|wasm| Machine::load(&wasm)) {
            Ok(machine) => machine,
            Err(error) => {
                eprintln!("{wasm}: {error:?}");
                return ExitCode::from(66);
            }
        };
    match rest {
        ["case", files @ ..] => {
            files.iter().for_each(|file| tell(&machine, Path::new(file)));
            ExitCode::SUCCESS
        }
        _ => {
            let number = |index: usize, or: u64| rest.get(index).map_or(Some(or), |text| text.parse().ok());
            let (Some(inputs), Some(seed)) = (number(0, INPUTS), number(1, 1)) else {
                eprintln!("N and the seed are numbers");
                return ExitCode::from(64);
            };
            run(&machine, inputs, seed)
        }
    }
}

fn run(machine: &Machine, inputs: u64, seed: u64) -> ExitCode {
    let (mut passed, mut failed) = replay(machine);
    let seeds = Target::ALL.map(|target| machine.seeds(target));
    // Whatever the number, the lanes together run it.
    let shares: Vec<(Target, u64, u64)> = (0..Target::ALL.len() as u64 * LANES)
        .map(|index| {
            let lanes = Target::ALL.len() as u64 * LANES;
            let share = inputs / lanes + u64::from(index < inputs % lanes);
            (Target::ALL[(index / LANES) as usize], seed.wrapping_mul(1_000).wrapping_add(index), share)
        })
        .collect();
    let mut found: BTreeMap<usize, (Found, f64)> = BTreeMap::new();
    let (queue, done) = (Mutex::new(shares.into_iter()), Mutex::new(&mut found));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("nobody panicked").next();
                    let Some((target, seed, share)) = next else { break };
                    let start = Instant::now();
                    let lane = hunt(machine, target, &seeds[target as usize], seed, share);
                    add(
                        &mut done.lock().expect("nobody panicked"),
                        target,
                        lane,
                        start.elapsed().as_secs_f64(),
                    );
                }
            });
        }
    });
    println!(
        "{:<12}{:>10}{:>10}{:>10}{:>12}{:>9}",
        "target", "inputs", "/second", "outcomes", "max. fuel", "failed"
    );
    for budget in &BUDGETS {
        let Some((found, seconds)) = found.get(&(budget.target as usize)) else { continue };
        println!(
            "{:<12}{:>10}{:>10.0}{:>10}{:>11.1}%{:>9}  {:?}, short {}k, long {} a byte, grew by {} KiB",
            budget.target.name(),
            found.inputs,
            found.inputs as f64 / seconds.max(1e-9),
            found.outcomes.len(),
            found.share * 100.0,
            found.failed,
            found.outcomes,
            found.short_fuel / 1000,
            found.byte_fuel,
            found.grown_bytes / 1024,
        );
        keep(budget.target, found);
        passed += found.inputs - found.failed;
        failed += found.failed;
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 || passed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn add(all: &mut BTreeMap<usize, (Found, f64)>, target: Target, lane: Found, seconds: f64) {
    let (sum, time) = all.entry(target as usize).or_default();
    sum.inputs += lane.inputs;
    sum.failed += lane.failed;
    sum.failures.extend(lane.failures);
    if lane.share > sum.share {
        (sum.share, sum.dearest) = (lane.share, lane.dearest);
    }
    sum.short_fuel = sum.short_fuel.max(lane.short_fuel);
    sum.byte_fuel = sum.byte_fuel.max(lane.byte_fuel);
    sum.grown_bytes = sum.grown_bytes.max(lane.grown_bytes);
    for (outcome, count) in lane.outcomes {
        *sum.outcomes.entry(outcome).or_default() += count;
    }
    *time += seconds;
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The cases that are kept, each alone: how many passed and failed.
fn replay(machine: &Machine) -> (u64, u64) {
    let (mut passed, mut failed) = (0, 0);
    for target in Target::ALL {
        let folder = std::fs::read_dir(cases().join(target.name()));
        let mut files: Vec<PathBuf> =
            folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            let Ok(input) = std::fs::read(&file) else { continue };
            let run = machine.alone(target, &input, budget::of(target).fuel(input.len()));
            match run.ending.failure() {
                None => passed += 1,
                Some(kind) => {
                    println!("FAILED ({kind}) {}", file.display());
                    failed += 1;
                }
            }
        }
    }
    println!("{passed} kept cases passed, {failed} failed");
    (passed, failed)
}

/// Writes down what failed, and where.
fn keep(target: Target, found: &Found) {
    for (kind, input) in &found.failures {
        let folder = cases().join(target.name());
        let file = folder.join(format!("{kind}-{:016x}", name(input)));
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, input));
        match written {
            Ok(()) => println!("FAILED ({kind}) kept as {}", file.display()),
            Err(error) => println!("FAILED ({kind}) and {} cannot be written: {error}", file.display()),
        }
    }
    // What comes closest to the budget, for whoever tunes it.
    if let Ok(folder) = std::env::var("USHER_FUZZ_DEAREST") {
        let folder = Path::new(&folder).join(target.name());
        let _ = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("dearest"), &found.dearest));
    }
}

/// FNV-1a, for file names.
fn name(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn tell(machine: &Machine, file: &Path) {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    let Some(target) = Target::ALL.into_iter().find(|target| folder == target.name()) else {
        return println!("{}: its folder is called like no target", file.display());
    };
    let Ok(input) = std::fs::read(file) else { return println!("{}: cannot be read", file.display()) };
    let fuel = budget::of(target).fuel(input.len());
    // Ten times the budget, so that what it takes is seen.
    let run = machine.alone(target, &input, fuel * 10);
    println!(
        "{}: {} bytes, fuel {} of {fuel} ({:.1}%), grew by {} KiB",
        file.display(),
        input.len(),
        run.fuel,
        run.fuel as f64 * 100.0 / fuel as f64,
        run.grown_bytes / 1024
    );
    match run.ending {
        Ending::Answered(label, rest) => println!("{label}\n{}", String::from_utf8_lossy(&rest)),
        other => println!("{other:?}"),
    }
}
