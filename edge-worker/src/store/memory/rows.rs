//! Rows of a shard in memory about other shards.

use super::super::shards::{GoneRow, IntentRow, OutboxRow, PointerRow, SealedRow};

/// Rows of a shard about other shards.
#[derive(Clone, Debug, Default)]
pub struct ShardRows {
    /// Pointers of keys.
    pub pointers: Vec<PointerRow>,
    /// Profiles that are gone.
    pub gone: Vec<GoneRow>,
    /// Profiles that are sealed.
    pub sealed: Vec<SealedRow>,
    /// Intents, open or withdrawn.
    pub intents: Vec<IntentRow>,
    /// Messages that are not answered yet, by their numbers, ascending.
    pub outbox: Vec<(u64, OutboxRow)>,
    pub(super) last: u64,
}
