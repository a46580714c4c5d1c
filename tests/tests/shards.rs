//! Merges across shards under every order of messages that a random driver finds, with copies, losses and crashes; and the
//! cases that must hold, each by its name.
//!
//! `cargo test -p usher-tests --test shards`. A failing seed is printed; `USHER_SEED` runs it alone.

use usher_edge::lookup::{self, Candidate};
use usher_edge::store::Store;
use usher_edge::wire::Response;
use usher_edge::{Edge, Folded, Step, drive};
use usher_tests::bed::{Bed, is_claim};
use usher_tests::deployment::Keys;
use usher_tests::shards::{Envelope, Reply};

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % most.max(1)
    }
}

/// Visitors whose keys meet in any order, under a driver that reorders, copies and loses messages and ends shards.
fn history(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bed = Bed::new(1 + u32::try_from(random.below(5)).expect("few"));
    let shards = bed.shards.stores.len();
    // Values of three keys; every value of one number belongs to one visitor.
    let visitors = 1 + random.below(3);
    let mut sent: Vec<(usize, usize, i64)> = Vec::new();
    for number in 0..(2 + random.below(10)) {
        let visitor = random.below(visitors);
        let one =
            |name: &str, random: &mut Random| format!("\"{name}\": \"{name}{visitor}{}\"", random.below(2));
        let mut names = vec!["a", "b", "c"];
        names.retain(|_| random.below(2) == 0);
        if names.is_empty() {
            names.push("a");
        }
        let keys: Vec<String> = names.iter().map(|name| one(name, &mut random)).collect();
        let weight = 1_i64 << number;
        let event = format!("{{{}, \"uuid\": \"{number}\", \"n\": {weight}}}", keys.join(", "));
        sent.push((bed.send(&event), visitor, weight));
        for _ in 0..random.below(12) {
            if bed.shards.queue.is_empty() {
                bed.shards.tick();
            }
            if bed.shards.queue.is_empty() {
                break;
            }
            let at = random.below(bed.shards.queue.len());
            match random.below(20) {
                0 => bed.shards.lose(at),
                // Only what is stored is sent twice: questions are answered to whoever waits.
                1 if matches!(bed.shards.queue[at].reply, Reply::Outbox(..)) => {
                    let copy = bed.shards.queue[at].clone();
                    bed.shards.queue.push(copy);
                }
                2 => bed.shards.crash(u32::try_from(random.below(shards)).expect("few")),
                _ => drop(bed.shards.step(at)),
            }
            if random.below(10) == 0 {
                bed.shards.now_ms += 300;
            }
        }
    }
    bed.shards.settle();
    // Each visitor shows all keys at once, so that all of theirs become one.
    for visitor in 0..visitors {
        for (left, right) in [("0", "0"), ("1", "0"), ("1", "1"), ("0", "1")] {
            bed.tell(&format!(
                r#"{{"a": "a{visitor}{left}", "b": "b{visitor}{right}", "c": "c{visitor}{left}", "n": 0}}"#
            ));
        }
    }
    for visitor in 0..visitors {
        let acknowledged: i64 = sent
            .iter()
            .filter(|(at, of, _)| *of == visitor && bed.is_stored(*at))
            .map(|(_, _, weight)| weight)
            .sum();
        let possible: i64 =
            sent.iter().filter(|(_, of, _)| *of == visitor).map(|(_, _, weight)| weight).sum();
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            for value in ["0", "1"] {
                all.push(bed.views(name, &format!("{name}{visitor}{value}")));
            }
        }
        let views = all[0].expect("known");
        assert!(all.iter().all(|known| *known == Some(views)), "seed {seed}, visitor {visitor}: {all:?}");
        assert_eq!(views & acknowledged, acknowledged, "seed {seed}: an acknowledged event is not counted");
        assert_eq!(views & !possible, 0, "seed {seed}: {views} of {possible} is invented or counted twice");
    }
    let keys: Vec<(String, String)> = (0..visitors)
        .flat_map(|visitor| {
            ["a", "b", "c"].into_iter().flat_map(move |name| {
                ["0", "1"].map(|value| (name.to_owned(), format!("{name}{visitor}{value}")))
            })
        })
        .collect();
    let asked: Vec<(&str, &str)> = keys.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(bed.profiles(&asked).len(), visitors, "seed {seed}: each visitor has one profile");
    let open = bed.shards.stores.iter().map(|store| store.shard.intents.len() + store.shard.sealed.len());
    assert_eq!(open.sum::<usize>(), 0, "seed {seed}: nothing is left open");
}

/// A resend to a sealed source waits, and is counted once when the merge is done.
#[test]
fn a_resend_to_a_sealed_source() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "uuid": "1", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "uuid": "2", "n": 2}}"#));
    let joining = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "uuid": "3", "n": 4}}"#));
    while bed.shards.stores[1].shard.sealed.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be sealed");
    }
    let again = bed.send(&format!(r#"{{"b": "{b}", "uuid": "2", "n": 2}}"#));
    bed.shards.settle();
    bed.succeeded(joining);
    bed.succeeded(again);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(7), Some(7)));
}

/// A profile has the primary key of one that it is about to absorb. What that one has counted comes again meanwhile, alone or in
/// one batch with the event that joins the two: it is counted once.
#[test]
fn a_resend_between_propose_and_seal() {
    let mut bed = Bed::new(2);
    let (a, person) = (bed.value_in("a", 0), bed.value_in("person", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "uuid": "1", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    let resent = format!(r#"{{"person": "{person}", "uuid": "2", "n": 2}}"#);
    bed.tell(&resent);
    let joining =
        bed.send(&format!(r#"{{"a": "{a}", "person": "{person}", "uuid": "3", "n": 4}}, {resent}"#));
    while bed.shards.stores[0].shard.intents.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
    }
    let late = std::mem::take(&mut bed.shards.queue);
    let again = bed.send(&resent);
    let is_asked = |sent: &Envelope| !matches!(sent.reply, Reply::Outbox(..) | Reply::Nobody);
    while let Some(at) = bed.shards.queue.iter().position(is_asked) {
        bed.shards.step(at);
    }
    bed.shards.queue.extend(late);
    bed.shards.settle();
    bed.succeeded(joining);
    bed.succeeded(again);
    assert_eq!((bed.views("a", &a), bed.views("person", &person)), (Some(7), Some(7)));
}

/// The survivor of an open merge is absorbed by an older profile of its own shard before *seal*: that one absorbs the source.
#[test]
fn a_survivor_is_absorbed_in_its_shard_between_propose_and_seal() {
    for resent in [false, true] {
        let mut bed = Bed::new(2);
        let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 0));
        bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
        bed.shards.now_ms += 1_000;
        bed.tell(&format!(r#"{{"c": "{c}", "n": 2}}"#));
        bed.shards.now_ms += 1_000;
        bed.tell(&format!(r#"{{"b": "{b}", "uuid": "3", "n": 4}}"#));
        let joining = bed.send(&format!(r#"{{"c": "{c}", "b": "{b}", "n": 8}}"#));
        while bed.shards.stores[0].shard.intents.is_empty() {
            assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
        }
        let inside = bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 16}}"#));
        // The source's shard hears of nothing meanwhile.
        while let Some(at) = bed.shards.queue.iter().position(|sent| sent.shard == 0) {
            bed.shards.step(at);
        }
        let survivor = bed.profiles(&[("a", &a)]);
        let intents = &bed.shards.stores[0].shard.intents;
        assert_eq!(intents.iter().map(|row| row.survivor).collect::<Vec<_>>(), survivor);
        if resent {
            bed.send(&format!(r#"{{"b": "{b}", "uuid": "3", "n": 4}}"#));
        }
        bed.shards.settle();
        bed.succeeded(joining);
        bed.succeeded(inside);
        for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
            assert_eq!(bed.views(name, value), Some(31), "{name}");
        }
        assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]), survivor);
        let open = bed.shards.stores.iter().map(|store| store.shard.intents.len() + store.shard.sealed.len());
        assert_eq!(open.sum::<usize>(), 0, "nothing is left open");
    }
}

/// A key goes from one person to another and back before the first one's profile, in the key's home, has heard that it went: the late
/// message leaves it there.
#[test]
fn a_key_that_is_taken_back_before_it_was_let_go() {
    let mut bed = Bed::new(2);
    let (one, other, b) = (bed.value_in("person", 1), bed.value_in("person", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"person": "{one}", "b": "{b}", "n": 1}}"#));
    bed.tell(&format!(r#"{{"person": "{other}", "n": 2}}"#));
    let moving = bed.send(&format!(r#"{{"person": "{other}", "b": "{b}", "n": 4}}"#));
    let is_drop = |sent: &Envelope| sent.message.get(3..5) == Some(&[18, 6]);
    while !bed.shards.queue.iter().any(is_drop) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "the one who had it is told");
    }
    let at = bed.shards.queue.iter().position(is_drop).expect("a message");
    let late = bed.shards.queue.remove(at);
    while bed.shards.step(0) {}
    let back = bed.send(&format!(r#"{{"person": "{one}", "b": "{b}", "n": 8}}"#));
    while bed.shards.step(0) {}
    bed.shards.queue.push(late);
    bed.shards.settle();
    bed.succeeded(moving);
    bed.succeeded(back);
    assert_eq!((bed.views("b", &b), bed.views("person", &one)), (Some(9), Some(9)));
    assert_eq!((bed.views("person", &other), bed.profiles(&[("b", &b)]).len()), (Some(6), 1));
}

/// A key's pointer leads to a profile that another one has absorbed, and somebody else claims the key and is not committed: who has
/// absorbed the holder has the key still.
#[test]
fn a_claim_on_an_absorbed_holder_that_is_not_committed() {
    let mut bed = Bed::new(3);
    let (person, other) = (bed.value_in("person", 0), bed.value_in("person", 1));
    let (b, c) = (bed.value_in("b", 1), bed.value_in("c", 2));
    bed.tell(&format!(r#"{{"person": "{person}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 2}}"#));
    bed.send(&format!(r#"{{"person": "{person}", "b": "{b}", "n": 4}}"#));
    let is_told = |sent: &Envelope| sent.shard == 2 && sent.message.get(3..5) == Some(&[18, 5]);
    while !bed.shards.queue.iter().any(is_told) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "the home of the other key is told");
    }
    let at = bed.shards.queue.iter().position(is_told).expect("a message");
    let late = bed.shards.queue.remove(at);
    while bed.shards.step(0) {}
    bed.send(&format!(r#"{{"person": "{other}", "c": "{c}", "n": 8}}"#));
    bed.dies_after_its_claim(1, 2);
    bed.shards.queue.push(late);
    bed.shards.settle();
    bed.tell(&format!(r#"{{"c": "{c}", "n": 16}}"#));
    assert_eq!((bed.views("c", &c), bed.views("person", &person)), (Some(23), Some(23)));
}

/// The homes of a new visitor's keys hear that its profile is committed, and its answer does not wait for that.
#[test]
fn the_first_event_of_a_visitor_waits_for_its_claims_alone() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    let number = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    while bed.shards.answer(number).is_none() {
        assert!(bed.shards.step(0), "nothing that it needs is still to come");
    }
    bed.succeeded(number);
    assert_eq!(bed.shards.stores[0].shard.outbox.len(), 1, "the other home has not answered");
    bed.shards.settle();
    assert!(bed.shards.stores[1].shard.pointers.iter().all(|row| row.committed));
}

/// The shard of a profile is put back to a copy of before the profile was made: who asks by a key with another home is refused, and
/// that key's home makes nobody of it.
#[test]
fn a_shard_is_restored_alone() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    let copy = bed.shards.stores[0].clone();
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    assert_eq!(bed.views("b", &b), Some(1));
    bed.shards.stores[0] = copy;
    let refused = |bed: &mut Bed, event: &str| {
        let number = bed.send(event);
        bed.shards.settle();
        let answer = bed.shards.answer(number).expect("answered");
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    let (status, body) = refused(&mut bed, &format!(r#"{{"b": "{b}", "n": 2}}"#));
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("a shard was restored to an earlier time than the others"), "{body}");
    assert!(bed.shards.log().iter().any(|line| line.contains("shard_restored")), "{:?}", bed.shards.log());
    // Through another shard, too.
    assert_eq!(refused(&mut bed, &format!(r#"{{"c": "{c}", "b": "{b}", "n": 4}}"#)).0, 503);
    assert_eq!(bed.lookup_status("b", &b), 503);
    for method in ["GET", "DELETE"] {
        let number = bed.of_profile(method, "b", &b);
        bed.shards.settle();
        assert_eq!(bed.shards.answer(number).expect("answered").status, 503, "{method}");
    }
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 0, "nobody is made of them");
    // Others are served.
    bed.tell(&format!(r#"{{"c": "{c}", "n": 8}}"#));
    assert_eq!(bed.views("c", &c), Some(8));
}

/// The operator lets them begin anew: they are nobody until their next event, which makes a profile that all of them lead to.
#[test]
fn whom_a_restored_shard_has_lost_begins_anew() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    let copy = bed.shards.stores[0].clone();
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 2}}"#));
    bed.shards.stores[0] = copy;
    assert_eq!(bed.lookup_status("b", &b), 503);
    bed.shards.edge.set_lost("anew");
    assert_eq!((bed.lookup_status("b", &b), bed.views("c", &c)), (200, Some(0)));
    bed.tell(&format!(r#"{{"b": "{b}", "n": 4}}"#));
    bed.tell(&format!(r#"{{"c": "{c}", "b": "{b}", "n": 8}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 16}}"#));
    // The setting is taken back: who began anew stays.
    bed.shards.edge.set_lost("");
    assert_eq!(
        ["a", "b", "c"].map(|name| bed.views(name, [&a, &b, &c][usize::from(name.as_bytes()[0] - b'a')])),
        [Some(28); 3]
    );
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1);
}

/// The same for a key that an older profile has got since the copy: its other keys are served as they were.
#[test]
fn a_shard_is_restored_to_before_its_profile_got_a_key() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    let copy = bed.shards.stores[0].clone();
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 2}}"#));
    bed.shards.stores[0] = copy;
    assert_eq!((bed.views("a", &a), bed.lookup_status("b", &b)), (Some(1), 503));
    let number = bed.send(&format!(r#"{{"b": "{b}", "n": 4}}"#));
    bed.shards.settle();
    assert_eq!(bed.shards.answer(number).expect("answered").status, 503);
    // Both together are that visitor again, if the operator lets it begin anew.
    bed.shards.edge.set_lost("anew");
    bed.tell(&format!(r#"{{"b": "{b}", "n": 8}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 16}}"#));
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(25), Some(25)));
}

/// A pointer to a profile that was never committed is void, and one to an erased profile leads to nobody: neither is lost.
#[test]
fn a_void_pointer_is_not_a_lost_one() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    let event = format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#);
    bed.send(&event);
    bed.dies_after_its_claim(0, 1);
    assert!(bed.shards.stores[1].shard.pointers.iter().any(|row| row.holder.is_some() && !row.committed));
    assert_eq!(bed.views("b", &b), Some(0));
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    bed.tell(&event);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(3), Some(3)));
    assert_eq!(bed.erase("a", &a), 200);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(0), Some(0)));
}

/// The shard of a profile that is to be absorbed is dead. An event that names nothing but the survivor's own primary key needs it for
/// nothing, and is not held up.
#[test]
fn an_event_of_a_survivor_beside_a_dead_source() {
    let mut bed = Bed::new(2);
    let (a, b, person) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("person", 0));
    bed.tell(&format!(r#"{{"a": "{a}", "person": "{person}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    let joining = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 4}}"#));
    while bed.shards.stores[0].shard.intents.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
    }
    let late = std::mem::take(&mut bed.shards.queue);
    let own = bed.send(&format!(r#"{{"person": "{person}", "n": 8}}"#));
    while bed.shards.step(0) {}
    bed.succeeded(own);
    bed.shards.queue.extend(late);
    bed.shards.settle();
    bed.succeeded(joining);
    assert_eq!((bed.views("b", &b), bed.views("person", &person)), (Some(15), Some(15)));
}

/// A key goes from one person to another in a shard that is not its home, and an event comes there before the message that tells
/// it so: it is for the one who has the key now.
#[test]
fn a_key_that_moves_inside_a_shard() {
    let mut bed = Bed::new(2);
    let (one, b) = (bed.value_in("person", 0), bed.value_in("b", 1));
    let mut others = (0..1_000).map(|number| format!("other{number}"));
    let other = others.find(|value| bed.home("person", value) == 0).expect("one in a thousand");
    bed.tell(&format!(r#"{{"person": "{one}", "b": "{b}", "n": 1}}"#));
    bed.tell(&format!(r#"{{"person": "{other}", "n": 2}}"#));
    let moving = bed.send(&format!(r#"{{"person": "{other}", "b": "{b}", "n": 4}}"#));
    let is_told = |sent: &Envelope| matches!(sent.reply, Reply::Outbox(0, _));
    while !bed.shards.queue.iter().any(is_told) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "the home is told");
    }
    let late = std::mem::take(&mut bed.shards.queue);
    let alone = bed.send(&format!(r#"{{"b": "{b}", "n": 8}}"#));
    for _ in 0..4 {
        bed.shards.step(0);
    }
    bed.shards.queue.extend(late);
    bed.shards.settle();
    bed.succeeded(moving);
    bed.succeeded(alone);
    assert_eq!((bed.views("b", &b), bed.views("person", &other)), (Some(14), Some(14)));
    assert_eq!((bed.views("person", &one), bed.profiles(&[("b", &b)]).len()), (Some(1), 1));
}

/// The bound on keys takes a key whose home is elsewhere, and the next event brings it back before its home has heard: the late message
/// leaves it.
#[test]
fn a_key_that_the_bound_takes_comes_back() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    let is_evicted = |bed: &Bed| {
        let is = |sent: &Envelope| {
            matches!(sent.reply, Reply::Outbox(0, _)) && sent.message.get(3..5) == Some(&[18, 12])
        };
        bed.shards.queue.iter().any(is)
    };
    let mut number = 0;
    while !is_evicted(&bed) {
        number += 1;
        assert!(number < 300, "a profile has a bounded number of keys");
        bed.shards.now_ms += 1_000;
        bed.send(&format!(r#"{{"a": "{a}", "c": "c{number}"}}"#));
        while !is_evicted(&bed) && (bed.shards.step(0) || bed.shards.is_busy() && bed.shards.tick()) {}
    }
    let late = std::mem::take(&mut bed.shards.queue);
    bed.shards.now_ms += 1_000;
    let back = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 2}}"#));
    while bed.shards.answer(back).is_none() {
        bed.shards.queue.retain(|sent| !matches!(sent.reply, Reply::Outbox(..)));
        let _ = bed.shards.step(0) || bed.shards.tick();
    }
    bed.shards.queue.extend(late);
    bed.shards.settle();
    bed.succeeded(back);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(3), Some(3)));
}

/// The event that joins two profiles is lost when it has claimed the primary key, and the one behind it in the batch goes to the
/// profile that has counted it.
#[test]
fn a_resend_behind_a_claim_that_is_not_committed() {
    let mut bed = Bed::new(2);
    let (a, person) = (bed.value_in("a", 0), bed.value_in("person", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "uuid": "1", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    let resent = format!(r#"{{"person": "{person}", "uuid": "2", "n": 2}}"#);
    bed.tell(&resent);
    let both = format!(r#"{{"a": "{a}", "person": "{person}", "uuid": "3", "n": 4}}, {resent}"#);
    bed.send(&both);
    while !bed.shards.queue.iter().any(is_claim) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be claimed");
    }
    // The shard sends itself the event that is to be committed first.
    let is_handed_on = |sent: &Envelope| sent.shard == 0 && sent.message.get(3) != Some(&18);
    let at = bed.shards.queue.iter().position(is_handed_on).expect("an event");
    bed.shards.lose(at);
    bed.shards.settle();
    assert_eq!(bed.views("person", &person), Some(2));
    bed.tell(&both);
    assert_eq!((bed.views("a", &a), bed.views("person", &person)), (Some(7), Some(7)));
}

/// A key was claimed for a profile that was not committed, and who had it before does not answer: the event waits, because the two
/// may have to become one.
#[test]
fn who_had_a_claimed_key_does_not_answer() {
    let mut bed = Bed::new(3);
    let (a, b, person) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("person", 2));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    bed.tell(&format!(r#"{{"b": "{b}", "person": "{person}", "n": 4}}"#));
    let joining = format!(r#"{{"a": "{a}", "person": "{person}", "uuid": "4", "n": 8}}"#);
    bed.send(&joining);
    bed.dies_after_its_claim(0, 2);
    let again = bed.send(&joining);
    let is_handed_on = |sent: &Envelope| sent.shard == 0 && sent.message.get(3) != Some(&18);
    while !bed.shards.queue.iter().any(is_handed_on) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be handed on");
    }
    while bed.shards.answer(again).is_none() {
        match bed.shards.queue.iter().position(|sent| sent.shard == 1) {
            Some(at) => bed.shards.lose(at),
            None => assert!(bed.shards.step(0) || bed.shards.tick()),
        }
    }
    bed.shards.settle();
    bed.tell(&joining);
    for (name, value) in [("a", &a), ("b", &b), ("person", &person)] {
        assert_eq!(bed.views(name, value), Some(15), "{name}");
    }
}

/// An event with a new first key joins the profile that its second key has elsewhere.
#[test]
fn a_new_first_key_with_a_known_second() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"b": "{b}", "n": 1}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 2}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 4}}"#));
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(7), Some(7)));
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b)]).len(), 1);
}

/// Two events claim one new key at once, for two profiles: one claim is lost, and the two become one.
#[test]
fn two_claims_of_one_key_at_once() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    let one = bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 1}}"#));
    let other = bed.send(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 2}}"#));
    bed.shards.settle();
    bed.succeeded(one);
    bed.succeeded(other);
    for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
        assert_eq!(bed.views(name, value), Some(3), "{name}");
    }
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1);
}

/// The source becomes another person's between *propose* and *seal*: nothing merges.
#[test]
fn a_primary_key_comes_between_propose_and_seal() {
    let mut bed = Bed::new(3);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "person": "p", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    let joining = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 4}}"#));
    let is_proposed = |bed: &Bed| bed.shards.stores.iter().any(|store| !store.shard.intents.is_empty());
    while !is_proposed(&bed) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
    }
    // What is on its way to the source comes after this.
    let late = std::mem::take(&mut bed.shards.queue);
    let claim = bed.send(&format!(r#"{{"b": "{b}", "person": "q", "n": 8}}"#));
    while bed.shards.answer(claim).is_none() {
        bed.shards.queue.retain(|sent| !matches!(sent.reply, Reply::Outbox(0, _)));
        if !bed.shards.step(0) {
            bed.shards.tick();
        }
    }
    bed.shards.queue.extend(late);
    bed.shards.settle();
    bed.succeeded(joining);
    bed.succeeded(claim);
    assert_eq!((bed.views("person", "p"), bed.views("person", "q")), (Some(5), Some(10)));
    assert!(bed.shards.stores.iter().all(|store| store.shard.sealed.is_empty()));
    let journal = bed.shards.stores.iter().flat_map(|store| &store.journal);
    assert!(journal.into_iter().any(|row| row.entry.contains("merge_withdrawn")));
}

/// One event has the keys of three profiles in three shards.
#[test]
fn three_profiles_in_one_event() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    for (n, key) in
        [(1, format!(r#""c": "{c}""#)), (2, format!(r#""b": "{b}""#)), (4, format!(r#""a": "{a}""#))]
    {
        bed.tell(&format!(r#"{{{key}, "n": {n}}}"#));
        bed.shards.now_ms += 1_000;
    }
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "c": "{c}", "n": 8}}"#));
    for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
        assert_eq!(bed.views(name, value), Some(15), "{name}");
    }
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1);
}

/// A absorbs B while B is to absorb C.
#[test]
fn crossed_merges() {
    for turn in 0..12 {
        let mut bed = Bed::new(3);
        let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
        for (n, key) in
            [(1, format!(r#""a": "{a}""#)), (2, format!(r#""b": "{b}""#)), (4, format!(r#""c": "{c}""#))]
        {
            bed.tell(&format!(r#"{{{key}, "n": {n}}}"#));
            bed.shards.now_ms += 1_000;
        }
        let one = bed.send(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 8}}"#));
        for _ in 0..turn {
            bed.shards.step(0);
        }
        let other = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 16}}"#));
        bed.shards.settle();
        bed.succeeded(one);
        bed.succeeded(other);
        for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
            assert_eq!(bed.views(name, value), Some(31), "{name} in turn {turn}");
        }
        assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1, "turn {turn}");
    }
}

/// The message *absorb* comes once more after so many other merges that the survivor has forgotten its source.
#[test]
fn a_late_absorb_after_256_others() {
    let mut bed = Bed::new(2);
    let a = bed.value_in("a", 0);
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    let others: Vec<String> = (0..4_000)
        .map(|number| format!("b{number}"))
        .filter(|value| bed.home("b", value) == 1)
        .take(260)
        .collect();
    let mut late = None;
    for value in &others {
        bed.tell(&format!(r#"{{"b": "{value}", "n": 1}}"#));
        bed.send(&format!(r#"{{"a": "{a}", "b": "{value}", "n": 0}}"#));
        while late.is_none() {
            assert!(bed.shards.step(0) || bed.shards.tick());
            let absorb = |sent: &&usher_tests::shards::Envelope| matches!(sent.reply, Reply::Outbox(1, _));
            late = bed.shards.queue.iter().find(absorb).cloned();
        }
        bed.shards.settle();
    }
    let before = bed.views("a", &a);
    assert_eq!(before, Some(261));
    bed.shards.queue.extend(late);
    bed.shards.settle();
    assert_eq!(bed.views("a", &a), before);
}

/// The survivor's shard is gone for a while: its events and those of what it has sealed fail, others do not.
#[test]
fn a_shard_of_a_survivor_is_dead() {
    use usher_edge::store::memory::Fault;
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{b}", "n": 2}}"#));
    let joining = bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 4}}"#));
    while bed.shards.stores[1].shard.sealed.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be sealed");
    }
    bed.shards.stores[0].fault = Fault::Everything;
    let (sealed, other) =
        (bed.send(&format!(r#"{{"b": "{b}", "n": 8}}"#)), bed.send(&format!(r#"{{"c": "{c}", "n": 1}}"#)));
    for _ in 0..200 {
        if !bed.shards.step(0) {
            bed.shards.now_ms += 250;
            bed.shards.tick();
        }
    }
    assert!(bed.is_stored(other));
    assert_eq!(bed.shards.answer(sealed).map(|answer| answer.status), Some(503));
    bed.shards.stores[0].fault = Fault::None;
    bed.shards.settle();
    bed.succeeded(joining);
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(7), Some(7)));
}

/// A batch is cut over shards, whose profiles and events without ids get ids of their own.
#[test]
fn a_batch_over_shards_that_mint_ids() {
    let mut bed = Bed::new(3);
    let values: Vec<String> = (0..30).map(|number| format!("a{number}")).collect();
    let events: Vec<String> = values.iter().map(|value| format!(r#"{{"a": "{value}", "n": 1}}"#)).collect();
    let body = format!(r#"{{"events": [{}, 7, {}]}}"#, events.join(", "), events.join(", "));
    let Step::Split(split) = bed.front("POST", "/web/pages", "collector", body.as_bytes()) else {
        panic!("it is for several shards")
    };
    let sent: Vec<usize> =
        split.parts.iter().map(|part| bed.shards.send(part.shard, part.message.clone())).collect();
    assert_eq!(sent.len(), 3);
    bed.shards.settle();
    let answers: Vec<_> = sent.iter().map(|number| bed.shards.answer(*number).cloned()).collect();
    let body = String::from_utf8(split.join(&answers).body).expect("text");
    let success = r#"{"success":true}"#;
    let (before, after) = (vec![success; 30].join(","), vec![success; 30].join(","));
    let refused = r#"{"success":false,"error":{"name":"InvalidPropertyValueError"}}"#;
    assert_eq!(body, format!(r#"{{"receipts":[{before},{refused},{after}]}}"#));
    let mut ids = Vec::new();
    for value in &values {
        assert_eq!(bed.views("a", value), Some(2), "{value}");
        ids.extend(bed.profiles(&[("a", value)]));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    // A shard that does not answer costs its own events.
    let Step::Split(split) = bed.front(
        "POST",
        "/web/pages",
        "collector",
        format!(r#"{{"events": [{}]}}"#, events.join(", ")).as_bytes(),
    ) else {
        panic!("it is for several shards")
    };
    let mut answers: Vec<Option<Response>> = Vec::new();
    for part in &split.parts {
        let number = bed.shards.send(part.shard, part.message.clone());
        bed.shards.settle();
        answers.push(bed.shards.answer(number).cloned());
    }
    answers[1] = None;
    let body = String::from_utf8(split.join(&answers).body).expect("text");
    assert!(
        body.contains(r#"{"success":true}"#) && body.contains(r#""name":"StorageUnavailable""#),
        "{body}"
    );
}

/// The home of a key leads to a profile that was absorbed, and has not heard that its survivor let the key go to a neighbour.
#[test]
fn a_pointer_to_what_a_profile_was_before() {
    let mut bed = Bed::new(3);
    let (a, other) = (bed.value_in("a", 0), bed.value_in("b", 0));
    let (c, later) = (bed.value_in("c", 2), bed.value_in("person", 2));
    bed.tell(&format!(r#"{{"c": "{c}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"person": "{later}", "n": 2}}"#));
    bed.tell(&format!(r#"{{"a": "{a}", "person": "{later}", "n": 4}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"b": "{other}", "n": 8}}"#));
    let absorbed = bed.profiles(&[("b", &other)])[0];
    bed.tell(&format!(r#"{{"b": "{other}", "c": "{c}", "n": 16}}"#));
    assert_eq!((bed.views("a", &a), bed.views("b", &other)), (Some(6), Some(25)));
    let holder = bed.profiles(&[("person", &later)])[0];
    let mut pointers = bed.shards.stores[0].shard.pointers.iter_mut().filter_map(|row| row.holder.as_mut());
    let pointed = pointers.find(|at| at.id == holder).expect("the key is elsewhere");
    (pointed.id, pointed.shard) = (absorbed, 0);
    assert_eq!(bed.views("a", &a), Some(6));
    // The home has been told.
    let told = bed.shards.stores[0].shard.pointers.iter().filter_map(|row| row.holder);
    assert!(told.clone().all(|holder| holder.id != absorbed), "{:?}", told.collect::<Vec<_>>());
}

/// A profile is sealed for one survivor, and an event has its key, which that one has by now, beside the key of a third profile: its
/// state goes one way only.
#[test]
fn a_key_of_a_sealed_profile_beside_a_neighbour() {
    let mut bed = Bed::new(2);
    let (a, b, person) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("person", 0));
    for (event, n) in [
        (format!("\"a\": \"{a}\""), 1),
        (format!("\"b\": \"{b}\""), 2),
        (format!("\"person\": \"{person}\""), 4),
    ] {
        bed.tell(&format!("{{{event}, \"n\": {n}}}"));
        bed.shards.now_ms += 1_000;
    }
    let joining = bed.send(&format!(r#"{{"b": "{b}", "person": "{person}", "n": 8}}"#));
    while bed.shards.stores[0].shard.sealed.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be sealed");
    }
    let held = std::mem::take(&mut bed.shards.queue);
    let beside = bed.send(&format!(r#"{{"a": "{a}", "person": "{person}", "n": 16}}"#));
    while bed.shards.step(0) {}
    bed.shards.queue.extend(held);
    bed.shards.settle();
    bed.succeeded(joining);
    bed.succeeded(beside);
    assert_eq!(
        (bed.views("a", &a), bed.views("b", &b), bed.views("person", &person)),
        (Some(31), Some(31), Some(31))
    );
}

/// A profile is absorbed, and its shard has not heard of that when the survivor is absorbed there: the key that it lists comes along.
#[test]
fn a_key_comes_back_to_the_shard_of_a_sealed_profile() {
    let mut bed = Bed::new(2);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 1));
    for (event, n) in
        [(format!("\"c\": \"{c}\""), 1), (format!("\"a\": \"{a}\""), 2), (format!("\"b\": \"{b}\""), 4)]
    {
        bed.tell(&format!("{{{event}, \"n\": {n}}}"));
        bed.shards.now_ms += 1_000;
    }
    bed.send(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 8}}"#));
    let is_absorb = |sent: &Envelope| matches!(sent.reply, Reply::Outbox(1, _));
    while !bed.shards.queue.iter().any(is_absorb) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be absorbed");
    }
    let absorb = bed.shards.queue.iter().find(|sent| is_absorb(sent)).cloned().expect("found");
    bed.shards.queue.insert(0, Envelope { reply: Reply::Nobody, ..absorb.clone() });
    bed.shards.step(0);
    bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 16}}"#));
    while bed.shards.stores[0].shard.gone.is_empty() {
        match bed.shards.queue.iter().position(|sent| sent.reply != absorb.reply) {
            Some(at) => drop(bed.shards.step(at)),
            None => {
                bed.shards.now_ms += 250;
                bed.shards.tick();
            }
        }
    }
    bed.shards.settle();
    assert_eq!((bed.views("a", &a), bed.views("b", &b), bed.views("c", &c)), (Some(31), Some(31), Some(31)));
}

/// A claim is made, its answer is lost, and the profile for which it was made is void by the time that its event is folded.
#[test]
fn a_void_profile_is_not_committed_when_its_claim_had_no_answer() {
    let mut bed = Bed::new(3);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    let both = bed.send(&format!(
        r#"{{"a": "{a}", "uuid": "1", "n": 1}}, {{"a": "{a}", "b": "{b}", "uuid": "2", "n": 2}}"#
    ));
    while !bed.shards.queue.iter().any(is_claim) {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be claimed");
    }
    let claim = bed.shards.queue.remove(0);
    bed.shards.queue.push(Envelope { reply: Reply::Nobody, ..claim.clone() });
    bed.shards.step(0);
    // Who finds the pointer hears that the profile is void.
    let other = bed.send(&format!(r#"{{"b": "{b}", "uuid": "3", "n": 4}}"#));
    while bed.shards.step(0) {}
    bed.succeeded(other);
    let void: Vec<[u8; 16]> = bed.shards.stores[0].shard.gone.iter().map(|row| row.id).collect();
    assert_eq!(void.len(), 1);
    bed.shards.queue.push(claim);
    bed.shards.lose(0);
    bed.shards.settle();
    assert!(!bed.profiles(&[("a", &a)]).contains(&void[0]), "nobody commits a void profile");
    assert!(!bed.is_stored(both));
    bed.tell(&format!(
        r#"{{"a": "{a}", "uuid": "1", "n": 1}}, {{"a": "{a}", "b": "{b}", "uuid": "2", "n": 2}}"#
    ));
    assert_eq!((bed.views("a", &a), bed.views("b", &b)), (Some(7), Some(7)));
}

/// A key is claimed for a profile, and the shard dies before it commits: the key is nobody's, and the next event takes it.
#[test]
fn a_claim_that_was_never_committed() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    bed.tell(&format!(r#"{{"b": "{b}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"a": "{a}", "n": 2}}"#));
    let lost = bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 4}}"#));
    bed.dies_after_its_claim(0, 2);
    assert!(!bed.is_stored(lost));
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 8}}"#));
    assert_eq!((bed.views("b", &b), bed.views("c", &c), bed.views("a", &a)), (Some(9), Some(9), Some(2)));
    // The sender of the lost event sends it again.
    bed.tell(&format!(r#"{{"a": "{a}", "c": "{c}", "n": 4}}"#));
    for (name, value) in [("a", &a), ("b", &b), ("c", &c)] {
        assert_eq!(bed.views(name, value), Some(15), "{name}");
    }
}

/// A claimed key is given to another profile before the first one commits: that has to claim it again, and meets the other.
#[test]
fn a_claim_that_is_overtaken() {
    let mut bed = Bed::new(4);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    let person = bed.value_in("person", 3);
    bed.tell(&format!(r#"{{"b": "{b}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"a": "{a}", "n": 2}}"#));
    let slow = bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "person": "{person}", "n": 4}}"#));
    // The claim of one key is made, that of the other is on its way.
    while bed.shards.queue.iter().filter(|sent| is_claim(sent)).count() < 2 {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be claimed");
    }
    let at = bed.shards.queue.iter().position(|sent| sent.shard == 2 && is_claim(sent)).expect("a claim");
    bed.shards.step(at);
    let held = std::mem::take(&mut bed.shards.queue);
    assert!(!held.is_empty() && bed.shards.answer(slow).is_none());
    let fast = bed.send(&format!(r#"{{"b": "{b}", "c": "{c}", "n": 8}}"#));
    while bed.shards.answer(fast).is_none() {
        let goes_on = bed.shards.step(0) || bed.shards.tick();
        assert!(goes_on || bed.shards.answer(fast).is_some(), "it is answered");
    }
    bed.succeeded(fast);
    bed.shards.queue.extend(held);
    bed.shards.settle();
    bed.succeeded(slow);
    for (name, value) in [("a", &a), ("b", &b), ("c", &c), ("person", &person)] {
        assert_eq!(bed.views(name, value), Some(15), "{name}");
    }
    assert_eq!(bed.profiles(&[("a", &a), ("b", &b), ("c", &c)]).len(), 1);
}

/// Until the profile that claims a key is committed, lookups by the key are answered from the one that has had it.
#[test]
fn a_lookup_between_claim_and_commit() {
    let mut bed = Bed::new(3);
    let (a, b, c) = (bed.value_in("a", 0), bed.value_in("b", 1), bed.value_in("c", 2));
    // A primary key is the first in routing order.
    let (q, r) = (bed.value_in("person", 1), bed.value_in("person", 0));
    bed.tell(&format!(r#"{{"b": "{b}", "c": "{c}", "person": "{q}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    bed.tell(&format!(r#"{{"a": "{a}", "person": "{r}", "n": 2}}"#));
    bed.send(&format!(r#"{{"a": "{a}", "c": "{c}", "person": "{r}", "n": 4}}"#));
    bed.dies_after_its_claim(0, 2);
    assert_eq!((bed.views("c", &c), bed.views("a", &a)), (Some(1), Some(2)));
}

/// Who has seen a profile is not answered by the one that is about to absorb it, and nobody gets a token of that meanwhile.
#[test]
fn a_lookup_with_the_token_of_a_profile_that_is_to_be_absorbed() {
    let mut bed = Bed::new(3);
    let (a, person) = (bed.value_in("a", 0), bed.value_in("person", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "n": 1}}"#));
    bed.shards.now_ms += 1_000;
    let known = bed.send(&format!(r#"{{"person": "{person}", "n": 2}}"#));
    bed.shards.settle();
    let token = |bed: &Bed, number| {
        let headers = &bed.shards.answer(number).expect("answered").headers;
        headers.iter().find(|(name, _)| *name == "usher-seen").map(|(_, token)| token.clone())
    };
    let seen = token(&bed, known).expect("a token");
    let joining = bed.send(&format!(r#"{{"a": "{a}", "person": "{person}", "n": 4}}"#));
    while bed.shards.stores[0].shard.intents.is_empty() {
        assert!(bed.shards.step(0) || bed.shards.tick(), "it comes to be proposed");
    }
    assert_eq!(bed.views_after(&seen, "person", &person), Some(7));
    bed.succeeded(joining);
    assert_eq!(token(&bed, joining), None);
}

/// A shard answers a lookup also where it has started again and has not heard of the audience yet.
#[test]
fn a_lookup_at_a_shard_that_runs_no_bundle() {
    let mut bed = Bed::new(2);
    let (a, b) = (bed.value_in("a", 0), bed.value_in("b", 1));
    bed.tell(&format!(r#"{{"a": "{a}", "b": "{b}", "n": 1}}"#));
    let body = format!(
        r#"{{"audience": "1069944", "personalization": "home", "key": {{"name": "a", "value": "{a}"}}}}"#
    );
    let Step::LookUp(pending) = bed.front("POST", "/v1/personalize", "server", body.as_bytes()) else {
        panic!("a lookup needs a snapshot")
    };
    let mut started = Edge::new(Some(&Keys::demo().secret()), true);
    started.set_shards(2);
    let mut opened = drive::open(&mut started, &pending.message(&bed.shards.edge)).expect("opened");
    let found = bed.shards.stores[0].read(opened.read.as_ref().expect("a read")).expect("read");
    let Folded::Done(outcome) = drive::fold(&mut started, &mut opened, found) else {
        panic!("it asks nobody")
    };
    let snapshot = outcome.response.body;
    let answer = lookup::answer(&bed.shards.edge, &pending, Candidate::Writer(&snapshot), i64::MIN);
    let body = String::from_utf8(answer.expect("an answer").body).expect("text");
    assert!(body.contains(r#""views":1"#), "{body}");
}

#[test]
fn merges_converge_whatever_the_order() {
    if let Some(seed) = std::env::var("USHER_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return history(seed);
    }
    for seed in 0..400 {
        history(seed);
    }
}
