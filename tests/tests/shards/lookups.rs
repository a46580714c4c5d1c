//! Lookups beside claims and merges.

use usher_edge::lookup::{self, Candidate};
use usher_edge::store::Store;
use usher_edge::{Edge, Folded, Step, drive};
use usher_tests::bed::Bed;
use usher_tests::deployment::Keys;

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
