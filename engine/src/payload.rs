//! Payloads: the only place where attribute values leave the engine, so sensitivity is decided once ([`may_leave`]).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::call::Call;
use crate::definition::{Choice, OutputSource, Personalization, Section, Segment, SegmentsAs};
use crate::expr::Node;
use crate::expr::eval::{Memo, calculate};
use crate::expr::value::HAS_EXPRESSIONS;
use crate::gather::Gather;
use crate::plan::{OutputPlan, Piece, Plan, SectionPlan};
use crate::query::Access;
use crate::value::Value;

/// The answer of one section. Names borrow from the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer<'p> {
    /// The personalization it belongs to.
    pub personalization: &'p str,
    /// The section's name, which is the offer's.
    pub section: &'p str,
    /// Outputs by name, in the order of the definition; missing and withheld ones are left out.
    pub attributes: Vec<(&'p str, Value)>,
    /// The section's segments that the profile is in.
    pub segments: Vec<&'p Segment>,
    /// The form in which it lists them.
    pub segments_as: SegmentsAs,
    /// The reason for the answer.
    pub reason: Reason,
}

/// The reason for an answer, in OpenFeature's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The section is for every visitor.
    Default,
    /// Its key event or criteria matched.
    TargetingMatch,
}

impl Reason {
    /// As OpenFeature spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Default => "DEFAULT",
            Reason::TargetingMatch => "TARGETING_MATCH",
        }
    }
}

/// True if an attribute's value may leave: it is not sensitive, or section, route and key all allow it. `included` is the
/// section's word; an export has no section, and includes everything.
pub(crate) fn may_leave(sensitive: bool, included: bool, access: Access) -> bool {
    !sensitive || (included && access.server_route && access.sensitive_scope)
}

/// The payload of a section that entered; None for one that does not exist. `memo` is for expressions, made with the first.
pub(crate) fn offer<'p, 'c>(
    plan: &'p Plan,
    personalization: usize,
    section: usize,
    call: &'c Call<'_>,
    access: Access,
    memo: &mut Option<Memo<'c>>,
) -> Option<Offer<'p>> {
    let section_plan = plan.personalizations.get(personalization)?.sections.get(section)?;
    let personalization = plan.definition().personalizations.get(personalization)?;
    let section = personalization.sections.get(section)?;
    let open = |index: u16| {
        let fact = plan.facts.get(usize::from(index))?;
        let attribute = plan.attributes.get(fact.attribute)?;
        let sensitive = attribute.sensitive || fact.part.is_sensitive();
        may_leave(sensitive, section.include_sensitive, access).then_some(fact)
    };
    let value = |index: u16| open(index).and_then(|fact| call.fact(index).output(fact.types));
    let outputs = section.outputs.iter().zip(&section_plan.outputs);
    let attributes = outputs.filter_map(|(output, planned)| {
        let value = match (&output.source, planned) {
            (_, OutputPlan::Fact(index)) => value(*index)?,
            (_, OutputPlan::Template(pieces)) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Fact(index) => match value(*index)? {
                            Value::String(value) => text.push_str(&value),
                            value => text.push_str(&value.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
            (_, OutputPlan::Calculated(calc, results)) => {
                if !HAS_EXPRESSIONS || results.iter().any(|index| open(*index).is_none()) {
                    return None;
                }
                calculate(&plan.program, calc, call, memo.get_or_insert_with(|| Memo::new(&plan.program)))?
            }
            (OutputSource::Constant(value), OutputPlan::Same) => value.present()?.clone(),
            (OutputSource::Text(texts), OutputPlan::Same) => Value::String(texts.concat()),
            (
                OutputSource::Attribute { .. } | OutputSource::Template(_) | OutputSource::Expression(_),
                OutputPlan::Same,
            ) => return None,
        };
        Some((output.name.as_str(), value))
    });
    let segments = section.segments.iter().filter(|segment| call.in_segment(&segment.name));
    Some(Offer {
        personalization: &personalization.name,
        section: &section.name,
        attributes: attributes.gather(),
        segments: segments.gather(),
        segments_as: personalization.segments_as,
        reason: reason(personalization, section, section_plan),
    })
}

/// The reason for the answer of a section that entered.
pub(crate) fn reason(definition: &Personalization, section: &Section, plan: &SectionPlan) -> Reason {
    let for_everybody = matches!(plan.criteria, Node::Constant(true))
        && section.key_event.is_none()
        && section.event_filter.is_none()
        && section.accept_unknown_profiles
        && definition.choice == Choice::First;
    if for_everybody { Reason::Default } else { Reason::TargetingMatch }
}
