//! Criteria from trees to truth: [`check`] makes a typed, slotted program of them, [`eval`] runs it.
//!
//! Names are resolved and types decided once, when a plan is compiled; evaluation cannot fail on either. A value is
//! fetched and fitted to its type at most once per call, whoever asks about it. Equal tests share one predicate, and a
//! shared one is answered at most once per call.

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

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use op::Op;
use types::TypeSet;

/// What all criteria of a plan ask.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Every value that is asked about, once.
    pub(crate) slots: Vec<TypedSlot>,
    pub(crate) predicates: Vec<Predicate>,
    /// How many of the predicates have a memo.
    pub(crate) memos: u32,
    /// Columns that a pattern is asked of which looks at no long text, each with its event table; None: whatever it is.
    pub(crate) searched: Vec<(Option<usize>, String)>,
}

impl Program {
    /// The value that a predicate asks about.
    pub(crate) fn typed_slot(&self, predicate: &Predicate) -> Option<&TypedSlot> {
        self.slots.get(predicate.slot as usize)
    }
}

/// A value, and what it may be; one that does not fit is missing.
#[derive(Clone, Debug)]
pub(crate) struct TypedSlot {
    pub(crate) slot: Slot,
    pub(crate) types: TypeSet,
    /// Whether a question about it may be one about each item of a list: it says yes to several that exclude each other.
    pub(crate) many: bool,
}

/// A criterion; it has the shape of the tree it was made from, which explain walks beside it.
#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    Constant(bool),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    /// Index into [`Program::predicates`].
    Predicate(u32),
}

/// One distinct question about one value.
#[derive(Debug)]
pub(crate) struct Predicate {
    /// Index into [`Program::slots`].
    pub(crate) slot: u32,
    /// Where its answer is remembered, counted over all memos; None where asking again costs no more than remembering.
    pub(crate) memo: Option<u32>,
    pub(crate) negated: bool,
    pub(crate) op: Op,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Index into the plan's attributes.
    Attribute(u16),
    /// A column of the event at hand.
    Column(String),
    /// What the edge knows of the request.
    Edge(String),
    /// What the caller handed in.
    Input(String),
    /// Whether the profile is in a batch segment.
    Segment(String),
}
