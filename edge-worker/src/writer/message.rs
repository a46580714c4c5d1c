//! Messages from the front to a writer or to the control object, and their frames.

use crate::host::{KeyOf, Moment, Which};
use crate::wire::frame::{FrameReader, FrameWriter};

/// What a front asks of a writer or of the control object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Events(Events),
    Import(Import),
    Snapshot(Snapshot),
    /// Which bundles run.
    Pointers,
    /// A bundle's body.
    Bundle {
        hash: String,
    },
    Publish(Publish),
    Rollback(Rollback),
    /// The last bundles of an audience, and the number of the one that the front runs; 0: none that is as it should be.
    Releases {
        audience: String,
        here: u64,
    },
    /// One of them, with its body.
    Release {
        audience: String,
        which: Which,
    },
}

/// Events to take, of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Events {
    pub(crate) moment: Moment,
    /// Audiences that declare the table, each with the bundle that the front runs.
    pub(crate) audiences: Vec<(String, u64)>,
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) mode: Mode,
    /// Whether a server vouches for the keys.
    pub(crate) server: bool,
    /// The page that may read the answer; empty: none.
    pub(crate) origin: String,
    /// What the edge knows of the request, by name.
    pub(crate) edge: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
}

/// What the caller wants back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Receipts.
    Ingest,
    /// Offers, for one event.
    Personalize {
        /// What the token names; None: all that are triggered.
        named: Option<Vec<String>>,
        server_route: bool,
        sensitive_scope: bool,
    },
}

/// Batch records to take.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    pub(crate) moment: Moment,
    pub(crate) audience: String,
    pub(crate) number: u64,
    /// NDJSON, as it was sent.
    pub(crate) body: Vec<u8>,
}

/// A profile as it is now, for lookups.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) moment: Moment,
    /// In the order in which they are tried.
    pub(crate) keys: Vec<KeyOf>,
}

/// A bundle to run from now on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) audience: String,
    pub(crate) hash: String,
    /// The hash of the bundle that must run now.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) body: Vec<u8>,
}

/// A bundle that ran before, to run again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollback {
    pub(crate) audience: String,
    pub(crate) which: Which,
    /// The hash of the bundle that must run now.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

impl PartialEq for Moment {
    fn eq(&self, other: &Moment) -> bool {
        (self.now_ms, self.entropy) == (other.now_ms, other.entropy)
    }
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        match self {
            Message::Events(events) => {
                moment(w.byte(1), &events.moment);
                w.list(&events.audiences, |w, (id, number)| {
                    w.text(id).long(number.cast_signed());
                });
                w.text(&events.database)
                    .text(&events.table)
                    .byte(u8::from(events.server))
                    .text(&events.origin);
                w.list(&events.edge, |w, (name, value)| {
                    w.text(name).text(value);
                });
                match &events.mode {
                    Mode::Ingest => {
                        w.byte(0);
                    }
                    Mode::Personalize { named, server_route, sensitive_scope } => {
                        w.byte(1 | u8::from(*server_route) << 1 | u8::from(*sensitive_scope) << 2);
                        optional_texts(&mut w, named.as_deref());
                    }
                }
                w.bytes(&events.body);
            }
            Message::Import(import) => {
                moment(w.byte(2), &import.moment);
                w.text(&import.audience).long(import.number.cast_signed()).bytes(&import.body);
            }
            Message::Snapshot(snapshot) => {
                moment(w.byte(3), &snapshot.moment);
                w.list(&snapshot.keys, |w, key| {
                    w.text(&key.audience).text(&key.name).text(&key.value);
                });
            }
            Message::Pointers => {
                w.byte(4);
            }
            Message::Bundle { hash } => {
                w.byte(5).text(hash);
            }
            Message::Publish(publish) => {
                w.byte(6).text(&publish.audience).text(&publish.hash).long(publish.now_ms);
                optional_text(&mut w, publish.if_match.as_deref()).bytes(&publish.body);
            }
            Message::Rollback(rollback) => {
                which(w.byte(7).text(&rollback.audience).long(rollback.now_ms), &rollback.which);
                optional_text(&mut w, rollback.if_match.as_deref());
            }
            Message::Releases { audience, here } => {
                w.byte(8).text(audience).long(here.cast_signed());
            }
            Message::Release { audience, which: wanted } => which(w.byte(9).text(audience), wanted),
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Message> {
        let mut r = FrameReader(bytes);
        let message = match r.byte()? {
            1 => Message::Events(Events {
                moment: read_moment(&mut r)?,
                audiences: r.list(|r| Some((r.text()?.to_owned(), r.long()?.cast_unsigned())))?,
                database: r.text()?.to_owned(),
                table: r.text()?.to_owned(),
                server: r.byte()? != 0,
                origin: r.text()?.to_owned(),
                edge: r.list(|r| Some((r.text()?.to_owned(), r.text()?.to_owned())))?,
                mode: match r.byte()? {
                    0 => Mode::Ingest,
                    flags => Mode::Personalize {
                        named: read_optional_texts(&mut r)?,
                        server_route: flags & 2 != 0,
                        sensitive_scope: flags & 4 != 0,
                    },
                },
                body: r.bytes()?.to_vec(),
            }),
            2 => Message::Import(Import {
                moment: read_moment(&mut r)?,
                audience: r.text()?.to_owned(),
                number: r.long()?.cast_unsigned(),
                body: r.bytes()?.to_vec(),
            }),
            3 => Message::Snapshot(Snapshot {
                moment: read_moment(&mut r)?,
                keys: r.list(|r| {
                    let mut text = || r.text().map(str::to_owned);
                    Some(KeyOf { audience: text()?, name: text()?, value: text()? })
                })?,
            }),
            4 => Message::Pointers,
            5 => Message::Bundle { hash: r.text()?.to_owned() },
            6 => Message::Publish(Publish {
                audience: r.text()?.to_owned(),
                hash: r.text()?.to_owned(),
                now_ms: r.long()?,
                if_match: read_optional_text(&mut r)?,
                body: r.bytes()?.to_vec(),
            }),
            7 => Message::Rollback(Rollback {
                audience: r.text()?.to_owned(),
                now_ms: r.long()?,
                which: read_which(&mut r)?,
                if_match: read_optional_text(&mut r)?,
            }),
            8 => Message::Releases { audience: r.text()?.to_owned(), here: r.long()?.cast_unsigned() },
            9 => Message::Release { audience: r.text()?.to_owned(), which: read_which(&mut r)? },
            _ => return None,
        };
        r.0.is_empty().then_some(message)
    }
}

fn moment(w: &mut FrameWriter, moment: &Moment) {
    w.long(moment.now_ms);
    w.0.extend_from_slice(&moment.entropy);
}

fn read_moment(r: &mut FrameReader<'_>) -> Option<Moment> {
    Some(Moment { now_ms: r.long()?, entropy: r.array()? })
}

fn which(w: &mut FrameWriter, which: &Which) {
    match which {
        Which::Previous => w.byte(0),
        Which::Number(number) => w.byte(1).long(number.cast_signed()),
        Which::Hash(hash) => w.byte(2).text(hash),
    };
}

fn read_which(r: &mut FrameReader<'_>) -> Option<Which> {
    Some(match r.byte()? {
        0 => Which::Previous,
        1 => Which::Number(r.long()?.cast_unsigned()),
        2 => Which::Hash(r.text()?.to_owned()),
        _ => return None,
    })
}

fn optional_text<'w>(w: &'w mut FrameWriter, text: Option<&str>) -> &'w mut FrameWriter {
    w.byte(u8::from(text.is_some())).text(text.unwrap_or(""))
}

fn read_optional_text(r: &mut FrameReader<'_>) -> Option<Option<String>> {
    let given = r.byte()? != 0;
    let text = r.text()?.to_owned();
    Some(given.then_some(text))
}

fn optional_texts(w: &mut FrameWriter, texts: Option<&[String]>) {
    w.byte(u8::from(texts.is_some()));
    w.list(texts.unwrap_or(&[]), |w, text| {
        w.text(text);
    });
}

fn read_optional_texts(r: &mut FrameReader<'_>) -> Option<Option<Vec<String>>> {
    let given = r.byte()? != 0;
    let texts = r.list(|r| r.text().map(str::to_owned))?;
    Some(given.then_some(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let moment = Moment { now_ms: -5, entropy: [9; 32] };
        let named = Some(vec!["a".to_owned(), String::new()]);
        let key = KeyOf { audience: "7".into(), name: "email".into(), value: "é".into() };
        for message in [
            Message::Events(Events {
                moment,
                audiences: vec![("7".into(), 3)],
                database: "web".into(),
                table: "pageviews".into(),
                server: true,
                mode: Mode::Personalize { named, server_route: true, sensitive_scope: false },
                origin: "https://shop.example".into(),
                edge: vec![("country".into(), "NO".into())],
                body: b"{}".to_vec(),
            }),
            Message::Import(Import { moment, audience: "7".into(), number: u64::MAX, body: vec![0, 255] }),
            Message::Snapshot(Snapshot { moment, keys: vec![key] }),
            Message::Pointers,
            Message::Bundle { hash: "ab".into() },
            Message::Publish(Publish {
                audience: "7".into(),
                hash: "ab".into(),
                if_match: None,
                now_ms: 7,
                body: vec![1],
            }),
            Message::Rollback(Rollback {
                audience: "7".into(),
                which: Which::Number(3),
                if_match: Some("ab".into()),
                now_ms: -1,
            }),
            Message::Releases { audience: "7".into(), here: 9 },
            Message::Release { audience: "7".into(), which: Which::Previous },
            Message::Release { audience: "7".into(), which: Which::Hash("ab".into()) },
        ] {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes), Some(message));
            for length in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..length]), None, "cut at {length}");
            }
        }
    }
}
