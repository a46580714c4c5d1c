//! Criteria from trees to truth: [`check`] makes a typed, slotted program of them, [`eval`] runs it.
//!
//! Names are resolved and types decided once, when a plan is compiled; evaluation cannot fail on either. Equal tests
//! share one predicate, and a predicate is evaluated at most once per call.

pub(crate) mod check;
pub(crate) mod eval;
pub(crate) mod types;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::pattern::Pattern;
use crate::syntax::Comparison;
use crate::value::Number;
use types::TypeSet;

/// All criteria of a plan.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) predicates: Vec<Predicate>,
}

/// A criterion; it has the shape of the tree it was made from, which explain walks beside it.
#[derive(Debug)]
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
    pub(crate) slot: Slot,
    /// What the value may be; one that does not fit is missing.
    pub(crate) types: TypeSet,
    pub(crate) op: Op,
    pub(crate) negated: bool,
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

/// A question, with its right side ready to compare.
#[derive(Debug)]
pub(crate) enum Op {
    EqualText(String),
    EqualNumber(Number),
    EqualBoolean(bool),
    EqualInstant(i64),
    OrderText(Comparison, String),
    OrderNumber(Comparison, Number),
    OrderInstant(Comparison, i64),
    InTexts(Vec<String>),
    InNumbers(Vec<Number>),
    InInstants(Vec<i64>),
    BetweenTexts(String, String),
    BetweenNumbers(Number, Number),
    BetweenInstants(i64, i64),
    Like(String),
    StartsWith(String),
    EndsWith(String),
    ContainsText(String),
    ContainsNumber(Number),
    Matches(Pattern),
    Null,
    /// Milliseconds.
    Within(i64),
    Size(Comparison, i64),
    /// The slot itself is the answer.
    Segment,
}
