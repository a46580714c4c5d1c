//! Domains of attributes by their kind: a counter is never missing and, where each event adds a constant, a whole
//! number from 0 up; a list has at most as many items as it keeps.

use core::ops::Bound;

use crate::attribute::plan::{FactPlan, Part};
use crate::definition::{AttributeKind, Definition, Increment};
use crate::expr::domain::{Domain, Domains};
use crate::expr::interval::Interval;
use crate::expr::op::Op;
use crate::expr::{Program, Slot};
use crate::syntax::Comparison;
use crate::value::Number;

impl Domains {
    pub(super) fn of(definition: &Definition, program: &Program, facts: &[FactPlan]) -> Domains {
        let of = |slot: &Slot| {
            let Slot::Attribute(index) = slot else { return Domain::default() };
            let fact = facts.get(usize::from(*index));
            let kind = fact.and_then(|fact| definition.attributes.get(fact.attribute)).map(|it| &it.kind);
            fact.zip(kind).map(|(fact, kind)| Domain::of(fact, kind)).unwrap_or_default()
        };
        Domains(program.slots.iter().map(|place| of(&place.slot)).collect())
    }
}

impl Domain {
    fn of(fact: &FactPlan, kind: &AttributeKind) -> Domain {
        match (kind, &fact.part) {
            (AttributeKind::Counter { increment, backfill, .. }, _) => {
                // A column or a batch may hold negative numbers and fractions.
                let is_count = matches!(increment, Increment::Constant(_)) && backfill.is_none();
                let low = if is_count { Bound::Included(Number::Integer(0)) } else { Bound::Unbounded };
                let from = Op::numbers(Interval { low, high: Bound::Unbounded });
                Domain { ops: alloc::vec![from], is_whole: is_count }
            }
            (AttributeKind::List { items_max, .. }, Part::Items { aggregation, .. })
                if aggregation.is_list() =>
            {
                let most = Op::Size(Comparison::LessEqual, i64::from(*items_max));
                Domain { ops: alloc::vec![most], is_whole: false }
            }
            _ => Domain::default(),
        }
    }
}
