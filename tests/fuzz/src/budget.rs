//! What an input may cost, target by target: the one table of it.

use usher_fuzz_inputs::Target;

/// Fuel is what wasmtime counts, about one per instruction. `base + per_byte × length` is what an input may burn, and the
/// engine does not know it: whatever takes more is a finding. Memory is what an instance may grow by for one input.
pub struct Budget {
    pub target: Target,
    pub base: u64,
    pub per_byte: u64,
    pub memory_bytes: usize,
}

/// Measured over 10⁶ inputs of several seeds, and about twice what the dearest took.
pub const BUDGETS: [Budget; 6] = [
    // A name is compared with all others, a pattern compiles to a bounded program and is run on 2 KB of text.
    Budget { target: Target::Criteria, base: 40_000_000, per_byte: 20_000, memory_bytes: 8 << 20 },
    Budget { target: Target::Condition, base: 40_000_000, per_byte: 20_000, memory_bytes: 16 << 20 },
    Budget { target: Target::Bundle, base: 100_000_000, per_byte: 20_000, memory_bytes: 16 << 20 },
    Budget { target: Target::Definition, base: 100_000_000, per_byte: 20_000, memory_bytes: 16 << 20 },
    Budget { target: Target::Profile, base: 100_000_000, per_byte: 20_000, memory_bytes: 16 << 20 },
    Budget { target: Target::Event, base: 100_000_000, per_byte: 20_000, memory_bytes: 16 << 20 },
];

pub fn of(target: Target) -> &'static Budget {
    BUDGETS.iter().find(|budget| budget.target == target).expect("every target has one")
}

impl Budget {
    /// What an input of this length may burn.
    pub fn fuel(&self, length: usize) -> u64 {
        self.base + self.per_byte * length as u64
    }
}
