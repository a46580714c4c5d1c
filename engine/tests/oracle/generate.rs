//! Random cases: definitions, and what happens under them. Few values, and times where something ends, so that
//! boundaries are hit often.

mod definition;
mod steps;

use std::fmt::Write;

use usher_engine::definition::Definition;
use usher_engine::value::Value;

/// One case of a law: all that happens in it.
#[derive(Clone)]
pub struct Case {
    pub seed: u64,
    /// The first is in force at the beginning, the others when a step says so.
    pub definitions: Vec<Definition>,
    pub steps: Vec<Step>,
    /// When it is asked what is known, in milliseconds after the last step.
    pub looks_ms: Vec<i64>,
}

#[derive(Clone)]
pub struct Step {
    pub at_ms: i64,
    pub what: What,
    /// A random number of its own, for whatever a law wants to draw: it stays when other steps go.
    pub mark: u64,
}

#[derive(Clone)]
pub enum What {
    Event {
        table: &'static str,
        columns: Columns,
        minted_id: String,
        proof: Proof,
    },
    Row(Columns),
    /// This definition comes into force.
    Bundle(usize),
}

pub type Columns = Vec<(String, Value)>;

/// The evidence for an event's keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    Nobody,
    Server,
    Token(Vec<(String, String)>),
}

/// The subjects of cases.
#[derive(Clone, Copy, PartialEq)]
pub enum Bent {
    /// Attributes of one or two visitors.
    Values,
    /// The same within 7 days, with exact copies only.
    Week,
    /// Many keys and few attributes.
    People,
    /// More keys than a profile holds.
    Crowd,
    /// Definitions that change.
    Changes,
}

pub fn case(seed: u64, bent: Bent) -> Case {
    let mut dice = Dice(seed);
    let definitions = definition::series(&mut dice, bent);
    let steps = steps::steps(&mut dice, bent, &definitions);
    let looks_ms = steps::looks(&mut dice, &definitions, &steps);
    Case { seed, definitions, steps, looks_ms }
}

/// SplitMix64: small, and the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first + 1) as usize) as i64
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Fields that are left out do not matter to any case.
impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, definition) in self.definitions.iter().enumerate() {
            writeln!(f, "definition {index}")?;
            for key_event in &definition.key_events {
                let filter =
                    key_event.filter.as_ref().map_or_else(String::new, |filter| format!(" where {filter}"));
                writeln!(f, "  key event {} on {}{filter}", key_event.name, key_event.table.table)?;
            }
            for attribute in &definition.attributes {
                writeln!(f, "  {}: {:?}", attribute.name, attribute.kind)?;
            }
            for section in definition.personalizations.iter().flat_map(|all| &all.sections) {
                writeln!(f, "  use {}", section.criteria)?;
            }
            writeln!(f, "  {:?}", definition.identity)?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            write!(f, "{index:3}. at {} ", step.at_ms)?;
            let written = |columns: &Columns| {
                columns.iter().fold(String::new(), |mut text, (name, value)| {
                    let _ = write!(text, " {name}={value}");
                    text
                })
            };
            match &step.what {
                What::Event { table, columns, minted_id, proof } => {
                    let proof =
                        if *proof == Proof::Nobody { String::new() } else { format!(" by {proof:?}") };
                    writeln!(f, "{table}{proof} ({minted_id}):{}", written(columns))?;
                }
                What::Row(columns) => writeln!(f, "import:{}", written(columns))?,
                What::Bundle(index) => writeln!(f, "definition {index} comes into force")?,
            }
        }
        writeln!(f, "looked at {:?} ms after", self.looks_ms)
    }
}
