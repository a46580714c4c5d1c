//! What the control object and snapshots answer: small messages that decide little.

use usher_engine::profile::codec;

use super::events::line;
use super::{Folded, Outcome, Publish, Snapshot};
use crate::error::Refusal;
use crate::host::{FoundProfile, Pointer, Write};
use crate::wire::Response;
use crate::wire::frame::FrameWriter;
use crate::wire::json::Json;

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

/// Points an audience at its next bundle, unless another one runs than the publisher thinks.
pub(super) fn publish(publish: &Publish, pointers: Vec<Pointer>) -> Folded {
    let current = pointers.into_iter().next();
    let running = current.as_ref().map_or("", |pointer| pointer.hash.as_str());
    if publish.if_match.as_ref().is_some_and(|expected| expected != running) {
        let detail = "pull what runs, look at the difference, and push again";
        return Outcome::of(Response::problem(Refusal::BUNDLE_CHANGED, Some(detail)));
    }
    let same = running == publish.hash;
    let number = current.as_ref().map_or(0, |pointer| pointer.number) + u64::from(!same);
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text("ok");
        o.field("number").number(i64::try_from(number).unwrap_or(i64::MAX));
        o.field("hash").text(&publish.hash);
        o.field("changed").boolean(!same);
    });
    let response = Response::json(200, body).header("etag", format!("\"{}\"", publish.hash));
    let pointer = Pointer { audience: publish.audience.clone(), number, hash: publish.hash.clone() };
    let write = if same {
        Write::default()
    } else {
        Write { bundle: Some((pointer, publish.body.clone())), ..Write::default() }
    };
    let said = format!("audience {} number {number}", publish.audience);
    let log = if same { Vec::new() } else { vec![line("bundle_published", &said)] };
    Outcome { write, response, log }.done()
}
