//! Keys that are claimed, let go and claimed again.

use usher_tests::bed::{Bed, is_claim};
use usher_tests::shards::{Envelope, Reply};

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
