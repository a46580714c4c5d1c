//! Shards in this process that run one small definition, and the questions of tests to them.

use usher_edge::lookup::{self, Candidate};
use usher_edge::store::Store;
use usher_edge::wire::Response;
use usher_edge::{Ambient, Edge, Folded, Request, Step, drive, front};
use usher_engine::profile::codec;

use crate::deployment::Keys;
use crate::shards::{Envelope, Shards};

/// The time at which a test begins, Unix milliseconds.
pub const NOW_MS: i64 = 1_790_000_000_000;

const DEFINITION: &str = r#"{"format": 2, "definition": {"audience": {"id": "1069944"},
    "key_events": [{"name": "view", "table": {"database": "web", "table": "pages"}}],
    "attributes": [{"name": "views", "kind": {"counter": {"key_event": "view", "increment": {"column": "n"}}}, "sensitive": false}],
    "identity": {"keys": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "person"}], "primary_key": "person"},
    "personalizations": [{"name": "home", "choice": "first", "sections": [
        {"name": "All", "criteria": "", "outputs": [{"name": "views", "source": {"attribute": {"name": "views", "part": null}}}]}]}]}}"#;

/// A deployment that runs the definition.
pub struct Bed {
    /// The shards.
    pub shards: Shards,
    entropy: u64,
    table: &'static str,
}

impl Bed {
    /// So many shards, which run the definition.
    pub fn new(shards: u32) -> Bed {
        Bed::running(shards, DEFINITION.as_bytes(), "/web/pages")
    }

    /// So many shards, which run this bundle; its events come to this table, unless another one is named.
    pub fn running(shards: u32, bundle: &[u8], table: &'static str) -> Bed {
        let edge = Edge::new(Some(&Keys::demo().secret()), true);
        let mut bed = Bed { shards: Shards::new(edge, shards), entropy: 0, table };
        bed.shards.now_ms = NOW_MS;
        let message = match bed.front("PUT", "/v1/audiences/1069944/bundle", "admin", bundle) {
            Step::Publish { message, .. } => message,
            Step::Respond(refused) => panic!("{}", String::from_utf8_lossy(&refused.body)),
            _ => panic!("a bundle is published"),
        };
        let shards = &mut bed.shards;
        let mut opened = drive::open(&mut shards.edge, &message).expect("opened");
        let found = shards.control.read(opened.read.as_ref().expect("a read")).expect("read");
        let Folded::Done(outcome) = drive::fold(&mut shards.edge, &mut opened, found) else {
            panic!("folded")
        };
        assert_eq!(outcome.response.status, 200, "{:?}", String::from_utf8_lossy(&outcome.response.body));
        shards.control.commit(&Default::default(), &outcome.write).expect("committed");
        shards.refresh();
        bed
    }

    /// The first step of a request.
    pub fn front(&mut self, method: &str, target: &str, key: &str, body: &[u8]) -> Step {
        self.entropy += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.entropy.to_le_bytes());
        let ambient = Ambient { now_ms: self.shards.now_ms, entropy };
        let headers = Keys::demo().headers(key, self.shards.now_ms / 1_000);
        front::handle(&self.shards.edge, &Request { method, target, headers: &headers, body, ambient })
    }

    /// Sends one event; its number is that of its answer.
    pub fn send(&mut self, event: &str) -> usize {
        self.send_to(self.table, event)
    }

    /// The same to another table.
    pub fn send_to(&mut self, table: &str, event: &str) -> usize {
        let body = format!("{{\"events\": [{event}]}}");
        match self.front("POST", table, "collector", body.as_bytes()) {
            Step::Write { shard, message } => self.shards.send(shard, message),
            other => panic!("an event is for a writer: {other:?}"),
        }
    }

    /// Sends one event, and delivers everything.
    pub fn tell(&mut self, event: &str) {
        let number = self.send(event);
        self.shards.settle();
        self.succeeded(number);
    }

    /// A shard ends when a key of its event has been claimed in another one.
    pub fn dies_after_its_claim(&mut self, shard: u32, home: usize) {
        // The answer to the claim is lost with it.
        while !self.shards.queue.iter().any(|sent| sent.shard as usize == home && is_claim(sent)) {
            assert!(self.shards.step(0) || self.shards.tick(), "it comes to be claimed");
        }
        let at = self.shards.queue.iter().position(is_claim).expect("a claim");
        self.shards.crash(shard);
        self.shards.step(at);
        self.shards.settle();
    }

    /// True if an event has a receipt.
    pub fn is_stored(&self, number: usize) -> bool {
        let answer: Option<&Response> = self.shards.answer(number);
        answer.is_some_and(|answer| answer.body.starts_with(br#"{"receipts":[{"success":true"#))
    }

    /// Panics unless an event has a receipt.
    pub fn succeeded(&self, number: usize) {
        let answer =
            self.shards.answer(number).map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
        assert!(self.is_stored(number), "{answer:?}");
    }

    /// The sum of the views of the visitor with this key; None: nobody has it.
    pub fn views(&mut self, name: &str, value: &str) -> Option<i64> {
        self.views_after("", name, value)
    }

    /// The same for a caller with this token.
    pub fn views_after(&mut self, seen: &str, name: &str, value: &str) -> Option<i64> {
        let body = format!(
            r#"{{"audience": "1069944", "personalization": "home", "key": {{"name": "{name}", "value": "{value}"}}, "seen": "{seen}"}}"#
        );
        let Step::LookUp(pending) = self.front("POST", "/v1/personalize", "server", body.as_bytes()) else {
            panic!("a lookup needs a snapshot")
        };
        let message = pending.message(&self.shards.edge);
        let number = self.shards.send(pending.shard, message);
        self.shards.settle();
        let snapshot = self.shards.answer(number).expect("answered").clone();
        assert_eq!(snapshot.status, 200, "a lookup of {name}={value}");
        let answer = lookup::answer(&self.shards.edge, &pending, Candidate::Writer(&snapshot.body), i64::MIN);
        let body = String::from_utf8(answer.expect("an answer").body).expect("text");
        let (_, rest) = body.split_once(r#""views":"#)?;
        Some(rest[..rest.find(['}', ',']).expect("an end")].parse().expect("a number"))
    }

    /// The status of a shard's answer to a lookup by this key.
    pub fn lookup_status(&mut self, name: &str, value: &str) -> u16 {
        let body = format!(
            r#"{{"audience": "1069944", "personalization": "home", "key": {{"name": "{name}", "value": "{value}"}}}}"#
        );
        let Step::LookUp(pending) = self.front("POST", "/v1/personalize", "server", body.as_bytes()) else {
            panic!("a lookup needs a snapshot")
        };
        let message = pending.message(&self.shards.edge);
        let number = self.shards.send(pending.shard, message);
        self.shards.settle();
        self.shards.answer(number).expect("answered").status
    }

    /// The ids of the profiles that list any of these keys, in any shard.
    pub fn profiles(&mut self, keys: &[(&str, &str)]) -> Vec<[u8; 16]> {
        use usher_edge::message::KeyOf;
        use usher_edge::store::{Found, Read};
        let mut all = Vec::new();
        for store in &mut self.shards.stores {
            let of = |(name, value): &(&str, &str)| KeyOf {
                audience: "1069944".to_owned(),
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            };
            let read = Read::Profiles(keys.iter().map(of).collect());
            let Ok(Found::Profiles(found)) = store.read(&read) else { panic!("profiles") };
            for found in found {
                codec::decode(&found.state).expect("a profile");
                all.push(found.id);
            }
        }
        all
    }

    /// A shard of which `name=value` is the home.
    pub fn home(&mut self, name: &str, value: &str) -> u32 {
        let body = format!("{{\"events\": [{{\"{name}\": \"{value}\"}}]}}");
        match self.front("POST", self.table, "collector", body.as_bytes()) {
            Step::Write { shard, .. } => shard,
            _ => panic!("an event is for a writer"),
        }
    }

    /// A value of a key whose home is this shard.
    pub fn value_in(&mut self, name: &str, shard: u32) -> String {
        let mut values = (0..1_000).map(|number| format!("{name}{number}"));
        values.find(|value| self.home(name, value) == shard).expect("one in a thousand")
    }

    /// Asks for everything of the profile of a key (`GET`), or erases it (`DELETE`); the number is that of the answer.
    pub fn of_profile(&mut self, method: &str, name: &str, value: &str) -> usize {
        let target = format!("/v1/audiences/1069944/profiles/{name}/{value}");
        match self.front(method, &target, "server", b"") {
            Step::Write { shard, message } => self.shards.send(shard, message),
            other => panic!("a writer has the profile: {other:?}"),
        }
    }

    /// Erases the profile of a key, and delivers everything; the status of the answer.
    pub fn erase(&mut self, name: &str, value: &str) -> u16 {
        let number = self.of_profile("DELETE", name, value);
        self.shards.settle();
        self.shards.answer(number).expect("answered").status
    }
}

/// True for the message by which a profile claims a key.
pub fn is_claim(sent: &Envelope) -> bool {
    sent.message.get(3..5) == Some(&[18, 1])
}
