//! The table of costs that an input may have, by target.

use usher_fuzz_inputs::Target;

/// Fuel is what wasmtime counts, about one per instruction. `base + per_byte × length` is what an input may burn, and the
/// engine does not know it: whatever takes more is a finding. Memory is what an instance may grow by for one input.
pub struct Budget {
    pub target: Target,
    pub base: u64,
    pub per_byte: u64,
    pub memory_bytes: usize,
}

const MIB: usize = 1 << 20;

/// About two to three times what the dearest of 10⁶ inputs and of the kept cases took.
pub const BUDGETS: [Budget; 8] = [
    // Texts over 4 KB are refused; what is dearest is numbers near the ends of floats, whose digits are counted out each
    // time that the criterion is printed.
    Budget { target: Target::Criteria, base: 5_000_000, per_byte: 3_000, memory_bytes: MIB },
    // Up to 200 findings, each drawn with its line, in three shapes; names are compared with those that were meant.
    Budget { target: Target::Condition, base: 10_000_000, per_byte: 25_000, memory_bytes: 4 * MIB },
    // A fresh service reads its keys; what compiles meets two events and an explanation.
    Budget { target: Target::Bundle, base: 4_000_000, per_byte: 4_000, memory_bytes: 4 * MIB },
    // Aliases make 100,000 nodes of a few bytes, each of which is read; then as with conditions.
    Budget { target: Target::Definition, base: 150_000_000, per_byte: 20_000, memory_bytes: 24 * MIB },
    // Written, read and compared four times, and met by three events.
    Budget { target: Target::Profile, base: 5_000_000, per_byte: 4_000, memory_bytes: 2 * MIB },
    // Five requests; a number may take 30 times as long as its digits say.
    Budget { target: Target::Event, base: 6_000_000, per_byte: 6_000, memory_bytes: 4 * MIB },
    // Each visitor is looked for among those of the batch before it, and there are at most 500.
    Budget { target: Target::Batch, base: 10_000_000, per_byte: 30_000, memory_bytes: 4 * MIB },
    // Twice. Of at most 10,000 rows each may make a profile, which takes some 5 KB until it is written.
    Budget { target: Target::Import, base: 10_000_000, per_byte: 120_000, memory_bytes: 56 * MIB },
];

pub fn of(target: Target) -> &'static Budget {
    BUDGETS.iter().find(|budget| budget.target == target).expect("every target has one")
}

impl Budget {
    /// The fuel for an input of this length.
    pub fn fuel(&self, length: usize) -> u64 {
        self.base + self.per_byte * length as u64
    }
}
