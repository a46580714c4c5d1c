//! The plain-data parts of a profile: its id, its identifiers, the names of its orphaned state.

use alloc::string::String;
use core::fmt;

/// The internal id of a profile, a UUIDv7 by convention of the hosts: ids of older profiles are smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub [u8; 16]);

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
        let mut text = String::with_capacity(36);
        for (index, byte) in self.0.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push(digit(byte >> 4));
            text.push(digit(byte & 0xf));
        }
        f.write_str(&text)
    }
}

/// An identifier of a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The stitching key's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Newest time of an event that carried it, Unix milliseconds.
    pub seen_ms: i64,
}

/// State under a name that no definition knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The attribute's name.
    pub name: String,
    /// When a bundle without it first wrote the profile, Unix milliseconds.
    pub since_ms: i64,
}

/// Between the key of a record that patches and its age, as it is stored.
pub(super) const PATCH: char = '\0';
