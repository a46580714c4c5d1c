//! Snapshots: the state of a profile at one time, as bytes for caches.

use usher_engine::profile::{Profile, codec};

use crate::wire::frame::{FrameReader, FrameWriter};

/// The profile found by a lookup's keys, and the time of reading.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Unix milliseconds.
    pub(crate) taken_ms: i64,
    /// None: no profile has any of the keys.
    pub(crate) profile: Option<Profile>,
    /// Its journal as times (Unix milliseconds) and entries, newest first, if it was asked for.
    pub(crate) journal: Vec<(i64, String)>,
    /// The rows that it carries, as [`SnapshotRow::encode`] writes them; empty: it was not asked for any.
    pub(crate) rows: Vec<u8>,
}

impl Snapshot {
    /// `now · profile`, which is empty if there is none; then the journal, unless that and the rows are empty; then the rows.
    pub(crate) fn encode(
        taken_ms: i64,
        encoded_profile: &[u8],
        journal: &[(i64, &str)],
        rows: &[u8],
    ) -> Vec<u8> {
        let mut frame = FrameWriter::default();
        frame.long(taken_ms).bytes(encoded_profile);
        if !journal.is_empty() || !rows.is_empty() {
            frame.list(journal, |w, (at_ms, entry)| {
                w.long(*at_ms).text(entry);
            });
        }
        frame.0.extend_from_slice(rows);
        frame.0
    }

    /// None if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Snapshot> {
        let mut reader = FrameReader(bytes);
        let taken_ms = reader.long()?;
        let profile = reader.bytes()?;
        let profile = if profile.is_empty() { None } else { Some(codec::decode(profile).ok()?) };
        let journal = if reader.0.is_empty() {
            Vec::new()
        } else {
            reader.list(|r| Some((r.long()?, r.text()?.to_owned())))?
        };
        Some(Snapshot { taken_ms, profile, journal, rows: reader.0.to_vec() })
    }
}

/// A row that a snapshot carries, or the word that there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SnapshotRow {
    pub(crate) table: String,
    pub(crate) key: String,
    /// When it arrived, Unix milliseconds.
    pub(crate) at_ms: i64,
    /// Bytes that sort as versions do.
    pub(crate) version: Vec<u8>,
    /// A JSON object; empty: there is no such row.
    pub(crate) columns: Vec<u8>,
}

impl SnapshotRow {
    pub(crate) fn encode(rows: &[SnapshotRow]) -> Vec<u8> {
        let mut frame = FrameWriter::default();
        frame.list(rows, |w, row| {
            w.text(&row.table).text(&row.key).long(row.at_ms).bytes(&row.version).bytes(&row.columns);
        });
        frame.0
    }

    /// None if they are damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<SnapshotRow>> {
        if bytes.is_empty() {
            return Some(Vec::new());
        }
        FrameReader(bytes).list(|r| {
            Some(SnapshotRow {
                table: r.text()?.to_owned(),
                key: r.text()?.to_owned(),
                at_ms: r.long()?,
                version: r.bytes()?.to_vec(),
                columns: r.bytes()?.to_vec(),
            })
        })
    }
}
