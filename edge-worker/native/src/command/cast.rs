//! An edge in this process with all visitors that events lead to it: what `usher simulate` shows and `usher backfill` counts.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use usher_engine::definition::Definition;
use usher_engine::value::Value as EngineValue;
use usher_engine::{Event, Evidence, Plan, SentAt};

use super::sent::Sent;
use crate::exit::Failure;
use crate::lines::{self, Lines};
use crate::simulation::{Outcome, Sender, Simulation};
use crate::terminal::{clean, note};

/// The edge, and whom it has seen.
pub(super) struct Cast {
    simulation: Simulation,
    plan: Plan,
    /// Keys in the order in which they came, which lead to everybody.
    keys: Vec<(String, String)>,
    known: BTreeSet<(String, String)>,
}

impl Cast {
    pub(super) fn new(definition: &Definition) -> Result<Cast, Failure> {
        // A valid definition compiles.
        let plan = Plan::compile(definition).map_err(|_| Failure::new("the definition does not compile"))?;
        let simulation = Simulation::new(definition)?;
        Ok(Cast { simulation, plan, keys: Vec::new(), known: BTreeSet::new() })
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When an event says that it happened, Unix milliseconds.
    pub(super) fn said_ms(&self, sent: &Sent) -> Option<i64> {
        let event = self.event(sent, i64::MAX)?;
        Some(event.time_ms).filter(|time_ms| *time_ms < i64::MAX)
    }

    fn event(&self, sent: &Sent, arrival_ms: i64) -> Option<Event> {
        let table = self.plan.table(&sent.database, &sent.table)?;
        let columns: EngineValue = serde_json::from_value(sent.event.clone()).ok()?;
        let EngineValue::Object(columns) = columns else { return None };
        Some(self.plan.event(table, columns, arrival_ms, String::new(), SentAt::Absent))
    }

    pub(super) fn import(&mut self, file: &Path, now_ms: i64) -> Result<(), Failure> {
        let shown = file.display();
        let key = self.plan.lookup_key().unwrap_or_default().to_owned();
        let mut lines = Lines::new(lines::open(file)?);
        while let Some(line) = lines.next().map_err(|error| Failure::of_file("read", &shown, error))? {
            let place = format!("{shown}:{}", line.number);
            let row = line.text.ok_or_else(|| Failure::new(format!("{place}: the row is over 1 MiB")))?;
            let answer = self.simulation.import(&row, now_ms).map_err(|failure| failure.at(&place))?;
            if let Some(reason) = answer["rejected"][0]["reason"].as_str() {
                note(&format!("{place}: rejected: {}", clean(reason)));
                continue;
            }
            let row: Value = serde_json::from_slice(&row).unwrap_or(Value::Null);
            if let Some(value) = row[&key].as_str() {
                self.met(&key, value);
            }
        }
        Ok(())
    }

    /// The outcome of an event, the profile that it went to, and the columns of the keys that were refused, in order.
    pub(super) fn play(
        &mut self,
        sent: &Sent,
        sender: Sender,
        now_ms: i64,
    ) -> (Outcome, Option<Value>, Vec<String>) {
        let sender = sent.sender.unwrap_or(sender);
        let outcome = self.simulation.event(sender, &sent.database, &sent.table, &sent.event, now_ms);
        let evidence = Evidence { server: sender == Sender::Server, keys: &[] };
        let keys = self.event(sent, now_ms).map(|event| self.plan.keys(&event, &evidence));
        let refused =
            keys.iter().flat_map(|keys| keys.refused.iter().map(|refused| refused.name.clone())).collect();
        // Every usable key leads to the profile that the event went to.
        let key = keys.and_then(|keys| keys.usable.into_iter().next());
        let profile = key.and_then(|key| {
            self.met(&key.name, &key.value);
            self.simulation.profile(&key.name, &key.value, now_ms)
        });
        (outcome, profile, refused)
    }

    fn met(&mut self, name: &str, value: &str) {
        let key = (name.to_owned(), value.to_owned());
        if self.known.insert(key.clone()) {
            self.keys.push(key);
        }
    }

    /// Lets the waits end that are over first, if that is by `until_ms`; the time at which they do, which is after `before_ms`.
    pub(super) fn end_waits(&mut self, before_ms: i64, until_ms: i64) -> Option<i64> {
        let due_ms = self.simulation.due_ms().filter(|due_ms| *due_ms <= until_ms)?;
        // A visitor who takes too many steps at once goes on later.
        let now_ms = due_ms.max(before_ms.saturating_add(1));
        self.simulation.tick(now_ms);
        Some(now_ms)
    }

    /// The messages that steps of journeys have sent since the last call, each with its profile's id.
    pub(super) fn sent(&mut self) -> Vec<(String, Value)> {
        self.simulation.sent()
    }

    /// The keys that were met, in order: name and value.
    pub(super) fn keys(&self) -> &[(String, String)] {
        &self.keys
    }

    /// The profile of the visitor with this key.
    pub(super) fn profile(&mut self, (name, value): &(String, String), now_ms: i64) -> Option<Value> {
        self.simulation.profile(name, value, now_ms)
    }

    /// The profiles that there are, in the order in which they were met.
    pub(super) fn everybody(&mut self, now_ms: i64) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        let mut ids = BTreeSet::new();
        for (name, value) in &self.keys {
            let profile = self.simulation.profile(name, value, now_ms);
            found.extend(profile.filter(|profile| ids.insert(profile["id"].to_string())));
        }
        found
    }
}
