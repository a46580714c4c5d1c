//! The rows of each kind as bytes: keys that sort as they are looked for, values as frames.
//!
//! | kind | key | value |
//! |---|---|---|
//! | bundle | hash | the body |
//! | control | audience | version, when a draft is due, base, state of the control API |
//! | form | – | number |
//! | idle | day, audience, profile | – |
//! | journal | number | audience, profile, time, step |
//! | key | audience, name, value | profile |
//! | lease | – | holder, end |
//! | object | id | audience |
//! | probe | – | time |
//! | profile | audience, profile | version, time, keys, state |
//! | release | audience, number | hash, origin, time |
//! | send | number | audience, profile, id, time, message |
//! | suppressed | name | time, imports, copies |
//! | table | audience, table | generations |
//! | table owner | audience, table, key | – |
//! | table row | audience, table, generation, key | version, time, columns |
//! | wait | audience, profile | time, audience, profile |
//! | written | audience | number, hash |

use usher_edge::store::journeys::SendRow;
use usher_edge::store::{FoundProfile, IdleSince, JournalRow, Pointer, Release, StoreFailure};
use usher_edge::wire::frame::{FrameReader, FrameWriter};

/// Declares the kinds of rows, each by the letter with which its keys begin.
macro_rules! kinds {
    ($($name:ident = $letter:literal,)*) => {
        $(pub(super) const $name: u8 = $letter;)*
        #[cfg(test)]
        const KINDS: &[u8] = &[$($name),*];
    };
}

kinds! {
    BUNDLE = b'b',
    CONTROL = b'c',
    FORM = b'f',
    IDLE = b'i',
    JOURNAL = b'j',
    KEY = b'k',
    LEASE = b'l',
    OBJECT = b'n',
    PROBE = b'o',
    PROFILE = b'p',
    RELEASE = b'r',
    SEND = b'm',
    SUPPRESSED = b's',
    TABLE = b't',
    TABLE_OWNER = b'v',
    TABLE_ROW = b'u',
    WAIT = b'd',
    WRITTEN = b'w',
}

/// A key of these parts, each with its length, so that no part runs into the next one.
pub(super) fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = FrameWriter(vec![kind]);
    for part in parts {
        key.bytes(part);
    }
    key.0
}

/// A number that sorts by its value.
pub(super) fn sorted(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

fn number_of(sorted: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(sorted.try_into().ok()?) ^ i64::MIN)
}

pub(super) fn idle_key(since: &IdleSince) -> Vec<u8> {
    key(IDLE, &[&sorted(since.day), since.audience.as_bytes(), &since.id])
}

pub(super) fn read_idle_key(key: &[u8]) -> Result<IdleSince, StoreFailure> {
    read(key.get(1..).unwrap_or_default(), |row| {
        let day = number_of(row.bytes()?)?;
        Some(IdleSince { day, audience: row.text()?.to_owned(), id: row.bytes()?.try_into().ok()? })
    })
}

/// The number in the key of a step of the journal, or of a message to send.
pub(super) fn read_number_key(key: &[u8]) -> Result<i64, StoreFailure> {
    read(key.get(1..).unwrap_or_default(), |row| number_of(row.bytes()?))
}

/// The id in the key of an object of the control API.
pub(super) fn read_object_key(key: &[u8]) -> Result<u64, StoreFailure> {
    read(key.get(1..).unwrap_or_default(), |row| number_of(row.bytes()?).map(i64::cast_unsigned))
}

/// A stored profile without its name.
pub(super) struct Profile {
    pub(super) version: u64,
    pub(super) touched_ms: i64,
    /// As (name, value).
    pub(super) keys: Vec<(String, String)>,
    pub(super) state: Vec<u8>,
}

impl Profile {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut row = FrameWriter::default();
        row.long(self.version.cast_signed()).long(self.touched_ms);
        row.list(&self.keys, |row, (name, value)| {
            row.text(name).text(value);
        });
        row.bytes(&self.state);
        row.0
    }

    pub(super) fn read(row: &[u8]) -> Result<Profile, StoreFailure> {
        read(row, |row| {
            let (version, touched_ms) = (row.long()?.cast_unsigned(), row.long()?);
            let keys = row.list(|row| Some((row.text()?.to_owned(), row.text()?.to_owned())))?;
            Some(Profile { version, touched_ms, keys, state: row.bytes()?.to_vec() })
        })
    }

    pub(super) fn found(self, audience: &str, id: [u8; 16], keys: Vec<usize>) -> FoundProfile {
        FoundProfile { audience: audience.to_owned(), keys, id, version: self.version, state: self.state }
    }
}

pub(super) fn journal(step: &JournalRow) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.text(&step.audience).bytes(&step.profile).long(step.at_ms).text(&step.entry);
    row.0
}

pub(super) fn read_journal(row: &[u8]) -> Result<JournalRow, StoreFailure> {
    read(row, |row| {
        let (audience, profile) = (row.text()?.to_owned(), row.bytes()?.try_into().ok()?);
        Some(JournalRow { audience, profile, at_ms: row.long()?, entry: row.text()?.to_owned() })
    })
}

pub(super) fn send(send: &SendRow) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.text(&send.audience).bytes(&send.profile).bytes(&send.id).long(send.at_ms).text(&send.message);
    row.0
}

pub(super) fn read_send(row: &[u8]) -> Result<SendRow, StoreFailure> {
    read(row, |row| {
        let (audience, profile) = (row.text()?.to_owned(), row.bytes()?.try_into().ok()?);
        let (id, at_ms) = (row.bytes()?.try_into().ok()?, row.long()?);
        Some(SendRow { audience, profile, id, at_ms, message: row.text()?.to_owned(), delivery: None })
    })
}

pub(super) fn wait(audience: &str, profile: [u8; 16], due_ms: i64) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.long(due_ms).text(audience).bytes(&profile);
    row.0
}

/// The due time, the audience and the profile.
pub(super) fn read_wait(row: &[u8]) -> Result<(i64, String, [u8; 16]), StoreFailure> {
    read(row, |row| Some((row.long()?, row.text()?.to_owned(), row.bytes()?.try_into().ok()?)))
}

pub(super) fn release(release: &Release) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.long(release.number.cast_signed()).text(&release.hash);
    row.long(release.origin.cast_signed()).long(release.at_ms);
    row.0
}

pub(super) fn read_release(row: &[u8]) -> Result<Release, StoreFailure> {
    read(row, |row| {
        let (number, hash) = (row.long()?.cast_unsigned(), row.text()?.to_owned());
        Some(Release { number, hash, origin: row.long()?.cast_unsigned(), at_ms: row.long()? })
    })
}

/// The text with which a key begins after its kind.
pub(super) fn read_first_text(key: &[u8]) -> Result<String, StoreFailure> {
    read(key.get(1..).unwrap_or_default(), |row| Some(row.text()?.to_owned()))
}

pub(super) fn written(pointer: &Pointer) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.text(&pointer.audience).long(pointer.number.cast_signed()).text(&pointer.hash);
    row.0
}

pub(super) fn read_written(row: &[u8]) -> Result<Pointer, StoreFailure> {
    read(row, Pointer::read)
}

/// The refusal of a key.
#[derive(Clone, Copy)]
pub(super) struct Suppressed {
    pub(super) at_ms: i64,
    pub(super) imports: bool,
    /// Its copies were not replaced once more yet.
    pub(super) copies: bool,
}

impl Suppressed {
    pub(super) fn write(self) -> Vec<u8> {
        let mut row = FrameWriter::default();
        row.long(self.at_ms).byte(self.imports.into()).byte(self.copies.into());
        row.0
    }

    pub(super) fn read(row: &[u8]) -> Result<Suppressed, StoreFailure> {
        read(row, |row| {
            Some(Suppressed { at_ms: row.long()?, imports: row.byte()? == 1, copies: row.byte()? == 1 })
        })
    }
}

/// A row of a table, and when it arrived.
pub(super) fn table_row(version: &[u8], at_ms: i64, columns: &[u8]) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.bytes(version).long(at_ms).bytes(columns);
    row.0
}

/// Its version, its arrival and its columns.
pub(super) fn read_table_row(row: &[u8]) -> Result<(Vec<u8>, i64, Vec<u8>), StoreFailure> {
    read(row, |row| Some((row.bytes()?.to_vec(), row.long()?, row.bytes()?.to_vec())))
}

/// The table and the key of a row, from its place.
pub(super) fn read_table_row_key(place: &[u8]) -> Result<(String, String), StoreFailure> {
    read(place.get(1..).unwrap_or_default(), |place| {
        let (_, table, _) = (place.text()?, place.text()?.to_owned(), place.bytes()?);
        Some((table, place.text()?.to_owned()))
    })
}

/// A table and one of its owners.
pub(super) fn read_owner_key(place: &[u8]) -> Result<(String, String), StoreFailure> {
    read(place.get(1..).unwrap_or_default(), |place| {
        let (_, table) = (place.text()?, place.text()?.to_owned());
        Some((table, place.text()?.to_owned()))
    })
}

/// Two numbers.
pub(super) fn pair((first, second): (i64, i64)) -> Vec<u8> {
    let mut row = FrameWriter::default();
    row.long(first).long(second);
    row.0
}

pub(super) fn read_pair(row: &[u8]) -> Result<(i64, i64), StoreFailure> {
    read(row, |row| Some((row.long()?, row.long()?)))
}

pub(super) fn read<T>(
    row: &[u8],
    read: impl FnOnce(&mut FrameReader<'_>) -> Option<T>,
) -> Result<T, StoreFailure> {
    read(&mut FrameReader(row)).ok_or_else(|| StoreFailure("a stored row is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_row_has_a_letter_of_its_own() {
        let letters = std::collections::BTreeSet::from_iter(KINDS);
        assert!(letters.len() == KINDS.len() && KINDS.len() >= 18);
    }

    #[test]
    fn numbers_sort_as_they_count() {
        let numbers = [i64::MIN, -20_000, -1, 0, 1, 255, 256, i64::MAX];
        assert!(numbers.is_sorted_by_key(|number| sorted(*number)));
        assert!(numbers.iter().all(|number| number_of(&sorted(*number)) == Some(*number)));
    }

    #[test]
    fn damaged_rows_are_failures() {
        let profile = Profile {
            version: 3,
            touched_ms: 5,
            keys: vec![("a".to_owned(), "b".to_owned())],
            state: vec![1; 9],
        };
        let row = profile.write();
        assert_eq!(
            Profile::read(&row).ok().map(|read| (read.version, read.keys, read.state)),
            Some((3, profile.keys, vec![1; 9]))
        );
        for end in 0..row.len() {
            assert!(Profile::read(&row[..end]).is_err(), "{end}");
        }
        assert!(read_idle_key(&[IDLE, 1]).is_err());
    }
}
