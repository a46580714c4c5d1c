//! Where the snapshot of an answer comes from.

use crate::limits::{SNAPSHOT_MS, STALE_SNAPSHOT_MS};
use crate::metrics::Count;

/// The tier of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Memory,
    Kv,
    Writer,
    Stale,
    Nothing,
}

impl Tier {
    /// `meta.source`
    pub(super) fn source(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Kv => "kv",
            Tier::Writer => "writer",
            Tier::Stale => "stale",
            Tier::Nothing => "none",
        }
    }

    pub(super) fn count(self) -> Count {
        match self {
            Tier::Memory => Count::FromMemory,
            Tier::Kv => Count::FromKv,
            Tier::Writer => Count::FromWriter,
            Tier::Stale => Count::FromStale,
            Tier::Nothing => Count::FromNothing,
        }
    }

    /// Greatest age at which it is used, in milliseconds.
    pub(super) fn age_ms_max(self) -> i64 {
        match self {
            Tier::Memory | Tier::Kv => SNAPSHOT_MS,
            Tier::Stale => STALE_SNAPSHOT_MS,
            Tier::Writer | Tier::Nothing => i64::MAX,
        }
    }
}
