//! One pass over the events of an audience: keys → stitch → ingest → personalize.

use usher_engine::gather::Gather;
use usher_engine::profile::{Key, Profile};
use usher_engine::{Access, Answer, Asked, Event, Evidence, Fired, Ingested, Plan, ProfileId, Query};

use super::super::across::Moved;
use super::super::decide::{Deciding, Decision, Source, Stitching};
use super::super::journeys::send_row;
use super::super::mint;
use super::super::set::{ProfileIndex, ProfileSet};
use super::batch::{Batch, ERASED, LeftOut, OfAudience, OneEvent, UNAVAILABLE, UNREADABLE, place_of};
use crate::log::{Line, SHARD_RESTORED};
use crate::message::{Mode, Receipt};
use crate::plane::{DECIDES, FOLDS_ALL, HAS_JOURNEYS, InControlPlane};
use crate::store::journeys::SendRow;
use crate::store::tables::RowName;

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
    /// The messages that steps of journeys send, each with its profile.
    fired: Vec<(ProfileIndex, Fired)>,
    /// The same as rows.
    pub(super) sends: Vec<SendRow>,
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
    /// Rows of tables that the answer reads, and that were not read yet.
    pub(super) unread: InControlPlane<Vec<RowName>>,
}

impl Pass<'_> {
    /// True if an event before opens a merge of this profile with one that had its primary key.
    fn takes_person(&self, set: &ProfileSet, profile: ProfileIndex) -> bool {
        let is = |(_, owner, sources): &(usize, ProfileIndex, Vec<Source>)| {
            set.current(*owner) == profile && sources.iter().any(|source| source.gives_person)
        };
        self.sources.iter().any(is)
    }

    /// Notes in receipts and log lines what the bounds on profiles took away.
    pub(super) fn note_bounds(&mut self, set: &ProfileSet, log: &mut Vec<Line>) {
        log.extend((0..set.made_room).map(|_| Line::of("profile_made_room")));
        log.extend(set.trimmed.iter().map(|_| Line::of("profile_trimmed")));
        let is_trimmed = |owner: &ProfileIndex| set.trimmed.binary_search(&set.current(*owner)).is_ok();
        for (index, _) in self.owners.iter().filter(|(_, owner)| is_trimmed(owner)) {
            if let Some(receipt) = self.receipts.get_mut(*index) {
                receipt.note("profile_trimmed");
            }
        }
        log.extend((0..set.forgot_event_ids).map(|_| Line::of("event_ids_forgotten")));
        log.extend((0..set.evicted_keys).map(|_| Line::of("key_evicted")));
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
    deciding: Option<&mut Deciding<'_>>,
) -> Pass<'p> {
    let reason_of = |index: usize| left_out.iter().find(|(known, _)| *known == index).map(|(_, why)| *why);
    let is_of_part = |one: &OneEvent| batch.parts.has(one.place);
    // The last part has the last event.
    let mut backwards = of_audience.events.iter().enumerate().rev();
    let last = backwards.find(|(index, one)| reason_of(*index).is_none() && is_of_part(one));
    let last = last.map(|(index, _)| index).filter(|_| batch.parts.is_last());
    let pass = Pass::default();
    let mut running = Running { plan, batch, of_audience, new_profiles_max, last, set, deciding, pass };
    let refused = batch.message.identity.note();
    if refused.is_some() {
        running.pass.log.push(Line::with_detail("identity_refused", batch.message.identity.refused));
    }
    for (index, one) in of_audience.events.iter().enumerate() {
        let mut receipt = Receipt::default();
        if is_of_part(one) {
            receipt = receipt_of(one);
            if let Some(note) = refused {
                receipt.note(note);
            }
            let why_out = if FOLDS_ALL { reason_of(index) } else { None };
            // An event of an erased key is answered as that of an unknown visitor.
            let is_answered =
                matches!(batch.message.mode, Mode::Personalize { .. }) && why_out == Some(ERASED);
            if why_out.is_none() || is_answered {
                running.event(index, one, why_out.is_some(), &mut receipt);
            }
        }
        running.pass.receipts.push(receipt);
    }
    let Running { set, mut pass, .. } = running;
    if !FOLDS_ALL {
        return pass;
    }
    for (owner, fired) in core::mem::take(&mut pass.fired) {
        // It may have absorbed others since, or been absorbed.
        let profile = set.get(owner).map(|profile| profile.id.0);
        let now_ms = batch.message.ambient.now_ms;
        pass.sends.extend(profile.map(|profile| send_row(&of_audience.id, profile, &fired, now_ms)));
    }
    pass
}

/// A pass under way.
struct Running<'a, 'p, 'd> {
    plan: &'p Plan,
    batch: &'a Batch,
    of_audience: &'a OfAudience,
    new_profiles_max: Option<usize>,
    /// The index of the event whose visitor the offers of a mixed body are for.
    last: Option<usize>,
    set: &'a mut ProfileSet,
    /// In a shard of several.
    deciding: Option<&'a mut Deciding<'d>>,
    pass: Pass<'p>,
}

impl Running<'_, '_, '_> {
    /// Folds one event into its profile, or into nobody's if it is of an erased key, and answers it.
    fn event(&mut self, index: usize, one: &OneEvent, is_erased: bool, receipt: &mut Receipt) {
        if !one.keys.refused.is_empty() {
            receipt.note("key_refused");
        }
        log_refusals(one, &mut self.pass.log);
        if DECIDES && self.batch.is_committed() {
            return self.answer_again(index, one);
        }
        let first = one.keys.usable.first();
        let mut stitching = None;
        if DECIDES
            && !is_erased
            && let Some(first) = first
            && let Some(deciding) = self.deciding.take()
        {
            stitching = self.decide(deciding, index, one, first);
            self.deciding = Some(deciding);
            if stitching.is_none() {
                return;
            }
        }
        let owner = if is_erased { None } else { self.owner(index, one, first, stitching, receipt) };
        let now_ms = self.batch.message.ambient.now_ms;
        let mut nobody = Profile::unknown();
        let profile = owner.and_then(|owner| self.set.get_mut(owner)).unwrap_or(&mut nobody);
        let ingested = self.plan.ingest(profile, &one.event, now_ms);
        note_ingested(&ingested, receipt, &mut self.pass.log);
        if HAS_JOURNEYS
            && let Some(owner) = owner
            && !ingested.duplicate
        {
            let edge = &self.batch.message.edge;
            let fired = self.plan.advance(profile, Some(&one.event), edge, now_ms).fired;
            if FOLDS_ALL {
                self.pass.fired.extend(fired.into_iter().map(|fired| (owner, fired)));
            }
        }
        match &self.batch.message.mode {
            Mode::Personalize { .. } => {
                let of = (self.plan, self.batch, self.of_audience.id.as_str());
                self.pass.answer = personalize(of, profile, &one.event, now_ms, &mut self.pass.unread);
            }
            // A lookup of the last event's visitor, with all events folded that came before; its columns are the inputs.
            Mode::Mixed(Some(asking)) if self.last == Some(index) => {
                let named = indexes(self.plan, &asking.named);
                let query = Query {
                    event: None,
                    asked: Asked::Named(&named),
                    inputs: &one.event.columns,
                    edge: &self.batch.message.edge,
                    access: Access::default(),
                    blind: false,
                };
                let of = (self.plan, self.batch, self.of_audience.id.as_str());
                self.pass.answer = Some(answer(of, profile, &query, now_ms, &mut self.pass.unread));
                self.pass.asker = self.pass.owners.last().filter(|(owned, _)| *owned == index).copied();
            }
            Mode::Ingest | Mode::Mixed(_) => {}
        }
    }

    /// The id of the profile that an event with this first key makes.
    fn fresh(&self, one: &OneEvent, first: &Key) -> ProfileId {
        let place = place_of(self.batch.across.as_ref(), one.place);
        mint::profile(&self.batch.message.ambient, place, &self.of_audience.id, first)
    }

    /// The profile of an event, with its keys. None: it has none, which its receipt notes.
    fn owner(
        &mut self,
        index: usize,
        one: &OneEvent,
        first: Option<&Key>,
        stitching: Option<Stitching>,
        receipt: &mut Receipt,
    ) -> Option<ProfileIndex> {
        let Some(first) = first else {
            receipt.note("no_usable_key");
            return None;
        };
        if !FOLDS_ALL {
            let owner = self.set.meet(&one.keys, &one.read)?;
            self.pass.owners.push((index, owner));
            return Some(owner);
        }
        let (keys, read) = match &stitching {
            Some(Stitching { keys, read, .. }) => (keys, read),
            None => (&one.keys, &one.read),
        };
        let may_make = self.new_profiles_max.is_none_or(|most| self.set.new_profiles() < most);
        if !may_make && self.set.makes_profile(self.plan, keys, read) {
            receipt.note("profile_not_made");
            self.pass.log.push(Line::of("profile_not_made"));
            return None;
        }
        let (fresh, now_ms) = (self.fresh(one, first), self.batch.message.ambient.now_ms);
        let owner = self.set.stitch(self.plan, keys, read, fresh, now_ms);
        self.pass.owners.push((index, owner));
        if let Some(found) = stitching {
            self.set.note_moves(owner, &found.moved, now_ms);
            self.pass.sources.push((index, owner, found.sources));
            self.pass.moved.push((owner, found.moved));
            self.pass.taken.extend(found.keys.usable.into_iter().map(|key| (owner, key)));
        }
        Some(owner)
    }

    /// Decides where an event is folded. None: elsewhere, later or not at all, which is noted.
    fn decide(
        &mut self,
        deciding: &mut Deciding<'_>,
        index: usize,
        one: &OneEvent,
        first: &Key,
    ) -> Option<Stitching> {
        if self.batch.handed(one.place).is_some() {
            if self.last == Some(index) {
                self.pass.asker_there = Some(one.place);
            }
            return None;
        }
        let here = deciding.across.route.shard;
        let decision = match deciding.goes_with(&one.read) {
            Some(shard) => Decision::There(shard),
            None => match deciding.decide(self.set, &one.keys, &one.read, self.fresh(one, first)) {
                // It waits for a merge that an event before opens.
                Decision::Here(_)
                    if deciding
                        .known_by_person(self.set, &one.keys, &one.read)
                        .is_some_and(|profile| self.pass.takes_person(self.set, profile)) =>
                {
                    Decision::There(here)
                }
                decision => decision,
            },
        };
        match decision {
            Decision::Here(mut found) => {
                for (owner, key, read_as) in found.adopted.drain(..) {
                    self.set.adopt(owner, key, read_as);
                }
                return Some(found);
            }
            Decision::There(_) if self.follows_another(one) => {
                // Earlier events are committed first, so that events keep their order.
                self.pass.there.extend(self.pass.owners.iter().map(|(before, _)| (here, *before)));
                deciding.wait_for(&one.read, None);
            }
            Decision::There(shard) => {
                self.pass.there.push((shard, index));
                deciding.wait_for(&one.read, Some(shard));
            }
            Decision::Later => {}
            Decision::Lost => {
                self.pass.log.push(Line::of(SHARD_RESTORED));
                self.pass.out_of_reach.push((index, UNAVAILABLE));
            }
            Decision::Unavailable => self.pass.out_of_reach.push((index, UNAVAILABLE)),
            Decision::Unreadable => self.pass.out_of_reach.push((index, UNREADABLE)),
        }
        None
    }

    /// True if an event before, which was folded here, shares a key with this one.
    fn follows_another(&self, one: &OneEvent) -> bool {
        let read = |index: &usize| self.of_audience.events.get(*index).map(|one| &one.read);
        let shares = |(before, _): &(usize, ProfileIndex)| {
            read(before).is_some_and(|read| read.iter().any(|key| one.read.contains(key)))
        };
        self.pass.owners.iter().any(shares)
    }

    /// Answers an event that is committed, from the profile that has one of its keys by now.
    fn answer_again(&mut self, index: usize, one: &OneEvent) {
        let mut keys = one.keys.usable.iter().zip(&one.read);
        let owner = keys.find_map(|(key, read_as)| self.set.listing(key, *read_as));
        let now_ms = self.batch.message.ambient.now_ms;
        let answer = owner.and_then(|owner| self.set.get(owner)).and_then(|profile| {
            let of = (self.plan, self.batch, self.of_audience.id.as_str());
            personalize(of, profile, &one.event, now_ms, &mut self.pass.unread)
        });
        match (owner, answer) {
            (Some(owner), Some(answer)) => {
                self.pass.owners.push((index, owner));
                self.pass.answer = Some(answer);
            }
            _ => self.pass.out_of_reach.push((index, UNAVAILABLE)),
        }
    }
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
    names.iter().filter_map(|name| plan.personalization(name)).gather()
}

/// The plan, the batch and the audience.
type Of<'p, 'b> = (&'p Plan, &'b Batch, &'b str);

fn personalize<'p>(
    (plan, batch, audience): Of<'p, '_>,
    profile: &Profile,
    event: &Event,
    now_ms: i64,
    unread: &mut InControlPlane<Vec<RowName>>,
) -> Option<Answer<'p>> {
    let Mode::Personalize { named, server_route, sensitive_scope } = &batch.message.mode else { return None };
    let access = Access { server_route: *server_route, sensitive_scope: *sensitive_scope };
    let named = named.as_deref().map(|names| indexes(plan, names));
    let asked = named.as_deref().map_or(Asked::Triggered, Asked::Named);
    let edge = &batch.message.edge;
    let query = Query { event: Some(event), asked, inputs: &[], edge, access, blind: false };
    Some(answer((plan, batch, audience), profile, &query, now_ms, unread))
}

/// The answer with the rows of tables that were read.
fn answer<'p>(
    (plan, batch, audience): Of<'p, '_>,
    profile: &Profile,
    query: &Query<'_>,
    now_ms: i64,
    unread: &mut InControlPlane<Vec<RowName>>,
) -> Answer<'p> {
    let Some(known) = batch.rows.get().filter(|_| plan.reads_tables()) else {
        return plan.personalize(profile, query, now_ms);
    };
    let evidence = Evidence { server: batch.message.server, keys: batch.message.identity.of(audience) };
    let of_call = (profile, query, now_ms);
    let (rows, more) = known.of_call(batch.across.as_ref(), (plan, audience), of_call, &evidence);
    *unread = InControlPlane::new(more);
    plan.call(profile, query, now_ms).with(&rows).personalize()
}
