//! Event tables: the addresses that events arrive at.

use alloc::string::String;
use core::ops::RangeInclusive;

/// Where events arrive: `database.table`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTable {
    /// The first path element of the ingestion route.
    pub database: String,
    /// The second.
    pub table: String,
}

impl EventTable {
    /// How many bytes a name of a database or table may have.
    pub const NAME_BYTES: RangeInclusive<usize> = 3..=255;

    /// First path elements of other routes: no event arrives at a database of that name.
    pub const RESERVED: [&str; 5] = ["v1", "public", "audiences", "cdp", "ofrep"];

    /// Whether a path element can name a database or table: `[a-z0-9_]{3,255}`, as the stock SDK allows. The routes ask
    /// this of addresses, and `usher-config` of definitions.
    pub fn is_name(name: &str) -> bool {
        EventTable::NAME_BYTES.contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }
}
