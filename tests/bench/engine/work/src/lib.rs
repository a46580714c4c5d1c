//! The rules, the profiles and the engine's side of each row. One code: natively it stands beside the peers, as wasm
//! beside itself.

pub mod cycle;
pub mod random;
pub mod rules;
pub mod usher;

use std::cell::RefCell;

/// A task that is made once and run as often as asked.
type Run = Box<dyn FnMut(u64) -> u64>;

/// The number of tasks.
pub const WORKS: usize = 8;

thread_local! {
    static MADE: RefCell<[Option<Run>; WORKS]> = RefCell::new(std::array::from_fn(|_| None));
}

/// Seeds and sizes of the rows, which wasm and native code have in common.
pub mod size {
    pub const MIX_SEED: u64 = 1;
    pub const NESTED_SEED: u64 = 2;
    pub const SECTIONS_SEED: u64 = 3;
    pub const PROFILES_SEED: u64 = 9;
    /// Few enough that what is evaluated stays in the nearest caches, for every subject.
    pub const PROFILES: usize = 16;
    pub const NESTED: usize = 10;
}

fn make(work: usize) -> Run {
    use size::*;
    let profiles = rules::profiles(PROFILES_SEED, PROFILES);
    let sections = |count| rules::sections(SECTIONS_SEED, count);
    match work {
        0 => Box::new(usher::evaluation(&rules::mix(MIX_SEED), &profiles)),
        1 => Box::new(usher::evaluation(&rules::nested(NESTED_SEED, NESTED, false), &profiles)),
        2 => Box::new(usher::matching(&sections(100), &profiles)),
        3 => Box::new(usher::matching(&sections(1_000), &profiles)),
        4 => Box::new(usher::update(10)),
        5 => Box::new(usher::update(1_000)),
        6 => Box::new(usher::opening()),
        _ => Box::new(usher::update_stored(1_000)),
    }
}

/// Runs a work so many times. What it needs is made with its first run, which is not to be timed.
pub fn run(work: usize, iterations: u64) -> u64 {
    MADE.with_borrow_mut(|made| {
        made.get_mut(work).map_or(0, |slot| slot.get_or_insert_with(|| make(work))(iterations))
    })
}

/// The same for a host of wasm.
#[cfg(target_arch = "wasm32")]
#[unsafe(export_name = "run")]
pub extern "C" fn run_exported(work: u32, iterations: u32) -> u32 {
    run(work as usize, u64::from(iterations)) as u32
}
