//! Rows in memory beside those of profiles: about other shards, and of journeys.

use std::collections::BTreeMap;

use super::super::journeys::SendRow;
use super::super::shards::{GoneRow, IntentRow, OutboxRow, PointerRow, SealedRow};
use super::super::{Retired, Write};
use crate::limits::SENDING_MS;
use crate::store::ControlRow;

/// A kind of row that is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aged {
    /// A profile that is no longer here.
    Gone,
    /// A pointer of a key that is nobody's.
    Pointer,
    /// A withdrawn intent.
    Intent,
}

/// Rows of a shard about other shards.
#[derive(Clone, Debug, Default)]
pub struct ShardRows {
    /// Pointers of keys.
    pub pointers: Vec<PointerRow>,
    /// Profiles that are gone.
    pub gone: Vec<GoneRow>,
    /// Profiles that are sealed.
    pub sealed: Vec<SealedRow>,
    /// Intents, open or withdrawn.
    pub intents: Vec<IntentRow>,
    /// Rows that are of no more use, by what they are and their ids, with the day on which upkeep found them.
    pub aged: BTreeMap<(Aged, String, [u8; 16]), i64>,
    /// Messages that are not answered yet, by their numbers, ascending.
    pub outbox: Vec<(u64, OutboxRow)>,
    pub(super) last: u64,
}

/// Rows of journeys.
#[derive(Clone, Debug, Default)]
pub struct JourneyRows {
    /// Due times by audience and profile.
    pub waits: BTreeMap<(String, [u8; 16]), i64>,
    /// Messages that are not sent yet, oldest first.
    pub sends: Vec<SendRow>,
}

impl JourneyRows {
    pub(super) fn write(&mut self, write: &Write) {
        write.retired.iter().for_each(|retired| self.retire(retired));
        for row in &write.waits {
            let of = (row.audience.clone(), row.profile);
            match row.due_ms {
                Some(due_ms) => self.waits.insert(of, due_ms),
                None => self.waits.remove(&of),
            };
        }
        self.sends.extend(write.sends.iter().cloned());
    }

    /// Those of these profiles.
    pub(super) fn sends_of(&self, ids: &[(String, [u8; 16])]) -> Vec<SendRow> {
        let is_of = |row: &&SendRow| ids.contains(&(row.audience.clone(), row.profile));
        self.sends.iter().filter(is_of).cloned().collect()
    }

    fn retire(&mut self, retired: &Retired) {
        self.waits.remove(&(retired.audience.clone(), retired.id));
        let of = |row: &&mut SendRow| row.audience == retired.audience && row.profile == retired.id;
        self.sends.iter_mut().filter(of).for_each(|row| row.profile = retired.into);
    }

    pub(super) fn erase(&mut self, audience: &str, id: [u8; 16]) {
        self.waits.remove(&(audience.to_owned(), id));
        self.sends.retain(|row| row.audience != audience || row.profile != id);
    }

    pub(super) fn expire(&mut self, now_ms: i64) {
        self.sends.retain(|row| row.at_ms > now_ms.saturating_sub(SENDING_MS));
    }
}

/// Rows of the control API.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct ControlRows {
    /// By audience.
    pub(super) states: BTreeMap<String, ControlRow>,
    /// The audience of each object, by its id.
    pub(super) objects: BTreeMap<u64, String>,
}
