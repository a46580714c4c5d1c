//! Profiles come back, whatever was read of them in between, and damage is noticed.

use alloc::string::{String, ToString};
use alloc::vec;
use core::cell::OnceCell;

use proptest::prelude::*;

use super::*;
use crate::attribute::{Counter, Item, ItemList, Order, Pick, Removed, Ring, Stamped, State, Total, Unit};
use crate::bytes::checksum;
use crate::definition::Keep;
use crate::limits::STORED_DEPTH_MAX;
use crate::merge::absorb;
use crate::profile::{Key, ProfileId};
use crate::value::{Nanos, Number, Value};

fn sample() -> Profile {
    let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
    profile.version = 3;
    profile.bundle = 9;
    profile.learn(Key { name: "td_client_id".into(), value: "anon-7".into(), seen_ms: -5 });
    let mut absorbed = Profile::new(ProfileId([9; 16]), 0);
    absorbed.edit_seen_ids(|seen| seen.events = vec![(1, 5), (u64::MAX, 700_000)]);
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
            patch: false,
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
fn profiles_come_back_from_either_form() {
    let profile = sample();
    for form in Form::ALL {
        let bytes = encode(&profile, form);
        assert_eq!(decode(&bytes).as_ref(), Ok(&profile));
        // Comparing has read everything; what is written then is the same.
        let read = decode(&bytes).unwrap();
        assert_eq!(read, profile);
        assert_eq!(encode(&read, form), bytes);
        // And what is not read at all is written as it was, by way of either form.
        for other in Form::ALL {
            let other = encode(&decode(&bytes).unwrap(), other);
            assert_eq!(encode(&decode(&other).unwrap(), form), bytes);
        }
        let nobody = Profile::unknown();
        assert_eq!(decode(&encode(&nobody, form)).as_ref(), Ok(&nobody));
        assert_eq!(encode(&decode(&encode(&nobody, form)).unwrap(), form), encode(&nobody, form));
    }
    assert!(encode(&profile, Form::Three).len() < encode(&profile, Form::Two).len());
}

/// Bytes of form 2 as a build before form 3 wrote them: every kind of state and section, nobody, a new visitor, and a
/// profile at its bounds.
const OF_FORM_2: [&[u8]; 4] = [
    include_bytes!("form-2/everything.bin"),
    include_bytes!("form-2/unknown.bin"),
    include_bytes!("form-2/visitor.bin"),
    include_bytes!("form-2/full.bin"),
];

/// Builds that know no patches read one as a record of another key, and keep it.
#[test]
fn a_patch_comes_back_beside_the_record_that_it_adds_to() {
    let mut profile = sample();
    let record = |key: &str, patch| BatchRecord {
        key: key.into(),
        computed_ms: 5,
        arrival_ms: -6,
        segments: None,
        values: vec![("city".into(), "Bern".into())],
        patch,
    };
    profile.edit_batch(|records| {
        records.extend([record("c-1", true), record("c-2", true), record("c-2", false)])
    });
    for form in Form::ALL {
        let bytes = encode(&profile, form);
        assert_eq!(decode(&bytes).unwrap(), profile);
        let keys = |key: &[u8]| bytes.windows(key.len()).filter(|window| *window == key).count();
        assert_eq!((keys(b"c-1\x005.-6"), keys(b"c-2\x005.-6")), (1, 1));
    }
}

#[test]
fn what_was_stored_before_is_read_and_written_as_it_was() {
    for bytes in OF_FORM_2 {
        let profile = decode(bytes).unwrap();
        assert_eq!(encode(&profile, Form::Two), bytes);
        // This decodes everything, and encodes it again.
        assert_eq!(profile, decode(bytes).unwrap());
        assert_eq!(encode(&profile, Form::Two), bytes);
        let present = encode(&profile, Form::Three);
        assert!(present.len() < bytes.len());
        assert_eq!(decode(&present).unwrap(), profile);
    }
    let [everything, _, _, full] = OF_FORM_2.map(|bytes| decode(bytes).unwrap());
    let mut expected = sample();
    assert_eq!(everything, expected);
    expected.edit_keys(Vec::clear);
    assert_ne!(everything, expected);
    assert_eq!((full.keys().len(), full.absorbed().len(), full.seen_ids().events.len()), (200, 256, 1_000));
}

#[test]
fn what_a_newer_build_wrote_is_not_damage() {
    let too_new = |bytes: Vec<u8>| assert_eq!(decode(&signed(bytes)), Err(Unreadable::TooNew));
    let bytes = encode(&sample(), Form::Three);
    // Another form, whatever follows.
    for number in [4, 200] {
        let mut newer = bytes.clone();
        newer[4] = number;
        too_new(newer.clone());
        assert_eq!(decode(&newer[..7]), Err(Unreadable::TooNew));
    }
    // A section, and a mark, that this build does not know.
    too_new([&bytes[..], &[9, 1, 0]].concat());
    let mut marked = bytes.clone();
    marked[HEAD + 1] += 1;
    marked.insert(HEAD + 2 + usize::from(bytes[HEAD + 1]), 2);
    too_new(marked);
    assert_eq!(Unreadable::TooNew.to_string(), "a newer build wrote this profile");
}

#[test]
fn that_it_was_trimmed_is_a_fact_of_form_3() {
    let mut profile = sample();
    profile.trimmed = true;
    assert!(decode(&encode(&profile, Form::Three)).unwrap().trimmed);
    assert!(!decode(&encode(&profile, Form::Two)).unwrap().trimmed);
}

/// Today's bounds are what a build keeps, and not what it reads.
#[test]
fn more_than_a_bound_is_read() {
    use crate::limits::{ABSORBED_MAX, KEYS_MAX, LIST_ITEMS_MAX, PARTS_MAX, SEEN_MAX, TOTAL_HOURS_MAX};
    let mut profile = Profile::new(ProfileId([5; 16]), 1_790_000_000_000);
    profile.edit_keys(|keys| {
        keys.extend((0..=KEYS_MAX).map(|number| Key {
            name: "cookie".into(),
            value: number.to_string(),
            seen_ms: 0,
        }));
    });
    profile.absorbed();
    profile.absorbed = OnceCell::from(vec![ProfileId([0; 16]); ABSORBED_MAX + 1]);
    profile.edit_seen_ids(|seen| seen.events = vec![(7, 0); SEEN_MAX + 1]);
    let item = |n: u32| Item {
        id: i64::from(n).into(),
        time_ms: i64::from(n),
        event_id: "e".into(),
        fields: vec![],
    };
    let removed = |n: u32| Removed { id: i64::from(n).into(), time_ms: 0, event_id: "e".into() };
    *profile.state_mut("list") = Some(State::List(ItemList {
        items: (0..=LIST_ITEMS_MAX).rev().map(item).collect(),
        removed: (0..=LIST_ITEMS_MAX).map(removed).collect(),
        ..ItemList::default()
    }));
    let rings = (1..=PARTS_MAX as i64 + 2).map(Ring::new).collect();
    *profile.state_mut("counter") = Some(State::Counter(Counter { unit: Unit::Events, rings }));
    let hours = (0..=TOTAL_HOURS_MAX as i64).map(|hour| (hour, 1)).collect();
    *profile.state_mut("total") =
        Some(State::Total(Total { unit: Unit::Events, earlier: 0, until: i64::MIN, hours }));
    *profile.state_mut("text") = Some(State::Picked(
        Pick::Last,
        Stamped { time_ms: 0, event_id: "e".into(), value: "x".repeat(600_000).as_str().into() },
    ));
    for form in Form::ALL {
        let back = decode(&encode(&profile, form)).unwrap();
        assert_eq!(back, profile);
        assert!(back.states().all(|(_, state)| !matches!(state, State::Foreign(..))));
    }
}

#[test]
fn what_one_change_touches_is_read_and_the_rest_is_copied() {
    let bytes = encode(&sample(), Form::Two);
    let mut profile = decode(&bytes).unwrap();
    *profile.state_mut("attribute_2") = Some(State::Sum(Nanos(5)));
    *profile.state_mut("attribute_0") = None;
    *profile.state_mut("an earlier one") = Some(State::Sum(Nanos(6)));
    let again = decode(&encode(&profile, Form::Three)).unwrap();
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
    assert!(names(&decode(&encode(&profile, Form::Two)).unwrap()).is_empty());
}

#[test]
fn every_truncation_is_noticed() {
    for bytes in Form::ALL.map(|form| encode(&sample(), form)) {
        for length in 0..bytes.len() {
            let read = decode(&bytes[..length]);
            assert!(matches!(read, Err(Unreadable::Damaged(_))), "cut at {length}");
        }
    }
}

#[test]
fn every_byte_counts() {
    for bytes in Form::ALL.map(|form| encode(&sample(), form)) {
        for position in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                assert!(decode(&damaged).is_err(), "byte {position} ^ {flip:#x}");
            }
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
    for form in Form::ALL {
        // A profile of nothing but its head, and one section as a build with an error would write it.
        let with = |tag: Tag, content: &[u8]| {
            let mut head = Writer::default();
            head.bytes(&[0; 16]);
            [0, 0, 0].into_iter().for_each(|number| head.unsigned(number));
            let mut out = Writer::default();
            out.bytes(&encode(&Profile::unknown(), form)[..HEAD]);
            section(&mut out, form, Tag::Head, |w| w.bytes(&head.0));
            for other in [
                Tag::Keys,
                Tag::Candidates,
                Tag::Absorbed,
                Tag::SeenIds,
                Tag::Batch,
                Tag::Orphans,
                Tag::Attributes,
            ] {
                let fits = other as u8 == tag as u8;
                section(&mut out, form, other, |w| w.bytes(if fits { content } else { &[] }));
            }
            decode(&signed(out.0))
        };
        let ends_early = Err(Unreadable::Damaged("ends early"));
        assert_eq!(with(Tag::SeenIds, &[2, 0, 0, 0]), ends_early);
        assert_eq!(with(Tag::SeenIds, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 10]).unwrap().seen_ids().events, [(0, 5)]);
        let mut deep = Value::Null;
        for _ in 0..STORED_DEPTH_MAX {
            deep = Value::List(vec![deep]);
        }
        let record = |value: Value| {
            let (key, segments, values) = ("c".into(), None, vec![("v".into(), value)]);
            let mut w = Writer::default();
            let record = BatchRecord { key, computed_ms: 0, arrival_ms: 0, segments, values, patch: false };
            w.list(&[record], write_record);
            w.0
        };
        assert_eq!(with(Tag::Batch, &record(deep)), Err(Unreadable::Damaged("a value nests too deep")));
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
            let read = with(tag, content);
            assert!(matches!(read, Err(Unreadable::Damaged(_))), "{} {content:?}", tag as u8);
        }
    }
    assert_eq!(decode(&[0; 20]), Err(Unreadable::Damaged("not a profile")));
    assert_eq!(decode(b"USHP\x01"), Err(Unreadable::Damaged("written in an unknown form")));
    let swapped = [b"USHP\x0312345678".as_slice(), &[2, 1, 0, 1, 1, 0]].concat();
    assert_eq!(decode(&signed(swapped)), Err(Unreadable::Damaged("has sections out of order")));
    assert_eq!(Unreadable::Damaged("ends early").to_string(), "damaged profile: ends early");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn wrong_bytes_are_refused_or_read(
        position in 0..1_000_usize,
        byte in any::<u8>(),
        form in prop::sample::select(&Form::ALL[..]),
    ) {
        let mut bytes = encode(&sample(), form);
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(profile) = decode(&signed(bytes)) {
            let again = decode(&encode(&profile, form)).unwrap();
            prop_assert_eq!(again.keys(), profile.keys());
            let _ = again.states().count() + profile.states().count();
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        form in prop::sample::select(&Form::ALL[..]),
    ) {
        let mut framed = b"USHP\x0212345678".to_vec();
        framed[4] = form.number();
        framed.extend(bytes);
        if let Ok(profile) = decode(&signed(framed)) {
            let _ = profile.states().count() + profile.keys().len() + profile.batch().len();
        }
    }
}
