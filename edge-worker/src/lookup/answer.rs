//! The answer to a lookup, from the nearest snapshot that is good enough.

use usher_engine::{Asked, Profile, Query};

use super::PendingLookup;
use crate::answer::{self, Meta};
use crate::edge::Edge;
use crate::keys::SeenToken;
use crate::limits::SNAPSHOT_MS;
use crate::message::Snapshot;
use crate::wire::Response;

/// A snapshot with the tier that it comes from, nearest first.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'a> {
    /// The isolate's memory.
    Memory(&'a [u8]),
    /// The key-value store.
    Kv(&'a [u8]),
    /// The writer: the truth.
    Writer(&'a [u8]),
    /// Any that is left, when the writer does not answer.
    Stale(&'a [u8]),
    /// None is left.
    Nothing,
}

/// The answer from this snapshot; None when it is not good enough and the next one should be tried.
pub fn answer(edge: &Edge, pending: &PendingLookup, candidate: Candidate<'_>) -> Option<Response> {
    let keyring = edge.keyring()?;
    let running = edge.running(&pending.audience)?;
    let now_ms = pending.ambient.now_ms;
    let snapshot = match candidate {
        Candidate::Memory(bytes)
        | Candidate::Kv(bytes)
        | Candidate::Writer(bytes)
        | Candidate::Stale(bytes) => Some(Snapshot::decode(bytes)?),
        Candidate::Nothing => None,
    };
    let age_ms = snapshot.as_ref().map(|snapshot| now_ms.saturating_sub(snapshot.taken_ms).max(0));
    let kept = matches!(candidate, Candidate::Memory(_) | Candidate::Kv(_));
    let stale = matches!(candidate, Candidate::Stale(_) | Candidate::Nothing);
    if kept && age_ms.is_some_and(|age_ms| age_ms > SNAPSHOT_MS) {
        return None;
    }
    let profile = snapshot.and_then(|snapshot| snapshot.profile);
    if !matches!(candidate, Candidate::Writer(_) | Candidate::Nothing)
        && let Some(seen) = pending.seen
    {
        let as_new =
            profile.as_ref().is_some_and(|known| known.id == seen.profile && known.version >= seen.version);
        if !as_new {
            return None;
        }
    }
    let known = profile.is_some();
    let mut profile = profile.unwrap_or_else(Profile::unknown);
    let plan = &running.plan;
    let event = pending.event.as_ref().and_then(|named| named.resolve(plan, now_ms));
    if let Some(event) = &event {
        // On a copy: what is explained is not stored.
        plan.ingest(&mut profile, event, now_ms);
    }
    let named: Vec<usize> = if pending.personalizations.is_empty() {
        // Without an event or a name, every personalization is explained as a lookup; a lookup names one.
        (0..plan.definition().personalizations.len()).collect()
    } else {
        pending.personalizations.iter().filter_map(|name| plan.personalization(name)).collect()
    };
    let triggered = event.is_some() && pending.personalizations.is_empty();
    let query = Query {
        event: event.as_ref(),
        asked: if triggered { Asked::Triggered } else { Asked::Named(&named) },
        inputs: &pending.inputs,
        edge: &pending.edge,
        access: pending.access,
        blind: matches!(candidate, Candidate::Nothing),
    };
    let meta = Meta {
        bundle: running.number,
        version: profile.version,
        source: match candidate {
            Candidate::Memory(_) => "memory",
            Candidate::Kv(_) => "kv",
            Candidate::Writer(_) => "writer",
            Candidate::Stale(_) => "stale",
            Candidate::Nothing => "none",
        },
        age_ms: age_ms.unwrap_or(0),
        stale,
    };
    let body = if pending.explain {
        answer::explanation(&profile, known, &plan.explain(&profile, &query, now_ms), &meta)
    } else {
        answer::answer(&plan.personalize(&profile, &query, now_ms), Some(&meta))
    };
    let response = Response::json(200, body).with_cors(pending.origin.as_deref());
    Some(if known {
        let token = SeenToken { profile: profile.id, version: profile.version }.sign(&keyring.signer);
        response.header("usher-seen", token)
    } else {
        response
    })
}
