//! The part of the compiler that lowers criteria. Types need the uses in every criterion before any can be lowered, so all
//! criteria are collected first.

use alloc::string::String;
use alloc::vec::Vec;

use super::KeyEventPlan;
use super::catalogs;
use super::compile::Compiler;
use super::directory::Directory;
use super::journeys::{HAS_JOURNEYS, JourneyPlan, journeys};
use crate::definition::{AttributeKind, Definition, EventTable, ListAction, OutputSource, Section};
use crate::diagnostic::At;
use crate::expr::check::Checker;
use crate::expr::scope::Scope;
use crate::expr::uses::Uses;
use crate::expr::value::Calc;
use crate::expr::{Node, Program};
use crate::syntax::{Expr, ValueExpr};

/// The criteria of a definition, with what decides the meaning of their names.
pub(super) struct Criteria<'a> {
    definition: &'a Definition,
    /// The event table of each key event, by index.
    pub(super) key_event_tables: Vec<usize>,
    own_filters: Vec<OwnFilter<'a>>,
    /// For each section of each personalization: its key event, and the table of its `event.` columns.
    pub(super) section_events: Vec<Vec<(Option<usize>, Option<usize>)>>,
}

/// The compiled criteria, in the order of the definition.
pub(super) struct Lowered {
    pub(super) program: Program,
    pub(super) key_events: Vec<KeyEventPlan>,
    pub(super) own_filters: Vec<Node>,
    pub(super) sections: Vec<LoweredSection>,
    pub(super) journeys: Vec<JourneyPlan>,
}

/// The compiled criteria of a section.
pub(super) struct LoweredSection {
    pub(super) criteria: Node,
    pub(super) event_filter: Node,
    /// The expressions of its outputs, in their order.
    pub(super) outputs: Vec<Calc>,
}

impl<'a> Compiler<'a> {
    /// Collects all criteria, and the types that their uses allow.
    pub(super) fn criteria(&mut self, tables: &[EventTable], directory: &Directory) -> (Criteria<'a>, Uses) {
        let definition = self.definition;
        let table_of = |table: &EventTable| tables.binary_search(table).unwrap_or(0);
        let key_event_tables: Vec<usize> = definition.key_events.iter().map(|k| table_of(&k.table)).collect();
        let own_filters = self.own_filters(&key_event_tables);
        let mut criteria = Criteria { definition, key_event_tables, own_filters, section_events: Vec::new() };

        let mut uses = Uses::default();
        for (index, filter) in definition.key_events.iter().map(|k| k.filter.as_ref()).enumerate() {
            let at = At::item("key_events", index);
            if let Some(filter) = filter {
                uses.add(filter, criteria.scope(index), directory, at.field("filter"), &mut self.out);
            }
        }
        for own in &criteria.own_filters {
            own.with(|filter, scope, at| uses.add(filter, scope, directory, at, &mut self.out));
        }
        let personalizations = definition.personalizations.iter().enumerate();
        criteria.section_events = personalizations
            .map(|(index, personalization)| {
                self.section_events(index, personalization, &criteria.key_event_tables)
            })
            .collect();
        for (section, scope, (index, number)) in criteria.sections() {
            let at = At::item("personalizations", index);
            let at = at.inner("sections", number);
            uses.add(&section.criteria, scope, directory, at.field("criteria"), &mut self.out);
            if let Some(filter) = &section.event_filter {
                let scope = Scope { columns_only: true, ..scope };
                uses.add(filter, scope, directory, at.field("event_filter"), &mut self.out);
            }
            for (position, expr) in expressions(section) {
                uses.add_shown(expr, scope, directory, at.inner("outputs", position), &mut self.out);
            }
        }
        if HAS_JOURNEYS {
            let out = &mut self.out;
            let mut visit = |expr: &'a Expr, scope: Scope<'static>, at: At<'_>| {
                uses.add(expr, scope, directory, at, out);
                Node::Constant(false)
            };
            // Names that nothing declares are reported when journeys are lowered.
            journeys(definition, &criteria.key_event_tables, &mut visit, &mut Vec::new());
        }
        uses.settle();
        (criteria, uses)
    }

    /// Lowers all criteria into one program.
    pub(super) fn lower(&mut self, criteria: &Criteria<'a>, directory: &Directory, uses: &Uses) -> Lowered {
        let mut checker = Checker::new(directory, uses);
        let mut key_events = Vec::with_capacity(criteria.key_event_tables.len());
        for (index, table) in criteria.key_event_tables.iter().enumerate() {
            let filter = criteria.definition.key_events.get(index).and_then(|k| k.filter.as_ref());
            let at = At::item("key_events", index);
            let filter = match filter {
                Some(filter) => {
                    checker.lower(filter, criteria.scope(index), at.field("filter"), &mut self.out)
                }
                None => Node::Constant(true),
            };
            key_events.push(KeyEventPlan { table: *table, filter, feeds: Vec::new(), takes: Vec::new() });
        }
        let own_filters = criteria.own_filters.iter();
        let own_filters = own_filters
            .map(|own| own.with(|filter, scope, at| checker.lower(filter, scope, at, &mut self.out)))
            .collect();
        let mut sections = Vec::new();
        for (section, scope, (index, number)) in criteria.sections() {
            let at = At::item("personalizations", index);
            let at = at.inner("sections", number);
            let criteria = checker.lower(&section.criteria, scope, at.field("criteria"), &mut self.out);
            let outputs = expressions(section).map(|(position, expr)| {
                checker.value(expr, scope, at.inner("outputs", position), &mut self.out)
            });
            let outputs = outputs.collect();
            let scope = Scope { columns_only: true, ..scope };
            let event_filter = match &section.event_filter {
                Some(filter) => checker.lower(filter, scope, at.field("event_filter"), &mut self.out),
                None => Node::Constant(true),
            };
            sections.push(LoweredSection { criteria, event_filter, outputs });
        }
        let (mut lowered, mut found) = (Vec::new(), Vec::new());
        if HAS_JOURNEYS {
            let out = &mut self.out;
            let mut visit = |expr: &'a Expr, scope: Scope<'static>, at: At<'_>| {
                let node = checker.lower(expr, scope, at, out);
                if checker.reads(&node, |fact| directory.is_of_row(fact)) {
                    out.push(catalogs::not_in_journeys().at(at));
                }
                node
            };
            lowered = journeys(criteria.definition, &criteria.key_event_tables, &mut visit, &mut found);
        }
        self.out.append(&mut found);
        Lowered { program: checker.finish(), key_events, own_filters, sections, journeys: lowered }
    }

    /// The filters that attributes and list actions have beside those of their key events.
    fn own_filters(&self, key_event_tables: &[usize]) -> Vec<OwnFilter<'a>> {
        let definition = self.definition;
        let table = |name: &String| {
            let key_event = definition.key_events.iter().position(|key_event| key_event.name == *name);
            key_event_tables.get(key_event?).copied()
        };
        let mut filters = Vec::new();
        for (attribute, declared) in definition.attributes.iter().enumerate() {
            let (key_event, filter, actions): (_, _, &[ListAction]) = match &declared.kind {
                AttributeKind::Single { key_event, filter, .. }
                | AttributeKind::Counter { key_event, filter, .. } => (key_event, filter, &[]),
                AttributeKind::List { key_event, filter, actions, .. } => (key_event, filter, actions),
                AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => continue,
            };
            if let Some(filter) = filter {
                filters.push(OwnFilter { filter, table: table(key_event), attribute, action: None });
            }
            for (number, action) in actions.iter().enumerate() {
                if let Some(filter) = &action.filter {
                    let table = table(&action.key_event);
                    filters.push(OwnFilter { filter, table, attribute, action: Some(number) });
                }
            }
        }
        filters
    }
}

impl<'a> Criteria<'a> {
    /// The scope of a key event's filter.
    fn scope(&self, key_event: usize) -> Scope<'static> {
        Scope { table: self.key_event_tables.get(key_event).copied(), columns_only: true, inputs: &[] }
    }

    /// Every section with the scope of its criteria, and the indexes of its personalization and of itself.
    fn sections(&self) -> impl Iterator<Item = (&'a Section, Scope<'a>, (usize, usize))> {
        let personalizations = self.definition.personalizations.iter().zip(&self.section_events).enumerate();
        personalizations.flat_map(|(index, (personalization, events))| {
            personalization.sections.iter().zip(events).enumerate().map(
                move |(number, (section, (_, table)))| {
                    let inputs = personalization.inputs.as_slice();
                    (section, Scope { table: *table, columns_only: false, inputs }, (index, number))
                },
            )
        })
    }
}

/// The expressions among a section's outputs, each with its position there.
fn expressions(section: &Section) -> impl Iterator<Item = (usize, &ValueExpr)> {
    section.outputs.iter().enumerate().filter_map(|(position, output)| match &output.source {
        OutputSource::Expression(expr) => Some((position, expr)),
        _ => None,
    })
}

/// A filter that an attribute or a list action has beside that of its key event.
struct OwnFilter<'a> {
    filter: &'a Expr,
    /// The table whose columns it names.
    table: Option<usize>,
    attribute: usize,
    action: Option<usize>,
}

impl<'a> OwnFilter<'a> {
    fn with<T>(&self, with: impl FnOnce(&'a Expr, Scope<'_>, At<'_>) -> T) -> T {
        let scope = Scope { table: self.table, columns_only: true, inputs: &[] };
        let at = At::item("attributes", self.attribute);
        match self.action {
            None => with(self.filter, scope, at.field("filter")),
            Some(number) => with(self.filter, scope, at.inner("actions", number).field("filter")),
        }
    }
}
