//! Inputs for every target, each a function of its number: what the repository has, what a grammar makes, and what
//! becomes of either when it is damaged. The runner and the module share it, so that a number means the same in both.

mod corpus;
mod damage;
mod grammar;
mod profile;
#[path = "../../../src/random.rs"]
pub mod random;

pub use corpus::corpus;
pub use damage::damaged;
pub use grammar::made;
pub use profile::mended;

use random::Random;

/// Maximum length of an input in bytes, except for the few large ones.
pub const INPUT_BYTES_MAX: usize = 16 * 1024;
/// Maximum length of a large input: work that grows faster than the input shows there.
pub const LARGE_BYTES_MAX: usize = 96 * 1024;
/// Of how many inputs one is blown up.
pub const LARGE_ONE_IN: usize = 1_024;

/// The readers of foreign data, in the order of their numbers in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Criteria as text.
    Criteria,
    /// Conditions of an API body.
    Condition,
    /// A bundle.
    Bundle,
    /// Definitions as YAML or JSON.
    Definition,
    /// A stored profile.
    Profile,
    /// A body that a caller sends to any route.
    Event,
    /// A batch of events.
    Batch,
    /// The rows of an import.
    Import,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 8] = [
        Target::Criteria,
        Target::Condition,
        Target::Bundle,
        Target::Definition,
        Target::Profile,
        Target::Event,
        Target::Batch,
        Target::Import,
    ];

    /// As the module exports it and the folder of its cases is called.
    pub fn name(self) -> &'static str {
        match self {
            Target::Criteria => "criteria",
            Target::Condition => "condition",
            Target::Bundle => "bundle",
            Target::Definition => "definition",
            Target::Profile => "profile",
            Target::Event => "event",
            Target::Batch => "batch",
            Target::Import => "import",
        }
    }
}

/// The number of stored profiles that the module makes at its start.
pub const STORED: u32 = 24;

/// The input of a number, made of these.
pub fn input(target: Target, number: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let random = &mut Random::new(number);
    let one =
        |random: &mut Random| if random.one_in(3) { made(target, seeds, random) } else { random.pick(seeds) };
    let (base, partner) = (one(random), one(random));
    damaged(target, base, &partner, random)
}
