//! Decisions on a visitor's device: a request and its answer as JSON, with the bytes that an edge gives.
//!
//! A request is `{"now_ms", "visitor": {key: value}, "table", "event", "id", "ingest", "personalizations", "inputs", "edge",
//! "stale"}`; `visitor` has the keys that the extract was asked with. An answer is `{"offers", "meta"}`, where
//! `meta.undecided` names the personalizations that only an edge can decide, `meta.partial` those that lack private sections.

use usher_engine::value::{Number, Value};
use usher_engine::{Answer, Asked, Event, Unusable};

use crate::answer;
use crate::wire::read;

/// The engine on a device.
#[derive(Debug)]
pub struct Device(usher_engine::Device);

impl Device {
    /// A device with a program, and a visitor of whom nothing is known.
    ///
    /// # Errors
    ///
    /// Why the bytes are no program of this build; then an edge has to decide.
    pub fn new(program: &[u8]) -> Result<Device, Unusable> {
        usher_engine::Device::new(program).map(Device)
    }

    /// Takes an extract in the place of what was known of the visitor.
    ///
    /// # Errors
    ///
    /// Why the bytes are no extract for this build; then nothing changes.
    pub fn load(&mut self, extract: &[u8]) -> Result<(), Unusable> {
        self.0.load(extract)
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// The fault of the request.
    pub fn decide(&mut self, request: &[u8]) -> Result<Vec<u8>, &'static str> {
        let request = read::value(request).map_err(|_| "the request cannot be read")?;
        let now_ms =
            request.get("now_ms").and_then(Value::as_number).and_then(whole).ok_or("`now_ms` is missing")?;
        let names = request.get("personalizations").and_then(Value::as_list);
        let names: Option<Vec<&str>> = names.map(|names| names.iter().filter_map(Value::as_str).collect());
        let index = |name: &&str| self.0.personalization(name);
        let named: Option<Vec<usize>> = names.as_ref().map(|names| names.iter().filter_map(index).collect());
        let unknown: Vec<&str> =
            names.into_iter().flatten().filter(|name| self.0.personalization(name).is_none()).collect();
        let event = self.event(&request, now_ms);
        if event.as_ref().is_some_and(|event| !self.is_of(&request, event)) {
            // Only an edge knows whose it is.
            return Ok(self.nothing(named.as_deref(), unknown));
        }
        if let Some(event) = event.as_ref().filter(|_| request.get("ingest") == Some(&Value::Boolean(true))) {
            self.0.ingest(event, now_ms);
        }
        let inputs = request.get("inputs").and_then(Value::as_object).unwrap_or_default();
        let texts = request.get("edge").and_then(Value::as_object).unwrap_or_default();
        let edge: Vec<(String, String)> = texts
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let asked = named.as_deref().map_or(Asked::Triggered, Asked::Named);
        let mut answer = self.0.personalize(event.as_ref(), asked, inputs, &edge, now_ms);
        let stale = request.get("stale") == Some(&Value::Boolean(true));
        let (partial, undecided): (Vec<&str>, Vec<&str>) =
            answer.undecided.iter().partition(|name| self.0.is_partial(name));
        answer.undecided = undecided;
        answer.undecided.extend(unknown);
        Ok(answer::of_device(&answer, &partial, stale).into_bytes())
    }

    fn event(&self, request: &Value, now_ms: i64) -> Option<Event> {
        let table = request.get("table")?.as_str()?.split_once('.')?;
        let columns = request.get("event")?.as_object()?.to_vec();
        let id = request.get("id").and_then(Value::as_str).unwrap_or_default();
        self.0.event(table, columns, now_ms, id.to_owned())
    }

    /// True if an event names the visitor of the request, and no other. An event without any key is nobody's.
    fn is_of(&self, request: &Value, event: &Event) -> bool {
        let visitor = request.get("visitor");
        let mut named = self.0.keys().iter().filter_map(|key| Some((key, event.column(key)?))).peekable();
        named.peek().is_some()
            && named.all(|(key, value)| Some(value) == visitor.and_then(|visitor| visitor.get(key)))
    }

    /// The answer where nothing can be decided.
    fn nothing(&self, named: Option<&[usize]>, unknown: Vec<&str>) -> Vec<u8> {
        let mut answer = Answer { undecided: self.0.names(named), ..Answer::default() };
        answer.undecided.extend(unknown);
        answer::of_device(&answer, &[], false).into_bytes()
    }
}

fn whole(number: Number) -> Option<i64> {
    match number {
        Number::Integer(integer) => Some(integer),
        Number::Float(_) => None,
    }
}
