//! Journeys: leads visitors through stages and steps.
//!
//! Pure: a profile, an event or nothing but the time, and `now` in; the changed profile, what to send, and the next due time
//! out. An event is folded as follows, journey by journey in the order of the definition:
//!
//! 1. The goal, then the exits of the stage in their order, then the milestone are tried, each at most once.
//! 2. A wait that is over ends, and steps are taken until one waits or the steps of the stage end.
//! 3. A completed stage leads to the next one as soon as that one's entry criteria hold.
//! 4. A visitor without an entry enters the first stage, if its criteria hold and re-entry allows it.
//!
//! Jumps into other journeys follow when all journeys have seen the event. An entry that ends does not begin again with the
//! same event. Conditions with a key event hold for such an event only; all others hold at due times, too.

mod activation;
mod decision;
mod end;
mod explain;
mod fired;
mod gate;
mod here;
mod joined;
mod jump;
mod merge;
mod render;
mod variant;
mod wait;
mod walk;

use alloc::string::String;
use alloc::vec::Vec;

pub use explain::{GateTrace, JourneyTrace, Standing};
pub use fired::{Advanced, Fired};

use crate::attribute::State;
use crate::call::Call;
use crate::event::Event;
use crate::expr::eval::Memo;
use crate::limits::CLOCK_AHEAD_MS;
use crate::plan::{HAS_JOURNEYS, PROGRESS_PREFIX, Plan};
use crate::profile::Profile;
use crate::progress::{Current, Progress, Rest};
use crate::query::{Access, Asked, Query};
use here::{Here, has_step};
use walk::Walk;

impl Plan {
    /// Leads a visitor on: with an event, which was ingested before and is no duplicate, or at a due time. Where the visitor moves and
    /// this plan has no steps, the profile is [unfinished](Profile::is_unfinished) instead.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Event, Plan, Profile, ProfileId, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let identity = Identity { keys: vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }], ..Identity::default() };
    /// # let criteria = syntax::parse("").unwrap();
    /// # let entry = Gate { name: None, description: None, key_event: Some("view".into()), event_filter: None, criteria, accept_unknown_profiles: true };
    /// # let wait = StepKind::Wait { wait_ms: 3_600_000, next: None };
    /// # let step = Step { id: "pause".into(), name: None, description: None, kind: wait };
    /// # let stage = Stage { name: "first".into(), id: None, description: None, entry: Some(entry), milestone: None, exits: vec![], root: Some("pause".into()), steps: vec![step] };
    /// # let journey = Journey { name: "welcome".into(), id: None, description: None, state: JourneyState::Launched, reentry: Reentry::Never, goal: None, stages: vec![stage] };
    /// # let definition = Definition { audience: Audience { id: "7".into(), name: None }, key_events: vec![view], identity, journeys: vec![journey], ..Definition::default() };
    /// // Its journey begins with a view, and its only step waits for an hour.
    /// let plan = Plan::compile(&definition).unwrap();
    /// let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
    /// let table = plan.table("web", "pages").unwrap();
    /// let event = Event::resolve(table, vec![("visitor".into(), "anna".into())], 1_790_000_000_000, "id-1".into());
    /// plan.ingest(&mut profile, &event, 1_790_000_000_000);
    /// plan.advance(&mut profile, Some(&event), &[], 1_790_000_000_000);
    /// assert_eq!(plan.due_ms(&profile), Some(1_790_003_600_000));
    /// // The host calls again when that time has come.
    /// plan.advance(&mut profile, None, &[], 1_790_003_600_000);
    /// assert_eq!(plan.due_ms(&profile), None);
    /// ```
    pub fn advance(
        &self,
        profile: &mut Profile,
        event: Option<&Event>,
        edge: &[(String, String)],
        now_ms: i64,
    ) -> Advanced {
        if !HAS_JOURNEYS || self.journeys.is_empty() {
            return Advanced::default();
        }
        let known = self.progresses(profile);
        let concerns = event.is_some_and(|event| self.may_enter(event.table));
        if !concerns && known.is_empty() {
            return Advanced::default();
        }
        let access = Access { server_route: true, sensitive_scope: false };
        let query = Query { event, asked: Asked::Triggered, inputs: &[], edge, access, blind: false };
        let call = Call::new(self, profile, &query, now_ms);
        let here = Here { plan: self, profile, call: &call, now_ms };
        let mut walk = Walk::new(here, known);
        walk.run(&mut Memo::new(&self.program));
        let Some((changed, advanced)) = walk.finish() else {
            profile.leave_unfinished();
            return Advanced::default();
        };
        for (journey, progress) in changed {
            self.put(profile, journey, progress);
        }
        advanced
    }

    /// True if a profile has progress in a journey that this plan has.
    pub fn has_progress(&self, profile: &Profile) -> bool {
        HAS_JOURNEYS && !self.journeys.is_empty() && !self.progresses(profile).is_empty()
    }

    /// True if a visitor is in a journey that does not run, and waits until it does.
    pub fn is_parked(&self, profile: &Profile) -> bool {
        let is_parked = |(index, progress): &(usize, Progress)| {
            progress.current.is_some() && self.journeys.get(*index).is_some_and(|journey| !journey.runs)
        };
        HAS_JOURNEYS && !self.journeys.is_empty() && self.progresses(profile).iter().any(is_parked)
    }

    /// The earliest time at which a visitor has to be led on without an event, Unix milliseconds; None: there is none.
    pub fn due_ms(&self, profile: &Profile) -> Option<i64> {
        if !HAS_JOURNEYS || self.journeys.is_empty() {
            return None;
        }
        let known = self.progresses(profile);
        let due =
            known.iter().filter_map(|(index, progress)| self.due_in(*index, progress.current.as_ref()?));
        due.min()
    }

    /// The earliest due time of an entry: the end of its wait, or an exit for being in the stage too long.
    fn due_in(&self, journey: usize, current: &Current) -> Option<i64> {
        let plan = self.journeys.get(journey).filter(|plan| plan.runs)?;
        let stage = plan.stages.iter().find(|stage| stage.name == current.stage);
        // One whose stage or step is gone leaves at the next occasion, which is now.
        let Some(stage) = stage.filter(|stage| has_step(stage, current)) else {
            return Some(current.stepped_ms);
        };
        let wait = match current.rest {
            Rest::Waiting(due_ms) => Some(due_ms),
            Rest::Ended | Rest::Completed => None,
        };
        let exits = stage.exits.iter().filter_map(|exit| exit.when.after_ms());
        exits.map(|after_ms| current.staged_ms.saturating_add(after_ms)).chain(wait).min()
    }

    /// The journeys in which a visitor has progress, with it.
    pub(crate) fn progresses(&self, profile: &Profile) -> Vec<(usize, Progress)> {
        // Their names come before those of attributes.
        let names = profile.state_names().take_while(|name| name.starts_with(PROGRESS_PREFIX));
        let known = names.filter_map(|name| {
            let index = self.journeys.iter().position(|journey| journey.state_name == name)?;
            match profile.state(name) {
                Some(State::Journey(progress)) => Some((index, (**progress).clone())),
                _ => None,
            }
        });
        known.collect()
    }

    /// True if an event of this table may let somebody enter a journey.
    fn may_enter(&self, table: usize) -> bool {
        let mut running = self.journeys.iter().filter(|journey| journey.runs);
        running.any(|journey| {
            let entry = journey.stages.first().and_then(|stage| stage.entry.as_ref());
            entry.is_some_and(|gate| match gate.key_event {
                Some(key_event) => self.key_events.get(key_event).is_some_and(|known| known.table == table),
                None => true,
            })
        })
    }
}

impl Current {
    /// Takes a time that a wrong clock wrote as the present: else the visitor would wait until the clock comes there.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        let ahead_ms = self.stepped_ms.saturating_sub(now_ms);
        if ahead_ms > CLOCK_AHEAD_MS {
            self.stepped_ms = now_ms;
            self.staged_ms = self.staged_ms.min(now_ms);
            self.entered_ms = self.entered_ms.min(now_ms);
            if let Rest::Waiting(due_ms) = &mut self.rest {
                *due_ms = due_ms.saturating_sub(ahead_ms);
            }
        }
    }
}
