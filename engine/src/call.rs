//! One call's view of values: where a slot's value is, and whether it fits what is asked of it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute;
use crate::attribute::fact::{Fact, fact};
use crate::event::Event;
use crate::expr::eval::{Seen, Values};
use crate::expr::types::TypeSet;
use crate::expr::{Op, Predicate, Slot};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::section::Query;
use crate::time;
use crate::value::{DataType, Number, Value};

/// Everything that a criterion may look at.
pub(crate) struct Call<'a> {
    pub(crate) event: Option<&'a Event>,
    /// What the caller handed in; for an event call, its columns are inputs, too.
    pub(crate) inputs: &'a [(String, Value)],
    pub(crate) edge: &'a [(String, String)],
    pub(crate) now_ms: i64,
    /// Whether the profile could not be read.
    pub(crate) blind: bool,
    pub(crate) facts: Vec<Fact<'a>>,
    segments: Option<&'a [String]>,
    /// The event's time as its column shows it.
    time: Option<Value>,
}

impl<'a> Call<'a> {
    /// For filters, which look at columns only.
    pub(crate) fn of_event(event: &'a Event, now_ms: i64) -> Call<'a> {
        Call {
            event: Some(event),
            inputs: &[],
            edge: &[],
            now_ms,
            blind: false,
            facts: Vec::new(),
            segments: None,
            time: Some(Value::from(event.time_seconds())),
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
            facts: plan
                .facts
                .iter()
                .map(|asked| match plan.attributes.get(asked.attribute) {
                    Some(attribute) => fact(asked, attribute, profile, now_ms),
                    None => Fact::Missing,
                })
                .collect(),
            segments: attribute::batch_segments(profile.batch()).map(|(_, segments)| segments),
            time: event.map(|event| Value::from(event.time_seconds())),
        }
    }

    /// Whether the profile is in a batch segment; without a batch record it is in none.
    pub(crate) fn in_segment(&self, name: &str) -> bool {
        self.segments.is_some_and(|segments| segments.iter().any(|segment| segment == name))
    }

    /// A column or input; in an event call the columns are the inputs.
    pub(crate) fn input(&self, name: &str) -> Option<&Value> {
        match self.event {
            Some(event) => self.column_of(event, name),
            None => self.inputs.iter().find(|(known, _)| known == name)?.1.present(),
        }
    }

    fn column_of<'s>(&'s self, event: &'s Event, name: &str) -> Option<&'s Value> {
        if name == "time" { self.time.as_ref() } else { event.column(name) }
    }

    pub(crate) fn fact(&self, index: u16) -> &Fact<'a> {
        self.facts.get(usize::from(index)).unwrap_or(&Fact::Missing)
    }
}

impl Values for Call<'_> {
    fn seen(&self, slot: &Slot, predicate: &Predicate) -> Seen<'_> {
        match slot {
            Slot::Segment(name) => Seen::Boolean(self.in_segment(name)),
            Slot::Column(name) => self
                .event
                .and_then(|event| self.column_of(event, name))
                .map_or(Seen::Missing, |value| seen(value, predicate)),
            Slot::Input(name) => self.input(name).map_or(Seen::Missing, |value| seen(value, predicate)),
            Slot::Edge(name) => self
                .edge
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Seen::Missing, |(_, text)| Seen::Text(text)),
            Slot::Attribute(index) => match self.fact(*index) {
                Fact::Missing => Seen::Missing,
                Fact::Value(value, _) => seen(value, predicate),
                Fact::Number(number) => Seen::Number(*number),
                Fact::Items(items) => Seen::Items(items),
            },
        }
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

/// The ingest rule at reading, without a copy: a value that does not fit is missing, a numeric text becomes its number.
fn seen<'a>(value: &'a Value, predicate: &Predicate) -> Seen<'a> {
    let types = predicate.types;
    match value {
        Value::Null | Value::Object(_) => Seen::Missing,
        Value::Boolean(value) if types.has(DataType::Boolean) => Seen::Boolean(*value),
        Value::Number(number)
            if types.has(DataType::Number)
                || (types.has(DataType::Timestamp) && time::unix_ms(*number).is_some()) =>
        {
            Seen::Number(*number)
        }
        Value::String(text) => text_seen(text, types, &predicate.op),
        Value::List(items) if items.is_empty() => Seen::Missing,
        Value::List(items) => {
            let strings =
                types.has(DataType::StringArray) && items.iter().all(|i| matches!(i, Value::String(_)));
            let numbers =
                types.has(DataType::NumberArray) && items.iter().all(|i| matches!(i, Value::Number(_)));
            if types == TypeSet::ANY || strings || numbers { Seen::List(items) } else { Seen::Missing }
        }
        _ => Seen::Missing,
    }
}

fn text_seen<'a>(text: &'a str, types: TypeSet, op: &Op) -> Seen<'a> {
    let instant = (types.has(DataType::Timestamp) && time::rfc3339_ms(text).is_some())
        || (types.has(DataType::Date) && time::date_ms(text).is_some());
    // Where a number is asked for and text would do too, text that is a number is the number.
    let wants_number =
        matches!(op, Op::EqualNumber(_) | Op::OrderNumber(..) | Op::InNumbers(_) | Op::BetweenNumbers(..));
    if !wants_number && (types.has(DataType::String) || instant) {
        return Seen::Text(text);
    }
    let number = if types.has(DataType::Number) { Number::parse(text) } else { None };
    number.map_or(Seen::Missing, Seen::Number)
}
