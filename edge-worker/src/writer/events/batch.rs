//! A batch of events for each audience, and the events that a fold leaves out.

use core::ops::Range;

use usher_engine::gather::Gather;
use usher_engine::profile::codec::Unreadable;
use usher_engine::{Answer, Event, Keys};

use super::super::across::Across;
use super::super::parts::Parts;
use super::super::rows::KnownRows;
use super::super::set::ProfileSet;
use crate::answer::Meta;
use crate::keys::SeenToken;
use crate::log::Line;
use crate::message::{Events, Mode, Payer, Receipt};
use crate::plane::InControlPlane;
use crate::store::ErasedKey;
use crate::wire::read;

/// The events of a message, resolved for each audience that declares their table.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) message: Events,
    /// For each element of the body, true if it is an event.
    pub(super) valid: Vec<bool>,
    /// The place of each valid event in the body; empty where that is one event.
    pub(super) spans: Vec<Range<usize>>,
    /// That of `sentAt`.
    pub(super) sent: Option<Range<usize>>,
    /// None where there is one shard.
    pub(super) across: Option<Across>,
    /// The number of keys to read.
    pub(super) keys: usize,
    pub(super) audiences: Vec<OfAudience>,
    /// The rate that its events draw on, if any.
    pub(super) payer: Option<Payer<'static>>,
    /// The number of profiles that it may create; None: unlimited.
    pub(super) new_profiles_max: Option<usize>,
    /// Its items are the valid events.
    pub(in crate::writer) parts: Parts,
    /// The result of the parts so far.
    pub(super) result: BatchResult,
    /// The rows of tables that the answer reads.
    pub(in crate::writer) rows: InControlPlane<KnownRows>,
}

impl Batch {
    /// The indexes of the keys of each valid event, for all audiences.
    pub(in crate::writer) fn items(&self) -> Vec<Vec<usize>> {
        let mut items = vec![Vec::new(); self.result.receipts.len()];
        for one in self.audiences.iter().flat_map(|audience| &audience.events) {
            if let Some(keys) = items.get_mut(one.place) {
                keys.extend(&one.read);
            }
        }
        items
    }

    /// True if the visitor of the last event is answered, after all events.
    pub(in crate::writer) fn asks(&self) -> bool {
        matches!(self.message.mode, Mode::Mixed(Some(_)))
    }
}

/// The result of a batch, over all audiences and the parts so far.
#[derive(Debug)]
pub(super) struct BatchResult {
    /// One for each valid event.
    pub(super) receipts: Vec<Receipt>,
    /// The profiles of the events, each once.
    pub(super) seen: Vec<SeenToken>,
    /// Names of snapshots that are wrong now.
    pub(super) forgotten: Vec<String>,
    pub(super) log: Vec<Line>,
    /// True if something is staged.
    pub(super) staged: bool,
    /// The number of profiles that are stored for the first time, staged ones alone.
    pub(super) new_profiles: usize,
}

impl BatchResult {
    pub(super) fn new(receipts: Vec<Receipt>) -> BatchResult {
        let (seen, forgotten, log) = (Vec::new(), Vec::new(), Vec::new());
        BatchResult { receipts, seen, forgotten, log, staged: false, new_profiles: 0 }
    }
}

/// The answer of a batch that asks for one.
#[derive(Default)]
pub(super) struct Answered<'p> {
    pub(super) answer: Answer<'p>,
    pub(super) meta: Option<Meta>,
    /// The event that asks for offers, by its place, if another shard has it.
    pub(super) asker_there: Option<usize>,
    /// True if a profile of the events is about to absorb others.
    pub(super) is_merging: bool,
}

/// The events of one audience.
#[derive(Debug)]
pub(super) struct OfAudience {
    pub(super) id: String,
    /// The hash of the bundle whose plan they are resolved for: their tables and keys mean nothing under another.
    pub(super) bundle: String,
    /// As many as are valid and of a table that it declares.
    pub(super) events: Vec<OneEvent>,
}

/// One event, and the keys to stitch it by.
#[derive(Debug)]
pub(super) struct OneEvent {
    /// Its place among the valid events of the message.
    pub(super) place: usize,
    pub(super) event: Event,
    pub(super) repairs: read::Repairs,
    pub(super) keys: Keys,
    /// Indexes of its usable keys among the keys to read.
    pub(super) read: Vec<usize>,
}

/// An event that is left out, by its index, and the failure for its receipt.
pub(super) type LeftOut = (usize, &'static str);

// Failures in receipts: the profile would be too large, or its stored bytes cannot be read.
pub(super) const TOO_LARGE: &str = "ProfileTooLarge";
pub(super) const UNREADABLE: &str = "ProfileUnreadable";
/// No audience declares its table. The SDKs of RT 2.0 drop an event with such a failure.
pub(super) const TABLE_UNKNOWN: &str = "InvalidCollectionNameError";
/// A newer build wrote its profile: the caller may retry when every writer runs that build.
pub(super) const UNAVAILABLE: &str = "StorageUnavailable";
/// A key of it was erased after it happened.
pub(super) const ERASED: &str = "erased";

impl OfAudience {
    /// The events of the current part whose profile cannot be read.
    pub(super) fn unreadable(&self, set: &ProfileSet, parts: &Parts) -> Vec<LeftOut> {
        let failure = |(index, event): (usize, &OneEvent)| match set.unreadable(&event.read)? {
            Unreadable::Damaged(_) => Some((index, UNREADABLE)),
            Unreadable::TooNew => Some((index, UNAVAILABLE)),
        };
        let of_part = self.events.iter().enumerate().filter(|(_, event)| parts.has(event.place));
        of_part.filter_map(failure).gather()
    }

    /// The events of the current part that happened before one of their keys was erased.
    pub(super) fn erased(&self, erased: &[ErasedKey], parts: &Parts) -> Vec<LeftOut> {
        // Nearly always none.
        let since = |key: &usize| erased.iter().find(|erased| erased.key == *key).map(|erased| erased.at_ms);
        let is_before =
            |one: &OneEvent| one.read.iter().filter_map(since).any(|erased_ms| one.event.time_ms < erased_ms);
        if erased.is_empty() {
            return Vec::new();
        }
        let events = self.events.iter().enumerate().filter(|(_, one)| parts.has(one.place) && is_before(one));
        events.map(|(index, _)| (index, ERASED)).gather()
    }

    /// Notes the keys that were erased and have a profile again from now on: copies of the erased one are wrong.
    pub(super) fn note_anew(&self, set: &mut ProfileSet, erased: &[ErasedKey]) {
        for (key, read) in self.events.iter().flat_map(|one| one.keys.usable.iter().zip(&one.read)) {
            if erased.iter().any(|erased| erased.key == *read) {
                set.note_new(key, *read);
            }
        }
    }

    /// Leaves out every event of the current part that shares a key with one that is left out, transitively.
    pub(super) fn leave_out_with(&self, left_out: &mut Vec<LeftOut>, keys: usize, parts: &Parts) {
        let mut out = vec![false; self.events.len()];
        // An event of an erased key was not to be stored in any case, and takes nobody with it.
        let mut alone = vec![false; self.events.len()];
        for (index, why) in left_out.iter() {
            out[*index] = true;
            alone[*index] = *why == ERASED;
        }
        let mut named = vec![false; keys];
        loop {
            let leading = out.iter().zip(&alone).map(|(out, alone)| *out && !*alone);
            for (event, _) in self.events.iter().zip(leading).filter(|(_, leads)| *leads) {
                for key in &event.read {
                    named[*key] = true;
                }
            }
            let before = left_out.len();
            for (index, (event, out)) in self.events.iter().zip(&mut out).enumerate() {
                if !*out && parts.has(event.place) && event.read.iter().any(|key| named[*key]) {
                    *out = true;
                    left_out.push((index, TOO_LARGE));
                }
            }
            if left_out.len() == before {
                return;
            }
        }
    }
}

/// The place of an event in the whole batch, by its index among those of this message.
pub(super) fn place_of(across: Option<&Across>, index: usize) -> usize {
    let place = across.and_then(|across| across.part.as_ref()?.places.get(index));
    place.map_or(index, |(place, _)| usize::try_from(*place).unwrap_or(index))
}
