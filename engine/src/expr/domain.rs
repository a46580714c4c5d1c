//! What a value can be whoever the visitor is: what entailment may count on beside what a criterion asks.

use alloc::vec::Vec;

use super::op::Op;

/// The domains of a program's slots, in their order.
#[derive(Default)]
pub(crate) struct Domains(pub(crate) Vec<Domain>);

/// What is known of one slot.
#[derive(Default)]
pub(crate) struct Domain {
    /// Questions that every value of it answers with yes.
    pub(crate) ops: Vec<Op>,
    /// Whether it is a whole number.
    pub(crate) is_whole: bool,
}

impl Domains {
    pub(super) fn get(&self, slot: u32) -> Option<&Domain> {
        self.0.get(slot as usize)
    }
}
