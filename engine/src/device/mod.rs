//! Devices: the part of a definition that may run in a visitor's browser, and the part of a profile that it needs there.
//!
//! A *program* is made of a plan, for this build of the engine: the sections of personalizations with `device: true`, and
//! the attributes that they read, numbered instead of named. Sections that may not be there (*private* ones: they read
//! sensitive attributes) are rows without content, and *undecided*. An *extract* has the states of those attributes, and
//! nothing else of a profile.

mod extract;
mod flatten;
mod kept;
mod private;
mod reduce;
mod unusable;

use alloc::string::String;
use alloc::vec::Vec;

use crate::definition::Choice;
use crate::event::{Event, SentAt};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::query::{Access, Asked, Query};
use crate::section::Answer;
use crate::value::Value;

pub use reduce::{Published, Reduced};
pub use unusable::Unusable;

/// The engine on a device: a program, and the visitor's profile as far as it is known there.
///
/// # Examples
///
/// ```
/// use usher_engine::definition::*;
/// use usher_engine::{Asked, Device, Plan, Profile, Reduced, syntax};
///
/// let section = Section {
///     name: "Welcome".into(), key_event: None, event_filter: None, criteria: syntax::parse("").unwrap(),
///     accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false,
/// };
/// let home = Personalization {
///     name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(),
///     device: true, trigger: None, inputs: vec![], sections: vec![section],
/// };
/// let identity = Identity { keys: vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }], ..Identity::default() };
/// let definition = Definition { identity, personalizations: vec![home], ..Definition::default() };
/// let reduced = Reduced::of(Plan::compile(&definition).unwrap()).expect("a personalization for devices");
///
/// // The edge sends the program, which is the same for everybody, and the visitor's extract.
/// let mut device = Device::new(&reduced.program()).unwrap();
/// device.load(&reduced.extract(&Profile::unknown())).unwrap();
/// let home = device.personalization("home").unwrap();
/// let answer = device.personalize(None, Asked::Named(&[home]), &[], &[], 1_790_000_000_000);
/// assert_eq!(answer.offers[0].section, "Welcome");
/// ```
#[derive(Debug)]
pub struct Device {
    plan: Plan,
    /// Names of the keys: a device cannot decide for an event that names another visitor.
    keys: Vec<String>,
    profile: Profile,
}

impl Device {
    /// A device with a program that [`Reduced::program`] wrote, and the profile of an unknown visitor.
    ///
    /// # Errors
    ///
    /// [`Unusable`]: ask the edge instead.
    pub fn new(program: &[u8]) -> Result<Device, Unusable> {
        let (plan, keys) = flatten::read(program)?;
        Ok(Device { plan, keys, profile: Profile::unknown() })
    }

    /// Takes an extract that [`Reduced::extract`] wrote in the place of what was known.
    ///
    /// # Errors
    ///
    /// [`Unusable`]; then nothing is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Asked, Device, Plan, Profile, Reduced, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let kind = AttributeKind::Counter { key_event: "view".into(), filter: None, increment: Increment::Constant(1), window_ms: Some(86_400_000), parts: vec![], backfill: None };
    /// # let views = Attribute { name: "views".into(), kind, sensitive: false, description: None };
    /// # let criteria = syntax::parse("views >= 1").unwrap();
    /// # let section = Section { name: "Again".into(), key_event: None, event_filter: None, criteria, accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: true, trigger: None, inputs: vec![], sections: vec![section] };
    /// # let identity = Identity { keys: vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }], ..Identity::default() };
    /// # let definition = Definition { key_events: vec![view], attributes: vec![views], identity, personalizations: vec![home], ..Definition::default() };
    /// # let reduced = Reduced::of(Plan::compile(&definition).unwrap()).expect("a personalization for devices");
    /// # let mut device = Device::new(&reduced.program()).unwrap();
    /// device.load(&reduced.extract(&Profile::unknown())).unwrap();
    /// // A cut extract is refused, and the device goes on with what it has.
    /// assert!(device.load(b"cut").is_err());
    /// ```
    pub fn load(&mut self, extract: &[u8]) -> Result<(), Unusable> {
        self.profile = extract::read(extract)?;
        Ok(())
    }

    /// The names of the keys.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The event as the engine reads it; None if no program part concerns its table. Times are Unix milliseconds.
    pub fn event(
        &self,
        (database, table): (&str, &str),
        columns: Vec<(String, Value)>,
        now_ms: i64,
        id: String,
    ) -> Option<Event> {
        let table = self.plan.table(database, table)?;
        Some(self.plan.event(table, columns, now_ms, id, SentAt::Absent))
    }

    /// Updates what is known by an event of this visitor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Asked, Device, Plan, Profile, Reduced, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let kind = AttributeKind::Counter { key_event: "view".into(), filter: None, increment: Increment::Constant(1), window_ms: Some(86_400_000), parts: vec![], backfill: None };
    /// # let views = Attribute { name: "views".into(), kind, sensitive: false, description: None };
    /// # let criteria = syntax::parse("views >= 1").unwrap();
    /// # let section = Section { name: "Again".into(), key_event: None, event_filter: None, criteria, accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: true, trigger: None, inputs: vec![], sections: vec![section] };
    /// # let identity = Identity { keys: vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }], ..Identity::default() };
    /// # let definition = Definition { key_events: vec![view], attributes: vec![views], identity, personalizations: vec![home], ..Definition::default() };
    /// # let reduced = Reduced::of(Plan::compile(&definition).unwrap()).expect("a personalization for devices");
    /// # let mut device = Device::new(&reduced.program()).unwrap();
    /// let now_ms = 1_790_000_000_000;
    /// let home = device.personalization("home").unwrap();
    /// assert!(device.personalize(None, Asked::Named(&[home]), &[], &[], now_ms).offers.is_empty());
    /// let viewed = device.event(("web", "pages"), vec![("visitor".into(), "anna".into())], now_ms, "id-1".into()).unwrap();
    /// device.ingest(&viewed, now_ms);
    /// let answer = device.personalize(None, Asked::Named(&[home]), &[], &[], now_ms);
    /// assert_eq!(answer.offers[0].section, "Again");
    /// ```
    pub fn ingest(&mut self, event: &Event, now_ms: i64) {
        self.plan.ingest(&mut self.profile, event, now_ms);
    }

    /// The answer of personalizations; `asked` as in [`Query`].
    pub fn personalize(
        &self,
        event: Option<&Event>,
        asked: Asked<'_>,
        inputs: &[(String, Value)],
        edge: &[(String, String)],
        now_ms: i64,
    ) -> Answer<'_> {
        let query = Query { event, asked, inputs, edge, access: Access::default(), blind: false };
        self.plan.personalize(&self.profile, &query, now_ms)
    }

    /// The names of these personalizations; None: of all.
    pub fn names(&self, of: Option<&[usize]>) -> Vec<&str> {
        let all = self.plan.definition().personalizations.iter().enumerate();
        let asked = all.filter(|(index, _)| of.is_none_or(|of| of.contains(index)));
        asked.map(|(_, personalization)| personalization.name.as_str()).collect()
    }

    /// True if a personalization that an answer calls undecided only lacks private sections: those that are here were decided.
    pub fn is_partial(&self, name: &str) -> bool {
        let Some(index) = self.personalization(name) else { return false };
        let definition = self.plan.definition().personalizations.get(index);
        let plan = self.plan.personalizations.get(index);
        definition.is_some_and(|it| it.choice == Choice::All) && plan.is_some_and(|it| !it.undecided)
    }

    /// The index of a personalization by its name or id.
    pub fn personalization(&self, name_or_id: &str) -> Option<usize> {
        self.plan.personalization(name_or_id)
    }
}
