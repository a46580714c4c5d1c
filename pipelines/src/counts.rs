//! Counts of a stream. Every event of `FROM` is in exactly one of the counts of ends, or waits.

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records of `FROM`.
    pub events: u64,
    /// Rows that were emitted.
    pub emitted: u64,
    /// Events whose id was emitted already, or waits.
    pub duplicates: u64,
    /// Events for which WHERE is not true.
    pub filtered: u64,
    /// Events whose row stood in the output before this process read them, or that ended before.
    pub written_before: u64,
    /// Events without the row of a `JOIN`, where nothing waits.
    pub unjoined: u64,
    /// Events whose TTL ended before their rows came.
    pub expired: u64,
    /// Events that left because the state was full.
    pub state_full: u64,
    /// Events that waited when the input ended.
    pub unfinished: u64,
    /// Events that have no time of their own, or one that cannot be: their arrival counts, and moves the clock.
    pub undated: u64,
    /// Ids that were forgotten because the state was full.
    pub ids_forgotten: u64,
    /// By join, in the order of the query.
    pub joins: Vec<JoinCounts>,
}

/// Counts of one joined source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinCounts {
    /// Records that became the row of their key.
    pub rows: u64,
    /// Records that deleted a row, or would have.
    pub deleted: u64,
    /// Records that have no join column.
    pub keyless: u64,
    /// Rows that no event within its TTL could use any more.
    pub forgotten: u64,
    /// Events that had a row when they were emitted, or ended.
    pub hits: u64,
    /// Events that had none.
    pub misses: u64,
}
