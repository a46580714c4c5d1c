//! The folded events of one audience, and how they are added to the result of a batch.

use super::batch::{Answered, BatchResult, ERASED, LeftOut, OfAudience, TABLE_UNKNOWN, TOO_LARGE};
use super::pass::Pass;
use crate::answer::Meta;
use crate::keys::SeenToken;
use crate::log::Line;
use crate::outcome::Folded;
use crate::plane::{FOLDS_ALL, InControlPlane};
use crate::store::Write;
use crate::store::tables::RowName;

/// The folded events of one audience.
pub(super) struct FoldedAudience<'p> {
    pub(super) pass: Pass<'p>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) write: Write,
    pub(super) seen: Vec<SeenToken>,
    /// Of the answer, if offers were asked for by name.
    pub(super) meta: Option<Meta>,
    /// Names of snapshots that are wrong now.
    pub(super) forgotten: Vec<String>,
}

/// The reason why a batch is not folded.
pub(super) enum Stop {
    NeedsNewerBundle(u64),
    /// A profile was already too large, or too many become so.
    ProfileTooLarge,
    /// It concerns other shards.
    Elsewhere(Folded),
    /// Its answer reads these rows of tables.
    Rows(InControlPlane<Vec<RowName>>),
}

impl BatchResult {
    /// Adds what came of the events of an audience.
    pub(super) fn add<'p>(
        &mut self,
        events: &OfAudience,
        audience: FoldedAudience<'p>,
        all: &mut Write,
        answered: &mut Answered<'p>,
    ) {
        let FoldedAudience { pass, left_out, write, seen, meta, mut forgotten } = audience;
        self.forgotten.append(&mut forgotten);
        all.append(write);
        answered.is_merging |= meta.as_ref().is_some_and(|meta| meta.merging);
        answered.meta = meta;
        answered.asker_there = pass.asker_there;
        for (one, of_pass) in events.events.iter().zip(pass.receipts) {
            let Some(receipt) = self.receipts.get_mut(one.place) else { continue };
            receipt.failure = receipt.failure.filter(|failure| *failure != TABLE_UNKNOWN);
            of_pass.notes.into_iter().for_each(|note| receipt.note(note));
        }
        for (index, failure) in left_out.into_iter().filter(|_| FOLDS_ALL) {
            match failure {
                TOO_LARGE => self.log.push(Line::of("profile_too_large")),
                ERASED => self.log.push(Line::of("event_of_erased_key")),
                _ => {}
            }
            let place = events.events.get(index).map(|one| one.place);
            if let Some(receipt) = place.and_then(|place| self.receipts.get_mut(place)) {
                receipt.failure = Some(failure);
            }
        }
        self.log.extend(pass.log);
        if let Some(answer) = pass.answer {
            answered.answer = answer;
        }
        for token in seen {
            // An earlier part may have seen it, too.
            self.seen.retain(|known| known.profile != token.profile);
            self.seen.push(token);
        }
    }
}
