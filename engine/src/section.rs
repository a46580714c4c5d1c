//! Personalize: decides which sections a visitor enters, and so which offers they see.
//!
//! Failure policy: a section that cannot be decided does not enter and says so; it never fails the answer. Today nothing
//! but a missing required input makes one undecidable, because criteria are total.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::call::{Call, fits, handed_in};
use crate::candidates::{self, Block, FEW_BLOCKS};
use crate::definition::{Choice, Input, Personalization, Section};
use crate::event::Event;
use crate::expr::Node;
use crate::expr::eval::{Memo, Truth, evaluate, holds};
use crate::index::Index;
use crate::payload::{self, Offer};
use crate::plan::{PersonalizationPlan, Plan, SectionPlan};
use crate::profile::Profile;
use crate::query::{Asked, Query};
use crate::value::Value;

/// The answer to a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<'p> {
    /// In the order of personalizations and sections.
    pub offers: Vec<Offer<'p>>,
    /// Personalizations and sections that were skipped, and why.
    pub skipped: Vec<Skipped<'p>>,
    /// On a device: the personalizations of which an edge may decide otherwise, or more.
    pub undecided: Vec<&'p str>,
}

/// A personalization or section that is skipped for any visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped<'p> {
    /// The personalization's name.
    pub personalization: &'p str,
    /// The part that is skipped, and why.
    pub why: Why<'p>,
}

/// The reason for skipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why<'p> {
    /// The personalization: this required input is missing.
    MissingInput(&'p str),
    /// The section of this name: another personalization of the call already answers under it.
    SectionTaken(&'p str),
}

/// The outcome of one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its key event, or its filter on it, did not match this call's event.
    OtherEvent,
    /// It needs a profile with a batch record.
    UnknownProfile,
    /// Its criteria were false or unknown.
    Refused(Truth),
    Entered,
}

/// An item found in a walk over the personalizations of a call, in the order of personalizations and sections.
pub(crate) enum Found<'p> {
    /// A personalization, and its required input that is missing.
    Skipped(&'p str, &'p str),
    /// A section that enters, and its personalization.
    Entered(usize, usize),
    /// A personalization, where the walk meets a section that only an edge can decide.
    Undecided(&'p str),
}

/// One call: a profile, a query and a moment. Each value is read once, on first use. Made by [`Plan::call`].
pub struct Prepared<'p, 'a> {
    pub(crate) plan: &'p Plan,
    pub(crate) profile: &'a Profile,
    pub(crate) query: Query<'a>,
    pub(crate) call: Call<'a>,
}

impl fmt::Debug for Prepared<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not derived: a derived `Debug` would format the whole plan.
        f.debug_struct("Prepared").field("asked", &self.query.asked).finish_non_exhaustive()
    }
}

impl<'p> Prepared<'p, '_> {
    /// The answer for the profile at that moment.
    pub fn personalize(&self) -> Answer<'p> {
        self.answer(&mut Memo::new(&self.plan.program))
    }

    /// Adds the indexes of the sections that enter, each with that of its personalization, in order.
    ///
    /// Allocates a fixed number of times per call, not per section, except to grow `entered`.
    pub fn entered(&self, entered: &mut Vec<(usize, usize)>) {
        let memo = &mut Memo::new(&self.plan.program);
        self.plan.walk(self.profile, &self.call, &self.query, memo, &mut |found| {
            if let Found::Entered(personalization, section) = found {
                entered.push((personalization, section));
            }
        });
    }

    pub(crate) fn answer<'c>(&'c self, memo: &mut Memo<'c>) -> Answer<'p> {
        let (plan, call) = (self.plan, &self.call);
        let mut answer = Answer::default();
        // Personalizations that one event triggers share no section names; those that a caller names may.
        let may_share = matches!(self.query.asked, Asked::Named([_, _, ..]));
        let mut names = Index::default();
        let mut calculated = None;
        plan.walk(self.profile, call, &self.query, memo, &mut |found| match found {
            Found::Skipped(personalization, missing_input) => {
                answer.skipped.push(Skipped { personalization, why: Why::MissingInput(missing_input) });
            }
            Found::Undecided(personalization) => {
                if answer.undecided.last() != Some(&personalization) {
                    answer.undecided.push(personalization);
                }
            }
            Found::Entered(index, number) => {
                let definition = plan.definition().personalizations.get(index);
                let section = definition.and_then(|definition| definition.sections.get(number));
                if may_share
                    && let (Some(definition), Some(section)) = (definition, section)
                    && names.number(&section.name, index) != index
                {
                    let why = Why::SectionTaken(&section.name);
                    answer.skipped.push(Skipped { personalization: &definition.name, why });
                    return;
                }
                let access = self.query.access;
                answer.offers.extend(payload::offer(plan, index, number, call, access, &mut calculated));
            }
        });
        answer
    }
}

impl Plan {
    /// Prepares answers about a profile as it is at `now_ms`, Unix milliseconds. Use it for several questions about one
    /// profile at one moment; the other methods prepare each call for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Access, Asked, Plan, Profile, Query, syntax};
    /// # let views = Attribute { name: "tier".into(), kind: AttributeKind::Batch { column: "tier".into(), data_type: None }, sensitive: false, description: None };
    /// # let section = Section { name: "Welcome".into(), key_event: None, event_filter: None, criteria: syntax::parse("tier IS NULL").unwrap(), accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: None, inputs: vec![], sections: vec![section] };
    /// # let definition = Definition { attributes: vec![views], personalizations: vec![home], ..Definition::default() };
    /// let plan = Plan::compile(&definition).unwrap();
    /// let query = Query { event: None, asked: Asked::Named(&[0]), inputs: &[], edge: &[], access: Access::default(), blind: false };
    /// let profile = Profile::unknown();
    /// let call = plan.call(&profile, &query, 1_790_000_000_000);
    /// assert_eq!(call.personalize().offers[0].section, "Welcome");
    /// assert_eq!(call.explain().personalizations[0].sections[0].criteria.text, "tier IS NULL");
    /// let mut entered = Vec::new();
    /// call.entered(&mut entered);
    /// assert_eq!(entered, [(0, 0)]);
    /// ```
    pub fn call<'p: 'a, 'a>(
        &'p self,
        profile: &'a Profile,
        query: &Query<'a>,
        now_ms: i64,
    ) -> Prepared<'p, 'a> {
        Prepared { plan: self, profile, query: *query, call: Call::new(self, profile, query, now_ms) }
    }

    /// [`Prepared::personalize`] of one call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let kind = AttributeKind::Counter { key_event: "view".into(), filter: None, increment: Increment::Constant(1), window_ms: Some(86_400_000), parts: vec![], backfill: None };
    /// # let views = Attribute { name: "views".into(), kind, sensitive: false, description: None };
    /// # let criteria = syntax::parse("views >= 1").unwrap();
    /// # let section = Section { name: "Welcome".into(), key_event: None, event_filter: None, criteria, accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: Some("view".into()), inputs: vec![], sections: vec![section] };
    /// # let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    /// # let identity = Identity { keys, primary_key: Some("visitor".into()), ..Identity::default() };
    /// # let definition = Definition { audience: Audience { id: "7".into(), name: None }, key_events: vec![view], attributes: vec![views], identity, personalizations: vec![home], ..Definition::default() };
    /// # let plan = Plan::compile(&definition).unwrap();
    /// # let now_ms = 1_790_000_000_000;
    /// # let table = plan.table("web", "pages").unwrap();
    /// # let event = Event::resolve(table, vec![("visitor".into(), "anna".into())], now_ms, "id-1".into());
    /// # let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// # plan.ingest(&mut profile, &event, now_ms);
    /// # let query = Query { event: Some(&event), asked: Asked::Triggered, inputs: &[], edge: &[], access: Access::default(), blind: false };
    /// let answer = plan.personalize(&profile, &query, now_ms);
    /// assert_eq!(answer.offers[0].section, "Welcome");
    /// ```
    pub fn personalize(&self, profile: &Profile, query: &Query<'_>, now_ms: i64) -> Answer<'_> {
        self.call(profile, query, now_ms).personalize()
    }

    /// [`Prepared::entered`] of one call.
    pub fn entered(
        &self,
        profile: &Profile,
        query: &Query<'_>,
        now_ms: i64,
        entered: &mut Vec<(usize, usize)>,
    ) {
        self.call(profile, query, now_ms).entered(entered);
    }

    /// The first required input of a personalization that is missing: neither the lookup's event has a column for it,
    /// nor does the caller pass a value of the input's type.
    pub fn missing_input(
        &self,
        personalization: usize,
        event: Option<&Event>,
        inputs: &[(String, Value)],
    ) -> Option<&str> {
        let definition = self.definition().personalizations.get(personalization)?;
        let is_missing = |input: &Input| {
            let column = event.and_then(|event| event.column(&input.name));
            // Every event has a time.
            let time = event.filter(|_| input.name == "time").map(|event| Value::from(event.time_seconds()));
            let value = time.as_ref().or(column).or_else(|| handed_in(inputs, &input.name));
            !value.is_some_and(|value| fits(value, input))
        };
        let missing = definition.inputs.iter().find(|input| input.required && is_missing(input));
        missing.map(|input| input.name.as_str())
    }

    /// The personalizations that a call asks, each with its first missing required input.
    pub(crate) fn asked<'p>(
        &'p self,
        call: &Call<'_>,
        query: &Query<'_>,
    ) -> impl Iterator<Item = (usize, &'p Personalization, &'p PersonalizationPlan, Option<&'p str>)> {
        let every = self.definition().personalizations.iter().zip(&self.personalizations).enumerate();
        every.filter_map(move |(index, (definition, plan))| {
            let asked = match query.asked {
                Asked::Triggered => query.event.is_some_and(|event| plan.tables.contains(&event.table)),
                Asked::Named(named) => named.contains(&index),
            };
            let is_there = |input: &Input| call.input(&input.name).is_some_and(|value| fits(value, input));
            let missing = definition.inputs.iter().find(|input| input.required && !is_there(input));
            asked.then_some((index, definition, plan, missing.map(|input| input.name.as_str())))
        })
    }

    /// Evaluates the candidates of each personalization.
    fn walk<'p, 'c>(
        &'p self,
        profile: &Profile,
        call: &'c Call<'_>,
        query: &Query<'_>,
        memo: &mut Memo<'c>,
        found: &mut dyn FnMut(Found<'p>),
    ) {
        let (mut few, mut many) = ([Block::default(); FEW_BLOCKS], Vec::new());
        for (index, definition, plan, missing) in self.asked(call, query) {
            if let Some(input) = missing {
                found(Found::Skipped(&definition.name, input));
                continue;
            }
            if plan.undecided {
                found(Found::Undecided(&definition.name));
                continue;
            }
            if !self.triggers(plan, query.asked, call, memo) {
                continue;
            }
            let blocks = plan.candidates.blocks();
            let set = match few.get_mut(..blocks) {
                Some(set) => set,
                None => {
                    many.resize(blocks, Block::default());
                    many.as_mut_slice()
                }
            };
            plan.candidates
                .find(set, &self.program, call, memo, |key_event, memo| self.happens(key_event, call, memo));
            for number in candidates::numbers(set) {
                let (Some(section), Some(section_plan)) =
                    (definition.sections.get(number), plan.sections.get(number))
                else {
                    continue;
                };
                if section_plan.undecided {
                    found(Found::Undecided(&definition.name));
                    if definition.choice == Choice::First {
                        break;
                    }
                    continue;
                }
                let enters = (section.accept_unknown_profiles || profile.is_known())
                    && !is_hidden(call, section_plan)
                    && self.passes(section_plan, call, memo)
                    && holds(&self.program, &section_plan.criteria, call, memo);
                if enters {
                    found(Found::Entered(index, number));
                    if definition.choice == Choice::First {
                        break;
                    }
                }
            }
        }
    }

    /// True if a personalization is triggered: by its key event or, where it has none, by an event that one of its
    /// sections names and accepts; then sections without a key event answer as well. A personalization that the
    /// caller names needs no such section.
    pub(crate) fn triggers<'c>(
        &self,
        plan: &PersonalizationPlan,
        asked: Asked<'_>,
        call: &'c Call<'_>,
        memo: &mut Memo<'c>,
    ) -> bool {
        match (plan.trigger, asked) {
            (Some(trigger), _) => self.happens(trigger, call, memo),
            (None, Asked::Triggered) => {
                let mut awaited = plan.awaited.iter().filter_map(|number| plan.sections.get(*number));
                awaited.any(|section| {
                    let happens = section.key_event.is_some_and(|it| self.happens(it, call, memo));
                    happens && self.passes(section, call, memo)
                })
            }
            (None, Asked::Named(_)) => true,
        }
    }

    /// True if a key event matches this call's event. A lookup without an event does not check key events.
    fn happens<'c>(&self, key_event: usize, call: &'c Call<'_>, memo: &mut Memo<'c>) -> bool {
        let Some(event) = call.event else { return true };
        self.key_events.get(key_event).is_some_and(|key_event| {
            key_event.table == event.table && holds(&self.program, &key_event.filter, call, memo)
        })
    }

    /// True if a section's own event filter accepts this call's event.
    fn passes<'c>(&self, section: &SectionPlan, call: &'c Call<'_>, memo: &mut Memo<'c>) -> bool {
        call.event.is_none() || holds(&self.program, &section.event_filter, call, memo)
    }

    /// The outcome of one section of a triggered personalization, found without the index: explanations cover every
    /// section.
    pub(crate) fn fate<'c>(
        &self,
        profile: &Profile,
        call: &'c Call<'_>,
        section: &Section,
        plan: &SectionPlan,
        memo: &mut Memo<'c>,
    ) -> Fate {
        let happens = plan.key_event.is_none_or(|key_event| self.happens(key_event, call, memo));
        if !happens || !self.passes(plan, call, memo) {
            return Fate::OtherEvent;
        }
        if is_hidden(call, plan) {
            return Fate::Refused(Truth::Unknown);
        }
        if !section.accept_unknown_profiles && !profile.is_known() {
            return Fate::UnknownProfile;
        }
        match evaluate(&self.program, &plan.criteria, call, memo) {
            Truth::True => Fate::Entered,
            truth => Fate::Refused(truth),
        }
    }
}

/// True if a section cannot be decided, because the profile could not be read.
fn is_hidden(call: &Call<'_>, section: &SectionPlan) -> bool {
    call.blind && !matches!(section.criteria, Node::Constant(true))
}
