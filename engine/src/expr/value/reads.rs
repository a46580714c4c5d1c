//! What an expression reads: slots, and the conditions in it.

use super::{Calc, Link, Tested};
use crate::expr::node::Node;

/// A part of an expression that reads values.
pub(crate) enum Read<'e> {
    Slot(u32),
    Condition(&'e Node),
}

impl Calc {
    /// Calls back with everything that it reads.
    pub(crate) fn for_each(&self, found: &mut dyn FnMut(Read<'_>)) {
        match self {
            Calc::Missing | Calc::Constant(_) | Calc::Now => {}
            Calc::Slot(slot) | Calc::Shown(slot) => found(Read::Slot(*slot)),
            Calc::Of(_, part) => part.for_each(found),
            Calc::Chain(first, links) => {
                first.for_each(found);
                values(links).for_each(|part| part.for_each(found));
            }
            Calc::Call(_, arguments, _) => arguments.iter().for_each(|part| part.for_each(found)),
            Calc::Case(branches, otherwise) => {
                for (when, then) in branches.iter() {
                    found(Read::Condition(when));
                    then.for_each(found);
                }
                otherwise.for_each(found);
            }
            Calc::Switch(of, branches, otherwise, _) => {
                of.for_each(found);
                for (when, then) in branches.iter() {
                    when.for_each(found);
                    then.for_each(found);
                }
                otherwise.for_each(found);
            }
            Calc::Truth(condition) => found(Read::Condition(condition)),
        }
    }

    /// Calls back with each slot whose value can become the result, or a part of it.
    pub(crate) fn results(&self, found: &mut dyn FnMut(u32)) {
        match self {
            Calc::Case(branches, otherwise) => {
                branches.iter().for_each(|(_, then)| then.results(found));
                otherwise.results(found);
            }
            Calc::Switch(_, branches, otherwise, _) => {
                branches.iter().for_each(|(_, then)| then.results(found));
                otherwise.results(found);
            }
            Calc::Of(_, part) => part.results(found),
            Calc::Chain(first, links) => {
                first.results(found);
                values(links).for_each(|part| part.results(found));
            }
            Calc::Call(_, arguments, _) => arguments.iter().for_each(|part| part.results(found)),
            Calc::Slot(slot) | Calc::Shown(slot) => found(*slot),
            Calc::Missing | Calc::Constant(_) | Calc::Now | Calc::Truth(_) => {}
        }
    }
}

/// The further values of a chain.
fn values(links: &[Link]) -> impl Iterator<Item = &Calc> {
    links.iter().filter_map(|link| match link {
        Link::Of(_) => None,
        Link::With(_, part) => Some(part),
    })
}

impl Tested {
    /// Calls back with everything that it reads.
    pub(crate) fn for_each(&self, found: &mut dyn FnMut(Read<'_>)) {
        match self {
            Tested::Op { left, .. } => left.for_each(found),
            Tested::Compare { sides, .. } | Tested::AnyOf { sides, .. } => {
                sides.iter().for_each(|side| side.for_each(found));
            }
            Tested::In { left, values, .. } => {
                left.for_each(found);
                values.iter().for_each(|value| value.for_each(found));
            }
        }
    }
}
