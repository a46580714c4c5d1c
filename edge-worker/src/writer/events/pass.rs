//! One pass over the events of an audience: keys → stitch → ingest → personalize.

use usher_engine::profile::Profile;
use usher_engine::{Access, Answer, Asked, Ingested, Plan, Query};

use super::super::mint;
use super::super::set::{ProfileIndex, ProfileSet};
use super::batch::{Batch, ERASED, LeftOut, OfAudience, OneEvent};
use crate::log::Line;
use crate::message::{Mode, Receipt};

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
    pub(super) log: Vec<Line>,
}

/// Processes the events of the current part that are not left out, in order.
pub(super) fn run<'p>(
    plan: &'p Plan,
    batch: &Batch,
    of_audience: &OfAudience,
    left_out: &[LeftOut],
    new_profiles_max: Option<usize>,
    set: &mut ProfileSet,
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
        let mut nobody = Profile::unknown();
        let profile = if why_out.is_some() {
            &mut nobody
        } else if one.keys.usable.is_empty() {
            receipt.note("no_usable_key");
            &mut nobody
        } else if !may_make(set) && set.makes_profile(plan, &one.keys, &one.read) {
            receipt.note("profile_not_made");
            pass.log.push(Line::of("profile_not_made"));
            &mut nobody
        } else if let Some(first) = one.keys.usable.first() {
            let fresh = mint::profile(ambient, one.place, &of_audience.id, first);
            let owner = set.stitch(plan, &one.keys, &one.read, fresh, now_ms);
            pass.owners.push((index, owner));
            // Stitching has just put it there.
            set.get_mut(owner).unwrap_or(&mut nobody)
        } else {
            &mut nobody
        };
        let ingested = plan.ingest(profile, &one.event, now_ms);
        note_ingested(&ingested, &mut receipt, &mut pass.log);
        match &batch.message.mode {
            Mode::Personalize { named, server_route, sensitive_scope } => {
                let named = named.as_deref().map(|names| indexes(plan, names));
                let query = Query {
                    event: Some(&one.event),
                    asked: named.as_deref().map_or(Asked::Triggered, Asked::Named),
                    inputs: &[],
                    edge: &batch.message.edge,
                    access: Access { server_route: *server_route, sensitive_scope: *sensitive_scope },
                    blind: false,
                };
                pass.answer = Some(plan.personalize(profile, &query, now_ms));
            }
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
