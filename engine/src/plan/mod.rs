//! Plans: a [`Definition`] with every name resolved, every type decided and every pattern compiled.
//!
//! Compiling reports all findings at once; a plan exists only when none of them is an error. A plan is never
//! stored: isolates compile it from the definition that a bundle carries. It has bytes (`bytes`) for modules of the same
//! build that have no compiler, and its public part for devices ([`device`](crate::device)).

mod activations;
mod addresses;
mod attributes;
mod bytes;
mod catalogs;
mod compile;
mod criteria;
mod directory;
mod domain;
mod journeys;
mod keys;
mod personalizations;
mod pipelines;
mod reach;
mod row_keys;
mod rules;
mod work;

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::plan::{AttributePlan, FactPlan};
use crate::candidates::Candidates;
use crate::definition::{Definition, EventTable};
use crate::expr::value::Calc;
use crate::expr::{Node, Program, Slot};
use crate::flat::flat;
use keys::KeyRule;

pub(crate) use journeys::{
    ArmPlan, BranchPlan, ExitPlan, GatePlan, HAS_JOURNEYS, JourneyPlan, KindPlan, PROGRESS_PREFIX, StagePlan,
    TargetPlan, WhenPlan,
};

/// A compiled definition.
#[derive(Debug)]
pub struct Plan {
    pub(crate) definition: Definition,
    /// Ascending, distinct.
    pub(crate) tables: Vec<EventTable>,
    pub(crate) program: Program,
    pub(crate) key_events: Vec<KeyEventPlan>,
    /// In the definition's order.
    pub(crate) attributes: Vec<AttributePlan>,
    /// The facts of all attributes; slots and outputs index it.
    pub(crate) facts: Vec<FactPlan>,
    /// In routing order: the lookup key first.
    pub(crate) key_rules: Vec<KeyRule>,
    pub(crate) primary_key: Option<String>,
    pub(crate) lookup_key: Option<String>,
    /// Columns that may hold an event's id, in order; no key is among them.
    pub(crate) id_columns: Vec<String>,
    /// In the definition's order.
    pub(crate) personalizations: Vec<PersonalizationPlan>,
    /// Of each personalization the indexes of the catalog attributes that it reads, ascending; devices read none.
    pub(crate) catalogs: Vec<Vec<usize>>,
    /// In the definition's order.
    pub(crate) journeys: Vec<JourneyPlan>,
    /// In the definition's order.
    pub(crate) activations: Vec<ActivationPlan>,
    /// False for a plan in bytes: it tells that a visitor moves in a journey, and has no steps.
    pub(crate) has_steps: bool,
}

#[derive(Debug)]
pub(crate) struct KeyEventPlan {
    pub(crate) table: usize,
    pub(crate) filter: Node,
    /// Indexes of the attributes that it feeds.
    pub(crate) feeds: Vec<usize>,
    /// The lists that it removes items from: index of the attribute, and of its action.
    pub(crate) takes: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(crate) struct PersonalizationPlan {
    /// Indexes of the tables whose events trigger it, ascending.
    pub(crate) tables: Vec<usize>,
    /// Index of the key event that triggers all of its sections.
    pub(crate) trigger: Option<usize>,
    /// Indexes of sections with a key event; one of several that accept the same events.
    pub(crate) awaited: Vec<usize>,
    /// True if only an edge can decide it: of a program for devices.
    pub(crate) undecided: bool,
    pub(crate) sections: Vec<SectionPlan>,
    pub(crate) candidates: Candidates,
}

#[derive(Debug)]
pub(crate) struct SectionPlan {
    pub(crate) key_event: Option<usize>,
    pub(crate) event_filter: Node,
    pub(crate) criteria: Node,
    pub(crate) outputs: Vec<OutputPlan>,
    /// True if only an edge can decide it: of a program for devices.
    pub(crate) undecided: bool,
}

impl SectionPlan {
    /// A row for a section that only an edge can decide.
    pub(crate) fn undecided() -> SectionPlan {
        let (event_filter, criteria) = (Node::Constant(true), Node::Constant(true));
        SectionPlan { key_event: None, event_filter, criteria, outputs: Vec::new(), undecided: true }
    }
}

/// Compiled data of an output, beside its source.
#[derive(Debug)]
pub(crate) enum OutputPlan {
    /// The source is enough.
    Same,
    /// Index of the fact to show.
    Fact(u16),
    Template(Vec<Piece>),
    /// An expression, and the facts that can become a part of its value.
    Calculated(Calc, Vec<u16>),
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    /// Index of the fact to insert.
    Fact(u16),
}

/// An activation, with its texts compiled.
#[derive(Debug)]
pub(crate) struct ActivationPlan {
    /// Its id, or its name where it has none.
    pub(crate) called: String,
    pub(crate) connection: Option<String>,
    pub(crate) connector: String,
    pub(crate) method: String,
    pub(crate) url: Option<Vec<Insert>>,
    pub(crate) headers: Vec<(String, Vec<Insert>)>,
    pub(crate) body: Option<Vec<Insert>>,
}

/// A piece of such a text.
#[derive(Debug)]
pub(crate) enum Insert {
    Text(String),
    /// Index of a fact.
    Fact(u16),
    /// Name of a key.
    Key(String),
    EventName,
    EventTime,
    /// The time of the step.
    StepTime,
}

impl Plan {
    /// True if a criterion reads a fact of the request, such as `edge.country`.
    pub fn reads_edge(&self) -> bool {
        self.program.slots.iter().any(|typed| matches!(typed.slot, Slot::Edge(_)))
    }

    /// The definition that it was compiled from.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The event tables of the audience, ascending; [`Event::table`](crate::Event) is an index into them.
    pub fn tables(&self) -> &[EventTable] {
        &self.tables
    }

    /// The index of an event table.
    pub fn table(&self, database: &str, table: &str) -> Option<usize> {
        self.tables
            .binary_search_by(|known| (known.database.as_str(), known.table.as_str()).cmp(&(database, table)))
            .ok()
    }

    /// The index of the personalization of this name, or else of this id.
    pub fn personalization(&self, name_or_id: &str) -> Option<usize> {
        self.definition.personalization(name_or_id)
    }

    /// True if events on a table may trigger the personalization of this name or id.
    pub fn is_triggered_on(&self, personalization: &str, table: usize) -> bool {
        let index = self.personalization(personalization);
        index
            .and_then(|index| self.personalizations.get(index))
            .is_some_and(|plan| plan.tables.contains(&table))
    }

    /// The name of the key column of imported records.
    pub fn lookup_key(&self) -> Option<&str> {
        self.lookup_key.as_deref()
    }

    /// True if visitors can be looked up by a key of this name.
    pub fn is_key(&self, name: &str) -> bool {
        self.key_rules.iter().any(|rule| rule.name == name)
    }

    /// The names of the keys in the order in which they are tried.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key_rules.iter().map(|rule| rule.name.as_str())
    }

    pub(crate) fn lookup_rule(&self) -> Option<&KeyRule> {
        let name = self.lookup_key.as_deref()?;
        self.key_rules.iter().find(|rule| rule.name == name)
    }
}

flat!(struct KeyEventPlan { table, filter, feeds, takes });
flat!(struct PersonalizationPlan { tables, trigger, awaited, undecided, sections, candidates });
flat!(struct SectionPlan { key_event, event_filter, criteria, outputs, undecided });
flat!(enum OutputPlan { 0 = Same, 1 = Fact(index), 2 = Template(pieces), 3 = Calculated(calc, results) });
flat!(enum Piece { 0 = Text(text), 1 = Fact(index) });
