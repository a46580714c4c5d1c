//! One call's view of values: where a slot's value is, and whether it fits what is asked of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;

use crate::attribute::{self, Item, State};
use crate::event::Event;
use crate::expr::eval::{Items, Seen, Values};
use crate::expr::types::TypeSet;
use crate::expr::{Place, Slot};
use crate::plan::{AttributePlan, Kind, Plan};
use crate::profile::Profile;
use crate::section::Query;
use crate::value::{Nanos, Number, Value};

/// Everything that a criterion may look at.
pub(crate) struct Call<'a> {
    pub(crate) event: Option<&'a Event>,
    /// What the caller handed in; for an event call, its columns are inputs, too.
    pub(crate) inputs: &'a [(String, Value)],
    pub(crate) edge: &'a [(String, String)],
    pub(crate) now_ms: i64,
    /// Whether the profile could not be read.
    pub(crate) blind: bool,
    /// Each is found out when it is first asked for.
    facts: Vec<OnceCell<Fact<'a>>>,
    source: Option<(&'a Plan, &'a Profile)>,
    segments: Option<&'a [String]>,
    /// The event's time as its column shows it.
    time: Option<Value>,
}

/// What is known of one attribute at one moment.
#[derive(Clone, Debug)]
pub(crate) enum Fact<'a> {
    Missing,
    /// A stored value, and when it was said.
    Value(&'a Value, i64),
    /// A value that is computed when it is read.
    Number(Number),
    /// The living items of a list, newest first, at least one.
    Items(Living<'a>),
}

/// Living items of a list attribute, as criteria look at them.
#[derive(Clone, Copy)]
pub(crate) struct Living<'a>(pub(crate) &'a [Item]);

impl fmt::Debug for Living<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.0.len())
    }
}

impl Items for Living<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn any(&self, matches: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.0.iter().any(|item| matches(&item.value))
    }
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
            source: None,
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
            facts: alloc::vec![OnceCell::new(); plan.attributes.len()],
            source: Some((plan, profile)),
            segments: attribute::batch_segments(&profile.batch).map(|(_, segments)| segments),
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
        let index = usize::from(index);
        let (Some(cell), Some((plan, profile))) = (self.facts.get(index), self.source) else {
            return &Fact::Missing;
        };
        cell.get_or_init(|| {
            plan.attributes
                .get(index)
                .map_or(Fact::Missing, |attribute| fact(attribute, profile, self.now_ms))
        })
    }
}

impl Values for Call<'_> {
    fn seen(&self, place: &Place) -> Seen<'_> {
        let seen = |value| Seen::of(value, place.types);
        match &place.slot {
            Slot::Segment(name) => Seen::Boolean(self.in_segment(name)),
            Slot::Column(name) => {
                self.event.and_then(|event| self.column_of(event, name)).map_or(Seen::Missing, seen)
            }
            Slot::Input(name) => self.input(name).map_or(Seen::Missing, seen),
            Slot::Edge(name) => self
                .edge
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Seen::Missing, |(_, text)| Seen::Text(text)),
            Slot::Attribute(index) => match self.fact(*index) {
                Fact::Missing => Seen::Missing,
                Fact::Value(value, _) => seen(value),
                Fact::Number(number) => Seen::Number(*number),
                Fact::Items(items) => Seen::Items(items),
            },
        }
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

/// What is known of an attribute now. A state of another kind than the plan's is missing: the kind starts anew.
fn fact<'a>(attribute: &'a AttributePlan, profile: &'a Profile, now_ms: i64) -> Fact<'a> {
    let state = || profile.state(&attribute.name);
    match &attribute.kind {
        Kind::Batch { column } => match attribute::read_batch(&profile.batch, column) {
            Some((record, value)) if attribute.types.admit(value).is_ok_and(|value| value.is_some()) => {
                Fact::Value(value, record.computed_ms)
            }
            _ => Fact::Missing,
        },
        Kind::Last { duration_ms, .. } => match state() {
            Some(State::Last(last)) => match last.read(*duration_ms, now_ms) {
                Some(value) if attribute.types.admit(value).is_ok_and(|value| value.is_some()) => {
                    Fact::Value(value, last.time_ms)
                }
                _ => Fact::Missing,
            },
            _ => Fact::Missing,
        },
        Kind::Sum { .. } => match state() {
            Some(State::Sum(sum)) => Fact::Number(sum.to_number()),
            _ => Fact::Missing,
        },
        Kind::List { items_max, duration_ms, .. } => match state() {
            Some(State::List(list)) => match list.alive(*items_max, *duration_ms, now_ms) {
                [] => Fact::Missing,
                items => Fact::Items(Living(items)),
            },
            _ => Fact::Missing,
        },
        Kind::Counter { column, window_ms, width_ms, .. } => {
            let amount = match state() {
                Some(State::Counter(ring)) if ring.width_ms == *width_ms => ring.read(*window_ms, now_ms),
                _ => 0,
            };
            Fact::Number(match column {
                None => Number::Integer(i64::try_from(amount).unwrap_or(i64::MAX)),
                Some(_) => Nanos(amount).to_number(),
            })
        }
    }
}

impl Fact<'_> {
    /// The value as an answer shows it.
    pub(crate) fn output(&self, types: TypeSet) -> Option<Value> {
        match self {
            Fact::Missing => None,
            // A type may have changed since it was stored.
            Fact::Value(value, _) => types.admit(value).ok().flatten(),
            Fact::Number(number) => Some(Value::Number(*number)),
            Fact::Items(items) => Some(Value::List(items.0.iter().map(|item| item.value.clone()).collect())),
        }
    }
}
