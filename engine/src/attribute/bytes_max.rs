//! The most bytes that a profile keeps for an attribute, counted from the bounds of what it may hold.
//!
//! Lists do not count, because a full profile drops their oldest items. Nor do the archived hours of totals, which a full
//! profile drops first.

use super::plan::{Amount, AttributePlan, Kind};
use super::shape::widths;
use crate::expr::types::TypeSet;
use crate::limits::{
    BUCKET_EVENTS_MAX, BUCKETS_MAX, EVENT_ID_BYTES_MAX, SUMMAND_MAX, TOTAL_HOURS_MAX, VALUE_BYTES_MAX,
};
use crate::value::DataType;

/// The ends of the name and the state, and the state's kind and detail.
const ENTRY: usize = 10;
/// The time of an event, in milliseconds until the year 4199, and the length of its id.
const STAMP: usize = 7 + 2 + EVENT_ID_BYTES_MAX;
/// The head of a ring: its bucket width, the bit map of its buckets, the number of the first, and the width of amounts.
const RING: usize = 5 + 9 + 5 + 1;
/// The buckets of a ring.
const BUCKETS: usize = BUCKETS_MAX as usize + 1;
/// An i128 in LEB128.
const SUM: usize = 19;
/// The head of a total: the sum of its older hours, their end, and the number of hours that are kept apart.
const TOTAL: usize = SUM + 10 + 2;
/// The distance between two hours of a total, in hours: up to 239 years.
const HOUR: usize = 3;

/// The most bytes that a profile keeps for this attribute, with its name; 0 for lists, batch attributes and rows.
pub(crate) fn bytes_max(attribute: &AttributePlan) -> usize {
    let stamped = || STAMP.saturating_add(value(attribute.types));
    let rings = |amount| {
        let ring = BUCKETS.saturating_mul(fixed(amount)).saturating_add(RING);
        ring.saturating_mul(widths(&attribute.kind).len()).saturating_add(1)
    };
    let state = match &attribute.kind {
        Kind::List(_) | Kind::Batch { .. } | Kind::Catalog(_) => return 0,
        Kind::Pick { window: None, .. } => stamped(),
        Kind::Pick { window: Some(_), .. } => BUCKETS.saturating_mul(stamped()).saturating_add(RING),
        Kind::Sum { window: None, .. } => SUM,
        Kind::Sum { window: Some(_), .. } => rings(most_nanos()),
        Kind::Counter { amount, .. } => rings(most(amount)),
        Kind::Total { amount, .. } => {
            TOTAL_HOURS_MAX.saturating_mul(HOUR.saturating_add(leb128(most(amount)))).saturating_add(TOTAL)
        }
    };
    state.saturating_add(ENTRY).saturating_add(attribute.name.len())
}

/// A value of these types: a number, a text with its length, or a list of numbers. Where any type fits, a text is assumed:
/// a definition that declares nothing is no error for lists of floats that nobody sends.
fn value(types: TypeSet) -> usize {
    let short = TypeSet::of(&[DataType::Number, DataType::Boolean]);
    if types.without(short).is_empty() {
        11
    } else if types != TypeSet::ANY && types.has(DataType::NumberArray) {
        FLOATS
    } else {
        VALUE_BYTES_MAX.saturating_add(3)
    }
}

/// A list of as many floats as there may be: in JSON at least four bytes each, as in `1.5,`, and nine in storage. The rest of
/// its JSON is one digit.
const FLOATS: usize = (VALUE_BYTES_MAX - 1) / 4 * 9 + 2 + 2;

/// The largest amount of one bucket or hour.
fn most(amount: &Amount) -> i128 {
    match amount {
        Amount::Constant(constant) => i128::from(*constant).saturating_mul(BUCKET_EVENTS_MAX),
        Amount::Column(_) => most_nanos(),
    }
}

/// The largest amount of one bucket or hour of a column, in billionths.
fn most_nanos() -> i128 {
    i128::from(SUMMAND_MAX).saturating_mul(1_000_000_000).saturating_mul(BUCKET_EVENTS_MAX)
}

/// The number of bits of an amount, with its sign.
fn bits(amount: i128) -> u32 {
    i128::BITS.saturating_sub(amount.unsigned_abs().leading_zeros()).saturating_add(1)
}

/// An amount beside others of its width: 1, 2, 4, 8 or 16 bytes.
fn fixed(amount: i128) -> usize {
    bits(amount).div_ceil(8).next_power_of_two() as usize
}

/// An amount by itself.
fn leb128(amount: i128) -> usize {
    bits(amount).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::attribute::{Counter, Pick, Ring, Stamped, State, Total, Unit, Window};
    use crate::expr::Node;
    use crate::ingest::update::bytes;
    use crate::limits::{DAY_MS, WINDOW_MS_MAX};
    use crate::profile::codec::{Form, encode};
    use crate::profile::{Profile, ProfileId};
    use crate::value::{Nanos, Number, Value};

    const NOW_MS: i64 = 4_102_444_800_000;

    /// The number of bytes by which a state makes a profile grow.
    fn grown(state: State) -> usize {
        let bytes = |profile: &Profile| encode(profile, Form::Two).len();
        let mut profile = Profile::new(ProfileId([0; 16]), 0);
        // The table of states is there without this one.
        *profile.state_mut("") = Some(State::Sum(Nanos(0)));
        let before = bytes(&profile);
        *profile.state_mut("name") = Some(state);
        bytes(&profile) - before
    }

    fn stamped(value: &Value, time_ms: i64) -> Stamped {
        Stamped { time_ms, event_id: "e".repeat(EVENT_ID_BYTES_MAX), value: value.clone() }
    }

    fn full<T: Clone>(width_ms: i64, content: impl Fn(i64) -> T) -> Ring<T> {
        let newest = NOW_MS / width_ms;
        Ring {
            width_ms,
            buckets: (newest - BUCKETS_MAX..=newest).map(|bucket| (bucket, content(bucket))).collect(),
        }
    }

    /// Every kind at its bounds takes what is reckoned, or a few bytes less.
    #[test]
    fn a_state_at_its_bounds_takes_what_is_reckoned() {
        let text = Value::from("x".repeat(VALUE_BYTES_MAX).as_str());
        let number = Value::from(i64::MIN);
        let column = || Amount::Column(String::new());
        let texts = TypeSet::one(DataType::String);
        let numbers = TypeSet::of(&[DataType::Number, DataType::Boolean]);
        let mut floats: Vec<Value> = (0..124).map(|_| Value::Number(Number::Float(1.5))).collect();
        floats.push(1.into());
        let floats = Value::List(floats);
        assert!((VALUE_BYTES_MAX - 1..=VALUE_BYTES_MAX).contains(&bytes(&floats)));
        let lengths = [60_000, DAY_MS, WINDOW_MS_MAX].map(Window::new);
        let widths_ms: Vec<i64> = lengths.iter().map(|window| window.width_ms).collect();
        let pick = |window| Kind::Pick {
            pick: Pick::First,
            column: String::new(),
            duration_ms: None,
            window,
            base: None,
        };
        let within = |value: &Value| {
            State::PickedWithin(
                Pick::First,
                full(widths_ms[0], |bucket| stamped(value, bucket * widths_ms[0])),
            )
        };
        let counter = |unit, amount: i128| {
            let rings = widths_ms.iter().map(|width_ms| full(*width_ms, |_| amount)).collect();
            State::Counter(Counter { unit, rings })
        };
        let counted = |amount| Kind::Counter { amount, window: lengths[2], widths_ms: widths_ms.clone() };
        let total = |unit, amount: i128| {
            let hours = (0..TOTAL_HOURS_MAX as i64).map(|hour| (hour * 100_000, amount)).collect();
            State::Total(Total { unit, earlier: i128::MAX, until: i64::MIN, hours })
        };
        let total_of = |amount| Kind::Total { amount, base: None };
        let cases = [
            (pick(None), texts, State::Picked(Pick::First, stamped(&text, NOW_MS))),
            (
                pick(None),
                TypeSet::one(DataType::NumberArray),
                State::Picked(Pick::First, stamped(&floats, NOW_MS)),
            ),
            (pick(None), numbers, State::Picked(Pick::First, stamped(&number, NOW_MS))),
            (pick(Some(lengths[0])), texts, within(&text)),
            (pick(Some(lengths[0])), numbers, within(&number)),
            (Kind::Sum { column: String::new(), window: None }, numbers, State::Sum(Nanos(i128::MIN))),
            (counted(Amount::Constant(1)), numbers, counter(Unit::Events, BUCKET_EVENTS_MAX)),
            (counted(Amount::Constant(50)), numbers, counter(Unit::Events, 50 * BUCKET_EVENTS_MAX)),
            (counted(column()), numbers, counter(Unit::Nanos, -most_nanos())),
            (total_of(Amount::Constant(1)), numbers, total(Unit::Events, BUCKET_EVENTS_MAX)),
            (total_of(column()), numbers, total(Unit::Nanos, most_nanos())),
        ];
        for (kind, types, state) in cases {
            let (name, filter) = ("name".into(), Node::Constant(true));
            let attribute = AttributePlan { name, kind, types, sensitive: false, filter, array: None };
            let (most, taken) = (bytes_max(&attribute), grown(state));
            assert!(
                taken <= most && most - taken <= most / 20 + 8,
                "{:?}: {taken} of {most}",
                attribute.kind
            );
        }
    }

    #[test]
    fn what_a_full_profile_lets_go_of_does_not_count() {
        let (name, filter) = ("name".into(), Node::Constant(true));
        let kind = Kind::Batch { column: String::new() };
        let types = TypeSet::ANY;
        assert_eq!(bytes_max(&AttributePlan { name, kind, types, sensitive: false, filter, array: None }), 0);
    }
}
