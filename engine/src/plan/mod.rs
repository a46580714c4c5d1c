//! What is run: a [`Definition`] with every name resolved, every type decided and every pattern compiled.
//!
//! Compiling reports all findings at once; a plan exists only when none of them is an error. A plan is never
//! serialized: isolates compile it from the definition that a bundle carries.

mod attributes;
mod directory;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::plan::{AttributePlan, FactPlan};
use crate::candidates::Candidates;
use crate::definition::{
    AttributeKind, Definition, EventTable, ListAction, Output, OutputSource, Personalization, Trust,
};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::expr::check::{Checker, Names, Scope, Uses};
use crate::expr::op::compile_pattern;
use crate::expr::{Node, Program};
use crate::identity::KeyRule;
use crate::index::Index;
use crate::limits;
use crate::order;
use crate::suggest::closest;
use crate::syntax::Expr;
use directory::Directory;

/// A compiled definition.
#[derive(Debug)]
pub struct Plan {
    definition: Definition,
    /// Ascending, distinct.
    tables: Vec<EventTable>,
    pub(crate) program: Program,
    pub(crate) key_events: Vec<KeyEventPlan>,
    /// In the definition's order.
    pub(crate) attributes: Vec<AttributePlan>,
    /// What can be asked of them; slots and outputs index it.
    pub(crate) facts: Vec<FactPlan>,
    /// In routing order: the lookup key first.
    pub(crate) key_rules: Vec<KeyRule>,
    pub(crate) primary_key: Option<String>,
    lookup_key: Option<String>,
    /// In the definition's order.
    pub(crate) personalizations: Vec<PersonalizationPlan>,
}

#[derive(Debug)]
pub(crate) struct KeyEventPlan {
    pub(crate) table: usize,
    pub(crate) filter: Node,
    /// Indexes of the attributes that it feeds.
    pub(crate) feeds: Vec<usize>,
    /// Lists that it takes items out of: index of the attribute, and of its action.
    pub(crate) takes: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(crate) struct PersonalizationPlan {
    /// Indexes of the tables whose events it answers, ascending.
    pub(crate) tables: Vec<usize>,
    /// Index of the key event that triggers all of its sections.
    pub(crate) trigger: Option<usize>,
    pub(crate) sections: Vec<SectionPlan>,
    pub(crate) candidates: Candidates,
}

#[derive(Debug)]
pub(crate) struct SectionPlan {
    pub(crate) key_event: Option<usize>,
    pub(crate) event_filter: Node,
    pub(crate) criteria: Node,
    pub(crate) outputs: Vec<OutputPlan>,
}

/// What an output needs beside its source.
#[derive(Debug)]
pub(crate) enum OutputPlan {
    /// It is the same for everybody.
    Same,
    /// Index of the fact that it shows.
    Fact(u16),
    Template(Vec<Piece>),
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    /// Index of the fact that stands there.
    Fact(u16),
}

impl Plan {
    /// Compiles a definition. `Err` holds every finding, the errors among them; a plan may still have warnings, which
    /// `usher-config` reports, because they are about what was meant.
    pub fn compile(definition: &Definition) -> Result<Plan, Vec<Diagnostic>> {
        Plan::compile_owned(definition.clone())
    }

    /// The same for a definition that is not wanted any more, which the plan keeps.
    pub fn compile_owned(definition: Definition) -> Result<Plan, Vec<Diagnostic>> {
        let mut compiler = Compiler { definition: &definition, out: Vec::new() };
        let plan = compiler.plan();
        if compiler.out.iter().any(|finding| finding.severity() == Severity::Error) {
            return Err(compiler.out);
        }
        Ok(Plan { definition, ..plan })
    }

    /// What it was compiled from.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The event tables that events may arrive at, ascending; [`Event::table`](crate::Event) indexes them.
    pub fn tables(&self) -> &[EventTable] {
        &self.tables
    }

    /// The index of an event table.
    pub fn table(&self, database: &str, table: &str) -> Option<usize> {
        self.tables
            .binary_search_by(|known| (known.database.as_str(), known.table.as_str()).cmp(&(database, table)))
            .ok()
    }

    /// The index of a personalization.
    pub fn personalization(&self, name: &str) -> Option<usize> {
        self.definition.personalizations.iter().position(|personalization| personalization.name == name)
    }

    /// The name of the key column of imported records.
    pub fn lookup_key(&self) -> Option<&str> {
        self.lookup_key.as_deref()
    }

    /// Whether a name is that of a key that visitors are looked up by.
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

struct Compiler<'a> {
    definition: &'a Definition,
    out: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    fn plan(&mut self) -> Plan {
        let definition = self.definition;
        self.bounds();
        self.unique("key_events", definition.key_events.iter().map(|k| k.name.as_str()), "key event");
        self.unique("attributes", definition.attributes.iter().map(|a| a.name.as_str()), "attribute");
        self.unique("identity.keys", definition.identity.keys.iter().map(|k| k.name.as_str()), "key");
        let names = definition.personalizations.iter().map(|p| p.name.as_str());
        self.unique("personalizations", names, "personalization");

        let mut tables: Vec<EventTable> = definition.tables.clone();
        tables.extend(definition.key_events.iter().map(|key_event| key_event.table.clone()));
        order::sort(&mut tables, Ord::cmp);
        tables.dedup();
        let table_of = |table: &EventTable| tables.binary_search(table).unwrap_or(0);

        let directory = Directory::of(definition);

        // Every criterion with where it stands; types need all of them before any can be lowered.
        let mut uses = Uses::default();
        let key_event_tables: Vec<usize> = definition.key_events.iter().map(|k| table_of(&k.table)).collect();
        for (index, key_event) in definition.key_events.iter().enumerate() {
            if let Some(filter) = &key_event.filter {
                let scope =
                    Scope { table: key_event_tables.get(index).copied(), columns_only: true, inputs: &[] };
                let at = alloc::format!("key_events[{index}].filter");
                uses.add(filter, scope, &directory, &at, &mut self.out);
            }
        }
        let own_filters = self.own_filters(&key_event_tables);
        for (filter, table, at) in &own_filters {
            let scope = Scope { table: *table, columns_only: true, inputs: &[] };
            uses.add(filter, scope, &directory, at, &mut self.out);
        }
        let resolved: Vec<Vec<(Option<usize>, Option<usize>)>> = definition
            .personalizations
            .iter()
            .enumerate()
            .map(|(index, personalization)| self.section_events(index, personalization, &key_event_tables))
            .collect();
        let each_section = || {
            definition.personalizations.iter().zip(&resolved).enumerate().flat_map(
                |(index, (personalization, events))| {
                    personalization.sections.iter().zip(events).enumerate().map(
                        move |(number, (section, (_, table)))| {
                            let at = alloc::format!("personalizations[{index}].sections[{number}]");
                            let scope =
                                Scope { table: *table, columns_only: false, inputs: &personalization.inputs };
                            (section, scope, at)
                        },
                    )
                },
            )
        };
        for (section, scope, at) in each_section() {
            uses.add(&section.criteria, scope, &directory, &alloc::format!("{at}.criteria"), &mut self.out);
            if let Some(filter) = &section.event_filter {
                let scope = Scope { columns_only: true, ..scope };
                uses.add(filter, scope, &directory, &alloc::format!("{at}.event_filter"), &mut self.out);
            }
        }

        let mut checker = Checker::new(&directory, &uses);
        let mut key_events: Vec<KeyEventPlan> = definition
            .key_events
            .iter()
            .enumerate()
            .map(|(index, key_event)| {
                let table = table_of(&key_event.table);
                let scope = Scope { table: Some(table), columns_only: true, inputs: &[] };
                let at = alloc::format!("key_events[{index}].filter");
                let filter = match &key_event.filter {
                    Some(filter) => checker.lower(filter, scope, &at, &mut self.out),
                    None => Node::Constant(true),
                };
                KeyEventPlan { table, filter, feeds: Vec::new(), takes: Vec::new() }
            })
            .collect();
        let own_filters = own_filters.into_iter().map(|(filter, table, at)| {
            let scope = Scope { table, columns_only: true, inputs: &[] };
            checker.lower(filter, scope, &at, &mut self.out)
        });
        let own_filters = own_filters.collect();
        let mut lowered: Vec<(Node, Node)> = Vec::new();
        for (section, scope, at) in each_section() {
            let criteria =
                checker.lower(&section.criteria, scope, &alloc::format!("{at}.criteria"), &mut self.out);
            let filter_scope = Scope { columns_only: true, ..scope };
            let filter = match &section.event_filter {
                Some(filter) => {
                    checker.lower(filter, filter_scope, &alloc::format!("{at}.event_filter"), &mut self.out)
                }
                None => Node::Constant(true),
            };
            lowered.push((criteria, filter));
        }
        let program = checker.finish();
        let facts = self.facts(&directory, &uses);
        let attributes = self.attributes(&facts, &mut key_events, own_filters);
        let key_rules = self.key_rules();
        let personalizations =
            self.personalizations(&directory, &program, &key_event_tables, resolved, lowered);
        self.section_names(&personalizations);

        let identity = &definition.identity;
        Plan {
            // The caller puts it in when nothing looks at it any more.
            definition: Definition::default(),
            tables,
            program,
            key_events,
            attributes,
            facts,
            key_rules,
            primary_key: identity.primary_key.clone(),
            lookup_key: identity.lookup_key.clone().or_else(|| identity.primary_key.clone()),
            personalizations,
        }
    }

    fn report(
        &mut self,
        code: Code,
        at: impl Into<String>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let diagnostic = Diagnostic::new(code, at, message);
        self.out.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    fn bounds(&mut self) {
        let definition = self.definition;
        let mut check = |at: String, what: &str, count: usize, max: usize| {
            if count > max {
                let message = alloc::format!("{count} {what}, at most {max} are allowed");
                self.out.push(Diagnostic::new(Code::OverBound, at, message));
            }
        };
        check("attributes".into(), "attributes", definition.attributes.len(), limits::ATTRIBUTES_MAX);
        let personalizations = &definition.personalizations;
        check(
            "personalizations".into(),
            "personalizations",
            personalizations.len(),
            limits::PERSONALIZATIONS_MAX,
        );
        for (index, personalization) in personalizations.iter().enumerate() {
            let at = alloc::format!("personalizations[{index}]");
            check(
                alloc::format!("{at}.sections"),
                "sections",
                personalization.sections.len(),
                limits::SECTIONS_MAX,
            );
            for (number, section) in personalization.sections.iter().enumerate() {
                let at = alloc::format!("{at}.sections[{number}].outputs");
                check(at, "outputs", section.outputs.len(), limits::OUTPUTS_MAX);
            }
        }
    }

    fn unique<'n>(&mut self, list: &str, names: impl Iterator<Item = &'n str>, what: &str) {
        let mut known = Index::default();
        for (index, name) in names.enumerate() {
            if name.is_empty() {
                let message = alloc::format!("this {what} has no name");
                self.report(Code::MissingKey, alloc::format!("{list}[{index}]"), message, None);
            } else if known.number(name.to_owned(), index) != index {
                let message = alloc::format!("Duplicate {what} name `{name}`");
                let help = "remove one of them, or rename it".to_owned();
                self.report(Code::DuplicateName, alloc::format!("{list}[{index}]"), message, Some(help));
            }
        }
    }

    fn key_event(&mut self, name: &str, at: String) -> Option<usize> {
        let found = self.definition.key_events.iter().position(|key_event| key_event.name == name);
        if found.is_none() {
            let help =
                closest(name, self.definition.key_events.iter().map(|key_event| key_event.name.as_str()))
                    .map(|other| alloc::format!("did you mean `{other}`?"));
            self.report(Code::UnknownName, at, alloc::format!("Unknown event name `{name}`"), help);
        }
        found
    }

    /// The filters that attributes and the actions of lists have besides their key events': with the table whose columns
    /// they name, and where they stand.
    fn own_filters(&self, key_event_tables: &[usize]) -> Vec<(&'a Expr, Option<usize>, String)> {
        let definition = self.definition;
        let table = |name: &String| {
            let key_event = definition.key_events.iter().position(|key_event| key_event.name == *name);
            key_event_tables.get(key_event?).copied()
        };
        let mut filters = Vec::new();
        for (index, attribute) in definition.attributes.iter().enumerate() {
            let at = alloc::format!("attributes[{index}]");
            let (key_event, filter, actions): (_, _, &[ListAction]) = match &attribute.kind {
                AttributeKind::Single { key_event, filter, .. }
                | AttributeKind::Counter { key_event, filter, .. } => (key_event, filter, &[]),
                AttributeKind::List { key_event, filter, actions, .. } => (key_event, filter, actions),
                AttributeKind::Batch { .. } => continue,
            };
            if let Some(filter) = filter {
                filters.push((filter, table(key_event), alloc::format!("{at}.filter")));
            }
            for (number, action) in actions.iter().enumerate() {
                if let Some(filter) = &action.filter {
                    let at = alloc::format!("{at}.actions[{number}].filter");
                    filters.push((filter, table(&action.key_event), at));
                }
            }
        }
        filters
    }

    /// For each section: the key event it waits for, and the table whose columns its `event.` names mean.
    fn section_events(
        &mut self,
        index: usize,
        personalization: &Personalization,
        key_event_tables: &[usize],
    ) -> Vec<(Option<usize>, Option<usize>)> {
        let at = alloc::format!("personalizations[{index}]");
        let trigger = personalization.trigger.as_ref();
        let trigger = trigger.and_then(|name| self.key_event(name, alloc::format!("{at}.trigger")));
        let sections = personalization.sections.iter().enumerate();
        let events = sections.map(|(number, section)| {
            let key_event = section.key_event.as_ref();
            let key_event = key_event
                .and_then(|name| self.key_event(name, alloc::format!("{at}.sections[{number}].key_event")));
            let table = key_event.or(trigger).and_then(|index| key_event_tables.get(index).copied());
            (key_event, table)
        });
        events.collect()
    }

    fn key_rules(&mut self) -> Vec<KeyRule> {
        let identity = &self.definition.identity;
        let lookup_key = identity.lookup_key.as_ref().or(identity.primary_key.as_ref());
        let mut rules = Vec::new();
        for (index, key) in identity.keys.iter().enumerate() {
            let mut pattern = |text: &Option<String>, field: &str| {
                let at = alloc::format!("identity.keys[{index}].{field}");
                let compiled = text.as_ref().map(|text| compile_pattern(text, &at));
                compiled.and_then(|result| result.map_err(|diagnostic| self.out.push(diagnostic)).ok())
            };
            rules.push(KeyRule {
                name: key.name.clone(),
                valid: pattern(&key.valid_regexp, "valid_regexp"),
                exclude: pattern(&key.exclude_regex, "exclude_regex"),
                invalid_texts: key.invalid_texts.clone(),
                workflow_only: key.workflow_only,
                trust: key.trust,
            });
        }
        if let Some(lookup_key) = lookup_key {
            // It is a key without being listed, and the first to be tried.
            if !rules.iter().any(|rule| rule.name == *lookup_key) {
                rules.push(KeyRule {
                    name: lookup_key.clone(),
                    valid: None,
                    exclude: None,
                    invalid_texts: Vec::new(),
                    workflow_only: false,
                    trust: Trust::Open,
                });
            }
            order::sort(&mut rules, |a, b| (a.name != *lookup_key).cmp(&(b.name != *lookup_key)));
        }
        if let Some(primary) = &identity.primary_key
            && !rules.iter().any(|rule| rule.name == *primary)
        {
            let message = "Primary key not in stitching_keys";
            let help = alloc::format!("add `{primary}` to the stitching keys");
            self.report(Code::PrimaryKeyNotStitched, "identity.primary_key", message, Some(help));
        }
        rules
    }

    fn personalizations(
        &mut self,
        directory: &Directory,
        program: &Program,
        key_event_tables: &[usize],
        resolved: Vec<Vec<(Option<usize>, Option<usize>)>>,
        lowered: Vec<(Node, Node)>,
    ) -> Vec<PersonalizationPlan> {
        let definition = self.definition;
        let mut lowered = lowered.into_iter();
        let mut plans = Vec::new();
        for (index, (personalization, events)) in definition.personalizations.iter().zip(resolved).enumerate()
        {
            let at = alloc::format!("personalizations[{index}]");
            let inputs = personalization.inputs.iter().map(|input| input.name.as_str());
            self.unique(&alloc::format!("{at}.inputs"), inputs, "input");
            self.unique(
                &alloc::format!("{at}.sections"),
                personalization.sections.iter().map(|section| section.name.as_str()),
                "section",
            );
            let trigger = personalization
                .trigger
                .as_ref()
                .and_then(|name| definition.key_events.iter().position(|key_event| key_event.name == *name));
            let mut sections = Vec::new();
            for (number, (section, (key_event, _))) in
                personalization.sections.iter().zip(&events).enumerate()
            {
                let at = alloc::format!("{at}.sections[{number}]");
                let names = section.outputs.iter().map(|output| output.name.as_str());
                self.unique(&alloc::format!("{at}.outputs"), names, "output");
                let outputs = section.outputs.iter().enumerate().map(|(position, output)| {
                    self.output(directory, output, alloc::format!("{at}.outputs[{position}]"))
                });
                let outputs = outputs.collect();
                let Some((criteria, event_filter)) = lowered.next() else { continue };
                sections.push(SectionPlan { key_event: *key_event, event_filter, criteria, outputs });
            }
            let triggers =
                trigger.iter().chain(events.iter().filter_map(|(key_event, _)| key_event.as_ref()));
            let mut tables = Vec::new();
            for table in triggers.filter_map(|key_event| key_event_tables.get(*key_event)) {
                if let Err(at) = tables.binary_search(table) {
                    tables.insert(at, *table);
                }
            }
            let candidates = Candidates::new(program, &sections);
            plans.push(PersonalizationPlan { tables, trigger, sections, candidates });
        }
        plans
    }

    fn output(&mut self, directory: &Directory, output: &Output, at: String) -> OutputPlan {
        match &output.source {
            OutputSource::Constant(_) | OutputSource::Text(_) => OutputPlan::Same,
            OutputSource::Attribute { name, part } => {
                self.shown(directory, name, part.as_ref(), at).map_or(OutputPlan::Same, OutputPlan::Fact)
            }
            OutputSource::Template(text) => OutputPlan::Template(self.template(directory, text, &at)),
        }
    }

    /// Text with `{{name}}` in it.
    fn template(&mut self, directory: &Directory, text: &str, at: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((name, behind)) = behind.split_once("}}") else {
                let message = "`{{` is never closed in this template";
                self.report(Code::BadTemplate, at, message, Some("close it with `}}`".into()));
                return pieces;
            };
            pieces.push(Piece::Text(before.into()));
            pieces.extend(self.shown(directory, name.trim(), None, at.into()).map(Piece::Fact));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.into()));
        pieces
    }

    /// The fact that an answer shows under this name.
    fn shown(&mut self, directory: &Directory, name: &str, part: Option<&String>, at: String) -> Option<u16> {
        let full = match part {
            Some(part) => alloc::format!("{name}.{part}"),
            None => name.to_owned(),
        };
        match directory.attribute(&full) {
            Some(Ok((index, _))) => {
                if directory.facts.get(usize::from(index)).is_some_and(|fact| fact.shows) {
                    return Some(index);
                }
                let message =
                    alloc::format!("the list `{full}` has several parts; an answer shows one of them");
                let help = alloc::format!("name one: {}", directory.parts_of(&full).join(", "));
                self.report(Code::MissingKey, at, message, Some(help));
            }
            Some(Err(message)) => {
                let parts = directory.parts_of(name);
                let help = if parts.is_empty() {
                    alloc::format!("it has no parts; name it `{name}`")
                } else {
                    alloc::format!("its parts are {}", parts.join(", "))
                };
                self.report(Code::UnknownName, at, message, Some(help));
            }
            None => {
                let help = directory.suggest(name).map(|other| alloc::format!("did you mean `{other}`?"));
                self.report(Code::UnknownName, at, alloc::format!("unknown attribute `{full}`"), help);
            }
        }
        None
    }

    /// An answer names its offers by section, so personalizations that one event triggers share no section names.
    fn section_names(&mut self, plans: &[PersonalizationPlan]) {
        let definition = self.definition;
        let mut taken = Index::default();
        for (index, (personalization, plan)) in definition.personalizations.iter().zip(plans).enumerate() {
            for (number, section) in personalization.sections.iter().enumerate() {
                for table in &plan.tables {
                    let other = taken.number(alloc::format!("{table}.{}", section.name), index);
                    if other != index {
                        let other = definition.personalizations.get(other).map_or("", |p| p.name.as_str());
                        let message = alloc::format!(
                            "section `{}` stands in `{other}` too, and one event triggers both",
                            section.name
                        );
                        let at = alloc::format!("personalizations[{index}].sections[{number}]");
                        let help = "rename one of them: an answer names its offers by section".to_string();
                        self.report(Code::DuplicateName, at, message, Some(help));
                        break;
                    }
                }
            }
        }
    }
}
