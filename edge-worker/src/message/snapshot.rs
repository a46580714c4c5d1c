//! Snapshots: a profile as it was at one time, as bytes that caches keep.

use usher_engine::profile::{Profile, codec};

use crate::wire::frame::{FrameReader, FrameWriter};

/// The profile that a lookup's keys find, and when it was read.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Unix milliseconds.
    pub(crate) taken_ms: i64,
    /// None: no profile has one of the keys.
    pub(crate) profile: Option<Profile>,
}

impl Snapshot {
    /// `now · profile`, which is empty when no profile is known.
    pub(crate) fn encode(taken_ms: i64, encoded_profile: &[u8]) -> Vec<u8> {
        let mut frame = FrameWriter::default();
        frame.long(taken_ms).bytes(encoded_profile);
        frame.0
    }

    /// None: it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Snapshot> {
        let mut reader = FrameReader(bytes);
        let taken_ms = reader.long()?;
        let profile = reader.bytes()?;
        let profile = if profile.is_empty() { None } else { Some(codec::decode(profile).ok()?) };
        Some(Snapshot { taken_ms, profile })
    }
}
