//! Personalize: which sections a visitor enters, and so what they see.
//!
//! Failure policy: a section that cannot be decided does not enter and says so; it never fails the answer. Today nothing
//! but a missing required input makes one undecidable, because criteria are total.

use alloc::string::String;
use alloc::vec::Vec;

use crate::call::Call;
use crate::definition::{Choice, Personalization, Section};
use crate::event::Event;
use crate::expr::Node;
use crate::expr::eval::{Memo, Truth, evaluate, holds};
use crate::payload::{self, Access, Offer};
use crate::plan::{PersonalizationPlan, Plan, SectionPlan};
use crate::profile::Profile;
use crate::value::Value;

/// What a caller asks.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The event of an event call, or the one that a lookup names.
    pub event: Option<&'a Event>,
    /// Which personalizations answer.
    pub asked: Asked<'a>,
    /// What the caller hands in; in an event call the event's columns are the inputs.
    pub inputs: &'a [(String, Value)],
    /// What the edge knows of the request: `country`, `city`, `device`.
    pub edge: &'a [(String, String)],
    /// What may leave.
    pub access: Access,
    /// Whether the profile could not be read: only sections without criteria may enter, because nothing is known, which
    /// is not the same as a profile that knows nothing.
    pub blind: bool,
}

/// Which personalizations answer.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Those that a key event on the event's table triggers.
    Triggered,
    /// These, by index: what a token names, or what a lookup asks for.
    Named(&'a [usize]),
}

/// What they should see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In the order of personalizations and sections.
    pub offers: Vec<Offer>,
    /// Personalizations that could not be asked, and why.
    pub skipped: Vec<Skipped>,
}

/// A personalization that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub personalization: String,
    /// The required input that was missing.
    pub missing_input: String,
}

/// Why a section answers, in OpenFeature's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is for everybody.
    Default,
    /// Its key event or criteria matched.
    TargetingMatch,
}

impl Reason {
    /// As OpenFeature spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Default => "DEFAULT",
            Reason::TargetingMatch => "TARGETING_MATCH",
        }
    }
}

/// What became of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its key event, or its filter on it, did not match this call's event.
    OtherEvent,
    /// It wants a profile with a batch record.
    UnknownProfile,
    /// Its criteria were false or unknown.
    Refused(Truth),
    Entered,
}

/// Who watches the decisions; nobody, unless somebody asked for an explanation.
pub(crate) trait Witness {
    fn section(&mut self, personalization: usize, section: usize, fate: Fate);
}

impl Witness for () {
    fn section(&mut self, _: usize, _: usize, _: Fate) {}
}

impl Plan {
    /// The answer for a profile as it is at `now_ms`.
    pub fn personalize(&self, profile: &Profile, query: &Query<'_>, now_ms: i64) -> Answer {
        let call = Call::new(self, profile, query, now_ms);
        let mut memo = Memo::new(&self.program);
        self.answer(profile, &call, query, &mut memo, &mut ())
    }

    /// The first required input of a personalization that a lookup does not hand in.
    pub fn missing_input(&self, personalization: usize, inputs: &[(String, Value)]) -> Option<&str> {
        let definition = self.definition().personalizations.get(personalization)?;
        let given =
            |name: &str| inputs.iter().any(|(known, value)| known == name && value.present().is_some());
        definition
            .inputs
            .iter()
            .find(|input| input.required && !given(&input.name))
            .map(|input| input.name.as_str())
    }

    pub(crate) fn answer<'c>(
        &self,
        profile: &Profile,
        call: &'c Call<'_>,
        query: &Query<'_>,
        memo: &mut Memo<'c>,
        witness: &mut impl Witness,
    ) -> Answer {
        let mut answer = Answer::default();
        let every = self.definition().personalizations.iter().zip(&self.personalizations).enumerate();
        for (index, (definition, plan)) in every {
            let asked = match query.asked {
                Asked::Triggered => query.event.is_some_and(|event| plan.tables.contains(&event.table)),
                Asked::Named(named) => named.contains(&index),
            };
            if !asked {
                continue;
            }
            let missing =
                definition.inputs.iter().find(|input| input.required && call.input(&input.name).is_none());
            if let Some(input) = missing {
                answer.skipped.push(Skipped {
                    personalization: definition.name.clone(),
                    missing_input: input.name.clone(),
                });
                continue;
            }
            for (number, (section, section_plan)) in
                definition.sections.iter().zip(&plan.sections).enumerate()
            {
                let fate = self.fate(profile, call, plan, section, section_plan, memo);
                witness.section(index, number, fate);
                if fate == Fate::Entered {
                    answer.offers.push(payload::offer(
                        self,
                        definition,
                        section,
                        section_plan,
                        call,
                        query.access,
                    ));
                    if definition.choice == Choice::First {
                        break;
                    }
                }
            }
        }
        answer
    }

    fn fate<'c>(
        &self,
        profile: &Profile,
        call: &'c Call<'_>,
        personalization: &PersonalizationPlan,
        section: &Section,
        plan: &SectionPlan,
        memo: &mut Memo<'c>,
    ) -> Fate {
        // A lookup without an event skips what is asked of one.
        if let Some(event) = call.event {
            let mut matches = |key_event: Option<usize>| {
                let Some(key_event) = key_event else { return true };
                self.key_events.get(key_event).is_some_and(|key_event| {
                    key_event.table == event.table && holds(&self.program, &key_event.filter, call, memo)
                })
            };
            if !matches(personalization.trigger)
                || !matches(plan.key_event)
                || !holds(&self.program, &plan.event_filter, call, memo)
            {
                return Fate::OtherEvent;
            }
        }
        if call.blind && !matches!(plan.criteria, Node::Constant(true)) {
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

/// Why a section that entered answers.
pub(crate) fn reason(definition: &Personalization, section: &Section, plan: &SectionPlan) -> Reason {
    let for_everybody = matches!(plan.criteria, Node::Constant(true))
        && section.key_event.is_none()
        && section.event_filter.is_none()
        && section.accept_unknown_profiles
        && definition.choice == Choice::First;
    if for_everybody { Reason::Default } else { Reason::TargetingMatch }
}
