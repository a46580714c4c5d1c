//! The hunt: a pool of inputs that showed something new, damaged again and again, and what was found.

use std::collections::BTreeMap;

use usher_fuzz_inputs::random::Random;
use usher_fuzz_inputs::{Target, damaged, made};

use crate::budget;
use crate::machine::{Ending, Machine, Run, Worker};

/// The number of inputs with new outcomes that are kept beside the corpus.
const POOL: usize = 512;
/// Of how many inputs one is run twice more, each time alone.
const TWICE_ONE_IN: u64 = 64;
/// The number of failures of one lane that are reduced and kept.
const FAILURES_KEPT: usize = 5;
const SHRINKING_RUNS: usize = 600;

/// Inputs that tell the base of a budget, and those that tell what a byte costs.
const SHORT_BYTES: usize = 256;
const LONG_BYTES: usize = 8 * 1024;

/// The results of a share of a target's inputs.
#[derive(Default)]
pub struct Found {
    pub inputs: u64,
    pub failed: u64,
    pub failures: Vec<(String, Vec<u8>)>,
    /// The largest share of its fuel that an input took, and which.
    pub share: f64,
    pub dearest: Vec<u8>,
    /// The basis of the budget: the most fuel of a short input, and the most for each byte of a long one.
    pub short_fuel: u64,
    pub byte_fuel: u64,
    pub grown_bytes: usize,
    pub outcomes: BTreeMap<String, u64>,
}

/// Hunts in one lane: the same seed and number of inputs find the same, however many lanes run beside it.
pub fn hunt(machine: &Machine, target: Target, seeds: &[Vec<u8>], seed: u64, inputs: u64) -> Found {
    let mut random = Random::new(seed);
    let mut worker = Worker::new(machine);
    let mut pool: Vec<Vec<u8>> = Vec::new();
    let mut found = Found { inputs, ..Found::default() };
    // How dear an outcome was at most, in doublings of fuel.
    let mut dearest: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..inputs {
        let one = |random: &mut Random| match random.below(8) {
            0..=1 => made(target, seeds, random),
            2..=4 if !pool.is_empty() => random.pick(&pool),
            _ => random.pick(seeds),
        };
        let (base, partner) = (one(&mut random), one(&mut random));
        let input = damaged(target, base, &partner, &mut random);
        let run = worker.run(target, &input);
        found.grown_bytes = found.grown_bytes.max(run.grown_bytes);
        let share = run.fuel as f64 / budget::of(target).fuel(input.len()) as f64;
        match input.len() {
            ..=SHORT_BYTES => found.short_fuel = found.short_fuel.max(run.fuel),
            LONG_BYTES.. => found.byte_fuel = found.byte_fuel.max(run.fuel / input.len() as u64),
            _ => {}
        }
        if share > found.share {
            (found.share, found.dearest) = (share, input.clone());
        }
        let failure = match &run.ending {
            Ending::Answered(label, _) => {
                let steps = run.fuel.ilog2();
                let most = dearest.entry(label.clone()).or_default();
                if steps > *most {
                    *most = steps;
                    if pool.len() < POOL {
                        pool.push(input.clone())
                    } else {
                        let at = random.below(POOL);
                        pool[at] = input.clone()
                    }
                }
                let outcome = label.split(' ').next().unwrap_or_default();
                *found.outcomes.entry(outcome.to_owned()).or_default() += 1;
                (number % TWICE_ONE_IN == 0 && !same_alone(machine, target, &input, &run))
                    .then_some("differs")
            }
            ending => ending.failure(),
        };
        if let Some(kind) = failure {
            found.failed += 1;
            if found.failures.len() < FAILURES_KEPT {
                let small = if kind == "differs" { input } else { shrunk(machine, target, input, kind) };
                found.failures.push((kind.to_owned(), small));
            }
        }
    }
    found
}

/// True if two fresh instances give the same answer as this one.
fn same_alone(machine: &Machine, target: Target, input: &[u8], run: &Run) -> bool {
    let fuel = budget::of(target).fuel(input.len());
    let (first, second) = (machine.alone(target, input, fuel), machine.alone(target, input, fuel));
    first == second && first.ending == run.ending
}

/// Takes chunks out as long as it fails the same way.
fn shrunk(machine: &Machine, target: Target, mut input: Vec<u8>, kind: &str) -> Vec<u8> {
    let fails = |input: &[u8]| {
        machine.alone(target, input, budget::of(target).fuel(input.len())).ending.failure() == Some(kind)
    };
    let (mut chunk, mut runs) = (input.len() / 2, 0);
    while chunk > 0 && runs < SHRINKING_RUNS {
        let mut at = 0;
        while at < input.len() && runs < SHRINKING_RUNS {
            let mut less = input.clone();
            less.drain(at..(at + chunk).min(input.len()));
            runs += 1;
            if fails(&less) { input = less } else { at += chunk }
        }
        chunk /= 2;
    }
    input
}
