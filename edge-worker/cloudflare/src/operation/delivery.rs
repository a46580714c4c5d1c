//! The operation for the delivery of activations.

use usher_edge::message::{self, AttemptResult, Route};
use usher_edge::wire::frame::{FrameReader, FrameWriter};
use usher_edge::{Ambient, Edge};

/// `now · entropy · resumes · most · shard · results` → the message for a turn of delivery
pub(super) fn send_turn(
    edge: Option<&Edge>,
    mut input: FrameReader<'_>,
    out: &mut FrameWriter,
) -> Option<()> {
    let edge = edge?;
    let ambient = Ambient { now_ms: input.long()?, entropy: input.array()? };
    let (resumes, most) = (input.byte()? != 0, input.number()?);
    let to = Route { shard: input.number()?, shards: edge.shards() };
    let results = input.list(AttemptResult::read)?;
    out.bytes(&message::send_turn(ambient, resumes, most, results, to, edge.form()));
    Some(())
}
