//! Reachability: finds criteria that no visitor fulfils, and sections that no visitor reaches.
//!
//! It reports only what is certain. A section enters only when its criteria are true, so a condition that is false or
//! unknown for every visitor rules it out. It finds contradictions among the conditions that one AND puts on one value,
//! conditions with the same result for every visitor because of their attribute's domain or of constants alone, and
//! sections of which every condition follows from those of a later section; the same in the gates and decisions of
//! journeys. It does not examine relations between several values, nor patterns that are more than a few texts.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

mod journeys;

use super::{Plan, SectionPlan};
use crate::attribute::plan::Kind;
use crate::definition::{AttributeKind, Choice, Definition, Increment, Section};
use crate::diagnostic::{At, Code, Diagnostic, Severity, words};
use crate::expr::domain::Domains;
use crate::expr::entail::All;
use crate::expr::eval::{Memo, Truth, Values, evaluate};
use crate::expr::operand::Operand;
use crate::expr::{Node, Program, Slot, TypedSlot};
use crate::limits::ENTAILED_PAIRS_MAX;
use crate::syntax::Expr;
use crate::value::Value;

impl Plan {
    /// Warnings about criteria that contradict themselves, conditions with the same result for every visitor, and
    /// sections that no visitor reaches.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Plan, diagnostic::Code, syntax};
    /// # let views = Attribute { name: "tier".into(), kind: AttributeKind::Batch { column: "tier".into(), data_type: None }, sensitive: false, description: None };
    /// # let section = Section { name: "Welcome".into(), key_event: None, event_filter: None, criteria: syntax::parse("tier = 'a' AND tier = 'b'").unwrap(), accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: None, inputs: vec![], sections: vec![section] };
    /// # let definition = Definition { attributes: vec![views], personalizations: vec![home], ..Definition::default() };
    /// let plan = Plan::compile(&definition).unwrap();
    /// assert_eq!(plan.warnings()[0].code, Code::Contradiction);
    /// ```
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.warnings_of(self.definition(), &[])
    }

    /// The same for a plan with errors, for the parts that these findings do not concern: a criterion with an
    /// unresolved name does not ask what its author meant.
    pub(crate) fn warnings_of(&self, definition: &Definition, found: &[Diagnostic]) -> Vec<Diagnostic> {
        let errors = found.iter().filter(|found| found.severity() == Severity::Error);
        // An error in one condition makes the whole criterion doubtful.
        let whole = |path: &String| path.split(".conditions[").next().unwrap_or("").to_string();
        let domains = Domains::of(definition, &self.program, &self.facts);
        let (wrong, out) = (errors.map(|found| whole(&found.path)).collect(), Vec::new());
        let mut reach = Reach { plan: self, definition, domains, any: Domains::default(), wrong, out };
        for (index, key_event) in self.key_events.iter().enumerate() {
            reach.never(&key_event.filter, At::item("key_events", index).field("filter"));
        }
        reach.filters();
        let (mut behind, mut pairs) = (Vec::new(), ENTAILED_PAIRS_MAX);
        let every = definition.personalizations.iter().zip(&self.personalizations);
        for (index, (personalization, plan)) in every.enumerate() {
            let mut may_enter = Vec::new();
            for (number, (section, section_plan)) in
                personalization.sections.iter().zip(&plan.sections).enumerate()
            {
                let at = At::item("personalizations", index);
                let at = at.inner("sections", number);
                let criteria =
                    reach.criteria(&section.criteria, &section_plan.criteria, at.field("criteria"));
                let key_event = section_plan.key_event.or(plan.trigger);
                let filter = reach.filter(key_event, &section_plan.event_filter, at.field("event_filter"));
                let sound = ["criteria", "event_filter", "key_event"]
                    .iter()
                    .all(|part| reach.is_sound(at.field(part)));
                if !criteria && !filter && sound && personalization.choice == Choice::First {
                    may_enter.push((number, section, section_plan));
                }
            }
            let mut before: Vec<Demands<'_>> = Vec::new();
            for (number, section, plan) in may_enter {
                let own = Demands::new(&reach, section, plan);
                match before.iter().find(|other| other.covers(&own, &mut pairs)) {
                    Some(other) => {
                        let at = At::item("personalizations", index);
                        let equal = own.covers(other, &mut pairs);
                        behind.push(unreachable(&own, other, equal).at(at.inner("sections", number)));
                    }
                    None => before.push(own),
                }
            }
        }
        reach.journeys();
        let mut out = reach.out;
        out.append(&mut behind);
        super::journeys::warn(definition, &self.journeys, &mut out);
        out
    }

    /// True if a section lets every visitor in whose profile can be read.
    pub fn lets_everybody_in(&self, personalization: usize, section: usize) -> bool {
        let plan = self.personalizations.get(personalization).and_then(|plan| plan.sections.get(section));
        let personalization = self.definition().personalizations.get(personalization);
        let section = personalization.and_then(|personalization| personalization.sections.get(section));
        let domains = Domains::of(self.definition(), &self.program, &self.facts);
        plan.zip(section).is_some_and(|(plan, section)| {
            section.accept_unknown_profiles
                && plan.key_event.is_none()
                && plan.event_filter == Node::Constant(true)
                && All::new(&self.program, &domains).imply(&plan.criteria)
        })
    }
}

/// No values, for conditions between constants.
struct Nothing;

impl Values for Nothing {
    fn operand(&self, _: &TypedSlot) -> Operand<'_> {
        Operand::Missing
    }

    fn ingested(&self, _: &TypedSlot) -> Option<&Value> {
        None
    }

    fn event_ms(&self) -> i64 {
        0
    }

    fn now_ms(&self) -> i64 {
        0
    }
}

/// The state of one search.
struct Reach<'p> {
    plan: &'p Plan,
    definition: &'p Definition,
    domains: Domains,
    /// Empty domains.
    any: Domains,
    /// Paths of parts with errors.
    wrong: BTreeSet<String>,
    out: Vec<Diagnostic>,
}

impl Reach<'_> {
    fn is_sound(&self, at: At<'_>) -> bool {
        self.wrong.is_empty() || !self.wrong.contains(&at.to_string())
    }

    fn are_never(&self, nodes: &[&Node], domains: &Domains) -> bool {
        let mut all = All::new(&self.plan.program, domains);
        nodes.iter().for_each(|node| all.add(node, true));
        all.are_never()
    }

    fn report(&mut self, code: Code, at: At<'_>, message: String, help: String) {
        self.out.push(Diagnostic::new(code, message).at(at).help(help));
    }

    /// Reports a criterion that is true for no visitor. Returns true if so.
    fn never(&mut self, node: &Node, at: At<'_>) -> bool {
        let found = self.is_sound(at) && self.are_never(&[node], &self.domains);
        if found {
            let message = words!("this contradicts itself: it is true of nobody");
            let help = words!("remove one of the conditions that exclude each other");
            self.report(Code::Contradiction, at, message, help);
        }
        found
    }

    /// The same for a filter, together with the filter of its key event.
    fn filter(&mut self, key_event: Option<usize>, node: &Node, at: At<'_>) -> bool {
        let outer = key_event.and_then(|index| Some((self.definition.key_events.get(index)?, index)));
        let Some((key_event, plan)) =
            outer.and_then(|(key_event, index)| Some((key_event, self.plan.key_events.get(index)?)))
        else {
            return self.never(node, at);
        };
        if *node == Node::Constant(true) || self.never(node, at) {
            return *node != Node::Constant(true);
        }
        let own = self.are_never(&[&plan.filter], &self.any);
        let found = self.is_sound(at) && !own && self.are_never(&[&plan.filter, node], &self.any);
        if found {
            let name = &key_event.name;
            let message = words!("no event fits both this and the filter of `{name}`");
            let help = words!(
                "events of `{name}` have passed its own filter; remove one of the conditions that exclude each other"
            );
            self.report(Code::Contradiction, at, message, help);
        }
        found
    }

    /// Checks the filters of attributes and of list actions.
    fn filters(&mut self) {
        let definition = self.definition;
        let event = |name: &String| definition.key_events.iter().position(|event| event.name == *name);
        for (index, (attribute, plan)) in definition.attributes.iter().zip(&self.plan.attributes).enumerate()
        {
            let at = At::item("attributes", index);
            let (AttributeKind::Single { key_event, .. }
            | AttributeKind::List { key_event, .. }
            | AttributeKind::Counter { key_event, .. }) = &attribute.kind
            else {
                continue;
            };
            self.filter(event(key_event), &plan.filter, at.field("filter"));
            if let (AttributeKind::List { actions, .. }, Kind::List(list)) = (&attribute.kind, &plan.kind) {
                for (number, (action, plan)) in actions.iter().zip(&list.actions).enumerate() {
                    let at = at.inner("actions", number);
                    self.filter(event(&action.key_event), &plan.filter, at.field("filter"));
                }
            }
        }
    }

    /// Reports criteria that are true for no visitor, and each condition with the same result for every visitor because
    /// of its attribute's domain. Returns true if no visitor fulfils the criteria.
    fn criteria(&mut self, expr: &Expr, node: &Node, at: At<'_>) -> bool {
        if !self.is_sound(at) {
            return false;
        }
        let fixed = self.fixed(expr, node, at, &mut 0);
        if fixed && !self.are_never(&[node], &self.any) {
            // A fixed condition explains it; no second warning.
            return self.are_never(&[node], &self.domains);
        }
        self.never(node, at)
    }

    /// Reports each condition with the same result for every visitor. `next` numbers them in the order of the text.
    /// Returns true if there is one.
    fn fixed(&mut self, expr: &Expr, node: &Node, at: At<'_>, next: &mut usize) -> bool {
        match (expr, node) {
            (Expr::And(exprs), Node::And(nodes)) | (Expr::Or(exprs), Node::Or(nodes)) => {
                let parts = exprs.iter().zip(nodes);
                parts.fold(false, |any, (expr, node)| self.fixed(expr, node, at, next) || any)
            }
            (Expr::Not(expr), Node::Not(node)) => self.fixed(expr, node, at, next),
            (Expr::Constant(_), _) => false,
            (expr, node) => {
                let number = *next;
                *next = next.saturating_add(1);
                if matches!(expr, Expr::Computed(_)) && expr.is_constant() {
                    let program = &self.plan.program;
                    let truth = evaluate(program, node, &Nothing, &mut Memo::new(program));
                    let who = if truth == Truth::True { "everybody" } else { "nobody" };
                    let message = words!("this condition is true of {who}");
                    let help = words!("nothing in it depends on the visitor: name the value that is meant");
                    self.report(Code::FixedCondition, at.inner("conditions", number), message, help);
                    return true;
                }
                let (program, domains) = (&self.plan.program, &self.domains);
                let holds = if All::new(program, domains).imply(node) {
                    true
                } else if self.are_never(&[node], domains) {
                    false
                } else {
                    return false;
                };
                let known = if holds {
                    All::new(program, &self.any).imply(node)
                } else {
                    self.are_never(&[node], &self.any)
                };
                let Some(help) = self.fixed_by(node).filter(|_| !known) else { return false };
                let message =
                    words!("this condition is true of {}", if holds { "everybody" } else { "nobody" });
                self.report(Code::FixedCondition, at.inner("conditions", number), message, help);
                true
            }
        }
    }

    /// Why a condition has the same result for every visitor.
    fn fixed_by(&self, node: &Node) -> Option<String> {
        let Node::Predicate(index) = node else { return None };
        let place = self.plan.program.typed_slot(self.plan.program.predicates.get(*index as usize)?)?;
        let Slot::Attribute(index) = place.slot else { return None };
        let fact = self.plan.facts.get(usize::from(index))?;
        let name = &fact.name;
        Some(match &self.definition.attributes.get(fact.attribute)?.kind {
            AttributeKind::List { items_max, .. } => {
                words!("`{name}` has 0 to {items_max} items, which is what its list keeps")
            }
            AttributeKind::Counter { increment: Increment::Constant(_), backfill: None, .. } => {
                words!(
                    "`{name}` counts from 0 up in whole numbers, and without an event it is 0, not missing"
                )
            }
            _ => words!("`{name}` is a counter: without an event it is 0, not missing"),
        })
    }
}

/// `equal`: the other section has the same conditions.
fn unreachable(own: &Demands<'_>, other: &Demands<'_>, equal: bool) -> Diagnostic {
    let (section, before) = (&own.section.name, &other.section.name);
    let (why, help) = if equal && !other.always {
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
    // A section without criteria also answers when a profile cannot be read.
    let visitor = if other.always && own.plan.criteria == Node::Constant(true) {
        words!("visitor whose profile can be read")
    } else {
        words!("visitor")
    };
    let message = words!("no {visitor} reaches section `{section}`: {why}");
    Diagnostic::new(Code::Unreachable, message).help(help)
}

/// The conditions of a section.
struct Demands<'p> {
    section: &'p Section,
    plan: &'p SectionPlan,
    /// True if its criteria are true for every visitor because of the attributes' domains.
    always: bool,
    /// The parts of the AND, in no order.
    parts: Vec<&'p Node>,
    /// Its criteria.
    criteria: All<'p>,
    /// Its criteria and its event filter together.
    event: All<'p>,
    /// A bit for each slot (modulo 64) that a part of the criteria tests alone.
    needs: u64,
    /// A bit for each slot (modulo 64) that the criteria test: criteria without a bit that another needs cannot entail
    /// it.
    knows: u64,
}

impl<'p> Demands<'p> {
    fn new(reach: &'p Reach<'p>, section: &'p Section, plan: &'p SectionPlan) -> Demands<'p> {
        let program = &reach.plan.program;
        let mut parts = Vec::new();
        parts_of(&plan.criteria, &mut parts);
        let mut criteria = All::new(program, &reach.domains);
        criteria.add(&plan.criteria, true);
        let mut event = criteria.clone();
        event.add(&plan.event_filter, true);
        let nothing = All::new(program, &reach.domains);
        let alone = parts.iter().filter(|part| matches!(part, Node::Predicate(_)) && !nothing.imply(part));
        let needs = alone.fold(0, |bits, part| bits | slots_of(program, part));
        let knows = slots_of(program, &plan.criteria);
        let always = nothing.imply(&plan.criteria) && !All::new(program, &reach.any).imply(&plan.criteria);
        Demands { section, plan, always, parts, criteria, event, needs, knows }
    }

    fn are_none(&self) -> bool {
        (self.plan.criteria == Node::Constant(true) || self.always)
            && self.plan.event_filter == Node::Constant(true)
            && self.plan.key_event.is_none()
            && self.section.accept_unknown_profiles
    }

    /// True if every visitor who enters the other section would have entered this one.
    fn covers(&self, other: &Demands<'p>, pairs: &mut usize) -> bool {
        let (own, others) = (self.plan, other.plan);
        let may = self.needs & !other.knows == 0
            && (own.key_event.is_none() || own.key_event == others.key_event)
            && (self.section.accept_unknown_profiles || !other.section.accept_unknown_profiles)
            // If the profile cannot be read, only a section without criteria may enter.
            && (others.criteria != Node::Constant(true) || own.criteria == Node::Constant(true) || self.always);
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
        // Without an event, filters are not evaluated, so the proof for criteria must not use the other's filter.
        self.parts.iter().all(|part| other.parts.contains(part) || other.criteria.imply(part))
            && (own.event_filter == others.event_filter || other.event.imply(&own.event_filter))
    }
}

/// The parts of an AND.
fn parts_of<'p>(node: &'p Node, out: &mut Vec<&'p Node>) {
    match node {
        Node::And(parts) => parts.iter().for_each(|part| parts_of(part, out)),
        Node::Constant(true) => {}
        part => out.push(part),
    }
}

/// A bit for each slot (modulo 64) that a criterion tests.
fn slots_of(program: &Program, node: &Node) -> u64 {
    match node {
        Node::Constant(_) | Node::Computed(_) => 0,
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
