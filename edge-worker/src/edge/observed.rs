//! Counts of the requests that a process served, and the columns that events brought.

use super::Edge;
use crate::discovery::Discovery;

impl Edge {
    /// Notes the merges that are under way between shards, and the age of the oldest in milliseconds, for `GET /metrics`.
    pub fn note_merges(&mut self, open: u64, oldest_ms: i64) {
        if let Some(metrics) = &mut self.metrics {
            metrics.merges = (open, oldest_ms.max(0));
        }
    }

    /// Keeps counts for `GET /metrics` from now on: for hosts whose one process serves all requests, and hands each answer to
    /// [`front::count`](crate::front::count).
    pub fn keep_metrics(&mut self) {
        self.metrics.get_or_insert_default();
    }

    /// Keeps which columns come from now on, for hosts that hand their requests to
    /// [`front::discover`](crate::front::discover).
    #[cfg(feature = "control-plane")]
    pub fn keep_discovery(&mut self) {
        self.discovery.get_or_insert_default();
    }

    /// Statistics of the columns of event tables; None where they are not kept.
    pub(crate) fn discovery(&self) -> Option<&Discovery> {
        #[cfg(feature = "control-plane")]
        let kept = self.discovery.as_deref();
        #[cfg(not(feature = "control-plane"))]
        let kept = None;
        kept
    }

    /// The same, to note an event.
    #[cfg(feature = "control-plane")]
    pub(crate) fn discovery_mut(&mut self) -> Option<&mut Discovery> {
        self.discovery.as_deref_mut()
    }
}
