//! Events into profiles, and offers or receipts out: keys → stitch → ingest → personalize.

use usher_engine::profile::Profile;
use usher_engine::{Access, Answer, Asked, Event, Evidence, Keys, Plan, Query, order_clamped};

use super::set::{KeysRead, Mint, Place, ProfileSet, Unusable};
use super::{Events, Folded, Mode, Opened, Outcome, Work, readable};
use crate::bundle::Edge;
use crate::error::Refusal;
use crate::host::{FoundProfile, Write};
use crate::token::Sighted;
use crate::wire::json::Json;
use crate::wire::{Response, encode, read};

/// The events of a message, resolved for each audience that declares their table.
#[derive(Debug)]
pub(super) struct Batch {
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
    keys: Keys,
    /// Where the usable ones stand among those that are read.
    read: Vec<usize>,
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
        let mut keys_read = KeysRead::for_about(valid.len());
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
            let with_keys = |event: Event| {
                let keys = running.plan.keys(&event, &Evidence { server: message.server, keys: &[] });
                let read = keys.usable.iter().map(|key| keys_read.index(id, key)).collect();
                OneEvent { event, keys, read }
            };
            let events = events.into_iter().map(with_keys).collect();
            audiences.push(OfAudience { id: id.clone(), events });
        }
        let keys = keys_read.len();
        Ok(Opened { read: keys_read.read(), work: Work::Events(Batch { message, valid, keys, audiences }) })
    }

    pub(super) fn fold_events(&self, batch: &Batch, found: &[FoundProfile]) -> Folded {
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
            // A batch is atomic per profile: events of one that would be too large are left out, and the others folded
            // again from what was found.
            let mut left_out: Vec<usize> = Vec::new();
            loop {
                let mut set = match ProfileSet::load(id, running.number, batch.keys, found) {
                    Ok(set) => set,
                    Err(Unusable::Behind) => return Folded::Behind,
                    Err(Unusable::Damaged(what)) => {
                        log.push(line("damaged_profile", &what));
                        return Outcome { write: Write::default(), response: batch.unavailable(), log }
                            .done();
                    }
                };
                let round = fold_once(&running.plan, message, of_audience, &left_out, &mut set, &mut mint);
                let mut written = Write::default();
                if let Err(too_large) = set.commit(&running.plan, now_ms, &mut written) {
                    let is_full = |own: &Place| too_large.contains(&set.now(*own));
                    let full = round.owners.iter().filter(|(_, own)| is_full(own)).map(|(index, _)| *index);
                    let before = left_out.len();
                    left_out.extend(full);
                    if left_out.len() > before {
                        continue;
                    }
                    // A profile that was too large before: none of these events is to blame.
                    log.push(line("profile_too_large", ""));
                    let response = batch.refused("ProfileTooLarge", Refusal::TOO_LARGE);
                    return Outcome { write: Write::default(), response, log }.done();
                }
                write.append(written);
                for (receipt, of_round) in receipts.iter_mut().zip(round.receipts) {
                    of_round.notes.into_iter().for_each(|note| receipt.note(note));
                }
                for index in &left_out {
                    log.push(line("profile_too_large", ""));
                    if let Some(receipt) = receipts.get_mut(*index) {
                        receipt.failure = Some("ProfileTooLarge");
                    }
                }
                log.extend(round.log);
                if let Some(of_round) = round.answer {
                    answer = of_round;
                }
                let mut seen: Vec<Sighted> = Vec::new();
                for (_, own) in &round.owners {
                    let Some(profile) = set.get(*own) else { continue };
                    let sight = Sighted { profile: profile.id, version: profile.version };
                    if !seen.contains(&sight) {
                        seen.push(sight);
                    }
                }
                sighted.extend(seen);
                break;
            }
        }
        if let (Mode::Personalize { .. }, [Receipt { failure: Some(_), .. }]) =
            (&message.mode, receipts.as_slice())
        {
            let response = batch.refused("ProfileTooLarge", Refusal::TOO_LARGE);
            return Outcome { write: Write::default(), response, log }.done();
        }
        let response = match message.mode {
            Mode::Ingest => Response::json(200, batch.receipts(&receipts)),
            Mode::Personalize { .. } => {
                for skipped in &answer.skipped {
                    log.push(line("personalization_skipped", skipped.personalization));
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

/// What one pass over the events of an audience came to.
struct Round<'p> {
    /// As many as there are events.
    receipts: Vec<Receipt>,
    /// Whose each event is, by its index; events of nobody are not among them.
    owners: Vec<(usize, Place)>,
    /// For one event that is personalized.
    answer: Option<Answer<'p>>,
    log: Vec<String>,
}

fn fold_once<'p>(
    plan: &'p Plan,
    message: &Events,
    of_audience: &OfAudience,
    left_out: &[usize],
    set: &mut ProfileSet,
    mint: &mut Mint,
) -> Round<'p> {
    let now_ms = message.moment.now_ms;
    let mut round = Round { receipts: Vec::new(), owners: Vec::new(), answer: None, log: Vec::new() };
    for (index, OneEvent { event, keys, read }) in of_audience.events.iter().enumerate() {
        let mut receipt = Receipt::default();
        event.notes.iter().for_each(|note| receipt.note(note.as_str()));
        if left_out.contains(&index) {
            round.receipts.push(receipt);
            continue;
        }
        for refused in &keys.refused {
            receipt.note("key_refused");
            round.log.push(line("key_refused", refused.reason));
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
            round.log.push(line("event_ids_forgotten", ""));
        }
        for refused in &ingested.refused {
            receipt.note("value_refused");
            round.log.push(line("value_refused", refused.reason));
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

#[cfg(test)]
mod tests {
    use usher_engine::definition::{
        Attribute, AttributeKind, Audience, Definition, EventTable, Identity, Keep, KeyEvent, StitchKey,
    };

    use super::*;
    use crate::bundle::{bundle_of, hash_of};
    use crate::host::{Found, Moment, Pointer};

    /// An edge whose one audience keeps lists that can grow beyond what a profile may be.
    fn edge_of_lists() -> Edge {
        let list = |index: usize| Attribute {
            name: format!("list{index}"),
            kind: AttributeKind::List {
                key_event: "view".to_owned(),
                filter: None,
                column: Some(format!("c{index}")),
                keep: Keep::Newest,
                items_max: 100,
                duration_ms: 86_400_000,
                parts: Vec::new(),
                actions: Vec::new(),
            },
            sensitive: false,
            description: None,
        };
        let table = EventTable { database: "web".to_owned(), table: "views".to_owned() };
        let definition = Definition {
            audience: Audience { id: "7".to_owned(), name: None },
            key_events: vec![KeyEvent { name: "view".to_owned(), table, filter: None, description: None }],
            attributes: (0..6).map(list).collect(),
            identity: Identity {
                keys: vec![StitchKey { name: "visitor".to_owned(), ..StitchKey::default() }],
                ..Identity::default()
            },
            ..Definition::default()
        };
        let body = bundle_of(&definition).unwrap();
        let mut edge = Edge::new(None, false);
        edge.install(&Pointer { audience: "7".to_owned(), number: 1, hash: hash_of(&body) }, body).unwrap();
        edge
    }

    #[test]
    fn a_profile_that_is_full_keeps_no_other_from_its_events() {
        let edge = edge_of_lists();
        let event = |visitor: &str, index: usize| {
            let columns: Vec<String> =
                (0..6).map(|column| format!("\"c{column}\":\"{index:0>490}\"")).collect();
            format!("{{\"visitor\":\"{visitor}\",{}}}", columns.join(","))
        };
        let mut events: Vec<String> = (0..100).map(|index| event("greedy", index)).collect();
        events.insert(50, event("modest", 0));
        let message = Events {
            moment: Moment { now_ms: 1_790_000_000_000, entropy: [5; 32] },
            audiences: vec![("7".to_owned(), 1)],
            database: "web".to_owned(),
            table: "views".to_owned(),
            mode: Mode::Ingest,
            server: false,
            origin: String::new(),
            edge: Vec::new(),
            body: format!("{{\"events\":[{}]}}", events.join(",")).into_bytes(),
        };
        let opened = edge.open_events(message).unwrap();
        let Folded::Done(outcome) = edge.fold(&opened, Found::Profiles(Vec::new())) else { panic!("behind") };
        let body = String::from_utf8(outcome.response.body).unwrap();
        assert_eq!(body.matches("ProfileTooLarge").count(), 100);
        assert_eq!(body.matches("\"success\":true").count(), 1);
        let keys: Vec<_> = outcome.write.profiles.iter().map(|row| row.keys.clone().unwrap()).collect();
        assert_eq!(keys, [[("visitor".to_owned(), "modest".to_owned())]]);
    }
}
