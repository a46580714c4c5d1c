//! Profiles come back, whatever was read of them in between, and damage is noticed.

use alloc::string::{String, ToString};
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::attribute::{Counter, Item, ItemList, Order, Pick, Removed, Ring, Stamped, State, Total, Unit};
use crate::definition::Keep;
use crate::merge::absorb;
use crate::profile::bytes::checksum;
use crate::value::{Nanos, Number, Value};

fn sample() -> Profile {
    let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
    profile.version = 3;
    profile.bundle = 9;
    profile.learn(Key { name: "td_client_id".into(), value: "anon-7".into(), seen_ms: -5 });
    profile.suspect(Key { name: "email".into(), value: "a@b".into(), seen_ms: 5 });
    let mut absorbed = Profile::new(ProfileId([9; 16]), 0);
    absorbed.edit_seen(|seen| seen.events = vec![(1, 5), (u64::MAX, 700_000)]);
    absorb(&mut profile, absorbed, &[], 0);
    profile.edit_batch(|records| {
        records.push(BatchRecord {
            key: "c-1".into(),
            computed_ms: 1,
            arrival_ms: 2,
            segments: Some(vec!["vip".into()]),
            values: vec![
                ("tier".into(), "VIP".into()),
                ("list".into(), Value::List(vec![1.into()])),
                ("object".into(), Value::Object(vec![("a".into(), 1.into())])),
            ],
        });
    });
    let stamped = || Stamped { time_ms: 4, event_id: "e".into(), value: Value::Number(Number::Float(-0.5)) };
    let ring = |buckets| Ring { width_ms: 60_000, buckets };
    let list = ItemList {
        has_ids: true,
        keep: Keep::Oldest,
        columns: vec!["brand".into(), "price".into()],
        items: vec![
            Item { id: true.into(), time_ms: 3, event_id: "f".into(), fields: vec![None, Some(2.into())] },
            Item { id: "x".into(), time_ms: -3, event_id: "g".into(), fields: vec![Some("b".into()), None] },
        ],
        removed: vec![Removed { id: 5.into(), time_ms: 8, event_id: "r".into() }],
        cleared: Some((-9, "c".into())),
    };
    let counter = Counter {
        unit: Unit::Nanos,
        rings: vec![ring(vec![(-1, i128::MIN), (8, i128::MAX)]), Ring::new(120_000)],
    };
    let total = Total {
        unit: Unit::Events,
        earlier: 7,
        until: i64::MIN,
        hours: vec![(i64::MIN + 1, 1), (i64::MAX, -1)],
    };
    let states = [
        State::Picked(Pick::Min(Order::Instant), stamped()),
        State::PickedWithin(Pick::First, Ring { width_ms: 1, buckets: vec![(5, stamped()), (6, stamped())] }),
        State::Sum(Nanos(-1)),
        State::List(list),
        State::Counter(counter),
        State::Total(total),
        State::Foreign(200, vec![1, 2, 3]),
    ];
    for (index, state) in states.into_iter().enumerate() {
        *profile.state_mut(&alloc::format!("attribute_{index}")) = Some(state);
    }
    profile.adopt(11, |name| name != "attribute_2", 1_790_000_000_000);
    profile
}

#[test]
fn profiles_come_back() {
    let profile = sample();
    let bytes = encode(&profile);
    assert_eq!(decode(&bytes).as_ref(), Ok(&profile));
    // Comparing has read everything; what is written then is the same.
    let read = decode(&bytes).unwrap();
    assert_eq!(read, profile);
    assert_eq!(encode(&read), bytes);
    // And what is not read at all is written as it was.
    assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    let nobody = Profile::unknown();
    assert_eq!(decode(&encode(&nobody)).as_ref(), Ok(&nobody));
    assert_eq!(encode(&decode(&encode(&nobody)).unwrap()).len(), encode(&nobody).len());
}

#[test]
fn what_one_change_touches_is_read_and_the_rest_is_copied() {
    let bytes = encode(&sample());
    let mut profile = decode(&bytes).unwrap();
    *profile.state_mut("attribute_2") = Some(State::Sum(Nanos(5)));
    *profile.state_mut("attribute_0") = None;
    *profile.state_mut("an earlier one") = Some(State::Sum(Nanos(6)));
    let again = decode(&encode(&profile)).unwrap();
    assert_eq!(again, profile);
    let names: Vec<&str> = again.states().map(|(name, _)| name).collect();
    let kept = ["attribute_1", "attribute_2", "attribute_3", "attribute_4", "attribute_5", "attribute_6"];
    assert_eq!(names, [&["an earlier one"], &kept[..]].concat());
    assert_eq!(again.state("attribute_2"), Some(&State::Sum(Nanos(5))));
    assert_eq!(again.state("attribute_6"), Some(&State::Foreign(200, vec![1, 2, 3])));
    assert_eq!(again.state("attribute_0"), None);
}

#[test]
fn state_that_no_definition_knows_is_kept_for_30_days() {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    let start = 1_790_000_000_000;
    let mut profile = sample();
    let names = |profile: &Profile| profile.orphans().iter().map(|o| o.name.clone()).collect::<Vec<String>>();
    assert_eq!(names(&profile), ["attribute_2"]);
    profile.adopt(11, |_| true, start + DAY);
    assert_eq!(names(&profile), ["attribute_2"], "the same bundle says nothing new");
    profile.adopt(12, |name| name != "attribute_2", start + 30 * DAY - 1);
    assert!(profile.state("attribute_2").is_some());
    let mut rolled_back = profile.clone();
    rolled_back.adopt(13, |_| true, start + 30 * DAY - 1);
    rolled_back.adopt(14, |_| true, start + 40 * DAY);
    assert!(rolled_back.state("attribute_2").is_some(), "a definition that knows it again keeps it");
    profile.adopt(12, |name| name != "attribute_2", start + 30 * DAY);
    assert!(profile.state("attribute_2").is_none());
    assert!(names(&decode(&encode(&profile)).unwrap()).is_empty());
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = encode(&sample());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn every_byte_counts() {
    let bytes = encode(&sample());
    for position in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            assert!(decode(&damaged).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
}

/// The same bytes with a checksum that fits: what only a writer with an error could have stored.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= HEAD {
        let sum = checksum(&bytes[HEAD..]).to_le_bytes();
        bytes[5..HEAD].copy_from_slice(&sum);
    }
    bytes
}

#[test]
fn what_cannot_be_read_is_damage_and_not_empty() {
    // By its place in a blob of nothing but heads, each section as a build with larger bounds would write it.
    let with = |tag: Tag, content: &[u8]| {
        let plain = encode(&Profile::unknown());
        let mut at = HEAD;
        for _ in 1..tag as u8 {
            let length = u32::from_le_bytes(plain[at + 1..at + 5].try_into().unwrap()) as usize;
            at += 5 + length;
        }
        let old = u32::from_le_bytes(plain[at + 1..at + 5].try_into().unwrap()) as usize;
        let mut bytes = plain[..=at].to_vec();
        bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        bytes.extend(content);
        bytes.extend(&plain[at + 5 + old..]);
        decode(&signed(bytes))
    };
    let mut seen = Writer::default();
    seen.count(SEEN_MAX + 1);
    seen.bytes(&vec![0; (SEEN_MAX + 1) * 9]);
    assert_eq!(with(Tag::Seen, &seen.0), Err(Damaged("has more entries than its bound")));
    assert_eq!(with(Tag::Seen, &[2, 0, 0, 0]), Err(Damaged("ends early")));
    assert_eq!(with(Tag::Seen, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 10]).unwrap().seen().events, [(0, 5)]);
    assert_eq!(decode(&vec![0; PROFILE_BYTES_MAX * 2]), Err(Damaged("not a profile")));
    assert_eq!(decode(&vec![0; PROFILE_BYTES_MAX * 2 + 1]), Err(Damaged("too large")));
    assert_eq!(Damaged("ends early").to_string(), "damaged profile: ends early");
    let mut deep = Value::Null;
    for _ in 0..VALUE_DEPTH_MAX {
        deep = Value::List(vec![deep]);
    }
    let record = |value: Value| {
        let (key, segments, values) = ("c".into(), None, vec![("v".into(), value)]);
        let mut w = Writer::default();
        let record = BatchRecord { key, computed_ms: 0, arrival_ms: 0, segments, values };
        w.list(&[record], write_record);
        w.0
    };
    assert_eq!(with(Tag::Batch, &record(deep)), Err(Damaged("a value nests too deep")));
    assert_eq!(with(Tag::Batch, &record(5.into())).unwrap().batch().len(), 1);
    for (tag, content) in [
        (Tag::Keys, &[1, 1, 0xff, 0, 0][..]),
        (Tag::Keys, &[1, 0, 0]),
        (Tag::Candidates, &[1, 0, 0, 0, 7]),
        (Tag::Absorbed, &[1, 0, 0]),
        (Tag::Orphans, &[2, 0, 0]),
        (Tag::Attributes, &[1, 0, 0, 0]),
        (Tag::Attributes, &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a']),
        (Tag::Attributes, &[1, 0, 0]),
        (Tag::Attributes, &[0, 0, 0, 0, 9]),
        (Tag::Attributes, &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'a', 0, 0]),
        (Tag::Attributes, &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, b'a', b'b', 0]),
    ] {
        assert!(with(tag, content).is_err(), "{} {content:?}", tag as u8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn wrong_bytes_are_refused_or_read(position in 0..1_000_usize, byte in any::<u8>()) {
        let mut bytes = encode(&sample());
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(profile) = decode(&signed(bytes)) {
            let again = decode(&encode(&profile)).unwrap();
            prop_assert_eq!(again.keys(), profile.keys());
            let _ = again.states().count() + profile.states().count();
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"USHP\x0212345678".to_vec();
        framed.extend(bytes);
        if let Ok(profile) = decode(&signed(framed)) {
            let _ = profile.states().count() + profile.keys().len() + profile.batch().len();
        }
    }
}
