//! Lookups: the keys that say who is meant, what waits for a snapshot, and the answer from the nearest that is good enough.

mod answer;
mod request;

pub use answer::{Candidate, answer};
pub(crate) use request::{LookupRequest, keys_of, prepare};
use usher_engine::value::Value;
use usher_engine::{Access, Event, Plan, SentAt};

use crate::keys::Seen;
use crate::message::Ambient;

/// A lookup that waits for a snapshot.
#[derive(Debug)]
pub struct PendingLookup {
    /// The shard whose writer knows the profile.
    pub shard: u32,
    /// For `drive::open`, there: asks for a snapshot.
    pub message: Vec<u8>,
    /// The snapshot's name in caches; nothing personal can be read from it. None: caches are not asked.
    pub cache_key: Option<String>,
    ambient: Ambient,
    audience: String,
    /// By name: the bundle that answers may be a later one than that which was asked.
    personalizations: Vec<String>,
    inputs: Vec<(String, Value)>,
    event: Option<NamedEvent>,
    edge: Vec<(String, String)>,
    access: Access,
    seen: Option<Seen>,
    explain: bool,
    origin: Option<String>,
}

/// An event that a lookup names.
#[derive(Debug)]
struct NamedEvent {
    database: String,
    table: String,
    columns: Vec<(String, Value)>,
}

impl NamedEvent {
    /// As an event of now; None: a later bundle does not know its table.
    fn resolve(&self, plan: &Plan, now_ms: i64) -> Option<Event> {
        let table = plan.table(&self.database, &self.table)?;
        Some(plan.event(table, self.columns.clone(), now_ms, "explained".to_owned(), SentAt::Absent))
    }
}
