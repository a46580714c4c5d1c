//! Ingest: one accepted event into the attributes that its key events feed.

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::{Item, ItemList, Last, Ring, State};
use crate::call::Call;
use crate::event::Event;
use crate::expr::eval::{Memo, Truth, evaluate};
use crate::limits::VALUE_BYTES_MAX;
use crate::plan::{AttributePlan, Kind, Plan};
use crate::profile::{Profile, Sight};
use crate::value::{Nanos, Number, Value};

/// What became of one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingested {
    /// Whether its id was counted before: nothing changed.
    pub duplicate: bool,
    /// Whether the bound on remembered ids made the profile forget one that was younger than 7 days.
    pub forgot: bool,
    /// Columns that an attribute wanted and could not take.
    pub refused: Vec<RefusedValue>,
}

/// A value that did not become part of an attribute; the attribute keeps what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedValue {
    /// The attribute's name.
    pub attribute: String,
    /// A stable name for receipts and metrics.
    pub reason: &'static str,
}

impl Plan {
    /// Folds an event into a profile; a second copy of it changes nothing.
    pub fn ingest(&self, profile: &mut Profile, event: &Event, now_ms: i64) -> Ingested {
        let mut ingested = Ingested::default();
        if !event.minted {
            match profile.seen.note(&event.id, now_ms) {
                Sight::Again => return Ingested { duplicate: true, ..ingested },
                Sight::FirstAndForgot => ingested.forgot = true,
                Sight::First => {}
            }
        }
        let call = Call::of_event(event, now_ms);
        let mut memo = Memo::new(&self.program);
        let matched: Vec<bool> = self
            .key_events
            .iter()
            .map(|key_event| {
                key_event.table == event.table
                    && evaluate(&self.program, &key_event.filter, &call, &mut memo) == Truth::True
            })
            .collect();
        for attribute in &self.attributes {
            let fed = attribute.key_event.is_some_and(|index| matched.get(index) == Some(&true));
            if fed && let Err(reason) = update(profile, attribute, event, now_ms) {
                ingested.refused.push(RefusedValue { attribute: attribute.name.clone(), reason });
            }
        }
        ingested
    }
}

/// Adds what the event says; a column that is missing says nothing.
fn update(
    profile: &mut Profile,
    attribute: &AttributePlan,
    event: &Event,
    now_ms: i64,
) -> Result<(), &'static str> {
    let (time_ms, event_id) = (event.time_ms, event.id.clone());
    match &attribute.kind {
        Kind::Batch { .. } => {}
        Kind::Last { column, .. } => {
            let Some(value) = admitted(attribute, event, column)? else { return Ok(()) };
            let last = State::Last(Last { time_ms, event_id, value });
            profile.change(&attribute.name, |state| match state {
                Some(state @ State::Last(_)) => state.merge(last),
                // Nothing yet, or a state of another kind: it starts anew.
                _ => last,
            });
        }
        Kind::Sum { column } => {
            let Some(value) = admitted(attribute, event, column)? else { return Ok(()) };
            let nanos = value.as_number().and_then(Nanos::from_number).ok_or("out_of_range")?;
            profile.change(&attribute.name, |state| match state {
                Some(State::Sum(sum)) => State::Sum(sum.plus(nanos)),
                _ => State::Sum(nanos),
            });
        }
        Kind::List { column, items_max, duration_ms } => {
            let value = match value(event, column) {
                None | Some(Value::Null) => return Ok(()),
                Some(value @ (Value::String(_) | Value::Number(_) | Value::Boolean(_))) => bounded(value)?,
                Some(_) => return Err("wrong_type"),
            };
            let item = Item { value, time_ms, event_id };
            profile.change(&attribute.name, |state| {
                let mut list = match state {
                    Some(State::List(list)) => list,
                    _ => ItemList::default(),
                };
                list.add(item, *items_max, *duration_ms, now_ms);
                State::List(list)
            });
        }
        Kind::Counter { column, constant, width_ms, .. } => {
            let amount = match column {
                None => i128::from(*constant),
                Some(column) => {
                    let Some(value) = admitted(attribute, event, column)? else { return Ok(()) };
                    value.as_number().and_then(Nanos::from_number).ok_or("out_of_range")?.0
                }
            };
            profile.change(&attribute.name, |state| {
                let mut ring = match state {
                    Some(State::Counter(ring)) if ring.width_ms == *width_ms => ring,
                    _ => Ring::new(*width_ms),
                };
                ring.add(time_ms, amount);
                State::Counter(ring)
            });
        }
    }
    Ok(())
}

/// The column's value; `time` is the event's resolved time.
fn value(event: &Event, column: &str) -> Option<Value> {
    if column == "time" { Some(Value::from(event.time_seconds())) } else { event.column(column).cloned() }
}

fn admitted(attribute: &AttributePlan, event: &Event, column: &str) -> Result<Option<Value>, &'static str> {
    match value(event, column) {
        None => Ok(None),
        Some(value) => match attribute.types.admit(&value) {
            Ok(value) => value.map(bounded).transpose(),
            Err(_) => Err("wrong_type"),
        },
    }
}

fn bounded(value: Value) -> Result<Value, &'static str> {
    if bytes(&value) > VALUE_BYTES_MAX { Err("too_large") } else { Ok(value) }
}

/// How large a value is, as compact JSON without its escapes.
pub(crate) fn bytes(value: &Value) -> usize {
    let inner = |sizes: usize, count: usize| sizes.saturating_add(count).saturating_add(1);
    match value {
        Value::Null | Value::Boolean(_) => 4,
        Value::Number(Number::Integer(_) | Number::Float(_)) => 8,
        Value::String(text) => text.len().saturating_add(2),
        Value::List(items) => inner(items.iter().map(bytes).fold(0, usize::saturating_add), items.len()),
        Value::Object(entries) => {
            let entry =
                |(name, value): &(String, Value)| name.len().saturating_add(3).saturating_add(bytes(value));
            inner(entries.iter().map(entry).fold(0, usize::saturating_add), entries.len())
        }
    }
}
