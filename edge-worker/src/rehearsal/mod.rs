//! Rehearsals: run examples on empty storage, with the messages that a writer takes. Nothing is kept.
//!
//! An example's expectation is compared with the service's own answer, at the example's time. Only the example's own
//! records and events are read or written.

mod work;

use usher_engine::definition::{Example, ExampleCall, ExampleEvent, ExampleKey, ExampleRows, Sender};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{
    EXAMPLE_NAME_MAX, EXAMPLE_NOW_MS, EXAMPLE_STEPS_MAX, EXAMPLES_MAX, EXAMPLES_STEPS_MAX, ROWS_MAX,
};
use usher_engine::profile::{Key, codec};
use usher_engine::value::Value;
use usher_engine::{Access, Asked, Event, Evidence, FoundRow, Missed, Plan, Profile, Query, Rows, SentAt};

use crate::answer::{self, Meta};
use crate::bundle::{self, Bundle};
use crate::edge::Edge;
use crate::lookup;
use crate::message::{
    Ambient, Events, Identity, Import, KeyOf, Mode, OfTable, Snapshot, SnapshotRequest, TableAct, ToWriter,
};
use crate::outcome::Folded;
use crate::plane::InControlPlane;
use crate::store::memory::MemoryStore;
use crate::store::tables::RowName;
use crate::store::{Basis, Found, Read, Store};
use crate::wire::json::Json;
use crate::wire::{Response, read};
use crate::writer::{self, Context};

pub use work::Excess;

/// A definition that runs on empty storage.
///
/// # Examples
///
/// ```
/// use usher_edge::{Bundle, Failed, Rehearsal};
/// use usher_engine::Plan;
///
/// let bundle = br#"{"format": 2, "definition": {"audience": {"id": "7"},
///     "personalizations": [{"name": "home", "choice": "first", "sections": [
///         {"name": "Welcome", "criteria": "", "outputs": [{"name": "text", "source": {"constant": "Hello"}}]}]}]},
///     "examples": [{"name": "a stranger", "call": {"lookup": null}, "personalization": "home",
///         "expect": [{"section": "Goodbye"}]}]}"#;
/// let Bundle { definition, examples } = Bundle::read(bundle)?;
/// let rehearsal = Rehearsal::new(Plan::compile(&definition).expect("a valid definition"));
/// assert_eq!(rehearsal.excess(&examples), None);
/// assert_eq!(rehearsal.failure(&examples[0]), Some(Failed::Sections(vec!["Welcome".to_owned()])));
/// assert!(rehearsal.explanation(&examples[0]).is_some());
/// # Ok::<(), String>(())
/// ```
pub struct Rehearsal {
    edge: Edge,
    audience: String,
}

/// Checks that a body may become the audience's next bundle: it compiles, belongs to this audience, and its examples
/// pass. `Err` gives the reason in one sentence.
pub(crate) fn check(body: &[u8], audience: &str) -> Result<(), String> {
    let Bundle { definition, examples } = Bundle::read(body)?;
    if !are_bounded(&examples) {
        return Err(format!(
            "the bundle has more examples than {EXAMPLES_MAX}, or longer ones than {EXAMPLE_STEPS_MAX} events, \
             records and rows each and {EXAMPLES_STEPS_MAX} together"
        ));
    }
    let rehearsal = Rehearsal::new(bundle::compile(definition, audience)?);
    if let Some(excess) = rehearsal.excess(&examples) {
        return Err(excess.to_string());
    }
    match examples.iter().position(|example| rehearsal.failure(example).is_some()) {
        Some(index) => {
            Err(format!("{} at examples[{index}]; `usher validate` says more", Code::FailedExample))
        }
        None => Ok(()),
    }
}

/// The difference between an example's result and its expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Failed {
    /// It cannot be run, for this reason in one sentence.
    Unplayable(&'static str),
    /// Other sections answer: these.
    Sections(Vec<String>),
    /// An output of a section has another value.
    Attribute {
        /// The section.
        section: String,
        /// The output.
        name: String,
        /// The expected value; null: none.
        expected: Value,
        /// The answered value; null: none.
        found: Value,
    },
}

/// The offers of an answer, by section.
type Offers = Vec<(String, Value)>;

/// True if the number and length of examples are within the bounds.
pub(crate) fn are_bounded(examples: &[Example]) -> bool {
    let rows = |example: &Example| example.rows.iter().map(|of_table| of_table.rows.len()).sum::<usize>();
    let steps = |example: &Example| example.records.len() + example.events.len() + rows(example);
    examples.len() <= EXAMPLES_MAX
        && examples.iter().all(|e| steps(e) <= EXAMPLE_STEPS_MAX && e.name.len() <= EXAMPLE_NAME_MAX)
        && examples.iter().map(steps).sum::<usize>() <= EXAMPLES_STEPS_MAX
}

impl Rehearsal {
    /// A rehearsal of this plan.
    pub fn new(plan: Plan) -> Rehearsal {
        let audience = plan.definition().audience.id.clone();
        Rehearsal { edge: Edge::of_plan(plan), audience }
    }

    /// The difference, if the example fails.
    pub fn failure(&self, example: &Example) -> Option<Failed> {
        match Stage::new(self, example).offers() {
            Ok(offers) => difference(example, &offers),
            Err(why) => Some(Failed::Unplayable(why)),
        }
    }

    /// The explanation of the example's answer, as `/v1/explain` gives it; None if it cannot be run.
    pub fn explanation(&self, example: &Example) -> Option<Vec<u8>> {
        let mut stage = Stage::new(self, example);
        stage.offers().ok()?;
        let plan = stage.plan().ok()?;
        let (profile, event) = match &example.call {
            ExampleCall::Lookup(key) => (stage.look_up(plan, key.as_ref()).ok()?, None),
            ExampleCall::Event(event) => {
                let event = stage.resolved(plan, event)?;
                let keys = plan.keys(&event, &stage.evidence()).usable;
                (stage.find(keys), Some(event))
            }
        };
        let known = profile.is_some();
        let mut profile = profile.unwrap_or_else(Profile::unknown);
        if let Some(event) = event.as_ref().filter(|_| !known) {
            plan.ingest(&mut profile, event, stage.now_ms);
        }
        let named: Vec<usize> =
            example.personalization.iter().filter_map(|name| plan.personalization(name)).collect();
        let query = query(example, event.as_ref(), &named);
        let rows = stage.rows(plan, &profile, &query);
        let call = plan.call(&profile, &query, stage.now_ms).with(&rows);
        let explanation = call.explain();
        let meta = Meta {
            bundle: 1,
            version: profile.version,
            source: "example",
            age_ms: 0,
            stale: false,
            uncommitted: false,
            merging: false,
            refused: "",
        };
        Some(
            answer::explanation(&profile, known, &explanation, &meta, &call.journeys(), &[], &[])
                .into_bytes(),
        )
    }
}

/// The first difference.
fn difference(example: &Example, offers: &[(String, Value)]) -> Option<Failed> {
    let expected = example.expect.iter().map(|expected| &expected.section);
    if !expected.eq(offers.iter().map(|(section, _)| section)) {
        return Some(Failed::Sections(offers.iter().map(|(section, _)| section.clone()).collect()));
    }
    for (expected, (section, offer)) in example.expect.iter().zip(offers) {
        for (name, value) in expected.attributes.as_object().unwrap_or_default() {
            let found = offer.get("attributes").and_then(|attributes| attributes.get(name));
            let found = found.unwrap_or(&Value::Null);
            if found != value {
                let (section, name) = (section.clone(), name.clone());
                return Some(Failed::Attribute {
                    section,
                    name,
                    expected: value.clone(),
                    found: found.clone(),
                });
            }
        }
    }
    None
}

/// One running example.
struct Stage<'s> {
    rehearsal: &'s Rehearsal,
    example: &'s Example,
    now_ms: i64,
    store: MemoryStore,
    /// The number of messages so far, from which ids are made.
    messages: u8,
}

impl<'s> Stage<'s> {
    fn new(rehearsal: &'s Rehearsal, example: &'s Example) -> Stage<'s> {
        let now_ms = example.now_ms.unwrap_or(EXAMPLE_NOW_MS);
        Stage { rehearsal, example, now_ms, store: MemoryStore::default(), messages: 0 }
    }

    fn plan(&self) -> Result<&'s Plan, &'static str> {
        let running = self.rehearsal.edge.running(&self.rehearsal.audience);
        running.map(|running| &running.plan).ok_or("the definition does not run")
    }

    /// Runs the example, and returns its answer.
    fn offers(&mut self) -> Result<Offers, &'static str> {
        let plan = self.plan()?;
        let named = match &self.example.personalization {
            Some(name) => vec![plan.personalization(name).ok_or("there is no such personalization")?],
            None => Vec::new(),
        };
        // The time before every event, also those that are moved.
        let earliest = self.example.events.iter().map(|event| event.before_ms).max().unwrap_or(0);
        let earliest = earliest.saturating_add(i64::try_from(self.example.events.len()).unwrap_or(i64::MAX));
        for record in &self.example.records {
            self.import(record, earliest)?;
        }
        for of_table in &self.example.rows {
            self.import_rows(of_table, earliest)?;
        }
        let (events, call) = (&self.example.events, &self.example.call);
        for (index, event) in events.iter().enumerate() {
            // Events at one moment arrive 1 ms apart, in the order of the example.
            let answered = if let ExampleCall::Event(event) = call { Some(event) } else { None };
            let later = events.iter().skip(index + 1).chain(answered);
            let at_once = later.take_while(|later| later.before_ms == event.before_ms).count();
            let before_ms = event.before_ms.saturating_add(i64::try_from(at_once).unwrap_or(i64::MAX));
            self.event(event, before_ms, Mode::Ingest)?;
        }
        let body = match &self.example.call {
            ExampleCall::Event(event) => {
                let mode = Mode::Personalize {
                    named: self.example.personalization.clone().map(|name| vec![name]),
                    server_route: self.access().server_route,
                    sensitive_scope: self.access().sensitive_scope,
                };
                self.event(event, event.before_ms, mode)?
            }
            ExampleCall::Lookup(key) => {
                let [asked] = named.as_slice() else { return Err("a lookup names its personalization") };
                if plan.missing_input(*asked, None, self.inputs()).is_some() {
                    return Err("a required input is missing");
                }
                let profile = self.look_up(plan, key.as_ref())?.unwrap_or_else(Profile::unknown);
                let query = query(self.example, None, &named);
                let rows = self.rows(plan, &profile, &query);
                let call = plan.call(&profile, &query, self.now_ms).with(&rows);
                answer::answer(&call.personalize(), None).into_bytes()
            }
        };
        match read::document(&body).ok().as_ref().and_then(|answer| answer.get("offers")) {
            Some(Value::Object(offers)) => Ok(offers.clone()),
            _ => Err("the answer holds no offers"),
        }
    }

    fn import(&mut self, record: &Value, before_ms: i64) -> Result<(), &'static str> {
        let import = Import {
            ambient: self.ambient(before_ms),
            audience: self.rehearsal.audience.clone(),
            number: 1,
            body: written(record),
            patch: false,
        };
        let response = self.deliver(ToWriter::Import(import))?;
        let answer = read::document(&response.body).map_err(|_| "a record is refused")?;
        let accepted = answer.get("rejected_count") == Some(&Value::from(0));
        if response.status == 200 && accepted { Ok(()) } else { Err("a record is refused") }
    }

    fn import_rows(&mut self, of_table: &ExampleRows, before_ms: i64) -> Result<(), &'static str> {
        let lines: Vec<Vec<u8>> = of_table.rows.iter().map(written).collect();
        let import = OfTable {
            now_ms: self.ambient(before_ms).now_ms,
            audience: self.rehearsal.audience.clone(),
            number: 1,
            table: of_table.table.clone(),
            act: TableAct::Import { body: lines.join(&b'\n'), load: None },
        };
        let response = self.deliver(ToWriter::Table(InControlPlane::new(Box::new(import))))?;
        if response.status == 404 {
            return Err("rows are of a table that is not declared");
        }
        let answer = read::document(&response.body).map_err(|_| "a row is refused")?;
        let accepted = answer.get("rejected_count") == Some(&Value::from(0));
        if response.status == 200 && accepted { Ok(()) } else { Err("a row is refused") }
    }

    /// The rows that an answer reads, as they are stored at the call.
    fn rows(&mut self, plan: &Plan, profile: &Profile, query: &Query<'_>) -> Rows {
        let mut rows = plan.rows(profile, query, &self.evidence(), self.now_ms, ROWS_MAX);
        let audience = &self.rehearsal.audience;
        let store = &mut self.store;
        plan.hand_in(&mut rows, |row| {
            let name = RowName { audience: audience.clone(), table: row.table.clone(), key: row.key.clone() };
            match store.read(&Read::Rows(InControlPlane::new(vec![name]))) {
                Ok(Found::Rows(found)) => match found.get().and_then(|found| found.first()) {
                    Some(row) => match read::document(&row.columns) {
                        Ok(Value::Object(columns)) => Ok(FoundRow { at_ms: row.at_ms, columns }),
                        _ => Err(Missed::Unavailable),
                    },
                    None => Err(Missed::Absent),
                },
                _ => Err(Missed::Unavailable),
            }
        });
        rows
    }

    fn event(&mut self, event: &ExampleEvent, before_ms: i64, mode: Mode) -> Result<Vec<u8>, &'static str> {
        self.plan()?
            .table(&event.table.database, &event.table.table)
            .ok_or("an event is on a table that is not declared")?;
        let columns = written(&event.columns);
        let batch = matches!(mode, Mode::Ingest);
        let body = if batch { [b"{\"events\":[", columns.as_slice(), b"]}"].concat() } else { columns };
        let events = Events {
            ambient: self.ambient(before_ms),
            audiences: vec![(self.rehearsal.audience.clone(), 1)],
            database: event.table.database.clone(),
            table: event.table.table.clone(),
            mode,
            server: self.evidence().server,
            identity: Identity::default(),
            origin: String::new(),
            edge: Vec::new(),
            body,
        };
        let response = self.deliver(ToWriter::Events(events))?;
        let refused = response.body.starts_with(b"{\"receipts\":[{\"success\":false");
        if response.status == 200 && !refused { Ok(response.body) } else { Err("an event is refused") }
    }

    /// Takes a message through read, fold and write, as a host does.
    fn deliver(&mut self, message: ToWriter) -> Result<Response, &'static str> {
        let edge = &self.rehearsal.edge;
        let writer::Opened { mut read, mut work } = writer::open(edge, message, Context::alone(edge.form()))
            .map_err(|_| "an event or record is refused")?;
        loop {
            let found = match &read {
                Some(read) => self.store.read(read).map_err(|_| "the store fails")?,
                None => Found::Profiles(Vec::new()),
            };
            let (write, response) = match writer::fold(edge, &mut read, &mut work, found) {
                Folded::Part(write) => (*write, None),
                Folded::Done(outcome) => (outcome.write, Some(outcome.response)),
                Folded::NeedsNewerBundle { .. }
                | Folded::OpenAgain
                | Folded::Ask(_)
                | Folded::ControlPlane => {
                    return Err("the definition does not run");
                }
            };
            // An example that is refused ends the rehearsal, so that nothing is taken back.
            self.store.commit(&Basis::default(), &write).map_err(|_| "the store fails")?;
            if let Some(response) = response {
                return Ok(response);
            }
        }
    }

    /// The profile found by this key, and by inputs with names of keys.
    fn look_up(&mut self, plan: &Plan, key: Option<&ExampleKey>) -> Result<Option<Profile>, &'static str> {
        if key.is_some_and(|key| !plan.is_key(&key.name)) {
            return Err("a lookup is by a key that is not declared");
        }
        let named = key.map(|key| (key.name.as_str(), key.value.as_str()));
        let keys = lookup::keys_of(plan, &self.rehearsal.audience, named, self.inputs(), &self.evidence());
        let ambient = self.ambient(0);
        let response = self.deliver(ToWriter::Snapshot(SnapshotRequest {
            ambient,
            keys,
            journal: false,
            seen: None,
            rows: InControlPlane::default(),
        }))?;
        Snapshot::decode(&response.body).map(|snapshot| snapshot.profile).ok_or("a lookup is refused")
    }

    /// The profile of the first of these keys that has one.
    fn find(&mut self, keys: Vec<Key>) -> Option<Profile> {
        let audience = &self.rehearsal.audience;
        let of_audience = |Key { name, value, .. }| KeyOf { audience: audience.clone(), name, value };
        let read = Read::Profiles(keys.into_iter().map(of_audience).collect());
        let Ok(Found::Profiles(profiles)) = self.store.read(&read) else { return None };
        codec::decode(&profiles.first()?.state).ok()
    }

    fn resolved(&self, plan: &Plan, event: &ExampleEvent) -> Option<Event> {
        let table = plan.table(&event.table.database, &event.table.table)?;
        let columns = event.columns.as_object()?.to_vec();
        let at_ms = self.now_ms.saturating_sub(event.before_ms);
        Some(plan.event(table, columns, at_ms, "example".to_owned(), SentAt::Absent))
    }

    fn inputs(&self) -> &'s [(String, Value)] {
        inputs(self.example)
    }

    fn access(&self) -> Access {
        access(self.example)
    }

    fn evidence(&self) -> Evidence<'static> {
        Evidence { server: self.example.sender == Sender::Server, keys: &[] }
    }

    fn ambient(&mut self, before_ms: i64) -> Ambient {
        self.messages = self.messages.wrapping_add(1);
        Ambient { now_ms: self.now_ms.saturating_sub(before_ms), entropy: [self.messages; 32] }
    }
}

fn inputs(example: &Example) -> &[(String, Value)] {
    example.inputs.as_object().unwrap_or_default()
}

/// The author wrote all values of an example, so it has the full access of a server.
fn access(example: &Example) -> Access {
    let is_server = example.sender == Sender::Server;
    Access { server_route: is_server, sensitive_scope: is_server }
}

fn query<'q>(example: &'q Example, event: Option<&'q Event>, named: &'q [usize]) -> Query<'q> {
    let asked = if event.is_some() && named.is_empty() { Asked::Triggered } else { Asked::Named(named) };
    Query { event, asked, inputs: inputs(example), edge: &[], access: access(example), blind: false }
}

fn written(value: &Value) -> Vec<u8> {
    let mut json = Json::new();
    json.value(value);
    json.into_bytes()
}
