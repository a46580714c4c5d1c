//! The delivery of activations, in memory.

use std::collections::BTreeMap;

use super::JourneyRows;
use crate::limits::SENDING_ROWS_MAX;
use crate::store::activations::{
    ActivationsRead, ActivationsWrite, DeliveryRow, FoundActivations, FoundMessage, Stage, Wake, Which,
};
use crate::store::journeys::SendRow;

impl JourneyRows {
    pub(in crate::store::memory) fn activations(&self, read: &ActivationsRead) -> FoundActivations {
        let (now_ms, ended) = match read {
            ActivationsRead::Turn { now_ms, ended } => (*now_ms, ended),
            ActivationsRead::List { audience, listed, after, most } => {
                return self.page(audience, *listed, *after, *most);
            }
        };
        let taken = self.delivery.values().rev().find(|row| !row.carried);
        let last_taken = taken.map_or(0, |row| row.number);
        let open = |(_, row): &(&i64, &DeliveryRow)| row.stage != Stage::Parked && !row.carried;
        let mut due: Vec<&DeliveryRow> = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut by_time: Vec<&DeliveryRow> = self.delivery.iter().filter(open).map(|(_, row)| row).collect();
        by_time.sort_by_key(|row| (row.due_ms, row.number));
        for row in by_time.iter().filter(|row| row.due_ms <= now_ms) {
            let count = counts.entry(&row.destination).or_default();
            *count += 1;
            if *count <= SENDING_ROWS_MAX {
                due.push(row);
            }
        }
        let mut under_way: BTreeMap<String, u32> = BTreeMap::new();
        for row in by_time.iter().filter(|row| row.stage == Stage::UnderWay && row.due_ms > now_ms) {
            *under_way.entry(row.destination.clone()).or_default() += 1;
        }
        FoundActivations {
            messages: ended
                .iter()
                .filter_map(|number| self.message(*number))
                .filter(|message| message.delivery.is_some())
                .collect(),
            fresh: self
                .numbers
                .iter()
                .filter(|number| **number > last_taken)
                .take(SENDING_ROWS_MAX)
                .filter_map(|number| self.message(*number))
                .collect(),
            due: due.iter().filter_map(|row| self.message(row.number)).collect(),
            under_way: under_way.into_iter().collect(),
            free: self.free.iter().map(|(id, free_us)| (id.clone(), *free_us)).collect(),
            sequence: self.sequence,
            next_due_ms: by_time.iter().map(|row| row.due_ms).find(|due_ms| *due_ms > now_ms),
            attempts: Vec::new(),
        }
    }

    fn page(&self, audience: &str, listed: Which, after: i64, most: u32) -> FoundActivations {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if listed == Which::Attempts {
            let of = self
                .attempts
                .iter()
                .rev()
                .filter(|(number, row)| (after == 0 || **number < after) && row.audience == audience);
            let attempts = of.take(most).map(|(number, row)| (*number, row.clone())).collect();
            return FoundActivations { attempts, ..FoundActivations::default() };
        }
        let of = self.numbers.iter().filter(|number| **number > after).filter_map(|number| {
            let mut found = self.message(*number)?;
            found.before.clear();
            let unseen = DeliveryRow::unseen(*number, found.row.at_ms);
            found.delivery.get_or_insert(unseen);
            Some(found)
        });
        let is_of = |found: &FoundMessage| {
            let parked = found.delivery.as_ref().filter(|row| row.stage == Stage::Parked);
            let is_listed = match listed {
                Which::Parked => parked.is_some_and(|row| !row.carried),
                _ => parked.is_none(),
            };
            found.row.audience == audience && is_listed
        };
        FoundActivations { messages: of.filter(is_of).take(most).collect(), ..FoundActivations::default() }
    }

    pub(crate) fn numbered(&self) -> impl Iterator<Item = (i64, &SendRow)> {
        self.numbers.iter().copied().zip(&self.sends)
    }

    fn message(&self, number: i64) -> Option<FoundMessage> {
        let (_, row) = self.numbered().find(|(known, _)| *known == number)?;
        let mut before: Vec<&str> = Vec::new();
        for (earlier, other) in self.numbered().take_while(|(earlier, _)| *earlier < number) {
            let is_of = (&other.audience, other.profile) == (&row.audience, row.profile);
            let state = self.delivery.get(&earlier).filter(|_| is_of);
            if let Some(state) = state.filter(|state| state.stage != Stage::Parked && !state.by_hand)
                && !before.contains(&&*state.destination)
            {
                before.push(&state.destination);
            }
        }
        let delivery = self.delivery.get(&number).cloned();
        Some(FoundMessage { number, row: row.clone(), delivery, before: before.join(",") })
    }

    pub(super) fn write_activations(&mut self, write: &ActivationsWrite) {
        if write.resumes {
            let under_way = |row: &&mut DeliveryRow| row.stage == Stage::UnderWay && !row.carried;
            for row in self.delivery.values_mut().filter(under_way) {
                (row.stage, row.due_ms) = (Stage::Waiting, write.now_ms);
                row.attempts = row.attempts.saturating_sub(1);
            }
        }
        self.keep(|number, _| !write.delivered.contains(&number));
        for row in &write.rows {
            self.delivery.insert(row.number, row.clone());
        }
        for Wake { audience, profile, destination, after } in &write.wakes {
            let behind = self.numbered().find(|(number, row)| {
                let state = self.delivery.get(number);
                *number > *after
                    && (&row.audience, &row.profile) == (audience, profile)
                    && state.is_some_and(|state| {
                        state.stage == Stage::Waiting && !state.carried && state.destination == *destination
                    })
            });
            if let Some(number) = behind.map(|(number, _)| number)
                && let Some(state) = self.delivery.get_mut(&number)
            {
                state.due_ms = state.due_ms.min(write.now_ms);
            }
        }
        for row in &write.attempts {
            let number = self.attempts.keys().last().map_or(1, |last| last + 1);
            self.attempts.insert(number, row.clone());
        }
        self.free.extend(write.free.iter().cloned());
        self.sequence = write.sequence.unwrap_or(self.sequence);
    }
}
