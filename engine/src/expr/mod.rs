//! Criteria from tree to truth: [`check`] lowers it to a typed program with slots, [`eval`] runs it.
//!
//! Names are resolved and types decided once, when a plan is compiled; evaluation cannot fail on either. A value is
//! fetched and fitted to its type at most once per call. Equal tests share one predicate, and a shared one is evaluated
//! at most once per call.

mod allowed;
pub(crate) mod check;
pub(crate) mod domain;
mod ends;
pub(crate) mod entail;
pub(crate) mod eval;
mod hash;
pub(crate) mod interval;
mod items;
pub(crate) mod op;
pub(crate) mod operand;
mod ranges;
pub(crate) mod scope;
pub(crate) mod sets;
pub(crate) mod types;
pub(crate) mod uses;
mod version;

use crate::bytes::{Reader, Writer};
use crate::flat::{Flat, flat};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use op::Op;
use types::TypeSet;

/// The compiled form of all criteria of a plan.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Every distinct value that criteria test.
    pub(crate) slots: Vec<TypedSlot>,
    pub(crate) predicates: Vec<Predicate>,
    /// The number of predicates with a memo.
    pub(crate) memos: u32,
    /// Columns that a pattern with a bound on text length reads, each with its event table; None: any table.
    pub(crate) searched: Vec<(Option<usize>, String)>,
}

impl Program {
    /// The slot that a predicate tests.
    pub(crate) fn typed_slot(&self, predicate: &Predicate) -> Option<&TypedSlot> {
        self.slots.get(predicate.slot as usize)
    }

    /// Calls back with each fact that a criterion reads.
    pub(crate) fn facts_of(&self, node: &Node, found: &mut dyn FnMut(u16)) {
        node.for_each_predicate(&mut |index| {
            let predicate = self.predicates.get(index as usize);
            let typed = predicate.and_then(|predicate| self.typed_slot(predicate));
            if let Some(Slot::Attribute(fact)) = typed.map(|typed| &typed.slot) {
                found(*fact);
            }
        });
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

/// A compiled criterion. It has the shape of its tree, which explain walks in parallel.
#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    Constant(bool),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    /// Index into [`Program::predicates`].
    Predicate(u32),
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

impl Node {
    /// Calls back with the index of each predicate.
    pub(crate) fn for_each_predicate(&self, found: &mut dyn FnMut(u32)) {
        match self {
            Node::Constant(_) => {}
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().for_each(|part| part.for_each_predicate(found))
            }
            Node::Not(part) => part.for_each_predicate(found),
            Node::Predicate(index) => found(*index),
        }
    }

    /// The same, to change them.
    pub(crate) fn for_each_predicate_mut(&mut self, found: &mut dyn FnMut(&mut u32)) {
        match self {
            Node::Constant(_) => {}
            Node::And(parts) | Node::Or(parts) => {
                parts.iter_mut().for_each(|part| part.for_each_predicate_mut(found));
            }
            Node::Not(part) => part.for_each_predicate_mut(found),
            Node::Predicate(index) => found(index),
        }
    }
}

flat!(struct Program { slots, predicates, memos, searched });
flat!(struct TypedSlot { slot, types, many });
flat!(struct Predicate { slot, memo, negated, op });
flat!(enum Slot { 0 = Attribute(index), 1 = Column(name), 2 = Edge(name), 3 = Input(name), 4 = Segment(name) });

impl Flat for Node {
    fn write(&self, w: &mut Writer) {
        match self {
            Node::Constant(value) => w.byte(u8::from(*value)),
            Node::And(parts) => {
                w.byte(2);
                parts.write(w);
            }
            Node::Or(parts) => {
                w.byte(3);
                parts.write(w);
            }
            Node::Not(part) => {
                w.byte(4);
                part.write(w);
            }
            Node::Predicate(index) => {
                w.byte(5);
                index.write(w);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Node {
        let node = r.nested(|r| match r.byte() {
            0 => Node::Constant(false),
            1 => Node::Constant(true),
            2 => Node::And(Flat::read(r)),
            3 => Node::Or(Flat::read(r)),
            4 => Node::Not(Flat::read(r)),
            5 => Node::Predicate(Flat::read(r)),
            _ => {
                r.fail("a criterion is of an unknown kind");
                Node::Constant(false)
            }
        });
        node.unwrap_or(Node::Constant(false))
    }
}
