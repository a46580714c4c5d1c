//! Rows in memory beside those of profiles: about other shards, and of journeys.

mod activations;

use std::collections::BTreeMap;

use super::super::activations::{AttemptRow, DeliveryRow};
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
    /// The number of each of them, ascending.
    pub(super) numbers: Vec<i64>,
    pub(super) last: i64,
    /// How their delivery stands, by their numbers.
    pub delivery: BTreeMap<i64, DeliveryRow>,
    /// Attempts by their numbers.
    pub attempts: BTreeMap<i64, AttemptRow>,
    /// Rates of destinations.
    pub(super) free: BTreeMap<String, i64>,
    pub(super) sequence: i64,
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
        for row in &write.sends {
            self.last += 1;
            self.numbers.push(self.last);
            self.sends.push(SendRow { delivery: None, ..row.clone() });
            if let Some(delivery) = &row.delivery {
                let carried = DeliveryRow { number: self.last, carried: true, ..(**delivery).clone() };
                self.delivery.insert(self.last, carried);
            }
        }
        if let Some(write) = &write.activations {
            self.write_activations(write);
        }
    }

    /// Stores these messages in the place of all that are there, for tests.
    pub fn replace_sends(&mut self, rows: Vec<SendRow>) {
        self.keep(|_, _| false);
        self.write(&Write { sends: rows, ..Write::default() });
    }

    /// Those of these profiles.
    pub(super) fn sends_of(&self, ids: &[(String, [u8; 16])]) -> Vec<SendRow> {
        let of = self.numbered().filter(|(_, row)| ids.contains(&(row.audience.clone(), row.profile)));
        of.map(|(number, row)| {
            let delivery = self.delivery.get(&number).cloned();
            let delivery = delivery.map(|delivery| DeliveryRow { number: 0, carried: false, ..delivery });
            SendRow { delivery: delivery.map(Box::new), ..row.clone() }
        })
        .collect()
    }

    fn retire(&mut self, retired: &Retired) {
        self.waits.remove(&(retired.audience.clone(), retired.id));
        let of = |row: &&mut SendRow| row.audience == retired.audience && row.profile == retired.id;
        self.sends.iter_mut().filter(of).for_each(|row| row.profile = retired.into);
    }

    pub(super) fn erase(&mut self, audience: &str, id: [u8; 16], absorbed: &[[u8; 16]]) {
        self.waits.remove(&(audience.to_owned(), id));
        self.keep(|_, row| row.audience != audience || row.profile != id);
        self.attempts.retain(|_, row| {
            row.audience != audience || (row.profile != id && !absorbed.contains(&row.profile))
        });
    }

    pub(crate) fn expire(&mut self, now_ms: i64) {
        let before_ms = now_ms.saturating_sub(SENDING_MS);
        self.keep(|_, row| row.at_ms > before_ms);
        self.attempts.retain(|_, row| row.at_ms > before_ms);
    }

    /// Keeps the messages for which this holds.
    pub(super) fn keep(&mut self, holds: impl Fn(i64, &SendRow) -> bool) {
        let numbered = self.numbers.drain(..).zip(self.sends.drain(..)).collect::<Vec<_>>();
        for (number, row) in numbered {
            if holds(number, &row) {
                self.numbers.push(number);
                self.sends.push(row);
            } else {
                self.delivery.remove(&number);
            }
        }
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
