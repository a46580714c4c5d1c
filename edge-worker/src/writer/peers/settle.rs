//! Answers to stored messages.

use super::step::Step;
use crate::message::shards::{Drop, KeyState, Records, Sealing, Settle, ToShard, read_moved};
use crate::store::Write;
use crate::wire::frame::FrameReader;

/// The time after which a message that was not taken is sent again, in milliseconds.
const AGAIN_MS: i64 = 200;

impl Step<'_> {
    /// Uses the answer to a stored message, and deletes its row in the same commit.
    pub(super) fn settle(&mut self, settle: &Settle, message: Option<&ToShard>) -> Option<Vec<u8>> {
        if !self.found.row {
            return Some(Vec::new());
        }
        let again = (settle.number, settle.at_ms.saturating_add(AGAIN_MS));
        let used = settle.answer.as_deref().and_then(|answer| self.use_answer(message, answer));
        match used {
            Some(()) => self.write.shard.answered.push(settle.number),
            None => self.write = Write::default(),
        }
        if used.is_none() {
            self.write.shard.again.push(again);
        }
        Some(Vec::new())
    }

    /// None: it is no answer, and the message is sent again.
    pub(super) fn use_answer(&mut self, message: Option<&ToShard>, answer: &[u8]) -> Option<()> {
        match message {
            Some(ToShard::Seal(seal)) => {
                let intent = self.found.intents.iter().find(|row| row.id == seal.intent && !row.withdrawn);
                // It is absorbed by now, or withdrawn.
                let Some(intent) = intent else { return Some(()) };
                match Sealing::decode(answer)? {
                    Sealing::Sealed => {}
                    Sealing::Left => self.withdraw(intent),
                    Sealing::Moved(into, _) if into.id == seal.into.id => {
                        self.write.shard.closed.push(intent.id);
                    }
                    Sealing::Moved(into, created_ms) => {
                        // It was sealed for another, so this intent seals nothing any more.
                        self.write.shard.closed.push(intent.id);
                        self.rejoin(seal.into, (into, created_ms), seal.intent, seal.number)?;
                    }
                }
            }
            Some(ToShard::Absorb(absorb)) => self.point(absorb, answer)?,
            Some(ToShard::Propose(propose)) => {
                if let Some(into) = read_moved(answer)?
                    && into.0.id != propose.source.id
                {
                    self.rejoin(propose.source, into, propose.intent, propose.number)?;
                }
            }
            Some(ToShard::Drop(drop)) => {
                if let Some((from, _)) = read_moved(answer)? {
                    let drop = Drop { from: from.id, ..drop.clone() };
                    let row = self.across.stored(from.shard, ToShard::Drop(drop), self.now_ms);
                    self.write.shard.outbox.push(row);
                }
            }
            Some(ToShard::Records(records)) => {
                if let Some((to, _)) = read_moved(answer)? {
                    let records = Records { to: to.id, ..records.clone() };
                    let row = self.across.stored(to.shard, ToShard::Records(records), self.now_ms);
                    self.write.shard.outbox.push(row);
                }
            }
            Some(ToShard::Evicted(evicted)) => {
                let state = KeyState::read(&mut FrameReader(answer))?;
                self.let_evicted(evicted, state)?;
            }
            // Copies of events, and pointers.
            _ => {}
        }
        Some(())
    }
}
