//! Two profiles become one, whichever takes over the other.

use alloc::string::String;
use alloc::vec;

use super::*;
use crate::attribute::plan::Amount;
use crate::attribute::{Item, ItemList, Pick, Ring, Stamped, Unit, Window};
use crate::expr::Node;
use crate::expr::types::TypeSet;
use crate::limits::DAY_MS;
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
fn what_one_profile_parked_and_the_other_did_not_is_one_again() {
    let ring = |width_ms, amount| Ring { width_ms, buckets: vec![(7, amount)] };
    let counter = |rings| State::Counter(Counter { unit: Unit::Events, rings });
    let amount = |state: &State| match state {
        State::Sum(Nanos(sum)) => *sum,
        State::Counter(counter) => counter.rings.iter().flat_map(|ring| &ring.buckets).map(|(_, n)| n).sum(),
        _ => 0,
    };
    for (mine, theirs) in [
        (State::Sum(Nanos(2)), State::Sum(Nanos(3))),
        (counter(vec![ring(1_000, 1), ring(60_000, 1)]), counter(vec![ring(1_000, 3)])),
    ] {
        let address = match &theirs {
            State::Counter(_) => "a\x004.0.1000",
            _ => "a\x002.0.0",
        };
        let one = profile(1, vec![("a", mine.clone())]);
        let mut other = profile(
            2,
            vec![(
                "a",
                State::Picked(Pick::Last, Stamped { value: "v".into(), time_ms: 5, event_id: "e".into() }),
            )],
        );
        other.park(address, theirs);
        for merged in [absorbed(&one, &other), absorbed(&other, &one)] {
            let sums: Vec<i128> = merged.states().map(|(_, state)| amount(state)).collect();
            // Two states, the sum and the pick; which of them waits is the order of shapes.
            assert_eq!((sums.len(), sums.iter().sum::<i128>()), (2, 5), "{:?}", states(&merged));
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

#[test]
fn hours_of_a_parked_total_are_archived_however_it_meets_another() {
    let most = TOTAL_HOURS_MAX as i64;
    let total = |from: i64| {
        let hours = (from..from + most).map(|hour| (hour, 1)).collect();
        State::Total(Total { unit: Unit::Events, earlier: 0, until: i64::MIN, hours })
    };
    // Of two totals the one of a column stays.
    let of_column = || State::Total(Total::new(Unit::Nanos));
    let address = Shape::of(&total(0)).address("a");
    let (first, second) = (480_000, 480_000 + most);
    let parked = |id, from| profile(id, vec![("a", of_column()), (address.as_str(), total(from))]);
    let read = |id, from| profile(id, vec![("a", total(from))]);
    for (one, other) in [
        (parked(1, first), parked(2, second)),
        (parked(1, first), read(2, second)),
        (parked(1, second), read(2, first)),
    ] {
        for merged in [absorbed(&one, &other), absorbed(&other, &one)] {
            // The first hours are not kept apart any more, and are found by themselves.
            let Some(State::Total(total)) = merged.state(&address) else { panic!("it is parked") };
            assert_eq!((total.earlier, total.until), (i128::from(most), second - 1));
            for (hour, amount) in [(first, 0), (first + 5, 5), (second, most)] {
                let before = archived_before(&merged, "a", Unit::Events, hour);
                assert_eq!(before, i128::from(amount), "{hour}");
            }
        }
    }
}

#[test]
fn of_archived_stretches_the_newest_stay_in_whatever_order_they_come() {
    let most = TOTAL_HOURS_MAX as i64;
    let stretches = ARCHIVE_STRETCHES_MAX as i64;
    let hours: Vec<(i64, i128)> = (0..stretches + 3).map(|at| ((1_000 + at) * most, 1)).collect();
    let backwards = hours.iter().rev().copied().collect();
    for hours in [hours.clone(), backwards] {
        // All at once, and one by one.
        let (mut together, mut apart) = (profile(1, vec![]), profile(2, vec![]));
        archive(&mut together, "a", Unit::Events, hours.clone());
        for hour in hours {
            archive(&mut apart, "a", Unit::Events, vec![hour]);
        }
        for kept in [&together, &apart] {
            assert_eq!(states(kept).len(), ARCHIVE_STRETCHES_MAX);
            let of_newest = Shape::of_archive(Unit::Events, 1_000 + stretches + 2).address("a");
            assert!(kept.state(&of_newest).is_some());
            let all = archived_before(kept, "a", Unit::Events, i64::MAX);
            assert_eq!(all, i128::from(stretches));
        }
        assert_eq!(states(&together), states(&apart));
    }
}

#[test]
fn a_ring_that_another_build_could_not_read_is_taken_back() {
    let window = Window::new(DAY_MS);
    let (name, filter) = (String::from("a"), Node::Constant(true));
    let (pick, column) = (Pick::First, String::new());
    let kind = Kind::Pick { pick, column, duration_ms: None, window: Some(window), base: None };
    let attribute = AttributePlan { name, kind, types: TypeSet::ANY, sensitive: false, filter, array: None };
    let stamped = Stamped { value: "v".into(), time_ms: 5, event_id: "e".into() };
    let buckets = vec![(7, stamped)];
    let state = State::PickedWithin(pick, Ring { width_ms: window.width_ms, buckets });
    let mut one = profile(1, vec![]);
    // Such a build knows no width.
    let address = Shape { detail: FOREIGN, width_ms: 0, ..Shape::of(&state) }.address("a");
    one.park(&address, state.clone());
    align(&mut one, &attribute);
    assert_eq!(states(&one), [("a".into(), state)]);
}

/// An attribute that counts, of this kind.
fn counting(kind: Kind) -> AttributePlan {
    let (name, filter) = (String::from("a"), Node::Constant(true));
    AttributePlan { name, kind, types: TypeSet::ANY, sensitive: false, filter, array: None }
}

#[test]
fn a_total_reads_what_it_archived() {
    let attribute = counting(Kind::Total { amount: Amount::Constant(1), base: None });
    let archived = |name, unit, stretch| Shape::of_archive(unit, stretch).address(name);
    assert!(reads(&attribute, "a") && reads(&attribute, &archived("a", Unit::Events, 7)));
    assert!(!reads(&attribute, "b") && !reads(&attribute, &archived("b", Unit::Events, 7)));
    // Of no hours, and of another unit.
    assert!(!reads(&attribute, &archived("a", Unit::Events, 0)));
    assert!(!reads(&attribute, &archived("a", Unit::Nanos, 7)));
}

#[test]
fn rings_of_another_unit_are_parked_whatever_their_width() {
    let window = Window::new(DAY_MS);
    let width_ms = window.width_ms;
    let amount = Amount::Column("price".into());
    let attribute = counting(Kind::Counter { amount, window, widths_ms: vec![width_ms] });
    let rings = vec![Ring { width_ms, buckets: vec![(7, 1)] }];
    let state = State::Counter(Counter { unit: Unit::Events, rings });
    let mut one = profile(1, vec![("a", state.clone())]);
    align(&mut one, &attribute);
    let address = Shape { width_ms, ..Shape::of_counter(Unit::Events) }.address("a");
    assert_eq!(states(&one), [(address, state)]);
}

#[test]
fn items_of_the_future_are_settled_before_a_merge() {
    let now_ms = 100 * DAY_MS;
    let list = |time_ms: i64| {
        let item = Item { id: time_ms.into(), time_ms, event_id: "e".into(), fields: vec![] };
        State::List(ItemList { has_ids: true, items: vec![item], ..ItemList::default() })
    };
    let (known, future) = (list(now_ms - 1), list(now_ms + 3 * DAY_MS));
    for (one, other) in [(known.clone(), future.clone()), (future, known)] {
        let (mut one, other) = (profile(1, vec![("a", one)]), profile(2, vec![("a", other)]));
        absorb(&mut one, other, &[], now_ms);
        let Some(State::List(merged)) = one.state("a") else { panic!("it is a list") };
        assert!(merged.items.len() == 2 && merged.items.iter().all(|item| item.time_ms <= now_ms));
    }
}
