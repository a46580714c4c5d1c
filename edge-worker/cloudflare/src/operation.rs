//! The operations that JavaScript can call, each with its input and output frames.

mod bundles;
mod delivery;
mod schema;
mod shards;

use bundles::{compile, install, stand_in};
use shards::{answered, committed, due, join, newest, questions, settle, stored};
use usher_edge::drive::{self, Opened};
use usher_edge::host::{CONTROL_HEADERS, FACT_HEADERS, HEADERS, Head, PREFLIGHT_HEADERS};
use usher_edge::limits::WITNESSES_MAX;
use usher_edge::log::STORAGE_FAILED;
use usher_edge::lookup::{self, Candidate, Copies};
use usher_edge::message::Route;
use usher_edge::store::sql;
use usher_edge::store::{Found, Pointer};
use usher_edge::wire::frame::{FrameReader, FrameWriter};
use usher_edge::{
    Ambient, Edge, Folded, Form, Line, Question, Refusal, Response, Step, front, message, read_keys,
};

use crate::fault::fault;
use crate::parts::{cell, lines, response, statements, with_head, with_request};
use crate::plane::IS_CONTROL_PLANE;

/// One instance: an edge, the open message, and copies of snapshots.
#[derive(Default)]
pub(crate) struct Instance {
    edge: Option<Edge>,
    opened: Option<Opened>,
    copies: Copies,
}

impl Instance {
    /// Runs an operation. An unreadable frame is a bug and gives an empty output, which the entry treats as a failure.
    pub(crate) fn run(&mut self, operation: u32, input: &[u8]) -> Vec<u8> {
        let mut out = FrameWriter::default();
        let done = match operation {
            0 => self.configure(FrameReader(input), &mut out),
            1 => self.front(FrameReader(input), &mut out),
            2 => self.answer(FrameReader(input), &mut out),
            3 => self.open(FrameReader(input), &mut out),
            4 => self.fold(FrameReader(input), &mut out),
            5 => self.behind(FrameReader(input), &mut out),
            6 => install(self.edge.as_mut(), FrameReader(input), &mut out),
            7 => self.unavailable(input, &mut out),
            8 => constants(self.edge.as_ref(), &mut out),
            9 => self.degrade(FrameReader(input)),
            10 => self.failed(FrameReader(input), &mut out),
            11 => self.admit(FrameReader(input), &mut out),
            12 => earlier(self.edge.as_ref(), FrameReader(input), &mut out),
            13 => stand_in(self.edge.as_mut(), FrameReader(input), &mut out),
            14 => self.meet(FrameReader(input), &mut out),
            15 => self.drawn(FrameReader(input), &mut out, front::meter),
            16 => self.note_storage_fault(),
            17 => self.drawn(FrameReader(input), &mut out, front::charge_refusal),
            18 => upkeep(self.edge.as_ref(), FrameReader(input), &mut out),
            19 => self.misplace(FrameReader(input)),
            20 => self.copy(FrameReader(input), &mut out),
            21 => self.remember(FrameReader(input)),
            22 => self.forget(FrameReader(input)),
            23 => due(self.edge.as_ref(), FrameReader(input), &mut out),
            24 if IS_CONTROL_PLANE => settle(self.edge.as_ref(), FrameReader(input), &mut out),
            25 => committed(input, &mut out),
            26 if IS_CONTROL_PLANE => join(FrameReader(input), &mut out),
            27 if IS_CONTROL_PLANE => compile(FrameReader(input), &mut out),
            28 if IS_CONTROL_PLANE => keys(FrameReader(input), &mut out),
            29 if IS_CONTROL_PLANE => due_draft(self.edge.as_ref(), FrameReader(input), &mut out),
            30 if IS_CONTROL_PLANE => delivery::send_turn(self.edge.as_ref(), FrameReader(input), &mut out),
            31 if IS_CONTROL_PLANE => schema::schema(&mut out),
            _ => None,
        };
        done.map(|()| out.0).unwrap_or_default()
    }

    /// `secret · demo · destinations`, or without the control plane `0 complaint | 1 keys`, and `form as set · days of profiles as set · reason why the data are elsewhere, if they are · number of
    /// shards · form of what is stored · seed` → `complaint · form ·
    /// complaint of the form · address and length of what sources used`. The control plane counts the profiles that several shards make
    fn configure(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let mut edge = if IS_CONTROL_PLANE {
            let (secret, demo) = (input.text()?, input.byte()? != 0);
            let mut edge = Edge::new(Some(secret), demo);
            edge.set_destinations(input.text()?);
            edge
        } else if input.byte()? == 0 {
            Edge::with_keys(Err(input.text()?))
        } else {
            Edge::with_keys(Ok(input.bytes()?))
        };
        edge.set_form(input.text()?);
        edge.set_profile_days(input.text()?);
        edge.set_lost(input.text()?);
        match input.text()? {
            "" => {}
            reason => edge.set_placement_fault(reason),
        }
        let (shards, stored) = (input.number()?, input.long()?);
        edge.meet_form(stored);
        edge.set_shards(shards);
        let complaint = edge.complaint();
        let complaint =
            if IS_CONTROL_PLANE { complaint.or(edge.destinations_complaint()) } else { complaint };
        out.text(complaint.unwrap_or(""));
        meet(&mut edge, stored, out);
        let used = edge.start_rates(input.array()?);
        let number = |bytes: usize| u32::try_from(bytes).unwrap_or(0);
        out.number(number(used.address)).number(number(used.length));
        self.edge = Some(edge);
        Some(())
    }

    /// `reason why the data are elsewhere` → nothing
    fn misplace(&mut self, mut input: FrameReader<'_>) -> Option<()> {
        self.edge.as_mut()?.set_placement_fault(input.text()?);
        Some(())
    }

    /// `form of stored data` → `form, 0 for data of a newer build · complaint of the form`
    fn meet(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        meet(self.edge.as_mut()?, input.long()?, out);
        Some(())
    }

    /// `request` → `0 response | 1 shard message | 2 shard message cache-key keys later-shard later-message | 3 hash body message restore | 4 message |
    /// 5`, which hands the request over to the control plane, `6 response`, a refusal that the other module charges, or `7
    /// response later-shard later-message`, of a lookup that was answered from a copy, or `8 parts rest`, each part with its shard
    /// and message, and the rest for joining their answers
    fn front(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_mut()?;
        let step = with_request(&mut input, |request| match front::handle(edge, request) {
            Step::Respond(answer) if !IS_CONTROL_PLANE => {
                Step::Respond(front::charge(edge, &request.head(), answer))
            }
            step => step,
        })?;
        match step {
            // The other module counts what sources use.
            Step::Respond(answer) => {
                let step = if IS_CONTROL_PLANE && front::is_charged(&answer) { 6 } else { 0 };
                response(out.byte(step), &answer);
            }
            Step::Write { shard, message } => {
                out.byte(1).number(shard).bytes(&message);
            }
            Step::LookUp(pending) => {
                if !IS_CONTROL_PLANE && let Err(refused) = lookup::meter(self.edge.as_mut()?, &pending) {
                    response(out.byte(0), &refused);
                    return Some(());
                }
                let edge = self.edge.as_ref()?;
                match self.copies.answer(edge, &pending) {
                    Some(answer) => response(out.byte(7), &answer),
                    None => {
                        out.byte(2).number(pending.shard).bytes(&pending.message(edge));
                        out.text(&pending.cache_key(edge).unwrap_or_default()).bytes(&pending.keys());
                    }
                }
                let (shard, message) =
                    pending.later.as_ref().map_or((0, &[][..]), |(shard, it)| (*shard, it));
                out.number(shard).bytes(message);
            }
            Step::Publish { hash, body, message, restore } => {
                let restore = restore.unwrap_or_default();
                out.byte(3).text(&hash).bytes(&body).bytes(&message).bytes(&restore);
            }
            Step::Control { message } => {
                out.byte(4).bytes(&message);
            }
            Step::ControlPlane => {
                out.byte(5);
            }
            Step::Split(split) if IS_CONTROL_PLANE => {
                questions(out.byte(8), &split.parts);
                out.bytes(&split.encode());
            }
            // The other module cuts.
            Step::Split(_) => return None,
        }
        Some(())
    }

    /// `tier · snapshot · forgotten-ms · request` → `0 | 1 response`; the request is the one whose front returned the lookup.
    /// The front runs again, because other requests or another instance may have come between.
    fn answer(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_ref()?;
        let (tier, snapshot, forgotten_ms) = (input.byte()?, input.bytes()?, input.long()?);
        let Step::LookUp(pending) = with_request(&mut input, |request| front::handle(edge, request))? else {
            return None;
        };
        let candidate = match tier {
            0 => Candidate::Memory(snapshot),
            1 => Candidate::Kv(snapshot),
            2 => Candidate::Writer(snapshot),
            3 => Candidate::Stale(snapshot),
            _ => Candidate::Nothing,
        };
        match lookup::answer(edge, &pending, candidate, forgotten_ms) {
            Some(answer) => response(out.byte(1), &answer),
            None => {
                out.byte(0);
            }
        }
        Some(())
    }

    /// `name` → `snapshot`, empty if there is no copy
    fn copy(&self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        out.bytes(&self.copies.get(input.text()?).unwrap_or_default());
        Some(())
    }

    /// `name · keys · snapshot` → nothing
    fn remember(&mut self, mut input: FrameReader<'_>) -> Option<()> {
        self.copies.remember(self.edge.as_ref()?, input.text()?, input.bytes()?, input.bytes()?);
        Some(())
    }

    /// `until-ms · names` → nothing; forgets every copy if it was taken until a time other than 0, and those under the names
    fn forget(&mut self, mut input: FrameReader<'_>) -> Option<()> {
        let until_ms = input.long()?;
        if until_ms != 0 {
            self.copies.forget_all(until_ms);
        }
        input.list(FrameReader::text)?.into_iter().for_each(|name| self.copies.forget(name));
        Some(())
    }

    /// `head` → `0 | 1 response`, of a lookup or a refusal that the control plane found
    fn drawn(
        &mut self,
        mut input: FrameReader<'_>,
        out: &mut FrameWriter,
        draw: fn(&mut Edge, &Head<'_>) -> Result<(), Response>,
    ) -> Option<()> {
        let edge = self.edge.as_mut()?;
        match with_head(&mut input, |head, _| draw(edge, head))? {
            Err(refused) => response(out.byte(1), &refused),
            Ok(()) => {
                out.byte(0);
            }
        }
        Some(())
    }

    /// `again · message` → `0 response | 1 statements | 2`, which hands the message over to the control plane; again is 1
    /// when this writer had to catch up after the message was opened. Where other shards were asked it is 2, or 3 if none may be
    /// asked any more, and before the message are their answers, each `shard · message · 0 | 1 response`.
    fn open(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_mut()?;
        let again = input.byte()?;
        let answers = if again > 1 { input.list(answered)? } else { Vec::new() };
        let message = input.0;
        fault(message, "open", 0);
        if drive::needs_control_plane(edge, message) {
            out.byte(2);
            return Some(());
        }
        let opened = match again {
            0 => drive::open(edge, message),
            1 => drive::open_again(edge, message),
            again => drive::open_with(edge, message, &answers, again == 3),
        };
        match opened {
            Err(answer) => response(out.byte(0), &answer),
            Ok(opened) => {
                let reads = opened.read.as_ref().map(sql::reads).unwrap_or_default();
                statements(out.byte(1), &reads);
                self.opened = Some(opened);
            }
        }
        Some(())
    }

    /// `rows of each statement` → `0 message | 1 refused response statements log fault due-ms sends | 2 statements reads | 3 wait questions | 4`, of the open message;
    /// `refused` is 1 when nothing of it may be stored, `fault` when the control plane met a fault of storage, which the other
    /// module has to hear of. 2 is a part of the message: the rows of its reads are folded next, and all of it is stored, or
    /// nothing. `due-ms` is when the last of the messages for other shards is due that it stores, 0: it stores none; `sends` is 1 when
    /// activations may have to be sent now. 3 asks other
    /// shards, each with its message; 4 hands the message over to the control plane
    fn fold(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_mut()?;
        let mut opened = self.opened.take()?;
        let rows = input.list(|r| r.list(|r| r.list(cell)))?;
        let found = match &opened.read {
            Some(read) => sql::found(read, rows),
            None => Ok(Found::Profiles(Vec::new())),
        };
        let folded = match found {
            Ok(found) => drive::fold(edge, &mut opened, found),
            Err(failure) => {
                response(out.byte(1).byte(1), &opened.unavailable());
                statements(out, &[]);
                lines(out, &[Line::with_detail(STORAGE_FAILED, failure.to_string())]);
                out.byte(0).long(0).byte(0);
                return Some(());
            }
        };
        match folded {
            Folded::NeedsNewerBundle { audience, number } => {
                out.byte(0).bytes(&message::raise(&audience, number, edge.form()));
            }
            // The entry folds without waiting, so nothing was installed meanwhile. It takes an empty output for a failure.
            Folded::OpenAgain => return None,
            Folded::Ask(asked) => questions(out.byte(3).byte(u8::from(asked.wait)), &asked.questions),
            Folded::ControlPlane => {
                out.byte(4);
            }
            Folded::Part(write) => {
                let reads = opened.read.as_ref().map(sql::reads).unwrap_or_default();
                statements(out.byte(2), &sql::writes(&write));
                statements(out, &reads);
                self.opened = Some(opened);
            }
            Folded::Done(outcome) => {
                response(out.byte(1).byte(u8::from(outcome.is_refused())), &outcome.response);
                statements(out, &sql::writes(&outcome.write));
                lines(out, &outcome.log);
                out.byte(u8::from(IS_CONTROL_PLANE && edge.take_storage_fault()));
                stored(&outcome.write.shard, out);
                out.byte(u8::from(IS_CONTROL_PLANE && outcome.write.sends()));
            }
        }
        Some(())
    }

    /// `pointers · written…` → `0 questions`, which ask shards for the bundles that wrote to them; or `1`, messages
    /// that raise numbers of the control object, after which it is asked again, and the pointers whose bundles do not
    /// run here, each with the message that asks for its body
    fn behind(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_mut()?;
        let pointers = input.list(Pointer::read)?;
        let form = edge.form();
        let written = match input.0 {
            [] if edge.doubts(&pointers) => {
                let shards = edge.shards();
                let ask = |shard| {
                    let message = message::written(Route { shard, shards }, form);
                    Question { shard, message }
                };
                questions(out.byte(0), &(0..shards.min(WITNESSES_MAX)).map(ask).collect::<Vec<_>>());
                return Some(());
            }
            _ => newest(&mut input)?,
        };
        out.byte(1).list(&Edge::overtaken(&pointers, &written), |w, (audience, above)| {
            w.bytes(&message::raise(audience, *above, form));
        });
        out.list(&edge.update_pointers(pointers, written), |w, pointer| {
            w.text(&pointer.audience).long(pointer.number.cast_signed()).text(&pointer.hash);
            w.bytes(&message::bundle(&pointer.hash, form));
        });
        Some(())
    }

    /// `message` → `0 response | 2`, as for opening it, when its writer fails
    fn unavailable(&mut self, message: &[u8], out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_mut()?;
        if drive::needs_control_plane(edge, message) {
            edge.note_storage_fault();
            out.byte(2);
        } else {
            response(out.byte(0), &drive::unavailable(edge, message));
        }
        Some(())
    }

    /// Nothing → nothing
    fn note_storage_fault(&mut self) -> Option<()> {
        self.edge.as_mut()?.note_storage_fault();
        Some(())
    }

    /// `0 internal | 1 storage | 2 body | 3 rate · head` → `response`, in the format of its route
    fn failed(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let refusal = match input.byte()? {
            0 => Refusal::INTERNAL,
            1 => Refusal::STORAGE,
            2 => Refusal::EVENT_INVALID,
            _ => Refusal::RATE,
        };
        let edge = self.edge.as_mut()?;
        response(
            out,
            &with_head(&mut input, |head, _| {
                let refused = front::failed(edge, head, refusal);
                front::charge(edge, head, refused)
            })?,
        );
        Some(())
    }

    /// `bytes of the body, -1 unknown · head` → `0 response | 1 most bytes of the body · metered?`
    fn admit(&mut self, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
        let edge = self.edge.as_ref()?;
        let declared = usize::try_from(input.long()?).unwrap_or(0);
        with_head(&mut input, |head, _| match front::admit(edge, head) {
            Err(answer) => response(out.byte(0), &answer),
            Ok(admitted) if declared > admitted.body_bytes_max() && admitted.body_bytes_max() > 0 => {
                response(out.byte(0), &front::failed(edge, head, Refusal::TOO_LARGE));
            }
            Ok(admitted) => {
                out.byte(1).number(u32::try_from(admitted.body_bytes_max()).unwrap_or(u32::MAX));
                out.byte(u8::from(admitted.is_metered()));
            }
        })
    }

    /// `audience · reason · 1 if a newer build wrote its bundle` → nothing; an empty reason clears the fault, an empty
    /// audience means all
    fn degrade(&mut self, mut input: FrameReader<'_>) -> Option<()> {
        let (audience, reason) = (input.text()?, input.text()?);
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        self.edge.as_mut()?.set_fault(audience, reason, input.byte()? != 0);
        Some(())
    }
}

/// `secret · demo` → `0 complaint | 1 keys`, for the other module, which does not read the secret
fn keys(mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    match read_keys(input.text()?, input.byte()? != 0) {
        Ok(keys) => out.byte(1).bytes(&keys),
        Err(complaint) => out.byte(0).text(&complaint),
    };
    Some(())
}

/// `audience · number` → the message that asks for the newest bundle before that number
fn earlier(edge: Option<&Edge>, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let (audience, number) = (input.text()?, input.long()?.cast_unsigned());
    out.bytes(&message::earlier_bundle(audience, number, edge?.form()));
    Some(())
}

/// `now · entropy · entombs · shard` → the message for a turn of upkeep
fn upkeep(edge: Option<&Edge>, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let ambient = Ambient { now_ms: input.long()?, entropy: input.array()? };
    let (edge, entombs) = (edge?, input.byte()? != 0);
    let to = Route { shard: input.number()?, shards: edge.shards() };
    out.bytes(&message::upkeep(ambient, entombs, to, edge.form()));
    Some(())
}

/// `now · entropy` → the message that publishes a draft of the control API that is due
fn due_draft(edge: Option<&Edge>, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let ambient = Ambient { now_ms: input.long()?, entropy: input.array()? };
    out.bytes(&message::due_draft(ambient, edge?.form()));
    Some(())
}

fn meet(edge: &mut Edge, stored: i64, out: &mut FrameWriter) {
    let form = edge.meet_form(stored);
    out.byte(form.map_or(0, Form::number)).text(&edge.form_complaint().unwrap_or_default());
}

/// Constants: `statements for the form: its table, reading, writing · for the placement: reading, writing, and the number of
/// a shard · for the size of a database, open merges, and activations that are not sent · names of headers: of any request, for facts, of a preflight, of the control plane · message that asks for pointers ·
/// internal error`
fn constants(edge: Option<&Edge>, out: &mut FrameWriter) -> Option<()> {
    let texts = |w: &mut FrameWriter, text: &&str| {
        w.text(text);
    };
    out.text(sql::META).text(sql::READ_FORM).text(sql::WRITE_FORM);
    out.text(sql::READ_PLACEMENT).text(sql::WRITE_PLACEMENT).text(sql::WRITE_SHARD);
    out.text(sql::SIZE).text(sql::READ_MERGES).text(sql::READ_UNSENT);
    out.list(HEADERS, texts)
        .list(FACT_HEADERS, texts)
        .list(PREFLIGHT_HEADERS, texts)
        .list(CONTROL_HEADERS, texts)
        .bytes(&message::pointers(edge?.form()));
    response(out, &Response::refused(Refusal::INTERNAL));
    Some(())
}
