//! Fields that several messages have.

use crate::message::{Ambient, KeyOf};
use crate::wire::frame::{FrameReader, FrameWriter};

pub(super) fn ambient(w: &mut FrameWriter, ambient: &Ambient) {
    w.long(ambient.now_ms);
    w.0.extend_from_slice(&ambient.entropy);
}

pub(super) fn read_ambient(r: &mut FrameReader<'_>) -> Option<Ambient> {
    Some(Ambient { now_ms: r.long()?, entropy: r.array()? })
}

pub(super) fn keys(w: &mut FrameWriter, keys: &[KeyOf]) {
    w.list(keys, |w, key| {
        w.text(&key.audience).text(&key.name).text(&key.value);
    });
}

pub(super) fn read_keys(r: &mut FrameReader<'_>) -> Option<Vec<KeyOf>> {
    r.list(|r| {
        let mut text = || r.text().map(str::to_owned);
        Some(KeyOf { audience: text()?, name: text()?, value: text()? })
    })
}

pub(super) fn optional_text<'w>(w: &'w mut FrameWriter, text: Option<&str>) -> &'w mut FrameWriter {
    w.byte(u8::from(text.is_some())).text(text.unwrap_or(""))
}

pub(super) fn read_optional_text(r: &mut FrameReader<'_>) -> Option<Option<String>> {
    let given = r.byte()? != 0;
    let text = r.text()?.to_owned();
    Some(given.then_some(text))
}

pub(super) fn optional_texts(w: &mut FrameWriter, given: Option<&[String]>) {
    w.byte(u8::from(given.is_some()));
    texts(w, given.unwrap_or(&[]));
}

pub(super) fn texts(w: &mut FrameWriter, texts: &[String]) {
    w.list(texts, |w, text| {
        w.text(text);
    });
}

pub(super) fn read_optional_texts(r: &mut FrameReader<'_>) -> Option<Option<Vec<String>>> {
    let given = r.byte()? != 0;
    let texts = read_texts(r)?;
    Some(given.then_some(texts))
}

pub(super) fn read_texts(r: &mut FrameReader<'_>) -> Option<Vec<String>> {
    r.list(|r| r.text().map(str::to_owned))
}
