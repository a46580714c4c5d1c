//! A plan without everything that may not be on a device.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::kept::Kept;
use super::private::{calculates_event, facts_of, is_private_section, is_withheld};
use crate::attribute::plan::Kind;
use crate::candidates::Candidates;
use crate::definition::{Definition, Personalization, Section};
use crate::expr::{Node, Slot};
use crate::order;
use crate::plan::{OutputPlan, PersonalizationPlan, Piece, Plan, SectionPlan};
use crate::syntax::Expr;

/// A plan reduced to what may be on a device.
#[derive(Debug)]
pub struct Reduced {
    pub(super) plan: Plan,
    /// Names of the audience's keys.
    pub(super) keys: Vec<String>,
    pub(super) needs: Needs,
}

/// The parts of a profile that a program reads.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Attributes with state: their names, and those in the program.
    pub(super) states: Vec<(String, String)>,
    /// Columns of batch records, ascending.
    pub(super) columns: Vec<String>,
    /// Batch segments, ascending.
    pub(super) segments: Vec<String>,
    /// True if a section asks whether there is a batch record.
    pub(super) known: bool,
}

impl Reduced {
    /// Reduces a plan; None if nothing of it may be on a device.
    pub fn of(plan: Plan) -> Option<Reduced> {
        let reduction = Reduction::of(&plan)?;
        let keys = plan.key_names().map(String::from).collect();
        let needs = reduction.needs(&plan);
        Some(Reduced { plan: reduction.apply(plan), keys, needs })
    }
}

/// The parts of a personalization that everybody can read because devices decide it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published<'p> {
    /// Names of key events whose filters are public.
    pub key_events: Vec<&'p str>,
    /// Names of attributes whose rules are public, and each visitor's state to that visitor.
    pub attributes: Vec<&'p str>,
    /// Names of batch segments, likewise.
    pub segments: Vec<String>,
    /// Names of sections whose criteria and constants are public.
    pub sections: Vec<&'p str>,
    /// The number of sections that stay private: only an edge decides them.
    pub undecided: usize,
}

impl Plan {
    /// The parts of a personalization that everybody can read; None if it stays away from devices.
    pub fn published(&self, personalization: usize) -> Option<Published<'_>> {
        let definition = self.definition.personalizations.get(personalization).filter(|it| it.device)?;
        let mut reduction = Reduction::nothing(self);
        let rows = reduction.rows_of(self, definition, self.personalizations.get(personalization)?);
        let count = definition.sections.len();
        reduction.rows.resize_with(personalization, || Rows::Absent);
        let sections: Vec<&str> = match &rows {
            Rows::Of(rows) => {
                let public = definition.sections.iter().zip(rows).filter(|(_, row)| **row == Row::Public);
                public.map(|(section, _)| section.name.as_str()).collect()
            }
            Rows::Absent | Rows::Undecided => Vec::new(),
        };
        reduction.rows.push(rows);
        let key_events = reduction.key_events.among(&self.definition.key_events);
        let attributes = reduction.attributes.among(&self.attributes);
        Some(Published {
            key_events: key_events.map(|key_event| key_event.name.as_str()).collect(),
            attributes: attributes.map(|attribute| attribute.name.as_str()).collect(),
            segments: reduction.needs(self).segments,
            undecided: count.saturating_sub(sections.len()),
            sections,
        })
    }
}

/// The fate of a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Public,
    /// An empty row.
    Undecided,
}

/// The fate of a personalization.
enum Rows {
    /// It stays away from devices.
    Absent,
    /// Nothing of it can be decided there.
    Undecided,
    /// By section.
    Of(Vec<Row>),
}

/// The parts that are kept.
struct Reduction {
    /// By personalization.
    rows: Vec<Rows>,
    predicates: Kept,
    slots: Kept,
    facts: Kept,
    attributes: Kept,
    key_events: Kept,
    tables: Kept,
}

impl Reduction {
    fn nothing(plan: &Plan) -> Reduction {
        Reduction {
            rows: Vec::new(),
            predicates: Kept::none_of(plan.program.predicates.len()),
            slots: Kept::none_of(plan.program.slots.len()),
            facts: Kept::none_of(plan.facts.len()),
            attributes: Kept::none_of(plan.attributes.len()),
            key_events: Kept::none_of(plan.key_events.len()),
            tables: Kept::none_of(plan.tables.len()),
        }
    }

    fn of(plan: &Plan) -> Option<Reduction> {
        let mut reduction = Reduction::nothing(plan);
        for (definition, planned) in plan.definition.personalizations.iter().zip(&plan.personalizations) {
            let rows = match definition.device {
                true => reduction.rows_of(plan, definition, planned),
                false => Rows::Absent,
            };
            reduction.rows.push(rows);
        }
        // Tables are found by binary search; key events of one event count in the order of the definition.
        reduction.tables.ascend();
        reduction.key_events.ascend();
        let is_any = reduction.rows.iter().any(|rows| !matches!(rows, Rows::Absent));
        is_any.then_some(reduction)
    }

    /// Keeps everything that the public sections of a personalization need.
    fn rows_of(&mut self, plan: &Plan, definition: &Personalization, planned: &PersonalizationPlan) -> Rows {
        planned.tables.iter().for_each(|table| {
            self.tables.add(*table);
        });
        let is_private = |section: &SectionPlan| is_private_section(plan, section);
        // An input with the name of a key looks another profile up.
        let looks_up = definition.inputs.iter().any(|input| plan.is_key(&input.name));
        // A device cannot know that the event of a private section triggers all of them.
        let hides_trigger = planned.trigger.is_none()
            && planned.sections.iter().any(|section| section.key_event.is_some() && is_private(section));
        if looks_up || hides_trigger || planned.trigger.is_some_and(|trigger| calculates_event(plan, trigger))
        {
            return Rows::Undecided;
        }
        if let Some(trigger) = planned.trigger {
            self.key_event(plan, trigger);
        }
        let rows = planned.sections.iter().map(|section| {
            if is_private(section) {
                return Row::Undecided;
            }
            self.section(plan, section);
            Row::Public
        });
        Rows::Of(rows.collect())
    }

    fn section(&mut self, plan: &Plan, section: &SectionPlan) {
        self.node(plan, &section.criteria);
        self.node(plan, &section.event_filter);
        if let Some(key_event) = section.key_event {
            self.key_event(plan, key_event);
        }
        for output in section.outputs.iter().filter(|output| !is_withheld(plan, output)) {
            facts_of(output).for_each(|fact| self.fact(plan, fact));
        }
    }

    fn key_event(&mut self, plan: &Plan, index: usize) {
        if let Some(key_event) = plan.key_events.get(index)
            && self.key_events.add(index)
        {
            self.tables.add(key_event.table);
            self.node(plan, &key_event.filter);
        }
    }

    fn node(&mut self, plan: &Plan, node: &Node) {
        // What has tests of expressions is private.
        node.for_each_test(&mut |index, _| {
            let Some(predicate) = plan.program.predicates.get(index as usize) else { return };
            self.predicates.add(index as usize);
            self.slot(plan, predicate.slot);
        });
    }

    fn slot(&mut self, plan: &Plan, slot: u32) {
        self.slots.add(slot as usize);
        if let Some(Slot::Attribute(fact)) = plan.program.slots.get(slot as usize).map(|typed| &typed.slot) {
            self.fact(plan, *fact);
        }
    }

    fn fact(&mut self, plan: &Plan, index: u16) {
        if let Some(fact) = plan.facts.get(usize::from(index))
            && self.facts.add(usize::from(index))
        {
            self.attribute(plan, fact.attribute);
        }
    }

    /// Keeps an attribute with the events that change it.
    fn attribute(&mut self, plan: &Plan, index: usize) {
        let Some(attribute) = plan.attributes.get(index) else { return };
        if !self.attributes.add(index) {
            return;
        }
        self.node(plan, &attribute.filter);
        if let Kind::List(list) = &attribute.kind {
            list.actions.iter().for_each(|action| self.node(plan, &action.filter));
        }
        for (number, key_event) in plan.key_events.iter().enumerate() {
            if key_event.feeds.contains(&index) || key_event.takes.iter().any(|(taken, _)| *taken == index) {
                self.key_event(plan, number);
            }
        }
    }

    fn needs(&self, plan: &Plan) -> Needs {
        let mut needs = Needs::default();
        for (slot, attribute) in self.attributes.among(&plan.attributes).enumerate() {
            needs.columns.extend(attribute.kind.record_columns().map(String::from));
            if !matches!(attribute.kind, Kind::Batch { .. }) {
                needs.states.push((attribute.name.clone(), slot.to_string()));
            }
        }
        for typed in self.slots.among(&plan.program.slots) {
            if let Slot::Segment(name) = &typed.slot {
                needs.segments.push(name.clone());
            }
        }
        for (definition, rows) in plan.definition.personalizations.iter().zip(&self.rows) {
            let Rows::Of(rows) = rows else { continue };
            let public = definition.sections.iter().zip(rows).filter(|(_, row)| **row == Row::Public);
            for (section, _) in public {
                needs.segments.extend(section.segments.iter().map(|listed| listed.name.clone()));
                needs.known |= !section.accept_unknown_profiles;
            }
        }
        for names in [&mut needs.columns, &mut needs.segments] {
            order::sort(names, Ord::cmp);
            names.dedup();
        }
        needs
    }

    /// The plan of everything that is kept, with its own numbers.
    fn apply(&self, mut plan: Plan) -> Plan {
        let definition = core::mem::take(&mut plan.definition);
        let planned = core::mem::take(&mut plan.personalizations);
        let mut definitions = Vec::new();
        for ((definition, planned), rows) in
            definition.personalizations.into_iter().zip(planned).zip(&self.rows)
        {
            let parts = match rows {
                Rows::Absent => continue,
                Rows::Undecided => Vec::new(),
                Rows::Of(rows) => {
                    let sections = definition.sections.into_iter().zip(planned.sections).zip(rows);
                    sections
                        .map(|((section, planned), row)| self.row(&plan, section, planned, *row))
                        .collect()
                }
            };
            let (sections, plans): (Vec<Section>, Vec<SectionPlan>) = parts.into_iter().unzip();
            let is_public = |number: &usize| plans.get(*number).is_some_and(|section| !section.undecided);
            let planned = PersonalizationPlan {
                tables: planned.tables.into_iter().map(|table| self.tables.number(table)).collect(),
                trigger: planned.trigger.map(|index| self.key_events.number(index)),
                awaited: planned.awaited.into_iter().filter(is_public).collect(),
                undecided: matches!(rows, Rows::Undecided),
                sections: plans,
                candidates: Candidates::default(),
            };
            definitions.push(Personalization { description: None, trigger: None, sections, ..definition });
            plan.personalizations.push(planned);
        }
        plan.definition = Definition { personalizations: definitions, ..Definition::default() };
        plan.key_rules.clear();
        plan.catalogs.clear();
        plan.journeys.clear();
        plan.activations.clear();
        (plan.primary_key, plan.lookup_key) = (None, None);
        self.renumber(&mut plan);
        for planned in &mut plan.personalizations {
            let sections = planned.sections.iter().map(|section| (section.key_event, &section.criteria));
            planned.candidates = Candidates::new(&plan.program, sections);
        }
        plan
    }

    /// A section without the outputs that a page never gets, or an empty one.
    fn row(
        &self,
        plan: &Plan,
        section: Section,
        mut planned: SectionPlan,
        row: Row,
    ) -> (Section, SectionPlan) {
        if row == Row::Undecided {
            return (EMPTY, SectionPlan::undecided());
        }
        let outputs = section.outputs.into_iter().zip(planned.outputs);
        let shown = outputs.filter(|(_, planned)| !is_withheld(plan, planned));
        let (outputs, plans) = shown.unzip();
        planned.outputs = plans;
        for output in &mut planned.outputs {
            match output {
                // A section that calculates is undecided.
                OutputPlan::Same | OutputPlan::Calculated(..) => {}
                OutputPlan::Fact(fact) => *fact = self.fact_number(*fact),
                OutputPlan::Template(pieces) => pieces.iter_mut().for_each(|piece| {
                    if let Piece::Fact(fact) = piece {
                        *fact = self.fact_number(*fact);
                    }
                }),
            }
        }
        self.renumber_node(&mut planned.criteria);
        self.renumber_node(&mut planned.event_filter);
        planned.key_event = planned.key_event.map(|index| self.key_events.number(index));
        (Section { criteria: Expr::Constant(true), outputs, ..section }, planned)
    }

    fn renumber(&self, plan: &mut Plan) {
        self.tables.retain(&mut plan.tables);
        self.slots.retain(&mut plan.program.slots);
        self.predicates.retain(&mut plan.program.predicates);
        plan.program.computed.clear();
        self.facts.retain(&mut plan.facts);
        self.attributes.retain(&mut plan.attributes);
        self.key_events.retain(&mut plan.key_events);

        for typed in &mut plan.program.slots {
            if let Slot::Attribute(fact) = &mut typed.slot {
                *fact = self.fact_number(*fact);
            }
        }
        let mut memos = 0_u32;
        for predicate in &mut plan.program.predicates {
            predicate.slot = self.slots.number(predicate.slot as usize) as u32;
            // Not as the whole plan has it, where private sections share some.
            predicate.memo = (!predicate.op.is_quick()).then_some(memos);
            memos = memos.saturating_add(u32::from(predicate.memo.is_some()));
        }
        plan.program.memos = memos;
        plan.program.searched.clear();
        for fact in &mut plan.facts {
            fact.name.clear();
            fact.attribute = self.attributes.number(fact.attribute);
        }
        for (slot, attribute) in plan.attributes.iter_mut().enumerate() {
            attribute.name = slot.to_string();
            self.renumber_node(&mut attribute.filter);
            if let Kind::List(list) = &mut attribute.kind {
                list.actions.iter_mut().for_each(|action| self.renumber_node(&mut action.filter));
            }
        }
        let attributes = &plan.attributes;
        let name = |index: &usize| attributes.get(*index).map(|attribute| attribute.name.as_str());
        for key_event in &mut plan.key_events {
            key_event.table = self.tables.number(key_event.table);
            self.renumber_node(&mut key_event.filter);
            key_event.feeds.retain(|attribute| self.attributes.has(*attribute));
            key_event.takes.retain(|(attribute, _)| self.attributes.has(*attribute));
            key_event.feeds.iter_mut().for_each(|index| *index = self.attributes.number(*index));
            key_event.takes.iter_mut().for_each(|(index, _)| *index = self.attributes.number(*index));
            // In the order in which profiles store them.
            order::sort(&mut key_event.feeds, |a, b| name(a).cmp(&name(b)));
        }
    }

    fn renumber_node(&self, node: &mut Node) {
        node.for_each_test_mut(&mut |index, _| *index = self.predicates.number(*index as usize) as u32);
    }

    fn fact_number(&self, fact: u16) -> u16 {
        self.facts.number(usize::from(fact)) as u16
    }
}

const EMPTY: Section = Section {
    name: String::new(),
    key_event: None,
    event_filter: None,
    criteria: Expr::Constant(true),
    accept_unknown_profiles: true,
    outputs: Vec::new(),
    segments: Vec::new(),
    include_sensitive: false,
};
