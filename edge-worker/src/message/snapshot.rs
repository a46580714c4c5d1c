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
}

impl Snapshot {
    /// `now · profile`, which is empty if there is none; then the journal, unless that is empty.
    pub(crate) fn encode(taken_ms: i64, encoded_profile: &[u8], journal: &[(i64, &str)]) -> Vec<u8> {
        let mut frame = FrameWriter::default();
        frame.long(taken_ms).bytes(encoded_profile);
        if !journal.is_empty() {
            frame.list(journal, |w, (at_ms, entry)| {
                w.long(*at_ms).text(entry);
            });
        }
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
        Some(Snapshot { taken_ms, profile, journal })
    }
}
