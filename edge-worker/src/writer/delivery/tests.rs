//! Turns of delivery on the store in memory, with a clock of their own.

use std::collections::BTreeMap;

use super::*;
use crate::drive;
use crate::edge::Edge;
use crate::form::Form;
use crate::limits::{DAY_MS, DESTINATION_ATTEMPTS, DESTINATION_ATTEMPTS_MAX};
use crate::message::{self, Ambient, Route};
use crate::store::journeys::SendRow;
use crate::store::memory::MemoryStore;
use crate::store::{Basis, Erased, Store, Upkeep};

const NOON: i64 = 1_790_000_000_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A shard, and a host that attempts nothing by itself.
struct Desk {
    edge: Edge,
    store: MemoryStore,
    now_ms: i64,
    /// Attempts that the host has begun, by the ids of their messages.
    begun: BTreeMap<u8, Attempt>,
    next_ms: Option<i64>,
}

impl Desk {
    fn new() -> Desk {
        let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
        let mut edge = Edge::new(Some(&secret), false);
        edge.set_form("2");
        edge.set_destinations(&format!(
            r#"[{{"id": "a", "url": "https://a.example", "secret": "{SECRET}"}},
                {{"id": "b", "url": "https://b.example", "secret": "{SECRET}", "rate": 2}},
                {{"id": "c", "url": "https://c.example", "secret": "{SECRET}", "rate": 9999}}]"#
        ));
        assert_eq!(edge.destinations_complaint(), None);
        let (store, begun) = (MemoryStore::default(), BTreeMap::new());
        Desk { edge, store, now_ms: NOON, begun, next_ms: None }
    }

    /// Stores messages: id, profile and destination of each.
    fn fire(&mut self, messages: &[(u8, u8, &str)]) {
        let row = |(id, profile, connection): &(u8, u8, &str)| self.row(*id, *profile, connection);
        let sends = messages.iter().map(row).collect();
        self.commit(&Write { sends, ..Write::default() });
    }

    fn row(&self, id: u8, profile: u8, connection: &str) -> SendRow {
        SendRow {
            audience: "7".to_owned(),
            profile: [profile; 16],
            id: [id; 16],
            at_ms: self.now_ms,
            message: format!(
                r#"{{"activation": "m", "journey": "j", "connection": "{connection}", "method": "POST", "headers": {{}}, "body": "{{}}"}}"#
            ),
            delivery: None,
        }
    }

    fn commit(&mut self, write: &Write) {
        self.store.commit(&Basis::default(), write).unwrap();
    }

    /// A turn with these results; the ids of the messages whose attempts begin.
    fn turn(&mut self, results: &[(u8, AttemptOutcome)]) -> Vec<u8> {
        self.turn_of(results, false, 64)
    }

    fn turn_of(&mut self, results: &[(u8, AttemptOutcome)], resumes: bool, most: u32) -> Vec<u8> {
        let result = |(id, outcome): &(u8, AttemptOutcome)| {
            let attempt = self.begun.remove(id).unwrap();
            AttemptResult {
                number: attempt.number,
                id: attempt.id,
                at_ms: self.now_ms,
                outcome: outcome.clone(),
            }
        };
        let results = results.iter().map(result).collect();
        self.told(results, resumes, most)
    }

    /// The same with results as a host tells them.
    fn told(&mut self, results: Vec<AttemptResult>, resumes: bool, most: u32) -> Vec<u8> {
        let ambient = Ambient { now_ms: self.now_ms, entropy: [255; 32] };
        let message = message::send_turn(ambient, resumes, most, results, Route::ONLY, Form::Two);
        let mut opened = drive::open(&mut self.edge, &message).unwrap();
        let read = opened.read.clone().unwrap();
        let found = self.store.read(&read).unwrap();
        let Folded::Done(outcome) = drive::fold(&mut self.edge, &mut opened, found) else {
            panic!("it is decided")
        };
        self.commit(&outcome.write);
        let next = outcome.response.headers.iter().find(|(name, _)| *name == NEXT);
        self.next_ms = next.map(|(_, next)| next.parse().unwrap());
        let attempts = Attempt::list(&outcome.response.body).unwrap();
        let ids = attempts.iter().map(|attempt| attempt.id[0]).collect();
        for attempt in attempts {
            let before = self.begun.insert(attempt.id[0], attempt);
            assert_eq!(before, None, "it is attempted twice at once");
        }
        ids
    }

    /// Lets this time pass.
    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// The ids of the messages that are not delivered, each with how it stands.
    fn left(&self) -> Vec<(u8, Option<Stage>)> {
        let rows = &self.store.journeys;
        let of = |(number, row): (i64, &SendRow)| {
            (row.id[0], rows.delivery.get(&number).map(|delivery| delivery.stage))
        };
        rows.numbered().map(of).collect()
    }

    fn attempts(&self) -> Vec<serde_json::Value> {
        let rows = self.store.journeys.attempts.values();
        rows.map(|row| serde_json::from_str(&row.entry).unwrap()).collect()
    }
}

fn answered(status: u16) -> AttemptOutcome {
    AttemptOutcome::Answered { status, body: "so".to_owned(), retry_after_s: 0 }
}

#[test]
fn a_delivered_message_is_gone_and_its_attempt_is_kept() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a")]);
    assert_eq!(desk.turn(&[]), [1]);
    let request = desk.begun[&1].request.clone();
    assert_eq!((request.url.as_str(), request.destination.as_str()), ("https://a.example/", "a"));
    assert_eq!(desk.turn(&[]), [] as [u8; 0]);
    assert_eq!(desk.turn(&[(1, answered(204))]), [] as [u8; 0]);
    assert_eq!(desk.left(), []);
    let attempts = desk.attempts();
    let entry = &attempts[0];
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        [&entry["delivered"], &entry["status"], &entry["journey_name"], &entry["response"], &entry["error"]],
        ["true", "204", "j", "so", ""]
    );
    assert_eq!((&entry["rid"], &entry["time"]), (&"01".repeat(16).into(), &1_790_000_000_i64.into()));
}

#[test]
fn messages_of_a_profile_to_a_destination_follow_each_other() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a"), (2, 1, "a"), (3, 1, "b"), (4, 2, "a")]);
    assert_eq!(desk.turn(&[]), [1, 3, 4]);
    desk.fire(&[(5, 1, "a")]);
    assert_eq!(desk.turn(&[(1, answered(500))]), [] as [u8; 0]);
    desk.wait(2_000);
    assert_eq!(desk.turn(&[]), [1]);
    // The turn that notes its end wakes the next one.
    desk.turn(&[(1, answered(200))]);
    assert_eq!(desk.next_ms, Some(1));
    assert_eq!(desk.turn(&[]), [2]);
    desk.turn(&[(2, answered(200))]);
    assert_eq!(desk.turn(&[]), [5]);
    let sequences: Vec<i64> =
        desk.attempts().iter().map(|entry| entry["sequence"].as_i64().unwrap()).collect();
    assert!(sequences[1] < sequences[2], "{sequences:?}");
}

#[test]
fn attempts_differ_in_time_and_signature_alone() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a")]);
    desk.turn(&[]);
    let first = desk.begun[&1].request.clone();
    desk.turn(&[(1, AttemptOutcome::Failed("connect".to_owned()))]);
    desk.wait(2_000);
    assert_eq!(desk.turn(&[]), [1]);
    let second = desk.begun[&1].request.clone();
    let differ: Vec<&str> =
        first.headers.iter().zip(&second.headers).filter(|(a, b)| a != b).map(|(a, _)| &*a.0).collect();
    assert_eq!(differ, ["webhook-timestamp", "webhook-signature"]);
    assert_eq!((first.body, first.url), (second.body, second.url));
}

#[test]
fn after_a_day_of_attempts_a_message_is_parked_and_the_next_one_goes_on() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a"), (2, 1, "a")]);
    let (mut count, mut pauses) = (0, Vec::new());
    assert_eq!(desk.turn(&[]), [1]);
    while desk.begun.contains_key(&1) {
        count += 1;
        desk.turn(&[(1, answered(503))]);
        if desk.left()[0].1 == Some(Stage::Parked) {
            break;
        }
        let due_ms = desk.store.journeys.delivery.values().next().unwrap().due_ms;
        pauses.push(due_ms - desk.now_ms);
        desk.now_ms = due_ms;
        assert_eq!(desk.turn(&[]), [1]);
    }
    assert_eq!(pauses[..3], [2_000, 4_000, 8_000]);
    assert!(pauses.iter().all(|pause| *pause <= ATTEMPT_PAUSE_MAX_MS));
    assert_eq!((desk.now_ms - NOON, count), (DAY_MS, pauses.len() + 1));
    assert_eq!(desk.turn(&[]), [2]);
    // Parked messages go after 30 days, and attempts.
    desk.wait(40 * DAY_MS);
    desk.store.journeys.expire(desk.now_ms);
    assert_eq!((desk.left().len(), desk.attempts().len()), (0, 0));
}

#[test]
fn a_destination_may_ask_for_a_longer_pause() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a")]);
    desk.turn(&[]);
    assert_eq!(desk.next_ms, Some(ATTEMPT_LEASE_MS));
    desk.turn(&[(1, AttemptOutcome::Answered { status: 429, body: String::new(), retry_after_s: 60 })]);
    assert_eq!(desk.next_ms, Some(60_000));
    desk.wait(59_999);
    assert_eq!(desk.turn(&[]), [] as [u8; 0]);
    desk.wait(1);
    assert_eq!(desk.turn(&[]), [1]);
}

#[test]
fn without_a_destination_nothing_is_sent() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "gone"), (2, 1, "a")]);
    assert_eq!(desk.turn(&[]), [2]);
    assert_eq!(desk.left()[0], (1, Some(Stage::Parked)));
    let attempts = desk.attempts();
    assert_eq!([&attempts[0]["delivered"], &attempts[0]["status"]], ["false", "destination_not_allowed"]);
    // Settings that cannot be read save nothing as not allowed.
    let mut desk = Desk::new();
    desk.edge.set_destinations("[{}]");
    desk.fire(&[(1, 1, "a")]);
    desk.turn(&[]);
    assert_eq!(desk.left(), [(1, None)]);
}

#[test]
fn an_erased_message_is_attempted_no_more() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a"), (2, 1, "a"), (3, 2, "a")]);
    assert_eq!(desk.turn(&[]), [1, 3]);
    let erased = vec![Erased { audience: "7".to_owned(), id: [1; 16], absorbed: Vec::new() }];
    desk.commit(&Write {
        upkeep: Some(Box::new(Upkeep { erased, ..Upkeep::default() })),
        ..Write::default()
    });
    assert_eq!(desk.left(), [(3, Some(Stage::UnderWay))]);
    // The end of the attempt that was under way is noted nowhere.
    assert_eq!(desk.turn(&[(1, answered(500))]), [] as [u8; 0]);
    desk.wait(DAY_MS / 2);
    desk.begun.clear();
    assert_eq!((desk.turn(&[]), desk.attempts().len()), (vec![3], 0));
}

#[test]
fn a_lost_attempt_is_made_again() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a"), (2, 1, "a")]);
    assert_eq!(desk.turn(&[]), [1]);
    // The process ends.
    desk.begun.clear();
    assert_eq!(desk.turn_of(&[], true, 64), [] as [u8; 0]);
    assert_eq!(desk.turn(&[]), [1]);
    // Or the host loses it.
    desk.begun.clear();
    desk.wait(ATTEMPT_LEASE_MS);
    assert_eq!(desk.turn(&[]), [1]);
    assert_eq!(desk.turn(&[(1, AttemptOutcome::NotBegun)]), [] as [u8; 0]);
    assert_eq!(desk.turn(&[]), [1]);
    assert_eq!(desk.store.journeys.delivery.values().next().unwrap().attempts, 1);
}

#[test]
fn starts_of_a_host_do_not_lengthen_the_pause_after_a_failure() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a")]);
    for is_start in [true, false].into_iter().cycle().take(20) {
        assert_eq!(desk.turn(&[]), [1]);
        desk.begun.clear();
        if is_start {
            assert_eq!(desk.turn_of(&[], true, 64), [] as [u8; 0]);
        } else {
            desk.wait(ATTEMPT_LEASE_MS);
        }
    }
    assert_eq!(desk.turn(&[]), [1]);
    assert_eq!(desk.turn(&[(1, answered(500))]), [] as [u8; 0]);
    assert_eq!(desk.next_ms, Some(ATTEMPT_PAUSE_MS));
    // The list has one attempt of this number.
    assert_eq!(desk.attempts()[0]["attempt"], 1);
}

#[test]
fn a_result_that_is_told_late_ends_no_later_attempt_unless_it_delivered() {
    for status in [500, 200] {
        let mut desk = Desk::new();
        desk.fire(&[(1, 1, "a")]);
        assert_eq!(desk.turn(&[]), [1]);
        let first = desk.begun.remove(&1).unwrap();
        desk.wait(ATTEMPT_LEASE_MS);
        assert_eq!(desk.turn(&[]), [1]);
        let late =
            AttemptResult { number: first.number, id: first.id, at_ms: NOON, outcome: answered(status) };
        assert_eq!(desk.told(vec![late], false, 64), [] as [u8; 0]);
        desk.wait(ATTEMPT_LEASE_MS / 2);
        assert_eq!(desk.turn(&[]), [] as [u8; 0], "it has its lease");
        assert_eq!(desk.left().len(), usize::from(status == 500));
        if status == 500 {
            desk.turn(&[(1, answered(200))]);
            assert_eq!(desk.left(), []);
        }
    }
}

#[test]
fn attempts_at_a_destination_are_bounded() {
    let mut desk = Desk::new();
    let all: Vec<_> = (0..60).map(|id| (id, id, "a")).collect();
    desk.fire(&all);
    let began = desk.turn(&[]);
    assert_eq!(began.len(), usize::try_from(DESTINATION_ATTEMPTS).unwrap());
    assert_eq!(desk.turn(&[(0, answered(200)), (1, answered(200))]), [] as [u8; 0]);
    assert_eq!(desk.turn(&[]).len(), 2);
    assert_eq!(desk.turn_of(&[(2, answered(200)), (3, answered(200))], false, 1), [] as [u8; 0]);
    assert_eq!(desk.turn_of(&[], false, 1).len(), 1);
    // A fast one has more at the same time.
    let mut fast = Desk::new();
    fast.fire(&(0..60).map(|id| (id, id, "c")).collect::<Vec<_>>());
    assert_eq!(fast.turn(&[]).len(), usize::try_from(DESTINATION_ATTEMPTS_MAX).unwrap());
    // Two a second, and those of a second at once.
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "b"), (2, 2, "b"), (3, 3, "b"), (4, 4, "b"), (5, 5, "a")]);
    assert_eq!(desk.turn(&[]), [1, 2, 5]);
    assert_eq!(desk.next_ms, Some(501));
    desk.wait(501);
    assert_eq!(desk.turn(&[]), [3]);
    desk.wait(501);
    assert_eq!(desk.turn(&[]), [4]);
}

#[test]
fn messages_of_another_shard_go_on_as_they_stood_there() {
    let mut desk = Desk::new();
    desk.fire(&[(1, 1, "a")]);
    assert_eq!(desk.turn(&[]), [1]);
    // One is under way there, the next is parked, one has a pause, and one waits no more.
    let carried = [
        (2, 1, "a", Stage::UnderWay, NOON + ATTEMPT_LEASE_MS),
        (3, 1, "a", Stage::Parked, NOON),
        (4, 1, "b", Stage::Waiting, NOON + 9),
        (5, 2, "a", Stage::Waiting, NOON),
    ]
    .map(|(id, profile, destination, stage, due_ms)| {
        let delivery = DeliveryRow {
            destination: destination.to_owned(),
            stage,
            attempts: 4,
            due_ms,
            until_ms: NOON + ATTEMPTS_MS,
            sequence: 5,
            ..DeliveryRow::unseen(0, 0)
        };
        SendRow { delivery: Some(Box::new(delivery)), ..desk.row(id, profile, destination) }
    });
    desk.commit(&Write { sends: carried.to_vec(), ..Write::default() });
    desk.fire(&[(6, 1, "a")]);
    assert_eq!(desk.turn(&[]), [5]);
    assert_eq!(desk.next_ms, Some(9));
    let stages =
        [Stage::UnderWay, Stage::UnderWay, Stage::Parked, Stage::Waiting, Stage::UnderWay, Stage::Waiting];
    assert_eq!(desk.left(), (1..).zip(stages.map(Some)).collect::<Vec<_>>());
    assert_eq!(
        desk.begun[&5].request.headers.iter().find(|(name, _)| name == "usher-sequence").unwrap().1,
        "5"
    );
    desk.wait(9);
    assert_eq!(desk.turn(&[(1, answered(200)), (5, answered(200))]), [4]);
    assert_eq!(desk.turn(&[]), [] as [u8; 0], "the second one is under way elsewhere");
    desk.wait(ATTEMPT_LEASE_MS);
    assert_eq!(desk.turn(&[(4, answered(200))]), [2]);
    desk.turn(&[(2, answered(200))]);
    assert_eq!(desk.turn(&[]), [6]);
    assert_eq!(
        desk.attempts().iter().map(|entry| entry["attempt"].as_i64().unwrap()).collect::<Vec<_>>(),
        [1, 5, 5, 4]
    );
}
