//! Export: everything that a profile holds, as readable values, for callers who may read all data of a visitor.
//!
//! An attribute has its value of the moment, as criteria and offers read it, and its state with the times of what it
//! keeps. Sensitive values leave by the rule of [`payload`](crate::payload). State and columns that the running
//! definition does not know count as sensitive, because nothing says that they are not.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::plan::{AttributePlan, Part};
use crate::attribute::shape::PARKED_SEPARATOR;
use crate::attribute::{BatchRecord, Pick, Ring, Stamped, State, Total, Unit};
use crate::call::Call;
use crate::payload::may_leave;
use crate::plan::{PROGRESS_PREFIX, Plan};
use crate::profile::Profile;
use crate::progress::{Progress, Rest};
use crate::query::{Access, Asked, Query};
use crate::value::Value;

/// Everything that a profile holds beside its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Attributes by name: those of the definition in its order, then state that it does not know.
    pub attributes: Vec<(String, Value)>,
    /// Batch records, as they were imported.
    pub records: Vec<Value>,
}

/// Exports a profile as it is at `now_ms`, Unix milliseconds. Without a plan nothing is known to be not sensitive, and
/// attributes have their state alone.
///
/// # Examples
///
/// ```
/// use usher_engine::{Access, Profile, export};
///
/// let nobody = export(&Profile::unknown(), None, Access::default(), 1_790_000_000_000);
/// assert!(nobody.attributes.is_empty() && nobody.records.is_empty());
/// ```
pub fn export(profile: &Profile, plan: Option<&Plan>, access: Access, now_ms: i64) -> Export {
    let query = Query { event: None, asked: Asked::Named(&[]), inputs: &[], edge: &[], access, blind: false };
    let known = plan.map(|plan| plan.attributes.as_slice()).unwrap_or_default();
    let call = plan.map(|plan| Call::new(plan, profile, &query, now_ms));
    let current = plan.zip(call.as_ref());
    let of_plan = known.iter().enumerate().filter_map(|(index, attribute)| {
        let values = current.map(|(plan, call)| values_of(plan, call, index)).unwrap_or_default();
        let state = profile.state(&attribute.name);
        let fields = values.into_iter().chain(state.map(|state| field("state", state_of(state))));
        let fields: Vec<_> = fields.collect();
        let shown = may_leave(attribute.sensitive, true, access);
        (!fields.is_empty()).then(|| (attribute.name.clone(), shown_or(shown, || Value::Object(fields))))
    });
    let is_known = |name: &str| known.iter().any(|attribute| attribute.name == name);
    let others = profile.states().filter(|(name, _)| !is_known(name)).map(|(name, state)| {
        // No value of an attribute is in it.
        if let (State::Journey(_), Some(journey)) = (state, name.strip_prefix(PROGRESS_PREFIX)) {
            let content = || Value::Object(alloc::vec![field("state", state_of(state))]);
            return (format!("journey {journey}"), shown_or(access.server_route, content));
        }
        let (own, parked) = match name.split_once(PARKED_SEPARATOR) {
            Some((own, shape)) => (own, Some(shape)),
            None => (name, None),
        };
        let of_known = known.iter().find(|attribute| attribute.name == own);
        let shown = may_leave(of_known.is_none_or(|attribute| attribute.sensitive), true, access);
        let name = parked.map_or_else(|| name.into(), |shape| format!("{own} ({shape})"));
        let unread = || Value::Object(alloc::vec![field("state", state_of(state))]);
        (name, shown_or(shown, unread))
    });
    let attributes = of_plan.chain(others).collect();
    let records = profile.batch().iter().map(|record| record_of(record, known, access)).collect();
    Export { attributes, records }
}

/// The values of an attribute and of its parts.
fn values_of(plan: &Plan, call: &Call<'_>, attribute: usize) -> Vec<(String, Value)> {
    let mut fields = Vec::new();
    let mut parts = Vec::new();
    let facts = (0_u16..).zip(&plan.facts).filter(|(_, fact)| fact.attribute == attribute && !fact.alias);
    for (index, fact) in facts {
        let Some(value) = call.fact(index).output(fact.types) else { continue };
        // A list may have no value of its own but a part that its name means.
        let is_whole = matches!(fact.part, Part::Whole)
            || plan.attributes.get(attribute).is_some_and(|known| known.name == fact.name);
        if is_whole {
            fields.push(field("value", value));
        } else {
            parts.push((fact.name.clone(), value));
        }
    }
    if !parts.is_empty() {
        fields.push(field("parts", Value::Object(parts)));
    }
    fields
}

fn record_of(record: &BatchRecord, known: &[AttributePlan], access: Access) -> Value {
    // A column is as sensitive as the most sensitive attribute that reads it.
    let is_sensitive = |column: &str| {
        let mut reading = known
            .iter()
            .filter(|attribute| attribute.kind.record_columns().any(|read| read == column))
            .peekable();
        reading.peek().is_none() || reading.any(|attribute| attribute.sensitive)
    };
    let values = record.values.iter().map(|(column, value)| {
        let shown = may_leave(is_sensitive(column), true, access);
        (column.clone(), shown_or(shown, || value.clone()))
    });
    let segments = record.segments.as_ref().map(|segments| {
        let names = segments.iter().map(|name| Value::from(name.as_str()));
        field("segments", Value::List(names.collect()))
    });
    let head = [
        field("key", Value::from(record.key.as_str())),
        field("computed_ms", Value::from(record.computed_ms)),
        field("arrival_ms", Value::from(record.arrival_ms)),
        field("patch", Value::from(record.patch)),
    ];
    let values = field("values", Value::Object(values.collect()));
    Value::Object(head.into_iter().chain(segments).chain([values]).collect())
}

/// The content, or a mark in its place.
fn shown_or(shown: bool, content: impl FnOnce() -> Value) -> Value {
    if shown { content() } else { Value::Object(alloc::vec![field("redacted", Value::from(true))]) }
}

/// A state with its kind and times, all in Unix milliseconds.
fn state_of(state: &State) -> Value {
    let (kind, fields) = match state {
        State::Picked(pick, stamped) => (name_of(*pick), stamped_fields(stamped)),
        State::PickedWithin(pick, ring) => (
            name_of(*pick),
            alloc::vec![
                field("bucket_ms", Value::from(ring.width_ms)),
                field("values", Value::List(buckets(ring, stamped_fields))),
            ],
        ),
        State::Sum(sum) => ("sum", alloc::vec![field("value", Value::Number(sum.to_number()))]),
        State::List(list) => {
            let items = list.items.iter().map(|item| {
                let values = list.columns.iter().zip(&item.fields);
                let values = values.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
                Value::Object(alloc::vec![
                    field("id", item.id.clone()),
                    field("time_ms", Value::from(item.time_ms)),
                    field("fields", Value::Object(values.collect())),
                ])
            });
            let removed = list.removed.iter().map(|removed| {
                Value::Object(alloc::vec![
                    field("id", removed.id.clone()),
                    field("time_ms", Value::from(removed.time_ms)),
                ])
            });
            let mut fields = alloc::vec![
                field("items", Value::List(items.collect())),
                field("removed", Value::List(removed.collect())),
            ];
            fields.extend(list.cleared.as_ref().map(|(at_ms, _)| field("cleared_ms", Value::from(*at_ms))));
            ("list", fields)
        }
        State::Counter(counter) => {
            let amounts = |ring: &Ring<i128>| {
                Value::Object(alloc::vec![
                    field("bucket_ms", Value::from(ring.width_ms)),
                    field(
                        "buckets",
                        Value::List(buckets(ring, |amount| alloc::vec![amount_of(counter.unit, *amount)])),
                    ),
                ])
            };
            let windows = counter.rings.iter().map(amounts).collect();
            ("counter", alloc::vec![field("windows", Value::List(windows))])
        }
        State::Total(total) => ("total", total_fields(total)),
        State::Journey(progress) => ("journey", progress_fields(progress)),
        State::Foreign(..) => ("unreadable", Vec::new()),
    };
    Value::Object([field("kind", Value::from(kind))].into_iter().chain(fields).collect())
}

/// The times of a journey's entries. Where they are, an explanation says.
fn progress_fields(progress: &Progress) -> Vec<(String, Value)> {
    let current = progress.current.as_ref().map(|current| {
        let due_ms = match current.rest {
            Rest::Waiting(due_ms) => Some(field("due_ms", Value::from(due_ms))),
            Rest::Ended | Rest::Completed => None,
        };
        let fields = [
            field("entered_ms", Value::from(current.entered_ms)),
            field("staged_ms", Value::from(current.staged_ms)),
            field("stepped_ms", Value::from(current.stepped_ms)),
        ];
        field("current", Value::Object(fields.into_iter().chain(due_ms).collect()))
    });
    let finished = progress.finished.iter().map(|ended| {
        Value::Object(alloc::vec![
            field("entered_ms", Value::from(ended.entered_ms)),
            field("ended_ms", Value::from(ended.ended_ms)),
            field("ending", Value::from(ended.how.as_str())),
        ])
    });
    current.into_iter().chain([field("finished", Value::List(finished.collect()))]).collect()
}

fn total_fields(total: &Total) -> Vec<(String, Value)> {
    const HOUR_MS: i64 = 60 * 60 * 1_000;
    let hours = total.hours.iter().map(|(hour, amount)| {
        let from_ms = Value::from(hour.saturating_mul(HOUR_MS));
        Value::Object(alloc::vec![field("from_ms", from_ms), amount_of(total.unit, *amount)])
    });
    let earlier = Value::Number(total.unit.number(total.earlier));
    alloc::vec![
        field("earlier", earlier),
        field("bucket_ms", Value::from(HOUR_MS)),
        field("buckets", Value::List(hours.collect())),
    ]
}

fn buckets<T>(ring: &Ring<T>, content: impl Fn(&T) -> Vec<(String, Value)>) -> Vec<Value> {
    let bucket = |(number, found): &(i64, T)| {
        let from_ms = Value::from(number.saturating_mul(ring.width_ms));
        Value::Object([field("from_ms", from_ms)].into_iter().chain(content(found)).collect())
    };
    ring.buckets.iter().map(bucket).collect()
}

fn amount_of(unit: Unit, amount: i128) -> (String, Value) {
    field("amount", Value::Number(unit.number(amount)))
}

fn stamped_fields(stamped: &Stamped) -> Vec<(String, Value)> {
    alloc::vec![field("value", stamped.value.clone()), field("time_ms", Value::from(stamped.time_ms))]
}

fn name_of(pick: Pick) -> &'static str {
    match pick {
        Pick::Last => "last",
        Pick::First => "first",
        Pick::Min(_) => "min",
        Pick::Max(_) => "max",
    }
}

fn field(name: &str, value: Value) -> (String, Value) {
    (name.into(), value)
}
