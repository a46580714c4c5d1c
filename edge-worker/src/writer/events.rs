//! Events into profiles, and offers or receipts out: keys → stitch → ingest → personalize.

use usher_engine::profile::Profile;
use usher_engine::{Access, Answer, Asked, Event, Keys, Plan, ProfileId, Query, order_clamped};

use super::set::{Mint, ProfileSet, Unusable};
use super::{Events, Folded, Mode, Opened, Outcome, Work, readable};
use crate::bundle::Edge;
use crate::error::Refusal;
use crate::host::{KeyOf, Read, Write};
use crate::token::Sighted;
use crate::wire::json::Json;
use crate::wire::{Response, encode, read};

/// The events of a message, resolved for each audience that declares their table.
#[derive(Debug)]
pub(super) struct Batch {
    message: Events,
    /// For each element that was sent, whether it is an event at all.
    valid: Vec<bool>,
    audiences: Vec<OfAudience>,
}

#[derive(Debug)]
struct OfAudience {
    id: String,
    /// As many as are valid, each with its keys.
    events: Vec<(Event, Keys)>,
}

/// What became of one event, over all audiences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipt {
    /// Why it was not taken, in the SDKs' words where they have one.
    pub(crate) failure: Option<&'static str>,
    /// Stable names of what a reader may want to know of an event that was taken.
    pub(crate) notes: Vec<&'static str>,
}

impl Receipt {
    fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl Edge {
    pub(super) fn open_events(&self, message: Events) -> Result<Opened, Response> {
        let refuse = |refusal| readable(Response::refused(refusal), &message.origin);
        let rows = match message.mode {
            Mode::Ingest => read::batch(&message.body),
            Mode::Personalize { .. } => read::event(&message.body)
                .map(|columns| read::Batch { events: vec![Some(columns)], sent_ms: None }),
        };
        // The front has read the same bytes.
        let read::Batch { events: rows, sent_ms } = rows.map_err(|_| refuse(Refusal::EVENT_INVALID))?;
        let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
        let now_ms = message.moment.now_ms;
        let mut audiences = Vec::new();
        let mut keys_to_read: Vec<KeyOf> = Vec::new();
        for (id, _) in &message.audiences {
            // An audience that this writer does not run yet is found out when the message is folded.
            let Some(running) = self.audiences.get(id) else { continue };
            let Some(table) = running.plan.table(&message.database, &message.table) else { continue };
            // One event of one id is the same event for every audience.
            let mut mint = Mint::new(message.moment);
            let mut events: Vec<Event> = rows
                .iter()
                .flatten()
                .map(|columns| {
                    Event::resolve_sent(table, columns.clone(), now_ms, mint.uuid().to_string(), sent_ms)
                })
                .collect();
            order_clamped(events.iter_mut());
            let events: Vec<(Event, Keys)> = events
                .into_iter()
                .map(|event| {
                    let keys = running.plan.keys(&event);
                    (event, keys)
                })
                .collect();
            for key in events.iter().flat_map(|(_, keys)| &keys.usable) {
                let key = KeyOf { audience: id.clone(), name: key.name.clone(), value: key.value.clone() };
                // Few events are of many visitors, and all of one visitor share their keys.
                if keys_to_read.last() != Some(&key) && !keys_to_read.contains(&key) {
                    keys_to_read.push(key);
                }
            }
            audiences.push(OfAudience { id: id.clone(), events });
        }
        let read = (!keys_to_read.is_empty()).then_some(Read::Profiles(keys_to_read));
        Ok(Opened { read, work: Work::Events(Batch { message, valid, audiences }) })
    }

    pub(super) fn fold_events(&self, batch: &Batch, found: Vec<(String, Vec<u8>)>) -> Folded {
        let message = &batch.message;
        let now_ms = message.moment.now_ms;
        let mut mint = Mint::new(message.moment);
        // Beyond the ids that nameless events took.
        (0..batch.valid.len()).for_each(|_| {
            mint.uuid();
        });
        let mut receipts: Vec<Receipt> =
            vec![Receipt::default(); batch.valid.iter().filter(|valid| **valid).count()];
        let mut answer = Answer::default();
        let mut sighted: Vec<Sighted> = Vec::new();
        let mut write = Write::default();
        let mut log = Vec::new();
        for (id, number) in &message.audiences {
            let running = match self.audiences.get(id) {
                Some(running) if running.number >= *number => running,
                _ => return Folded::Behind,
            };
            let Some(of_audience) = batch.audiences.iter().find(|audience| audience.id == *id) else {
                return Folded::Behind;
            };
            let mut set = match ProfileSet::load(id, running.number, &found) {
                Ok(set) => set,
                Err(Unusable::Behind) => return Folded::Behind,
                Err(Unusable::Damaged(what)) => {
                    log.push(line("damaged_profile", &what));
                    return Outcome { write: Write::default(), response: batch.unavailable(), log }.done();
                }
            };
            let plan = &running.plan;
            let mut touched: Vec<ProfileId> = Vec::new();
            for ((event, keys), receipt) in of_audience.events.iter().zip(&mut receipts) {
                event.notes.iter().for_each(|note| receipt.note(note.as_str()));
                for refused in &keys.refused {
                    receipt.note("key_refused");
                    log.push(line("key_refused", refused.reason));
                }
                let mut nobody = Profile::unknown();
                let profile = if keys.usable.is_empty() {
                    receipt.note("no_usable_key");
                    &mut nobody
                } else {
                    set.stitch(plan, &keys.usable, mint.uuid(), now_ms)
                };
                let ingested = plan.ingest(profile, event, now_ms);
                if ingested.duplicate {
                    receipt.note("duplicate");
                }
                if ingested.forgot {
                    log.push(line("event_ids_forgotten", ""));
                }
                for refused in &ingested.refused {
                    receipt.note("value_refused");
                    log.push(line("value_refused", refused.reason));
                }
                if let Mode::Personalize { named, server_route, sensitive_scope } = &message.mode {
                    let access = Access { server_route: *server_route, sensitive_scope: *sensitive_scope };
                    answer =
                        personalize(plan, profile, event, &message.edge, named.as_deref(), access, now_ms);
                }
                if !keys.usable.is_empty() && !touched.contains(&profile.id) {
                    touched.push(profile.id);
                }
            }
            if set.commit(now_ms, &mut write).is_err() {
                log.push(line("profile_too_large", ""));
                let response = batch.refused("ProfileTooLarge", Refusal::TOO_LARGE);
                return Outcome { write: Write::default(), response, log }.done();
            }
            sighted.extend(touched.iter().filter_map(|id| {
                let profile = set.get(*id)?;
                Some(Sighted { profile: profile.id, version: profile.version })
            }));
        }
        let response = match message.mode {
            Mode::Ingest => Response::json(200, batch.receipts(&receipts)),
            Mode::Personalize { .. } => {
                for skipped in &answer.skipped {
                    log.push(line("personalization_skipped", &skipped.personalization));
                }
                Response::json(200, encode::answer(&answer, None))
            }
        };
        let mut response = readable(response, &message.origin);
        // A batch of several visitors has no one to look up.
        if let ([sighted], Ok(keyring)) = (sighted.as_slice(), &self.keyring) {
            response = response.header("usher-seen", sighted.sign(&keyring.signer));
        }
        Outcome { write, response, log }.done()
    }
}

fn personalize(
    plan: &Plan,
    profile: &Profile,
    event: &Event,
    edge: &[(String, String)],
    named: Option<&[String]>,
    access: Access,
    now_ms: i64,
) -> Answer {
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
        encode::receipts(&receipts)
    }

    /// What the caller gets when storage does not answer: nothing was stored.
    pub(super) fn unavailable(&self) -> Response {
        readable(Response::refused(Refusal::STORAGE), &self.message.origin)
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
        readable(response, &self.message.origin)
    }
}

/// A line for the log.
pub(super) fn line(event: &str, detail: &str) -> String {
    let mut json = Json::new();
    json.object(|o| {
        o.field("event").text(event);
        if !detail.is_empty() {
            o.field("detail").text(detail);
        }
    });
    json.into_text()
}
