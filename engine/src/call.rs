//! The values of one call: where a slot's value is, and whether it fits the types asked of it.

pub(crate) mod fact;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use crate::attribute;
use crate::attribute::plan::Part;
use crate::definition::Input;
use crate::event::Event;
use crate::expr::eval::Values;
use crate::expr::operand::Operand;
use crate::expr::types::TypeSet;
use crate::expr::{Slot, TypedSlot};
use crate::objects::values_of;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::query::Query;
use crate::rows::Rows;
use crate::value::Value;
use fact::{Fact, fact, fitting};

/// Every value that a criterion may read.
pub(crate) struct Call<'a> {
    pub(crate) event: Option<&'a Event>,
    /// The caller's inputs; an event's columns are inputs, too.
    pub(crate) inputs: &'a [(String, Value)],
    pub(crate) edge: &'a [(String, String)],
    pub(crate) now_ms: i64,
    /// True if the profile could not be read.
    pub(crate) blind: bool,
    /// Each fact, and its operand for criteria, is computed on first use; items are read in place.
    facts: Vec<OnceCell<(Fact<'a>, Option<Operand<'a>>)>>,
    source: Option<(&'a Plan, &'a Profile)>,
    /// Rows of tables; None: nobody asked for any.
    pub(crate) rows: Option<&'a Rows>,
    segments: Option<&'a [String]>,
    /// The event's time, as the column `time` shows it.
    time: Option<Value>,
    /// Values of objects in arrays that criteria have asked for.
    arrays: Arrays,
}

/// Lists that are made while a call runs, each kept behind the one before.
#[derive(Default)]
struct Arrays(OnceCell<Box<(Vec<Value>, Arrays)>>);

impl Arrays {
    fn keep(&self, values: Vec<Value>) -> &[Value] {
        let mut at = self;
        while let Some(kept) = at.0.get() {
            at = &kept.1;
        }
        &at.0.get_or_init(|| Box::new((values, Arrays::default()))).0
    }
}

impl<'a> Call<'a> {
    /// For filters, which read columns only.
    pub(crate) fn of_event(event: &'a Event, now_ms: i64) -> Call<'a> {
        Call {
            event: Some(event),
            inputs: &[],
            edge: &[],
            now_ms,
            blind: false,
            facts: Vec::new(),
            source: None,
            rows: None,
            segments: None,
            time: Some(Value::from(event.time_seconds())),
            arrays: Arrays::default(),
        }
    }

    /// For criteria.
    pub(crate) fn new(plan: &'a Plan, profile: &'a Profile, query: &Query<'a>, now_ms: i64) -> Call<'a> {
        let Query { event, inputs, edge, blind, .. } = *query;
        Call {
            event,
            inputs,
            edge,
            now_ms,
            blind,
            facts: alloc::vec![OnceCell::new(); plan.facts.len()],
            source: Some((plan, profile)),
            rows: None,
            segments: attribute::batch_segments(profile.batch()).map(|(_, segments)| segments),
            time: event.map(|event| Value::from(event.time_seconds())),
            arrays: Arrays::default(),
        }
    }

    /// True if the profile is in a batch segment; without a batch record it is in none.
    pub(crate) fn in_segment(&self, name: &str) -> bool {
        self.segments.is_some_and(|segments| segments.iter().any(|segment| segment == name))
    }

    /// An input: the event's column, or, where it has none, the caller's value.
    pub(crate) fn input(&self, name: &str) -> Option<&Value> {
        let column = self.event.and_then(|event| self.column_of(event, name));
        column.or_else(|| handed_in(self.inputs, name))
    }

    fn column_of<'s>(&'s self, event: &'s Event, name: &str) -> Option<&'s Value> {
        if name == "time" { self.time.as_ref() } else { event.column(name) }
    }

    /// The value of a slot that is no attribute. Not inlined, for a short frame where it is one.
    #[inline(never)]
    fn operand_of_call(&self, typed: &TypedSlot) -> Operand<'_> {
        let operand = |value| Operand::of(value, typed.types);
        match &typed.slot {
            Slot::Segment(name) => Operand::Boolean(self.in_segment(name)),
            Slot::Column(name) => match self.event.and_then(|event| self.column_of(event, name)) {
                Some(value) => Operand::of_column(value, typed.types),
                None if typed.many => self.of_objects(name, typed.types),
                None => Operand::Missing,
            },
            Slot::Input(name) => self.input(name).map_or(Operand::Missing, operand),
            Slot::Edge(name) => self
                .edge
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Operand::Missing, |(_, text)| Operand::Text(text)),
            // Found above.
            Slot::Attribute(_) => Operand::Missing,
        }
    }

    /// The values of an array's objects.
    #[cold]
    fn of_objects(&self, name: &str, types: TypeSet) -> Operand<'_> {
        let values = self.event.map_or_else(Vec::new, |event| values_of(&event.columns, name, types));
        if values.is_empty() {
            Operand::Missing
        } else {
            Operand::List(self.arrays.keep(values), types.items())
        }
    }

    pub(crate) fn fact(&self, index: u16) -> &Fact<'a> {
        self.known(index).map_or(&Fact::Missing, |(fact, _)| fact)
    }

    fn known(&self, number: u16) -> Option<&(Fact<'a>, Option<Operand<'a>>)> {
        let index = usize::from(number);
        let (cell, (plan, profile)) = (self.facts.get(index)?, self.source?);
        Some(cell.get_or_init(|| {
            let asked = plan.facts.get(index);
            let attribute = asked.and_then(|asked| plan.attributes.get(asked.attribute));
            let (Some(asked), Some(attribute)) = (asked, attribute) else { return (Fact::Missing, None) };
            let fact = match self.rows.filter(|_| matches!(asked.part, Part::Column(..))) {
                Some(rows) => match rows.value(number) {
                    Some((value, at_ms)) => fitting(value, at_ms, asked.types),
                    None => Fact::Missing,
                },
                None => fact(asked, attribute, profile, self.now_ms),
            };
            let operand = match fact {
                Fact::Missing => Some(Operand::Missing),
                Fact::Value(value, _) => Some(Operand::of(value, asked.asked)),
                Fact::Number(number) => Some(Operand::Number(number)),
                Fact::Items(_) => None,
            };
            (fact, operand)
        }))
    }
}

/// The caller's value of an input; null is missing.
pub(crate) fn handed_in<'i>(inputs: &'i [(String, Value)], name: &str) -> Option<&'i Value> {
    inputs.iter().find(|(known, _)| known == name)?.1.present()
}

/// True if a value has the input's type; a value of another type is missing.
pub(crate) fn fits(value: &Value, input: &Input) -> bool {
    TypeSet::one(input.data_type).fits(value)
}

impl Values for Call<'_> {
    fn operand(&self, typed: &TypedSlot) -> Operand<'_> {
        // Found by a comparison, because it is the most frequent source.
        if let Slot::Attribute(index) = &typed.slot {
            return match self.known(*index) {
                Some((_, Some(operand))) => *operand,
                Some((Fact::Items(items), None)) => Operand::Items(items, typed.types.items()),
                _ => Operand::Missing,
            };
        }
        self.operand_of_call(typed)
    }

    fn ingested(&self, typed: &TypedSlot) -> Option<&Value> {
        match &typed.slot {
            Slot::Attribute(index) => match self.fact(*index) {
                Fact::Value(value, _) => Some(value),
                _ => None,
            },
            Slot::Column(name) => self.column_of(self.event?, name),
            Slot::Input(name) => self.input(name),
            Slot::Edge(_) | Slot::Segment(_) => None,
        }
    }

    fn event_ms(&self) -> i64 {
        self.event.map_or(self.now_ms, |event| event.time_ms)
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}
