//! What is run: a [`Definition`] with every name resolved, every type decided and every pattern compiled.
//!
//! Compiling reports all findings at once; a plan exists only when none of them is an error. A plan is never
//! serialized: isolates compile it from the definition that a bundle carries.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::width_ms;
use crate::candidates::Candidates;
use crate::definition::{
    Aggregation, AttributeKind, Definition, EventTable, Increment, Output, OutputSource, Personalization,
};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::expr::check::{Checker, Names, Scope, Uses};
use crate::expr::op::compile_pattern;
use crate::expr::types::TypeSet;
use crate::expr::{Node, Program};
use crate::identity::KeyRule;
use crate::index::Index;
use crate::limits;
use crate::order;
use crate::suggest::closest;
use crate::value::DataType;

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
}

#[derive(Debug)]
pub(crate) struct AttributePlan {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What its value may be; the ingest rule.
    pub(crate) types: TypeSet,
    pub(crate) sensitive: bool,
    /// Index of the key event that feeds it.
    pub(crate) key_event: Option<usize>,
}

/// An attribute's kind with its numbers ready.
#[derive(Debug)]
pub(crate) enum Kind {
    Last { column: String, duration_ms: Option<i64> },
    Sum { column: String },
    List { column: String, items_max: u32, duration_ms: i64 },
    Counter { column: Option<String>, constant: i64, window_ms: i64, width_ms: i64 },
    Batch { column: String },
}

impl Kind {
    /// The column that it reads, of an event or of a record.
    pub(crate) fn column(&self) -> Option<&str> {
        match self {
            Kind::Last { column, .. }
            | Kind::Sum { column }
            | Kind::List { column, .. }
            | Kind::Batch { column } => Some(column),
            Kind::Counter { column, .. } => column.as_deref(),
        }
    }
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
    /// Index of the attribute behind each output; None for what is the same for everybody.
    pub(crate) outputs: Vec<Option<u16>>,
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

/// What every part of the compiler looks names up in.
struct Directory {
    attributes: Index,
    declared: Vec<TypeSet>,
    lists: Vec<bool>,
}

impl Directory {
    fn index(&self, name: &str) -> Option<u16> {
        self.attributes.get(name).and_then(|index| u16::try_from(index).ok())
    }
}

impl Names for Directory {
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>> {
        if let Some(index) = self.index(name) {
            let types = self.declared.get(usize::from(index)).copied().unwrap_or(TypeSet::ANY);
            return Some(Ok((index, types)));
        }
        let (name, part) = name.rsplit_once('.')?;
        let index = self.index(name)?;
        let types = self.declared.get(usize::from(index)).copied().unwrap_or(TypeSet::ANY);
        Some(if part == "items" && self.lists.get(usize::from(index)) == Some(&true) {
            Ok((index, types))
        } else {
            Err(alloc::format!("attribute `{name}` has no part `{part}`"))
        })
    }

    fn suggest(&self, name: &str) -> Option<String> {
        closest(name, self.attributes.iter())
    }
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

        let mut attributes = Index::default();
        for (index, attribute) in definition.attributes.iter().enumerate() {
            attributes.number(attribute.name.clone(), index);
        }
        let directory = Directory {
            attributes,
            declared: definition.attributes.iter().map(|attribute| declared(&attribute.kind)).collect(),
            lists: definition
                .attributes
                .iter()
                .map(|a| matches!(a.kind, AttributeKind::List { .. }))
                .collect(),
        };

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
        let key_events: Vec<KeyEventPlan> = definition
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
                KeyEventPlan { table, filter }
            })
            .collect();
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
        let attributes = self.attributes(&directory, &uses);
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

    fn attributes(&mut self, directory: &Directory, uses: &Uses) -> Vec<AttributePlan> {
        let definition = self.definition;
        let mut plans = Vec::new();
        for (index, attribute) in definition.attributes.iter().enumerate() {
            let at = alloc::format!("attributes[{index}]");
            let key_event = match &attribute.kind {
                AttributeKind::Single { key_event, .. }
                | AttributeKind::List { key_event, .. }
                | AttributeKind::Counter { key_event, .. } => {
                    self.key_event(key_event, alloc::format!("{at}.key_event"))
                }
                AttributeKind::Batch { .. } => None,
            };
            let kind = match &attribute.kind {
                AttributeKind::Single { column, aggregation: Aggregation::Last, duration_ms, .. } => {
                    self.duration(*duration_ms, &at);
                    Kind::Last { column: column.clone(), duration_ms: *duration_ms }
                }
                AttributeKind::Single { column, aggregation: Aggregation::Sum, duration_ms, .. } => {
                    if duration_ms.is_some() {
                        let message = "a `sum` with a duration is not supported yet";
                        self.report(Code::NotSupported, at.clone(), message, Some("use a counter".into()));
                    }
                    Kind::Sum { column: column.clone() }
                }
                AttributeKind::List { column, items_max, duration_ms, .. } => {
                    self.duration(Some(*duration_ms), &at);
                    if !(1..=limits::LIST_ITEMS_MAX).contains(items_max) {
                        let message = alloc::format!(
                            "`{items_max}` items; a list keeps 1 to {}",
                            limits::LIST_ITEMS_MAX
                        );
                        self.report(Code::OverBound, at.clone(), message, None);
                    }
                    Kind::List { column: column.clone(), items_max: *items_max, duration_ms: *duration_ms }
                }
                AttributeKind::Counter { increment, window_ms, .. } => {
                    self.duration(Some(*window_ms), &at);
                    let (column, constant) = match increment {
                        Increment::Constant(constant) => (None, *constant),
                        Increment::Column(column) => (Some(column.clone()), 0),
                    };
                    Kind::Counter { column, constant, window_ms: *window_ms, width_ms: width_ms(*window_ms) }
                }
                AttributeKind::Batch { column, .. } => Kind::Batch { column: column.clone() },
            };
            let declared = directory.declared.get(index).copied().unwrap_or(TypeSet::ANY);
            let types = u16::try_from(index).map_or(declared, |index| uses.of_attribute(index, declared));
            plans.push(AttributePlan {
                name: attribute.name.clone(),
                kind,
                types,
                sensitive: attribute.sensitive,
                key_event,
            });
        }
        plans
    }

    fn duration(&mut self, duration_ms: Option<i64>, at: &str) {
        if let Some(duration_ms) = duration_ms
            && !(1..=limits::WINDOW_MS_MAX).contains(&duration_ms)
        {
            let message =
                "Invalid window_duration: a window or duration is more than nothing and at most 640 days";
            self.report(Code::BadDuration, at, message, None);
        }
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

    fn output(&mut self, directory: &Directory, output: &Output, at: String) -> Option<u16> {
        let OutputSource::Attribute { name, part } = &output.source else { return None };
        let full = match part {
            Some(part) => alloc::format!("{name}.{part}"),
            None => name.clone(),
        };
        match directory.attribute(&full) {
            Some(Ok((index, _))) => return Some(index),
            Some(Err(message)) => {
                self.report(Code::UnknownName, at, message, Some("a list's part is `items`".into()))
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

/// What an attribute's own declaration says of its type.
fn declared(kind: &AttributeKind) -> TypeSet {
    let of = |data_type: &Option<DataType>| data_type.map_or(TypeSet::ANY, TypeSet::one);
    match kind {
        AttributeKind::Single { aggregation: Aggregation::Sum, .. } | AttributeKind::Counter { .. } => {
            TypeSet::one(DataType::Number)
        }
        // The column `time` is the event's time, whatever was sent in it.
        AttributeKind::Single { column, data_type: None, .. } if column == "time" => {
            TypeSet::one(DataType::Timestamp)
        }
        AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. } => of(data_type),
        AttributeKind::List { .. } => TypeSet::LISTS,
    }
}
