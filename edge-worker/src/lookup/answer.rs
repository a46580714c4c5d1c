//! Answers a lookup from the nearest snapshot that is new enough.

use std::cell::OnceCell;

use usher_engine::gather::Gather;
use usher_engine::planted::{self, Bug};
use usher_engine::profile::codec;
use usher_engine::{Asked, Evidence, Plan, Profile, Query, Rows};

use super::tier::Tier;
use super::{PendingLookup, Shape, keys_of, rows};
use crate::answer::{self, Meta};
use crate::edge::Edge;
use crate::error::Refusal;
use crate::keys::{SeenToken, Signer};
use crate::message::Snapshot;
use crate::metrics::Counts;
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::Response;

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
    let keyring = edge.keyring()?;
    let running = edge.running(&pending.audience)?;
    let (plan, now_ms) = (&running.plan, pending.request.ambient.now_ms);
    // An explanation needs the stored state, and no segments are not the same as unknown ones.
    let needs_snapshot = matches!(pending.shape, Shape::Explanation | Shape::Segments | Shape::Extract);
    if needs_snapshot && tier == Tier::Nothing {
        return None;
    }
    // A device gets the part of a profile whose answer its page has seen, and of no other.
    let opened = opened.filter(|opened| {
        let profile = opened.snapshot.profile.as_ref();
        pending.shape != Shape::Extract
            || (pending.seen.is_some() && pending.has_seen_no_newer(profile, &keyring.signer))
    });
    let snapshot = opened.map(|opened| &opened.snapshot);
    let age_ms = snapshot.map_or(0, |snapshot| now_ms.saturating_sub(snapshot.taken_ms).max(0));
    let is_forgotten = snapshot.is_some_and(|snapshot| snapshot.taken_ms <= forgotten_ms);
    let is_too_old = age_ms > tier.age_ms_max() || (is_forgotten && tier != Tier::Writer);
    let stored = snapshot.and_then(|snapshot| snapshot.profile.as_ref());
    // The writer's snapshot is the newest. With none left to try, no newer one follows.
    let is_newest = matches!(tier, Tier::Writer | Tier::Nothing);
    let is_newest = is_newest || planted::is(Bug::IgnoresTokens);
    if is_too_old || !(is_newest || pending.has_seen_no_newer(stored, &keyring.signer)) {
        return None;
    }
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
    let known = stored.is_some();
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
    let of_call = if HAS_CONTROL_PLANE {
        pending.rows(plan, profile, &query, (tier, snapshot, age_ms))?
    } else {
        Rows::default()
    };
    let call = || {
        let call = plan.call(profile, &query, now_ms);
        if HAS_CONTROL_PLANE { call.with(&of_call) } else { call }
    };
    let stale = matches!(tier, Tier::Stale | Tier::Nothing);
    let (bundle, version, source) = (running.number, profile.version, tier.source());
    let meta = Meta {
        bundle,
        version,
        source,
        age_ms,
        stale,
        uncommitted: pending.later.is_some(),
        merging: false,
        refused: pending.refused,
    };
    let mut counts = Counts::default();
    let mut personalize = || {
        let answer = call().personalize();
        answer::count(&answer, stale, &mut counts);
        answer
    };
    let body = match pending.shape {
        Shape::Explanation if HAS_CONTROL_PLANE => {
            let journal = snapshot.map_or(&[][..], |snapshot| &snapshot.journal);
            let call = call();
            let carried = rows::carried(snapshot)?;
            let lines = rows::lines(plan, &of_call, &carried, now_ms);
            answer::explanation(profile, known, &call.explain(), &meta, &call.journeys(), journal, &lines)
        }
        Shape::Outputs if HAS_CONTROL_PLANE => {
            match personalize().offers.first() {
                Some(offer) => answer::outputs(offer),
                // Another section may have matched if the profile could be read.
                None if query.blind => return None,
                None => return Some(pending.shape.refused(Refusal::NO_SECTION)),
            }
        }
        Shape::Segments if HAS_CONTROL_PLANE => {
            let key = pending.key_of(plan, profile).filter(|_| known);
            let found = key.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            answer::segments_of_visitor(&pending.audience, found, &personalize())
        }
        Shape::Extract if HAS_CONTROL_PLANE => {
            let taken_ms = now_ms.saturating_sub(age_ms);
            let devices = edge.for_devices(&pending.audience, running);
            let extract = devices.map(|devices| devices.reduced.extract(profile)).unwrap_or_default();
            let devices = devices.map(|devices| (devices.hash.as_str(), extract.as_slice()));
            answer::extract(
                &pending.audience,
                devices,
                profile,
                &pending.event_ids,
                (&pending.edge, taken_ms),
            )
        }
        _ => answer::answer(&personalize(), Some(&meta)),
    };
    let mut response = Response::json(200, body).with_cors(pending.origin.as_deref());
    counts.add(tier.count());
    counts.age_ms = Some(age_ms).filter(|_| known);
    response.counts = counts;
    Some(match opened.and_then(|opened| opened.token(&keyring.signer)) {
        Some(token) => response.header("usher-seen", token),
        None => response,
    })
}

impl PendingLookup {
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
