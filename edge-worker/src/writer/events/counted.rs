//! The counts of a batch: its events by their results, and the decisions of its answer.

use usher_engine::Answer;

use super::batch::{ERASED, TABLE_UNKNOWN, TOO_LARGE, UNREADABLE};
use crate::answer;
use crate::message::Receipt;
use crate::metrics::{Count, Counts};

/// `elements` is the number of events in the body; only valid ones have receipts.
pub(super) fn counted(elements: usize, receipts: &[Receipt], answer: Option<&Answer<'_>>) -> Counts {
    let mut counts = Counts::default();
    for receipt in receipts {
        let noted = |note: &str| receipt.notes.contains(&note);
        counts.add(match receipt.failure {
            None if noted("duplicate") => Count::Duplicate,
            None if noted("no_usable_key") || noted("profile_not_made") => Count::NotStored,
            None => Count::Accepted,
            Some(TOO_LARGE) => Count::EventTooLarge,
            Some(UNREADABLE) => Count::Unreadable,
            Some(TABLE_UNKNOWN) => Count::UnknownTable,
            Some(ERASED) => Count::Erased,
            Some(_) => Count::EventUnavailable,
        });
    }
    for _ in receipts.len()..elements {
        counts.add(Count::Invalid);
    }
    if let Some(answer) = answer {
        answer::count(answer, false, &mut counts);
    }
    counts
}
