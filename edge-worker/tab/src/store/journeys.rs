//! Rows of journeys: profiles that have to be led on, and messages that are not sent yet.

use usher_edge::limits::{SENDING_MS, UPKEEP_ROWS_MAX};
use usher_edge::store::activations::{
    ActivationsRead, DeliveryRow, FoundActivations, FoundMessage, Stage, Which,
};
use usher_edge::store::journeys::SendRow;
use usher_edge::store::{Due, FoundProfile, StoreFailure, Write};

use super::RowStore;
use super::row::{self, SEND, WAIT, key};

impl RowStore {
    pub(super) fn write_journeys(&mut self, write: &Write) -> Result<(), StoreFailure> {
        for retired in &write.retired {
            self.rows.delete(&wait_key(&retired.audience, retired.id));
            for (name, send) in self.sends_of(&retired.audience, retired.id)? {
                self.rows.put(name, row::send(&SendRow { profile: retired.into, ..send }));
            }
        }
        for wait in &write.waits {
            let name = wait_key(&wait.audience, wait.profile);
            match wait.due_ms {
                Some(due_ms) => self.rows.put(name, row::wait(&wait.audience, wait.profile, due_ms)),
                None => self.rows.delete(&name),
            }
        }
        let last = self.rows.below(&[SEND]).next_back().map(|(key, _)| row::read_number_key(key));
        let mut number = last.transpose()?.unwrap_or(0);
        for send in &write.sends {
            number = number.saturating_add(1);
            self.rows.put(key(SEND, &[&row::sorted(number)]), row::send(send));
        }
        Ok(())
    }

    pub(super) fn erase_journeys(&mut self, audience: &str, id: [u8; 16]) -> Result<(), StoreFailure> {
        self.rows.delete(&wait_key(audience, id));
        for (name, _) in self.sends_of(audience, id)? {
            self.rows.delete(&name);
        }
        Ok(())
    }

    /// Forgets messages that were not sent in their time.
    pub(super) fn expire_sends(&mut self, now_ms: i64) -> Result<(), StoreFailure> {
        for (name, send) in self.sends()? {
            if send.at_ms <= now_ms.saturating_sub(SENDING_MS) {
                self.rows.delete(&name);
            }
        }
        Ok(())
    }

    /// The profiles that wait no longer, and until when the next one does.
    pub(super) fn waiting(&self, now_ms: i64) -> Result<Due, StoreFailure> {
        let rows = self.rows.below(&[WAIT]).map(|(_, row)| row::read_wait(row));
        let mut waits = rows.collect::<Result<Vec<_>, _>>()?;
        waits.sort();
        let next_due_ms = waits.iter().map(|(due_ms, ..)| *due_ms).find(|due_ms| *due_ms > now_ms);
        let mut waiting = Vec::new();
        for (_, audience, id) in
            waits.into_iter().take_while(|(due_ms, ..)| *due_ms <= now_ms).take(UPKEEP_ROWS_MAX)
        {
            let nobody = FoundProfile {
                audience: audience.clone(),
                keys: Vec::new(),
                id,
                version: 0,
                state: Vec::new(),
            };
            let known = self.profile(&audience, id)?;
            waiting.push(known.map_or(nobody, |profile| profile.found(&audience, id, Vec::new())));
        }
        Ok(Due { waiting, next_due_ms, ..Due::default() })
    }

    /// A page of the list of messages. A tab sends none, so all of them wait, and there are no attempts.
    pub(super) fn activations(&self, asked: &ActivationsRead) -> Result<FoundActivations, StoreFailure> {
        let ActivationsRead::List { audience, listed, after, most } = asked else {
            return Err(StoreFailure("a tab delivers nothing".to_owned()));
        };
        let mut messages = Vec::new();
        for (name, row) in self.sends()? {
            let number = row::read_number_key(&name)?;
            if *listed == Which::Waiting && row.audience == *audience && number > *after {
                let unseen = DeliveryRow {
                    number,
                    carried: false,
                    destination: String::new(),
                    stage: Stage::Waiting,
                    attempts: 0,
                    due_ms: row.at_ms,
                    until_ms: 0,
                    sequence: 0,
                    by_hand: false,
                    last: String::new(),
                };
                messages.push(FoundMessage { number, row, delivery: Some(unseen), before: String::new() });
            }
        }
        messages.truncate(usize::try_from(*most).unwrap_or(usize::MAX));
        Ok(FoundActivations { messages, ..FoundActivations::default() })
    }

    /// All messages with their rows' keys, oldest first.
    fn sends(&self) -> Result<Vec<(Vec<u8>, SendRow)>, StoreFailure> {
        self.rows.below(&[SEND]).map(|(key, row)| Ok((key.to_vec(), row::read_send(row)?))).collect()
    }

    fn sends_of(&self, audience: &str, id: [u8; 16]) -> Result<Vec<(Vec<u8>, SendRow)>, StoreFailure> {
        let mut sends = self.sends()?;
        sends.retain(|(_, send)| send.audience == audience && send.profile == id);
        Ok(sends)
    }
}

fn wait_key(audience: &str, id: [u8; 16]) -> Vec<u8> {
    key(WAIT, &[audience.as_bytes(), &id])
}

#[cfg(test)]
mod tests {
    use usher_edge::store::journeys::WaitRow;
    use usher_edge::store::memory::MemoryStore;
    use usher_edge::store::{Basis, DueBefore, Erased, ProfileRow, Read, Retired, Store, Turn, Upkeep};

    use super::*;

    const A: [u8; 16] = [1; 16];
    const B: [u8; 16] = [2; 16];

    fn profile(id: [u8; 16], key: &str) -> ProfileRow {
        let keys = Some(vec![("k".to_owned(), key.to_owned())]);
        ProfileRow { audience: "7".to_owned(), id, version: 1, touched_ms: 5, state: vec![id[0]], keys }
    }

    fn wait(profile: [u8; 16], due_ms: Option<i64>) -> WaitRow {
        WaitRow { audience: "7".to_owned(), profile, due_ms }
    }

    fn send(profile: [u8; 16], at_ms: i64) -> SendRow {
        SendRow {
            audience: "7".to_owned(),
            profile,
            id: [9; 16],
            at_ms,
            message: format!("{at_ms}"),
            delivery: None,
        }
    }

    #[test]
    fn rows_of_journeys_are_as_in_the_reference_store() {
        let before =
            DueBefore { day: 0, journal_ms: 0, suppressed_ms: 0, entomb_ms: 0, now_ms: SENDING_MS + 20 };
        let turn = Turn {
            due: before,
            unlisted: Vec::new(),
            listed: Vec::new(),
            listing: None,
            entombed: Vec::new(),
            lease: (0, 0),
            renews: None,
        };
        let upkeep = |erased: Vec<Erased>, turn| Some(Box::new(Upkeep { erased, turn, ..Upkeep::default() }));
        let erased = Erased { audience: "7".to_owned(), id: B, absorbed: vec![A] };
        let steps = [
            Write { profiles: vec![profile(A, "a"), profile(B, "b")], ..Write::default() },
            Write { waits: vec![wait(A, Some(40)), wait(B, Some(30))], ..Write::default() },
            Write { sends: vec![send(A, 10), send(B, 30)], ..Write::default() },
            Write { waits: vec![wait(B, Some(SENDING_MS * 2))], ..Write::default() },
            Write {
                retired: vec![Retired { audience: "7".to_owned(), id: A, into: B }],
                sends: vec![send(B, 40)],
                ..Write::default()
            },
            Write { upkeep: upkeep(Vec::new(), Some(turn)), ..Write::default() },
            Write { waits: vec![wait(B, None)], ..Write::default() },
            Write { waits: vec![wait(B, Some(1))], ..Write::default() },
            Write { upkeep: upkeep(vec![erased], None), ..Write::default() },
        ];
        let (mut rows, mut memory) = (RowStore::of(std::iter::empty()), MemoryStore::default());
        for (number, step) in steps.iter().enumerate() {
            rows.commit(&Basis::default(), step).expect("rows");
            memory.commit(&Basis::default(), step).expect("memory");
            // Rows of 0.1.0, which nothing reads and rows do not have.
            memory.retired.clear();
            let read = Read::Due(before);
            assert_eq!(rows.read(&read), memory.read(&read), "step {number}");
            let sends: Vec<SendRow> = rows.sends().expect("rows").into_iter().map(|(_, send)| send).collect();
            assert_eq!(sends, memory.journeys.sends, "step {number}");
            for (listed, after, most) in [
                (Which::Waiting, 0, 200),
                (Which::Waiting, 1, 1),
                (Which::Parked, 0, 200),
                (Which::Attempts, 0, 200),
            ] {
                let page = ActivationsRead::List { audience: "7".to_owned(), listed, after, most };
                let page = Read::Activations(page);
                assert_eq!(rows.read(&page), memory.read(&page), "step {number}: {listed:?}");
            }
        }
        assert!(memory.journeys.sends.is_empty() && memory.journeys.waits.is_empty());
    }
}
