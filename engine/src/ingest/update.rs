//! Updates: the effect of one event on one attribute.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::slice;

use crate::attribute::pick::numeric;
use crate::attribute::plan::{Amount, AttributePlan, Kind, ListPlan};
use crate::attribute::shape::is_current;
use crate::attribute::{Counter, Item, ItemList, Pick, Ring, Stamped, State, Total, Unit, Window};
use crate::definition::Removal;
use crate::event::Event;
use crate::expr::types::TypeSet;
use crate::limits::VALUE_BYTES_MAX;
use crate::merge::{align, archive};
use crate::objects::{event_id, events_of};
use crate::profile::Profile;
use crate::value::{DataType, Nanos, Value};

/// Applies the event to an attribute; a missing column changes nothing. `Err` is a stable name of the reason for a
/// refusal. `near` is the index where the profile may hold the state, see [`Profile::place_near`].
pub(crate) fn update(
    profile: &mut Profile,
    attribute: &AttributePlan,
    event: &Event,
    now_ms: i64,
    near: &mut usize,
) -> Result<(), &'static str> {
    if let Some(array) = &attribute.array {
        return update_by_each(profile, attribute, array, event, now_ms);
    }
    update_by(profile, attribute, event, now_ms, near)
}

/// Adds what each object of an array says. What one of them cannot say is refused, and the others count.
#[cold]
fn update_by_each(
    profile: &mut Profile,
    attribute: &AttributePlan,
    array: &str,
    event: &Event,
    now_ms: i64,
) -> Result<(), &'static str> {
    let objects = events_of(event, array, attribute.kind.columns())?;
    let mut all = Ok(());
    for object in &objects {
        let one = update_by(profile, attribute, object, now_ms, &mut 0);
        all = all.and(one);
    }
    all
}

#[inline(always)]
fn update_by(
    profile: &mut Profile,
    attribute: &AttributePlan,
    event: &Event,
    now_ms: i64,
    near: &mut usize,
) -> Result<(), &'static str> {
    match &attribute.kind {
        Kind::Batch { .. } | Kind::Catalog(_) => {}
        Kind::List(list) => return add_item(profile, attribute, list, event, now_ms),
        Kind::Pick { pick, column, window, .. } => {
            if let Some(value) = admitted(attribute.types, event, column)? {
                prefer(current(profile, attribute, near), *pick, *window, (event, now_ms), value);
            }
        }
        Kind::Sum { column, window } => {
            if let Some(Nanos(nanos)) = summand(attribute.types, event, column)? {
                let state = current(profile, attribute, near);
                match window {
                    None => sum(state, Nanos(nanos)),
                    Some(Window { width_ms, .. }) => {
                        count(state, Unit::Nanos, slice::from_ref(width_ms), (event.time_ms, now_ms), nanos);
                    }
                }
            }
        }
        Kind::Counter { amount, widths_ms, .. } => {
            if let Some(added) = added(amount, attribute.types, event)? {
                let state = current(profile, attribute, near);
                count(state, amount.unit(), widths_ms, (event.time_ms, now_ms), added);
            }
        }
        Kind::Total { amount, base } => {
            if let Some(added) = added(amount, attribute.types, event)? {
                let state = current(profile, attribute, near);
                let collapsed = total(state, amount.unit(), event.time_ms, added);
                if base.is_some() && !collapsed.is_empty() {
                    archive(profile, &attribute.name, amount.unit(), collapsed);
                }
            }
        }
    }
    Ok(())
}

/// The state of the attribute's shape, or none; state of another shape is parked.
#[inline]
fn current<'p>(
    profile: &'p mut Profile,
    attribute: &AttributePlan,
    near: &mut usize,
) -> &'p mut Option<State> {
    let mut place = profile.place_near(&attribute.name, near);
    if !profile.at(place).as_ref().is_some_and(|state| is_current(&attribute.kind, state)) {
        align(profile, attribute);
        place = profile.place_near(&attribute.name, near);
    }
    profile.at(place)
}

fn prefer(
    state: &mut Option<State>,
    pick: Pick,
    window: Option<Window>,
    (event, now_ms): (&Event, i64),
    value: Value,
) {
    let stamped = |value| Stamped { time_ms: event.time_ms, event_id: event.id.clone(), value };
    match (window, state) {
        (None, Some(State::Picked(_, kept))) => {
            kept.settle(now_ms);
            if pick.prefers(event.time_ms, &event.id, &value, kept) {
                *kept = stamped(value);
            }
        }
        (None, state) => *state = Some(State::Picked(pick, stamped(value))),
        (Some(_), Some(State::PickedWithin(_, ring))) => {
            ring.put(event.time_ms, now_ms, stamped(value), |known, new| pick.join(known, new));
        }
        (Some(window), state) => {
            let mut ring = Ring::new(window.width_ms);
            ring.put(event.time_ms, now_ms, stamped(value), |_, _| {});
            *state = Some(State::PickedWithin(pick, ring));
        }
    }
}

fn sum(state: &mut Option<State>, summand: Nanos) {
    match state {
        Some(State::Sum(sum)) => *sum = sum.plus(summand),
        state => *state = Some(State::Sum(summand)),
    }
}

fn total(state: &mut Option<State>, unit: Unit, time_ms: i64, amount: i128) -> Vec<(i64, i128)> {
    if let Some(State::Total(total)) = state {
        return total.put(time_ms, amount);
    }
    let mut total = Total::new(unit);
    let collapsed = total.put(time_ms, amount);
    *state = Some(State::Total(total));
    collapsed
}

/// Removes the items that an event names from a list.
pub(crate) fn take_out(
    profile: &mut Profile,
    attribute: &AttributePlan,
    list: &ListPlan,
    removal: Removal,
    event: &Event,
    now_ms: i64,
) -> Result<(), &'static str> {
    let (Removal::DeleteItem, Some(column)) = (removal, &list.column) else {
        take_out_item(profile, attribute, list, None, event, now_ms);
        return Ok(());
    };
    let objects = match &attribute.array {
        Some(array) => Some(events_of(event, array, core::iter::once(column.as_str()))?),
        None => None,
    };
    let mut all = Ok(());
    for event in objects.as_deref().unwrap_or(slice::from_ref(event)) {
        match item_id(list, event, column) {
            Ok(Some(id)) => take_out_item(profile, attribute, list, Some(id), event, now_ms),
            Ok(None) => {}
            Err(reason) => all = all.and(Err(reason)),
        }
    }
    all
}

fn take_out_item(
    profile: &mut Profile,
    attribute: &AttributePlan,
    list: &ListPlan,
    id: Option<Value>,
    event: &Event,
    now_ms: i64,
) {
    with_list(profile, attribute, |items| {
        items.remove(id, event.time_ms, event_id(&event.id), list.bounds, now_ms);
    });
}

fn add_item(
    profile: &mut Profile,
    attribute: &AttributePlan,
    list: &ListPlan,
    event: &Event,
    now_ms: i64,
) -> Result<(), &'static str> {
    let id = match &list.column {
        Some(column) => match item_id(list, event, column)? {
            Some(id) => id,
            None => return Ok(()),
        },
        None => Value::Null,
    };
    let mut refused = None;
    let mut fields: Vec<Option<Value>> = Vec::with_capacity(list.columns.len());
    for (column, types) in list.columns.iter().zip(&list.types) {
        // The item is added all the same; the refused field is missing.
        fields.push(match scalar(admitted(*types, event, column)) {
            Ok(value) => value,
            Err(reason) => {
                refused = Some(reason);
                None
            }
        });
    }
    if !list.summed.is_empty() && list.summed.iter().any(|column| is_beyond_sums(list, column, &id, &fields))
    {
        // The item keeps the value for its other parts.
        refused = Some("out_of_range");
    }
    if !list.has_ids() && fields.iter().all(Option::is_none) {
        return refused.map_or(Ok(()), Err);
    }
    let item = Item { id, time_ms: event.time_ms, event_id: event.id.clone(), fields };
    with_list(profile, attribute, |items| items.add(item, &list.columns, list.bounds, now_ms));
    refused.map_or(Ok(()), Err)
}

/// True if an item's value in a summed column is a number beyond what sums take.
fn is_beyond_sums(list: &ListPlan, column: &Option<String>, id: &Value, fields: &[Option<Value>]) -> bool {
    let value = match column {
        None => Some(id),
        Some(column) => {
            let index = list.columns.binary_search(column).ok();
            index.and_then(|index| fields.get(index)).and_then(Option::as_ref)
        }
    };
    value.and_then(numeric).is_some_and(|number| Nanos::from_number(number).is_none())
}

/// Changes a list; state of another shape is parked.
fn with_list(profile: &mut Profile, attribute: &AttributePlan, change: impl FnOnce(&mut ItemList)) {
    let state = profile.state_mut(&attribute.name);
    if !state.as_ref().is_some_and(|state| is_current(&attribute.kind, state)) {
        align(profile, attribute);
    }
    let state = profile.state_mut(&attribute.name);
    if let Some(State::List(list)) = state {
        change(list);
    } else {
        let has_ids = matches!(&attribute.kind, Kind::List(plan) if plan.has_ids());
        let mut list = ItemList { has_ids, ..ItemList::default() };
        change(&mut list);
        *state = Some(State::List(list));
    }
}

/// Adds to a counter, which may lack rings of some of these widths.
fn count(
    state: &mut Option<State>,
    unit: Unit,
    widths_ms: &[i64],
    (time_ms, now_ms): (i64, i64),
    amount: i128,
) {
    if !matches!(state, Some(State::Counter(_))) {
        *state = Some(State::Counter(Counter { unit, rings: Vec::new() }));
    }
    if let Some(State::Counter(counter)) = state {
        if counter.rings.len() < widths_ms.len() {
            counter.widen(widths_ms);
        }
        counter.put(time_ms, now_ms, amount);
    }
}

fn item_id(list: &ListPlan, event: &Event, column: &str) -> Result<Option<Value>, &'static str> {
    scalar(admitted(list.id_types, event, column))
}

/// Items hold scalars only.
fn scalar(value: Result<Option<Value>, &'static str>) -> Result<Option<Value>, &'static str> {
    match value? {
        Some(Value::List(_) | Value::Object(_)) => Err("wrong_type"),
        value => Ok(value),
    }
}

#[inline(always)]
fn added(amount: &Amount, types: TypeSet, event: &Event) -> Result<Option<i128>, &'static str> {
    match amount {
        Amount::Constant(constant) => Ok(Some(i128::from(*constant))),
        Amount::Column(column) => Ok(summand(types, event, column)?.map(|nanos| nanos.0)),
    }
}

// Inlined, because the result is too large for registers.
#[inline(always)]
fn summand(types: TypeSet, event: &Event, column: &str) -> Result<Option<Nanos>, &'static str> {
    // Fast path: a value of the right type.
    if column != "time"
        && types.has(DataType::Number)
        && let Some(Value::Number(number)) = event.column(column)
    {
        return Nanos::from_number(*number).map(Some).ok_or("out_of_range");
    }
    summand_of_another_type(types, event, column)
}

/// All other values, such as numeric texts.
#[cold]
fn summand_of_another_type(
    types: TypeSet,
    event: &Event,
    column: &str,
) -> Result<Option<Nanos>, &'static str> {
    let Some(value) = admitted(types, event, column)? else { return Ok(None) };
    value.as_number().and_then(Nanos::from_number).map(Some).ok_or("out_of_range")
}

fn admitted(types: TypeSet, event: &Event, column: &str) -> Result<Option<Value>, &'static str> {
    // The column `time` is the event's resolved time.
    let time = (column == "time").then(|| Value::from(event.time_seconds()));
    let Some(value) = time.as_ref().or_else(|| event.column(column)) else { return Ok(None) };
    match types.admit(value) {
        Ok(Some(value)) if bytes(&value) > VALUE_BYTES_MAX => Err("too_large"),
        Ok(value) => Ok(value),
        Err(_) => Err("wrong_type"),
    }
}

/// The size of a value in bytes: a text in UTF-8, a list or object as compact JSON, any other as eight.
pub(crate) fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::List(_) | Value::Object(_) => json_bytes(value),
        Value::Null | Value::Boolean(_) | Value::Number(_) => 8,
    }
}

/// The size of a value as compact JSON: only what has to be escaped is, in the shortest way.
fn json_bytes(value: &Value) -> usize {
    let inner = |sizes: usize, count: usize| sizes.saturating_add(count.max(1)).saturating_add(1);
    match value {
        Value::Null | Value::Boolean(true) => 4,
        Value::Boolean(false) => 5,
        Value::Number(number) => {
            let mut printed = Printed(0);
            // Counting cannot fail.
            let _ = write!(printed, "{number}");
            printed.0
        }
        Value::String(text) => quoted_bytes(text),
        Value::List(items) => inner(items.iter().map(json_bytes).fold(0, usize::saturating_add), items.len()),
        Value::Object(entries) => {
            let entry = |(name, value): &(String, Value)| {
                quoted_bytes(name).saturating_add(1).saturating_add(json_bytes(value))
            };
            inner(entries.iter().map(entry).fold(0, usize::saturating_add), entries.len())
        }
    }
}

fn quoted_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'\x08' | b'\x0c' => 2,
        ..b' ' => 6,
        _ => 1,
    };
    text.bytes().map(escaped).fold(2, usize::saturating_add)
}

/// Counts the bytes that are printed to it.
struct Printed(usize);

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}
