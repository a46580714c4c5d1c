//! Two profiles become one, whichever takes over the other.

use alloc::string::String;
use alloc::vec;

use super::*;
use crate::attribute::{Pick, Ring, Stamped, Unit};
use crate::profile::{Orphan, ProfileId};
use crate::value::Nanos;

fn profile(id: u8, states: Vec<(&str, State)>) -> Profile {
    let mut profile = Profile::new(ProfileId([id; 16]), 0);
    for (name, state) in states {
        *profile.state_mut(name) = Some(state);
    }
    profile
}

fn absorbed(one: &Profile, other: &Profile) -> Profile {
    let mut one = one.clone();
    absorb(&mut one, other.clone(), &[], 0);
    one
}

fn states(profile: &Profile) -> Vec<(String, State)> {
    profile.states().map(|(name, state)| (name.into(), state.clone())).collect()
}

#[test]
fn of_two_shapes_the_later_stays_and_the_other_waits() {
    let stamped = || Stamped { value: "v".into(), time_ms: 5, event_id: "e".into() };
    let within = |pick, width_ms| State::PickedWithin(pick, Ring { width_ms, buckets: vec![(7, stamped())] });
    let counter =
        |unit| State::Counter(Counter { unit, rings: vec![Ring { width_ms: 1_000, buckets: vec![(7, 1)] }] });
    let shapes = [
        (State::Picked(Pick::Last, stamped()), "a\x001.0.0"),
        (State::Picked(Pick::First, stamped()), "a\x001.1.0"),
        (within(Pick::Last, 60_000), "a\x006.0.60000"),
        (within(Pick::Last, 1_000), "a\x006.0.1000"),
        (State::Sum(Nanos(5)), "a\x002.0.0"),
        (counter(Unit::Events), "a\x004.0.1000"),
        (counter(Unit::Nanos), "a\x004.1.1000"),
    ];
    for (index, (earlier, address)) in shapes.iter().enumerate() {
        let alone = profile(1, vec![("a", earlier.clone())]);
        for (later, _) in &shapes[index + 1..] {
            let other = profile(2, vec![("a", later.clone())]);
            // Where a state waits is stored: another address would lose it.
            let expected = [("a".into(), later.clone()), ((*address).into(), earlier.clone())];
            assert_eq!(states(&absorbed(&alone, &other)), expected);
            assert_eq!(states(&absorbed(&other, &alone)), expected);
        }
    }
}

#[test]
fn what_no_definition_knows_is_counted_from_when_the_first_did_not() {
    let forgotten = |id, now_ms| {
        let mut one = profile(id, vec![("a", State::Sum(Nanos(1))), ("b", State::Sum(Nanos(2)))]);
        one.adopt(1, |name| name == "b", now_ms);
        one.adopt(2, |_| false, now_ms + 100);
        one
    };
    let (early, late) = (forgotten(1, 5), forgotten(2, 50));
    let orphans = [("a", 5), ("b", 105)].map(|(name, since_ms)| Orphan { name: name.into(), since_ms });
    assert_eq!(absorbed(&early, &late).orphans(), orphans);
    assert_eq!(absorbed(&late, &early).orphans(), orphans);
}

#[test]
fn room_is_made_by_what_was_unknown_longest() {
    let mut one = profile(
        1,
        vec![("a", State::Sum(Nanos(1))), ("b", State::Sum(Nanos(2))), ("c", State::Sum(Nanos(3)))],
    );
    one.adopt(1, |name| name != "b", 5);
    one.adopt(2, |name| name == "c", 6);
    assert!(one.make_room(1));
    assert_eq!(states(&one), [("a".into(), State::Sum(Nanos(1))), ("c".into(), State::Sum(Nanos(3)))]);
    assert_eq!(one.orphans(), [Orphan { name: "a".into(), since_ms: 6 }]);
    assert!(one.make_room(1));
    assert!(!one.make_room(1), "the rest is in use");
    assert_eq!(states(&one), [("c".into(), State::Sum(Nanos(3)))]);
}
