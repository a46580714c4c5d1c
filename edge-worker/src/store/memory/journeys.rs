//! Visitors who wait in journeys, in memory.

use super::MemoryStore;
use crate::limits::UPKEEP_ROWS_MAX;
use crate::store::{Due, FoundProfile};

impl MemoryStore {
    /// Profiles whose wait is over, and the time at which the next wait ends.
    pub(super) fn waiting(&self, now_ms: i64) -> Due {
        let waits = &self.journeys.waits;
        let mut due: Vec<_> = waits.iter().filter(|(_, due_ms)| **due_ms <= now_ms).collect();
        due.sort_by_key(|(of, due_ms)| (**due_ms, (*of).clone()));
        let found = due.into_iter().take(UPKEEP_ROWS_MAX).map(|((audience, id), _)| {
            let is = |entry: &&super::ProfileEntry| entry.audience == *audience && entry.id == *id;
            let entry = self.profiles.iter().find(is).filter(|entry| entry.state.is_some());
            FoundProfile {
                audience: audience.clone(),
                keys: Vec::new(),
                id: *id,
                version: entry.map_or(0, |entry| entry.version),
                state: entry.and_then(|entry| entry.state.clone()).unwrap_or_default(),
            }
        });
        let next_due_ms = waits.values().copied().filter(|due_ms| *due_ms > now_ms).min();
        Due { waiting: found.collect(), next_due_ms, ..Due::default() }
    }
}
