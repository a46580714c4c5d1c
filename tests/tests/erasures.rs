//! Erasure over several shards: the interleavings that must hold, each by its name (docs/shards.md, "Erasure").
//!
//! `cargo test -p usher-tests --test erasures`.

use usher_edge::Step;
use usher_tests::bed::{Bed, NOW_MS, is_claim};

/// The receipts of an event.
fn receipts(bed: &mut Bed, event: &str) -> String {
    let number = bed.send(event);
    bed.shards.settle();
    let answer = bed.shards.answer(number).expect("answered");
    String::from_utf8(answer.body.clone()).expect("text")
}

fn nothing_is_left(bed: &mut Bed, keys: &[(&str, &str)]) {
    for (name, value) in keys {
        assert_eq!(bed.views(name, value), Some(0), "{name}");
    }
    assert_eq!(bed.profiles(keys).len(), 0);
    let rows = bed.shards.stores.iter().map(|store| {
        let rows = &store.shard;
        let led = rows.pointers.iter().filter(|row| row.holder.is_some() || row.before.is_some()).count();
        led + rows.intents.len() + rows.sealed.len() + rows.outbox.len()
    });
    assert_eq!(rows.sum::<usize>(), 0, "no pointer, merge or message is left");
    // Where the erased profile was, nobody commits its id again.
    let gone = bed.shards.stores.iter().flat_map(|store| &store.shard.gone);
    assert_eq!(gone.filter(|row| row.into.is_some()).count(), 0, "no retired id is left");
}

/// A profile with keys in three shards, of which two were profiles of their own, goes by any of them.
#[test]
fn a_profile_goes_by_each_of_its_keys() {
    for by in ["a", "b", "c"] {
        let mut bed = Bed::new(3);
        let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
        bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
        bed.shards.now_ms += 1_000;
        bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
        bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "c": "{c}", "n": 4}}"#));
        let keys = [("a", &*a), ("b", &*b), ("c", &*c)];
        let value = keys.iter().find(|(name, _)| *name == by).expect("a key").1.to_owned();
        let shown = bed.of_profile("GET", by, &value);
        bed.shards.settle();
        let shown =
            String::from_utf8(bed.shards.answer(shown).expect("answered").body.clone()).expect("text");
        assert!(keys.iter().all(|(_, value)| shown.contains(value)), "{shown}");
        assert_eq!(bed.erase(by, &value), 200);
        nothing_is_left(&mut bed, &keys);
        // Its answer may have been lost.
        assert_eq!(bed.erase(by, &value), 200);
        nothing_is_left(&mut bed, &keys);
        // Earlier events are refused, whichever key leads and whichever was erased elsewhere.
        let before = NOW_MS / 1_000 - 5;
        for event in [
            format!(r#"{{"a": "{a}", "time": {before}}}"#),
            format!(r#"{{"a": "other", "c": "{c}", "time": {before}}}"#),
            format!(r#"{{"person": "p", "b": "{b}", "time": {before}}}"#),
        ] {
            assert!(receipts(&mut bed, &event).contains("erased"), "{event}");
        }
        nothing_is_left(&mut bed, &keys);
        bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "c": "{c}", "n": 8}}"#));
        assert_eq!(bed.views("c", &c), Some(8));
    }
}

/// An erasure with an open intent waits for the merge, and takes the source along.
#[test]
fn an_erasure_with_an_open_intent() {
    for by in ["a", "b"] {
        for steps in 0..40 {
            let mut bed = Bed::new(2);
            let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
            bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
            bed.shards.now_ms += 1_000;
            bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
            bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 4}}"#));
            while bed.shards.stores[0].shard.intents.is_empty() {
                assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
            }
            if by == "b" {
                // Until then nobody has told the source.
                while bed.shards.stores[1].shard.sealed.is_empty() {
                    assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be sealed");
                }
            }
            for _ in 0..steps {
                let _ = bed.shards.step(0) || bed.shards.tick();
            }
            let value = if by == "a" { a.clone() } else { b.clone() };
            assert_eq!(bed.erase(by, &value), 200, "by {by} after {steps}");
            nothing_is_left(&mut bed, &[("a", &a), ("b", &b)]);
        }
    }
}

/// A shard ends at any step of an erasure, or a message of it is lost: it is as if it had not been asked, or done; asked again it
/// is done.
#[test]
fn a_crash_at_each_step_of_an_erasure() {
    for at in 0..40 {
        for fault in 0..4 {
            let mut bed = Bed::new(3);
            let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
            bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 1}}"#));
            bed.shards.now_ms += 1_000;
            bed.tell(&format!(r#"{{"a": "{a}", "n": 2}}"#));
            bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 4}}"#));
            let first = bed.of_profile("DELETE", "a", &a);
            for _ in 0..at {
                let _ = bed.shards.step(0) || bed.shards.tick();
            }
            match fault {
                3 => bed.shards.lose(0),
                shard => bed.shards.crash(shard),
            }
            bed.shards.settle();
            let first = bed.shards.answer(first).expect("answered").status;
            let views = ["a", "b", "c"].map(|name| {
                let value = match name {
                    "a" => &a,
                    "b" => &b,
                    _ => &c,
                };
                bed.views(name, value)
            });
            assert!(views == [Some(7); 3] || views == [Some(0); 3], "after {at}, fault {fault}: {views:?}");
            assert!(first != 200 || views == [Some(0); 3], "after {at}, fault {fault}");
            assert_eq!(bed.erase("a", &a), 200, "after {at}, fault {fault}");
            nothing_is_left(&mut bed, &[("a", &a), ("b", &b), ("c", &c)]);
        }
    }
}

/// The home of a key does not answer: nothing is erased, and the caller hears so.
#[test]
fn a_home_does_not_answer() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    let number = bed.of_profile("DELETE", "a", &a);
    while bed.shards.answer(number).is_none() {
        match bed.shards.queue.iter().position(|sent| sent.shard == 1) {
            Some(at) => bed.shards.lose(at),
            None => assert!(bed.shards.step(0) || bed.shards.tick()),
        }
    }
    assert_eq!(bed.shards.answer(number).expect("answered").status, 503);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(1), Some(1)));
    assert_eq!(bed.erase("b", &b), 200);
    nothing_is_left(&mut bed, &[("a", &a), ("b", &b)]);
}

/// A key that was erased goes on to a survivor elsewhere: its shard knows of the erasure without asking.
#[test]
fn a_survivor_gets_an_erased_key() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 2}}"#));
    let before = NOW_MS / 1_000 - 5;
    assert_eq!(bed.erase("c", &c), 200);
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 4}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 8}}"#));
    assert_eq!(bed.views("c", &c), Some(13));
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1);
    let late = receipts(&mut bed, &format!(r#"{{"a": "{a}", "c": "{c}", "time": {before}, "n": 16}}"#));
    assert!(late.contains("erased"), "{late}");
    assert_eq!(bed.views("a", &a), Some(13));
}

/// A profile has claimed a key of one that is erased, by this key or another, and waits for something else: what it then commits hears of
/// the erasure.
#[test]
fn an_erasure_between_claim_and_commit() {
    for by in ["person", "c"] {
        let mut bed = Bed::new(3);
        let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
        let (c, person) = (bed.value_in("c", 2), bed.value_in("person", 2));
        bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
        bed.shards.now_ms += 1_000;
        bed.tell(&format!(r#"{{"c": "{c}", "person": "{person}", "n": 2}}"#));
        let first = format!(r#"{{"a": "{a}", "person": "{person}", "n": 4}}"#);
        let joining = bed.send(&format!(r#"{first}, {{"a": "{a}", "b": "{b}", "n": 8}}"#));
        while !bed.shards.queue.iter().any(|sent| sent.shard == 1 && is_claim(sent)) {
            assert!(bed.shards.step(0) || bed.shards.tick(), "the second key comes to be claimed");
        }
        while let Some(at) = bed.shards.queue.iter().position(|sent| sent.shard != 1) {
            bed.shards.step(at);
        }
        let claimed = |bed: &Bed| bed.shards.stores[2].shard.pointers.iter().any(|row| row.holder.is_some());
        assert!(claimed(&bed), "the first one is claimed");
        let held: Vec<_> = bed.shards.queue.drain(..).collect();
        bed.shards.now_ms += 1_000;
        let erased = bed.of_profile("DELETE", by, if by == "c" { &c } else { &person });
        while bed.shards.answer(erased).is_none() {
            assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to an end");
        }
        assert_eq!(bed.shards.answer(erased).map(|answer| answer.status), Some(200));
        bed.shards.queue.extend(held);
        bed.shards.settle();
        let answer = bed.shards.answer(joining).expect("answered");
        let receipts = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(receipts.contains("erased"), "by {by}: {receipts}");
        assert_eq!((bed.views("a", &a), bed.views("person", &person)), (Some(9), Some(0)), "by {by}");
    }
}

/// An erased key gets a profile again: whoever hears of that answers from no copy of the erased one any more. Its later events make no
/// copy wrong.
#[test]
fn copies_of_an_erased_key_that_begins_anew() {
    for shards in [1, 3] {
        let mut bed = Bed::new(shards);
        let (a, b) = (bed.value_in("a", 0), bed.value_in("b", shards - 1));
        bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
        assert_eq!(bed.erase("a", &a), 200);
        bed.shards.now_ms += 1_000;
        let forgets = |bed: &mut Bed, event: &str| {
            let number = bed.send(event);
            bed.shards.settle();
            bed.succeeded(number);
            let answer = bed.shards.answer(number).expect("answered");
            answer
                .headers
                .iter()
                .find(|(name, _)| *name == usher_edge::FORGET)
                .map(|(_, names)| names.clone())
        };
        // A time, and a name for each key.
        let names = |header: Option<String>| {
            header.map(|header| header.split(' ').nth(1).map_or(0, |names| names.split(',').count()))
        };
        let event = format!(r#"{{"a": "{a}", "b": "{b}", "n": 2}}"#);
        let begun = forgets(&mut bed, &event);
        assert_eq!(names(begun), Some(2), "{shards} shards");
        assert_eq!(forgets(&mut bed, &event), None);
    }
}

/// Imports of an erased key are refused wherever its profile begins anew, until they are admitted.
#[test]
fn imports_of_an_erased_key() {
    let mut bed = Bed::new(4);
    let (a, person) = (bed.value_in("a", 0), bed.value_in("person", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "person": "{person}", "n": 1}}"#));
    assert_eq!(bed.erase("a", &a), 200);
    bed.tell(&format!(r#"{{"a": "{a}", "person": "{person}", "n": 2}}"#));
    let import = |bed: &mut Bed| {
        let body = format!(r#"{{"person": "{person}"}}"#);
        let target = "/v1/audiences/1069944/profiles/import";
        let Step::Write { shard, message } = bed.front("POST", target, "server", body.as_bytes()) else {
            panic!("an import is for a writer")
        };
        let number = bed.shards.send(shard, message);
        bed.shards.settle();
        String::from_utf8(bed.shards.answer(number).expect("answered").body.clone()).expect("text")
    };
    assert!(import(&mut bed).contains(r#""reason":"erased""#));
    let target = format!("/v1/audiences/1069944/suppressions/person/{person}");
    let Step::Write { shard, message } = bed.front("DELETE", &target, "server", b"") else {
        panic!("a writer has the suppression")
    };
    bed.shards.send(shard, message);
    bed.shards.settle();
    assert!(import(&mut bed).contains(r#""imported":1"#));
}

/// Rows about profiles that went, pointers of nobody's keys and withdrawn merges go when no message can be about them any more.
#[test]
fn rows_of_no_more_use_go() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "c": "{c}", "n": 4}}"#));
    bed.tell(r#"{"a": "stays", "b": "too", "n": 1}"#);
    assert_eq!(bed.erase("a", &a), 200);
    let of_no_use = |bed: &Bed| {
        let rows = bed.shards.stores.iter().map(|store| {
            let closed = store.shard.pointers.iter().filter(|row| row.holder.is_none()).count();
            store.shard.gone.len() + closed
        });
        rows.sum::<usize>()
    };
    let led = |bed: &Bed| {
        let pointers = bed.shards.stores.iter().flat_map(|store| &store.shard.pointers);
        pointers.filter(|row| row.holder.is_some()).count()
    };
    let (before, leading) = (of_no_use(&bed), led(&bed));
    assert!(before > 1);
    let tick = |bed: &mut Bed| {
        let Step::Write { shard, message } = bed.front("POST", "/v1/tick", "admin", b"") else {
            panic!("shards keep themselves up")
        };
        let number = bed.shards.send(shard, message);
        bed.shards.settle();
        assert_eq!(bed.shards.answer(number).expect("answered").status, 200);
    };
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    tick(&mut bed);
    bed.shards.now_ms += 399 * DAY_MS;
    tick(&mut bed);
    assert_eq!(of_no_use(&bed), before, "messages from then may be about them");
    bed.tell(r#"{"a": "stays", "b": "too", "n": 1}"#);
    bed.shards.now_ms += 2 * DAY_MS;
    tick(&mut bed);
    assert_eq!((of_no_use(&bed), led(&bed)), (0, leading));
    assert_eq!(bed.views("b", "too"), Some(2));
}
