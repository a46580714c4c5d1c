//! The choice of one of an audience's bundles, as bytes.

use super::WhichRelease;
use crate::wire::frame::{FrameReader, FrameWriter};

impl WhichRelease {
    pub(super) fn write(&self, w: &mut FrameWriter) {
        match self {
            WhichRelease::Previous => w.byte(0),
            WhichRelease::Number(number) => w.byte(1).long(number.cast_signed()),
            WhichRelease::Hash(hash) => w.byte(2).text(hash),
            WhichRelease::Before(number) => w.byte(3).long(number.cast_signed()),
        };
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<WhichRelease> {
        Some(match r.byte()? {
            0 => WhichRelease::Previous,
            1 => WhichRelease::Number(r.long()?.cast_unsigned()),
            2 => WhichRelease::Hash(r.text()?.to_owned()),
            3 => WhichRelease::Before(r.long()?.cast_unsigned()),
            _ => return None,
        })
    }
}
