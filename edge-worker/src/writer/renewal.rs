//! Decides how the tables of visitors are written anew, on hosts whose SQLite leaves what it deletes in the file.
//!
//! A renewal begins where rows of visitors were removed since the last one. It goes on turn by turn of upkeep: free pages
//! are filled with zeros, the profiles are copied and swapped, then their keys, and each time the pages that this made free
//! are filled. Zeros come first and between, because a copy takes free pages.

use crate::limits::{RENEWAL_BYTES_MAX, RENEWAL_MS};
use crate::store::{FoundRenewal, Renewal, RenewalWork, Renews};

/// In their order.
const STEPS: [RenewalWork; 13] = [
    RenewalWork::Fill,
    RenewalWork::Empty,
    RenewalWork::CopyProfiles,
    RenewalWork::SwapProfiles,
    RenewalWork::Fill,
    RenewalWork::Empty,
    RenewalWork::CopyKeys,
    RenewalWork::SwapKeys,
    RenewalWork::Fill,
    RenewalWork::Empty,
    RenewalWork::Index,
    RenewalWork::Fill,
    RenewalWork::Empty,
];

/// The next turn; None: there is nothing to do.
pub(super) fn next(found: &FoundRenewal, now_ms: i64) -> Option<Renews> {
    let renewal = found.renewal;
    let step =
        |number: i64| usize::try_from(number).ok()?.checked_sub(1).and_then(|at| STEPS.get(at)).copied();
    let Some(work) = step(renewal.step) else {
        let since_ms = now_ms.saturating_sub(renewal.began_ms);
        // A clock that went back begins one, too.
        let is_time = !(0..RENEWAL_MS).contains(&since_ms);
        let begins = renewal.is_due && is_time && !is_too_large(found);
        let renewal = Renewal { step: 1, began_ms: now_ms, is_due: false, filled_from: 0 };
        return begins.then_some(Renews { work: None, renewal, is_next_step: true });
    };
    let is_done = match work {
        // A file grows when no page is free.
        RenewalWork::Fill => renewal.filled_from > 0 && found.bytes > renewal.filled_from,
        RenewalWork::Empty => !found.has_zeros,
        RenewalWork::CopyProfiles | RenewalWork::CopyKeys => found.is_copied,
        RenewalWork::SwapProfiles | RenewalWork::SwapKeys | RenewalWork::Index => false,
    };
    if is_done {
        let number = renewal.step.saturating_add(1);
        let number = if step(number).is_some() { number } else { 0 };
        let renewal = Renewal { step: number, filled_from: 0, ..renewal };
        return Some(Renews { work: None, renewal, is_next_step: true });
    }
    let mut after = renewal;
    let mut is_next_step = false;
    match work {
        RenewalWork::Fill if renewal.filled_from == 0 => after.filled_from = found.bytes,
        RenewalWork::SwapProfiles | RenewalWork::SwapKeys | RenewalWork::Index => {
            after.step = renewal.step.saturating_add(1);
            is_next_step = true;
        }
        _ => {}
    }
    Some(Renews { work: Some(work), renewal: after, is_next_step })
}

/// True if one is due, and the database has no room for it.
pub(super) fn is_too_large(found: &FoundRenewal) -> bool {
    found.renewal.step == 0 && found.renewal.is_due && found.bytes > RENEWAL_BYTES_MAX
}
