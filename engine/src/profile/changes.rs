//! Tells whether a profile differs from what was stored, without a second copy of it.

use alloc::vec::Vec;

use super::Profile;
use super::codec::{head_of, write_part};
use super::stored::Tag;
use crate::bytes::Writer;

impl Profile {
    /// True if it is not what was decoded: storing it again would change something. A profile that was never stored is
    /// changed.
    ///
    /// Reading changes nothing. Only decoded parts are compared.
    pub fn is_changed(&self) -> bool {
        let head = (self.id, self.created_ms, self.version, self.bundle, self.trimmed);
        if head_of(&self.stored) != Ok(head) {
            return true;
        }
        // The cheapest first: most events change the times of keys.
        let differs = |tag| {
            let mut written = Writer::default();
            write_part(self, tag, &mut written);
            // An empty list is stored as an absent section.
            if written.0 == [0] {
                written.0.clear();
            }
            written.0 != self.stored.part(tag)
        };
        (self.keys.get().is_some() && differs(Tag::Keys))
            || self.states.differ(self.stored.part(Tag::Attributes))
            || (self.batch.get().is_some() && differs(Tag::Batch))
            || (self.absorbed.get().is_some() && differs(Tag::Absorbed))
            || (self.orphans.get().is_some() && differs(Tag::Orphans))
            || (self.seen_ids.get().is_some() && differs(Tag::SeenIds))
    }

    /// The names and values of the keys by which storage finds it, as it was decoded.
    pub fn stored_keys(&self) -> Vec<(&str, &str)> {
        self.stored.named_keys()
    }
}
