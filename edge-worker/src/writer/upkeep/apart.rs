//! Upkeep in a shard of several: a turn of all shards, and what others forget of profiles that were deleted here.

use super::super::across::Across;
use crate::error::Refusal;
use crate::message::shards::{Forget, ToShard};
use crate::message::{self, KeyOf, Part, ToWriter};
use crate::outcome::{Folded, Outcome, Questions};
use crate::shard;
use crate::store::shards::GoneRow;
use crate::store::{Erased, Write};
use crate::wire::Response;
use crate::wire::frame::{FrameReader, FrameWriter};
use usher_engine::gather::Gather;

/// The result of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// The number of deleted profiles.
    pub(super) purged: usize,
    /// True if another turn has something to do.
    pub(super) more: bool,
}

impl Counts {
    pub(super) fn and(self, other: Counts) -> Counts {
        Counts { purged: self.purged + other.purged, more: self.more || other.more }
    }
}

/// True for a turn that this shard hands to all others.
pub(super) fn is_of_all(across: &Across) -> bool {
    across.part.as_ref().is_some_and(|part| part.hops == 0)
}

/// The turns of all other shards. `Err`: they are asked, or one does not answer.
pub(super) fn of_others(across: &Across, message: &message::Upkeep) -> Result<Counts, Folded> {
    let mut all = Counts::default();
    let mut is_asked = false;
    for (_, answer) in across.handed() {
        is_asked = true;
        let counts =
            answer.as_ref().filter(|answer| answer.status == 200).and_then(|answer| decode(&answer.body));
        let unavailable = || Outcome::of(Response::problem(Refusal::STORAGE, None));
        all = all.and(counts.ok_or_else(unavailable)?);
    }
    if is_asked {
        return Ok(all);
    }
    let others = (0..across.route.shards).filter(|shard| *shard != across.route.shard);
    let turn =
        |shard| across.hand_on(shard, ToWriter::Upkeep(message.clone()), Part { hops: 1, ..Part::default() });
    Err(Folded::Ask(Questions { questions: others.map(turn).gather(), wait: false }))
}

/// The answer to a turn that was handed on.
pub(super) fn encoded(purged: i64, more: bool) -> Response {
    let mut w = FrameWriter::default();
    w.long(purged).byte(u8::from(more));
    Response::typed(200, "application/octet-stream", w.0)
}

fn decode(bytes: &[u8]) -> Option<Counts> {
    let mut r = FrameReader(bytes);
    Some(Counts { purged: usize::try_from(r.long()?).ok()?, more: r.byte()? != 0 })
}

/// Adds what tells other shards that profiles of this one are no more; `keys` are those that they had.
pub(super) fn forgets(across: &Across, erased: &[Erased], keys: &[KeyOf], now_ms: i64, write: &mut Write) {
    let absorbed = erased.iter().flat_map(|one| one.absorbed.iter().map(|id| (one.audience.clone(), *id)));
    write.shard.forgotten.extend(absorbed);
    write.shard.gone.extend(erased.iter().map(|one| GoneRow {
        audience: one.audience.clone(),
        id: one.id,
        into: None,
        erased: true,
    }));
    let elsewhere = keys.iter().filter(|key| !across.is_home(key));
    for (home, keys) in shard::grouped(elsewhere.map(|key| (across.home(key), key))) {
        let mut audiences: Vec<&str> = keys.iter().map(|key| key.audience.as_str()).gather();
        audiences.sort_unstable();
        audiences.dedup();
        for audience in audiences {
            let own = erased.iter().filter(|one| one.audience == audience);
            let forget = Forget {
                audience: audience.to_owned(),
                hashes: keys
                    .iter()
                    .filter(|key| key.audience == audience)
                    .map(|key| across.hash(key))
                    .gather(),
                profiles: own.flat_map(|one| one.absorbed.iter().chain([&one.id])).copied().gather(),
            };
            write.shard.outbox.push(across.stored(home, ToShard::Forget(forget), now_ms));
        }
    }
}
