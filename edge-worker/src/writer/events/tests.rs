//! Events of visitors whose profiles are full or damaged, beside others.

use usher_engine::attribute::BatchRecord;
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Definition, EventTable, Identity, Keep, KeyEvent,
    StitchKey,
};
use usher_engine::limits::PROFILE_BYTES_MAX;
use usher_engine::profile::codec::{Form, encode};
use usher_engine::profile::{Key, Profile, ProfileId};
use usher_engine::value::Value;
use usher_engine::{Access, Asked, Query};

use super::*;
use crate::bundle::{bundle_of, hash_of};
use crate::message::{Ambient, Asking};
use crate::store::Pointer;

/// Nobody was erased.
fn fold(edge: &Edge, batch: &mut Batch, found: &[FoundProfile]) -> Folded {
    super::fold(edge, batch, found, &[], None)
}

/// An edge whose one audience keeps lists that can grow beyond what a profile may be.
fn edge_of_lists(keys: &[&str], primary: Option<&str>) -> Edge {
    let list = |index: usize| AttributeKind::List {
        key_event: "view".to_owned(),
        filter: None,
        column: Some(format!("c{index}")),
        keep: Keep::Newest,
        items_max: 100,
        duration_ms: 86_400_000,
        parts: Vec::new(),
        actions: Vec::new(),
    };
    edge_of((0..6).map(list), keys, primary)
}

/// An edge whose one audience keeps 100 single values, which never make room.
fn edge_of_singles(keys: &[&str], primary: Option<&str>) -> Edge {
    let single = |index: usize| AttributeKind::Single {
        key_event: "view".to_owned(),
        filter: None,
        column: format!("c{index}"),
        aggregation: Aggregation::Last,
        duration_ms: None,
        data_type: None,
        backfill: None,
    };
    edge_of((0..100).map(single), keys, primary)
}

/// A visitor's profile that has room for less than 2 KB, and of which nothing can go: one record fills it.
fn full_profile(visitor: &str) -> Vec<u8> {
    let mut profile = Profile::new(ProfileId([0; 16]), 0);
    (profile.version, profile.bundle) = (1, 1);
    profile.edit_keys(|keys| {
        keys.push(Key { name: "visitor".to_owned(), value: visitor.to_owned(), seen_ms: 0 });
    });
    profile.edit_batch(|records| {
        records.push(BatchRecord {
            key: visitor.to_owned(),
            computed_ms: 0,
            arrival_ms: 0,
            segments: None,
            values: vec![("filled".to_owned(), Value::from("x".repeat(PROFILE_BYTES_MAX - 2_000).as_str()))],
            patch: false,
        });
    });
    let state = encode(&profile, Form::Two);
    assert!((PROFILE_BYTES_MAX - 2_000..PROFILE_BYTES_MAX).contains(&state.len()));
    state
}

fn edge_of(kinds: impl Iterator<Item = AttributeKind>, keys: &[&str], primary: Option<&str>) -> Edge {
    let mut edge = Edge::new(None, false);
    install_kinds(&mut edge, "7", kinds, keys, primary);
    edge
}

/// One more audience, whose attribute keeps the last value of a column.
fn install(edge: &mut Edge, audience: &str, keys: &[&str]) {
    let kind = AttributeKind::Single {
        key_event: "view".to_owned(),
        filter: None,
        column: "c0".to_owned(),
        aggregation: Aggregation::Last,
        duration_ms: None,
        data_type: None,
        backfill: None,
    };
    install_kinds(edge, audience, core::iter::once(kind), keys, None);
}

fn install_kinds(
    edge: &mut Edge,
    audience: &str,
    kinds: impl Iterator<Item = AttributeKind>,
    keys: &[&str],
    primary: Option<&str>,
) {
    let attribute =
        |(index, kind)| Attribute { name: format!("a{index}"), kind, sensitive: false, description: None };
    let table = EventTable { database: "web".to_owned(), table: "views".to_owned() };
    let definition = Definition {
        audience: Audience { id: audience.to_owned(), name: None },
        key_events: vec![KeyEvent {
            name: "view".to_owned(),
            table,
            filter: None,
            columns: Vec::new(),
            description: None,
        }],
        attributes: kinds.enumerate().map(attribute).collect(),
        identity: Identity {
            keys: keys
                .iter()
                .map(|key| StitchKey { name: (*key).to_owned(), ..StitchKey::default() })
                .collect(),
            primary_key: primary.map(str::to_owned),
            ..Identity::default()
        },
        ..Definition::default()
    };
    let body = bundle_of(&definition).unwrap();
    let pointer = Pointer { audience: audience.to_owned(), number: 1, hash: hash_of(&body) };
    edge.install(&pointer, body).unwrap();
}

fn batch_of(events: &str) -> Events {
    Events {
        ambient: Ambient { now_ms: 1_790_000_000_000, entropy: [5; 32] },
        audiences: vec![("7".to_owned(), 1)],
        database: "web".to_owned(),
        table: "views".to_owned(),
        mode: Mode::Ingest,
        server: false,
        identity: crate::message::Identity::default(),
        origin: String::new(),
        edge: Vec::new(),
        body: format!("{{\"events\":[{events}]}}").into_bytes(),
    }
}

#[test]
fn a_profile_that_is_full_keeps_no_other_from_its_events() {
    let edge = edge_of_singles(&["visitor"], None);
    let event = |visitor: &str, index: usize| {
        let columns: Vec<String> =
            (0..6).map(|column| format!("\"c{}\":\"{index:0>490}\"", index % 16 * 6 + column)).collect();
        format!("{{\"visitor\":\"{visitor}\",{}}}", columns.join(","))
    };
    let mut events: Vec<String> = (0..100).map(|index| event("greedy", index)).collect();
    events.insert(50, event("modest", 0));
    let (_, mut batch) = open(&edge, batch_of(&events.join(",")), None).unwrap();
    // The first of the keys that are read is that of the first event.
    let (audience, state) = ("7".to_owned(), full_profile("greedy"));
    let greedy = FoundProfile { audience, keys: vec![0], id: [0; 16], version: 1, state };
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[greedy]) else { panic!("behind") };
    let body = String::from_utf8(outcome.response.body).unwrap();
    assert_eq!(body.matches("ProfileTooLarge").count(), 100);
    assert_eq!(body.matches("\"success\":true").count(), 1);
    let keys: Vec<_> = outcome.write.profiles.iter().map(|row| row.keys.clone().unwrap()).collect();
    assert_eq!(keys, [[("visitor".to_owned(), "modest".to_owned())]]);
}

#[test]
fn a_profile_that_cannot_be_read_keeps_no_other_from_its_events() {
    let edge = edge_of_lists(&["visitor"], None);
    // The first of the keys that are read is that of the first event.
    let damaged = || FoundProfile {
        audience: "7".to_owned(),
        keys: vec![0],
        id: [0; 16],
        version: 1,
        state: b"echo_me_not".to_vec(),
    };
    let fold = |events: &str| {
        let (_, mut batch) = open(&edge, batch_of(events), None).unwrap();
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[damaged()]) else { panic!("behind") };
        outcome
    };
    let outcome =
        fold(r#"{"visitor":"bad","c0":1},{"visitor":"good","c0":1},7,{"visitor":"bad","c0":2},{"c0":1}"#);
    let body = String::from_utf8(outcome.response.body).unwrap();
    let unreadable = r#"{"success":false,"error":{"name":"ProfileUnreadable"}}"#;
    assert_eq!(outcome.response.status, 200);
    assert_eq!(body.matches(unreadable).count(), 2, "{body}");
    assert_eq!(body.matches(r#""success":true"#).count(), 2, "{body}");
    assert!(body.starts_with(&format!(r#"{{"receipts":[{unreadable},"#)), "{body}");
    let keys: Vec<_> = outcome.write.profiles.iter().map(|row| row.keys.clone().unwrap()).collect();
    assert_eq!(keys, [[("visitor".to_owned(), "good".to_owned())]]);
    assert_eq!(outcome.log.len(), 1, "{:?}", outcome.log);

    // Alone it is as if storage did not answer: nothing is stored, and the caller may try again.
    let outcome = fold(r#"{"visitor":"bad","c0":1}"#);
    assert_eq!(outcome.response.status, 503);
    assert!(outcome.write.is_empty());
}

#[test]
fn a_profile_of_a_newer_build_is_neither_damaged_nor_written() {
    let edge = edge_of_lists(&["visitor"], None);
    let fold = |events: &str| {
        let (_, mut batch) = open(&edge, batch_of(events), None).unwrap();
        let newer = FoundProfile {
            audience: "7".to_owned(),
            keys: vec![0],
            id: [0; 16],
            version: 1,
            state: b"USHP\x09and more".to_vec(),
        };
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[newer]) else { panic!("behind") };
        assert_eq!(outcome.log, [Line::of("profile_too_new")]);
        outcome
    };
    let outcome = fold(r#"{"visitor":"newer","c0":1},{"visitor":"other","c0":1}"#);
    let body = String::from_utf8(outcome.response.body).unwrap();
    let expected =
        r#"{"receipts":[{"success":false,"error":{"name":"StorageUnavailable"}},{"success":true}]}"#;
    assert_eq!((outcome.response.status, body.as_str()), (200, expected));
    let keys: Vec<_> = outcome.write.profiles.iter().map(|row| row.keys.clone().unwrap()).collect();
    assert_eq!(keys, [[("visitor".to_owned(), "other".to_owned())]]);

    let outcome = fold(r#"{"visitor":"newer","c0":1}"#);
    assert_eq!(outcome.response.status, 503);
    assert!(outcome.write.is_empty());
}

#[test]
fn many_who_take_a_full_profile_over_are_refused_together() {
    let edge = edge_of_singles(&["id", "visitor"], Some("id"));
    let columns = |first: usize, count: usize| -> String {
        (first..first + count).map(|column| format!(",\"c{column}\":\"{column:0>490}\"")).collect()
    };
    // Everybody on this browser says to be somebody else, and one does not use it.
    let own =
        |index: usize| format!("{{\"id\":\"p{index}\",\"visitor\":\"v\"{}}}", columns(index % 16 * 6, 6));
    let mut events: Vec<String> = (0..300).map(own).collect();
    events.push(r#"{"id":"elsewhere","c0":1}"#.to_owned());
    let (_, mut batch) = open(&edge, batch_of(&events.join(",")), None).unwrap();
    let [audience] = batch.audiences.as_slice() else { panic!("one audience") };
    let mut left_out = vec![(0, TOO_LARGE)];
    audience.leave_out_with(&mut left_out, batch.keys, &Parts::default());
    assert_eq!(left_out.len(), 300, "one round finds all of them");

    let key = audience.events[0].read[1];
    let found = FoundProfile {
        audience: "7".to_owned(),
        keys: vec![key],
        id: [0; 16],
        version: 1,
        state: full_profile("v"),
    };
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[found]) else { panic!("behind") };
    let body = String::from_utf8(outcome.response.body).unwrap();
    assert_eq!(body.matches("ProfileTooLarge").count(), 300);
    assert!(body.ends_with(r#"{"success":true}]}"#), "{body}");
}

fn logged(outcome: &Outcome) -> Vec<String> {
    outcome.log.iter().map(|line| line.record().to_json()).collect()
}

#[test]
fn what_was_cut_or_refused_is_logged() {
    let edge = edge_of_lists(&["visitor", "other"], None);
    let fold = |events: &str, found: Vec<FoundProfile>| {
        let (_, mut batch) = open(&edge, batch_of(events), None).unwrap();
        let Folded::Done(outcome) = fold(&edge, &mut batch, &found) else { panic!("behind") };
        outcome
    };
    let outcome = fold(r#"{"visitor":"","other":7}"#, Vec::new());
    let reasons = ["Value is empty.", "Value is not a string."];
    let expected = reasons.map(|reason| format!(r#"{{"event":"key_refused","detail":"{reason}"}}"#));
    assert_eq!(logged(&outcome), expected);

    let events = |key: &str, count: usize, from: usize| {
        let event = |id: usize| format!(r#"{{"{key}":"a","uuid":"{id}"}}"#);
        (from..from + count).map(event).collect::<Vec<_>>().join(",")
    };
    let forgotten = r#"{"event":"event_ids_forgotten"}"#;
    let found = |outcome: Box<Outcome>| {
        let state = outcome.write.profiles.into_iter().next().unwrap().state;
        FoundProfile { audience: "7".to_owned(), keys: vec![0], id: [0; 16], version: 1, state }
    };
    let of_500 = fold(&events("visitor", 500, 0), Vec::new());
    assert!(of_500.log.is_empty());
    let of_1_000 = fold(&events("visitor", 500, 500), vec![found(of_500)]);
    assert!(of_1_000.log.is_empty());
    let full = found(of_1_000);
    let over = fold(&events("visitor", 2, 1_000), vec![full.clone()]);
    assert_eq!(logged(&over), [forgotten, forgotten]);

    // Two that were below the bound, and together are above it.
    let other = found(fold(&events("other", 5, 2_000), Vec::new()));
    let merged = fold(
        r#"{"visitor":"a","other":"a","uuid":"2000"}"#,
        vec![full, FoundProfile { keys: vec![1], ..other }],
    );
    assert_eq!(logged(&merged), [forgotten]);

    // A visitor of 200 keys, and two more.
    let cards = |count: usize| {
        let event = |card: usize| format!(r#"{{"visitor":"v","other":"{card}"}}"#);
        (0..count).map(event).collect::<Vec<_>>().join(",")
    };
    assert!(fold(&cards(199), Vec::new()).log.is_empty());
    assert_eq!(logged(&fold(&cards(201), Vec::new())), [r#"{"event":"key_evicted"}"#; 2]);
}

#[test]
fn that_keys_name_two_people_is_in_the_journal_once_per_change() {
    let edge = edge_of_lists(&["id", "visitor", "card", "shop"], Some("id"));
    let journal = |further: &str| {
        let events = r#"{"id":"1","visitor":"v"},{"id":"2","card":"c"}"#;
        let (_, mut batch) = open(&edge, batch_of(&format!("{events}{further}")), None).unwrap();
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
        outcome.write.journal.len()
    };
    let both = r#",{"visitor":"v","card":"c"}"#;
    assert_eq!(journal(&both.repeat(9)), 0, "nothing became anybody's");
    let with_shop = r#",{"visitor":"v","card":"c","shop":"s"}"#;
    assert_eq!(journal(&with_shop.repeat(9)), 1);
}

#[test]
fn a_source_that_has_used_its_rate_is_refused_before_anything_is_read() {
    let mut edge = edge_of_lists(&["id"], None);
    let from = |source: &str, server: bool| {
        let events = vec!["{\"id\":\"a\"}"; 500].join(",");
        let edge = vec![("country".to_owned(), "NO".to_owned()), (".source".to_owned(), source.to_owned())];
        crate::message::Message::Writer(crate::message::ToWriter::Events(Events {
            server,
            edge,
            ..batch_of(&events)
        }))
        .encode(crate::Form::One)
    };
    for _ in 0..12 {
        assert!(crate::drive::open(&mut edge, &from("a", false)).is_ok());
    }
    let refused = crate::drive::open(&mut edge, &from("a", false)).err().unwrap();
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains(&("retry-after", "5".to_owned())), "{:?}", refused.headers);
    assert!(crate::drive::open(&mut edge, &from("a", true)).is_ok());
    assert!(crate::drive::open(&mut edge, &from("b", false)).is_ok());
    // What it is answered when storage fails costs it nothing.
    assert_eq!(crate::drive::unavailable(&mut edge, &from("a", false)).status, 503);
}

#[test]
fn a_profile_that_lists_fill_loses_their_oldest_items_and_says_so() {
    let edge = edge_of_lists(&["visitor"], None);
    let event = |index: usize| {
        let columns: Vec<String> = (0..6).map(|column| format!("\"c{column}\":\"{index:0>490}\"")).collect();
        format!("{{\"visitor\":\"v\",\"time\":{},{}}}", 1_789_999_000 + index, columns.join(","))
    };
    let events: Vec<String> = (0..100).map(event).collect();
    let (_, mut batch) = open(&edge, batch_of(&events.join(",")), None).unwrap();
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
    let body = String::from_utf8(outcome.response.body).unwrap();
    assert_eq!(body.matches(r#"{"success":true,"notes":["profile_trimmed"]}"#).count(), 100);
    assert_eq!(outcome.log, [Line::of("profile_trimmed")]);
    let [row] = outcome.write.profiles.as_slice() else { panic!("one profile") };
    assert!(row.state.len() <= usher_engine::limits::PROFILE_BYTES_MAX);
    let profile = usher_engine::profile::codec::decode(&row.state).unwrap();
    for (_, state) in profile.states() {
        let usher_engine::attribute::State::List(list) = state else { panic!("lists") };
        assert!((70..90).contains(&list.items.len()), "{}", list.items.len());
        assert_eq!(list.items[0].time_ms, 1_789_999_099_000, "the newest stays");
    }
}

/// Profiles are written by their content: reading a part, or setting it to the same value, writes nothing.
#[test]
fn an_event_that_changes_nothing_is_not_written() {
    let edge = edge_of_lists(&["visitor", "app"], None);
    let fold = |events: &str, found: &[FoundProfile]| {
        let (_, mut batch) = open(&edge, batch_of(events), None).unwrap();
        let Folded::Done(outcome) = fold(&edge, &mut batch, found) else { panic!("behind") };
        outcome
    };
    let first = fold(r#"{"visitor":"v","app":"a","uuid":"1","time":1789999000,"c0":7}"#, &[]);
    let [row] = first.write.profiles.as_slice() else { panic!("one profile") };
    let stored = FoundProfile {
        audience: "7".to_owned(),
        keys: vec![0],
        id: row.id,
        version: row.version,
        state: row.state.clone(),
    };
    let nothing_new = [
        // A copy of it, also with other columns: the id alone decides.
        r#"{"visitor":"v","uuid":"1","time":1789999000,"c0":7}"#,
        r#"{"visitor":"v","uuid":"1","time":1789999000,"c0":8,"c1":9}"#,
        // An event that no attribute and no rule about ids keeps anything of.
        r#"{"visitor":"v","time":1789998000,"c9":7}"#,
        // An older one of the same item.
        r#"{"visitor":"v","time":1789998000,"c0":7}"#,
    ];
    for event in nothing_new {
        let outcome = fold(event, core::slice::from_ref(&stored));
        assert!(outcome.write.is_empty(), "{event}: {:?}", outcome.write);
        let token = outcome.response.headers.iter().find(|(name, _)| *name == "usher-seen");
        assert!(token.is_none(), "without keys nothing is signed");
    }
    // All of them in one batch, too, and beside another visitor, who alone is written.
    let beside = format!("{},{{\"visitor\":\"other\"}}", nothing_new.join(","));
    let written = fold(&beside, core::slice::from_ref(&stored)).write.profiles;
    let keys: Vec<_> = written.iter().map(|row| row.keys.clone().unwrap()).collect();
    assert_eq!(keys, [[("visitor".to_owned(), "other".to_owned())]]);

    let something_new = [
        // The key was seen later.
        r#"{"visitor":"v","uuid":"1","time":1789999001}"#,
        r#"{"visitor":"v","app":"b","uuid":"1","time":1789999000}"#,
        r#"{"visitor":"v","uuid":"2","time":1789999000}"#,
        r#"{"visitor":"v","time":1789998000,"c0":8}"#,
    ];
    for event in something_new {
        let outcome = fold(event, core::slice::from_ref(&stored));
        let [row] = outcome.write.profiles.as_slice() else { panic!("{event}") };
        assert_eq!((row.id, row.version), (stored.id, 2), "{event}");
        assert_eq!(row.keys.is_some(), event.contains("app"), "{event}");
    }
}

/// One visitor's batch costs its events, not a profile each.
#[test]
fn a_profile_is_not_copied_for_each_event() {
    let edge = edge_of_singles(&["visitor", "app"], None);
    let bytes = |events: usize| {
        let event =
            |index: usize| format!("{{\"visitor\":\"v\",\"app\":\"a\",\"time\":{}}}", 1_789_999_000 + index);
        let events: Vec<String> = (0..events).map(event).collect();
        let (_, mut batch) = open(&edge, batch_of(&events.join(",")), None).unwrap();
        let found = FoundProfile {
            audience: "7".to_owned(),
            keys: vec![0],
            id: [0; 16],
            version: 1,
            state: full_profile("v"),
        };
        let mut written = 0;
        let counted = allocation_counter::measure(|| {
            let Folded::Done(outcome) = fold(&edge, &mut batch, &[found]) else { panic!("behind") };
            written = outcome.write.profiles.len();
        });
        assert_eq!(written, 1);
        usize::try_from(counted.bytes_total).unwrap()
    };
    let (one, many) = (bytes(1), bytes(500));
    // It is read once and written once.
    assert!(one < 5 * PROFILE_BYTES_MAX, "{one}");
    assert!(many - one < 10 * PROFILE_BYTES_MAX, "{one}, and {many} for 500 events");
}

/// Ids of the events whose values are kept, by the value.
fn event_ids(outcome: &Outcome) -> Vec<String> {
    let profiles = outcome.write.profiles.iter();
    let profiles = profiles.map(|row| usher_engine::profile::codec::decode(&row.state).unwrap());
    let id = |profile: &Profile| match profile.state("a0") {
        Some(usher_engine::attribute::State::Picked(_, kept)) => kept.event_id.clone(),
        other => panic!("a single value, not {other:?}"),
    };
    profiles.map(|profile| id(&profile)).collect()
}

/// Shards that get parts of one batch mint from the same entropy.
#[test]
fn parts_of_a_batch_mint_ids_of_their_own() {
    let edge = edge_of_singles(&["visitor"], None);
    let fold = |visitors: core::ops::Range<usize>| {
        let events = visitors.map(|visitor| format!("{{\"visitor\":\"{visitor}\",\"c0\":1}}"));
        let (_, mut batch) = open(&edge, batch_of(&events.collect::<Vec<_>>().join(",")), None).unwrap();
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
        outcome
    };
    let (one, other) = (fold(0..20), fold(20..40));
    for part in [&one, &other] {
        assert!(event_ids(part).is_sorted_by(|a, b| a < b), "in the order of the part");
    }
    let mut events = [event_ids(&one), event_ids(&other)].concat();
    let profiles = [&one, &other].into_iter().flat_map(|part| part.write.profiles.iter().map(|row| row.id));
    let mut profiles: Vec<[u8; 16]> = profiles.collect();
    for (what, count) in [
        ("events", {
            events.sort();
            events.dedup();
            events.len()
        }),
        ("profiles", {
            profiles.sort();
            profiles.dedup();
            profiles.len()
        }),
    ] {
        assert_eq!(count, 40, "{what}");
    }
}

#[test]
fn an_event_without_an_id_has_one_for_every_audience() {
    let mut edge = edge_of_singles(&["visitor"], None);
    install(&mut edge, "8", &["other", "visitor"]);
    let audiences = vec![("7".to_owned(), 1), ("8".to_owned(), 1)];
    let events = r#"{"visitor":"a","other":"b","c0":1}"#;
    let (_, mut batch) = open(&edge, Events { audiences, ..batch_of(events) }, None).unwrap();
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
    let [one, other] = event_ids(&outcome).try_into().unwrap();
    assert_eq!(one, other);
}

/// A source's bound on new profiles is one, however many audiences declare the table.
#[test]
fn a_bound_on_new_profiles_is_one_for_all_audiences() {
    let mut edge = edge_of_singles(&["visitor"], None);
    install(&mut edge, "8", &["visitor"]);
    install(&mut edge, "9", &["visitor"]);
    edge.set_rates(crate::Rates { events: 0, new_profiles: 7 });
    let message = |visitors: core::ops::Range<usize>| {
        let events: Vec<String> = visitors.map(|visitor| format!("{{\"visitor\":\"{visitor}\"}}")).collect();
        let audiences = ["7", "8", "9"].map(|id| (id.to_owned(), 1)).to_vec();
        let source = vec![(".source".to_owned(), "a".to_owned())];
        let events = Events { audiences, edge: source, ..batch_of(&events.join(",")) };
        crate::message::Message::Writer(crate::message::ToWriter::Events(events)).encode(crate::Form::One)
    };
    let mut made = |visitors| {
        let mut opened = crate::drive::open(&mut edge, &message(visitors)).unwrap();
        let found = crate::store::Found::Profiles(Vec::new());
        let Folded::Done(outcome) = crate::drive::fold(&mut edge, &mut opened, found) else {
            panic!("behind")
        };
        let notes = String::from_utf8(outcome.response.body).unwrap().matches("profile_not_made").count();
        (outcome.write.profiles.len(), notes)
    };
    // Five for the first audience, two for the second, none for the third: none is without a note.
    assert_eq!(made(0..5), (7, 5));
    assert_eq!(made(5..10), (0, 5), "nothing is left of the minute");
}

/// Columns are most of a batch.
#[test]
fn a_batch_for_one_audience_is_not_copied() {
    let edge = edge_of_singles(&["visitor"], None);
    let columns: String = (0..200).map(|column| format!(",\"c{column}\":\"{column:0>100}\"")).collect();
    let events = vec![format!("{{\"visitor\":\"v\"{columns}}}"); 100].join(",");
    let message = batch_of(&events);
    let read = allocation_counter::measure(|| drop(read::batch(&message.body).unwrap())).bytes_max;
    let opened = allocation_counter::measure(|| drop(open(&edge, message, None).unwrap())).bytes_max;
    assert!(opened < read + read / 4, "{opened}, and {read} to read it");
}

/// A bundle of an audience that counts nothing but the last price of each database's views.
fn with_tables(audience: &str, number: u64, databases: &[&str], key: &str) -> (Pointer, Vec<u8>) {
    let event = |database: &&str| KeyEvent {
        name: (*database).to_owned(),
        table: EventTable { database: (*database).to_owned(), table: "views".to_owned() },
        filter: None,
        columns: Vec::new(),
        description: None,
    };
    let last_of = |database: &&str| Attribute {
        name: format!("last_{database}"),
        kind: AttributeKind::Single {
            key_event: (*database).to_owned(),
            filter: None,
            column: "price".to_owned(),
            aggregation: Aggregation::Last,
            duration_ms: None,
            data_type: None,
            backfill: None,
        },
        sensitive: false,
        description: None,
    };
    let definition = Definition {
        audience: Audience { id: audience.to_owned(), name: None },
        key_events: databases.iter().map(event).collect(),
        attributes: databases.iter().map(last_of).collect(),
        identity: Identity {
            keys: vec![StitchKey { name: key.to_owned(), ..StitchKey::default() }],
            ..Identity::default()
        },
        ..Definition::default()
    };
    let body = bundle_of(&definition).unwrap();
    (Pointer { audience: audience.to_owned(), number, hash: hash_of(&body) }, body)
}

/// Each audience has the events of its own tables, by other indexes than the body's, and receipts are in the body's order.
#[test]
fn events_of_several_tables_reach_the_audiences_that_declare_them() {
    let mut edge = Edge::new(None, false);
    for (audience, database) in [("7", "web"), ("8", "shop")] {
        let (pointer, body) = with_tables(audience, 1, &[database], "visitor");
        edge.install(&pointer, body).unwrap();
    }
    let events = r#"{"table":"web.views","uuid":"a","visitor":"v","price":1},7,{"table":"none.views","uuid":"b"},
        {"table":"shop.views","uuid":"c","visitor":"bad"},{"table":"shop.views","uuid":"d","visitor":"v","price":2}"#;
    let open = |mode: Mode, audiences: &[&str], events: &str| {
        let audiences = audiences.iter().map(|id| ((*id).to_owned(), 1)).collect();
        let (database, table) = (String::new(), String::new());
        open(&edge, Events { mode, audiences, database, table, ..batch_of(events) }, None).unwrap().1
    };
    let mut batch = open(Mode::Mixed(None), &["7", "8"], events);
    // Keys are read in the order of the audiences and their events.
    let (audience, state) = ("8".to_owned(), b"echo_me_not".to_vec());
    let damaged = FoundProfile { audience, keys: vec![1], id: [0; 16], version: 1, state };
    let Folded::Done(outcome) = fold(&edge, &mut batch, std::slice::from_ref(&damaged)) else {
        panic!("behind")
    };
    let body = String::from_utf8(outcome.response.body).unwrap();
    let failed = |name: &str| format!(r#""success":false,"error":{{"name":"{name}"}}"#);
    let receipts = [
        r#""id":"a","success":true"#,
        &failed("InvalidPropertyValueError"),
        &failed("InvalidCollectionNameError"),
        &format!(r#""id":"c",{}"#, failed("ProfileUnreadable")),
        r#""id":"d","success":true"#,
    ];
    assert_eq!(body, format!(r#"{{"receipts":[{{{}}}]}}"#, receipts.join("},{")));
    let written: Vec<_> = outcome.write.profiles.iter().map(|row| row.audience.as_str()).collect();
    assert_eq!(written, ["7", "8"]);

    // If nothing of it could be read, nothing is said to be taken, in the format of the route.
    let asking = Some(Asking { named: Vec::new(), unknown: Vec::new() });
    let damaged = FoundProfile { keys: vec![0], ..damaged };
    let mut batch = open(Mode::Mixed(asking), &["8"], r#"{"table":"shop.views","visitor":"bad"}"#);
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[damaged]) else { panic!("behind") };
    let Response { status, headers, .. } = outcome.response;
    assert_eq!(status, 503);
    for header in [("content-type", "application/problem+json"), ("usher-wire", "1")] {
        assert!(headers.contains(&(header.0, header.1.to_owned())), "{headers:?}");
    }
    // A front that has not heard of a bundle without the table.
    let mut batch = open(Mode::Mixed(None), &["7"], r#"{"table":"gone.views","visitor":"v"}"#);
    let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
    assert!(outcome.response.body.starts_with(br#"{"receipts":[{"success":false,"#));
}

/// A host that waits between the two may install a bundle there. Events know their table by its place in the sorted
/// tables of the plan, which the next bundle may move, and their keys by its identity.
#[test]
fn a_message_that_was_opened_under_the_bundle_before_is_opened_again() {
    let mut edge = Edge::new(None, false);
    // The message uses all of its source's rate, so it would be refused if it were metered twice.
    edge.set_rates(crate::Rates { events: 1, new_profiles: 0 });
    let events = [r#"{"visitor":"v","member":"m","price":5}"#; crate::limits::BATCH_EVENTS_MAX].join(",");
    let events = Events { edge: vec![(".source".to_owned(), "a".to_owned())], ..batch_of(&events) };
    let message =
        crate::message::Message::Writer(crate::message::ToWriter::Events(events)).encode(crate::Form::One);
    let nothing = || crate::store::Found::Profiles(Vec::new());

    let (pointer, body) = with_tables("7", 1, &["web"], "visitor");
    edge.install(&pointer, body.clone()).unwrap();
    let mut opened = crate::drive::open(&mut edge, &message).unwrap();
    // The same content under a new number changes nothing.
    edge.install(&Pointer { number: 2, ..pointer }, body).unwrap();
    let folded = crate::drive::fold(&mut edge, &mut opened, nothing());
    assert!(matches!(folded, Folded::Done(_)), "{folded:?}");

    let (pointer, body) = with_tables("7", 3, &["shop", "web"], "member");
    edge.install(&pointer, body).unwrap();
    let folded = crate::drive::fold(&mut edge, &mut opened, nothing());
    assert!(matches!(folded, Folded::OpenAgain), "{folded:?}");

    let mut opened = crate::drive::open_again(&mut edge, &message).unwrap();
    let Folded::Done(outcome) = crate::drive::fold(&mut edge, &mut opened, nothing()) else {
        panic!("behind")
    };
    let [row] = outcome.write.profiles.as_slice() else { panic!("one visitor") };
    assert_eq!(row.keys.as_deref(), Some([("member".to_owned(), "m".to_owned())].as_slice()));
    let profile = usher_engine::profile::codec::decode(&row.state).unwrap();
    let (asked, access) = (Asked::Named(&[]), Access::default());
    let query = Query { event: None, asked, inputs: &[], edge: &[], access, blind: false };
    let explanation = edge.running("7").unwrap().plan.explain(&profile, &query, 1_790_000_000_000);
    let known: Vec<_> = explanation.attributes.iter().map(|known| (&*known.name, &known.value)).collect();
    assert_eq!(known, [("last_web", &Some(Value::from(5)))]);
    assert!(crate::drive::open(&mut edge, &message).is_err(), "the rate was used once");
}

/// The front that sent the message has not heard that one of its audiences was taken out.
#[test]
fn an_audience_that_was_taken_out_keeps_no_other_from_its_events() {
    let mut edge = Edge::new(None, false);
    install(&mut edge, "7", &["visitor"]);
    install(&mut edge, "8", &["visitor"]);
    let opened = |edge: &Edge, audiences: &[(&str, u64)], mode: Mode| {
        let audiences = audiences.iter().map(|(id, number)| ((*id).to_owned(), *number)).collect();
        let event = r#"{"visitor":"v","c0":5}"#;
        let message = Events { audiences, mode: mode.clone(), ..batch_of(event) };
        let body = if mode == Mode::Ingest { message.body } else { event.as_bytes().to_vec() };
        open(edge, Events { body, ..message }, None).unwrap().1
    };
    let personalize = || Mode::Personalize { named: None, server_route: false, sensitive_scope: false };
    let before = opened(&edge, &[("8", 1), ("7", 1)], Mode::Ingest);
    let again =
        Pointer { audience: "8".to_owned(), number: 3, hash: edge.running("8").unwrap().hash.clone() };
    let body = edge.running("8").unwrap().body.clone();
    edge.update_pointers(vec![Pointer { number: 2, hash: String::new(), ..again.clone() }], Vec::new());

    // The other one gets them, also of a message that was opened while both ran.
    for mut batch in [before, opened(&edge, &[("8", 1), ("7", 1)], Mode::Ingest)] {
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
        assert_eq!(outcome.response.body, br#"{"receipts":[{"success":true}]}"#);
        let audiences: Vec<_> = outcome.write.profiles.iter().map(|row| row.audience.as_str()).collect();
        assert_eq!(audiences, ["7"]);
    }
    // Without another one, the answer is that of a front that has heard of it.
    for (mode, refusal) in
        [(Mode::Ingest, Refusal::TABLE_UNKNOWN), (personalize(), Refusal::AUDIENCE_UNKNOWN)]
    {
        let Folded::Done(outcome) = fold(&edge, &mut opened(&edge, &[("8", 1)], mode), &[]) else {
            panic!("behind")
        };
        assert_eq!((outcome.response.status, outcome.response.body), (404, Response::refused(refusal).body));
        assert!(outcome.write.is_empty());
    }
    // It was published again, and this writer has not heard of that.
    let mut batch = opened(&edge, &[("8", 3), ("7", 1)], Mode::Ingest);
    let folded = fold(&edge, &mut batch, &[]);
    assert!(
        matches!(&folded, Folded::NeedsNewerBundle { audience, number: 3 } if audience == "8"),
        "{folded:?}"
    );
    edge.update_pointers(vec![again.clone()], Vec::new());
    edge.install(&again, body).unwrap();
    for number in [1, 3] {
        let mut batch = opened(&edge, &[("8", number), ("7", 1)], Mode::Ingest);
        let Folded::Done(outcome) = fold(&edge, &mut batch, &[]) else { panic!("behind") };
        assert_eq!(outcome.write.profiles.len(), 2);
    }
}
