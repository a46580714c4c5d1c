//! Criteria from tree to truth: [`check`] lowers it to a typed program with slots, [`eval`] runs it.
//!
//! Names are resolved and types decided once, when a plan is compiled; evaluation cannot fail on either. A value is
//! fetched and fitted to its type at most once per call. Equal tests share one predicate, and a shared one is evaluated
//! at most once per call.

mod allowed;
pub(crate) mod check;
mod compare;
pub(crate) mod domain;
mod ends;
pub(crate) mod entail;
pub(crate) mod eval;
mod hash;
pub(crate) mod interval;
mod items;
mod node;
pub(crate) mod op;
pub(crate) mod operand;
mod ranges;
pub(crate) mod scope;
pub(crate) mod sets;
pub(crate) mod source;
pub(crate) mod types;
pub(crate) mod uses;
pub(crate) mod value;
mod version;

use crate::flat::flat;
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use node::Node;
use op::Op;
use types::TypeSet;
use value::reads::Read;
use value::{Calc, Tested};

/// The compiled form of all criteria of a plan.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Every distinct value that criteria test.
    pub(crate) slots: Vec<TypedSlot>,
    pub(crate) predicates: Vec<Predicate>,
    /// Tests of expressions.
    pub(crate) computed: Vec<Tested>,
    /// The number of predicates with a memo.
    pub(crate) memos: u32,
    /// Columns that a pattern with a bound on text length reads, each with its event table; None: any table.
    pub(crate) searched: Vec<(Option<usize>, String)>,
}

impl Program {
    /// Calls back with each slot that a criterion reads, in its expressions, too.
    pub(crate) fn for_each_slot(&self, node: &Node, found: &mut dyn FnMut(u32)) {
        node.for_each_test(&mut |index, is_computed| {
            if is_computed {
                if let Some(tested) = self.computed.get(index as usize) {
                    tested.for_each(&mut |read| self.slots_of(read, found));
                }
            } else if let Some(predicate) = self.predicates.get(index as usize) {
                found(predicate.slot);
            }
        });
    }

    /// The same for what an expression reads.
    pub(crate) fn slots_of(&self, read: Read<'_>, found: &mut dyn FnMut(u32)) {
        match read {
            Read::Slot(slot) => found(slot),
            Read::Condition(node) => self.for_each_slot(node, found),
        }
    }

    /// The slot that a predicate tests.
    pub(crate) fn typed_slot(&self, predicate: &Predicate) -> Option<&TypedSlot> {
        self.slots.get(predicate.slot as usize)
    }

    /// Calls back with each fact that a criterion reads.
    pub(crate) fn facts_of(&self, node: &Node, found: &mut dyn FnMut(u16)) {
        self.for_each_slot(node, &mut |slot| self.fact_of(slot, found));
    }

    /// The same for an expression with a value.
    pub(crate) fn facts_of_value(&self, calc: &Calc, found: &mut dyn FnMut(u16)) {
        calc.for_each(&mut |read| self.slots_of(read, &mut |slot| self.fact_of(slot, found)));
    }

    /// Calls back with each fact that can become a part of an expression's value.
    pub(crate) fn results_of(&self, calc: &Calc, found: &mut dyn FnMut(u16)) {
        calc.results(&mut |slot| self.fact_of(slot, found));
    }

    fn fact_of(&self, slot: u32, found: &mut dyn FnMut(u16)) {
        if let Some(Slot::Attribute(fact)) = self.slots.get(slot as usize).map(|typed| &typed.slot) {
            found(*fact);
        }
    }
}

/// A value and the types that it may have; a value of another type is missing.
#[derive(Clone, Debug)]
pub(crate) struct TypedSlot {
    pub(crate) slot: Slot,
    pub(crate) types: TypeSet,
    /// True if a test about it may apply to each item of a list: several tests that exclude each other can be true at
    /// once.
    pub(crate) many: bool,
}

/// One distinct test of one value.
#[derive(Debug)]
pub(crate) struct Predicate {
    /// Index into [`Program::slots`].
    pub(crate) slot: u32,
    /// Index of its cached result; None where evaluating again costs no more than caching.
    pub(crate) memo: Option<u32>,
    pub(crate) negated: bool,
    pub(crate) op: Op,
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Index into the plan's attributes.
    Attribute(u16),
    /// A column of the call's event.
    Column(String),
    /// The edge's context of the request.
    Edge(String),
    /// An input of the caller.
    Input(String),
    /// True if the profile is in this batch segment.
    Segment(String),
}

flat!(struct Program { slots, predicates, computed, memos, searched });
flat!(struct TypedSlot { slot, types, many });
flat!(struct Predicate { slot, memo, negated, op });
flat!(enum Slot { 0 = Attribute(index), 1 = Column(name), 2 = Edge(name), 3 = Input(name), 4 = Segment(name) });
