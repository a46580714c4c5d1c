//! The journal of profiles: what stitching did to them.

use usher_engine::{Entry, ProfileId};

use super::ProfileSet;
use crate::store::JournalRow;
use crate::wire::json::Json;

impl ProfileSet {
    /// Adds what stitching did to the journal of a profile; `learned` if that got a key. Creation is visible in the profile
    /// itself. An ambiguity is logged when the event changed the owner of a key, and not for each further event.
    pub(super) fn log(&mut self, entries: &[Entry], id: ProfileId, learned: bool, now_ms: i64) {
        let evicted = entries.iter().filter(|entry| matches!(entry, Entry::KeyEvicted { .. }));
        self.evicted_keys += evicted.count();
        let is_logged = |entry: &&Entry| match entry {
            Entry::Created => false,
            Entry::Ambiguous { .. } => learned,
            _ => true,
        };
        for entry in entries.iter().filter(is_logged) {
            let (audience, entry) = (self.audience.clone(), describe(entry));
            self.journal.push(JournalRow { audience, profile: id.0, at_ms: now_ms, entry });
        }
    }
}

/// A journal entry as JSON, without any key's value.
fn describe(entry: &Entry) -> String {
    let mut json = Json::new();
    let ids = |json: &mut Json, ids: &[ProfileId]| json.list(ids, |json, id| json.text(&id.to_string()));
    json.object(|o| match entry {
        Entry::Created => o.field("kind").text("created"),
        Entry::Merged { into, sources } => {
            o.field("kind").text("merged");
            o.field("into").text(&into.to_string());
            ids(o.field("sources"), sources);
        }
        Entry::KeyMoved { name, from } => {
            o.field("kind").text("key_moved");
            o.field("key").text(name);
            o.field("from").text(&from.to_string());
        }
        Entry::Ambiguous { left } => {
            o.field("kind").text("ambiguous");
            ids(o.field("left"), left);
        }
        Entry::KeyEvicted { name } => {
            o.field("kind").text("key_evicted");
            o.field("key").text(name);
        }
    });
    json.into_text()
}
