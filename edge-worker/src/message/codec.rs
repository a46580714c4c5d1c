//! Messages as bytes.
//!
//! ```text
//! form 1: tag (1 byte, 1 to 9) · fields
//! form 2: 0x80 · form (1 byte) · newest form that the sender reads (1 byte) · tag · fields · extras
//! ```
//! Extras are optional facts, each `tag (1 byte) · length (4 bytes) · content`; a reader skips unknown ones, so that
//! they need no new form. A new field or a new meaning needs one.

mod fields;

use super::identity::{pairs, read_pairs};
use super::{
    Act, Activations, Api, Asking, Events, Identity, Import, Message, Mode, OfProfile, OfTable, Part, Probe,
    Publish, Revoke, Rollback, Route, SnapshotRequest, SnapshotRows, ToControl, ToWriter, Upkeep,
    WhichRelease, shards,
};
use crate::form::Form;
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS, InControlPlane};
use crate::wire::frame::{FrameReader, FrameWriter};
use fields::{
    ambient, keys, optional_text, optional_texts, read_ambient, read_keys, read_optional_text,
    read_optional_texts, read_texts, texts,
};

/// The first byte of a message with a form. It is not a tag, so that a build before forms reads none of its fields.
const VERSIONED: u8 = 0x80;
/// An extra without content: a snapshot with the journal of its profile.
const JOURNAL: u8 = 1;
/// An extra: what an identity token vouches for.
const IDENTITY: u8 = 2;
/// An extra: the shard that the message is for, and the number of shards.
const ROUTE: u8 = 3;
/// An extra: the message is a part of a larger one.
const PART: u8 = 4;
/// An extra without content: a bundle is published although a draft is open.
const OVER_DRAFT: u8 = 6;
/// An extra: the profile that the caller of a lookup has seen.
const SEEN: u8 = 5;
/// The greatest tag that this build knows.
const TAG_LAST: u8 = ACTIVATIONS;

/// A received message.
#[derive(Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) message: Message,
    /// The newest form in which its sender reads an answer.
    pub(crate) reads: Form,
    pub(crate) route: Route,
    /// None: it is whole, and its answer is for the caller.
    pub(crate) part: Option<Part>,
}

/// The reason why this build cannot read bytes as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// No build writes such bytes.
    Broken,
    /// A newer build wrote them.
    TooNew,
}

impl Message {
    /// Encodes the message in this form.
    pub(crate) fn encode(&self, form: Form) -> Vec<u8> {
        let mut w = FrameWriter::default();
        if form >= Form::Two {
            w.byte(VERSIONED).byte(form.number()).byte(Form::NEWEST.number());
        }
        match self {
            Message::Writer(message) => write_to_writer(&mut w, message),
            Message::Control(message) => write_to_control(&mut w, message),
        }
        if let Message::Writer(ToWriter::Snapshot(SnapshotRequest { journal: true, .. })) = self
            && form >= Form::Two
        {
            w.byte(JOURNAL).bytes(&[]);
        }
        if HAS_CONTROL_PLANE
            && let Message::Control(ToControl::Publish(Publish { over_draft: true, .. })) = self
            && form >= Form::Two
        {
            w.byte(OVER_DRAFT).bytes(&[]);
        }
        if HAS_SHARDS
            && let Message::Writer(ToWriter::Snapshot(SnapshotRequest { seen: Some(seen), .. })) = self
        {
            w.byte(SEEN).bytes(seen);
        }
        if let Message::Writer(ToWriter::Events(Events { identity, .. })) = self
            // Where tokens are verified, and where events are handed on.
            && (HAS_CONTROL_PLANE || HAS_SHARDS)
            && form >= Form::Two
            && !identity.is_empty()
        {
            w.byte(IDENTITY).bytes(&identity.to_bytes());
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Received, Unreadable> {
        let mut r = FrameReader(bytes);
        let first = r.byte().ok_or(Unreadable::Broken)?;
        if first < VERSIONED {
            let message = read(first, &mut r)?;
            return if r.0.is_empty() {
                Ok(Received { message, reads: Form::One, route: Route::ONLY, part: None })
            } else {
                Err(Unreadable::Broken)
            };
        }
        let mut byte = || r.byte().ok_or(Unreadable::Broken);
        let (form, reads, tag) = (byte()?, byte()?, byte()?);
        if first != VERSIONED || form > Form::NEWEST.number() {
            return Err(Unreadable::TooNew);
        }
        let reads = Form::shared_with(reads).ok_or(Unreadable::Broken)?;
        let mut received = Received { message: read(tag, &mut r)?, reads, route: Route::ONLY, part: None };
        while !r.0.is_empty() {
            let extra = r.byte().and_then(|extra| Some((extra, r.bytes()?))).ok_or(Unreadable::Broken)?;
            received.take_extra(extra).ok_or(Unreadable::Broken)?;
        }
        Ok(received)
    }
}

impl Received {
    /// None: no build writes it so. Of two extras with one tag the later counts.
    fn take_extra(&mut self, (tag, content): (u8, &[u8])) -> Option<()> {
        let mut r = FrameReader(content);
        match (tag, &mut self.message) {
            (JOURNAL, Message::Writer(ToWriter::Snapshot(request))) => request.journal = true,
            (IDENTITY, Message::Writer(ToWriter::Events(events))) => {
                events.identity = Identity::of_bytes(content)?;
            }
            (SEEN, Message::Writer(ToWriter::Snapshot(request))) => request.seen = Some(r.array()?),
            (OVER_DRAFT, Message::Control(ToControl::Publish(publish))) if HAS_CONTROL_PLANE => {
                publish.over_draft = true;
            }
            (ROUTE, _) => self.route = Route { shard: r.number()?, shards: r.number()? },
            (PART, _) => {
                let flags = (r.byte()?, r.byte()? != 0);
                let places = r.list(|r| Some((r.number()?, r.long()?)))?;
                self.part = Some(Part { hops: flags.0, committed: flags.1, places });
            }
            _ => {}
        }
        Some(())
    }
}

impl Route {
    /// Adds to an encoded message where it goes, and what it is a part of. Only messages of form 2 can say so.
    pub(crate) fn address(self, mut message: Vec<u8>, part: Option<&Part>) -> Vec<u8> {
        let mut extra = |tag: u8, content: &FrameWriter| {
            let mut w = FrameWriter::default();
            w.byte(tag).bytes(&content.0);
            message.append(&mut w.0);
        };
        if self.shards > 1 {
            extra(ROUTE, FrameWriter::default().number(self.shard).number(self.shards));
        }
        if let Some(part) = part {
            let mut content = FrameWriter::default();
            content.byte(part.hops).byte(u8::from(part.committed)).list(
                &part.places,
                |w, (place, time_ms)| {
                    w.number(*place).long(*time_ms);
                },
            );
            extra(PART, &content);
        }
        message
    }
}

/// True for messages that only the control plane opens.
pub(crate) fn is_of_control_plane(bytes: &[u8]) -> bool {
    match bytes {
        [VERSIONED, form, _, SHARD, first, ..] if *form <= Form::NEWEST.number() => {
            shards::bytes::is_of_control_plane(*first)
        }
        [VERSIONED, form, _, tag, ..] if *form <= Form::NEWEST.number() => is_tag_of_control_plane(*tag),
        [tag, ..] => *tag < VERSIONED && is_tag_of_control_plane(*tag),
        [] => false,
    }
}

/// Every isolate asks the control object for pointers (4) and bundles (5), so these are not.
const fn is_tag_of_control_plane(tag: u8) -> bool {
    matches!(tag, 2 | 6..=9 | 11 | PATCH | PROFILE | REVOKE | UPKEEP | API | TABLE | ROWS | ACTIVATIONS)
}

fn read(tag: u8, r: &mut FrameReader<'_>) -> Result<Message, Unreadable> {
    let message = match tag {
        1..=3 | 10 | PATCH | PROBE | PROFILE | MIXED | UPKEEP | SHARD | TABLE | ROWS | ACTIVATIONS => {
            read_to_writer(tag, r).map(Message::Writer)
        }
        0..=TAG_LAST => read_to_control(tag, r).map(Message::Control),
        _ => return Err(Unreadable::TooNew),
    };
    message.ok_or(Unreadable::Broken)
}

/// An import that adds to older records.
const PATCH: u8 = 12;

/// Asks whether a shard reads and writes.
const PROBE: u8 = 13;

/// For the profile of a key.
const PROFILE: u8 = 14;

/// Events of several tables.
const MIXED: u8 = 15;

/// A turn of upkeep.
const UPKEEP: u8 = 16;
/// A message between shards.
const SHARD: u8 = 18;

/// A key that nobody may use any more.
const REVOKE: u8 = 17;

/// A call of the control API.
const API: u8 = 19;

/// For rows of a table.
const TABLE: u8 = 20;

/// A snapshot with rows of tables.
const ROWS: u8 = 21;

/// About stored activations.
const ACTIVATIONS: u8 = 22;

fn write_to_writer(w: &mut FrameWriter, message: &ToWriter) {
    match message {
        ToWriter::Events(events) => {
            let tag = if matches!(events.mode, Mode::Mixed(_)) { MIXED } else { 1 };
            ambient(w.byte(tag), &events.ambient);
            w.list(&events.audiences, |w, (id, number)| {
                w.text(id).long(number.cast_signed());
            });
            w.text(&events.database).text(&events.table).byte(u8::from(events.server)).text(&events.origin);
            pairs(w, &events.edge);
            match &events.mode {
                Mode::Ingest | Mode::Mixed(None) => {
                    w.byte(0);
                }
                Mode::Mixed(Some(asking)) => {
                    w.byte(1);
                    texts(w, &asking.named);
                    texts(w, &asking.unknown);
                }
                Mode::Personalize { named, server_route, sensitive_scope } => {
                    w.byte(1 | u8::from(*server_route) << 1 | u8::from(*sensitive_scope) << 2);
                    optional_texts(w, named.as_deref());
                }
            }
            w.bytes(&events.body);
        }
        ToWriter::Import(_) if !HAS_CONTROL_PLANE => {}
        ToWriter::Import(import) => {
            // A build without patches refuses such a message, and replaces nothing.
            ambient(w.byte(if import.patch { PATCH } else { 2 }), &import.ambient);
            w.text(&import.audience).long(import.number.cast_signed()).bytes(&import.body);
        }
        ToWriter::Upkeep(upkeep) => {
            ambient(w.byte(UPKEEP), &upkeep.ambient);
            w.byte(u8::from(upkeep.entombs));
        }
        ToWriter::Profile(_) if !HAS_CONTROL_PLANE => {}
        ToWriter::Profile(of_profile) => {
            ambient(w.byte(PROFILE), &of_profile.ambient);
            w.text(&of_profile.audience).long(of_profile.number.cast_signed());
            keys(w, &of_profile.keys);
            w.byte(match of_profile.act {
                Act::Read { sensitive } => u8::from(sensitive),
                Act::Erase => 2,
                Act::Admit => 3,
            });
        }
        ToWriter::Snapshot(request) => {
            let rows = request.rows.get();
            ambient(w.byte(if rows.is_some() { ROWS } else { 3 }), &request.ambient);
            keys(w, &request.keys);
            if let Some(rows) = rows {
                rows.write(w);
            }
        }
        ToWriter::Table(of_table) => {
            if let Some(of_table) = of_table.get() {
                of_table.write(w.byte(TABLE));
            }
        }
        ToWriter::Written => {
            w.byte(10);
        }
        ToWriter::Probe(probe) => {
            w.byte(PROBE).long(probe.now_ms).bytes(&probe.well).bytes(&probe.degraded);
        }
        ToWriter::Activations(_) if !HAS_CONTROL_PLANE => {}
        ToWriter::Activations(message) => message.write(w.byte(ACTIVATIONS)),
        ToWriter::Shard(_) if !HAS_SHARDS => {}
        ToWriter::Shard(message) => shards::bytes::write(w.byte(SHARD), message),
    }
}

fn read_to_writer(which: u8, r: &mut FrameReader<'_>) -> Option<ToWriter> {
    Some(match which {
        1 | MIXED => ToWriter::Events(Events {
            ambient: read_ambient(r)?,
            audiences: r.list(|r| Some((r.text()?.to_owned(), r.long()?.cast_unsigned())))?,
            database: r.text()?.to_owned(),
            table: r.text()?.to_owned(),
            server: r.byte()? != 0,
            origin: r.text()?.to_owned(),
            edge: read_pairs(r)?,
            identity: Identity::default(),
            mode: match r.byte()? {
                0 if which == MIXED => Mode::Mixed(None),
                _ if which == MIXED => {
                    Mode::Mixed(Some(Asking { named: read_texts(r)?, unknown: read_texts(r)? }))
                }
                0 => Mode::Ingest,
                flags => Mode::Personalize {
                    named: read_optional_texts(r)?,
                    server_route: flags & 2 != 0,
                    sensitive_scope: flags & 4 != 0,
                },
            },
            body: r.bytes()?.to_vec(),
        }),
        2 | PATCH if HAS_CONTROL_PLANE => ToWriter::Import(Import {
            patch: which == PATCH,
            ambient: read_ambient(r)?,
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            body: r.bytes()?.to_vec(),
        }),
        3 | ROWS => ToWriter::Snapshot(SnapshotRequest {
            ambient: read_ambient(r)?,
            keys: read_keys(r)?,
            journal: false,
            seen: None,
            rows: match which {
                ROWS if !HAS_CONTROL_PLANE => return None,
                ROWS => InControlPlane::new(Box::new(SnapshotRows::read(r)?)),
                _ => InControlPlane::default(),
            },
        }),
        TABLE if HAS_CONTROL_PLANE => ToWriter::Table(InControlPlane::new(Box::new(OfTable::read(r)?))),
        PROFILE if HAS_CONTROL_PLANE => ToWriter::Profile(OfProfile {
            ambient: read_ambient(r)?,
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            keys: read_keys(r)?,
            act: match r.byte()? {
                sensitive @ 0..=1 => Act::Read { sensitive: sensitive == 1 },
                2 => Act::Erase,
                3 => Act::Admit,
                _ => return None,
            },
        }),
        UPKEEP => ToWriter::Upkeep(Upkeep { ambient: read_ambient(r)?, entombs: r.byte()? != 0 }),
        10 => ToWriter::Written,
        PROBE => ToWriter::Probe(Probe {
            now_ms: r.long()?,
            well: r.bytes()?.to_vec(),
            degraded: r.bytes()?.to_vec(),
        }),
        ACTIVATIONS if HAS_CONTROL_PLANE => ToWriter::Activations(Box::new(Activations::read(r)?)),
        SHARD if HAS_SHARDS => ToWriter::Shard(shards::bytes::read(r)?),
        _ => return None,
    })
}

fn write_to_control(w: &mut FrameWriter, message: &ToControl) {
    match message {
        ToControl::Pointers => {
            w.byte(4);
        }
        ToControl::Bundle { hash } => {
            w.byte(5).text(hash);
        }
        // Nothing but the control plane makes them.
        ToControl::Publish(_)
        | ToControl::Rollback(_)
        | ToControl::Releases { .. }
        | ToControl::Revoke(_)
        | ToControl::Api(_)
            if !HAS_CONTROL_PLANE => {}
        ToControl::Publish(publish) => {
            w.byte(6).text(&publish.audience).text(&publish.hash).long(publish.now_ms);
            optional_text(w, publish.if_match.as_deref()).bytes(&publish.body);
        }
        ToControl::Rollback(rollback) => {
            rollback.which.write(w.byte(7).text(&rollback.audience).long(rollback.now_ms));
            optional_text(w, rollback.if_match.as_deref());
        }
        ToControl::Revoke(revoke) => {
            w.byte(REVOKE).text(&revoke.sha256).long(revoke.now_ms);
        }
        ToControl::Api(api) => api.write(w.byte(API)),
        ToControl::Releases { audience, here } => {
            w.byte(8).text(audience).long(here.cast_signed());
        }
        ToControl::Release { audience, which } => which.write(w.byte(9).text(audience)),
        ToControl::Raise { audience, above, lost } => {
            optional_text(w.byte(11).text(audience).long(above.cast_signed()), lost.as_deref());
        }
    }
}

fn read_to_control(which: u8, r: &mut FrameReader<'_>) -> Option<ToControl> {
    Some(match which {
        4 => ToControl::Pointers,
        5 => ToControl::Bundle { hash: r.text()?.to_owned() },
        _ if !HAS_CONTROL_PLANE => return None,
        6 => ToControl::Publish(Publish {
            audience: r.text()?.to_owned(),
            hash: r.text()?.to_owned(),
            now_ms: r.long()?,
            if_match: read_optional_text(r)?,
            over_draft: false,
            body: r.bytes()?.to_vec(),
        }),
        7 => ToControl::Rollback(Rollback {
            audience: r.text()?.to_owned(),
            now_ms: r.long()?,
            which: WhichRelease::read(r)?,
            if_match: read_optional_text(r)?,
        }),
        8 => ToControl::Releases { audience: r.text()?.to_owned(), here: r.long()?.cast_unsigned() },
        9 => ToControl::Release { audience: r.text()?.to_owned(), which: WhichRelease::read(r)? },
        11 => ToControl::Raise {
            audience: r.text()?.to_owned(),
            above: r.long()?.cast_unsigned(),
            lost: read_optional_text(r)?,
        },
        API => ToControl::Api(Box::new(Api::read(r)?)),
        REVOKE => ToControl::Revoke(Revoke { sha256: r.text()?.to_owned(), now_ms: r.long()? }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::identity::REFUSALS;
    use crate::message::{
        Ambient, AttemptOutcome, AttemptResult, KeyOf, List, Listed, Load, Op, Retry, SendTurn, TableAct,
    };

    fn of_profile(key: &KeyOf, act: Act) -> ToWriter {
        let ambient = Ambient { now_ms: 1, entropy: [3; 32] };
        let (audience, keys) = (key.audience.clone(), vec![key.clone()]);
        ToWriter::Profile(OfProfile { ambient, audience, number: 0, keys, act })
    }

    fn of_table(act: TableAct) -> ToWriter {
        ToWriter::Table(InControlPlane::new(Box::new(OfTable {
            now_ms: 1,
            audience: "7".into(),
            number: 2,
            table: "products".into(),
            act,
        })))
    }

    fn messages() -> Vec<Message> {
        let ambient = Ambient { now_ms: -5, entropy: [9; 32] };
        let named = Some(vec!["a".to_owned(), String::new()]);
        let key = KeyOf { audience: "7".into(), name: "email".into(), value: "é".into() };
        let mixed = |asking| {
            ToWriter::Events(Events {
                ambient,
                audiences: vec![("7".into(), 3), ("8".into(), 1)],
                database: String::new(),
                table: String::new(),
                server: false,
                identity: Identity::default(),
                mode: Mode::Mixed(asking),
                origin: String::new(),
                edge: Vec::new(),
                body: b"{}".to_vec(),
            })
        };
        let to_writer = [
            ToWriter::Events(Events {
                ambient,
                audiences: vec![("7".into(), 3)],
                database: "web".into(),
                table: "pageviews".into(),
                server: true,
                identity: Identity::default(),
                mode: Mode::Personalize { named, server_route: true, sensitive_scope: false },
                origin: "https://shop.example".into(),
                edge: vec![("country".into(), "NO".into())],
                body: b"{}".to_vec(),
            }),
            mixed(None),
            mixed(Some(Asking { named: vec!["a".into(), String::new()], unknown: vec!["b".into()] })),
            ToWriter::Import(Import {
                ambient,
                audience: "7".into(),
                number: u64::MAX,
                body: vec![0, 255],
                patch: false,
            }),
            ToWriter::Import(Import { ambient, audience: "7".into(), number: 1, body: vec![], patch: true }),
            ToWriter::Snapshot(SnapshotRequest {
                ambient,
                keys: vec![key.clone()],
                journal: false,
                seen: None,
                rows: InControlPlane::default(),
            }),
            ToWriter::Profile(OfProfile {
                ambient,
                audience: "7".into(),
                number: 3,
                keys: vec![key.clone()],
                act: Act::Read { sensitive: true },
            }),
            ToWriter::Upkeep(Upkeep { ambient, entombs: true }),
            ToWriter::Snapshot(SnapshotRequest {
                ambient,
                keys: vec![key.clone()],
                journal: false,
                seen: None,
                rows: InControlPlane::new(Box::new(SnapshotRows {
                    audience: "7".into(),
                    number: 3,
                    named: vec!["home".into()],
                    event: Some(("web".into(), "pages".into(), b"{}".to_vec())),
                })),
            }),
            of_table(TableAct::Import { body: vec![1], load: None }),
            of_table(TableAct::Import {
                body: vec![],
                load: Some(Load { name: "one".into(), is_last: true, is_whole: false }),
            }),
            of_table(TableAct::Import {
                body: vec![],
                load: Some(Load { name: "é".into(), is_last: true, is_whole: true }),
            }),
            of_table(TableAct::Switch("one".into())),
            of_table(TableAct::Read { key: "é".into(), sensitive: true }),
            of_table(TableAct::Delete("k".into())),
            of_table(TableAct::Enrich { row: b"{}".to_vec(), sensitive: true }),
            of_table(TableAct::Find(vec![("products".into(), "k".into())])),
            of_table(TableAct::Erase(vec![("email".into(), "é".into()), ("k".into(), "v".into())])),
            of_profile(&key, Act::Erase),
            of_profile(&key, Act::Admit),
            ToWriter::Activations(Box::new(Activations::Turn(SendTurn {
                now_ms: 5,
                entropy: [9; 32],
                resumes: true,
                most: 7,
                results: [
                    AttemptOutcome::NotBegun,
                    AttemptOutcome::Failed("dns".into()),
                    AttemptOutcome::Answered { status: 503, body: "é".into(), retry_after_s: 9 },
                ]
                .map(|outcome| AttemptResult { number: 3, id: [7; 16], at_ms: 5, outcome })
                .to_vec(),
            }))),
            ToWriter::Activations(Box::new(Activations::List(List {
                audience: "7".into(),
                listed: Listed::Parked,
                after: 9,
                most: 200,
            }))),
            ToWriter::Activations(Box::new(Activations::Retry(Retry {
                now_ms: 5,
                audience: "7".into(),
                parked: true,
                after: 9,
                destination: "mailer".into(),
                id: Some([9; 16]),
            }))),
            ToWriter::Written,
            ToWriter::Probe(Probe { now_ms: 5, well: b"{}".to_vec(), degraded: vec![] }),
        ];
        let to_control = [
            ToControl::Pointers,
            ToControl::Bundle { hash: "ab".into() },
            ToControl::Publish(Publish {
                audience: "7".into(),
                hash: "ab".into(),
                if_match: None,
                now_ms: 7,
                over_draft: false,
                body: vec![1],
            }),
            ToControl::Api(Box::new(Api {
                now_ms: ambient.now_ms,
                entropy: ambient.entropy,
                op: Op::TokenDelete,
                audience: "7".into(),
                covers: Some("7".into()),
                account: "1".into(),
                parameters: ["12".into(), "13".into()],
                target: "/audiences/7?a=b".into(),
                body: b"{}".to_vec(),
            })),
            ToControl::Rollback(Rollback {
                audience: "7".into(),
                which: WhichRelease::Number(3),
                if_match: Some("ab".into()),
                now_ms: -1,
            }),
            ToControl::Releases { audience: "7".into(), here: 9 },
            ToControl::Release { audience: "7".into(), which: WhichRelease::Previous },
            ToControl::Release { audience: "7".into(), which: WhichRelease::Hash("ab".into()) },
            ToControl::Release { audience: "7".into(), which: WhichRelease::Before(8) },
            ToControl::Revoke(Revoke { sha256: "ab".into(), now_ms: 7 }),
            ToControl::Raise { audience: "7".into(), above: 9, lost: None },
            ToControl::Raise { audience: "7".into(), above: 9, lost: Some("ab".into()) },
        ];
        let messages = to_writer.map(Message::Writer).into_iter();
        messages.chain(to_control.map(Message::Control)).collect()
    }

    #[test]
    fn messages_come_back_and_cut_ones_are_broken() {
        for message in messages() {
            for form in [Form::One, Form::Two] {
                let bytes = message.encode(form);
                assert_eq!(
                    Message::decode(&bytes),
                    Ok(Received { message: message.clone(), reads: form, route: Route::ONLY, part: None })
                );
                for length in 0..bytes.len() {
                    assert_eq!(Message::decode(&bytes[..length]), Err(Unreadable::Broken), "cut at {length}");
                }
            }
        }
    }

    #[test]
    fn a_message_carries_what_a_token_vouches_for() {
        let with = |identity: &Identity| {
            let Message::Writer(ToWriter::Events(events)) = messages().swap_remove(1) else {
                panic!("the second are events")
            };
            Message::Writer(ToWriter::Events(Events { identity: identity.clone(), ..events }))
        };
        let read = |bytes: &[u8]| Message::decode(bytes).map(|received| received.message);
        let keys = vec![("email".to_owned(), "é@shop.example".to_owned())];
        let good = Identity { audiences: vec!["7".to_owned()], keys, refused: "" };
        for identity in REFUSALS.map(Identity::refused).into_iter().chain([good]) {
            let bytes = with(&identity).encode(Form::Two);
            assert_eq!(read(&bytes), Ok(with(&identity)));
            for cut in 1..=bytes.len() - with(&Identity::default()).encode(Form::Two).len() {
                let read = read(&bytes[..bytes.len() - cut]);
                assert!(read.is_err() || read == Ok(with(&Identity::default())), "{cut}");
            }
            // A writer of release 0.1.0 knows nothing of it.
            assert_eq!(with(&identity).encode(Form::One), with(&Identity::default()).encode(Form::One));
        }
        // A newer build may have a reason that this one does not know.
        let mut newer = with(&Identity::default()).encode(Form::Two);
        newer.extend([IDENTITY, 9, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&newer), Ok(with(&Identity::refused(REFUSALS[0]))));
    }

    #[test]
    fn who_does_not_know_the_journal_is_not_asked_for_it() {
        let request = |journal| {
            let ambient = Ambient { now_ms: 5, entropy: [9; 32] };
            Message::Writer(ToWriter::Snapshot(SnapshotRequest {
                ambient,
                keys: Vec::new(),
                journal,
                seen: None,
                rows: InControlPlane::default(),
            }))
        };
        let read = |bytes: &[u8]| Message::decode(bytes).unwrap().message;
        assert_eq!(read(&request(true).encode(Form::Two)), request(true));
        assert_eq!(request(true).encode(Form::One), request(false).encode(Form::One));
    }

    /// As written by release 0.1.0.
    #[test]
    fn messages_without_a_form_are_read_and_written_as_ever() {
        let golden = include_str!("../../golden/messages-form-1.txt");
        let mut tags = std::collections::BTreeSet::new();
        for line in golden.lines() {
            let (name, hex) = line.split_once(' ').unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            let received = Message::decode(&bytes).unwrap();
            assert_eq!(received.reads, Form::One, "{name}");
            assert_eq!(received.message.encode(Form::One), bytes, "{name}");
            // The present form has the same content.
            let present = Message::decode(&received.message.encode(Form::Two)).unwrap();
            assert_eq!(present, Received { reads: Form::Two, ..received }, "{name}");
            tags.insert(bytes[0]);
        }
        assert!(tags.into_iter().eq(1..=9));
    }

    #[test]
    fn extras_are_skipped() {
        for message in messages() {
            let mut bytes = message.encode(Form::Two);
            let extras = [&[7, 3, 0, 0, 0, 1, 2, 3][..], &[200, 0, 0, 0, 0]].concat();
            let whole = bytes.len();
            bytes.extend(&extras);
            for length in whole..=bytes.len() {
                let at_an_end = [0, 8, extras.len()].contains(&(length - whole));
                let read = Message::decode(&bytes[..length]);
                assert_eq!(read.is_ok(), at_an_end, "{length}");
                assert!(read.is_err() || read.is_ok_and(|read| read.message == message));
            }
            // A build before forms knew none.
            assert_eq!(
                Message::decode(&[&message.encode(Form::One)[..], &extras].concat()),
                Err(Unreadable::Broken)
            );
        }
    }

    #[test]
    fn what_a_newer_build_sends_is_not_broken() {
        let bytes = Message::Control(ToControl::Pointers).encode(Form::Two);
        let with = |index: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[index] = value;
            Message::decode(&bytes).map(|received| received.reads)
        };
        assert_eq!(with(0, VERSIONED + 1), Err(Unreadable::TooNew));
        assert_eq!(with(1, 3), Err(Unreadable::TooNew));
        assert_eq!(with(3, TAG_LAST + 1), Err(Unreadable::TooNew));
        assert_eq!(Message::decode(&[TAG_LAST + 1]), Err(Unreadable::TooNew));
        // The answer uses the newest form that both know; no build reads form 0.
        assert_eq!(with(2, 9), Ok(Form::NEWEST));
        assert_eq!(with(2, 1), Ok(Form::One));
        assert_eq!(with(2, 0), Err(Unreadable::Broken));
        assert_eq!(Message::decode(&[0]), Err(Unreadable::Broken));
    }
}
