//! Event tables: the addresses of events.

use crate::flat::flat;
use alloc::string::String;
use core::ops::RangeInclusive;

/// The address of events: `database.table`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTable {
    /// The first path element of the ingestion route.
    pub database: String,
    /// The second path element.
    pub table: String,
}

impl EventTable {
    /// Allowed length of a database or table name, in bytes.
    pub const NAME_BYTES: RangeInclusive<usize> = 3..=255;

    /// First path elements of other routes, those to come included: no definition may name a database so.
    pub const RESERVED: [&str; 9] =
        ["audiences", "entities", "tree", "cdp", "public", "postback", "v1", "v4", "ofrep"];

    /// Those of today's routes: no event can be sent to a database of that name. A database that was published before its
    /// name was reserved gets its events until a route needs the name.
    pub const ROUTED: [&str; 7] = ["audiences", "entities", "tree", "cdp", "public", "v1", "ofrep"];

    /// True if a path element can name a database or table: `[a-z0-9_]{3,255}`, as the stock SDK allows. The routes
    /// check addresses by it, and `usher-config` checks definitions.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::definition::EventTable;
    ///
    /// assert!(EventTable::is_name("page_views") && !EventTable::is_name("Page-Views"));
    /// ```
    pub fn is_name(name: &str) -> bool {
        EventTable::NAME_BYTES.contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }
}

flat!(struct EventTable { database, table });
