//! Lookups: the keys of the visitor, the pending lookup that needs a snapshot, and the answer from the nearest snapshot
//! that is new enough.

mod answer;
mod copies;
mod request;
mod rows;
mod tier;

pub use answer::{Candidate, answer};
pub use copies::Copies;
pub(crate) use request::{LookupRequest, keys_of, prepare};
use usher_engine::value::Value;
use usher_engine::{Access, Event, Plan, SentAt};

use crate::edge::Edge;
use crate::error::Refusal;
use crate::keys::Seen;
use crate::message::{Ambient, KeyOf, Message, Payer, Route, SnapshotRequest, ToWriter};
use crate::plane::InControlPlane;
use crate::wire::Response;
use crate::wire::frame::FrameWriter;

/// A lookup that needs a snapshot.
#[derive(Debug)]
pub struct PendingLookup {
    /// The shard that holds the profile.
    pub shard: u32,
    /// The message of an event that was answered from a snapshot, and its shard: to be delivered after the answer,
    /// also after a refusal. Its own answer goes to nobody.
    pub later: Option<(u32, Vec<u8>)>,
    request: SnapshotRequest,
    audience: String,
    /// By name, because a later bundle may answer than the one that was asked.
    personalizations: Vec<String>,
    inputs: Vec<(String, Value)>,
    event: Option<NamedEvent>,
    edge: Vec<(String, String)>,
    access: Access,
    /// Names and values of the keys that an identity token vouches for.
    vouched: InControlPlane<Vec<(String, String)>>,
    seen: Option<Seen>,
    /// The reason why its identity token vouches for nothing; empty: it does, or there was none.
    refused: &'static str,
    /// Ids of events of which a device asks whether its extract has them.
    event_ids: Vec<String>,
    shape: Shape,
    origin: Option<String>,
    /// The rate that it draws on; None: nobody counts it.
    payer: Option<Payer<'static>>,
}

impl PendingLookup {
    /// The request for a snapshot, for `drive::open` in the writer.
    pub fn message(&self, edge: &Edge) -> Vec<u8> {
        let to = Route { shard: self.shard, shards: edge.shards() };
        to.address(Message::Writer(ToWriter::Snapshot(self.request.clone())).encode(edge.form()), None)
    }

    /// The snapshot's name in caches, which reveals nothing personal. None: caches are skipped.
    pub fn cache_key(&self, edge: &Edge) -> Option<String> {
        name_of(edge, self.first_key()?)
    }

    /// The keys of the visitor, for [`Copies::remember`].
    pub fn keys(&self) -> Vec<u8> {
        let mut out = FrameWriter::default();
        out.list(&self.request.keys, |w, key| {
            w.text(&key.audience).text(&key.name).text(&key.value);
        });
        out.0
    }

    /// The key by which caches are asked. The first one decides, if it is known: only its own snapshot can say so without
    /// the writer.
    fn first_key(&self) -> Option<&KeyOf> {
        // An explanation is about the stored state, not a cached one.
        self.request.keys.first().filter(|_| self.shape != Shape::Explanation)
    }
}

/// The name of a key's snapshot in caches.
fn name_of(edge: &Edge, key: &KeyOf) -> Option<String> {
    Some(edge.keyring()?.signer.snapshot_name(&key.audience, &key.name, &key.value))
}

/// The shape of a lookup's answer. All but the first take the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Offers, and `meta`.
    Offers,
    /// Offers and why.
    Explanation,
    /// The outputs of the first section that matched, by name.
    Outputs,
    /// The segments and outputs of all sections that matched, in a list of audiences.
    Segments,
    /// The part of the profile that may be on the visitor's device.
    Extract,
}

impl Shape {
    /// A refusal of a request for it.
    fn refused(self, refusal: Refusal) -> Response {
        match self {
            Shape::Offers | Shape::Explanation | Shape::Extract => Response::problem(refusal, None),
            Shape::Outputs => Response::refused(refusal),
            Shape::Segments => Response::failed_lookup(refusal, None),
        }
    }
}

/// Takes a lookup from its caller's rate, as one event.
///
/// # Errors
///
/// The answer when too little is left.
pub fn meter(edge: &mut Edge, lookup: &PendingLookup) -> Result<(), Response> {
    take(edge, lookup.payer.as_ref(), &lookup.request.ambient).map_err(|seconds| {
        let response = lookup.shape.refused(Refusal::RATE).with_cors(lookup.origin.as_deref());
        response.header("retry-after", seconds.to_string())
    })
}

/// The same for the lookup of a caller; `Err` are the seconds after which enough is left.
pub(crate) fn take(edge: &mut Edge, payer: Option<&Payer<'_>>, ambient: &Ambient) -> Result<(), u64> {
    payer.map_or(Ok(()), |payer| edge.meter.take_events(payer, 1, ambient))
}

/// An event that a lookup names.
#[derive(Debug)]
struct NamedEvent {
    database: String,
    table: String,
    columns: Vec<(String, Value)>,
}

impl NamedEvent {
    /// The event at the present time; None if a later bundle does not know its table.
    fn resolve(&self, plan: &Plan, now_ms: i64) -> Option<Event> {
        let table = plan.table(&self.database, &self.table)?;
        Some(plan.event(table, self.columns.clone(), now_ms, "explained".to_owned(), SentAt::Absent))
    }
}
