//! Rows of a shard in memory about other shards.

use std::collections::BTreeMap;

use super::super::shards::{GoneRow, IntentRow, OutboxRow, PointerRow, SealedRow};

/// A kind of row that is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aged {
    /// A profile that is no longer here.
    Gone,
    /// A pointer of a key that is nobody's.
    Pointer,
    /// A withdrawn intent.
    Intent,
}

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
    /// Rows that are of no more use, by what they are and their ids, with the day on which upkeep found them.
    pub aged: BTreeMap<(Aged, String, [u8; 16]), i64>,
    /// Messages that are not answered yet, by their numbers, ascending.
    pub outbox: Vec<(u64, OutboxRow)>,
    pub(super) last: u64,
}
