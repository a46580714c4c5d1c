//! The state of the control API in memory.

use super::MemoryStore;
use crate::store::{ControlBasis, ControlRead, ControlWrite, FoundControl, Write};

impl MemoryStore {
    /// The body of a bundle.
    pub(super) fn bundle(&self, hash: &str) -> Option<&Vec<u8>> {
        self.bundles.iter().find(|(known, _)| known == hash).map(|(_, body)| body)
    }

    pub(super) fn read_control(&self, read: &ControlRead) -> FoundControl {
        let ControlRead { audience, object, due_ms } = read;
        let rows = &self.control;
        let due = || {
            let due = rows.states.iter().filter(|(_, row)| row.due_ms <= *due_ms);
            due.min_by_key(|(_, row)| row.due_ms).map(|(audience, _)| audience)
        };
        let named = Some(audience).filter(|audience| !audience.is_empty());
        let audience = named.or_else(|| rows.objects.get(object)).or_else(due).cloned().unwrap_or_default();
        let releases: Vec<_> = self.releases(&audience).cloned().collect();
        FoundControl {
            last_id: self.last_object(),
            body: releases.first().and_then(|running| self.bundle(&running.hash)).cloned(),
            releases,
            state: rows.states.get(&audience).cloned(),
            audience,
        }
    }

    pub(super) fn write_control(&mut self, write: &Write) {
        let Some(ControlWrite { audience, row, ids }) = write.control.as_deref() else { return };
        self.control.states.insert(audience.clone(), row.clone());
        for id in ids {
            self.control.objects.entry(*id).or_insert_with(|| audience.clone());
        }
    }

    /// True if nothing of the basis has changed.
    pub(super) fn control_holds(&self, basis: &Option<ControlBasis>) -> bool {
        let Some(basis) = basis else { return true };
        let state = self.control.states.get(&basis.audience);
        state.map_or(0, |row| row.version) == basis.version && self.last_object() == basis.last_id
    }

    fn last_object(&self) -> u64 {
        self.control.objects.last_key_value().map_or(0, |(id, _)| *id)
    }
}
