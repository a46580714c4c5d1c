//! Messages between shards: answers to their questions, and the steps of a merge (docs/shards.md).

mod erasure;
mod keys;
mod merge;
mod settle;
mod step;

use step::{Step, keys_in};

use super::across::Across;
use super::journeys::with_next;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::limits::{ENTOMB_AGAIN_MS, UPKEEP_MORE_MS};
use crate::message::shards::{Erasure, Refusing, Sealing, ToShard, moved};
use crate::message::{Delivery, KeyOf, Message, ToWriter};
use crate::outcome::{Folded, NEXT, Outcome};
use crate::plane::{DECIDES, HAS_JOURNEYS};
use crate::store::shards::{ShardFound, ShardRead};
use crate::store::{Read, Write};
use crate::wire::Response;
use crate::wire::frame::FrameWriter;

/// A message that is answered from what this shard has.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(super) across: Across,
    message: ToShard,
    /// The subject of a [`Settle`].
    settled: Option<ToShard>,
    /// The keys of a source, once its profile is read, by their names in suppressions. None: it is not.
    names: Option<Vec<String>>,
    /// The survivor of an intent, where another profile of this shard has absorbed the one that proposed it.
    survivor: Option<[u8; 16]>,
}

impl Peer {
    /// The read that the message needs.
    pub(super) fn open(across: Across, message: ToShard) -> (Read, Peer) {
        let mut settled = None;
        let read = match &message {
            ToShard::Due(now_ms) => {
                let read = Read::Unanswered(*now_ms);
                return (read, Peer { across, message, settled, names: None, survivor: None });
            }
            _ if !DECIDES => ShardRead::default(),
            ToShard::Settle(settle) => {
                let inner = Message::decode(&settle.message).ok().map(|received| received.message);
                let read = match inner {
                    Some(Message::Writer(ToWriter::Shard(inner))) => {
                        let read = read_settled(&across, &inner);
                        settled = Some(inner);
                        read
                    }
                    _ => ShardRead::default(),
                };
                ShardRead { row: Some(settle.number), ..read }
            }
            message => read_peer(&across, message),
        };
        let peer = Peer { across, message, settled, names: None, survivor: None };
        (Read::Shard(Box::new(read)), peer)
    }

    /// The second read of a message that needs one: which keys of a source were erased, it can ask when it has the profile, and for
    /// the survivor when it has the intent.
    pub(super) fn next_read(&self) -> Option<Read> {
        let mut read = read_peer(&self.across, &self.message);
        if let (ToShard::Absorb(absorb), Some(survivor)) = (&self.message, self.survivor) {
            read.ids.push((absorb.audience.clone(), survivor));
        } else {
            read.names = self.names.clone()?;
        }
        Some(Read::Shard(Box::new(read)))
    }

    /// Decides the message.
    pub(super) fn fold(&mut self, edge: &Edge, found: &ShardFound) -> Folded {
        if let (ToShard::Seal(seal), None) = (&self.message, &self.names)
            && let Some(names) = names_of(&self.across, &seal.audience, seal.source, found)
        {
            self.names = Some(names);
            return Folded::Part(Box::default());
        }
        if let ToShard::Absorb(absorb) = &self.message
            && let Some(intent) = found.intents.iter().find(|row| row.id == absorb.intent)
            && intent.survivor != self.survivor.unwrap_or(absorb.into.id)
        {
            self.survivor = Some(intent.survivor);
            return Folded::Part(Box::default());
        }
        self.decide(edge, found)
    }

    fn decide(&self, edge: &Edge, found: &ShardFound) -> Folded {
        let (audience, number) = match (&self.message, &self.settled) {
            (ToShard::Settle(_), Some(inner)) => audience_of(inner),
            (message, _) => audience_of(message),
        };
        let running = edge.running(audience);
        if number > 0
            && running.is_none_or(|running| running.number < number)
            && !edge.was_taken_out_after(audience, number)
        {
            return Folded::NeedsNewerBundle { audience: audience.to_owned(), number };
        }
        let now_ms = match &self.message {
            ToShard::Settle(settle) => settle.at_ms,
            message => time_of(message),
        };
        let mut step = Step {
            edge,
            across: &self.across,
            running,
            audience,
            found,
            now_ms,
            write: Write::default(),
            behind: None,
        };
        let answer = match &self.message {
            ToShard::Ask(ask) => step.ask(ask).map(|facts| facts.encode()),
            ToShard::Claim(claim) => step.claim(claim).map(|state| {
                let mut w = FrameWriter::default();
                state.write(&mut w);
                Erasure::write(step.erased(0), &mut w);
                w.byte(u8::from(state.committed));
                w.0
            }),
            ToShard::Seal(seal) => {
                let names = self.names.as_deref().unwrap_or_default();
                step.seal(seal, names).map(Sealing::encode)
            }
            ToShard::Absorb(absorb) => step.absorb(absorb),
            ToShard::Propose(propose) => step.propose(propose).map(moved),
            ToShard::Repoint(repoint) => {
                step.repoint(repoint);
                Some(Vec::new())
            }
            ToShard::Drop(drop) => step.drop_key(drop).map(moved),
            ToShard::Records(records) => step.records(records).map(moved),
            ToShard::Settle(settle) => step.settle(settle, self.settled.as_ref()),
            ToShard::Suppress(suppress) => Some(Refusing::encode(&step.suppress(suppress))),
            ToShard::Evicted(evicted) => Some(step.state(&evicted.key, 0).encode()),
            ToShard::Committed(committed) => {
                step.note_committed(committed);
                Some(Vec::new())
            }
            ToShard::Forget(forget) => {
                step.forget(forget);
                Some(Vec::new())
            }
            ToShard::Due(_) => None,
        };
        if let Some(number) = step.behind {
            return Folded::NeedsNewerBundle { audience: audience.to_owned(), number };
        }
        match answer {
            Some(body) => {
                let mut response = Response::typed(200, "application/octet-stream", body);
                if let ToShard::Suppress(_) = &self.message {
                    // Copies in caches are replaced once more.
                    response =
                        response.header(NEXT, ENTOMB_AGAIN_MS.saturating_add(UPKEEP_MORE_MS).to_string());
                }
                with_next(Outcome { write: step.write, response, log: Vec::new() }, now_ms).done()
            }
            // It is sent again.
            None => Outcome::of(Response::refused(Refusal::STORAGE)),
        }
    }
}

/// The answer to the question for what is due.
pub(super) fn due(rows: &[Delivery]) -> Folded {
    Outcome::of(Response::typed(200, "application/octet-stream", Delivery::encode(rows)))
}

fn read_peer(across: &Across, message: &ToShard) -> ShardRead {
    let id = |audience: &str, id: [u8; 16]| vec![(audience.to_owned(), id)];
    match message {
        ToShard::Ask(ask) => {
            let key = |(name, value): &(String, String)| KeyOf {
                audience: ask.audience.clone(),
                name: name.clone(),
                value: value.clone(),
            };
            let keys = ask.keys.iter().chain(ask.listed.iter().map(|listed| &listed.key)).map(key).collect();
            let listed = ask.listed.iter().map(|listed| listed.profile);
            let ids = ask.profiles.iter().copied().chain(listed);
            let mut ids: Vec<_> = ids.map(|id| (ask.audience.clone(), id)).collect();
            ids.sort_unstable();
            ids.dedup();
            ShardRead { ids, ..across.read_unerased(keys) }
        }
        ToShard::Claim(claim) => across.read_unerased(vec![claim.key.clone()]),
        ToShard::Evicted(evicted) => across.read(vec![evicted.key.clone()]),
        ToShard::Suppress(suppress) => {
            let key = |(name, value): &(String, String)| KeyOf {
                audience: suppress.audience.clone(),
                name: name.clone(),
                value: value.clone(),
            };
            across.read(suppress.keys.iter().map(key).collect())
        }
        ToShard::Forget(forget) => {
            let pointer = |hash: &[u8; 16]| (forget.audience.clone(), *hash);
            ShardRead { pointers: forget.hashes.iter().map(pointer).collect(), ..ShardRead::default() }
        }
        ToShard::Committed(committed) => {
            let pointer = |(hash, _): &([u8; 16], u64)| (committed.audience.clone(), *hash);
            ShardRead { pointers: committed.keys.iter().map(pointer).collect(), ..ShardRead::default() }
        }
        ToShard::Seal(seal) => ShardRead {
            ids: id(&seal.audience, seal.source),
            intents: vec![seal.intent],
            sends: HAS_JOURNEYS,
            ..ShardRead::default()
        },
        ToShard::Absorb(absorb) => {
            let read = across.read(keys_in(&absorb.audience, &absorb.state));
            ShardRead { ids: id(&absorb.audience, absorb.into.id), intents: vec![absorb.intent], ..read }
        }
        ToShard::Propose(propose) => ShardRead {
            ids: id(&propose.audience, propose.into),
            intents: vec![propose.intent],
            ..ShardRead::default()
        },
        ToShard::Repoint(repoint) => {
            ShardRead { pointers: vec![(repoint.audience.clone(), repoint.hash)], ..ShardRead::default() }
        }
        ToShard::Drop(drop) => {
            let read = across.read(vec![drop.key.clone()]);
            ShardRead { ids: id(&drop.key.audience, drop.from), ..read }
        }
        ToShard::Records(records) => {
            let read = across.read(vec![records.key.clone()]);
            ShardRead { ids: id(&records.key.audience, records.to), ..read }
        }
        ToShard::Due(_) | ToShard::Settle(_) => ShardRead::default(),
    }
}

/// The names of the keys of a profile here; None: it is not here, or cannot be read.
fn names_of(across: &Across, audience: &str, id: [u8; 16], found: &ShardFound) -> Option<Vec<String>> {
    let row = found.profiles.iter().find(|row| row.audience == audience && row.id == id)?;
    Some(across.names(&keys_in(audience, &row.state)))
}

fn read_settled(across: &Across, message: &ToShard) -> ShardRead {
    let id = |audience: &str, id: [u8; 16]| vec![(audience.to_owned(), id)];
    match message {
        ToShard::Seal(seal) => ShardRead {
            ids: id(&seal.audience, seal.into.id),
            intents: vec![seal.intent],
            ..ShardRead::default()
        },
        ToShard::Absorb(absorb) => {
            let read = across.read(keys_in(&absorb.audience, &absorb.state));
            ShardRead { ids: id(&absorb.audience, absorb.source), ..read }
        }
        ToShard::Propose(propose) => {
            ShardRead { ids: id(&propose.audience, propose.source.id), ..ShardRead::default() }
        }
        ToShard::Evicted(evicted) => {
            let read = across.read(vec![evicted.key.clone()]);
            ShardRead { ids: id(&evicted.key.audience, evicted.from), ..read }
        }
        _ => ShardRead::default(),
    }
}

/// The audience, and the number of the bundle that the sender runs; 0: any will do.
fn audience_of(message: &ToShard) -> (&str, u64) {
    match message {
        ToShard::Ask(ask) => (&ask.audience, ask.number),
        ToShard::Claim(claim) => (&claim.key.audience, claim.number),
        ToShard::Seal(seal) => (&seal.audience, seal.number),
        ToShard::Absorb(absorb) => (&absorb.audience, absorb.number),
        ToShard::Propose(propose) => (&propose.audience, propose.number),
        ToShard::Repoint(repoint) => (&repoint.audience, 0),
        ToShard::Drop(drop) => (&drop.key.audience, drop.number),
        ToShard::Records(records) => (&records.key.audience, records.number),
        ToShard::Suppress(suppress) => (&suppress.audience, suppress.number),
        ToShard::Forget(forget) => (&forget.audience, 0),
        ToShard::Evicted(evicted) => (&evicted.key.audience, 0),
        ToShard::Committed(committed) => (&committed.audience, 0),
        ToShard::Due(_) | ToShard::Settle(_) => ("", 0),
    }
}

fn time_of(message: &ToShard) -> i64 {
    match message {
        ToShard::Claim(claim) => claim.at_ms,
        ToShard::Seal(seal) => seal.at_ms,
        ToShard::Absorb(absorb) => absorb.at_ms,
        ToShard::Propose(propose) => propose.at_ms,
        ToShard::Drop(drop) => drop.at_ms,
        ToShard::Records(records) => records.at_ms,
        ToShard::Suppress(suppress) => suppress.at_ms,
        _ => 0,
    }
}
