//! Rows that reads find and writes add.

/// A profile that a [`Read`](super::Read) found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundProfile {
    /// The audience's id.
    pub audience: String,
    /// The keys that it has, by their indexes among the read keys, ascending.
    pub keys: Vec<usize>,
    /// The profile's id.
    pub id: [u8; 16],
    /// Number of its commits.
    pub version: u64,
    /// The encoded profile.
    pub state: Vec<u8>,
}

/// The profile that has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The profile's id.
    pub id: [u8; 16],
    /// The profile's version.
    pub version: u64,
}

/// A line of the merge journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub profile: [u8; 16],
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The step, as JSON without any key's value.
    pub entry: String,
}

/// A key of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// The profile's id.
    pub profile: [u8; 16],
    /// The key's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A key whose profile was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedKey {
    /// Its index among the read keys.
    pub key: usize,
    /// When it was erased, Unix milliseconds: earlier events are refused.
    pub at_ms: i64,
    /// True if imports are refused, too.
    pub imports: bool,
}
