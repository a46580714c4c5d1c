//! The value of every kind of attribute at a moment, from all events.

use usher_engine::definition::{Aggregation, Attribute, AttributeKind, Backfill, Definition, Increment};
use usher_engine::value::{DataType, Number, Value};

use super::value::{admit, instant_ms, nanos, number, of_nanos, order};
use super::{BatchRecord, DAY_MS, Happening, Resolved, Visitor, list};

/// (time, event id): of two events the greater one is the newer.
pub type Stamp = (i64, String);

pub fn facts(visitor: &Visitor, definition: &Definition, now_ms: i64) -> Vec<(String, Value)> {
    let mut facts = Vec::new();
    for attribute in &definition.attributes {
        let name = &attribute.name;
        let mut tell = |part: Option<&str>, value: Option<Value>| {
            let name = part.map_or_else(|| name.clone(), |part| format!("{name}.{part}"));
            facts.extend(value.map(|value| (name, value)));
        };
        match &attribute.kind {
            AttributeKind::Single { .. } => tell(None, single(visitor, definition, attribute, now_ms)),
            AttributeKind::Counter { window_ms: None, .. } => {
                tell(None, Some(total(visitor, definition, attribute)));
            }
            AttributeKind::Counter { window_ms: Some(window_ms), parts, .. } => {
                let of = |window_ms| {
                    let counted = given(&visitor.history, attribute, Some(window_ms));
                    of_nanos(amounts(&within(&counted, window_ms, now_ms)))
                };
                tell(None, Some(of(*window_ms)));
                for part in parts {
                    tell(Some(&part.name), Some(of(part.window_ms)));
                }
            }
            AttributeKind::Batch { column, data_type } => {
                let value = newest(&visitor.records, column);
                tell(None, value.and_then(|(_, value)| admit(*data_type, value)));
            }
            // The histories have no rows.
            AttributeKind::Catalog { .. } => {}
            AttributeKind::List { .. } => list::tell(&visitor.history, definition, attribute, now_ms, tell),
        }
    }
    facts
}

/// An event that counted for an attribute, under the definition of its time.
pub struct Given<'h> {
    pub event: &'h Resolved,
    pub value: Value,
}

impl Given<'_> {
    fn stamp(&self) -> Stamp {
        (self.event.time_ms, self.event.id.clone())
    }
}

/// The events that count for an attribute, or for one of its windows, as they arrived.
///
/// Reading: what changes its kind, aggregation or the width of its buckets starts over, and what was kept before waits as
/// state that the running bundle does not know, so a rollback finds it, without what happened in between.
fn given<'h>(history: &'h [Happening], wanted: &Attribute, window_ms: Option<i64>) -> Vec<Given<'h>> {
    let mut all: Vec<Given<'h>> = Vec::new();
    let mut forgotten = Forgotten::default();
    let is_kept = |attribute: &Attribute| {
        let needs = |wanted_ms: i64| {
            windows(&attribute.kind).any(|window_ms| width_ms(window_ms) == width_ms(wanted_ms))
        };
        attribute.name == wanted.name && !is_other_kind(attribute, wanted) && window_ms.is_none_or(needs)
    };
    for happening in history {
        match happening {
            Happening::Event { event, definition, .. } => {
                let Some(attribute) = definition.attributes.iter().find(|a| is_kept(a)) else { continue };
                all.extend(counts(definition, attribute, event).map(|value| Given { event, value }));
            }
            Happening::Absorbed(history) => all.extend(given(history, wanted, window_ms)),
            Happening::Written { definition, number, now_ms } => {
                let knows = definition.attributes.iter().any(is_kept);
                if forgotten.by(knows, *number, !all.is_empty(), *now_ms) {
                    all.clear();
                }
                // Whoever writes a profile drops what has expired as its definition sees it.
                let kind = definition.attributes.iter().find(|a| is_kept(a)).map(|a| &a.kind);
                if let Some(AttributeKind::Single {
                    aggregation: Aggregation::Last,
                    duration_ms: Some(duration_ms),
                    ..
                }) = kind
                {
                    all.retain(|given| *now_ms - given.event.time_ms < *duration_ms);
                }
            }
        }
    }
    all
}

/// True if the state of one of them is of no use to the other: the kind or the aggregation differs.
pub fn is_other_kind(a: &Attribute, b: &Attribute) -> bool {
    shape(a) != shape(b)
}

/// Reading: a kind has changed when its state differs in shape from the earlier state. A sliding counter of a column
/// keeps what a `sum` within a duration does: amounts by bucket.
fn shape(attribute: &Attribute) -> (&str, Option<Aggregation>, bool, Option<DataType>) {
    match &attribute.kind {
        AttributeKind::Batch { .. } => ("batch", None, false, None),
        AttributeKind::Catalog { .. } => ("catalog", None, false, None),
        AttributeKind::Counter { increment, window_ms, .. } => {
            let of_column = matches!(increment, Increment::Column(_));
            (if window_ms.is_some() { "amounts" } else { "total" }, None, of_column, None)
        }
        // Reading: items that have ids and items that have none are of two kinds.
        AttributeKind::List { column, .. } => ("list", None, column.is_some(), None),
        AttributeKind::Single { aggregation: Aggregation::Sum, duration_ms: Some(_), .. } => {
            ("amounts", None, true, None)
        }
        AttributeKind::Single { aggregation, duration_ms, column, data_type, .. } => {
            let ordered = matches!(aggregation, Aggregation::Min | Aggregation::Max);
            let order = ordered.then_some(declared(column, *data_type).unwrap_or(DataType::Number));
            let within = *aggregation != Aggregation::Last && duration_ms.is_some();
            ("single", Some(*aggregation), within, order)
        }
    }
}

/// State that the running bundle does not know is purged 30 days after that bundle first wrote the profile.
///
/// Reading: bundles reach a profile when they write it. What nobody wrote in between is found again later, too.
#[derive(Default)]
pub struct Forgotten {
    bundle: u64,
    since_ms: Option<i64>,
}

impl Forgotten {
    pub fn by(&mut self, knows: bool, bundle: u64, any: bool, now_ms: i64) -> bool {
        if bundle != self.bundle {
            self.bundle = bundle;
            self.since_ms = if knows || !any { None } else { self.since_ms.or(Some(now_ms)) };
        }
        let over = self.since_ms.is_some_and(|since_ms| now_ms - since_ms >= 30 * DAY_MS);
        if over {
            self.since_ms = None;
        }
        over
    }
}

/// The value that an event gives an attribute; None: it does not count. (Lists are elsewhere.)
fn counts(definition: &Definition, attribute: &Attribute, event: &Resolved) -> Option<Value> {
    match &attribute.kind {
        AttributeKind::Single { key_event, filter, column, aggregation, data_type, .. } => {
            let fed = event.feeds(definition, key_event, filter.as_ref());
            let value =
                admit(kept_as(*aggregation, column, *data_type), &event.column(column).filter(|_| fed)?)?;
            // What is too large for a sum is refused.
            let refused = *aggregation == Aggregation::Sum && nanos(number(&value)?).is_none();
            (!refused).then_some(value)
        }
        AttributeKind::Counter { key_event, filter, increment, .. } => {
            if !event.feeds(definition, key_event, filter.as_ref()) {
                return None;
            }
            match increment {
                Increment::Constant(constant) => Some(Value::from(*constant)),
                Increment::Column(column) => {
                    let value = number(&event.column(column)?)?;
                    nanos(value).map(|_| Value::Number(value))
                }
            }
        }
        AttributeKind::List { .. } | AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => None,
    }
}

/// `sum` is of numbers; `min` and `max` are, too, unless something else is declared.
fn kept_as(aggregation: Aggregation, column: &str, data_type: Option<DataType>) -> Option<DataType> {
    let declared = declared(column, data_type);
    match aggregation {
        Aggregation::Sum => Some(DataType::Number),
        Aggregation::Min | Aggregation::Max => Some(declared.unwrap_or(DataType::Number)),
        Aggregation::First | Aggregation::Last => declared,
    }
}

/// The column `time` means timestamp.
fn declared(column: &str, data_type: Option<DataType>) -> Option<DataType> {
    data_type.or((column == "time").then_some(DataType::Timestamp))
}

/// The smallest width that needs at most 64 buckets.
pub fn width_ms(window_ms: i64) -> i64 {
    const S: i64 = 1_000;
    const M: i64 = 60 * S;
    const H: i64 = 60 * M;
    let widths = [
        [S, 2 * S, 5 * S, 10 * S, 15 * S, 30 * S].as_slice(),
        &[M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M],
        &[H, 2 * H, 3 * H, 6 * H, 12 * H],
        &[DAY_MS, 2 * DAY_MS, 5 * DAY_MS, 10 * DAY_MS],
    ];
    *widths.concat().iter().find(|width_ms| window_ms <= 64 * **width_ms).expect("at most 640 days")
}

/// The events in buckets that end after `now - window`.
fn within<'g, 'h>(given: &'g [Given<'h>], window_ms: i64, now_ms: i64) -> Vec<&'g Given<'h>> {
    let width_ms = width_ms(window_ms);
    let ends_ms = |given: &Given<'_>| (given.event.time_ms.div_euclid(width_ms) + 1) * width_ms;
    given.iter().filter(|given| ends_ms(given) > now_ms - window_ms).collect()
}

fn windows(kind: &AttributeKind) -> impl Iterator<Item = i64> {
    let (own, parts) = match kind {
        AttributeKind::Single { duration_ms, .. } => (*duration_ms, &[][..]),
        AttributeKind::Counter { window_ms, parts, .. } => (*window_ms, parts.as_slice()),
        _ => (None, &[][..]),
    };
    own.into_iter().chain(parts.iter().map(|part| part.window_ms))
}

fn amounts(given: &[&Given<'_>]) -> i128 {
    given.iter().filter_map(|given| nanos(number(&given.value)?)).sum()
}

fn total(visitor: &Visitor, definition: &Definition, attribute: &Attribute) -> Value {
    let AttributeKind::Counter { backfill, .. } = &attribute.kind else { panic!("a counter") };
    let given = given(&visitor.history, attribute, None);
    let base = backfill.as_ref().and_then(|backfill| base(&visitor.records, definition, backfill));
    let base = base.and_then(|(value, time_ms)| Some((nanos(number(&value)?)?, time_ms)));
    let (before, after_ms) = base.map_or((0, None), |(before, time_ms)| (before, Some(time_ms)));
    let hour_ms = 3_600_000;
    // Exact to one bucket of an hour around the base's time. Reading: that bucket counts whole, as a window's does.
    let after = |given: &&Given<'_>| {
        let ends_ms = (given.event.time_ms.div_euclid(hour_ms) + 1) * hour_ms;
        after_ms.is_none_or(|after_ms| ends_ms > after_ms)
    };
    of_nanos(before + amounts(&given.iter().filter(after).collect::<Vec<_>>()))
}

fn single(visitor: &Visitor, definition: &Definition, attribute: &Attribute, now_ms: i64) -> Option<Value> {
    let AttributeKind::Single { aggregation, duration_ms, column, data_type, backfill, .. } = &attribute.kind
    else {
        panic!("a single")
    };
    let window_ms = duration_ms.filter(|_| *aggregation != Aggregation::Last);
    let all = given(&visitor.history, attribute, window_ms);
    let mut seen: Vec<&Given<'_>> = match window_ms {
        None => all.iter().collect(),
        Some(window_ms) => within(&all, window_ms, now_ms),
    };
    let kept_as = kept_as(*aggregation, column, *data_type);
    match aggregation {
        Aggregation::Sum => (!seen.is_empty()).then(|| of_nanos(amounts(&seen))),
        Aggregation::First => admit(kept_as, &seen.iter().min_by_key(|given| given.stamp())?.value),
        Aggregation::Last => {
            // Reading: of two copies of one event, the second after its 7 days, the first stays, as it does of `first`.
            let newest = seen.iter().rev().max_by_key(|given| given.stamp());
            let newest = newest.map(|given| (given.value.clone(), given.event.time_ms));
            let known = backfill.as_ref().and_then(|backfill| base(&visitor.records, definition, backfill));
            // Reading: what a batch knows is one more value with its own time; an event of that very time is newer. A value
            // of another type is none.
            let known = known.filter(|(value, _)| admit(kept_as, value).is_some());
            let (value, time_ms) = match (newest, known) {
                (Some(newest), Some(known)) if known.1 > newest.1 => known,
                (Some(newest), _) => newest,
                (None, known) => known?,
            };
            let alive = duration_ms.is_none_or(|duration_ms| now_ms - time_ms < duration_ms);
            admit(kept_as, &value).filter(|_| alive)
        }
        Aggregation::Min | Aggregation::Max => {
            seen.retain(|given| admit(kept_as, &given.value).is_some());
            // Of equal ones the oldest; numbers that are equal are the same answer anyway.
            seen.sort_by_key(|given| given.stamp());
            extreme(seen.iter().map(|given| &given.value), *aggregation == Aggregation::Max, kept_as)
        }
    }
}

/// The smallest or largest, in the order of the type.
pub fn extreme<'v>(
    values: impl Iterator<Item = &'v Value>,
    largest: bool,
    kept_as: Option<DataType>,
) -> Option<Value> {
    let compare = |a: &Value, b: &Value| match kept_as {
        Some(DataType::Number) => {
            let of = |value: &Value| number(value).unwrap_or(Number::Integer(0));
            order(of(a), of(b))
        }
        Some(DataType::String) => a.as_str().cmp(&b.as_str()),
        _ => instant_ms(a).cmp(&instant_ms(b)),
    };
    let mut best: Option<&Value> = None;
    for value in values {
        let ordering = best.map(|best| compare(value, best));
        if ordering.is_none_or(|ordering| if largest { ordering.is_gt() } else { ordering.is_lt() }) {
            best = Some(value);
        }
    }
    best.cloned()
}

/// The newest record that has a value in a column, and that value.
fn newest<'r>(records: &'r [BatchRecord], column: &str) -> Option<(&'r BatchRecord, &'r Value)> {
    let with = records.iter().filter_map(|record| {
        Some((record, record.values.iter().find(|(name, _)| name == column).map(|(_, value)| value)?))
    });
    with.max_by_key(|(record, _)| (record.computed_ms, record.arrival_ms))
}

/// The value of a batch from before events arrived, and its time.
fn base(records: &[BatchRecord], definition: &Definition, backfill: &Backfill) -> Option<(Value, i64)> {
    let column = |name: &String| {
        definition.attributes.iter().find_map(|attribute| match &attribute.kind {
            AttributeKind::Batch { column, data_type } if attribute.name == *name => {
                Some((column, *data_type))
            }
            _ => None,
        })
    };
    let (value_column, value_type) = column(&backfill.attribute)?;
    let (record, value) = newest(records, value_column)?;
    // Reading: both are attributes, and each comes from the newest record that has a value.
    let said = backfill.time_attribute.as_ref().and_then(column).and_then(|(time_column, _)| {
        let (_, value) = newest(records, time_column)?;
        instant_ms(value)
    });
    Some((admit(value_type, value)?, said.unwrap_or(record.computed_ms)))
}
