//! Profiles as bytes: what storage keeps and snapshots carry.
//!
//! ```text
//! form 2: "USHP" · 2 · checksum of the rest (8 bytes) · every section: tag (1 byte) · length (4 bytes) · content
//! form 3: "USHP" · 3 · checksum of the rest (8 bytes) · sections with content: tag (1 byte) · length (LEB128) · content
//! ```
//! Sections are ordered by tag. This build reads both [`Form`]s and writes the one it is asked for, so that old and new
//! code can run at the same time: storage is written in the previous form until every writer reads the present one.
//! Form 2 loses one thing, and nothing else:
//!
//! that the profile was trimmed ([`Profile::trimmed`]): the next reader assumes that it is complete.
//!
//! Form 3 has no section of candidates, which nothing reads; form 2 keeps those that it has read. States of attributes
//! have the same bytes in both.
//!
//! A blob that a newer build wrote is [`Unreadable::TooNew`], never damaged: its reader answers later, or lets another
//! build answer, and does not write. A blob that differs from what was written, or that no build writes, is damaged:
//! never a fresh profile or an empty section. Bounds on the content of a profile are not part of the form: a profile
//! beyond today's bounds can be read. Opening a profile checks its sections but decodes them only on use; a state is
//! decoded then, see [`State::Foreign`].
//!
//! [`State::Foreign`]: crate::attribute::State::Foreign

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::Profile;
use super::parts::{PATCH, ProfileId};
use super::stored::{Stored, Tag};
use crate::attribute::BatchRecord;
use crate::bytes::{Damaged, Reader, Writer, checksum};
use crate::planted::{self, Bug};

const MAGIC: &[u8; 4] = b"USHP";
/// Magic, form and checksum.
const HEAD: usize = 13;
/// In the head section of form 3: the profile was trimmed.
const TRIMMED: u64 = 1;

/// A form in which profiles are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The previous one, which the previous release reads and writes.
    Two = 2,
    /// The present one.
    Three = 3,
}

impl Form {
    /// Every form that this build reads and writes, oldest first.
    pub const ALL: [Form; 2] = [Form::Two, Form::Three];

    /// The number stored in the bytes.
    pub const fn number(self) -> u8 {
        self as u8
    }

    fn of_number(number: u8) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.number() == number)
    }
}

/// The form in which these bytes say that they are a profile, without a look at the rest.
pub fn form_of(bytes: &[u8]) -> Option<Form> {
    bytes.strip_prefix(MAGIC)?.first().and_then(|number| Form::of_number(*number))
}

/// Encodes a profile in this form.
///
/// # Examples
///
/// ```
/// use usher_engine::profile::codec::{Form, Unreadable, decode, encode};
/// use usher_engine::{Profile, ProfileId};
///
/// let profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
/// let mut bytes = encode(&profile, Form::Three);
/// assert_eq!(decode(&bytes).unwrap().id, profile.id);
/// *bytes.last_mut().unwrap() ^= 1;
/// assert!(matches!(decode(&bytes), Err(Unreadable::Damaged(_))));
/// ```
pub fn encode(profile: &Profile, form: Form) -> Vec<u8> {
    let stored = &profile.stored;
    let mut out = Writer(Vec::with_capacity(stored.bytes.len().saturating_add(256)));
    out.bytes(MAGIC);
    out.byte(form.number());
    out.bytes(&[0; 8]);
    section(&mut out, form, Tag::Head, |w| {
        w.bytes(&profile.id.0);
        w.signed(profile.created_ms);
        w.unsigned(profile.version);
        w.unsigned(profile.bundle);
        if form >= Form::Three && profile.trimmed {
            w.unsigned(TRIMMED);
        }
    });
    for tag in
        [Tag::Keys, Tag::Candidates, Tag::Absorbed, Tag::SeenIds, Tag::Batch, Tag::Orphans, Tag::Attributes]
    {
        if form == Form::Two || !matches!(tag, Tag::Candidates) {
            section(&mut out, form, tag, |w| write_part(profile, tag, w));
        }
    }
    let sum = checksum(out.0.get(HEAD..).unwrap_or(&[]));
    overwrite(&mut out, HEAD.saturating_sub(8), &sum.to_le_bytes());
    out.0
}

/// Decodes a profile of any form.
///
/// # Errors
///
/// [`Unreadable::TooNew`] for bytes of a newer build, [`Unreadable::Damaged`] for bytes that no build writes.
pub fn decode(bytes: &[u8]) -> Result<Profile, Unreadable> {
    let mut reader = Reader::new(bytes);
    let (magic, number) = (reader.take(MAGIC.len()), reader.byte());
    if !magic.is_empty() && magic != MAGIC {
        return Err(Unreadable::Damaged("not a profile"));
    }
    reader.sound()?;
    let form = match Form::of_number(number) {
        Some(form) => form,
        None if number > Form::Three.number() => return Err(Unreadable::TooNew),
        None => return Err(Unreadable::Damaged("written in an unknown form")),
    };
    let sum = reader.hash();
    reader.sound()?;
    if sum != checksum(reader.rest) {
        return Err(Unreadable::Damaged("not as it was written"));
    }
    let mut parts: [Range<usize>; Tag::COUNT] = Default::default();
    let mut before = 0;
    while let Some((tag, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        let length = match form {
            Form::Two => u32::from_le_bytes(reader.array()) as usize,
            Form::Three => reader.length(),
        };
        let start = bytes.len().saturating_sub(reader.rest.len());
        reader.take(length);
        reader.sound()?;
        if *tag <= before || (form == Form::Two && *tag != before.saturating_add(1)) {
            return Err(Unreadable::Damaged("has sections out of order"));
        }
        before = *tag;
        let part = usize::from(*tag).checked_sub(1).and_then(|index| parts.get_mut(index));
        let length =
            if planted::is(Bug::MisreadsPreviousForm) && form == Form::Two && *tag == Tag::SeenIds as u8 {
                0
            } else {
                length
            };
        // An older build must not rewrite a newer profile, and so lose parts of it.
        *part.ok_or(Unreadable::TooNew)? = start..start.saturating_add(length);
    }
    if form == Form::Two && usize::from(before) != Tag::COUNT {
        return Err(Unreadable::Damaged("ends early"));
    }
    let stored = Stored { bytes: bytes.into(), parts };
    stored.check()?;
    let (id, created_ms, version, bundle, trimmed) = head_of(&stored)?;
    Ok(Profile { id, created_ms, version, bundle, trimmed, ..Profile::of(stored) })
}

/// Id, creation, version, bundle and the mark of a trim, as stored.
pub(super) fn head_of(stored: &Stored) -> Result<(ProfileId, i64, u64, u64, bool), Unreadable> {
    let mut head = Reader::new(stored.part(Tag::Head));
    let (id, created_ms) = (ProfileId(head.array()), head.signed());
    let (version, bundle) = (head.unsigned(), head.unsigned());
    let marks = if head.rest.is_empty() { 0 } else { head.unsigned() };
    head.sound()?;
    if marks > TRIMMED || !head.rest.is_empty() {
        return Err(Unreadable::TooNew);
    }
    Ok((id, created_ms, version, bundle, marks == TRIMMED))
}

/// Why bytes cannot be read as a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No build writes these bytes, for this reason.
    Damaged(&'static str),
    /// A newer build wrote them: they are valid, but this build cannot read them.
    TooNew,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Damaged(why) => write!(f, "damaged profile: {why}"),
            Unreadable::TooNew => f.write_str("a newer build wrote this profile"),
        }
    }
}

impl core::error::Error for Unreadable {}

impl From<Damaged> for Unreadable {
    fn from(damaged: Damaged) -> Unreadable {
        Unreadable::Damaged(damaged.0)
    }
}

fn section(out: &mut Writer, form: Form, tag: Tag, fill: impl FnOnce(&mut Writer)) {
    out.byte(tag as u8);
    if form == Form::Two {
        out.bytes(&[0; 4]);
    }
    let start = out.0.len();
    fill(out);
    finish_section(out, form, start);
}

/// Writes the length of a section whose content starts here.
fn finish_section(out: &mut Writer, form: Form, start: usize) {
    // An empty list is stored as an absent section, so that reading it changes no byte.
    if out.0.get(start..) == Some(&[0]) {
        out.0.truncate(start);
    }
    let end = out.0.len();
    let length = end.saturating_sub(start);
    match form {
        Form::Two => {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            overwrite(out, start.saturating_sub(4), &length.to_le_bytes());
        }
        // Without its tag.
        Form::Three if length == 0 => out.0.truncate(start.saturating_sub(1)),
        Form::Three => {
            let mut written = Writer::default();
            written.count(length);
            out.bytes(&written.0);
            out.0.copy_within(start..end, start.saturating_add(written.0.len()));
            overwrite(out, start, &written.0);
        }
    }
}

fn overwrite(out: &mut Writer, at: usize, bytes: &[u8]) {
    if let Some(place) = out.0.get_mut(at..at.saturating_add(bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

/// Writes the content of a section behind the head, the same in every form. A section that was not decoded is written as
/// it was.
pub(super) fn write_part(profile: &Profile, tag: Tag, w: &mut Writer) {
    let stored = profile.stored.part(tag);
    match tag {
        Tag::Head | Tag::Candidates => w.bytes(stored),
        Tag::Keys => match profile.keys.get() {
            None => w.bytes(stored),
            Some(keys) => w.list(keys, |w, key| {
                w.text(&key.name);
                w.text(&key.value);
                w.signed(key.seen_ms);
            }),
        },
        Tag::Absorbed => match profile.absorbed.get() {
            None => w.bytes(stored),
            Some(ids) => w.list(ids, |w, id| w.bytes(&id.0)),
        },
        Tag::SeenIds => match profile.seen_ids.get() {
            None => w.bytes(stored),
            Some(seen) => {
                // Arrivals ascend, so their differences are small.
                let mut before_ms = 0;
                w.list(&seen.events, |w, (hash, arrival_ms)| {
                    w.bytes(&hash.to_le_bytes());
                    w.signed(arrival_ms.wrapping_sub(before_ms));
                    before_ms = *arrival_ms;
                });
            }
        },
        Tag::Batch => match profile.batch.get() {
            None => w.bytes(stored),
            Some(records) => w.list(records, write_record),
        },
        Tag::Orphans => match profile.orphans.get() {
            None => w.bytes(stored),
            Some(orphans) => w.list(orphans, |w, orphan| {
                w.text(&orphan.name);
                w.signed(orphan.since_ms);
            }),
        },
        Tag::Attributes => profile.states.write(stored, w),
    }
}

pub(super) fn write_record(w: &mut Writer, record: &BatchRecord) {
    if record.patch {
        // As a record of a key of its own, which no column can hold: builds that know no patches read it beside the others.
        let BatchRecord { key, computed_ms, arrival_ms, .. } = record;
        w.text(&alloc::format!("{key}{PATCH}{computed_ms}.{arrival_ms}"));
    } else {
        w.text(&record.key);
    }
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
