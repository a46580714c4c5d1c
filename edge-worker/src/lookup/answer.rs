//! Answers a lookup from the nearest snapshot that is new enough.

use std::cell::OnceCell;

use usher_engine::gather::Gather;
use usher_engine::planted::{self, Bug};
use usher_engine::profile::codec;
use usher_engine::{Answer, Asked, Evidence, Plan, Prepared, Profile, Query, Rows};

use super::tier::Tier;
use super::{PendingLookup, Shape, keys_of, rows};
use crate::answer::{self, Meta};
use crate::edge::{Edge, Running};
use crate::error::Refusal;
use crate::keys::{SeenToken, Signer};
use crate::message::Snapshot;
use crate::metrics::Counts;
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::Response;
use crate::wire::json::Json;

/// A snapshot and its tier, nearest first.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'a> {
    /// The isolate's memory.
    Memory(&'a [u8]),
    /// The key-value store.
    Kv(&'a [u8]),
    /// The writer, which is authoritative.
    Writer(&'a [u8]),
    /// Any other snapshot, when the writer fails.
    Stale(&'a [u8]),
    /// No snapshot.
    Nothing,
}

impl Candidate<'_> {
    /// The bytes of the snapshot, if there is one.
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Candidate::Memory(bytes)
            | Candidate::Kv(bytes)
            | Candidate::Writer(bytes)
            | Candidate::Stale(bytes) => Some(bytes),
            Candidate::Nothing => None,
        }
    }

    fn tier(&self) -> Tier {
        match self {
            Candidate::Memory(_) => Tier::Memory,
            Candidate::Kv(_) => Tier::Kv,
            Candidate::Writer(_) => Tier::Writer,
            Candidate::Stale(_) => Tier::Stale,
            Candidate::Nothing => Tier::Nothing,
        }
    }
}

/// The answer from this snapshot; None when it is not good enough and the next one should be tried.
///
/// Copies that were taken until `forgotten_ms` (Unix milliseconds) are not good enough: the host heard of a change then that
/// makes them wrong ([`FORGET`](crate::outcome::FORGET)).
///
/// # Examples
///
/// ```
/// # use usher_edge::store::memory::MemoryStore;
/// # use usher_edge::{Ambient, Edge, Request, Step, serve};
/// # // The SHA-256 of the keys `admin`, `write` and `server`.
/// # let admin = "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918";
/// # let write = "10fd874b68dad080ed706762c8e163dabb20514bddae38fb159c56f714a3b143";
/// # let server = "b3eacd33433b31b5252351032c9b3e7a2e7aa7738d5decdf0dd6c62680853c06";
/// # let secret = format!(
/// #     r#"{{"signing_key": "{}", "keys": [{{"kind": "admin", "audience": "7", "sha256": "{admin}"}},
/// #         {{"kind": "write", "audience": "7", "account": "1", "sha256": "{write}"}},
/// #         {{"kind": "server", "audience": "7", "account": "1", "sha256": "{server}", "scopes": ["personalize"]}}]}}"#,
/// #     "07".repeat(32),
/// # );
/// # let (mut edge, mut store) = (Edge::new(Some(&secret), false), MemoryStore::default());
/// # let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// # let with_key = |key: &str| [("authorization".to_owned(), format!("TD1 {key}"))];
/// # let bundle = r#"{"format": 2, "definition": {"audience": {"id": "7"},
/// #     "key_events": [{"name": "view", "table": {"database": "web", "table": "pages"}}],
/// #     "identity": {"keys": [{"name": "visitor"}]},
/// #     "personalizations": [{"name": "home", "choice": "first", "sections": [
/// #         {"name": "Welcome", "criteria": "", "outputs": [{"name": "text", "source": {"constant": "Hello"}}]}]}]}}"#;
/// # let publish = Request { method: "PUT", target: "/v1/audiences/7/bundle", headers: &with_key("admin"), body: bundle.as_bytes(), ambient };
/// # assert_eq!(serve(&mut edge, &mut store, &publish, &mut |_line| ()).status, 200);
/// use usher_edge::lookup::{Candidate, answer};
/// use usher_edge::front;
///
/// let body = br#"{"audience": "7", "personalization": "home", "inputs": {"visitor": "anna"}}"#;
/// let request = Request { method: "POST", target: "/v1/personalize", headers: &with_key("server"), body, ambient };
/// let Step::LookUp(pending) = front::handle(&edge, &request) else { panic!("a lookup needs a snapshot") };
///
/// // A damaged copy is not used; where nobody has a snapshot, the visitor is unknown.
/// assert_eq!(answer(&edge, &pending, Candidate::Kv(b"damaged"), i64::MIN), None);
/// let response = answer(&edge, &pending, Candidate::Nothing, i64::MIN).expect("an answer");
/// assert!(response.body.starts_with(br#"{"offers":{"Welcome":{"attributes":{"text":"Hello"}"#));
/// ```
pub fn answer(
    edge: &Edge,
    pending: &PendingLookup,
    candidate: Candidate<'_>,
    forgotten_ms: i64,
) -> Option<Response> {
    let opened = match candidate.bytes() {
        Some(bytes) => Some(Opened::of(bytes)?),
        None => None,
    };
    answer_from(edge, pending, candidate.tier(), opened.as_ref(), forgotten_ms)
}

/// A decoded snapshot.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) snapshot: Snapshot,
    /// The read-your-writes token of its profile, which is the same for every answer from it.
    token: OnceCell<String>,
}

impl Opened {
    /// None if it is damaged.
    pub(super) fn of(bytes: &[u8]) -> Option<Opened> {
        Some(Opened { snapshot: Snapshot::decode(bytes)?, token: OnceCell::new() })
    }

    /// None without a profile.
    fn token(&self, signer: &Signer) -> Option<&str> {
        let profile = self.snapshot.profile.as_ref()?;
        let seen = SeenToken { profile: profile.id, version: profile.version };
        Some(self.token.get_or_init(|| seen.sign(signer)))
    }
}

/// The same from a decoded snapshot of this tier.
pub(super) fn answer_from(
    edge: &Edge,
    pending: &PendingLookup,
    tier: Tier,
    opened: Option<&Opened>,
    forgotten_ms: i64,
) -> Option<Response> {
    let signer = &edge.keyring()?.signer;
    let running = edge.running(&pending.audience)?;
    let (plan, now_ms) = (&running.plan, pending.request.ambient.now_ms);
    // A device gets the part of a profile whose answer its page has seen, and of no other.
    let opened = opened.filter(|opened| {
        let profile = opened.snapshot.profile.as_ref();
        pending.shape != Shape::Extract
            || (pending.seen.is_some() && pending.has_seen_no_newer(profile, signer))
    });
    let snapshot = opened.map(|opened| &opened.snapshot);
    let age_ms = snapshot.map_or(0, |snapshot| now_ms.saturating_sub(snapshot.taken_ms).max(0));
    if !pending.accepts(tier, (snapshot, age_ms), forgotten_ms, signer) {
        return None;
    }
    let stored = snapshot.and_then(|snapshot| snapshot.profile.as_ref());
    let event = pending.event.as_ref().and_then(|named| named.resolve(plan, now_ms));
    // An event is ingested into a copy: a lookup stores nothing. Bytes are copied with less code than what is decoded.
    let mut own = match stored {
        Some(stored) if event.is_some() => {
            Some(codec::decode(&codec::encode(stored, codec::Form::Three)).ok()?)
        }
        Some(_) => None,
        None => Some(Profile::unknown()),
    };
    if let (Some(own), Some(event)) = (&mut own, &event) {
        plan.ingest(own, event, now_ms);
    }
    let profile = own.as_ref().or(stored)?;
    let named = pending.asked(plan);
    let triggered = event.is_some() && pending.personalizations.is_empty();
    let query = Query {
        event: event.as_ref(),
        asked: if triggered { Asked::Triggered } else { Asked::Named(&named) },
        inputs: &pending.inputs,
        edge: &pending.edge,
        access: pending.access,
        blind: tier == Tier::Nothing,
    };
    let rows = if HAS_CONTROL_PLANE {
        pending.rows(plan, profile, &query, (tier, snapshot, age_ms))?
    } else {
        Rows::default()
    };
    let known = stored.is_some();
    let evaluation =
        Evaluation { edge, running, pending, tier, snapshot, age_ms, profile, known, query, rows: &rows };
    let mut counts = Counts::default();
    let body = match evaluation.body(&mut counts)? {
        Ok(body) => body,
        Err(refusal) => return Some(pending.shape.refused(refusal)),
    };
    let mut response = Response::json(200, body).with_cors(pending.origin.as_deref());
    counts.add(tier.count());
    counts.age_ms = Some(age_ms).filter(|_| known);
    response.counts = counts;
    Some(match opened.and_then(|opened| opened.token(signer)) {
        Some(token) => response.header("usher-seen", token),
        None => response,
    })
}

/// One evaluation of a profile, and what its answer says beside the offers.
struct Evaluation<'a> {
    edge: &'a Edge,
    running: &'a Running,
    pending: &'a PendingLookup,
    tier: Tier,
    snapshot: Option<&'a Snapshot>,
    /// Milliseconds since the snapshot was taken, 0 without one.
    age_ms: i64,
    profile: &'a Profile,
    /// False for a visitor without a stored profile.
    known: bool,
    query: Query<'a>,
    /// The rows of tables that the call reads.
    rows: &'a Rows,
}

impl Evaluation<'_> {
    /// The body in the shape that the caller asked for; None when a better snapshot should be tried.
    fn body(&self, counts: &mut Counts) -> Option<core::result::Result<Json, Refusal>> {
        let (pending, profile, plan) = (self.pending, self.profile, &self.running.plan);
        let body = match pending.shape {
            Shape::Explanation if HAS_CONTROL_PLANE => self.explanation()?,
            Shape::Outputs if HAS_CONTROL_PLANE => match self.personalize(counts).offers.first() {
                Some(offer) => answer::outputs(offer),
                // Another section may have matched if the profile could be read.
                None if self.query.blind => return None,
                None => return Some(Err(Refusal::NO_SECTION)),
            },
            Shape::Segments if HAS_CONTROL_PLANE => {
                let key = pending.key_of(plan, profile).filter(|_| self.known);
                let found = key.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
                answer::segments_of_visitor(&pending.audience, found, &self.personalize(counts))
            }
            Shape::Extract if HAS_CONTROL_PLANE => self.extract(),
            _ => answer::answer(&self.personalize(counts), Some(&self.meta())),
        };
        Some(Ok(body))
    }

    fn call(&self) -> Prepared<'_, '_> {
        let call = self.running.plan.call(self.profile, &self.query, self.pending.request.ambient.now_ms);
        if HAS_CONTROL_PLANE { call.with(self.rows) } else { call }
    }

    fn personalize(&self, counts: &mut Counts) -> Answer<'_> {
        let answer = self.call().personalize();
        answer::count(&answer, self.is_stale(), counts);
        answer
    }

    /// None where the rows that a snapshot carries are damaged.
    fn explanation(&self) -> Option<Json> {
        let journal = self.snapshot.map_or(&[][..], |snapshot| &snapshot.journal);
        let carried = rows::carried(self.snapshot)?;
        let now_ms = self.pending.request.ambient.now_ms;
        let lines = rows::lines(&self.running.plan, self.rows, &carried, now_ms);
        let (call, meta) = (self.call(), self.meta());
        Some(answer::explanation(
            self.profile,
            self.known,
            &call.explain(),
            &meta,
            &call.journeys(),
            journal,
            &lines,
        ))
    }

    /// The part of the profile for the visitor's device.
    fn extract(&self) -> Json {
        let pending = self.pending;
        let taken_ms = pending.request.ambient.now_ms.saturating_sub(self.age_ms);
        let devices = self.edge.for_devices(&pending.audience, self.running);
        let extract = devices.map(|devices| devices.reduced.extract(self.profile)).unwrap_or_default();
        let devices = devices.map(|devices| (devices.hash.as_str(), extract.as_slice()));
        let beside = (pending.edge.as_slice(), taken_ms);
        answer::extract(&pending.audience, devices, self.profile, &pending.event_ids, beside)
    }

    fn is_stale(&self) -> bool {
        matches!(self.tier, Tier::Stale | Tier::Nothing)
    }

    fn meta(&self) -> Meta {
        Meta {
            bundle: self.running.number,
            version: self.profile.version,
            source: self.tier.source(),
            age_ms: self.age_ms,
            stale: self.is_stale(),
            uncommitted: self.pending.later.is_some(),
            merging: false,
            refused: self.pending.refused,
        }
    }
}

impl PendingLookup {
    /// True if a snapshot of this age (milliseconds) may answer: it is young enough for its tier, was taken after the copies that
    /// are wrong by now (`forgotten_ms`), and the caller has seen no newer one.
    fn accepts(
        &self,
        tier: Tier,
        (snapshot, age_ms): (Option<&Snapshot>, i64),
        forgotten_ms: i64,
        signer: &Signer,
    ) -> bool {
        // An explanation needs the stored state, and no segments are not the same as unknown ones.
        let needs_snapshot = matches!(self.shape, Shape::Explanation | Shape::Segments | Shape::Extract);
        if needs_snapshot && tier == Tier::Nothing {
            return false;
        }
        let is_forgotten = snapshot.is_some_and(|snapshot| snapshot.taken_ms <= forgotten_ms);
        let is_too_old = age_ms > tier.age_ms_max() || (is_forgotten && tier != Tier::Writer);
        // The writer's snapshot is the newest. With none left to try, no newer one follows.
        let is_newest = matches!(tier, Tier::Writer | Tier::Nothing);
        let is_newest = is_newest || planted::is(Bug::IgnoresTokens);
        let profile = snapshot.and_then(|snapshot| snapshot.profile.as_ref());
        !is_too_old && (is_newest || self.has_seen_no_newer(profile, signer))
    }

    /// True unless the caller has seen a newer version of the profile, or another profile.
    fn has_seen_no_newer(&self, profile: Option<&Profile>, signer: &Signer) -> bool {
        self.seen
            .is_none_or(|seen| profile.is_some_and(|known| seen.is_met_by(known.id, known.version, signer)))
    }

    /// The first key of the lookup that this profile has: name and value.
    fn key_of(&self, plan: &Plan, profile: &Profile) -> Option<(String, String)> {
        let evidence = Evidence { server: self.access.server_route, keys: &[] };
        let tried = keys_of(plan, &self.audience, None, &self.inputs, &evidence);
        let found = tried.into_iter().find(|key| profile.has_key(&key.name, &key.value))?;
        Some((found.name, found.value))
    }

    /// The indexes of the personalizations that are asked by name.
    fn asked(&self, plan: &Plan) -> Vec<usize> {
        if self.personalizations.is_empty() {
            // Without an event or a name, every personalization is explained as for a lookup; a lookup names one.
            (0..plan.definition().personalizations.len()).gather()
        } else {
            self.personalizations.iter().filter_map(|name| plan.personalization(name)).gather()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front;
    use crate::limits::{SNAPSHOT_MS, STALE_SNAPSHOT_MS};
    use crate::store::memory::MemoryStore;
    use crate::{Ambient, Request, Step, serve};
    use usher_engine::ProfileId;

    /// The SHA-256 of the keys `admin` and `server`.
    const ADMIN: &str = "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918";
    const SERVER: &str = "b3eacd33433b31b5252351032c9b3e7a2e7aa7738d5decdf0dd6c62680853c06";
    const BUNDLE: &str = r#"{"format": 2, "definition": {"audience": {"id": "7"},
        "key_events": [{"name": "view", "table": {"database": "web", "table": "pages"}}],
        "identity": {"keys": [{"name": "visitor"}]},
        "personalizations": [{"name": "home", "choice": "first", "sections": [
            {"name": "Welcome", "criteria": "", "outputs": [{"name": "text", "source": {"constant": "Hello"}}]}]}]}}"#;

    #[test]
    fn each_copy_answers_up_to_the_age_of_its_tier() {
        let secret = format!(
            r#"{{"signing_key": "{}", "keys": [{{"kind": "admin", "audience": "7", "sha256": "{ADMIN}"}},
                {{"kind": "server", "audience": "7", "account": "1", "sha256": "{SERVER}", "scopes": ["personalize"]}}]}}"#,
            "07".repeat(32)
        );
        let (mut edge, mut store) = (Edge::new(Some(&secret), false), MemoryStore::default());
        let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
        let headers = |key: &str| [("authorization".to_owned(), format!("TD1 {key}"))];
        let target = "/v1/audiences/7/bundle";
        let publish =
            Request { method: "PUT", target, headers: &headers("admin"), body: BUNDLE.as_bytes(), ambient };
        assert_eq!(serve(&mut edge, &mut store, &publish, &mut |_line| ()).status, 200);
        let body = br#"{"audience": "7", "personalization": "home", "inputs": {"visitor": "anna"}}"#;
        let target = "/v1/personalize";
        let look = Request { method: "POST", target, headers: &headers("server"), body, ambient };
        let Step::LookUp(pending) = front::handle(&edge, &look) else { unreachable!("a lookup") };
        let anna = codec::encode(&Profile::new(ProfileId([1; 16]), 1_780_000_000_000), codec::Form::Two);
        let source = |age_ms: i64, tier: Tier| {
            let copy = Opened::of(&Snapshot::encode(ambient.now_ms - age_ms, &anna, &[], &[])).unwrap();
            let response = answer_from(&edge, &pending, tier, Some(&copy), i64::MIN)?;
            let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!(body["meta"]["age_ms"], age_ms);
            body["meta"]["source"].as_str().map(str::to_owned)
        };
        for (tier, name, most_ms) in [
            (Tier::Memory, "memory", SNAPSHOT_MS),
            (Tier::Kv, "kv", SNAPSHOT_MS),
            (Tier::Stale, "stale", STALE_SNAPSHOT_MS),
        ] {
            assert_eq!(source(most_ms, tier).as_deref(), Some(name));
            assert_eq!(source(most_ms + 1, tier), None, "{name}");
        }
        // The writer's is the newest, whatever its age.
        assert_eq!(source(STALE_SNAPSHOT_MS + 1, Tier::Writer).as_deref(), Some("writer"));
    }
}
