//! Facts: the value of an attribute, or of a part of it, at one moment. Nothing here allocates.

use alloc::borrow::Cow;

use crate::attribute::batch::read as read_batch;
use crate::attribute::list::LiveItems;
use crate::attribute::pick::numeric;
use crate::attribute::plan::{AttributePlan, Base, FactPlan, Kind, Part};
use crate::attribute::{Item, Order, Pick, State, Total, Unit, Window};
use crate::definition::ListAggregation;
use crate::expr::operand::Items;
use crate::expr::types::TypeSet;
use crate::gather::Gather;
use crate::merge::{archived_before, find};
use crate::profile::Profile;
use crate::time;
use crate::value::{Nanos, Number, Value};

/// The value of a fact.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fact<'a> {
    Missing,
    /// A stored value, and the time of its event or record.
    Value(&'a Value, i64),
    /// A value that is computed when it is read.
    Number(Number),
    /// The unexpired items of a list, newest first; at least one has a value.
    Items(LiveItems<'a>),
}

/// The value of a fact now. State of another shape than the plan's is missing: a changed attribute starts over.
pub(crate) fn fact<'a>(
    fact: &FactPlan,
    attribute: &AttributePlan,
    profile: &'a Profile,
    now_ms: i64,
) -> Fact<'a> {
    let state = || find(profile, attribute, 0);
    match &attribute.kind {
        // Without rows there is nothing to read.
        Kind::Catalog(_) => Fact::Missing,
        Kind::Batch { column } => match read_batch(profile.batch(), column) {
            Some((record, value)) => fitting(value, record.computed_ms, fact.types),
            None => Fact::Missing,
        },
        Kind::Pick { pick, duration_ms, window, base, .. } => match (window, state()) {
            (None, state) => match picked(state, *pick, base.as_ref(), attribute, profile) {
                Some(PickedValue { value, time_ms, .. }) => {
                    unexpired(value, time_ms, *duration_ms, now_ms, fact.types)
                }
                None => Fact::Missing,
            },
            (Some(window), Some(State::PickedWithin(known, ring)))
                if known == pick && ring.width_ms == window.width_ms =>
            {
                let values = ring.within(*window, now_ms).iter().map(|(_, stamped)| stamped);
                let best = values.reduce(|best, other| {
                    let better = pick.prefers(other.time_ms, &other.event_id, &other.value, best);
                    if better { other } else { best }
                });
                best.map_or(Fact::Missing, |best| fitting(&best.value, best.time_ms, fact.types))
            }
            _ => Fact::Missing,
        },
        Kind::Sum { window: None, .. } => match state() {
            Some(State::Sum(sum)) => Fact::Number(sum.to_number()),
            _ => Fact::Missing,
        },
        Kind::Sum { window: Some(window), .. } => match find(profile, attribute, window.width_ms) {
            Some(State::Counter(sums)) if sums.unit == Unit::Nanos => {
                sums.read(*window, now_ms).map_or(Fact::Missing, |sum| Fact::Number(sums.unit.number(sum)))
            }
            _ => Fact::Missing,
        },
        Kind::List(plan) => match (state(), &fact.part) {
            (Some(State::List(list)), Part::Items { column, aggregation, order }) => {
                let field = match column {
                    None => None,
                    Some(column) => match list.column(column) {
                        Some(field) => Some(field),
                        None => return Fact::Missing,
                    },
                };
                let distinct = *aggregation == ListAggregation::DistinctList;
                // Stored before criteria and parts asked for these types.
                let types = plan.types_of(column.as_deref());
                let items = LiveItems { items: list.alive(plan.bounds, now_ms), field, types, distinct };
                aggregate(items, *aggregation, *order, fact.types)
            }
            _ => Fact::Missing,
        },
        Kind::Counter { amount, window, .. } => {
            let window = if let Part::Window(window) = &fact.part { *window } else { *window };
            let state = find(profile, attribute, window.width_ms);
            Fact::Number(counted(state, amount.unit(), window, now_ms))
        }
        Kind::Total { amount, base } => Fact::Number(total(
            counted_ever(state(), amount.unit()),
            amount.unit(),
            base.as_ref(),
            profile,
            &attribute.name,
        )),
    }
}

/// The time of the batch base, if the value comes from the batch alone: `last` without a newer event, and a total
/// without an event after its base.
pub(crate) fn batch_ms(attribute: &AttributePlan, profile: &Profile) -> Option<i64> {
    let state = || find(profile, attribute, 0);
    match &attribute.kind {
        Kind::Pick { pick, window: None, base, .. } => {
            let picked = picked(state(), *pick, base.as_ref(), attribute, profile)?;
            picked.by_batch.then_some(picked.time_ms)
        }
        Kind::Total { amount, base } => {
            let (_, time_ms) = base.as_ref()?.number(profile)?;
            let known = counted_ever(state(), amount.unit());
            (!known.is_some_and(|total| total.counted(time_ms))).then_some(time_ms)
        }
        _ => None,
    }
}

/// The picked value, with its time and source.
struct PickedValue<'a> {
    value: &'a Value,
    time_ms: i64,
    by_batch: bool,
}

/// The newer of the events' value and the batch base; at equal times the event's. A base that does not fit the
/// attribute's type is ignored, as for totals.
fn picked<'a>(
    state: Option<&'a State>,
    pick: Pick,
    base: Option<&Base>,
    attribute: &AttributePlan,
    profile: &'a Profile,
) -> Option<PickedValue<'a>> {
    let base = base.and_then(|base| base.read(profile));
    let base = base.filter(|(value, _)| attribute.types.fits(value));
    let base = base.map(|(value, time_ms)| PickedValue { value, time_ms, by_batch: true });
    match state {
        Some(State::Picked(known, stamped)) if *known == pick => {
            let said = PickedValue { value: &stamped.value, time_ms: stamped.time_ms, by_batch: false };
            Some(base.filter(|base| base.time_ms > said.time_ms).unwrap_or(said))
        }
        _ => base,
    }
}

/// The order of the items' values, for `min` and `max`; see [`Part::Items`].
fn aggregate<'a>(
    items: LiveItems<'a>,
    aggregation: ListAggregation,
    order: Order,
    types: TypeSet,
) -> Fact<'a> {
    let mut all = items.all();
    let fitting = items.all().filter(|(_, value)| types.fits(value));
    let one = |found: Option<(&'a Item, &'a Value)>| {
        found.map_or(Fact::Missing, |(item, value)| Fact::Value(value, item.time_ms))
    };
    match aggregation {
        ListAggregation::Values | ListAggregation::DistinctList => {
            if all.next().is_some() {
                Fact::Items(items)
            } else {
                Fact::Missing
            }
        }
        ListAggregation::Last => one(fitting.clone().next()),
        ListAggregation::First => one(fitting.clone().next_back()),
        ListAggregation::Min => {
            one(fitting.clone().reduce(|a, b| if order.compare(b.1, a.1).is_lt() { b } else { a }))
        }
        ListAggregation::Max => {
            one(fitting.clone().reduce(|a, b| if order.compare(b.1, a.1).is_gt() { b } else { a }))
        }
        ListAggregation::Sum => {
            let numbers = all.filter_map(|(_, value)| Nanos::from_number(numeric(value)?));
            numbers.reduce(Nanos::plus).map_or(Fact::Missing, |sum| Fact::Number(sum.to_number()))
        }
    }
}

fn counted(state: Option<&State>, unit: Unit, window: Window, now_ms: i64) -> Number {
    match state {
        Some(State::Counter(counter)) if counter.unit == unit => {
            unit.number(counter.read(window, now_ms).unwrap_or(0))
        }
        _ => Number::Integer(0),
    }
}

fn counted_ever(state: Option<&State>, unit: Unit) -> Option<&Total> {
    match state {
        Some(State::Total(total)) if total.unit == unit => Some(total),
        _ => None,
    }
}

fn total(known: Option<&Total>, unit: Unit, base: Option<&Base>, profile: &Profile, name: &str) -> Number {
    match base.and_then(|base| base.number(profile)) {
        None => unit.number(known.map_or(0, |total| total.read(None))),
        Some((base, time_ms)) => {
            let events = known.map_or(0, |total| {
                let events = total.read(Some(time_ms));
                // The base is older than the hours that are kept apart.
                let before = total
                    .is_collapsed(time_ms)
                    .then(|| archived_before(profile, name, unit, Total::hour(time_ms)));
                events.saturating_sub(before.unwrap_or(0))
            });
            base.plus(unit.nanos(events)).to_number()
        }
    }
}

impl Base {
    /// The base's value, and its time.
    fn read<'a>(&self, profile: &'a Profile) -> Option<(&'a Value, i64)> {
        let (record, value) = read_batch(profile.batch(), &self.column)?;
        let own = self.time_column.as_ref().and_then(|column| {
            let (_, time) = read_batch(profile.batch(), column)?;
            time::instant_ms(time)
        });
        Some((value, own.unwrap_or(record.computed_ms)))
    }

    /// The base of a total as a number; a base that is not a number is ignored.
    fn number(&self, profile: &Profile) -> Option<(Nanos, i64)> {
        let (value, time_ms) = self.read(profile)?;
        Some((Nanos::from_number(numeric(value)?)?, time_ms))
    }
}

fn unexpired(value: &Value, time_ms: i64, duration_ms: Option<i64>, now_ms: i64, types: TypeSet) -> Fact<'_> {
    let alive = duration_ms.is_none_or(|duration| now_ms.saturating_sub(time_ms) < duration);
    if alive { fitting(value, time_ms, types) } else { Fact::Missing }
}

/// The type may have changed since the value was stored.
pub(super) fn fitting(value: &Value, time_ms: i64, types: TypeSet) -> Fact<'_> {
    if types.fits(value) { Fact::Value(value, time_ms) } else { Fact::Missing }
}

impl Fact<'_> {
    /// The value as an answer shows it.
    pub(crate) fn output(&self, types: TypeSet) -> Option<Value> {
        match self {
            Fact::Missing => None,
            Fact::Value(value, _) => types.admit(value).ok().flatten(),
            Fact::Number(number) => Some(Value::Number(*number)),
            Fact::Items(items) => Some(Value::List(items.values().map(Cow::into_owned).gather())),
        }
    }
}

impl Items for LiveItems<'_> {
    fn count(&self) -> usize {
        self.values().count()
    }

    fn any(&self, matches: &mut dyn FnMut(&Value) -> bool) -> bool {
        self.all().any(|(_, value)| matches(&self.kept(value)))
    }
}
