//! The state of the control API as rows.

use usher_edge::store::{ControlRead, ControlRow, ControlWrite, FoundControl, StoreFailure};
use usher_edge::wire::frame::FrameWriter;

use super::RowStore;
use super::row::{CONTROL, OBJECT, key, read, read_first_text, read_object_key, sorted};

impl RowStore {
    pub(super) fn control(&self, of: &ControlRead) -> Result<FoundControl, StoreFailure> {
        let mut audience = of.audience.clone();
        if audience.is_empty()
            && let Some(row) = self.rows.get(&object_key(of.object))
        {
            audience = read(row, |row| row.text().map(str::to_owned))?;
        }
        let (mut first_due, is_named) = (i64::MAX, !audience.is_empty());
        for (name, row) in self.rows.below(&[CONTROL]).filter(|_| !is_named) {
            let due_ms = read_control(row)?.due_ms;
            if due_ms <= of.due_ms && due_ms < first_due {
                (first_due, audience) = (due_ms, read_first_text(name)?);
            }
        }
        let releases = self.releases(&audience)?;
        let last = self.rows.below(&[OBJECT]).next_back().map(|(name, _)| read_object_key(name));
        let state = self.rows.get(&key(CONTROL, &[audience.as_bytes()])).map(read_control).transpose()?;
        Ok(FoundControl {
            last_id: last.transpose()?.unwrap_or(0),
            body: releases.first().and_then(|running| self.bundle(&running.hash)),
            releases,
            state,
            audience,
        })
    }

    pub(super) fn put_control(&mut self, write: &ControlWrite) {
        let ControlWrite { audience, row: ControlRow { version, due_ms, base, state }, ids } = write;
        let mut row = FrameWriter::default();
        row.long(version.cast_signed()).long(*due_ms).byte(u8::from(base.is_some()));
        row.long(base.unwrap_or(0).cast_signed()).bytes(state);
        self.rows.put(key(CONTROL, &[audience.as_bytes()]), row.0);
        for id in ids {
            let name = object_key(*id);
            if self.rows.get(&name).is_none() {
                let mut row = FrameWriter::default();
                row.text(audience);
                self.rows.put(name, row.0);
            }
        }
    }
}

fn object_key(id: u64) -> Vec<u8> {
    key(OBJECT, &[&sorted(id.cast_signed())])
}

fn read_control(row: &[u8]) -> Result<ControlRow, StoreFailure> {
    read(row, |row| {
        let (version, due_ms, has_base) = (row.long()?.cast_unsigned(), row.long()?, row.byte()? != 0);
        let base = Some(row.long()?.cast_unsigned()).filter(|_| has_base);
        Some(ControlRow { version, due_ms, base, state: row.bytes()?.to_vec() })
    })
}
