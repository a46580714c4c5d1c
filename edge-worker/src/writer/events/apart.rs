//! Events in a shard of several: those that other shards fold, and the answers that are joined.

use super::super::across::Across;
use super::super::decide::Deciding;
use super::super::mint;
use super::super::questions::Open;
use super::super::set::ProfileSet;
use super::batch::{
    Answered, Batch, ERASED, LeftOut, OfAudience, OneEvent, UNAVAILABLE, UNREADABLE, place_of,
};
use super::pass::Pass;
use crate::answer;
use crate::edge::Edge;
use crate::limits::HOPS_MAX;
use crate::message::{Events, Message, Mode, Part, Place, Receipt, Route, ToWriter};
use crate::order;
use crate::outcome::{FORGET, joined};
use crate::plane::DECIDES;
use crate::shard::{self, Piece, Pieces};
use crate::store::shards::{OutboxRow, ShardFound};
use crate::store::{ErasedKey, Read, Write};
use crate::wire::{Response, read};
use usher_engine::gather::Gather;

impl Batch {
    pub(super) fn place(&self, index: usize) -> u32 {
        u32::try_from(place_of(self.across.as_ref(), index)).unwrap_or(u32::MAX)
    }

    /// True if its events are committed, and only the answer is wanted.
    pub(super) fn is_committed(&self) -> bool {
        self.part().is_some_and(|part| part.committed)
    }

    /// True if the events are for one audience, and not committed yet.
    pub(in crate::writer) fn is_for_one_shard(&self) -> bool {
        self.message.audiences.len() == 1 && !self.is_committed()
    }

    /// The keys of its read that were erased, as this shard and others know.
    pub(in crate::writer) fn erased(&self, read: Option<&Read>, found: &ShardFound) -> Vec<ErasedKey> {
        match (&self.across, read) {
            (Some(across), Some(Read::Shard(read))) if DECIDES => across.unite_erased(&read.keys, found),
            _ => Vec::new(),
        }
    }

    fn part(&self) -> Option<&Part> {
        self.across.as_ref()?.part.as_ref()
    }

    /// Another shard's answer about an event: None: it was not asked. The inner None: it did not answer.
    pub(super) fn handed(&self, index: usize) -> Option<Option<Piece>> {
        if !DECIDES {
            return None;
        }
        let place = self.place(index);
        let pieces = self.handed_with(place)?.and_then(|response| Pieces::decode(&response.body));
        Some(pieces.and_then(|pieces| pieces.list.into_iter().find(|piece| piece.place == place)))
    }

    /// The answer of the shard that has an event by now, whose place in the whole batch this is.
    fn handed_with(&self, place: u32) -> Option<Option<&Response>> {
        let has = |part: &Part| part.places.iter().any(|(known, _)| *known == place);
        let (_, response) =
            self.across.as_ref()?.handed().rev().find(|(sent, _)| sent.part.as_ref().is_some_and(has))?;
        Some(response.as_ref())
    }

    /// The whole answer of another shard to the one event of this message. The inner None: it did not answer.
    pub(super) fn answered_there(&self) -> Option<Option<&Response>> {
        let (_, response) = self.across.as_ref()?.handed().next_back()?;
        Some(response.as_ref())
    }

    /// Hands the events of these indexes on to a shard. False: they were handed on too often.
    pub(super) fn hand_on(&self, of: &OfAudience, to: u32, indexes: &[usize], open: &mut Open) -> bool {
        let Some(across) = &self.across else { return false };
        let (hops, committed) = self.part().map_or((0, false), |part| (part.hops, part.committed));
        if hops >= HOPS_MAX {
            return false;
        }
        let place = |index: &usize| {
            let one = of.events.get(*index)?;
            Some((self.place(one.place), one.event.time_ms))
        };
        let part = Part { hops: hops + 1, committed, places: indexes.iter().filter_map(place).gather() };
        let mut message = self.message.clone();
        let places: Vec<usize> =
            indexes.iter().filter_map(|index| Some(of.events.get(*index)?.place)).gather();
        match &message.mode {
            Mode::Personalize { .. } => {}
            Mode::Ingest => message.body = self.body_of(&places),
            Mode::Mixed(_) => {
                message.body = self.body_of(&places);
                // The last event says whose offers they are.
                if of.events.last().map(|one| one.place) != places.last().copied() {
                    message.mode = Mode::Mixed(None);
                }
            }
        }
        open.hand_on(across.hand_on(to, ToWriter::Events(message), part));
        true
    }

    /// A body with these events alone.
    fn body_of(&self, indexes: &[usize]) -> Vec<u8> {
        let spans: Vec<_> = indexes.iter().filter_map(|index| self.spans.get(*index).cloned()).gather();
        read::batch_of(&self.message.body, &spans, self.sent.clone())
    }

    /// Adds copies of the events for the audiences after the first to a write: its commit is what the receipts tell of.
    pub(super) fn copy(&self, first: &str, left_out: &[LeftOut], write: &mut Write) {
        let Some(across) = &self.across else { return };
        let Some(of_first) = self.audiences.iter().find(|of| of.id == first) else { return };
        // An event that one audience refuses because of an erasure may be taken by another.
        let out = left_out.iter().filter(|(_, why)| *why != ERASED);
        let out: Vec<usize> = out.filter_map(|(index, _)| Some(of_first.events.get(*index)?.place)).gather();
        for other in self.audiences.iter().filter(|other| other.id != first) {
            let number = self.message.audiences.iter().find(|(id, _)| *id == other.id);
            let Some((_, number)) = number else { continue };
            let is_kept = |one: &&OneEvent| !out.contains(&one.place) && self.handed(one.place).is_none();
            let with_shard = other.events.iter().filter(is_kept).filter_map(|one| {
                let first = one.keys.usable.first()?;
                let key = Some((first.name.as_str(), first.value.as_str()));
                Some((shard::of_key(&other.id, key, across.route.shards), one))
            });
            for (to, events) in shard::grouped(with_shard) {
                let place = |one: &&OneEvent| (self.place(one.place), one.event.time_ms);
                let part = Part { hops: 0, committed: false, places: events.iter().map(place).gather() };
                let places: Vec<usize> = events.iter().map(|one| one.place).gather();
                let (mode, body) = match self.message.mode {
                    Mode::Personalize { .. } => (Mode::Ingest, self.message.body.clone()),
                    Mode::Ingest => (Mode::Ingest, self.body_of(&places)),
                    Mode::Mixed(_) => (Mode::Mixed(None), self.body_of(&places)),
                };
                let audiences = vec![(other.id.clone(), *number)];
                let message = Events { audiences, body, mode, ..self.message.clone() };
                let question = across.hand_on(to, ToWriter::Events(message), part);
                let due_ms = self.message.ambient.now_ms;
                let message = question.message;
                write.shard.outbox.push(OutboxRow { shard: to, message, due_ms, is_awaited: true });
            }
        }
    }

    fn piece(&self, index: usize, receipt: &Receipt) -> Piece {
        let stored = !matches!(receipt.failure, Some(UNREADABLE | UNAVAILABLE));
        let id = self.audiences.iter().flat_map(|of| &of.events).find(|one| one.place == index);
        let id = id.filter(|_| matches!(self.message.mode, Mode::Mixed(_))).map(|one| one.event.id.as_str());
        Piece { place: self.place(index), stored, receipt: answer::receipt_text(receipt, id) }
    }

    /// A header of the answers of other shards, each value once.
    pub(super) fn headers_there(&self, wanted: &str) -> Vec<String> {
        let all = self.across.iter().flat_map(Across::handed).filter_map(|(_, response)| response.as_ref());
        let headers = all.flat_map(|response| &response.headers).filter(|(name, _)| *name == wanted);
        order::distinct(headers.map(|(_, value)| value.clone()).gather())
    }

    /// The tokens of other shards, each once. One that gives none has more to come, and counts as another visitor.
    pub(super) fn tokens_there(&self) -> Vec<String> {
        let mut tokens = self.headers_there("usher-seen");
        let answers =
            self.across.iter().flat_map(Across::handed).filter_map(|(_, response)| response.as_ref());
        let has_token = |answer: &Response| answer.headers.iter().any(|(name, _)| *name == "usher-seen");
        if !answers.into_iter().all(has_token) {
            tokens.extend([String::new(), String::new()]);
        }
        tokens
    }

    /// The copies that this shard and the others make a host forget.
    pub(super) fn forgotten(&self, own: Option<(&'static str, String)>) -> Option<(&'static str, String)> {
        let mut all = self.headers_there(FORGET);
        all.extend(own.map(|(_, value)| value));
        joined(&all)
    }

    /// The answer to a batch, of which other shards may have folded a part: JSON for a caller, pieces for a shard. None:
    /// nothing is stored.
    pub(super) fn joined(&self, receipts: &[Receipt], offers: String) -> Option<Response> {
        let piece = |(index, receipt): (usize, &Receipt)| match self.handed(index) {
            Some(Some(piece)) => piece,
            Some(None) => self.piece(index, &Receipt { failure: Some(UNAVAILABLE), notes: Vec::new() }),
            None => self.piece(index, receipt),
        };
        let mut pieces: Vec<Piece> = receipts.iter().enumerate().map(piece).gather();
        if self.part().is_some() {
            let pieces = Pieces { list: pieces, offers };
            return Some(Response::typed(200, "application/octet-stream", pieces.encode()));
        }
        // Places are those of the valid events; between them are elements that are none.
        let mut valid = pieces.drain(..);
        let refused = Receipt { failure: Some("InvalidPropertyValueError"), notes: Vec::new() };
        let refused =
            || Some(Piece { place: 0, stored: true, receipt: answer::receipt_text(&refused, None) });
        let all = self.valid.iter().filter_map(|is_valid| if *is_valid { valid.next() } else { refused() });
        let at_its_place = |(place, piece): (usize, Piece)| Piece {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            ..piece
        };
        let list = all.enumerate().map(at_its_place).gather();
        let joined = Pieces { list, offers }.join()?;
        Some(if matches!(self.message.mode, Mode::Mixed(_)) { joined.of_wire() } else { joined })
    }

    /// The offers for the visitor of the last event, as fields of JSON, and that one's token; None: nobody asks for them.
    pub(super) fn offers(&self, edge: &Edge, answered: &Answered<'_>) -> Option<(String, Option<String>)> {
        let (Some(_), Mode::Mixed(Some(asking))) = (&self.across, &self.message.mode) else { return None };
        if let Some(place) = answered.asker_there {
            let Some(response) = self.handed_with(self.place(place))? else {
                return Some((String::new(), None));
            };
            let token = response.headers.iter().find(|(name, _)| *name == "usher-seen");
            let pieces = Pieces::decode(&response.body).unwrap_or_default();
            return Some((pieces.offers, token.map(|(_, token)| token.clone())));
        }
        let named = (&answered.answer, answered.meta.as_ref()?, self.unknown_names(edge, asking));
        let token =
            self.result.seen.first().zip(edge.keyring()).map(|(token, keys)| token.sign(&keys.signer));
        Some((answer::fields_of(&named), token))
    }

    /// Adds what a pass means for other shards to a write and to the questions. Returns the events that cannot be folded
    /// now.
    pub(super) fn relate(
        &self,
        pass: &Pass<'_>,
        set: &ProfileSet,
        deciding: &mut Deciding<'_>,
        write: &mut Write,
    ) -> Vec<LeftOut> {
        let mut left_out = pass.out_of_reach.clone();
        let Some(of) = self.audiences.iter().find(|of| of.id == deciding.audience) else { return left_out };
        for (to, indexes) in shard::grouped(pass.there.iter().copied()) {
            let indexes = order::distinct(indexes);
            if deciding.across.is_last() || !self.hand_on(of, to, &indexes, &mut deciding.open) {
                left_out.extend(indexes.iter().map(|index| (*index, UNAVAILABLE)));
            }
        }
        if self.is_committed() {
            return left_out;
        }
        deciding.relocate(set, &pass.taken, write);
        for (owner, moved) in &pass.moved {
            if let Some(profile) = set.get(*owner) {
                deciding.take_from(profile.id, moved, write);
            }
        }
        for (index, owner, sources) in &pass.sources {
            let Some(survivor) = set.get(*owner) else { continue };
            let Some(one) = of.events.get(*index) else { continue };
            let place = place_of(self.across.as_ref(), one.place);
            let ambient = &self.message.ambient;
            let intent = |source: Place| mint::intent(ambient, place, survivor.id.0, source.id);
            deciding.propose(survivor, sources, &one.keys.usable, intent, write);
        }
        left_out
    }
}

impl Deciding<'_> {
    /// True if a profile of these events is about to absorb others.
    pub(super) fn is_merging(&self, pass: &Pass<'_>, set: &ProfileSet) -> bool {
        pass.sources.iter().any(|(_, _, sources)| !sources.is_empty())
            || pass.owners.iter().any(|(_, owner)| self.is_to_absorb(set, *owner, |_| true))
    }
}

/// The message again, once its event is committed, for an answer that reflects what other shards have handed over since.
/// None: its answer does not depend on that.
pub(crate) fn committed(message: &[u8]) -> Option<Vec<u8>> {
    let received = Message::decode(message).ok()?;
    let Message::Writer(ToWriter::Events(Events { mode: Mode::Personalize { .. }, .. })) = received.message
    else {
        return None;
    };
    let part = received.part.unwrap_or_default();
    if part.committed || received.route.shards <= 1 {
        return None;
    }
    let part = Part { committed: true, ..part };
    // Of two extras with one tag the later counts.
    Some(Route::ONLY.address(message.to_vec(), Some(&part)))
}

impl OfAudience {
    /// True if one profile of this shard lists all keys of each event.
    pub(super) fn are_known(&self, set: &ProfileSet) -> bool {
        let is_known = |one: &OneEvent| {
            let mut listers =
                one.keys.usable.iter().zip(&one.read).map(|(key, read)| set.listing(key, *read));
            match listers.next() {
                Some(Some(first)) => listers.all(|other| other == Some(first)),
                Some(None) => false,
                None => true,
            }
        };
        self.events.iter().all(is_known)
    }
}
