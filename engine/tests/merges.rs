//! State when bundles change, and when profiles merge that have seen different bundles or times.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has found something")]

use usher_engine::attribute::State;
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Backfill, CounterPart, Definition, EventTable, Identity,
    Increment, Keep, KeyEvent, StitchKey,
};
use usher_engine::profile::Key;
use usher_engine::profile::codec::{self, Form};
use usher_engine::value::Value;
use usher_engine::{Access, Asked, Entry, Event, Evidence, Keys, Plan, Profile, ProfileId, Query};

const NOW_MS: i64 = 1_790_000_000_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// A plan whose one attribute, `a`, is this; none: it has no attribute.
fn plan(kind: Option<AttributeKind>) -> Plan {
    plan_of(kind, &["cookie"], None)
}

fn plan_of(kind: Option<AttributeKind>, keys: &[&str], primary_key: Option<&str>) -> Plan {
    let table = EventTable { database: "web".into(), table: "pages".into() };
    let attributes =
        kind.map(|kind| Attribute { name: "a".into(), kind, sensitive: false, description: None });
    let key = |name: &&str| StitchKey { name: (*name).into(), ..StitchKey::default() };
    Plan::compile(&Definition {
        audience: Audience { id: "7".into(), name: None },
        key_events: vec![KeyEvent {
            name: "view".into(),
            table,
            filter: None,
            columns: Vec::new(),
            description: None,
        }],
        attributes: attributes.into_iter().collect(),
        identity: Identity {
            primary_key: primary_key.map(Into::into),
            keys: keys.iter().map(key).collect(),
            ..Identity::default()
        },
        ..Definition::default()
    })
    .unwrap()
}

fn counter(window_ms: i64, parts: &[i64]) -> AttributeKind {
    let parts = parts.iter().enumerate();
    AttributeKind::Counter {
        key_event: "view".into(),
        filter: None,
        increment: Increment::Constant(1),
        window_ms: Some(window_ms),
        parts: parts
            .map(|(index, window_ms)| CounterPart { name: format!("p{index}"), window_ms: *window_ms })
            .collect(),
        backfill: None,
    }
}

/// A total with what a batch counted before: more hours than a total keeps apart, and a base of long ago.
#[test]
fn a_base_of_long_ago_is_added_to_what_came_after_it() {
    let total = AttributeKind::Counter {
        key_event: "view".into(),
        filter: None,
        increment: Increment::Constant(1),
        window_ms: None,
        parts: vec![],
        backfill: Some(Backfill { attribute: "b".into(), time_attribute: None }),
    };
    let attribute =
        |name: &str, kind| Attribute { name: name.into(), kind, sensitive: false, description: None };
    let batch = AttributeKind::Batch { column: "b".into(), data_type: None };
    let definition = plan_of(None, &["cookie"], Some("cookie")).definition().clone();
    let attributes = vec![attribute("a", total), attribute("b", batch)];
    let plan = Plan::compile(&Definition { attributes, ..definition }).unwrap();
    let hours: Vec<i64> = (0..1_300).collect();
    let based = |mut profile: Profile, hour: i64| {
        let record = [
            ("cookie", Value::from("both")),
            ("b", 1_000.into()),
            ("computed_at", (NOW_MS + hour * HOUR_MS).into()),
        ];
        let record = record.map(|(name, value)| (name.to_owned(), value));
        profile.import(plan.record(&record, NOW_MS + 2_000 * HOUR_MS).unwrap(), NOW_MS + 2_000 * HOUR_MS);
        profile
    };
    let seen = |hours: &[i64], cookie: &str, fresh: u8| {
        let cookie = [("cookie", Value::from(cookie))];
        let mut found = vec![];
        for hour in hours {
            let time = [("time", Value::from(NOW_MS + hour * HOUR_MS))];
            let columns = [&cookie[..], &time].concat();
            found = vec![view(&plan, found, fresh, 1, &columns, NOW_MS + 1_500 * HOUR_MS + hour)];
        }
        found.remove(0)
    };
    let (even, odd): (Vec<i64>, Vec<i64>) = hours.iter().partition(|hour| *hour % 2 == 0);
    let backwards: Vec<i64> = hours.iter().rev().copied().collect();
    let both = merged(&plan, vec![seen(&even, "a", 1), seen(&odd, "b", 2)], 1, NOW_MS + 1_500 * HOUR_MS);
    // Merging takes one more event.
    let profiles = [(seen(&hours, "both", 1), 1_300), (seen(&backwards, "both", 1), 1_300), (both, 1_301)];
    for (profile, events) in profiles {
        for hour in [0, 1, 499, 700, 1_299] {
            let expected = 1_000 + events - hour;
            let profile = based(profile.clone(), hour);
            assert_eq!(known(&plan, &profile, NOW_MS + 2_000 * HOUR_MS), Some(expected.into()), "{hour}");
        }
        assert_eq!(known(&plan, &profile, NOW_MS), Some(events.into()));
        // The state beside the total is the total's, and not left by another definition.
        assert_eq!(profile.orphans(), []);
    }
}

/// Events choose their times: a total with a base archives what a base may need, and no more.
#[test]
fn hours_of_any_number_of_years_neither_fill_a_profile_nor_cost_a_list_its_items() {
    let total = |backfill| AttributeKind::Counter {
        key_event: "view".into(),
        filter: None,
        increment: Increment::Constant(1),
        window_ms: None,
        parts: vec![],
        backfill,
    };
    let attribute =
        |name: &str, kind| Attribute { name: name.into(), kind, sensitive: false, description: None };
    let base = Backfill { attribute: "b".into(), time_attribute: None };
    let attributes = vec![
        attribute("a", total(Some(base))),
        attribute("b", AttributeKind::Batch { column: "b".into(), data_type: None }),
        attribute("plain", total(None)),
        attribute("l", list(Keep::Newest, 100)),
    ];
    let definition = plan_of(None, &["cookie"], Some("cookie")).definition().clone();
    let plan = Plan::compile(&Definition { attributes, ..definition }).unwrap();
    let seen = |hours: &mut dyn Iterator<Item = i64>, fresh: u8| {
        let mut found = vec![];
        for hour in hours {
            let time = Value::from(NOW_MS - hour * HOUR_MS);
            let columns = [("cookie", Value::from("c")), ("time", time), ("item", hour.into())];
            found = vec![view(&plan, found, fresh, 1, &columns, NOW_MS)];
        }
        found.remove(0)
    };
    // One for each hour of eight years.
    const HOURS: i64 = 70_000;
    let size = |profile: &Profile| codec::encode(profile, Form::Three).len();
    let forwards = seen(&mut (0..HOURS), 1);
    assert!(size(&forwards) < 32 * 1024, "{}", size(&forwards));
    // In whatever order they come, and from two profiles.
    let backwards = seen(&mut (0..HOURS).rev(), 1);
    let even = seen(&mut (0..HOURS).filter(|hour| hour % 2 == 0), 1);
    let odd = seen(&mut (0..HOURS).filter(|hour| hour % 2 == 1), 2);
    let names =
        |profile: &Profile| -> Vec<String> { profile.states().map(|(name, _)| name.to_owned()).collect() };
    assert_eq!(names(&forwards), names(&backwards));
    assert_eq!(names(&forwards), names(&merged(&plan, vec![even, odd], 1, NOW_MS)));

    // Where a profile is full all the same, they go before what a list holds.
    let items = |profile: &Profile| match profile.state("l") {
        Some(State::List(list)) => list.items.len(),
        _ => 0,
    };
    let mut full = forwards.clone();
    assert_eq!(items(&full), 100);
    assert!(full.trim(2_000));
    assert_eq!(items(&full), 100);
    assert!(size(&full) <= size(&forwards) - 2_000);
}

fn list(keep: Keep, items_max: u32) -> AttributeKind {
    AttributeKind::List {
        key_event: "view".into(),
        filter: None,
        column: Some("item".into()),
        keep,
        items_max,
        duration_ms: 60 * DAY_MS,
        parts: vec![],
        actions: vec![],
    }
}

fn single(aggregation: Aggregation, duration_ms: Option<i64>) -> AttributeKind {
    AttributeKind::Single {
        key_event: "view".into(),
        filter: None,
        column: "item".into(),
        aggregation,
        duration_ms,
        data_type: None,
        backfill: None,
    }
}

/// One event, as a host folds it into a profile.
fn view(
    plan: &Plan,
    found: Vec<Profile>,
    fresh: u8,
    bundle: u64,
    columns: &[(&str, Value)],
    now_ms: i64,
) -> Profile {
    let columns = columns.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    let event =
        Event::resolve(plan.table("web", "pages").unwrap(), columns, now_ms, format!("{now_ms}-{fresh}"));
    let keys = plan.keys(&event, &Evidence::NONE);
    let mut profile = plan.stitch(&keys, found, ProfileId([fresh; 16]), now_ms).profile;
    plan.ingest(&mut profile, &event, now_ms);
    plan.adopt(&mut profile, bundle, now_ms);
    codec::decode(&codec::encode(&profile, Form::Two)).unwrap()
}

/// The two as one, by a key that both carry now.
fn merged(plan: &Plan, mut found: Vec<Profile>, bundle: u64, now_ms: i64) -> Profile {
    for profile in &mut found {
        profile.edit_keys(|keys| keys.iter_mut().for_each(|key| key.value = "both".into()));
    }
    view(plan, found, 9, bundle, &[("cookie", "both".into())], now_ms)
}

fn known(plan: &Plan, profile: &Profile, now_ms: i64) -> Option<Value> {
    let query = Query {
        event: None,
        asked: Asked::Named(&[]),
        inputs: &[],
        edge: &[],
        access: Access::default(),
        blind: false,
    };
    plan.explain(profile, &query, now_ms).attributes.into_iter().find(|known| known.name == "a")?.value
}

#[test]
fn of_two_kinds_the_running_one_stays() {
    let item: (&str, Value) = ("item", 5.into());
    let kinds = [
        counter(HOUR_MS, &[]),
        list(Keep::Newest, 10),
        single(Aggregation::Last, None),
        single(Aggregation::Max, None),
        single(Aggregation::Max, Some(HOUR_MS)),
        single(Aggregation::Max, Some(24 * HOUR_MS)),
        single(Aggregation::Sum, None),
    ];
    for old in &kinds {
        for new in &kinds {
            let (before, after) = (plan(Some(old.clone())), plan(Some(new.clone())));
            let stale = view(&before, vec![], 1, 1, &[("cookie", "a".into()), item.clone()], NOW_MS);
            let fresh = view(&after, vec![], 2, 2, &[("cookie", "b".into()), item.clone()], NOW_MS + 1);
            let alone = known(&after, &fresh, NOW_MS + 2);
            assert!(alone.is_some(), "{new:?}");
            for found in [vec![stale.clone(), fresh.clone()], vec![fresh.clone(), stale.clone()]] {
                let both = known(&after, &merged(&after, found, 2, NOW_MS + 2), NOW_MS + 2);
                // The merging event is a view, too, without an item.
                let counts = matches!(new, AttributeKind::Counter { .. });
                let sums = matches!(new, AttributeKind::Single { aggregation: Aggregation::Sum, .. });
                let expected = match (old == new, counts, sums) {
                    (true, true, _) => Some(3.into()),
                    (false, true, _) => Some(2.into()),
                    (true, _, true) => Some(10.into()),
                    _ => alone.clone(),
                };
                assert_eq!(both, expected, "{old:?} became {new:?}");
            }
        }
    }
}

#[test]
fn a_counter_keeps_what_its_widths_share() {
    // Both have a ring of minutes, and each one of its own.
    let (before, after) =
        (plan(Some(counter(24 * HOUR_MS, &[HOUR_MS]))), plan(Some(counter(HOUR_MS, &[60_000]))));
    let stale = view(&before, vec![], 1, 1, &[("cookie", "a".into())], NOW_MS);
    let fresh = view(&after, vec![], 2, 2, &[("cookie", "b".into())], NOW_MS + 1);
    assert_eq!(known(&after, &merged(&after, vec![stale, fresh], 2, NOW_MS + 2), NOW_MS + 2), Some(3.into()));
}

#[test]
fn what_came_back_is_not_purged_because_another_profile_missed_it() {
    let (with, without) = (plan(Some(counter(640 * DAY_MS, &[]))), plan(None));
    let cookie = |value: &str| [("cookie", Value::from(value))];
    // The first is written by the bundle that dropped the attribute, the second by the one that brought it back.
    let first = view(&with, vec![], 1, 1, &cookie("a"), NOW_MS);
    let first = view(&without, vec![first], 0, 2, &cookie("a"), NOW_MS);
    assert_eq!(first.orphans().len(), 1);
    let second = view(&with, vec![], 2, 3, &cookie("b"), NOW_MS);
    let both = merged(&with, vec![first, second], 3, NOW_MS + 1);
    assert_eq!(both.orphans(), []);
    let later_ms = NOW_MS + 31 * DAY_MS;
    let later = view(&with, vec![both], 0, 3, &cookie("both"), later_ms);
    assert_eq!(known(&with, &later, later_ms), Some(4.into()));
}

#[test]
fn what_a_merge_brings_back_is_purged_in_time() {
    let (with, without) = (plan(Some(counter(640 * DAY_MS, &[]))), plan(None));
    let cookie = |value: &str| [("cookie", Value::from(value))];
    // One that the dropping bundle wrote takes over one that it never saw.
    let stale = view(&with, vec![], 1, 1, &cookie("a"), NOW_MS);
    let fresh = view(&without, vec![], 2, 2, &cookie("b"), NOW_MS);
    let both = merged(&without, vec![stale, fresh], 2, NOW_MS);
    assert_eq!(both.orphans().len(), 1);
    let just_before = view(&without, vec![both.clone()], 0, 2, &cookie("both"), NOW_MS + 30 * DAY_MS - 1);
    assert_eq!(just_before.states().count(), 1);
    let over = view(&without, vec![both], 0, 2, &cookie("both"), NOW_MS + 30 * DAY_MS);
    assert_eq!(over.states().count(), 0);
}

#[test]
fn expired_items_of_one_profile_hold_their_places_before_living_ones_of_another() {
    let plan = plan(Some(list(Keep::Oldest, 100)));
    let item = |cookie: &str, item: i64| [("cookie", Value::from(cookie)), ("item", Value::from(item))];
    let mut old: Vec<Profile> = vec![];
    for index in 0..100 {
        old = vec![view(&plan, old, 1, 1, &item("a", index), NOW_MS + index)];
    }
    let later_ms = NOW_MS + 61 * DAY_MS;
    let mut found = vec![view(&plan, vec![], 2, 1, &item("b", 500), later_ms)];
    found.append(&mut old);
    let both = merged(&plan, found, 1, later_ms);
    // The list is of the first 100, and they came before, as if one profile had seen them all.
    assert_eq!(known(&plan, &both, later_ms), None);
}

#[test]
fn however_many_were_absorbed_it_stays_small_and_remembers_the_latest() {
    let plan = plan(Some(counter(24 * HOUR_MS, &[])));
    // The survivor is the oldest; the others have ids that ascend.
    let keys = |value: &str, other: &str| {
        let key = |value: &str| Key { name: "cookie".into(), value: value.into(), seen_ms: NOW_MS };
        Keys { usable: vec![key(value), key(other)], ..Keys::default() }
    };
    let id = |number: u16| {
        let [high, low] = number.to_be_bytes();
        ProfileId([1, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    };
    let source = |number: u16| {
        let keys = Keys { usable: keys("s", "s").usable.into_iter().take(1).collect(), ..Keys::default() };
        plan.stitch(&keys, vec![], id(number), NOW_MS).profile
    };
    let mut survivor = view(&plan, vec![], 0, 1, &[("cookie", "all".into())], NOW_MS - 1);
    let mut largest = 0;
    for number in 0..1_000 {
        let found = vec![survivor, source(number)];
        survivor = plan.stitch(&keys("all", "s"), found, ProfileId([9; 16]), NOW_MS).profile;
        largest = largest.max(codec::encode(&survivor, Form::Two).len());
    }
    let latest: Vec<ProfileId> = (1_000 - 256..1_000).map(id).collect();
    assert_eq!(survivor.absorbed(), latest);
    assert!(largest < 5_000, "{largest}");
    let again =
        plan.stitch(&keys("all", "s"), vec![survivor.clone(), source(999)], ProfileId([9; 16]), NOW_MS);
    assert_eq!(again.profile, survivor);

    // In another order the same.
    let mut backwards = view(&plan, vec![], 0, 1, &[("cookie", "all".into())], NOW_MS - 1);
    for number in (0..1_000).rev() {
        let found = vec![backwards, source(number)];
        backwards = plan.stitch(&keys("all", "s"), found, ProfileId([9; 16]), NOW_MS).profile;
    }
    assert_eq!(backwards.absorbed(), latest);
}

#[test]
fn what_this_build_does_not_know_is_not_written_over() {
    let sums = plan(Some(single(Aggregation::Sum, None)));
    let cookie = |item: i64| [("cookie", Value::from("a")), ("item", Value::from(item))];
    let foreign = State::Foreign(200, vec![1, 2, 3]);
    let mut profile = view(&sums, vec![], 1, 1, &[("cookie", "a".into())], NOW_MS);
    *profile.state_mut("a") = Some(foreign.clone());
    let profile = view(&sums, vec![profile], 0, 1, &cookie(5), NOW_MS + 1);
    assert_eq!(known(&sums, &profile, NOW_MS + 2), Some(5.into()));
    let waits = |profile: &Profile| profile.states().any(|(_, state)| *state == foreign);
    assert!(waits(&profile));
    assert_eq!(profile.orphans().len(), 1, "it is purged when its time has come");
    let later = view(&sums, vec![profile.clone()], 0, 1, &cookie(1), NOW_MS + 30 * DAY_MS);
    assert!(waits(&later));
    let over = view(&sums, vec![later], 0, 1, &cookie(1), NOW_MS + 30 * DAY_MS + 1);
    assert!(!waits(&over));
    assert_eq!(known(&sums, &over, NOW_MS + 30 * DAY_MS + 2), Some(7.into()));

    // A build that knows it finds it: a sum waits here as a build would have made it that has no sums.
    let mut profile = profile;
    *profile.state_mut("a\u{0}2.255.0") = profile.state("a").cloned();
    let profile = view(&sums, vec![profile], 0, 2, &cookie(2), NOW_MS + 3);
    assert_eq!(known(&sums, &profile, NOW_MS + 4), Some((5 + 5 + 2).into()));
}

#[test]
fn what_waits_goes_when_there_is_no_room_and_the_oldest_first() {
    let kinds = [list(Keep::Newest, 100), single(Aggregation::Last, None), single(Aggregation::Sum, None)];
    let plans = kinds.map(|kind| plan(Some(kind)));
    let [lists, last, sums] = &plans;
    let cookie = |item: Value| [("cookie", Value::from("a")), ("item", item)];
    let mut profile: Vec<Profile> = vec![];
    for index in 0..100 {
        let item = Value::string(format!("{index:0>490}"));
        profile = vec![view(lists, profile, 1, 1, &cookie(item), NOW_MS + index)];
    }
    let large = codec::encode(&profile[0], Form::Two).len();
    let profile = view(last, profile, 0, 2, &cookie(5.into()), NOW_MS + DAY_MS);
    assert!(codec::encode(&profile, Form::Two).len() >= large, "a list of 49 KB waits");
    let mut profile = view(sums, vec![profile], 0, 3, &cookie(6.into()), NOW_MS + 2 * DAY_MS);
    // The list has waited longest.
    assert!(profile.make_room(1));
    assert!(codec::encode(&profile, Form::Two).len() < large / 4);
    let mut profile = view(last, vec![profile], 0, 4, &cookie(Value::Null), NOW_MS + 3 * DAY_MS);
    assert_eq!(known(last, &profile, NOW_MS + 3 * DAY_MS), Some(5.into()), "the other still waited");
    // What is asked today does not go: the sum waits now, and nothing else.
    assert!(profile.make_room(usize::MAX));
    assert!(!profile.make_room(1));
    assert_eq!(known(last, &profile, NOW_MS + 3 * DAY_MS), Some(5.into()));
}

#[test]
fn a_merge_leaves_what_another_bundle_kept_for_its_rollback() {
    let (before, after) =
        (plan(Some(counter(24 * HOUR_MS, &[]))), plan(Some(single(Aggregation::Last, None))));
    let event = |cookie: &str, item: i64| [("cookie", Value::from(cookie)), ("item", Value::from(item))];
    // One was written by the first bundle only, one by both, in either order.
    let stale = view(&before, vec![], 1, 1, &event("a", 1), NOW_MS);
    let fresh = view(&before, vec![], 2, 1, &event("b", 2), NOW_MS + 1);
    let fresh = view(&after, vec![fresh], 0, 2, &event("b", 3), NOW_MS + 2);
    for found in [vec![stale.clone(), fresh.clone()], vec![fresh.clone(), stale.clone()]] {
        let both = merged(&after, found, 2, NOW_MS + 3);
        assert_eq!(known(&after, &both, NOW_MS + 3), Some(3.into()));
        // Before the first bundle writes it again, and after.
        assert_eq!(known(&before, &both, NOW_MS + 4), Some(2.into()));
        let back = view(&before, vec![both], 0, 3, &event("both", 4), NOW_MS + 5);
        assert_eq!(known(&before, &back, NOW_MS + 5), Some(3.into()));
        let forth = view(&after, vec![back], 0, 4, &[("cookie", "both".into())], NOW_MS + 6);
        assert_eq!(known(&after, &forth, NOW_MS + 6), Some(3.into()));
    }
}

#[test]
fn the_journal_tells_what_became_of_whom() {
    let plan = plan_of(None, &["cookie", "app", "customer"], Some("customer"));
    assert_eq!(plan.tables().iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["pages"]);
    let stitch = |found: Vec<Profile>, fresh: u8, columns: &[(&str, &str)]| {
        let columns = columns.iter().map(|(name, value)| ((*name).into(), Value::from(*value))).collect();
        let event = Event::resolve(plan.table("web", "pages").unwrap(), columns, NOW_MS, "e".into());
        let keys = plan.keys(&event, &Evidence::NONE);
        let stitched = plan.stitch(&keys, found, ProfileId([fresh; 16]), NOW_MS);
        (stitched.profile, stitched.journal)
    };
    let id = |number: u8| ProfileId([number; 16]);
    let (one, journal) = stitch(vec![], 1, &[("cookie", "a")]);
    assert_eq!(journal, [Entry::Created]);
    // An event that says nothing new of somebody known is worth no word.
    assert_eq!(stitch(vec![one.clone()], 9, &[("cookie", "a")]).1, []);
    let (two, _) = stitch(vec![], 2, &[("app", "b")]);
    let (both, journal) = stitch(vec![two, one], 9, &[("cookie", "a"), ("app", "b")]);
    assert_eq!(journal, [Entry::Merged { into: id(1), sources: vec![id(2)] }]);
    let (anna, _) = stitch(vec![both], 9, &[("cookie", "a"), ("customer", "anna")]);
    let (ben, _) = stitch(vec![], 3, &[("app", "c"), ("customer", "ben")]);
    // Two people, and no word whose event it is: the first key's.
    let (_, journal) = stitch(vec![anna.clone(), ben.clone()], 9, &[("cookie", "a"), ("app", "c")]);
    assert_eq!(journal, [Entry::Ambiguous { left: vec![id(3)] }]);
    let (_, journal) = stitch(vec![anna, ben], 9, &[("cookie", "a"), ("app", "c"), ("customer", "anna")]);
    assert_eq!(journal, [Entry::KeyMoved { name: "app".into(), from: id(3) }]);
}
