//! What cannot be: criteria that no visitor fulfils, and sections that nobody gets to.
//!
//! Only what is certain is reported. A section enters on true alone, so a condition that is false or unknown of
//! everybody rules it out. Found are contradictions among the conditions that one AND asks of one value, and sections
//! each of whose conditions follows from those of a later one; what takes several values together, or the text of a
//! pattern, is not looked into.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Plan, SectionPlan};
use crate::definition::{Choice, Definition};
use crate::diagnostic::{At, Code, Diagnostic, Severity, words};
use crate::expr::entail::All;
use crate::expr::{Node, Program};
use crate::limits::ENTAILED_PAIRS_MAX;

impl Plan {
    /// What works and cannot have been meant: criteria that contradict themselves, sections that no visitor reaches.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.warnings_of(self.definition(), &[])
    }

    /// The same of a plan that was given up, for what has no errors among these findings: what could not be resolved
    /// asks something else than it was meant to.
    pub(crate) fn warnings_of(&self, definition: &Definition, found: &[Diagnostic]) -> Vec<Diagnostic> {
        let errors = found.iter().filter(|found| found.severity() == Severity::Error);
        // The whole of a criterion is in doubt when one condition of it is.
        let whole = |path: &String| path.split(".conditions[").next().unwrap_or("").to_string();
        let wrong: BTreeSet<String> = errors.map(|found| whole(&found.path)).collect();
        let is_sound = |at: At<'_>| wrong.is_empty() || !wrong.contains(&at.to_string());

        let mut out = Vec::new();
        let mut never = |node: &Node, at: At<'_>| {
            let mut all = All::new(&self.program);
            all.add(node, true);
            let found = is_sound(at) && all.are_never();
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
        let (mut behind, mut pairs) = (Vec::new(), ENTAILED_PAIRS_MAX);
        let every = definition.personalizations.iter().zip(&self.personalizations);
        for (index, (personalization, plan)) in every.enumerate() {
            let mut before: Vec<Demands<'_>> = Vec::new();
            for (number, (section, section_plan)) in
                personalization.sections.iter().zip(&plan.sections).enumerate()
            {
                let at = At::item("personalizations", index);
                let at = at.inner("sections", number);
                let criteria = never(&section_plan.criteria, at.field("criteria"));
                let filter = never(&section_plan.event_filter, at.field("event_filter"));
                let sound =
                    ["criteria", "event_filter", "key_event"].iter().all(|part| is_sound(at.field(part)));
                if criteria || filter || !sound || personalization.choice == Choice::All {
                    continue;
                }
                let known = section.accept_unknown_profiles;
                let own = Demands::new(&self.program, number, known, section_plan);
                match before.iter().find(|other| other.covers(&own, &mut pairs)) {
                    Some(other) => {
                        let name = personalization.sections.get(other.number).map_or("", |s| s.name.as_str());
                        let equal = own.covers(other, &mut pairs);
                        behind.push(unreachable(&section.name, name, other, equal).at(at));
                    }
                    None => before.push(own),
                }
            }
        }
        out.append(&mut behind);
        out
    }
}

/// `equal`: the section before asks neither more nor less.
fn unreachable(section: &str, before: &str, other: &Demands<'_>, equal: bool) -> Diagnostic {
    let (why, help) = if equal {
        (
            words!("`{before}` before it asks the same"),
            words!("remove one of the two, or change what it asks"),
        )
    } else if other.are_none() {
        (
            words!("`{before}` before it always applies"),
            words!("move the section that always applies to the end"),
        )
    } else {
        (
            words!("whoever fits it fits `{before}` before it"),
            words!("move it before `{before}`, which lets more visitors in"),
        )
    };
    let message = words!("no visitor reaches section `{section}`: {why}");
    Diagnostic::new(Code::Unreachable, message).help(help)
}

/// What a section asks before it enters.
struct Demands<'p> {
    number: usize,
    accept_unknown_profiles: bool,
    plan: &'p SectionPlan,
    /// All of these, and any order.
    parts: Vec<&'p Node>,
    /// What its criteria leave open.
    criteria: All<'p>,
    /// What they and its event's filter leave open together.
    event: All<'p>,
    /// A bit for some of the values that a part of the criteria asks about by itself,
    needs: u64,
    /// and for all that they ask about: what lacks a bit that another needs cannot answer it.
    knows: u64,
}

impl<'p> Demands<'p> {
    fn new(
        program: &'p Program,
        number: usize,
        accept_unknown_profiles: bool,
        plan: &'p SectionPlan,
    ) -> Demands<'p> {
        let mut parts = Vec::new();
        parts_of(&plan.criteria, &mut parts);
        let mut criteria = All::new(program);
        criteria.add(&plan.criteria, true);
        let mut event = criteria.clone();
        event.add(&plan.event_filter, true);
        let alone = parts.iter().filter(|part| matches!(part, Node::Predicate(_)));
        let needs = alone.fold(0, |bits, part| bits | slots_of(program, part));
        let knows = slots_of(program, &plan.criteria);
        Demands { number, accept_unknown_profiles, plan, parts, criteria, event, needs, knows }
    }

    fn are_none(&self) -> bool {
        self.plan.criteria == Node::Constant(true)
            && self.plan.event_filter == Node::Constant(true)
            && self.plan.key_event.is_none()
            && self.accept_unknown_profiles
    }

    /// Whether whoever enters the other section would have entered this one.
    fn covers(&self, other: &Demands<'p>, pairs: &mut usize) -> bool {
        let (own, others) = (self.plan, other.plan);
        let may = self.needs & !other.knows == 0
            && (own.key_event.is_none() || own.key_event == others.key_event)
            && (self.accept_unknown_profiles || !other.accept_unknown_profiles)
            // Without a profile to read, only what has no criteria at all may enter.
            && (others.criteria != Node::Constant(true) || own.criteria == Node::Constant(true));
        if !may {
            return false;
        }
        let no_more = own.event_filter == Node::Constant(true) || own.event_filter == others.event_filter;
        if no_more && self.parts.iter().all(|part| other.parts.contains(part)) {
            return true;
        }
        if *pairs == 0 {
            return false;
        }
        *pairs = pairs.saturating_sub(1);
        // Without an event nobody asks filters, so nothing in the criteria may rest on the other's.
        self.parts.iter().all(|part| other.parts.contains(part) || other.criteria.imply(part))
            && (own.event_filter == others.event_filter || other.event.imply(&own.event_filter))
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

/// A bit for some of the values that a criterion asks about.
fn slots_of(program: &Program, node: &Node) -> u64 {
    match node {
        Node::Constant(_) => 0,
        Node::Not(inner) => slots_of(program, inner),
        Node::And(parts) | Node::Or(parts) => {
            parts.iter().fold(0, |bits, part| bits | slots_of(program, part))
        }
        Node::Predicate(index) => {
            let predicate = program.predicates.get(*index as usize);
            predicate.map_or(0, |predicate| 1_u64 << (predicate.slot % u64::BITS))
        }
    }
}
