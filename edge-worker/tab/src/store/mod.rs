//! A [`Store`] whose rows are bytes, so that their owner can keep them anywhere. Each commit is a list of changed rows.
//!
//! Nothing else writes between a read and its commit, so no commit conflicts here. Other tabs write the same storage: its
//! owner compares before it stores, and starts again from what is stored.

mod control;
mod found;
mod journeys;
mod row;
mod rows;
mod tables;

use usher_edge::Form;
use usher_edge::limits::{DAY_MS, JOURNAL_MS, JOURNAL_OF_PROFILE_MAX};
use usher_edge::store::{
    Basis, CommitError, Found, IdleSince, JournalRow, Published, Read, Store, StoreFailure, Upkeep, Write,
};

pub(crate) use rows::Change;

use row::{
    BUNDLE, FORM, JOURNAL, KEY, LEASE, PROBE, PROFILE, Profile, RELEASE, SUPPRESSED, Suppressed, WRITTEN, key,
};
use rows::Rows;

/// All rows of the service.
#[derive(Debug)]
pub(crate) struct RowStore {
    rows: Rows,
    reads: bool,
    /// False if nothing can be stored.
    pub(crate) writes: bool,
}

impl Store for RowStore {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        if !self.reads {
            return Err(StoreFailure("the browser gives back nothing".to_owned()));
        }
        self.found(read)
    }

    fn stage(&mut self, _: &Basis, write: &Write) -> Result<(), CommitError> {
        Ok(self.put(write)?)
    }

    fn undo(&mut self) {
        self.rows.undo();
    }

    fn commit(&mut self, _: &Basis, write: &Write) -> Result<(), CommitError> {
        let put = self.put(write);
        match put {
            Ok(()) => self.rows.keep(),
            Err(_) => self.rows.undo(),
        }
        Ok(put?)
    }
}

impl RowStore {
    pub(crate) fn of(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> RowStore {
        RowStore { rows: Rows::of(rows), reads: true, writes: true }
    }

    /// A store whose rows cannot be read.
    pub(crate) fn unreadable() -> RowStore {
        RowStore { rows: Rows::default(), reads: false, writes: false }
    }

    /// The form of the rows; 0: there are none.
    pub(crate) fn form(&self) -> i64 {
        // A row that cannot be read is of a build that is not known.
        self.rows.get(&[FORM]).map_or(0, |row| row::read_pair(row).map_or(i64::MAX, |(form, _)| form))
    }

    /// The rows that have changed since the last call, written in this form.
    pub(crate) fn take_changes(&mut self, form: Form) -> Vec<Change> {
        let mut changes = self.rows.take_changes();
        let form = i64::from(form.number());
        if !changes.is_empty() && self.form() < form {
            self.rows.put(vec![FORM], row::pair((form, 0)));
            self.rows.keep();
            changes.append(&mut self.rows.take_changes());
        }
        changes
    }

    fn put(&mut self, write: &Write) -> Result<(), StoreFailure> {
        if !self.writes {
            return Err(StoreFailure("the browser stores nothing".to_owned()));
        }
        // Keys move between profiles within one write, so all of them are released before any is held.
        for row in write.profiles.iter().filter(|row| row.keys.is_some()) {
            self.release_keys(&row.audience, row.id)?;
        }
        for retired in &write.retired {
            self.remove_profile(&retired.audience, retired.id)?;
        }
        for new in &write.profiles {
            let name = key(PROFILE, &[new.audience.as_bytes(), &new.id]);
            let keys = match &new.keys {
                Some(keys) => keys.clone(),
                None => self
                    .rows
                    .get(&name)
                    .map(Profile::read)
                    .transpose()?
                    .map_or_else(Vec::new, |known| known.keys),
            };
            for (key_name, value) in new.keys.iter().flatten() {
                let parts = [new.audience.as_bytes(), key_name.as_bytes(), value.as_bytes()];
                self.rows.put(key(KEY, &parts), new.id.to_vec());
            }
            if new.version == 1 {
                let day = new.touched_ms.div_euclid(DAY_MS);
                self.list_idle(&IdleSince { day, audience: new.audience.clone(), id: new.id });
            }
            let (version, touched_ms, state) = (new.version, new.touched_ms, new.state.clone());
            self.rows.put(name, Profile { version, touched_ms, keys, state }.write());
        }
        self.add_to_journal(&write.journal)?;
        for written in &write.written {
            let name = key(WRITTEN, &[written.audience.as_bytes()]);
            let known = self.rows.get(&name).map(row::read_written).transpose()?;
            if known.is_none_or(|known| known.number < written.number) {
                self.rows.put(name, row::written(written));
            }
        }
        if let Some(probed_ms) = write.probed_ms {
            self.rows.put(vec![PROBE], row::pair((probed_ms, 0)));
        }
        if let Some(upkeep) = &write.upkeep {
            self.keep_up(upkeep)?;
        }
        self.write_journeys(write)?;
        if let Some(control) = &write.control {
            self.put_control(control);
        }
        if let Some(table) = write.table.get() {
            self.put_table(table)?;
        }
        write.bundle.as_ref().map_or(Ok(()), |published| self.publish(published))
    }

    /// Releases all keys of a profile.
    fn release_keys(&mut self, audience: &str, id: [u8; 16]) -> Result<(), StoreFailure> {
        let Some(known) = self.rows.get(&key(PROFILE, &[audience.as_bytes(), &id])) else { return Ok(()) };
        for (name, value) in Profile::read(known)?.keys {
            let name = key(KEY, &[audience.as_bytes(), name.as_bytes(), value.as_bytes()]);
            // Another profile may have taken it.
            if self.rows.get(&name) == Some(&id) {
                self.rows.delete(&name);
            }
        }
        Ok(())
    }

    fn remove_profile(&mut self, audience: &str, id: [u8; 16]) -> Result<(), StoreFailure> {
        self.release_keys(audience, id)?;
        self.rows.delete(&key(PROFILE, &[audience.as_bytes(), &id]));
        Ok(())
    }

    fn list_idle(&mut self, since: &IdleSince) {
        self.rows.put(row::idle_key(since), Vec::new());
    }

    /// All steps of the journal with their rows' keys, oldest first.
    fn journal(&self) -> Result<Vec<(Vec<u8>, JournalRow)>, StoreFailure> {
        let rows = self.rows.below(&[JOURNAL]);
        rows.map(|(key, row)| Ok((key.to_vec(), row::read_journal(row)?))).collect()
    }

    fn add_to_journal(&mut self, steps: &[JournalRow]) -> Result<(), StoreFailure> {
        let Some(newest_ms) = steps.iter().map(|step| step.at_ms).max() else { return Ok(()) };
        self.forget_journal(|step| step.at_ms <= newest_ms.saturating_sub(JOURNAL_MS))?;
        let last = self.rows.below(&[JOURNAL]).next_back().map(|(key, _)| row::read_number_key(key));
        let mut number = last.transpose()?.unwrap_or(0);
        for step in steps {
            number = number.saturating_add(1);
            self.rows.put(key(JOURNAL, &[&row::sorted(number)]), row::journal(step));
            let mut of_profile = self.journal()?;
            of_profile
                .retain(|(_, known)| (&known.audience, known.profile) == (&step.audience, step.profile));
            if of_profile.len() > JOURNAL_OF_PROFILE_MAX
                && let Some((oldest, _)) = of_profile.first()
            {
                self.rows.delete(oldest);
            }
        }
        Ok(())
    }

    fn forget_journal(&mut self, is_over: impl Fn(&JournalRow) -> bool) -> Result<(), StoreFailure> {
        for (name, step) in self.journal()? {
            if is_over(&step) {
                self.rows.delete(&name);
            }
        }
        Ok(())
    }

    fn keep_up(&mut self, upkeep: &Upkeep) -> Result<(), StoreFailure> {
        for erased in &upkeep.erased {
            self.remove_profile(&erased.audience, erased.id)?;
            self.erase_journeys(&erased.audience, erased.id)?;
            let is_of = |id: [u8; 16]| id == erased.id || erased.absorbed.contains(&id);
            self.forget_journal(|step| step.audience == erased.audience && is_of(step.profile))?;
        }
        self.erase_rows(upkeep.rows.get());
        for new in &upkeep.suppressed {
            let before = self.suppressed(&new.name)?.map_or(new.at_ms, |known| known.at_ms);
            let row = Suppressed { at_ms: new.at_ms.max(before), imports: true, copies: true };
            self.suppress(&new.name, row);
        }
        for name in &upkeep.admitted {
            if let Some(known) = self.suppressed(name)? {
                self.suppress(name, Suppressed { imports: false, ..known });
            }
        }
        let Some(turn) = &upkeep.turn else { return Ok(()) };
        for since in &turn.unlisted {
            self.rows.delete(&row::idle_key(since));
        }
        turn.listed.iter().for_each(|since| self.list_idle(since));
        self.forget_journal(|step| step.at_ms <= turn.due.journal_ms)?;
        self.expire_sends(turn.due.now_ms)?;
        for (name, known) in self.all_suppressed()? {
            if known.at_ms <= turn.due.suppressed_ms {
                self.rows.delete(&key(SUPPRESSED, &[name.as_bytes()]));
            }
        }
        for name in &turn.entombed {
            if let Some(known) = self.suppressed(name)? {
                self.suppress(name, Suppressed { copies: false, ..known });
            }
        }
        self.rows.put(vec![LEASE], row::pair(turn.lease));
        Ok(())
    }

    fn suppress(&mut self, name: &str, row: Suppressed) {
        self.rows.put(key(SUPPRESSED, &[name.as_bytes()]), row.write());
    }

    fn publish(&mut self, published: &Published) -> Result<(), StoreFailure> {
        let (audience, release) = (published.audience.as_bytes(), &published.release);
        if let Some(body) = &published.body {
            self.rows.put(key(BUNDLE, &[release.hash.as_bytes()]), body.clone());
        }
        self.rows.put(
            key(RELEASE, &[audience, &row::sorted(release.number.cast_signed())]),
            row::release(release),
        );
        let mut forgotten = self.releases(&published.audience)?;
        forgotten.retain(|known| known.number <= published.forgotten);
        for known in forgotten {
            self.rows.delete(&key(RELEASE, &[audience, &row::sorted(known.number.cast_signed())]));
        }
        for hash in &published.dropped {
            self.rows.delete(&key(BUNDLE, &[hash.as_bytes()]));
        }
        Ok(())
    }
}
