//! Deterministic simulation of deployments.
//!
//! A run has one seed, one thread and no clock but its own: the same seed is the same run. The service is the real one: its
//! fronts, writers, stores, tiers of lookups, releases, and the steps of its loop. Simulated are storage that fails, a
//! key-value store that is late, clocks that differ, isolates that die, forms side by side, and a network that loses,
//! repeats, delays and reorders. Clients keep what was acknowledged to them in a [model], and the laws are held at each
//! commit, at each answer, and at the end.
//!
//! Read in this order: [`setting`], [`world`], [`act`], then the three kinds of deployment, [`objects`], [`shared`] and
//! [`whole`]; then the laws, in [`model`], [`answer`] and [`audit`].

pub mod act;
pub mod answer;
pub mod audit;
pub mod call;
pub mod chance;
pub mod deployment;
pub mod disk;
pub mod erasures;
pub mod isolate;
pub mod kv;
pub mod many;
pub mod model;
pub mod objects;
pub mod planted;
pub mod setting;
pub mod sharded;
pub mod shared;
pub mod whole;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use setting::Fault;
use world::World;

/// A run that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Decides everything else.
    pub seed: u64,
    /// Only so many actions of the run; None: all.
    pub actions: Option<usize>,
    /// Faults that do not happen.
    pub without: Vec<Fault>,
    /// True to have its steps in words.
    pub trace: bool,
}

/// A run that was made.
#[derive(Clone, Debug)]
pub struct Run {
    /// The law that was broken, if one was.
    pub failure: Option<String>,
    /// Its steps in words, if they were asked for.
    pub trace: Vec<String>,
    /// The number of its steps.
    pub steps: usize,
    /// The number of its events.
    pub events: usize,
    /// The number of its actions.
    pub actions: usize,
}

/// Makes a run.
pub fn run(options: &Options) -> Run {
    let mut world = World::new(options);
    if catch_unwind(AssertUnwindSafe(|| world.run())).is_err() {
        world.fail("the service panicked");
    }
    Run {
        failure: world.failure,
        trace: world.trace.unwrap_or_default(),
        steps: world.steps,
        events: world.model.events.len(),
        actions: world.setting.actions,
    }
}

/// The shortest run of a failing seed that was found: as few faults and actions as still break a law.
pub fn shrink(options: &Options) -> Options {
    let mut shortest = options.clone();
    let fails = |options: &Options| run(options).failure.is_some();
    for (fault, _) in Fault::ALL {
        let mut less = shortest.clone();
        less.without.push(fault);
        if fails(&less) {
            shortest = less;
        }
    }
    let all = run(&shortest).actions;
    for actions in 0..all {
        let less = Options { actions: Some(actions), ..shortest.clone() };
        if fails(&less) {
            return less;
        }
    }
    shortest
}

/// The command that makes this run again, with its steps.
pub fn command(options: &Options) -> String {
    let mut command = format!("make sim SEED={}", options.seed);
    if let Some(actions) = options.actions {
        command += &format!(" ACTIONS={actions}");
    }
    if !options.without.is_empty() {
        let names: Vec<&str> = Fault::ALL
            .iter()
            .filter(|(fault, _)| options.without.contains(fault))
            .map(|(_, name)| *name)
            .collect();
        command += &format!(" WITHOUT={}", names.join(","));
    }
    command
}
