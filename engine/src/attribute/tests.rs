//! Attributes against an oracle that keeps every event.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::counter::width_ms;
use super::*;
use crate::limits::DAY_MS;
use crate::value::{Number, Value};

const NOW: i64 = 1_790_000_000_000;

/// (time, id, value): ids are distinct, times may not be.
fn events() -> impl Strategy<Value = Vec<(i64, String, i64)>> {
    prop::collection::vec((0..100 * DAY_MS, 0..30_i64), 0..120).prop_map(|events| {
        let name = |(index, (age, value)): (usize, (i64, i64))| (NOW - age, format!("e{index}"), value);
        events.into_iter().enumerate().map(name).collect()
    })
}

fn fold(
    events: &[(i64, String, i64)],
    apply: impl Fn(Option<State>, &(i64, String, i64)) -> State,
) -> Option<State> {
    events.iter().fold(None, |state, event| Some(apply(state, event)))
}

fn merged(a: Option<State>, b: Option<State>) -> Option<State> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.merge(b)),
        (a, b) => a.or(b),
    }
}

fn add_item(
    state: Option<State>,
    (time_ms, id, value): &(i64, String, i64),
    max: u32,
    duration: i64,
) -> State {
    let mut list = match state {
        Some(State::List(list)) => list,
        _ => ItemList::default(),
    };
    list.add(
        Item { value: Value::from(*value), time_ms: *time_ms, event_id: id.clone() },
        max,
        duration,
        NOW,
    );
    State::List(list)
}

fn add_count(state: Option<State>, (time_ms, _, _): &(i64, String, i64), window: i64) -> State {
    let mut ring = match state {
        Some(State::Counter(ring)) => ring,
        _ => Ring::new(width_ms(window)),
    };
    ring.add(*time_ms, 1);
    State::Counter(ring)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lists_are_their_newest_items(events in events(), split in 0..120_usize, max in 1..20_u32, days in 1..90_i64) {
        let duration = days * DAY_MS;
        let mut newest: Vec<(i64, String, i64)> = Vec::new();
        for (time, id, value) in &events {
            match newest.iter_mut().find(|(_, _, known)| known == value) {
                Some(known) => *known = known.clone().max((*time, id.clone(), *value)),
                None => newest.push((*time, id.clone(), *value)),
            }
        }
        newest.retain(|(time, _, _)| NOW - time < duration);
        newest.sort_by(|a, b| b.cmp(a));
        let expected: Vec<i64> = newest.into_iter().take(max as usize).map(|(_, _, value)| value).collect();

        let split = split.min(events.len());
        let (left, right) = events.split_at(split);
        let apply = |state, event: &_| add_item(state, event, max, duration);
        let forward = merged(fold(left, apply), fold(right, apply));
        let backward = merged(fold(right, apply), fold(left, apply));
        for state in [fold(&events, apply), forward, backward].into_iter().flatten() {
            let State::List(list) = state else { panic!() };
            let alive: Vec<i64> = list.alive(max, duration, NOW).iter().filter_map(|item| match item.value {
                Value::Number(Number::Integer(value)) => Some(value),
                _ => None,
            }).collect();
            prop_assert_eq!(alive, expected.clone());
        }
    }

    #[test]
    fn counters_miss_nothing_and_keep_at_most_one_bucket_more(events in events(), split in 0..120_usize, window in 60_000..90 * DAY_MS) {
        let width = width_ms(window);
        let inside = events.iter().filter(|(time, _, _)| NOW - time < window).count() as i128;
        let with_bucket = events.iter().filter(|(time, _, _)| NOW - time < window + width).count() as i128;
        let split = split.min(events.len());
        let (left, right) = events.split_at(split);
        let apply = |state, event: &_| add_count(state, event, window);
        let states = [fold(&events, apply), merged(fold(right, apply), fold(left, apply))];
        let counts: Vec<i128> = states.into_iter().flatten().map(|state| {
            let State::Counter(ring) = state else { panic!() };
            ring.read(window, NOW)
        }).collect();
        if let [a, b] = counts[..] {
            prop_assert_eq!(a, b);
            prop_assert!((inside..=with_bucket).contains(&a), "{} not in {}..={}", a, inside, with_bucket);
        }
    }

    #[test]
    fn the_newest_value_is_last(events in events()) {
        let state = |(time_ms, id, value): &(i64, String, i64)| Last { time_ms: *time_ms, event_id: id.clone(), value: Value::from(*value) };
        let expected = events.iter().max().map(|event| Value::from(event.2));
        let forward = events.iter().map(state).reduce(Last::merge).map(|last| last.value);
        let backward = events.iter().rev().map(state).reduce(Last::merge).map(|last| last.value);
        prop_assert_eq!(&forward, &backward);
        // By (time, id); the value is the third part and ids are distinct.
        prop_assert_eq!(forward, expected);
    }
}

#[test]
fn bucket_widths() {
    const HOUR: i64 = 3_600_000;
    for (window, width) in [
        (60_000, 1_000),
        (64_000, 1_000),
        (65_000, 2_000),
        (HOUR, 60_000),
        (24 * HOUR, 30 * 60_000),
        (7 * DAY_MS, 3 * HOUR),
        (30 * DAY_MS, 12 * HOUR),
        (90 * DAY_MS, 2 * DAY_MS),
        (640 * DAY_MS, 10 * DAY_MS),
    ] {
        assert_eq!(width_ms(window), width, "{window}");
    }
}
