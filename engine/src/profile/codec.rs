//! Profiles as bytes: what storage keeps and snapshots carry.
//!
//! ```text
//! "USHP" · format (1 byte) · checksum of the rest (8 bytes) · sections, each: tag (1 byte) · length (4) · bytes
//! ```
//! All sections stand in the order of their tags, and unknown ones are an error: an older build must not rewrite, and so
//! lose, what a newer one stored. A blob that is not as it was written, or that holds what this build cannot read, is an
//! error, never a fresh profile or an empty section. One that is sound is opened without making anything of its sections,
//! which is left to whoever asks for what is in them; states of attributes are looked at then, see [`State::Foreign`].
//!
//! [`State::Foreign`]: crate::attribute::State::Foreign

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::bytes::{Reader, Writer, checksum};
use super::states;
use super::{Key, Orphan, Profile, ProfileId, Seen};
use crate::attribute::BatchRecord;
use crate::limits::{PROFILE_BYTES_MAX, SEEN_MAX, VALUE_DEPTH_MAX};

const MAGIC: &[u8; 4] = b"USHP";
const FORMAT: u8 = 2;
/// Magic, format and checksum.
const HEAD: usize = 13;

/// The profile as bytes.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(profile.stored.bytes.len().saturating_add(256)));
    out.bytes(MAGIC);
    out.byte(FORMAT);
    out.bytes(&[0; 8]);
    let stored = &profile.stored;
    section(&mut out, Tag::Head, |w| {
        w.bytes(&profile.id.0);
        w.signed(profile.created_ms);
        w.unsigned(profile.version);
        w.unsigned(profile.bundle);
    });
    // What nobody asked for is written as it was.
    let keys = |w: &mut Writer, tag, keys: Option<&Vec<Key>>| match keys {
        None => w.bytes(stored.part(tag)),
        Some(keys) => w.list(keys, |w, key| {
            w.text(&key.name);
            w.text(&key.value);
            w.signed(key.seen_ms);
        }),
    };
    section(&mut out, Tag::Keys, |w| keys(w, Tag::Keys, profile.keys.get()));
    section(&mut out, Tag::Candidates, |w| keys(w, Tag::Candidates, profile.candidates.get()));
    section(&mut out, Tag::Absorbed, |w| match profile.absorbed.get() {
        None => w.bytes(stored.part(Tag::Absorbed)),
        Some(ids) => w.list(ids, |w, id| w.bytes(&id.0)),
    });
    section(&mut out, Tag::Seen, |w| match profile.seen.get() {
        None => w.bytes(stored.part(Tag::Seen)),
        Some(seen) => {
            // Arrivals ascend, so their differences are small.
            let mut before_ms = 0;
            w.list(&seen.events, |w, (hash, arrival_ms)| {
                w.bytes(&hash.to_le_bytes());
                w.signed(arrival_ms.wrapping_sub(before_ms));
                before_ms = *arrival_ms;
            });
        }
    });
    section(&mut out, Tag::Batch, |w| match profile.batch.get() {
        None => w.bytes(stored.part(Tag::Batch)),
        Some(records) => w.list(records, write_record),
    });
    section(&mut out, Tag::Orphans, |w| match profile.orphans.get() {
        None => w.bytes(stored.part(Tag::Orphans)),
        Some(orphans) => w.list(orphans, |w, orphan| {
            w.text(&orphan.name);
            w.signed(orphan.since_ms);
        }),
    });
    section(&mut out, Tag::Attributes, |w| profile.states.write(stored.part(Tag::Attributes), w));
    let sum = checksum(out.0.get(HEAD..).unwrap_or(&[]));
    if let Some(place) = out.0.get_mut(HEAD.saturating_sub(8)..HEAD) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    out.0
}

/// The profile that these bytes are.
pub fn decode(bytes: &[u8]) -> Result<Profile, Damaged> {
    if bytes.len() > PROFILE_BYTES_MAX.saturating_mul(2) {
        return Err(Damaged("too large"));
    }
    let mut reader = Reader(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(Damaged("not a profile"));
    }
    if reader.byte()? != FORMAT {
        return Err(Damaged("written in an unknown format"));
    }
    if reader.hash()? != checksum(reader.0) {
        return Err(Damaged("not as it was written"));
    }
    let mut parts: [Range<usize>; Tag::COUNT] = Default::default();
    for (tag, part) in (1_u8..).zip(&mut parts) {
        if reader.byte()? != tag {
            return Err(Damaged("has a section that this build does not know"));
        }
        let length = u32::from_le_bytes(reader.array()?) as usize;
        let start = bytes.len().saturating_sub(reader.0.len());
        reader.take(length)?;
        *part = start..start.saturating_add(length);
    }
    if !reader.0.is_empty() {
        return Err(Damaged("has a section that this build does not know"));
    }
    let stored = Stored { bytes: bytes.into(), parts };
    stored.check()?;
    let mut head = Reader(stored.part(Tag::Head));
    let (id, created_ms) = (head.id()?, head.signed()?);
    let (version, bundle) = (head.unsigned()?, head.unsigned()?);
    Ok(Profile { id, created_ms, version, bundle, ..Profile::of(stored) })
}

/// Why bytes are no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub &'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged profile: {}", self.0)
    }
}

impl core::error::Error for Damaged {}

/// The sections, in their order.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Head = 1,
    Keys,
    Candidates,
    Absorbed,
    Seen,
    Batch,
    Orphans,
    Attributes,
}

impl Tag {
    const COUNT: usize = Tag::Attributes as usize;
}

fn section(out: &mut Writer, tag: Tag, fill: impl FnOnce(&mut Writer)) {
    out.byte(tag as u8);
    let place = out.0.len();
    out.bytes(&[0; 4]);
    let start = out.0.len();
    fill(out);
    // A list without anything in it is stored as nothing, so that who only looked at it changes no byte.
    if out.0.get(start..) == Some(&[0]) {
        out.0.truncate(start);
    }
    let length = u32::try_from(out.0.len().saturating_sub(start)).unwrap_or(u32::MAX);
    if let Some(place) = out.0.get_mut(place..start) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// The bytes that a profile was opened from, and where its sections are in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    bytes: Vec<u8>,
    parts: [Range<usize>; Tag::COUNT],
}

impl Stored {
    pub(super) fn part(&self, tag: Tag) -> &[u8] {
        let range = self.parts.get((tag as usize).saturating_sub(1));
        range.and_then(|range| self.bytes.get(range.clone())).unwrap_or(&[])
    }

    /// Whether every section can be read.
    fn check(&self) -> Result<(), Damaged> {
        for tag in [Tag::Keys, Tag::Candidates] {
            self.walk(tag, |r| {
                r.shown()?;
                r.shown()?;
                r.signed().map(drop)
            })?;
        }
        // As many as there may be. That they are there is clear from the length, as the checksum has said that they are
        // as they were written.
        let mut ids = Reader(self.part(Tag::Absorbed));
        if !ids.0.is_empty() && ids.length()?.checked_mul(16) != Some(ids.0.len()) {
            return Err(Damaged("has ids of another length"));
        }
        let mut seen = Reader(self.part(Tag::Seen));
        if !seen.0.is_empty() {
            let count = seen.length()?;
            if count > SEEN_MAX {
                return Err(Damaged("has more entries than its bound"));
            }
            if count.saturating_mul(9) > seen.0.len() {
                return Err(Damaged("ends early"));
            }
        }
        self.walk(Tag::Batch, |r| {
            r.shown()?;
            r.signed()?;
            r.signed()?;
            r.optional(|r| r.many(usize::MAX, |r| r.shown().map(drop)))?;
            r.many(usize::MAX, |r| {
                r.shown()?;
                r.skip_value(VALUE_DEPTH_MAX)
            })
            .map(drop)
        })?;
        self.walk(Tag::Orphans, |r| {
            r.shown()?;
            r.signed().map(drop)
        })?;
        if states::is_sound(self.part(Tag::Attributes)) {
            Ok(())
        } else {
            Err(Damaged("has states that do not add up"))
        }
    }

    /// Walks over what a section lists, and nothing behind it.
    fn walk<'a>(
        &'a self,
        tag: Tag,
        skip: impl FnMut(&mut Reader<'a>) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let mut reader = Reader(self.part(tag));
        if reader.0.is_empty() {
            return Ok(());
        }
        reader.many(usize::MAX, skip)?;
        if reader.0.is_empty() { Ok(()) } else { Err(Damaged("has more than it lists")) }
    }

    /// What a section lists. It has been checked, so it can be read, unless it is empty.
    fn list<'a, T>(
        &'a self,
        tag: Tag,
        max: usize,
        read: impl FnMut(&mut Reader<'a>) -> Result<T, Damaged>,
    ) -> Vec<T> {
        Reader(self.part(tag)).many(max, read).unwrap_or_default()
    }

    pub(super) fn keys(&self, tag: Tag) -> Vec<Key> {
        self.list(tag, usize::MAX, |r| Ok(Key { name: r.text()?, value: r.text()?, seen_ms: r.signed()? }))
    }

    pub(super) fn ids(&self) -> Vec<ProfileId> {
        self.list(Tag::Absorbed, usize::MAX, Reader::id)
    }

    pub(super) fn seen(&self) -> Seen {
        let mut before_ms = 0_i64;
        let events = self.list(Tag::Seen, SEEN_MAX, |r| {
            let hash = r.hash()?;
            before_ms = before_ms.wrapping_add(r.signed()?);
            Ok((hash, before_ms))
        });
        Seen { events }
    }

    pub(super) fn records(&self) -> Vec<BatchRecord> {
        self.list(Tag::Batch, usize::MAX, |r| {
            Ok(BatchRecord {
                key: r.text()?,
                computed_ms: r.signed()?,
                arrival_ms: r.signed()?,
                segments: r.optional(|r| r.many(usize::MAX, Reader::text))?,
                values: r.many(usize::MAX, |r| Ok((r.text()?, r.value()?)))?,
            })
        })
    }

    pub(super) fn orphans(&self) -> Vec<Orphan> {
        self.list(Tag::Orphans, usize::MAX, |r| Ok(Orphan { name: r.text()?, since_ms: r.signed()? }))
    }
}

fn write_record(w: &mut Writer, record: &BatchRecord) {
    w.text(&record.key);
    w.signed(record.computed_ms);
    w.signed(record.arrival_ms);
    w.optional(record.segments.as_ref(), |w, segments| w.list(segments, |w, segment| w.text(segment)));
    w.list(&record.values, |w, (column, value)| {
        w.text(column);
        w.value(value);
    });
}

#[cfg(test)]
mod tests;
