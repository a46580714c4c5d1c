//! Memory for bodies: one bound for all bodies that an instance reads or answers at one time.

use std::cell::Cell;

use usher_edge::Refusal;

use crate::limits::BODIES_BYTES_MAX;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
}

/// The memory of one body. Dropping it frees the memory for others.
#[derive(Default)]
pub(crate) struct Room {
    bytes: usize,
}

impl Room {
    /// Takes more bytes.
    ///
    /// # Errors
    ///
    /// The refusal if the bodies of this instance already take all of it.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let all = USED.get().saturating_add(bytes);
        if all > BODIES_BYTES_MAX {
            return Err(Refusal::STORAGE);
        }
        USED.set(all);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        USED.set(USED.get().saturating_sub(self.bytes));
    }
}
