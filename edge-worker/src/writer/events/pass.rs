//! One pass over the events of an audience: keys → stitch → ingest → personalize.

use usher_engine::profile::{Key, Profile};
use usher_engine::{Access, Answer, Asked, Event, Ingested, Plan, Query};

use super::super::across::Moved;
use super::super::decide::{Deciding, Decision, Source, Stitching};
use super::super::mint;
use super::super::set::{ProfileIndex, ProfileSet};
use super::batch::{Batch, ERASED, LeftOut, OfAudience, OneEvent, UNAVAILABLE, UNREADABLE, place_of};
use crate::log::Line;
use crate::message::{Mode, Receipt};
use crate::plane::DECIDES;

/// The result of a pass.
#[derive(Default)]
pub(super) struct Pass<'p> {
    /// One for each event.
    pub(super) receipts: Vec<Receipt>,
    /// The profile of each event, by the event's index; events without a profile are absent.
    pub(super) owners: Vec<(usize, ProfileIndex)>,
    /// The answer for a personalized event, or for the visitor of the last event.
    pub(super) answer: Option<Answer<'p>>,
    /// That visitor, by the event's index.
    pub(super) asker: Option<(usize, ProfileIndex)>,
    /// That visitor's event, by its place, if another shard has it.
    pub(super) asker_there: Option<usize>,
    pub(super) log: Vec<Line>,
    /// Profiles elsewhere that the profile of an event is to absorb, with the event's index.
    pub(super) sources: Vec<(usize, ProfileIndex, Vec<Source>)>,
    /// The keys by which events were stitched in a shard of several, each with its profile.
    pub(super) taken: Vec<(ProfileIndex, Key)>,
    /// Keys that profiles get from others elsewhere.
    pub(super) moved: Vec<(ProfileIndex, Vec<Moved>)>,
    /// Events of other shards, by the shard and their indexes.
    pub(super) there: Vec<(u32, usize)>,
    /// Events whose profiles are out of reach.
    pub(super) out_of_reach: Vec<LeftOut>,
}

impl Pass<'_> {
    /// True if an event before opens a merge of this profile with one that had its primary key.
    fn takes_person(&self, set: &ProfileSet, profile: ProfileIndex) -> bool {
        let is = |(_, owner, sources): &(usize, ProfileIndex, Vec<Source>)| {
            set.current(*owner) == profile && sources.iter().any(|source| source.gives_person)
        };
        self.sources.iter().any(is)
    }
}

/// Processes the events of the current part that are not left out, in order.
pub(super) fn run<'p>(
    plan: &'p Plan,
    batch: &Batch,
    of_audience: &OfAudience,
    left_out: &[LeftOut],
    new_profiles_max: Option<usize>,
    set: &mut ProfileSet,
    mut deciding: Option<&mut Deciding<'_>>,
) -> Pass<'p> {
    let ambient = &batch.message.ambient;
    let now_ms = ambient.now_ms;
    let may_make = |set: &ProfileSet| new_profiles_max.is_none_or(|most| set.new_profiles() < most);
    let is_left_out = |index: usize| left_out.iter().any(|(known, _)| *known == index);
    // The last part has the last event.
    let is_of_part = |one: &OneEvent| batch.parts.has(one.place);
    let mut backwards = of_audience.events.iter().enumerate().rev();
    let last = backwards.find(|(index, one)| !is_left_out(*index) && is_of_part(one));
    let last = last.map(|(index, _)| index).filter(|_| batch.parts.is_last());
    let mut pass = Pass::default();
    let refused = batch.message.identity.note();
    if refused.is_some() {
        pass.log.push(Line::with_detail("identity_refused", batch.message.identity.refused));
    }
    for (index, one) in of_audience.events.iter().enumerate() {
        if !is_of_part(one) {
            pass.receipts.push(Receipt::default());
            continue;
        }
        let mut receipt = receipt_of(one);
        if let Some(note) = refused {
            receipt.note(note);
        }
        let why_out = left_out.iter().find(|(known, _)| *known == index).map(|(_, why)| *why);
        let is_answered = matches!(batch.message.mode, Mode::Personalize { .. }) && why_out == Some(ERASED);
        if why_out.is_some() && !is_answered {
            pass.receipts.push(receipt);
            continue;
        }
        if !one.keys.refused.is_empty() {
            receipt.note("key_refused");
        }
        log_refusals(one, &mut pass.log);
        if DECIDES && batch.is_committed() {
            match answer_again(plan, batch, one, set, now_ms) {
                Some((owner, answer)) => {
                    pass.owners.push((index, owner));
                    pass.answer = Some(answer);
                }
                None => pass.out_of_reach.push((index, UNAVAILABLE)),
            }
            pass.receipts.push(receipt);
            continue;
        }
        let fresh = |first: &Key| {
            mint::profile(ambient, place_of(batch.across.as_ref(), one.place), &of_audience.id, first)
        };
        let mut stitching = None;
        if DECIDES
            && why_out.is_none()
            && let (Some(deciding), Some(first)) = (deciding.as_mut(), one.keys.usable.first())
        {
            if batch.handed(one.place).is_some() {
                if last == Some(index) {
                    pass.asker_there = Some(one.place);
                }
                pass.receipts.push(receipt);
                continue;
            }
            let read = |index: &usize| of_audience.events.get(*index).map(|one| &one.read);
            let shares = |(before, _): &(usize, ProfileIndex)| {
                read(before).is_some_and(|read| read.iter().any(|key| one.read.contains(key)))
            };
            let is_after = pass.owners.iter().any(shares);
            let here = deciding.across.route.shard;
            let decision = match deciding.goes_with(&one.read) {
                Some(shard) => Decision::There(shard),
                None => match deciding.decide(set, &one.keys, &one.read, fresh(first)) {
                    // It waits for a merge that an event before opens.
                    Decision::Here(_)
                        if deciding
                            .known_by_person(set, &one.keys, &one.read)
                            .is_some_and(|profile| pass.takes_person(set, profile)) =>
                    {
                        Decision::There(here)
                    }
                    decision => decision,
                },
            };
            let failure = match decision {
                Decision::Here(mut found) => {
                    for (owner, key, read_as) in found.adopted.drain(..) {
                        set.adopt(owner, key, read_as);
                    }
                    stitching = Some(found);
                    None
                }
                Decision::There(shard) => {
                    if is_after {
                        // What came before is committed first, so that events keep their order.
                        pass.there.extend(pass.owners.iter().map(|(before, _)| (here, *before)));
                        deciding.wait_for(&one.read, None);
                    } else {
                        pass.there.push((shard, index));
                        deciding.wait_for(&one.read, Some(shard));
                    }
                    Some(None)
                }
                Decision::Later => Some(None),
                Decision::Unavailable => Some(Some(UNAVAILABLE)),
                Decision::Unreadable => Some(Some(UNREADABLE)),
            };
            if let Some(failure) = failure {
                pass.out_of_reach.extend(failure.map(|failure| (index, failure)));
                pass.receipts.push(receipt);
                continue;
            }
        }
        let (keys, read) = match &stitching {
            Some(Stitching { keys, read, .. }) => (keys, read),
            None => (&one.keys, &one.read),
        };
        let mut nobody = Profile::unknown();
        let profile = if why_out.is_some() {
            &mut nobody
        } else if one.keys.usable.is_empty() {
            receipt.note("no_usable_key");
            &mut nobody
        } else if !may_make(set) && set.makes_profile(plan, keys, read) {
            receipt.note("profile_not_made");
            pass.log.push(Line::of("profile_not_made"));
            &mut nobody
        } else if let Some(first) = one.keys.usable.first() {
            let owner = set.stitch(plan, keys, read, fresh(first), now_ms);
            pass.owners.push((index, owner));
            if let Some(found) = stitching {
                set.note_moves(owner, &found.moved, now_ms);
                pass.sources.push((index, owner, found.sources));
                pass.moved.push((owner, found.moved));
                pass.taken.extend(found.keys.usable.into_iter().map(|key| (owner, key)));
            }
            // Stitching has just put it there.
            set.get_mut(owner).unwrap_or(&mut nobody)
        } else {
            &mut nobody
        };
        let ingested = plan.ingest(profile, &one.event, now_ms);
        note_ingested(&ingested, &mut receipt, &mut pass.log);
        match &batch.message.mode {
            Mode::Personalize { .. } => pass.answer = personalize(plan, batch, profile, &one.event, now_ms),
            // A lookup of the last event's visitor, with all events folded that came before; its columns are the inputs.
            Mode::Mixed(Some(asking)) if last == Some(index) => {
                let named = indexes(plan, &asking.named);
                let query = Query {
                    event: None,
                    asked: Asked::Named(&named),
                    inputs: &one.event.columns,
                    edge: &batch.message.edge,
                    access: Access::default(),
                    blind: false,
                };
                pass.answer = Some(plan.personalize(profile, &query, now_ms));
                pass.asker = pass.owners.last().filter(|(owned, _)| *owned == index).copied();
            }
            Mode::Ingest | Mode::Mixed(_) => {}
        }
        pass.receipts.push(receipt);
    }
    pass
}

/// The receipt of an event, as far as its columns determine it.
fn receipt_of(one: &OneEvent) -> Receipt {
    let mut receipt = Receipt::default();
    one.event.notes.iter().for_each(|note| receipt.note(note.as_str()));
    if one.repairs.text {
        receipt.note("text_repaired");
    }
    if one.repairs.number {
        receipt.note("value_refused");
    }
    receipt
}

fn log_refusals(one: &OneEvent, log: &mut Vec<Line>) {
    if one.repairs.number {
        log.push(Line::with_detail("value_refused", "A number is beyond what a 64-bit float holds."));
    }
    log.extend(one.keys.refused.iter().map(|refused| Line::with_detail("key_refused", refused.reason)));
}

fn note_ingested(ingested: &Ingested, receipt: &mut Receipt, log: &mut Vec<Line>) {
    if ingested.duplicate {
        receipt.note("duplicate");
    }
    if ingested.forgot {
        log.push(Line::of("event_ids_forgotten"));
    }
    for refused in &ingested.refused {
        receipt.note("value_refused");
        log.push(Line::with_detail("value_refused", format!("{}: {}", refused.attribute, refused.reason)));
    }
    if !ingested.too_long.is_empty() {
        receipt.note("text_too_long");
        log.push(Line::of("text_too_long"));
    }
}

/// The personalizations of these names that the plan has.
fn indexes(plan: &Plan, names: &[String]) -> Vec<usize> {
    names.iter().filter_map(|name| plan.personalization(name)).collect()
}

/// The answer to an event that is committed, from the profile that has one of its keys by now.
fn answer_again<'p>(
    plan: &'p Plan,
    batch: &Batch,
    one: &OneEvent,
    set: &ProfileSet,
    now_ms: i64,
) -> Option<(ProfileIndex, Answer<'p>)> {
    let keys = one.keys.usable.iter().zip(&one.read);
    let owner = keys.filter_map(|(key, read_as)| set.listing(key, *read_as)).next()?;
    let answer = personalize(plan, batch, set.get(owner)?, &one.event, now_ms)?;
    Some((owner, answer))
}

fn personalize<'p>(
    plan: &'p Plan,
    batch: &Batch,
    profile: &Profile,
    event: &Event,
    now_ms: i64,
) -> Option<Answer<'p>> {
    let Mode::Personalize { named, server_route, sensitive_scope } = &batch.message.mode else { return None };
    let access = Access { server_route: *server_route, sensitive_scope: *sensitive_scope };
    let named = named.as_deref().map(|names| indexes(plan, names));
    let asked = named.as_deref().map_or(Asked::Triggered, Asked::Named);
    let edge = &batch.message.edge;
    let query = Query { event: Some(event), asked, inputs: &[], edge, access, blind: false };
    Some(plan.personalize(profile, &query, now_ms))
}
