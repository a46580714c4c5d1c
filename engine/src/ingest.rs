//! Ingest: applies one accepted event to the attributes that its key events feed.

pub(crate) mod update;

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::State;
use crate::attribute::plan::Kind;
use crate::call::Call;
use crate::event::{Event, SentAt, resolve};
use crate::expr::Node;
use crate::expr::eval::{Memo, holds};
use crate::limits::PATTERN_TEXT_BYTES_MAX;
use crate::merge::{align, reads};
use crate::plan::Plan;
use crate::profile::{Dedupe, Profile};
use crate::value::Value;
use update::{take_out, update};

/// The result of ingesting one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingested {
    /// True if its id was counted before, so that nothing changed.
    pub duplicate: bool,
    /// True if the bound on remembered ids dropped one younger than 7 days.
    pub forgot: bool,
    /// Columns whose value an attribute refused.
    pub refused: Vec<RefusedValue>,
    /// Names of columns whose text is longer than a pattern reads.
    pub too_long: Vec<String>,
}

/// A value that an attribute refused; the attribute keeps its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedValue {
    /// The attribute's name.
    pub attribute: String,
    /// A stable name for receipts and metrics.
    pub reason: &'static str,
}

impl Plan {
    /// Resolves id and time of an event that arrived at `arrival_ms` in the event table of this index. `minted_id` is
    /// used when it has no id of its own. Its time is corrected by the offset of the sender's clock, if `sent` is
    /// known.
    pub fn event(
        &self,
        table: usize,
        columns: Vec<(String, Value)>,
        arrival_ms: i64,
        minted_id: String,
        sent: SentAt,
    ) -> Event {
        let id_columns = self.id_columns.iter().map(String::as_str);
        resolve(id_columns, table, columns, arrival_ms, minted_id, sent)
    }

    /// Folds an event into a profile; a second copy of it changes nothing.
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
    /// let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// let first = Event { id: "order-1".into(), minted: false, ..event };
    /// assert!(!plan.ingest(&mut profile, &first, now_ms).duplicate);
    /// assert!(plan.ingest(&mut profile, &first, now_ms).duplicate);
    /// ```
    pub fn ingest(&self, profile: &mut Profile, event: &Event, now_ms: i64) -> Ingested {
        let mut ingested = Ingested::default();
        if !event.minted {
            match profile.edit_seen_ids(|seen| seen.note(&event.id, now_ms)) {
                Dedupe::Duplicate => return Ingested { duplicate: true, ..ingested },
                Dedupe::NewForgotOther => ingested.forgot = true,
                Dedupe::New => {}
            }
        }
        self.too_long(event, &mut ingested.too_long);
        let call = Call::of_event(event, now_ms);
        let mut memo = Memo::new(&self.program);
        for key_event in self.key_events.iter().filter(|key_event| key_event.table == event.table) {
            if key_event.feeds.is_empty() && key_event.takes.is_empty() {
                continue;
            }
            if !self.lets_through(&key_event.filter, &call, &mut memo) {
                continue;
            }
            let mut near = 0;
            for attribute in key_event.feeds.iter().filter_map(|index| self.attributes.get(*index)) {
                if self.lets_through(&attribute.filter, &call, &mut memo)
                    && let Err(reason) = update(profile, attribute, event, now_ms, &mut near)
                {
                    ingested.refused.push(RefusedValue { attribute: attribute.name.clone(), reason });
                }
            }
            for (index, action) in &key_event.takes {
                let Some(attribute) = self.attributes.get(*index) else { continue };
                let Kind::List(list) = &attribute.kind else { continue };
                let Some(action) = list.actions.get(*action) else { continue };
                if self.lets_through(&action.filter, &call, &mut memo)
                    && let Err(reason) = take_out(profile, attribute, list, action.removal, event, now_ms)
                {
                    ingested.refused.push(RefusedValue { attribute: attribute.name.clone(), reason });
                }
            }
        }
        ingested
    }

    /// True if a filter accepts an event. Inlined, because most key events have no filter.
    #[inline(always)]
    fn lets_through<'v>(&self, filter: &Node, call: &'v Call<'_>, memo: &mut Memo<'v>) -> bool {
        matches!(filter, Node::Constant(true)) || holds(&self.program, filter, call, memo)
    }

    /// Adds the columns of an event that are too long for a pattern, whether or not this event's key events use that
    /// pattern.
    fn too_long(&self, event: &Event, out: &mut Vec<String>) {
        let searched = self.program.searched.iter();
        for (_, column) in searched.filter(|(table, _)| table.is_none_or(|table| table == event.table)) {
            let text = event.column(column).and_then(Value::as_str);
            if text.is_some_and(|text| text.len() > PATTERN_TEXT_BYTES_MAX) && !out.contains(column) {
                out.push(column.clone());
            }
        }
    }

    /// Drops expired state of every attribute, which no answer depends on.
    fn expire(&self, profile: &mut Profile, now_ms: i64) {
        for attribute in &self.attributes {
            let has_expired = |state| has_expired(&attribute.kind, state, now_ms);
            if profile.state(&attribute.name).is_some_and(has_expired) {
                let state = profile.state_mut(&attribute.name);
                *state = state.take().and_then(|state| without_expired(&attribute.kind, state, now_ms));
            }
        }
    }

    /// True if an attribute or a journey has state of this name.
    fn reads(&self, state: &str) -> bool {
        self.attributes.iter().any(|attribute| reads(attribute, state))
            || self.journeys.iter().any(|journey| journey.state_name == state)
    }

    /// Notes the bundle that writes a profile: state that its definition does not know is kept for 30 more days, and
    /// parked state that it reads is taken back.
    pub fn adopt(&self, profile: &mut Profile, bundle: u64, now_ms: i64) {
        if profile.is_new_to(bundle) {
            self.attributes.iter().for_each(|attribute| align(profile, attribute));
        }
        self.expire(profile, now_ms);
        profile.adopt(bundle, |name| self.reads(name), now_ms);
    }
}

/// True if a part of a state has expired for good.
fn has_expired(kind: &Kind, state: &State, now_ms: i64) -> bool {
    match (kind, state) {
        (Kind::Pick { duration_ms: Some(duration_ms), .. }, State::Picked(_, stamped)) => {
            now_ms.saturating_sub(stamped.time_ms) >= *duration_ms
        }
        (_, State::PickedWithin(_, ring)) => ring.has_expired(now_ms),
        (_, State::Counter(counter)) => counter.rings.iter().any(|ring| ring.has_expired(now_ms)),
        (Kind::List(list), State::List(items)) => items.is_untrimmed(list.bounds, now_ms),
        _ => false,
    }
}

/// The state without its expired parts; None if nothing is left.
fn without_expired(kind: &Kind, mut state: State, now_ms: i64) -> Option<State> {
    let is_empty = match (kind, &mut state) {
        (_, State::Picked(..)) => true,
        (_, State::PickedWithin(_, ring)) => {
            ring.expire(now_ms);
            ring.buckets.is_empty()
        }
        (_, State::Counter(counter)) => {
            counter.rings.iter_mut().for_each(|ring| ring.expire(now_ms));
            counter.rings.iter().all(|ring| ring.buckets.is_empty())
        }
        (Kind::List(list), State::List(items)) => {
            items.trim(list.bounds, now_ms);
            items.items.is_empty() && items.removed.is_empty() && items.cleared.is_none()
        }
        _ => false,
    };
    (!is_empty).then_some(state)
}
