//! Shards that are put back to an earlier time than the others.

use usher_tests::bed::Bed;

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
    assert_eq!(
        bed.erase("b", &b),
        503,
        "there is nobody to erase, and a complete restoration would bring the profile back"
    );
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
