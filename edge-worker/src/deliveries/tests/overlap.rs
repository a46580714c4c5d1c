//! Calls that overlap on one store, as ticks of Spin do: in any order, with calls that end early, turns that fail, and erasures.

use std::collections::BTreeSet;

use super::*;
use crate::drive;
use crate::limits::ATTEMPT_LEASE_MS;
use crate::outcome::Folded;
use crate::store::journeys::SendRow;
use crate::store::memory::MemoryStore;
use crate::store::{Basis, Erased, Store, Upkeep, Write};

const CALLS: usize = 3;
const PROFILES: u8 = 6;
const MESSAGES: u8 = 60;
const STEPS: usize = 3_000;

/// An attempt of a call, with the time at which it began and the status of its answer.
struct Begun {
    attempt: Attempt,
    at_ms: i64,
    status: u16,
}

struct Call {
    deliveries: Deliveries,
    under_way: Vec<Begun>,
}

impl Call {
    fn new(now_ms: i64) -> Call {
        let bounds = Bounds { most: 4, time_ms: 20_000, wait_ms: 2_000, again_ms: 1_000 };
        let mut deliveries = Deliveries::new(bounds, false);
        deliveries.begin(now_ms);
        Call { deliveries, under_way: Vec::new() }
    }
}

struct World {
    edge: Edge,
    store: MemoryStore,
    now_ms: i64,
    calls: Vec<Call>,
    random: u64,
    /// Messages are numbered in the order of their commits; that of a number belongs to the profile `number % PROFILES`.
    fired: u8,
    delivered: BTreeSet<u8>,
    erased: BTreeSet<u8>,
    /// Turns fail, and calls stand still for longer than a lease. Results can then come after the lease of their attempt, so that a
    /// message may be attempted twice at once.
    is_rough: bool,
    /// Every request succeeds from here on.
    is_calm: bool,
}

impl World {
    fn new(seed: u64, is_rough: bool) -> World {
        let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
        let mut edge = Edge::new(Some(&secret), false);
        edge.set_destinations(
            r#"[{"id": "a", "url": "https://a.example", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}]"#,
        );
        assert_eq!(edge.destinations_complaint(), None);
        World {
            edge,
            store: MemoryStore::default(),
            now_ms: NOON,
            calls: (0..CALLS).map(|_| Call::new(NOON)).collect(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            fired: 0,
            delivered: BTreeSet::new(),
            erased: BTreeSet::new(),
            is_rough,
            is_calm: false,
        }
    }

    /// A number below this one.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below
    }

    fn happens(&mut self) {
        let call = self.draw(CALLS as u64) as usize;
        match self.draw(40) {
            0 => self.calls[call] = Call::new(self.now_ms),
            1 if self.is_rough => self.pass(30_000),
            2 | 3 => self.pass(1_500),
            4 => self.erase(),
            5..=9 => self.fire(),
            10..=17 => self.end(call),
            _ => self.step(call),
        }
    }

    fn fire(&mut self) {
        let (id, profile) = (self.fired, self.fired % PROFILES);
        if id == MESSAGES {
            return;
        }
        self.fired += 1;
        // Nobody stores messages of somebody who was erased.
        if self.erased.contains(&profile) {
            return;
        }
        let row = SendRow {
            audience: "7".to_owned(),
            profile: [profile; 16],
            id: [id; 16],
            at_ms: self.now_ms,
            message: r#"{"activation": "m", "journey": "j", "connection": "a", "method": "POST", "headers": {}, "body": "{}"}"#.to_owned(),
            delivery: None,
        };
        self.commit(&Write { sends: vec![row], ..Write::default() });
    }

    fn erase(&mut self) {
        let profile = self.draw(PROFILES.into()) as u8;
        if self.fired <= MESSAGES / 2 || self.erased.len() == 2 {
            return;
        }
        self.erased.insert(profile);
        let erased = vec![Erased { audience: "7".to_owned(), id: [profile; 16], absorbed: Vec::new() }];
        let upkeep = Upkeep { erased, ..Upkeep::default() };
        self.commit(&Write { upkeep: Some(Box::new(upkeep)), ..Write::default() });
    }

    fn commit(&mut self, write: &Write) {
        self.store.commit(&Basis::default(), write).unwrap();
    }

    /// Time passes, at most so much, and attempts that took theirs have ended without an answer.
    fn pass(&mut self, most_ms: u64) {
        self.now_ms += 1 + self.draw(most_ms) as i64;
        for Call { deliveries, under_way } in &mut self.calls {
            let now_ms = self.now_ms;
            for late in under_way.extract_if(.., |begun| begun.at_ms + ATTEMPT_MS as i64 <= now_ms) {
                deliveries.ended(result(&late, AttemptOutcome::late()));
            }
        }
    }

    /// The answer to an attempt arrives.
    fn end(&mut self, call: usize) {
        let count = self.calls[call].under_way.len() as u64;
        if count > 0 {
            let place = self.draw(count) as usize;
            let call = &mut self.calls[call];
            let begun = call.under_way.swap_remove(place);
            let outcome = AttemptOutcome::answered(begun.status, b"", None);
            call.deliveries.ended(result(&begun, outcome));
        }
    }

    fn step(&mut self, call: usize) {
        let ambient = Ambient { now_ms: self.now_ms, entropy: [7; 32] };
        match self.calls[call].deliveries.step(&self.edge, ambient) {
            DeliveryStep::Turn(message) => {
                let answer = self.take(&message);
                let begins = self.calls[call].deliveries.turned(&mut self.edge, self.now_ms, &answer);
                // Before they begin, somebody may be erased.
                if self.draw(20) == 0 && !self.is_calm {
                    self.erase();
                }
                begins.into_iter().for_each(|attempt| self.begin(call, attempt));
            }
            DeliveryStep::Wait(_) => {}
            DeliveryStep::Rest => {
                assert!(self.calls[call].under_way.is_empty(), "what is under way is waited for");
                self.calls[call] = Call::new(self.now_ms);
            }
        }
    }

    /// A turn. Some fail before their commit, and of some the answer is lost after it.
    fn take(&mut self, message: &[u8]) -> Response {
        let fails = if self.is_rough && !self.is_calm { self.draw(10) } else { 9 };
        if fails == 0 {
            return Response::empty(503);
        }
        let mut opened = drive::open(&mut self.edge, message).unwrap();
        let read = opened.read.clone().unwrap();
        let found = self.store.read(&read).unwrap();
        let Folded::Done(outcome) = drive::fold(&mut self.edge, &mut opened, found) else {
            panic!("it is decided")
        };
        self.commit(&outcome.write);
        if fails == 1 { Response::empty(503) } else { outcome.response }
    }

    /// Begins an attempt, unless its message is gone, as a host does while it holds the lock of its storage.
    fn begin(&mut self, call: usize, attempt: Attempt) {
        let mut begun = Begun { attempt, at_ms: self.now_ms, status: 500 };
        let Attempt { number, id, .. } = begun.attempt;
        if !self.store.journeys.numbered().any(|(known, row)| (known, row.id) == (number, id)) {
            self.calls[call].deliveries.ended(result(&begun, AttemptOutcome::NotBegun));
            return;
        }
        let [id, ..] = id;
        let profile = id % PROFILES;
        assert!(!self.erased.contains(&profile), "{id} is attempted after its erasure");
        let before = (0..id).filter(|earlier| earlier % PROFILES == profile);
        let open: Vec<u8> = before.filter(|earlier| !self.delivered.contains(earlier)).collect();
        assert_eq!(open, [] as [u8; 0], "{id} is attempted before them");
        let is_other = |other: &&Begun| other.attempt.id == begun.attempt.id;
        if let Some(other) = self.calls.iter().flat_map(|call| &call.under_way).find(is_other) {
            let is_leased = other.at_ms + ATTEMPT_LEASE_MS > self.now_ms;
            assert!(self.is_rough || !is_leased, "{id} is attempted twice at once");
        }
        if self.is_calm || self.draw(2) == 0 {
            begun.status = 200;
            self.delivered.insert(id);
        }
        self.calls[call].under_way.push(begun);
    }

    /// Lets everything succeed until nothing is left.
    fn calm(&mut self) {
        self.is_calm = true;
        for _ in 0..5_000 {
            for call in 0..CALLS {
                self.step(call);
                self.end(call);
            }
            if self.store.journeys.numbered().next().is_none() {
                return;
            }
            self.pass(10_000);
        }
        panic!("{} messages are left", self.store.journeys.numbered().count());
    }
}

fn result(begun: &Begun, outcome: AttemptOutcome) -> AttemptResult {
    AttemptResult { number: begun.attempt.number, id: begun.attempt.id, at_ms: begun.at_ms, outcome }
}

#[test]
fn calls_that_overlap_lose_nothing_and_keep_its_order() {
    for seed in 1..=60 {
        let mut world = World::new(seed, seed % 2 == 0);
        for _ in 0..STEPS {
            world.happens();
        }
        world.calm();
        assert_eq!((world.fired, world.erased.len()), (MESSAGES, 2), "seed {seed}");
        let is_owed = |id: &u8| !world.erased.contains(&(id % PROFILES)) && !world.delivered.contains(id);
        let lost: Vec<u8> = (0..world.fired).filter(is_owed).collect();
        assert_eq!(lost, [] as [u8; 0], "seed {seed}");
    }
}
