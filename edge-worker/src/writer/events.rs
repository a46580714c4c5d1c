//! Events into profiles, and offers or receipts out: keys → stitch → ingest → personalize.

use usher_engine::profile::Profile;
use usher_engine::profile::codec::Unreadable;
use usher_engine::{Access, Answer, Asked, Event, Evidence, Keys, Plan, Query, Why, order_clamped};

use super::set::{KeysRead, Mint, ProfileIndex, ProfileSet, unreadable};
use super::{Opened, Work};
use crate::answer;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::keys::SeenToken;
use crate::limits::FOLDS_MAX;
use crate::log::Line;
use crate::message::{Events, Mode, Receipt};
use crate::outcome::{Folded, Outcome};
use crate::store::{FoundProfile, Write};
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The events of a message, resolved for each audience that declares their table.
#[derive(Debug)]
pub(crate) struct Batch {
    message: Events,
    /// For each element that was sent, whether it is an event at all.
    valid: Vec<bool>,
    /// How many keys are read.
    keys: usize,
    audiences: Vec<OfAudience>,
}

#[derive(Debug)]
struct OfAudience {
    id: String,
    /// As many as are valid.
    events: Vec<OneEvent>,
}

#[derive(Debug)]
struct OneEvent {
    event: Event,
    repairs: read::Repairs,
    keys: Keys,
    /// Where the usable ones stand among those that are read.
    read: Vec<usize>,
}

pub(super) fn open(edge: &Edge, message: Events) -> Result<Opened, Response> {
    let refuse = |refusal| Response::refused(refusal).with_cors(Some(&message.origin));
    let rows = match message.mode {
        Mode::Ingest => read::batch(&message.body),
        Mode::Personalize { .. } => {
            read::event(&message.body).map(|row| read::Batch { events: vec![Some(row)], sent: None })
        }
    };
    // The front has read the same bytes.
    let read::Batch { events: rows, sent } = rows.map_err(|_| refuse(Refusal::EVENT_INVALID))?;
    let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
    let now_ms = message.ambient.now_ms;
    let sent_ms = sent.as_ref().and_then(usher_engine::time::instant_ms);
    let mut audiences = Vec::new();
    let mut keys_read = KeysRead::new(&message.ambient);
    for (id, _) in &message.audiences {
        // An audience that this writer does not run yet is found out when the message is folded.
        let Some(running) = edge.running(id) else { continue };
        let Some(table) = running.plan.table(&message.database, &message.table) else { continue };
        // One event of one id is the same event for every audience.
        let mut mint = Mint::new(message.ambient);
        let mut events: Vec<Event> = rows
            .iter()
            .flatten()
            .map(|row| {
                let id = mint.uuid().to_string();
                Event::resolve_sent(table, row.columns.clone(), now_ms, id, sent_ms)
            })
            .collect();
        order_clamped(events.iter_mut());
        let with_keys = |(event, row): (Event, &read::Row)| {
            let keys = running.plan.keys(&event, &Evidence { server: message.server, keys: &[] });
            let read = keys.usable.iter().map(|key| keys_read.index(id, key)).collect();
            OneEvent { event, repairs: row.repairs, keys, read }
        };
        let events = events.into_iter().zip(rows.iter().flatten()).map(with_keys).collect();
        audiences.push(OfAudience { id: id.clone(), events });
    }
    let keys = keys_read.len();
    Ok(Opened { read: keys_read.read(), work: Work::Events(Batch { message, valid, keys, audiences }) })
}

pub(super) fn fold(edge: &Edge, batch: &Batch, found: &[FoundProfile]) -> Folded {
    let message = &batch.message;
    let now_ms = message.ambient.now_ms;
    let mut mint = Mint::new(message.ambient);
    // Beyond the ids that nameless events took.
    (0..batch.valid.len()).for_each(|_| {
        mint.uuid();
    });
    let mut receipts: Vec<Receipt> =
        vec![Receipt::default(); batch.valid.iter().filter(|valid| **valid).count()];
    let mut answer = Answer::default();
    let mut seen: Vec<SeenToken> = Vec::new();
    let mut write = Write::default();
    let mut log = Vec::new();
    for (id, number) in &message.audiences {
        let running = match edge.running(id) {
            Some(running) if running.number >= *number => running,
            _ => return Folded::NeedsNewerBundle,
        };
        let Some(of_audience) = batch.audiences.iter().find(|audience| audience.id == *id) else {
            return Folded::NeedsNewerBundle;
        };
        // A batch is atomic per profile: events of one that cannot be read or would be too large are left out, and
        // the others folded again from what was found.
        let mut left_out: Vec<(usize, &'static str)> = Vec::new();
        let mut damage_told = false;
        let mut rounds = 0;
        loop {
            let loaded = ProfileSet::load(id, running.number, batch.keys, found);
            let Some(mut set) = loaded else { return Folded::NeedsNewerBundle };
            if !damage_told {
                log.extend(set.reasons.iter().map(|why| unreadable(*why)));
                for (index, event) in of_audience.events.iter().enumerate() {
                    left_out.extend(set.unreadable(&event.read).map(|why| match why {
                        Unreadable::Damaged(_) => (index, UNREADABLE),
                        Unreadable::TooNew => (index, UNAVAILABLE),
                    }));
                }
                damage_told = true;
            }
            let round = fold_once(&running.plan, message, of_audience, &left_out, &mut set, &mut mint);
            let mut written = Write::default();
            if let Err(too_large) = set.commit(&running.plan, now_ms, &mut written) {
                let is_full = |own: &ProfileIndex| too_large.contains(&set.now(*own));
                let full = round.owners.iter().filter(|(_, own)| is_full(own));
                let before = left_out.len();
                left_out.extend(full.map(|(index, _)| (*index, TOO_LARGE)));
                rounds += 1;
                // Each of many events may take a full profile over once those before it are left out.
                if rounds > 1 {
                    of_audience.leave_out_with(&mut left_out, batch.keys);
                }
                if left_out.len() > before && rounds < FOLDS_MAX {
                    continue;
                }
                // A profile that was too large before, or too many in a row.
                log.push(Line::of("profile_too_large"));
                let response = batch.refused(TOO_LARGE, Refusal::TOO_LARGE);
                return Outcome { write: Write::default(), response, log }.done();
            }
            write.append(written);
            log.extend((0..set.crowded_out).map(|_| Line::of("profile_made_room")));
            log.extend((0..set.forgetful).map(|_| Line::of("event_ids_forgotten")));
            for (receipt, of_round) in receipts.iter_mut().zip(round.receipts) {
                of_round.notes.into_iter().for_each(|note| receipt.note(note));
            }
            for (index, failure) in &left_out {
                if *failure == TOO_LARGE {
                    log.push(Line::of("profile_too_large"));
                }
                if let Some(receipt) = receipts.get_mut(*index) {
                    receipt.failure = Some(failure);
                }
            }
            log.extend(round.log);
            if let Some(of_round) = round.answer {
                answer = of_round;
            }
            seen.extend(set.seen_tokens(&round.owners));
            break;
        }
    }
    // Nothing was stored, and there is nothing else to tell.
    let is_unreadable = |receipt: &&Receipt| matches!(receipt.failure, Some(UNREADABLE | UNAVAILABLE));
    let unreadable = receipts.iter().filter(is_unreadable).count();
    if unreadable > 0 && unreadable == batch.valid.len() && write.is_empty() {
        return Outcome { write, response: batch.unavailable(), log }.done();
    }
    if let (Mode::Personalize { .. }, [Receipt { failure: Some(_), .. }]) =
        (&message.mode, receipts.as_slice())
    {
        let response = batch.refused(TOO_LARGE, Refusal::TOO_LARGE);
        return Outcome { write: Write::default(), response, log }.done();
    }
    let response = match message.mode {
        Mode::Ingest => Response::json(200, batch.receipts(&receipts)),
        Mode::Personalize { .. } => {
            for skipped in &answer.skipped {
                let event = match skipped.why {
                    Why::MissingInput(_) => "personalization_skipped",
                    Why::SectionTaken(_) => "section_name_taken",
                };
                log.push(Line::with_detail(event, skipped.personalization));
            }
            Response::json(200, answer::answer(&answer, None))
        }
    };
    let mut response = response.with_cors(Some(&message.origin));
    // A batch of several visitors has no one to look up.
    if let ([token], Some(keyring)) = (seen.as_slice(), edge.keyring()) {
        response = response.header("usher-seen", token.sign(&keyring.signer));
    }
    Outcome { write, response, log }.done()
}

impl OfAudience {
    /// Leaves out every event that has a key in common with one that is left out, or with one of these, and so on.
    fn leave_out_with(&self, left_out: &mut Vec<(usize, &'static str)>, keys: usize) {
        let mut out = vec![false; self.events.len()];
        for (index, _) in left_out.iter() {
            out[*index] = true;
        }
        let mut named = vec![false; keys];
        loop {
            for (event, _) in self.events.iter().zip(&out).filter(|(_, out)| **out) {
                for key in &event.read {
                    named[*key] = true;
                }
            }
            let before = left_out.len();
            for (index, (event, out)) in self.events.iter().zip(&mut out).enumerate() {
                if !*out && event.read.iter().any(|key| named[*key]) {
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

// Why an event is not taken, in receipts: its profile would be too large, or what storage has of it cannot be read.
const TOO_LARGE: &str = "ProfileTooLarge";
const UNREADABLE: &str = "ProfileUnreadable";
/// A newer build wrote its profile: the caller may ask again when every writer runs it.
const UNAVAILABLE: &str = "StorageUnavailable";

/// What one pass over the events of an audience came to.
struct Round<'p> {
    /// As many as there are events.
    receipts: Vec<Receipt>,
    /// Whose each event is, by its index; events of nobody are not among them.
    owners: Vec<(usize, ProfileIndex)>,
    /// For one event that is personalized.
    answer: Option<Answer<'p>>,
    log: Vec<Line>,
}

fn fold_once<'p>(
    plan: &'p Plan,
    message: &Events,
    of_audience: &OfAudience,
    left_out: &[(usize, &str)],
    set: &mut ProfileSet,
    mint: &mut Mint,
) -> Round<'p> {
    let now_ms = message.ambient.now_ms;
    let mut round = Round { receipts: Vec::new(), owners: Vec::new(), answer: None, log: Vec::new() };
    for (index, OneEvent { event, repairs, keys, read }) in of_audience.events.iter().enumerate() {
        let mut receipt = Receipt::default();
        event.notes.iter().for_each(|note| receipt.note(note.as_str()));
        if repairs.text {
            receipt.note("text_repaired");
        }
        if repairs.number {
            receipt.note("value_refused");
        }
        if left_out.iter().any(|(known, _)| *known == index) {
            round.receipts.push(receipt);
            continue;
        }
        if repairs.number {
            round
                .log
                .push(Line::with_detail("value_refused", "A number is beyond what a 64-bit float holds."));
        }
        for refused in &keys.refused {
            receipt.note("key_refused");
            round.log.push(Line::with_detail("key_refused", refused.reason));
        }
        let mut nobody = Profile::unknown();
        let profile = if keys.usable.is_empty() {
            receipt.note("no_usable_key");
            &mut nobody
        } else {
            let own = set.stitch(plan, keys, read, mint.uuid(), now_ms);
            round.owners.push((index, own));
            // It was put there just now.
            set.get_mut(own).unwrap_or(&mut nobody)
        };
        let ingested = plan.ingest(profile, event, now_ms);
        if ingested.duplicate {
            receipt.note("duplicate");
        }
        if ingested.forgot {
            round.log.push(Line::of("event_ids_forgotten"));
        }
        for refused in &ingested.refused {
            receipt.note("value_refused");
            round.log.push(Line::with_detail("value_refused", refused.reason));
        }
        if !ingested.too_long.is_empty() {
            receipt.note("text_too_long");
            round.log.push(Line::of("text_too_long"));
        }
        if let Mode::Personalize { named, server_route, sensitive_scope } = &message.mode {
            let access = Access { server_route: *server_route, sensitive_scope: *sensitive_scope };
            let answer = personalize(plan, profile, event, &message.edge, named.as_deref(), access, now_ms);
            round.answer = Some(answer);
        }
        round.receipts.push(receipt);
    }
    round
}

fn personalize<'p>(
    plan: &'p Plan,
    profile: &Profile,
    event: &Event,
    edge: &[(String, String)],
    named: Option<&[String]>,
    access: Access,
    now_ms: i64,
) -> Answer<'p> {
    let named: Option<Vec<usize>> =
        named.map(|names| names.iter().filter_map(|name| plan.personalization(name)).collect());
    let asked = named.as_deref().map_or(Asked::Triggered, Asked::Named);
    let query = Query { event: Some(event), asked, inputs: &[], edge, access, blind: false };
    plan.personalize(profile, &query, now_ms)
}

impl Batch {
    /// One receipt per element that was sent, in order.
    fn receipts(&self, taken: &[Receipt]) -> Json {
        let mut taken = taken.iter();
        let refused = Receipt { failure: Some("InvalidPropertyValueError"), notes: Vec::new() };
        let receipts = self.valid.iter().map(|valid| if *valid { taken.next() } else { None });
        let receipts: Vec<&Receipt> = receipts.map(|receipt| receipt.unwrap_or(&refused)).collect();
        answer::receipts(&receipts)
    }

    /// What the caller gets when storage does not answer: nothing was stored.
    pub(super) fn unavailable(&self) -> Response {
        Response::refused(Refusal::STORAGE).with_cors(Some(&self.message.origin))
    }

    /// What the caller gets when a profile cannot take the batch: nothing was stored.
    fn refused(&self, failure: &'static str, refusal: Refusal) -> Response {
        let response = match self.message.mode {
            Mode::Ingest => {
                let receipt = Receipt { failure: Some(failure), notes: Vec::new() };
                Response::json(200, self.receipts(&vec![receipt; self.valid.len()]))
            }
            Mode::Personalize { .. } => Response::refused(refusal),
        };
        response.with_cors(Some(&self.message.origin))
    }
}

#[cfg(test)]
mod tests;
