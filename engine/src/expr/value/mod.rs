//! Expressions with a value, compiled: [`types`] decides which types they may have, [`lower`] resolves their names, and
//! [`eval`] gives their value. Conditions on constants and names never come here.

mod bytes;
pub(crate) mod eval;
pub(super) mod lower;
mod math;
pub(crate) mod reads;
mod text;
pub(crate) mod types;
mod uses;

use alloc::boxed::Box;

use super::node::Node;
use super::op::Op;
use super::types::TypeSet;
use crate::syntax::{Arithmetic, Comparison};
use crate::value::Value;

/// True if expressions are calculated; where not, tests of them are unknown.
pub(crate) const HAS_EXPRESSIONS: bool = cfg!(feature = "expressions");

/// A compiled expression.
#[derive(Debug, PartialEq)]
pub(crate) enum Calc {
    Missing,
    /// A text, number or boolean.
    Constant(Value),
    /// Index into the program's slots.
    Slot(u32),
    /// The same, of a value that may be a time, as it was ingested.
    Shown(u32),
    /// The time of the call's event, or of the request.
    Now,
    /// A value of another one.
    Of(Unary, Box<Calc>),
    /// A value, and what is done with it, one link after the other.
    Chain(Box<Calc>, Box<[Link]>),
    /// Values are compared as these types.
    Call(Several, Box<[Calc]>, TypeSet),
    Case(Box<[(Node, Calc)]>, Box<Calc>),
    /// Values are compared as these types.
    Switch(Box<Calc>, Box<[(Calc, Calc)]>, Box<Calc>, TypeSet),
    Truth(Box<Node>),
}

/// A step from one value to the next.
#[derive(Debug, PartialEq)]
pub(crate) enum Link {
    /// Its value by a function.
    Of(Unary),
    /// It, a sign, and another value.
    With(Arithmetic, Calc),
}

impl Calc {
    /// Two values and a sign between them.
    fn arithmetic(sign: Arithmetic, left: Calc, right: Calc) -> Calc {
        Calc::Chain(Box::new(left), Box::new([Link::With(sign, right)]))
    }
}

/// A function of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Several {
    Coalesce,
    Concat,
    Greatest,
    Least,
    Round,
    Substr,
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Negative,
    /// The Unix milliseconds of a time.
    Milliseconds,
    /// The days from 1970 to that of a time.
    Day,
    /// The time of Unix milliseconds.
    Time,
    Absolute,
    Hash,
    Length,
    Lower,
    Size,
    Upper,
}

/// A compiled test of an expression.
#[derive(Debug)]
pub(crate) enum Tested {
    /// A test with constants.
    Op { left: Calc, op: Op, negated: bool },
    /// Values are compared as these types.
    Compare { comparison: Comparison, sides: [Calc; 2], types: TypeSet },
    /// Equal to one of these.
    In { left: Calc, values: Box<[Calc]>, types: TypeSet, negated: bool },
    /// Equal to an item of the second, a list.
    AnyOf { sides: [Calc; 2], types: TypeSet },
}
