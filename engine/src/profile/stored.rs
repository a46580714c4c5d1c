//! The sections of a stored profile, each checked when it is opened and decoded on use.

use alloc::vec::Vec;
use core::ops::Range;

use super::parts::{Key, Orphan, PATCH, ProfileId};
use super::seen_ids::SeenIds;
use super::states;
use crate::attribute::BatchRecord;
use crate::bytes::{Damaged, Reader};
use crate::limits::STORED_DEPTH_MAX;

/// The sections, ordered by tag.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Head = 1,
    Keys,
    Candidates,
    Absorbed,
    SeenIds,
    Batch,
    Orphans,
    Attributes,
}

impl Tag {
    pub(super) const COUNT: usize = Tag::Attributes as usize;
}

/// The bytes of a stored profile, and the positions of its sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: [Range<usize>; Tag::COUNT],
}

impl Stored {
    pub(super) fn part(&self, tag: Tag) -> &[u8] {
        let range = self.parts.get((tag as usize).saturating_sub(1));
        range.and_then(|range| self.bytes.get(range.clone())).unwrap_or(&[])
    }

    /// Checks that every section can be read.
    pub(super) fn check(&self) -> Result<(), Damaged> {
        for tag in [Tag::Keys, Tag::Candidates] {
            self.walk(tag, &mut |r| {
                r.shown();
                r.shown();
                r.signed();
            })?;
        }
        // At most as many as the bound. Their number follows from the length, because the checksum proves that they are
        // as written.
        let mut ids = Reader::new(self.part(Tag::Absorbed));
        if !ids.rest.is_empty() {
            let count = ids.length();
            ids.sound()?;
            if count.checked_mul(16) != Some(ids.rest.len()) {
                return Err(Damaged("has ids of another length"));
            }
        }
        let mut seen = Reader::new(self.part(Tag::SeenIds));
        if !seen.rest.is_empty() {
            let count = seen.length();
            seen.sound()?;
            if count.saturating_mul(9) > seen.rest.len() {
                return Err(Damaged("ends early"));
            }
        }
        self.walk(Tag::Batch, &mut |r| {
            r.shown();
            r.signed();
            r.signed();
            r.optional(|r| {
                r.skip_many(&mut |r| {
                    r.shown();
                });
            });
            r.skip_many(&mut |r| {
                r.shown();
                r.skip_value(STORED_DEPTH_MAX);
            });
        })?;
        self.walk(Tag::Orphans, &mut |r| {
            r.shown();
            r.signed();
        })?;
        if states::is_sound(self.part(Tag::Attributes)) {
            Ok(())
        } else {
            Err(Damaged("has states that do not add up"))
        }
    }

    /// Walks over the items of a section, and checks that nothing follows them.
    fn walk<'a>(&'a self, tag: Tag, skip: &mut dyn FnMut(&mut Reader<'a>)) -> Result<(), Damaged> {
        let mut reader = Reader::new(self.part(tag));
        if !reader.rest.is_empty() {
            reader.skip_many(skip);
        }
        reader.finish()
    }

    /// The items of a section; none if it is empty. It was checked, so reading cannot fail.
    fn list<'a, T>(&'a self, tag: Tag, read: impl FnMut(&mut Reader<'a>) -> T) -> Vec<T> {
        let mut reader = Reader::new(self.part(tag));
        if reader.rest.is_empty() { Vec::new() } else { reader.many(read) }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.list(Tag::Keys, |r| Key { name: r.text(), value: r.text(), seen_ms: r.signed() })
    }

    pub(super) fn named_keys(&self) -> Vec<(&str, &str)> {
        self.list(Tag::Keys, |r| {
            let key = (r.shown(), r.shown());
            r.signed();
            key
        })
    }

    pub(super) fn ids(&self) -> Vec<ProfileId> {
        self.list(Tag::Absorbed, |r| ProfileId(r.array()))
    }

    pub(super) fn seen_ids(&self) -> SeenIds {
        let mut before_ms = 0_i64;
        let events = self.list(Tag::SeenIds, |r| {
            let hash = r.hash();
            before_ms = before_ms.wrapping_add(r.signed());
            (hash, before_ms)
        });
        SeenIds { events }
    }

    pub(super) fn records(&self) -> Vec<BatchRecord> {
        self.list(Tag::Batch, |r| {
            let mut key = r.text();
            let patch = key.find(PATCH).inspect(|at| key.truncate(*at)).is_some();
            BatchRecord {
                key,
                patch,
                computed_ms: r.signed(),
                arrival_ms: r.signed(),
                segments: r.optional(|r| r.many(Reader::text)),
                values: r.many(|r| (r.text(), r.value())),
            }
        })
    }

    pub(super) fn orphans(&self) -> Vec<Orphan> {
        self.list(Tag::Orphans, |r| Orphan { name: r.text(), since_ms: r.signed() })
    }
}
