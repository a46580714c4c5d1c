//! The rows of tables that an erasure takes along.
//!
//! An import notes the owner of its rows, and they are looked for by the keys of the profile, which are known once it is
//! read. So the profile is read again after them.

use crate::edge::Edge;
use crate::message::{KeyOf, OfProfile};
use crate::outcome::Folded;
use crate::store::tables::{FoundOwn, OwnRows};
use crate::writer::tables::{self, Owned};

/// The rows of this shard, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct KnownOwn {
    /// By these keys.
    known: Option<(Vec<KeyOf>, FoundOwn)>,
    wanted: Option<Vec<KeyOf>>,
}

impl KnownOwn {
    /// The rows of these keys. `Err`: they are to be read first, or another bundle decides.
    pub(super) fn of(&mut self, edge: &Edge, message: &OfProfile, keys: &[KeyOf]) -> Result<Owned, Folded> {
        match &self.known {
            Some((asked, found)) if asked == keys => {
                tables::owned(edge, (&message.audience, message.number), keys, found)
            }
            _ => {
                self.wanted = Some(keys.to_vec());
                Err(Folded::Part(Box::default()))
            }
        }
    }

    /// The rows to read next, once.
    pub(in crate::writer) fn take_wanted(&mut self) -> Option<OwnRows> {
        let keys = self.wanted.take()?;
        let audience = keys.first().map_or_else(String::new, |key| key.audience.clone());
        let values = keys.iter().map(|key| key.value.clone()).collect();
        self.known = Some((keys, FoundOwn::default()));
        Some(OwnRows { audience, values })
    }

    /// Takes what that read found.
    pub(in crate::writer) fn learn(&mut self, found: FoundOwn) {
        if let Some((_, known)) = &mut self.known {
            *known = found;
        }
    }
}

/// The keys by which rows of a profile are looked for: its own, and those that it was asked for by.
pub(super) fn keys_with(message: &OfProfile, keys: &[KeyOf]) -> Vec<KeyOf> {
    let mut all: Vec<KeyOf> = keys.iter().chain(&message.keys).cloned().collect();
    all.sort();
    all.dedup();
    all
}
