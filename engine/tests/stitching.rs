//! Stitching by parts: whose keys are whose, what a merge forgets, what another writer's profile brings and takes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has found something")]

use usher_engine::attribute::BatchRecord;
use usher_engine::definition::{
    Audience, Definition, EventTable, Identity, KeyEvent, Normalize, StitchKey, Trust,
};
use usher_engine::limits::{KEYS_MAX, SEEN_MAX};
use usher_engine::profile::Key;
use usher_engine::{Entry, Evidence, Keys, Plan, Profile, ProfileId};

const NOW_MS: i64 = 1_790_000_000_000;

/// A plan with a customer's number as primary key, an email in lower case that needs evidence, cards that imports name, a key
/// for imports alone, and an open cookie.
fn plan() -> Plan {
    let table = EventTable { database: "web".into(), table: "pages".into() };
    let key = |name: &str| StitchKey { name: name.into(), ..StitchKey::default() };
    let email = StitchKey { normalize: vec![Normalize::Lowercase], trust: Trust::Verified, ..key("email") };
    let internal = StitchKey { workflow_only: true, ..key("internal") };
    let keys = vec![key("customer"), email, key("card"), internal, key("cookie")];
    Plan::compile(&Definition {
        audience: Audience { id: "7".into(), name: None },
        key_events: vec![KeyEvent {
            name: "view".into(),
            table,
            filter: None,
            columns: Vec::new(),
            description: None,
        }],
        identity: Identity {
            primary_key: Some("customer".into()),
            keys,
            lookup_key: Some("card".into()),
            ..Identity::default()
        },
        ..Definition::default()
    })
    .unwrap()
}

fn key(name: &str, value: &str, seen_ms: i64) -> Key {
    Key { name: name.into(), value: value.into(), seen_ms }
}

fn profile(id: u8, keys: &[(&str, &str)]) -> Profile {
    let mut profile = Profile::new(ProfileId([id; 16]), i64::from(id));
    profile.edit_keys(|held| held.extend(keys.iter().map(|(name, value)| key(name, value, NOW_MS))));
    profile
}

/// A profile that remembers as many ids, all of them its own.
fn with_ids(mut profile: Profile, ids: usize) -> Profile {
    let first = u64::from(profile.id.0[0]) << 32;
    profile.edit_seen_ids(|seen| seen.events = (first..).take(ids).map(|id| (id, NOW_MS)).collect());
    profile
}

fn record(key: &str) -> BatchRecord {
    BatchRecord {
        key: key.into(),
        computed_ms: 1,
        arrival_ms: 1,
        segments: None,
        values: vec![("tier".into(), "gold".into())],
        patch: false,
    }
}

fn keys(of: &[(&str, &str)]) -> Keys {
    Keys { usable: of.iter().map(|(name, value)| key(name, value, NOW_MS)).collect(), refused: Vec::new() }
}

fn names(profile: &Profile) -> Vec<(&str, &str)> {
    profile.keys().iter().map(|key| (key.name.as_str(), key.value.as_str())).collect()
}

#[test]
fn a_merge_says_if_ids_were_forgotten() {
    let plan = plan();
    let event = keys(&[("cookie", "a"), ("card", "b"), ("customer", "c")]);
    let forgot = |ids: [usize; 3]| {
        let own = [("cookie", "a"), ("card", "b"), ("customer", "c")];
        let found = (1_u8..).zip(own).zip(ids).map(|((id, key), ids)| with_ids(profile(id, &[key]), ids));
        let stitched = plan.stitch(&event, found.collect(), ProfileId([9; 16]), NOW_MS);
        assert_eq!(stitched.absorbed.len(), 2);
        stitched.forgot
    };
    // The bound drops some with the first merge or the last, or with none.
    assert!(forgot([SEEN_MAX, 1, 0]) && forgot([SEEN_MAX - 1, 1, 1]));
    assert!(!forgot([SEEN_MAX - 2, 1, 1]) && !forgot([0, 0, 0]));

    for (ids, expected) in [([SEEN_MAX, 1], true), ([SEEN_MAX - 1, 1], false)] {
        let mut survivor = with_ids(profile(1, &[("cookie", "a")]), ids[0]);
        let source = with_ids(profile(2, &[("card", "b")]), ids[1]);
        let united = plan.unite(&mut survivor, source.clone(), &[], NOW_MS);
        let merged = Entry::Merged { into: survivor.id, sources: vec![source.id] };
        assert_eq!((united.forgot, united.journal), (expected, vec![merged]));
        assert_eq!(names(&survivor).len(), 2);
    }
}

#[test]
fn a_profile_that_is_handed_over_keeps_the_keys_by_which_it_was_found() {
    let plan = plan();
    // The oldest keys go first, and the two oldest are those by which the profiles were found.
    let mut survivor = profile(1, &[]);
    survivor.edit_keys(|held| {
        held.extend((1_i64..).take(KEYS_MAX).map(|n| key("cookie", &format!("{n:03}"), n)))
    });
    let mut source = profile(2, &[]);
    source.edit_keys(|held| held.push(key("cookie", "source", 0)));
    let known = [("cookie".to_owned(), "001".to_owned()), ("cookie".to_owned(), "source".to_owned())];
    let united = plan.unite(&mut survivor, source, &known, NOW_MS);
    assert_eq!(united.journal.last(), Some(&Entry::KeyEvicted { name: "cookie".into() }));
    let held = names(&survivor);
    assert_eq!(held.len(), KEYS_MAX);
    assert!(held.contains(&("cookie", "001")) && held.contains(&("cookie", "source")));
    assert!(!held.contains(&("cookie", "002")) && held.contains(&("cookie", "003")));
}

#[test]
fn a_key_is_let_go_alone_and_its_records_with_it() {
    let plan = plan();
    // Of the cookie's value there is a card, too, whose records are not the cookie's.
    let mut own = profile(1, &[("card", "1"), ("card", "2"), ("cookie", "2")]);
    own.edit_batch(|batch| batch.extend([record("1"), record("2")]));

    let untouched = own.clone();
    assert_eq!(plan.let_go(&mut own, "card", "3"), None);
    assert_eq!(plan.let_go(&mut own, "customer", "1"), None);
    assert_eq!((names(&own), own.batch()), (names(&untouched), untouched.batch()));

    let carrier = plan.let_go(&mut own, "card", "1").expect("its record");
    assert_eq!(names(&own), [("card", "2"), ("cookie", "2")]);
    assert_eq!((carrier.batch(), own.batch()), (&[record("1")][..], &[record("2")][..]));
    assert!(names(&carrier).is_empty());
    assert_eq!(plan.let_go(&mut own, "cookie", "2"), None);
    assert_eq!((names(&own), own.batch()), (vec![("card", "2")], &[record("2")][..]));

    let mut other = profile(2, &[("card", "1")]);
    other.take_records(&carrier);
    assert_eq!(other.batch(), [record("1")]);
}

#[test]
fn a_key_that_an_event_takes_brings_its_records() {
    let plan = plan();
    let mut other = profile(1, &[("card", "1"), ("card", "2"), ("customer", "b")]);
    other.edit_batch(|batch| batch.extend([record("1"), record("2")]));
    let event = keys(&[("customer", "a"), ("card", "1")]);
    let stitched = plan.stitch(&event, vec![other], ProfileId([9; 16]), NOW_MS);
    assert_eq!(stitched.profile.batch(), [record("1")]);
    assert_eq!(stitched.others[0].batch(), [record("2")]);
    assert_eq!(names(&stitched.others[0]), [("card", "2"), ("customer", "b")]);
    assert!(stitched.journal.contains(&Entry::KeyMoved { name: "card".into(), from: ProfileId([1; 16]) }));
}

#[test]
fn over_the_bound_open_keys_go_first_and_lookup_keys_last() {
    let plan = plan();
    // The open key is the newest, so that its age alone would keep it.
    let evicted = |first: &[(&str, i64)]| {
        let mut full = profile(1, &[]);
        let others = KEYS_MAX - first.len();
        full.edit_keys(|held| {
            held.extend((0_i64..).take(others).map(|n| key("card", &format!("{n:03}"), NOW_MS + n)));
            held.extend(first.iter().map(|(name, seen_ms)| key(name, "x", *seen_ms)));
        });
        let event =
            Keys { usable: vec![key("card", "000", NOW_MS), key("cookie", "new", NOW_MS)], refused: vec![] };
        let stitched = plan.stitch(&event, vec![full], ProfileId([9; 16]), NOW_MS);
        assert_eq!(stitched.profile.keys().len(), KEYS_MAX);
        let gone = stitched.journal.into_iter().find_map(|entry| match entry {
            Entry::KeyEvicted { name } => Some(name),
            _ => None,
        });
        gone.unwrap()
    };
    assert_eq!(evicted(&[("cookie", NOW_MS - 1), ("email", 0), ("customer", 0)]), "cookie");
    // Without another open key the event's new one goes, before what is verified and what records are filed under.
    assert_eq!(evicted(&[("email", 0), ("customer", 0)]), "cookie");
    assert_eq!(evicted(&[("cookie", NOW_MS + 1), ("email", 0)]), "cookie");
}

#[test]
fn profiles_of_two_people_stay_apart() {
    assert!(
        Plan::may_unite(None, None) && Plan::may_unite(Some("1"), None) && Plan::may_unite(None, Some("1"))
    );
    assert!(Plan::may_unite(Some("1"), Some("1")) && !Plan::may_unite(Some("1"), Some("2")));
    let plan = plan();
    let person = |of: &[(&str, &str)]| plan.person(&keys(of).usable).map(str::to_owned);
    assert_eq!(person(&[("cookie", "1"), ("customer", "2")]).as_deref(), Some("2"));
    assert_eq!(person(&[("cookie", "1")]), None);
}

#[test]
fn an_event_makes_a_profile_where_none_is_its_persons() {
    let plan = plan();
    let makes = |event: &[(&str, &str)], found: &[Profile]| plan.makes_profile(&keys(event), found);
    let nobodys = || profile(1, &[("cookie", "1")]);
    let of = |customer| profile(2, &[("cookie", "1"), ("customer", customer)]);
    let (cookie, customer) = ([("cookie", "1")], [("cookie", "1"), ("customer", "a")]);
    assert!(makes(&cookie, &[]) && makes(&customer, &[]));
    assert!(!makes(&cookie, &[nobodys()]) && !makes(&cookie, &[of("b")]));
    assert!(!makes(&customer, &[nobodys()]) && !makes(&customer, &[of("a")]));
    assert!(makes(&customer, &[of("b")]) && !makes(&customer, &[of("b"), of("a")]));
}

#[test]
fn a_page_looks_up_by_what_its_events_stitch_by() {
    let plan = plan();
    let vouched = [("email".to_owned(), "jane@x.example".to_owned())];
    let token = Evidence { server: false, keys: &vouched };
    let server = Evidence { server: true, keys: &[] };
    let may = |name, value, evidence: &Evidence<'_>| plan.may_look_up(name, value, evidence);
    assert!(may("cookie", "1", &Evidence::NONE) && !may("email", "jane@x.example", &Evidence::NONE));
    assert!(!may("internal", "1", &Evidence::NONE) && !may("cooky", "1", &server));
    assert!(may("email", "jane@x.example", &server) && may("internal", "1", &server));
    // As the key is normalized, and for this value alone.
    assert!(may("email", "Jane@X.example", &token) && !may("email", "joe@x.example", &token));
    assert!(may("cookie", "1", &token) && !may("internal", "1", &token));
}

#[test]
fn a_stored_value_is_tried_as_it_is_normalized_and_as_it_is_written() {
    let plan = plan();
    assert_eq!(plan.stored_values("email", "Jane@X"), ["jane@x", "Jane@X"]);
    assert_eq!(plan.stored_values("email", "jane@x"), ["jane@x"]);
    assert_eq!(plan.stored_values("cookie", "Jane@X"), ["Jane@X"]);
    assert_eq!(plan.stored_values("unknown", "Jane@X"), ["Jane@X"]);
}
