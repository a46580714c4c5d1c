//! The operations for several shards.

use usher_edge::message::{self, Delivery, Route};
use usher_edge::store::Pointer;
use usher_edge::store::shards::ShardWrite;
use usher_edge::wire::frame::{FrameReader, FrameWriter};
use usher_edge::{Answered, Edge, Question, Response, Split, drive};

use crate::parts::response;
use crate::plane::IS_CONTROL_PLANE;

/// The time at which the last of the messages for other shards is due, 0 where none is stored; and whether the answer waits for them
pub(super) fn stored(write: &ShardWrite, out: &mut FrameWriter) {
    let due = write.outbox.iter().map(|row| row.due_ms);
    out.long(due.max().map_or(0, |due_ms| due_ms.max(1)));
    out.byte(u8::from(IS_CONTROL_PLANE && write.is_awaited()));
}

/// `now · shard` → the message by which that shard is asked for the stored messages that are due
pub(super) fn due(edge: Option<&Edge>, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let edge = edge?;
    let now_ms = input.long()?;
    let to = Route { shard: input.number()?, shards: edge.shards() };
    out.bytes(&message::due(now_ms, to, edge.form()));
    Some(())
}

/// `now · shard · number of the stored message · its shard · the message · 0 | 1 body of the answer` → the message with that
/// answer for the shard that stored it
pub(super) fn settle(edge: Option<&Edge>, mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let edge = edge?;
    let now_ms = input.long()?;
    let to = Route { shard: input.number()?, shards: edge.shards() };
    let (number, shard) = (input.long()?.cast_unsigned(), input.number()?);
    let delivery = Delivery { number, shard, message: input.bytes()?.to_vec() };
    let answer = if input.byte()? != 0 { Some(input.bytes()?) } else { None };
    out.bytes(&message::settle(&delivery, answer, now_ms, to, edge.form()));
    Some(())
}

/// `message` → `0 | 1 message`, which asks for the answer once the merges that the first one began are done
pub(super) fn committed(message: &[u8], out: &mut FrameWriter) -> Option<()> {
    match drive::committed(message) {
        Some(message) => out.byte(1).bytes(&message),
        None => out.byte(0),
    };
    Some(())
}

/// `rest of a split · 0 | 1 response of each part` → `response`
pub(super) fn join(mut input: FrameReader<'_>, out: &mut FrameWriter) -> Option<()> {
    let split = Split::decode(input.bytes()?)?;
    response(out, &split.join(&input.list(received)?));
    Some(())
}

/// The newest pointers of all lists that are left.
pub(super) fn newest(input: &mut FrameReader<'_>) -> Option<Vec<Pointer>> {
    let mut newest: Vec<Pointer> = Vec::new();
    while !input.0.is_empty() {
        for pointer in input.list(Pointer::read)? {
            match newest.iter_mut().find(|known| known.audience == pointer.audience) {
                Some(known) if known.number >= pointer.number => {}
                Some(known) => *known = pointer,
                None => newest.push(pointer),
            }
        }
    }
    Some(newest)
}

/// `shard · message`, each
pub(super) fn questions(out: &mut FrameWriter, questions: &[Question]) {
    out.list(questions, |w, question| {
        w.number(question.shard).bytes(&question.message);
    });
}

pub(super) fn answered(input: &mut FrameReader<'_>) -> Option<Answered> {
    let question = Question { shard: input.number()?, message: input.bytes()?.to_vec() };
    Some(Answered { question, response: received(input)? })
}

/// `0 | 1 status · text · body`, as [`response`] writes it
fn received(input: &mut FrameReader<'_>) -> Option<Option<Response>> {
    if input.byte()? == 0 {
        return Some(None);
    }
    let status = u16::try_from(input.number()?).ok()?;
    let mut lines = input.text()?.split('\n');
    let headers = core::iter::from_fn(|| Some((lines.next()?, lines.next()?)));
    Some(Some(Response::received(status, headers, input.bytes()?.to_vec())))
}
