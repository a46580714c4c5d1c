//! Rows of journeys: profiles that have to be led on, and messages that are not sent yet.

use usher_edge::limits::{SENDING_MS, UPKEEP_ROWS_MAX};
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
