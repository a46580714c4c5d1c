//! The parts of messages between shards, as bytes.

use crate::message::place::{KeyOf, Place};
use crate::wire::frame::{FrameReader, FrameWriter};

pub(super) fn key(w: &mut FrameWriter, key: &KeyOf) {
    w.text(&key.audience).text(&key.name).text(&key.value);
}

pub(super) fn read_key(r: &mut FrameReader<'_>) -> Option<KeyOf> {
    let mut text = || r.text().map(str::to_owned);
    Some(KeyOf { audience: text()?, name: text()?, value: text()? })
}

pub(super) fn id(w: &mut FrameWriter, id: &[u8; 16]) {
    w.0.extend_from_slice(id);
}

pub(super) fn place(w: &mut FrameWriter, place: Place) {
    id(w, &place.id);
    w.number(place.shard);
}

pub(super) fn read_place(r: &mut FrameReader<'_>) -> Option<Place> {
    Some(Place { id: r.array()?, shard: r.number()? })
}

pub(super) fn optional_place(w: &mut FrameWriter, at: Option<Place>) {
    w.byte(u8::from(at.is_some()));
    if let Some(at) = at {
        place(w, at);
    }
}

pub(super) fn read_optional_place(r: &mut FrameReader<'_>) -> Option<Option<Place>> {
    Some(if r.byte()? != 0 { Some(read_place(r)?) } else { None })
}

pub(super) fn optional<'w>(w: &'w mut FrameWriter, text: Option<&str>) -> &'w mut FrameWriter {
    w.byte(u8::from(text.is_some())).text(text.unwrap_or(""))
}

pub(super) fn read_optional(r: &mut FrameReader<'_>) -> Option<Option<String>> {
    let given = r.byte()? != 0;
    let text = r.text()?.to_owned();
    Some(given.then_some(text))
}

pub(super) fn texts(w: &mut FrameWriter, (name, value): &(String, String)) {
    w.text(name).text(value);
}

pub(super) fn read_texts(r: &mut FrameReader<'_>) -> Option<(String, String)> {
    Some((r.text()?.to_owned(), r.text()?.to_owned()))
}

/// An answer that says where a profile went, and when that was created; None: it did not go anywhere.
pub(crate) fn moved(to: Option<(Place, i64)>) -> Vec<u8> {
    let mut w = FrameWriter::default();
    if let Some((to, created_ms)) = to {
        place(w.byte(1), to);
        w.long(created_ms);
    }
    w.0
}

/// Reads [`moved`]; the outer None: it is no such answer.
pub(crate) fn read_moved(bytes: &[u8]) -> Option<Option<(Place, i64)>> {
    let mut r = FrameReader(bytes);
    match r.byte() {
        None => Some(None),
        Some(_) => Some(Some((read_place(&mut r)?, r.long()?))),
    }
}
