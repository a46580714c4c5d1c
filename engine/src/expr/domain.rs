//! Domains: limits on a value that hold for every visitor, which entailment uses beside the criteria.

use alloc::vec::Vec;

use super::op::Op;

/// The domains of a program's slots, in their order.
#[derive(Default)]
pub(crate) struct Domains(pub(crate) Vec<Domain>);

/// The domain of one slot.
#[derive(Default)]
pub(crate) struct Domain {
    /// Ops that are true of every value.
    pub(crate) ops: Vec<Op>,
    /// True if it is always a whole number.
    pub(crate) is_whole: bool,
}

impl Domains {
    pub(super) fn get(&self, slot: u32) -> Option<&Domain> {
        self.0.get(slot as usize)
    }
}
