//! Merges of profiles of several shards, and what comes between their steps.

use usher_edge::Step;
use usher_edge::wire::Response;
use usher_tests::bed::Bed;
use usher_tests::shards::{Envelope, Reply};

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
