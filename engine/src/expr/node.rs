//! Compiled criteria as trees of tests.

use alloc::boxed::Box;

use crate::bytes::{Reader, Writer};
use crate::flat::Flat;

/// A compiled criterion. It has the shape of its tree, which explain walks in parallel.
#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    Constant(bool),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    /// Index into [`Program::predicates`].
    Predicate(u32),
    /// Index into [`Program::computed`].
    Computed(u32),
}

impl Node {
    /// Calls back with each test: the index of a predicate, or, if true, of a test of an expression.
    pub(crate) fn for_each_test(&self, found: &mut dyn FnMut(u32, bool)) {
        match self {
            Node::Constant(_) => {}
            Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| part.for_each_test(found)),
            Node::Not(part) => part.for_each_test(found),
            Node::Predicate(index) => found(*index, false),
            Node::Computed(index) => found(*index, true),
        }
    }

    /// The same, to change them.
    pub(crate) fn for_each_test_mut(&mut self, found: &mut dyn FnMut(&mut u32, bool)) {
        match self {
            Node::Constant(_) => {}
            Node::And(parts) | Node::Or(parts) => {
                parts.iter_mut().for_each(|part| part.for_each_test_mut(found));
            }
            Node::Not(part) => part.for_each_test_mut(found),
            Node::Predicate(index) => found(index, false),
            Node::Computed(index) => found(index, true),
        }
    }
}

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
            Node::Computed(index) => {
                w.byte(6);
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
            6 => Node::Computed(Flat::read(r)),
            _ => {
                r.fail("a criterion is of an unknown kind");
                Node::Constant(false)
            }
        });
        node.unwrap_or(Node::Constant(false))
    }
}
