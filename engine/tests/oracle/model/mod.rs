//! The oracle: visitors who keep every event, and attributes that are computed from all of them whenever somebody asks.
//!
//! It is written from the specification (§2–5, §13) and not from the engine. Slow and obvious: no ring, no bucket that
//! is kept, no state but lists of what happened. Where the specification leaves room, the reading stands in a comment
//! that begins with *Reading*.

mod attribute;
mod event;
mod identity;
mod list;
pub mod value;

pub use event::resolve;
pub use identity::{Receipt, World};
pub use list::is_promised;

use std::collections::BTreeSet;
use std::rc::Rc;

use usher_engine::definition::Definition;
use usher_engine::value::Value;

pub const DAY_MS: i64 = 86_400_000;

/// Everything that is known of one visitor: what happened, in the order in which it arrived.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub id: u64,
    pub created_ms: i64,
    /// Name, value, newest time of an event that carried it.
    pub keys: Vec<(String, String, i64)>,
    pub absorbed: BTreeSet<u64>,
    pub history: Vec<Happening>,
    /// Ids of events that were counted, and when they arrived.
    pub counted: Vec<(String, i64)>,
    pub records: Vec<BatchRecord>,
}

/// Something that happened to a visitor.
#[derive(Clone, Debug)]
pub enum Happening {
    /// An event was counted, under this definition.
    Event { event: Rc<Resolved>, definition: Rc<Definition>, now_ms: i64 },
    /// Another visitor turned out to be this one.
    Absorbed(Vec<Happening>),
    /// A bundle with this definition wrote the profile.
    Written { definition: Rc<Definition>, number: u64, now_ms: i64 },
}

/// An event whose id and time are decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub table: String,
    pub id: String,
    pub minted: bool,
    pub time_ms: i64,
    pub columns: Vec<(String, Value)>,
}

/// A record of an import, about one lookup key.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    pub key: String,
    pub computed_ms: i64,
    pub arrival_ms: i64,
    pub values: Vec<(String, Value)>,
}

impl Visitor {
    pub fn new(id: u64, created_ms: i64) -> Visitor {
        Visitor {
            id,
            created_ms,
            keys: Vec::new(),
            absorbed: BTreeSet::new(),
            history: Vec::new(),
            counted: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Counts an event once in 7 days; says whether it was a duplicate.
    pub fn ingest(&mut self, definition: &Rc<Definition>, event: &Rc<Resolved>, now_ms: i64) -> bool {
        // The 7 days run from the arrival of the counted event, strictly less, not renewed.
        let again = |(id, arrival_ms): &(String, i64)| *id == event.id && now_ms - arrival_ms < 7 * DAY_MS;
        if !event.minted {
            if self.counted.iter().any(again) {
                return true;
            }
            // At most 1,000 of those that still count.
            self.counted.retain(|(_, arrival_ms)| now_ms - arrival_ms < 7 * DAY_MS);
            self.counted.push((event.id.clone(), now_ms));
            if self.counted.len() > 1_000 {
                let oldest = (0..self.counted.len()).min_by_key(|index| self.counted[*index].1);
                self.counted.remove(oldest.expect("one"));
            }
        }
        self.history.push(Happening::Event { event: event.clone(), definition: definition.clone(), now_ms });
        false
    }

    /// Takes a record: per lookup key the newest, by (computed at, arrival), replaces the older whole.
    pub fn import(&mut self, record: BatchRecord) {
        match self.records.iter_mut().find(|known| known.key == record.key) {
            Some(known)
                if (record.computed_ms, record.arrival_ms) >= (known.computed_ms, known.arrival_ms) =>
            {
                *known = record;
            }
            Some(_) => {}
            None => self.records.push(record),
        }
    }

    /// Takes over everything of another visitor, once.
    pub fn absorb(&mut self, other: &Visitor) {
        if self.id == other.id || !self.absorbed.insert(other.id) {
            return;
        }
        self.absorbed.extend(&other.absorbed);
        // Reading: of more than 256 the latest are remembered; the others are sealed, and not there to be absorbed again.
        while self.absorbed.len() > 256 {
            self.absorbed.pop_first();
        }
        for (name, value, seen_ms) in &other.keys {
            self.learn(name, value, *seen_ms);
        }
        // Reading: of an event that two visitors counted, the first arrival is the one that is remembered, as if one had
        // seen both.
        for (id, arrival_ms) in &other.counted {
            match self.counted.iter_mut().find(|(known, _)| known == id) {
                Some(known) => known.1 = known.1.min(*arrival_ms),
                None => self.counted.push((id.clone(), *arrival_ms)),
            }
        }
        for record in &other.records {
            self.import(record.clone());
        }
        self.history.push(Happening::Absorbed(other.history.clone()));
    }

    pub fn learn(&mut self, name: &str, value: &str, seen_ms: i64) {
        match self.keys.iter_mut().find(|key| key.0 == name && key.1 == value) {
            Some(known) => known.2 = known.2.max(seen_ms),
            None => self.keys.push((name.into(), value.into(), seen_ms)),
        }
    }

    pub fn has_key(&self, name: &str, value: &str) -> bool {
        self.keys.iter().any(|key| key.0 == name && key.1 == value)
    }

    /// Everything that is known under this definition: names of attributes and of their parts, with values.
    pub fn facts(&self, definition: &Definition, now_ms: i64) -> Vec<(String, Value)> {
        attribute::facts(self, definition, now_ms)
    }

    /// Every event that counts, also those of visitors who turned out to be this one.
    pub fn events(&self) -> Vec<(&Rc<Resolved>, &Rc<Definition>, i64)> {
        let mut all = Vec::new();
        flatten(&self.history, &mut all);
        all
    }
}

fn flatten<'h>(history: &'h [Happening], all: &mut Vec<(&'h Rc<Resolved>, &'h Rc<Definition>, i64)>) {
    for happening in history {
        match happening {
            Happening::Event { event, definition, now_ms } => all.push((event, definition, *now_ms)),
            Happening::Absorbed(history) => flatten(history, all),
            Happening::Written { .. } => {}
        }
    }
}
