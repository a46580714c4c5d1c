//! Entailment: whether any visitor can fulfil all of several conditions, and which conditions follow from them.
//!
//! Sound but incomplete: it reports only what is certain. Conditions are grouped by the value they test; a condition
//! follows where every value that fulfils the others also fulfils it.

use alloc::vec::Vec;

use super::compare::compare;
use super::domain::{Domain, Domains};
use super::ends::no_text;
use super::op::{Op, instants};
use super::operand::Operand;
use super::ranges::{are_apart, complement, no_moment, point};
use super::sets::Integers;
use super::types::TypeSet;
use super::{Node, Predicate, Program};
use crate::limits::ENTAILED_PARTS_MAX;
use crate::time;
use crate::value::{DataType, Number};

/// Conditions that must all hold.
#[derive(Clone)]
pub(crate) struct All<'p> {
    program: &'p Program,
    domains: &'p Domains,
    /// Predicates, each with the answer that it must have.
    literals: Vec<(&'p Predicate, bool)>,
    /// Tests of expressions, each with the answer that it must have.
    computed: Vec<(u32, bool)>,
    /// Groups of which at least one part must have the required answer.
    either: Vec<(&'p [Node], bool)>,
    never: bool,
}

impl<'p> All<'p> {
    pub(crate) fn new(program: &'p Program, domains: &'p Domains) -> All<'p> {
        All { program, domains, literals: Vec::new(), computed: Vec::new(), either: Vec::new(), never: false }
    }

    /// Adds the requirement that a node is true, or false.
    pub(crate) fn add(&mut self, node: &'p Node, holds: bool) {
        match (node, holds) {
            (Node::Constant(value), _) => self.never |= *value != holds,
            (Node::Not(inner), _) => self.add(inner, !holds),
            (Node::And(parts), true) | (Node::Or(parts), false) => {
                parts.iter().for_each(|part| self.add(part, holds));
            }
            (Node::Or(parts), true) | (Node::And(parts), false) => {
                // One part must have the required answer; the group is impossible when no part can.
                let cannot = |part: &'p Node| {
                    let mut alone = All::new(self.program, self.domains);
                    alone.add(part, holds);
                    alone.are_never()
                };
                self.never |= parts.iter().all(cannot);
                self.either.push((parts, holds));
            }
            (Node::Computed(index), _) => {
                self.never |= self.computed.contains(&(*index, !holds));
                self.computed.push((*index, holds));
            }
            (Node::Predicate(index), _) => {
                let predicate = self.program.predicates.get(*index as usize);
                self.literals.extend(predicate.map(|predicate| (predicate, holds != predicate.negated)));
            }
        }
    }

    /// True if no visitor fulfils all conditions.
    pub(crate) fn are_never(&self) -> bool {
        self.never
            || self
                .literals
                .iter()
                .any(|(predicate, _)| self.is_nobody(predicate.slot, &self.of_slot(predicate.slot)))
    }

    /// True if a node is true for every visitor who fulfils the conditions.
    pub(crate) fn imply(&self, node: &'p Node) -> bool {
        let of_each = |(parts, holds): &(&'p [Node], bool)| {
            parts.len() <= ENTAILED_PARTS_MAX
                && parts.iter().all(|part| {
                    let (literals, computed) = (self.literals.clone(), self.computed.clone());
                    let mut with = All { literals, computed, either: Vec::new(), ..*self };
                    with.add(part, *holds);
                    with.are_never() || with.entail(node, true)
                })
        };
        self.entail(node, true) || self.either.iter().any(of_each)
    }

    fn entail(&self, node: &Node, holds: bool) -> bool {
        match (node, holds) {
            (Node::Constant(value), _) => *value == holds,
            (Node::Not(inner), _) => self.entail(inner, !holds),
            (Node::And(parts), true) | (Node::Or(parts), false) => {
                parts.iter().all(|part| self.entail(part, holds))
            }
            (Node::Or(parts), true) | (Node::And(parts), false) => {
                parts.iter().any(|part| self.entail(part, holds))
            }
            (Node::Computed(index), _) => self.computed.contains(&(*index, holds)),
            (Node::Predicate(index), _) => {
                let predicate = self.program.predicates.get(*index as usize);
                predicate.is_some_and(|predicate| self.decide(predicate, holds != predicate.negated))
            }
        }
    }

    fn decide(&self, predicate: &Predicate, holds: bool) -> bool {
        let same =
            |(known, answer): &(&Predicate, bool)| core::ptr::eq(*known, predicate) && *answer == holds;
        if self.literals.iter().any(same) {
            return true;
        }
        let mut questions = self.of_slot(predicate.slot);
        if !is_answered(&questions, &predicate.op) {
            return false;
        }
        let others = if holds { complement(&predicate.op) } else { None };
        match others {
            // The opposite must be impossible, in every way in which it could hold.
            Some(others) => others.iter().all(|other| {
                let mut questions = questions.clone();
                questions.push((other, true));
                self.is_nobody(predicate.slot, &questions)
            }),
            None => {
                questions.push((&predicate.op, !holds));
                self.is_nobody(predicate.slot, &questions)
            }
        }
    }

    /// True if no value of a slot gives all the required answers, neither as a time nor as any other type it may have.
    fn is_nobody(&self, slot: u32, questions: &[(&Op, bool)]) -> bool {
        let typed = self.program.slots.get(slot as usize);
        // Each item may answer a different test.
        if typed.is_some_and(|typed| typed.many) {
            return false;
        }
        let types = typed.map_or(TypeSet::ANY, |typed| typed.types);
        let is_whole = self.domains.get(slot).is_some_and(|domain| domain.is_whole);
        let is_empty = |questions: &[(&Op, bool)]| is_empty(questions, is_whole);
        let asked = |op: for<'o> fn(&'o Op) -> &'o Op| {
            questions.iter().map(|(question, holds)| (op(question), *holds)).collect::<Vec<_>>()
        };
        if types.is_text_or_time() {
            is_empty(&asked(of_texts)) && is_empty(&asked(of_times))
        } else if types.has(DataType::Number) && types.has_times() {
            is_empty(questions) && {
                let made: Vec<Option<Op>> = questions.iter().map(|(op, _)| as_instants(op)).collect();
                let of_times = made.iter().zip(questions);
                is_empty(
                    &of_times
                        .map(|(made, (op, holds))| (made.as_ref().unwrap_or(op), *holds))
                        .collect::<Vec<_>>(),
                )
            }
        } else {
            is_empty(questions)
        }
    }

    /// The tests of a slot, and the ops of its domain.
    fn of_slot(&self, slot: u32) -> Vec<(&'p Op, bool)> {
        let own = self.literals.iter().filter(|(predicate, _)| predicate.slot == slot);
        let domain: &'p [Op] = self.domains.get(slot).map_or(&[], |Domain { ops, .. }| ops);
        let domain = domain.iter().map(|op| (op, true));
        own.map(|(predicate, holds)| (&predicate.op, *holds)).chain(domain).collect()
    }
}

/// An op as it applies to texts that are not times.
fn of_texts(op: &Op) -> &Op {
    if let Op::TextOrTime(either) = op { &either.text } else { op }
}

/// The same for times.
fn of_times(op: &Op) -> &Op {
    if let Op::TextOrTime(either) = op { &either.time } else { op }
}

/// A comparison with numbers, as it applies to times.
fn as_instants(op: &Op) -> Option<Op> {
    match op {
        Op::Numbers { exact, .. } => Some(instants(exact.as_instants())),
        Op::InNumbers(integers, others) => {
            let integers = integers.iter().map(Number::Integer);
            let numbers = integers.chain(others.iter().copied());
            Some(Op::InInstants(Integers::new(numbers.filter_map(time::unix_ms).collect())))
        }
        _ => None,
    }
}

/// The kind of value that an op applies to; for another kind the answer is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anything,
    Boolean,
    Instant,
    Items,
    List,
    Number,
    Segment,
    Size,
    Text,
    TextOrList,
    TextOrTime,
    Version,
}

fn kind(op: &Op) -> Kind {
    match op {
        Op::Null => Kind::Anything,
        Op::EqualBoolean(_) => Kind::Boolean,
        Op::Instants { .. } | Op::InInstants(_) | Op::Within(_) | Op::Older(_) => Kind::Instant,
        Op::Items(_) => Kind::Items,
        Op::Versions(_) => Kind::Version,
        Op::ContainsNumber(_) => Kind::List,
        Op::Numbers { .. } | Op::InNumbers(..) => Kind::Number,
        Op::Segment => Kind::Segment,
        Op::Size(..) => Kind::Size,
        Op::EqualText(_)
        | Op::Texts(_)
        | Op::InTexts(_)
        | Op::Like(_)
        | Op::StartsWith(_)
        | Op::EndsWith(_)
        | Op::Matches(_) => Kind::Text,
        Op::ContainsText(_) => Kind::TextOrList,
        Op::TextOrTime(_) => Kind::TextOrTime,
    }
}

/// True if an op has an answer for every value that gives the other required answers.
fn is_answered(questions: &[(&Op, bool)], op: &Op) -> bool {
    match op {
        Op::Null => true,
        // The text may be too long for the pattern.
        Op::Matches(pattern) if pattern.is_bounded() => false,
        // So may an item, or it is not a version.
        Op::Items(_) => false,
        op => questions.iter().any(|(other, _)| kind(other) == kind(op)),
    }
}

/// True if no value, or no whole number, gives all the required answers.
fn is_empty(questions: &[(&Op, bool)], is_whole: bool) -> bool {
    // The value is required to be missing and to be present.
    let missing = questions.iter().any(|(op, holds)| matches!(op, Op::Null) && *holds);
    let refused = |operand: Operand<'_>| {
        questions.iter().any(|(op, holds)| match op {
            // The answer depends on the time of evaluation.
            Op::Within(_) | Op::Older(_) => matches!(operand, Operand::Missing),
            op => compare(op, operand, 0) != Some(*holds),
        })
    };
    if missing {
        return refused(Operand::Missing);
    }
    // The finite set of values that a test requires, if any.
    for (op, _) in questions.iter().filter(|(_, holds)| *holds) {
        let none = match op {
            Op::EqualText(text) => refused(Operand::Text(text)),
            Op::InTexts(texts) => texts.iter().all(|text| refused(Operand::Text(text))),
            Op::InNumbers(integers, others) => {
                let integers = integers.iter().map(Number::Integer);
                let others = others.iter().copied().filter(|_| !is_whole);
                integers.chain(others).all(|value| refused(Operand::Number(value)))
            }
            Op::InInstants(instants) => instants.iter().all(|instant| refused(Operand::Instant(instant))),
            Op::Instants { low, high } if low == high => refused(Operand::Instant(*low)),
            Op::Segment => refused(Operand::Boolean(true)),
            Op::Numbers { exact, .. } => point(exact).is_some_and(|value| refused(Operand::Number(*value))),
            Op::Texts(interval) => point(interval).is_some_and(|text| refused(Operand::Text(text))),
            _ => false,
        };
        if none {
            return true;
        }
    }
    if questions.iter().any(|(op, _)| matches!(op, Op::EqualBoolean(_) | Op::Segment)) {
        return refused(Operand::Boolean(true)) && refused(Operand::Boolean(false));
    }
    // The ranges that the value must lie in, and the complements of those it must not.
    let left = questions.iter().filter(|(_, holds)| !holds).filter_map(|(op, _)| complement(op));
    let (one, several): (Vec<Vec<Op>>, Vec<Vec<Op>>) = left.partition(|parts| parts.len() == 1);
    let held = questions.iter().filter(|(_, holds)| *holds).map(|(op, _)| *op);
    let held: Vec<&Op> = held.chain(one.iter().flatten()).collect();
    if are_apart(&held, is_whole) || no_moment(questions) || no_text(questions, &held) {
        return true;
    }
    several.iter().any(|parts| {
        parts.iter().all(|part| {
            let mut held = held.clone();
            held.push(part);
            are_apart(&held, is_whole)
        })
    })
}
