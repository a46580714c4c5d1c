//! What the control object and snapshots answer: small messages that decide little.

use usher_engine::profile::codec;

use super::events::line;
use super::{Folded, Outcome, Snapshot};
use crate::error::Refusal;
use crate::host::{FoundProfile, Pointer, Write};
use crate::wire::Response;
use crate::wire::frame::FrameWriter;

/// The profile of the first key that is known, and when it was read: `now · profile` (empty: none is known).
pub(super) fn snapshot(snapshot: &Snapshot, found: &[FoundProfile]) -> Folded {
    let mut decoded = Vec::new();
    for found in found {
        match codec::decode(&found.state) {
            Ok(profile) => decoded.push((profile, &found.state)),
            Err(damage) => {
                let log = vec![line("damaged_profile", &damage.to_string())];
                let response = Response::refused(Refusal::STORAGE);
                return Outcome { write: Write::default(), response, log }.done();
            }
        }
    }
    let first = snapshot
        .keys
        .iter()
        .find_map(|key| decoded.iter().find(|(profile, _)| profile.has_key(&key.name, &key.value)));
    let mut frame = FrameWriter::default();
    frame.long(snapshot.moment.now_ms).bytes(first.map_or(&[][..], |(_, bytes)| bytes.as_slice()));
    Outcome::of(Response::typed(200, "application/octet-stream", frame.0))
}

/// `[{"audience", "number", "hash"}]`
pub(super) fn pointers(pointers: &[Pointer]) -> Folded {
    let mut frame = FrameWriter::default();
    frame.list(pointers, |w, pointer| {
        w.text(&pointer.audience).long(pointer.number.cast_signed()).text(&pointer.hash);
    });
    Outcome::of(Response::typed(200, "application/octet-stream", frame.0))
}

/// A body, or 404.
pub(super) fn bundle(body: Option<Vec<u8>>) -> Folded {
    Outcome::of(match body {
        Some(body) => Response::typed(200, "application/octet-stream", body),
        None => Response::refused(Refusal::NOT_FOUND),
    })
}
