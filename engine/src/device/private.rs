//! What may not be on a device.

use crate::attribute::plan::{AttributePlan, Kind};
use crate::expr::Node;
use crate::plan::{OutputPlan, Piece, Plan, SectionPlan};

/// True if a section reads, or shows, what may not be on a device. An output that never leaves over a public route is left
/// out of the program instead.
pub(super) fn is_private_section(plan: &Plan, section: &SectionPlan) -> bool {
    let shown = section.outputs.iter().filter(|output| !is_withheld(plan, output));
    let mut found = calculates(&section.criteria)
        || calculates(&section.event_filter)
        || shown.clone().any(|output| matches!(output, OutputPlan::Calculated(..)))
        || section.key_event.is_some_and(|key_event| calculates_event(plan, key_event));
    plan.program.facts_of(&section.criteria, &mut |fact| found |= is_private(plan, fact));
    found || shown.flat_map(facts_of).any(|fact| is_private(plan, fact))
}

pub(super) fn is_withheld(plan: &Plan, output: &OutputPlan) -> bool {
    let is_sensitive = |fact: u16| plan.facts.get(usize::from(fact)).is_none_or(|it| it.part.is_sensitive());
    facts_of(output).any(|fact| {
        is_sensitive(fact) || attribute_of(plan, fact).is_none_or(|attribute| attribute.sensitive)
    })
}

/// The facts whose values an output shows.
pub(super) fn facts_of(output: &OutputPlan) -> impl Iterator<Item = u16> {
    let (shown, pieces): (&[u16], &[Piece]) = match output {
        OutputPlan::Same => (&[], &[]),
        OutputPlan::Fact(fact) => (core::slice::from_ref(fact), &[]),
        OutputPlan::Template(pieces) => (&[], pieces),
        OutputPlan::Calculated(_, results) => (results, &[]),
    };
    let of_pieces = pieces.iter().filter_map(|piece| match piece {
        Piece::Fact(fact) => Some(*fact),
        Piece::Text(_) => None,
    });
    shown.iter().copied().chain(of_pieces)
}

/// True if a criterion tests an expression, which the engine of devices does not calculate.
fn calculates(node: &Node) -> bool {
    let mut found = false;
    node.for_each_test(&mut |_, is_computed| found |= is_computed);
    found
}

/// The same for the filter of a key event.
pub(super) fn calculates_event(plan: &Plan, key_event: usize) -> bool {
    plan.key_events.get(key_event).is_some_and(|key_event| calculates(&key_event.filter))
}

/// True if an event changes an attribute, or not, by an expression.
fn is_calculated(plan: &Plan, index: usize, attribute: &AttributePlan) -> bool {
    let takes = match &attribute.kind {
        Kind::List(list) => list.actions.iter().any(|action| calculates(&action.filter)),
        _ => false,
    };
    let mut feeding = plan.key_events.iter().filter(|key_event| {
        key_event.feeds.contains(&index) || key_event.takes.iter().any(|(taken, _)| *taken == index)
    });
    takes || calculates(&attribute.filter) || feeding.any(|key_event| calculates(&key_event.filter))
}

/// True if an attribute is sensitive, or has a base that is, because an extract would hold it; or if it reads rows, or
/// depends on an expression, which only an edge has.
fn is_private(plan: &Plan, fact: u16) -> bool {
    attribute_of(plan, fact).is_none_or(|attribute| {
        let index = plan.facts.get(usize::from(fact)).map_or(0, |fact| fact.attribute);
        attribute.sensitive
            || is_calculated(plan, index, attribute)
            || matches!(attribute.kind, Kind::Catalog(_))
            || has_sensitive_base(plan, attribute)
    })
}

fn attribute_of(plan: &Plan, fact: u16) -> Option<&AttributePlan> {
    let fact = plan.facts.get(usize::from(fact))?;
    plan.attributes.get(fact.attribute)
}

fn has_sensitive_base(plan: &Plan, attribute: &AttributePlan) -> bool {
    let is_sensitive = |column: &str| {
        let mut reading = plan
            .attributes
            .iter()
            .filter(|other| matches!(&other.kind, Kind::Batch { column: read } if read == column));
        reading.any(|other| other.sensitive)
    };
    attribute.kind.record_columns().any(is_sensitive)
}
