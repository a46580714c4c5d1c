//! Ingests events into profiles, and answers with offers or receipts.

mod apart;
mod batch;
mod counted;
mod folded;
mod pass;
mod receipts;

pub(crate) use apart::committed;
pub(crate) use batch::Batch;
use batch::{
    Answered, BatchResult, ERASED, LeftOut, OfAudience, OneEvent, TABLE_UNKNOWN, TOO_LARGE, UNAVAILABLE,
    UNREADABLE, place_of,
};
use counted::counted;
use folded::{FoldedAudience, Stop};
use receipts::refuse;
use usher_engine::planted::{self, Bug};
use usher_engine::{Evidence, Keys, SentAt, Why, gather::Gather, order_clamped};

use super::across::Across;
use super::decide::Deciding;
use super::mint::MintedIds;
use super::parts::Parts;
use super::rows::KnownRows;
use super::set::{KeysRead, ProfileIndex, ProfileSet, unreadable};
use crate::answer::{self, Meta};
use crate::edge::{Edge, Running};
use crate::error::Refusal;
use crate::limits::FOLDS_MAX;
use crate::log::Line;
use crate::message::{Events, Mode, Receipt};
use crate::outcome::{Folded, Outcome, forget};
use crate::plane::{DECIDES, FOLDS_ALL, HAS_SHARDS};
use crate::store::shards::ShardFound;
use crate::store::{ErasedKey, FoundProfile, Read, Write};
use crate::wire::{Response, read};

pub(super) fn open(
    edge: &Edge,
    mut message: Events,
    across: Option<Across>,
) -> Result<(Option<Read>, Batch), Response> {
    let payer = message.take_payer();
    let rows = match message.mode {
        Mode::Ingest | Mode::Mixed(_) => read::batch(&message.body),
        Mode::Personalize { .. } => read::event(&message.body).map(read::Batch::of_event),
    };
    // The front has parsed the same bytes.
    let rows = rows.map_err(|_| refuse(&message, Refusal::EVENT_INVALID))?;
    let read::Batch { events: rows, sent, mut spans, sent_span, .. } = rows;
    let valid: Vec<bool> = rows.iter().map(Option::is_some).gather();
    let mut is_valid = valid.iter();
    spans.retain(|_| is_valid.next().is_some_and(|valid| *valid));
    let now_ms = message.ambient.now_ms;
    let sent = SentAt::read(sent.as_ref(), now_ms);
    let mut rows: Vec<read::Row> = rows.into_iter().flatten().gather();
    let names = if let Mode::Mixed(_) = message.mode { Some(take_tables(&mut rows)) } else { None };
    let mut audiences = Vec::new();
    let mut keys_read = KeysRead::new(&message.ambient);
    let mut minted = MintedIds::new(message.ambient);
    let mut left = message.audiences.len();
    for (id, _) in &message.audiences {
        left -= 1;
        // If this writer does not run an audience yet, the fold finds out.
        let Some(running) = edge.running(id) else { continue };
        let plan = &running.plan;
        let of_message = plan.table(&message.database, &message.table);
        if names.is_none() && of_message.is_none() {
            continue;
        }
        let mut events: Vec<OneEvent> = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter_mut().enumerate() {
            let table = match &names {
                Some(names) => names.get(place).and_then(|name| plan.table(&name.0, &name.1)),
                None => of_message,
            };
            let Some(table) = table else { continue };
            // Only further audiences need a copy.
            let columns = if left == 0 { core::mem::take(&mut row.columns) } else { row.columns.clone() };
            let event = plan.event(table, columns, now_ms, String::new(), sent);
            let (keys, read) = (Keys::default(), Vec::new());
            events.push(OneEvent { place, event, repairs: row.repairs, keys, read });
        }
        order_clamped(events.iter_mut().map(|one| &mut one.event));
        take_times(&mut events, across.as_ref());
        let evidence = Evidence { server: message.server, keys: message.identity.of(id) };
        for one in &mut events {
            one.keys = plan.keys(&one.event, &evidence);
            one.read.extend(one.keys.usable.iter().map(|key| keys_read.index(id, key)));
            if one.event.minted {
                one.event.id = minted.id(place_of(across.as_ref(), one.place), one.keys.usable.first());
            }
        }
        audiences.push(OfAudience { id: id.clone(), bundle: running.hash.clone(), events });
    }
    let keys = keys_read.len();
    // Until an audience takes it.
    let failure = matches!(message.mode, Mode::Mixed(_)).then_some(TABLE_UNKNOWN);
    let result = BatchResult::new(vec![Receipt { failure, notes: Vec::new() }; rows.len()]);
    let (parts, new_profiles_max) = (Parts::default(), None);
    let (read, sent) = (keys_read.read(edge, across.as_ref()), sent_span);
    let batch = Batch {
        message,
        valid,
        spans,
        sent,
        across,
        keys,
        audiences,
        payer,
        new_profiles_max,
        parts,
        result,
        rows: KnownRows::none(),
    };
    Ok((read, batch))
}

/// In a part of a batch, gives the events their times, which were resolved for the whole batch.
fn take_times(events: &mut [OneEvent], across: Option<&Across>) {
    let Some(part) = across.and_then(|across| across.part.as_ref()) else { return };
    for one in events {
        if let Some((_, time_ms)) = part.places.get(one.place) {
            one.event.time_ms = *time_ms;
        }
    }
}

/// Takes the table out of each event: database and table, empty where it names none.
fn take_tables(rows: &mut [read::Row]) -> Vec<(String, String)> {
    let take = |row: &mut read::Row| {
        let (database, table) = row.table().unwrap_or_default();
        let names = (database.to_owned(), table.to_owned());
        row.columns.retain(|(name, _)| name != "table");
        names
    };
    rows.iter_mut().map(take).gather()
}

/// Folds the events of the current part. `erased`: the keys that were erased; `shard`: the same profiles, with what a shard of
/// several has beside them.
pub(super) fn fold(
    edge: &Edge,
    batch: &mut Batch,
    found: &[FoundProfile],
    erased: &[ErasedKey],
    shard: Option<&ShardFound>,
) -> Folded {
    if DECIDES && let (Mode::Personalize { .. }, Some(answer)) = (&batch.message.mode, batch.answered_there())
    {
        return Outcome::of(answer.map_or_else(|| batch.unavailable(), Response::clone));
    }
    let mut shared = Shared { erased, new_profiles_left: batch.new_profiles_max, log: Vec::new() };
    let mut all_folded = Vec::new();
    let mut is_too_large = false;
    let is_there = |(id, number): &&(String, u64)| !edge.was_taken_out_after(id, *number);
    let mut audiences = batch.message.audiences.iter().filter(is_there).peekable();
    if audiences.peek().is_none() {
        return Outcome::of(batch.unknown());
    }
    for (id, number) in audiences {
        let running = edge.running(id).filter(|running| running.number >= *number);
        let events = batch.audiences.iter().find(|audience| audience.id == *id);
        let (Some(running), Some(events)) = (running, events) else {
            return Folded::NeedsNewerBundle { audience: id.clone(), number: *number };
        };
        if running.hash != events.bundle {
            return Folded::OpenAgain;
        }
        if DECIDES && batch.across.is_some() && !all_folded.is_empty() {
            // The commit of the first has copies for it.
            continue;
        }
        match fold_audience(edge, batch, running, events, (found, shard), &mut shared) {
            Ok(mut audience) => {
                if DECIDES {
                    batch.copy(id, &audience.left_out, &mut audience.write);
                }
                all_folded.push((events, audience));
            }
            Err(Stop::Elsewhere(folded)) => return folded,
            Err(Stop::Rows(unread)) => {
                let Batch { rows, across, message, .. } = batch;
                let of = (message.ambient.now_ms, running.number);
                return match (rows.get_mut(), unread.into_inner()) {
                    (Some(rows), Some(unread)) => rows.read(across.as_ref(), of, unread),
                    _ => Folded::ControlPlane,
                };
            }
            Err(Stop::NeedsNewerBundle(number)) => {
                return Folded::NeedsNewerBundle { audience: id.clone(), number };
            }
            Err(Stop::ProfileTooLarge) => {
                is_too_large = true;
                break;
            }
        }
    }
    let result = &mut batch.result;
    result.log.append(&mut shared.log);
    let (mut write, mut answer) = (Write::default(), Answered::default());
    if is_too_large {
        let of_part = result.receipts.iter_mut().enumerate().filter(|(place, _)| batch.parts.has(*place));
        of_part.for_each(|(_, receipt)| receipt.failure = Some(TOO_LARGE));
    } else {
        batch.new_profiles_max = shared.new_profiles_left;
        for (events, folded) in all_folded {
            result.add(events, folded, &mut write, &mut answer);
        }
    }
    if batch.parts.advance() {
        result.staged |= !write.is_empty();
        result.new_profiles += write.new_profiles();
        return Folded::Part(Box::new(write));
    }
    finish(edge, batch, write, &answer)
}

/// The parts that the audiences of a message share.
struct Shared<'e> {
    /// The keys that were erased.
    erased: &'e [ErasedKey],
    /// The number of profiles that the source may still create, whichever audience they are for; None: unlimited.
    new_profiles_left: Option<usize>,
    /// Lines of the audience that is folded.
    log: Vec<Line>,
}

/// A batch is atomic per profile: events of a profile that is unreadable or would be too large are left out, and the
/// others are folded again from the stored state.
fn fold_audience<'p>(
    edge: &Edge,
    batch: &Batch,
    running: &'p Running,
    events: &OfAudience,
    (found, shard): (&[FoundProfile], Option<&ShardFound>),
    Shared { erased, new_profiles_left, log }: &mut Shared<'_>,
) -> Result<FoldedAudience<'p>, Stop> {
    let (plan, message) = (&running.plan, &batch.message);
    let mut left_out: Vec<LeftOut> = Vec::new();
    for passes in 1..=FOLDS_MAX {
        let loaded = ProfileSet::load(&events.id, running.number, batch.keys, found);
        let mut set = loaded.map_err(Stop::NeedsNewerBundle)?;
        let is_elsewhere = || shard.is_some_and(|found| found.elsewhere);
        if !FOLDS_ALL
            && (!set.reasons.is_empty()
                || !erased.is_empty()
                || is_elsewhere()
                || !events.are_known(&set)
                || (plan.reads_tables() && !matches!(message.mode, Mode::Ingest | Mode::Mixed(None))))
        {
            return Err(Stop::Elsewhere(Folded::ControlPlane));
        }
        if FOLDS_ALL && passes == 1 {
            log.extend(set.reasons.iter().map(|why| unreadable(*why)));
            left_out.extend(events.unreadable(&set, &batch.parts));
            left_out.extend(events.erased(erased, &batch.parts));
        }
        let across = batch.across.as_ref().filter(|_| DECIDES);
        let mut deciding = across.zip(shard).map(|(across, found)| {
            set.seal(&found.sealed);
            let (audience, now_ms) = (&*events.id, message.ambient.now_ms);
            let running = Some(running);
            Deciding { across, running, audience, found, now_ms, open: Default::default() }
        });
        let mut pass =
            pass::run(plan, batch, events, &left_out, *new_profiles_left, &mut set, deciding.as_mut());
        let mut write = Write { sends: core::mem::take(&mut pass.sends), ..Write::default() };
        if DECIDES && let Some(deciding) = &mut deciding {
            left_out.extend(batch.relate(&pass, &set, deciding, &mut write));
            if !deciding.open.is_empty() && !deciding.across.is_last() {
                let open = core::mem::take(&mut deciding.open);
                let asked = open.questions(deciding.across, &events.id, running.number);
                return Err(Stop::Elsewhere(Folded::Ask(asked)));
            }
        }
        if let (Some(rows), Some(unread)) = (batch.rows.get(), pass.unread.get())
            && rows.may_read(batch.across.as_ref(), unread)
        {
            return Err(Stop::Rows(pass.unread));
        }
        if FOLDS_ALL && !erased.is_empty() {
            events.note_anew(&mut set, erased);
        }
        let Err(too_large) = set.commit(running, edge.form(), message.ambient.now_ms, &mut write) else {
            pass.note_bounds(&set, log);
            // Of several visitors' events, the token is that of the one who gets the offers.
            let is_merging = deciding.as_ref().is_some_and(|deciding| deciding.is_merging(&pass, &set));
            let seen = match &pass.asker {
                Some(asker) => set.seen_tokens(core::slice::from_ref(asker)),
                None => set.seen_tokens(&pass.owners),
            };
            let meta = Meta {
                bundle: running.number,
                version: seen.first().filter(|_| pass.asker.is_some()).map_or(0, |seen| seen.version),
                source: "writer",
                age_ms: 0,
                stale: false,
                uncommitted: false,
                merging: is_merging,
                refused: "",
            };
            let name = |(name, value): &(String, String)| {
                Some(edge.keyring()?.signer.snapshot_name(&events.id, name, value))
            };
            let forgotten = set.moved.iter().filter_map(name).gather();
            *new_profiles_left = new_profiles_left.map(|left| left.saturating_sub(write.new_profiles()));
            return Ok(FoldedAudience { pass, left_out, write, seen, meta: Some(meta), forgotten });
        };
        if !FOLDS_ALL {
            return Err(Stop::Elsewhere(Folded::ControlPlane));
        }
        let is_full = |owner: &ProfileIndex| too_large.binary_search(&set.current(*owner)).is_ok();
        let full = pass.owners.iter().filter(|(_, owner)| is_full(owner));
        let before = left_out.len();
        left_out.extend(full.map(|(index, _)| (*index, TOO_LARGE)));
        // Each of many events may overfill a profile once those before it are left out.
        if passes > 1 {
            events.leave_out_with(&mut left_out, batch.keys, &batch.parts);
        }
        if left_out.len() == before {
            break;
        }
    }
    log.push(Line::of("profile_too_large"));
    Err(Stop::ProfileTooLarge)
}

/// The outcome of a batch whose last part has this write.
fn finish(edge: &Edge, batch: &mut Batch, write: Write, answered: &Answered<'_>) -> Folded {
    let mut log = core::mem::take(&mut batch.result.log);
    let BatchResult { receipts, seen, forgotten, staged, .. } = &batch.result;
    let Answered { answer, meta, .. } = answered;
    let is_unreadable = |receipt: &&Receipt| matches!(receipt.failure, Some(UNREADABLE | UNAVAILABLE));
    let unreadable = receipts.iter().filter(is_unreadable).count();
    // Nothing was stored, and there is nothing else to report.
    if unreadable > 0 && unreadable == batch.valid.len() && write.is_empty() && !staged {
        return Outcome { write, response: batch.unavailable_as(&log), log }.done();
    }
    let mut tokens = if DECIDES { batch.tokens_there() } else { Vec::new() };
    if let Some(keyring) = edge.keyring() {
        tokens.extend(seen.iter().map(|token| token.sign(&keyring.signer)));
    }
    let mut offers = String::new();
    if HAS_SHARDS && let Some((fields, token)) = batch.offers(edge, answered) {
        (offers, tokens) = (fields, token.into_iter().gather());
    }
    let response = match (&batch.message.mode, receipts.as_slice()) {
        (Mode::Personalize { .. }, [Receipt { failure: Some(UNREADABLE | UNAVAILABLE), .. }]) => {
            return Outcome { write: Write::default(), response: batch.unavailable_as(&log), log }.done();
        }
        // An event of an erased key is answered as that of an unknown visitor.
        (Mode::Personalize { .. }, [Receipt { failure: Some(failure), .. }]) if *failure != ERASED => {
            let response = refuse(&batch.message, Refusal::TOO_LARGE);
            return Outcome { write: Write::default(), response, log }.done();
        }
        (Mode::Ingest | Mode::Mixed(_), receipts) if HAS_SHARDS && batch.across.is_some() => {
            let Some(response) = batch.joined(receipts, offers) else {
                return Outcome { write: Write::default(), response: batch.unavailable_as(&log), log }.done();
            };
            response
        }
        (Mode::Ingest, receipts) => Response::json(200, answer::receipts(&batch.receipts(receipts))),
        (Mode::Personalize { .. }, _) => {
            log.extend(answer.skipped.iter().map(|skipped| {
                let event = match skipped.why {
                    Why::MissingInput(_) => "personalization_skipped",
                    Why::SectionTaken(_) => "section_name_taken",
                };
                Line::with_detail(event, skipped.personalization)
            }));
            Response::json(200, answer::answer(answer, None))
        }
        (Mode::Mixed(asking), receipts) => {
            let asked = asking.as_ref().zip(meta.as_ref());
            let offers = asked.map(|(asking, meta)| (answer, meta, batch.unknown_names(edge, asking)));
            let body = answer::mixed(&batch.receipts(receipts), &batch.ids(), offers.as_ref());
            Response::json(200, body).of_wire()
        }
    };
    let mut response = response.with_cors(Some(&batch.message.origin));
    let answers = !matches!(batch.message.mode, Mode::Ingest | Mode::Mixed(None));
    response.counts = counted(batch.valid.len(), receipts, answers.then_some(answer));
    // A batch of several visitors has no single profile to look up, and no token promises what is still to come.
    if let ([token], false) = (tokens.as_mut_slice(), answered.is_merging) {
        response = response.header("usher-seen", core::mem::take(token));
    }
    let own = (!forgotten.is_empty() && !planted::is(Bug::KeepsCopies))
        .then(|| forget(batch.message.ambient.now_ms, forgotten));
    let forgotten = if DECIDES { batch.forgotten(own) } else { own };
    if let Some((name, value)) = forgotten {
        response = response.header(name, value);
    }
    super::journeys::with_next(Outcome { write, response, log }, batch.message.ambient.now_ms).done()
}

#[cfg(test)]
mod tests;
