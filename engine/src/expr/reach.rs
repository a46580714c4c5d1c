//! What cannot be: criteria that no visitor fulfils, and sections that nobody gets to.
//!
//! Only what is certain is reported. A section enters on true alone, so a condition that is false or unknown of
//! everybody rules it out. Found are contradictions among the conditions that one AND asks of one value; what takes
//! several values together, or the text of a pattern, is not looked into.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Bound;

use super::eval::{Seen, compare};
use super::op::{Interval, Op};
use super::{Node, Predicate, Program};
use crate::definition::Choice;
use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::plan::{Plan, SectionPlan};
use crate::value::Number;

impl Plan {
    /// What works and cannot have been meant: criteria that contradict themselves, sections that no visitor reaches.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        let mut never = |node: &Node, at: At<'_>| {
            let found = is_never(&self.program, node);
            if found {
                let message = words!("this contradicts itself: it is true of nobody");
                let help = words!("remove one of the conditions that exclude each other");
                out.push(Diagnostic::new(Code::Contradiction, message).at(at).help(help));
            }
            found
        };
        for (index, key_event) in self.key_events.iter().enumerate() {
            never(&key_event.filter, At::item("key_events", index).field("filter"));
        }
        let mut behind = Vec::new();
        let every = self.definition().personalizations.iter().zip(&self.personalizations);
        for (index, (personalization, plan)) in every.enumerate() {
            let mut before: Vec<Demands<'_>> = Vec::new();
            for (number, (section, section_plan)) in
                personalization.sections.iter().zip(&plan.sections).enumerate()
            {
                let at = At::item("personalizations", index);
                let at = at.inner("sections", number);
                let criteria = never(&section_plan.criteria, at.field("criteria"));
                let filter = never(&section_plan.event_filter, at.field("event_filter"));
                if criteria || filter || personalization.choice == Choice::All {
                    continue;
                }
                let own = Demands::new(number, section.accept_unknown_profiles, section_plan);
                match before.iter().find(|other| other.covers(&own)) {
                    Some(other) => {
                        let name = personalization.sections.get(other.number).map_or("", |s| s.name.as_str());
                        behind.push(unreachable(&section.name, name, other, at));
                    }
                    None => before.push(own),
                }
            }
        }
        out.append(&mut behind);
        out
    }
}

fn unreachable(section: &str, before: &str, other: &Demands<'_>, at: At<'_>) -> Diagnostic {
    let (why, help) = if other.are_none() {
        (
            words!("`{before}` before it always applies"),
            words!("move the section that always applies to the end"),
        )
    } else {
        (
            words!("whoever fits it fits `{before}` before it"),
            words!("move the section with more conditions up"),
        )
    };
    let message = words!("no visitor reaches section `{section}`: {why}");
    Diagnostic::new(Code::Unreachable, message).at(at).help(help)
}

/// What a section asks before it enters.
struct Demands<'p> {
    number: usize,
    accept_unknown_profiles: bool,
    plan: &'p SectionPlan,
    /// All of these, and any order.
    parts: Vec<&'p Node>,
    /// A bit for some of the parts: what lacks a bit of another lacks a part of it.
    sign: u64,
}

impl<'p> Demands<'p> {
    fn new(number: usize, accept_unknown_profiles: bool, plan: &'p SectionPlan) -> Demands<'p> {
        let mut parts = Vec::new();
        parts_of(&plan.criteria, &mut parts);
        let sign = parts.iter().fold(0, |sign, part| match part {
            Node::Predicate(index) => sign | 1_u64 << (index % u64::BITS),
            _ => sign,
        });
        Demands { number, accept_unknown_profiles, plan, parts, sign }
    }

    fn are_none(&self) -> bool {
        self.plan.criteria == Node::Constant(true)
            && self.plan.event_filter == Node::Constant(true)
            && self.plan.key_event.is_none()
            && self.accept_unknown_profiles
    }

    /// Whether whoever enters the other section would have entered this one.
    fn covers(&self, other: &Demands<'_>) -> bool {
        let (own, others) = (self.plan, other.plan);
        self.sign & !other.sign == 0
            && (own.key_event.is_none() || own.key_event == others.key_event)
            && (self.accept_unknown_profiles || !other.accept_unknown_profiles)
            && (own.event_filter == Node::Constant(true) || own.event_filter == others.event_filter)
            // Without a profile to read, only what has no criteria at all may enter.
            && (others.criteria != Node::Constant(true) || own.criteria == Node::Constant(true))
            && self.parts.iter().all(|part| other.parts.contains(part))
    }
}

/// The parts that all must be true.
fn parts_of<'p>(node: &'p Node, out: &mut Vec<&'p Node>) {
    match node {
        Node::And(parts) => parts.iter().for_each(|part| parts_of(part, out)),
        Node::Constant(true) => {}
        part => out.push(part),
    }
}

/// Whether a criterion is true of nobody.
fn is_never(program: &Program, node: &Node) -> bool {
    let mut all = All { program, literals: Vec::new(), never: false };
    all.add(node, true);
    all.never || all.contradict()
}

/// Conditions that must all hold.
struct All<'p> {
    program: &'p Program,
    /// Questions, and whether their answer must be yes.
    literals: Vec<(&'p Predicate, bool)>,
    never: bool,
}

impl<'p> All<'p> {
    /// What must be when a node is to be true, or false.
    fn add(&mut self, node: &'p Node, holds: bool) {
        match (node, holds) {
            (Node::Constant(value), _) => self.never |= *value != holds,
            (Node::Not(inner), _) => self.add(inner, !holds),
            (Node::And(parts), true) | (Node::Or(parts), false) => {
                parts.iter().for_each(|part| self.add(part, holds));
            }
            (Node::Or(parts), true) | (Node::And(parts), false) => {
                // One of them must be as it should; none can be when each alone cannot.
                let cannot = |part: &'p Node| {
                    let mut alone = All { program: self.program, literals: Vec::new(), never: false };
                    alone.add(part, holds);
                    alone.never || alone.contradict()
                };
                self.never |= parts.iter().all(cannot);
            }
            (Node::Predicate(index), _) => {
                let predicate = self.program.predicates.get(*index as usize);
                self.literals.extend(predicate.map(|predicate| (predicate, holds != predicate.negated)));
            }
        }
    }

    fn contradict(&self) -> bool {
        self.literals.iter().any(|(predicate, _)| {
            let of_slot = || self.literals.iter().filter(|(other, _)| other.slot == predicate.slot);
            is_empty(&of_slot().map(|(predicate, holds)| (&predicate.op, *holds)).collect::<Vec<_>>())
        })
    }
}

/// Whether no value answers all of these questions about it as it should.
fn is_empty(questions: &[(&Op, bool)]) -> bool {
    // A value that must be there and must not.
    let missing = questions.iter().any(|(op, holds)| matches!(op, Op::Null) && *holds);
    let refused = |seen: Seen<'_>| {
        questions.iter().any(|(op, holds)| match op {
            // It is true at one time and false at another.
            Op::Within(_) => matches!(seen, Seen::Missing),
            op => compare(op, seen, 0) != Some(*holds),
        })
    };
    if missing {
        return refused(Seen::Missing);
    }
    // Values of which it must be one, if a question says so.
    for (op, _) in questions.iter().filter(|(_, holds)| *holds) {
        let none = match op {
            Op::EqualText(text) => refused(Seen::Text(text)),
            Op::InTexts(texts) => texts.iter().all(|text| refused(Seen::Text(text))),
            Op::InNumbers(integers, others) => {
                let integers = integers.iter().map(|value| Number::Integer(*value));
                integers.chain(others.iter().copied()).all(|value| refused(Seen::Number(value)))
            }
            Op::Segment => refused(Seen::Boolean(true)),
            Op::Numbers { exact, .. } => match &exact.low {
                Bound::Included(value) if is_point(exact) => refused(Seen::Number(*value)),
                _ => false,
            },
            _ => false,
        };
        if none {
            return true;
        }
    }
    if questions.iter().any(|(op, _)| matches!(op, Op::EqualBoolean(_) | Op::Segment)) {
        return refused(Seen::Boolean(true)) && refused(Seen::Boolean(false));
    }
    let held = || questions.iter().filter(|(_, holds)| *holds).map(|(op, _)| *op);
    let numbers = held().filter_map(|op| match op {
        Op::Numbers { exact, .. } => Some(&**exact),
        _ => None,
    });
    let texts = held().filter_map(|op| match op {
        Op::Texts(interval) => Some(&**interval),
        _ => None,
    });
    let instants = held().filter_map(|op| match op {
        Op::Instants { low, high } => Some((*low, *high)),
        _ => None,
    });
    let (from, to) =
        instants.fold((i64::MIN, i64::MAX), |(from, to), (low, high)| (from.max(low), to.min(high)));
    from > to || is_gap(&numbers.collect::<Vec<_>>()) || is_gap(&texts.collect::<Vec<_>>())
}

fn is_point(interval: &Interval<Number>) -> bool {
    matches!((&interval.low, &interval.high), (Bound::Included(low), Bound::Included(high)) if low == high)
}

/// Whether intervals have nothing in common: one begins behind the end of another.
fn is_gap<T: Ord>(intervals: &[&Interval<T>]) -> bool {
    intervals.iter().any(|one| {
        intervals.iter().any(|other| match (&one.low, &other.high) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
                low.cmp(high) != Ordering::Less
            }
        })
    })
}
