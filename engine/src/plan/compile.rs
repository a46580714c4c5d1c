//! The compiler: turns a definition into a plan, part by part. It collects all findings; none stops it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Plan;
use super::directory::Directory;
use super::keys::KeyRule;
use crate::attribute::shape::PARKED_SEPARATOR;
use crate::definition::{Definition, EventTable, Identity, Trust};
use crate::diagnostic::{At, Code, Diagnostic, NameKind, Severity, words};
use crate::event::ID_COLUMNS;
use crate::expr::op::compile_pattern;
use crate::index::Index;
use crate::limits;
use crate::order;

impl Plan {
    /// Compiles a definition. A plan may still have [`warnings`](Plan::warnings), which `usher-config` reports.
    ///
    /// # Errors
    ///
    /// Every finding, if one of them is an error. With the feature `words` they include the warnings about the parts
    /// without errors.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let kind = AttributeKind::Counter { key_event: "view".into(), filter: None, increment: Increment::Constant(1), window_ms: Some(86_400_000), parts: vec![], backfill: None };
    /// # let views = Attribute { name: "views".into(), kind, sensitive: false, description: None };
    /// # let criteria = syntax::parse("views >= 1").unwrap();
    /// # let section = Section { name: "Welcome".into(), key_event: None, event_filter: None, criteria, accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), description: None, choice: Choice::First, trigger: Some("view".into()), inputs: vec![], sections: vec![section] };
    /// # let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    /// # let identity = Identity { keys, primary_key: Some("visitor".into()), ..Identity::default() };
    /// # let definition = Definition { audience: Audience { id: "7".into(), name: None }, key_events: vec![view], attributes: vec![views], identity, personalizations: vec![home], ..Definition::default() };
    /// let plan = Plan::compile(&definition).unwrap();
    /// assert_eq!(plan.tables().len(), 1);
    ///
    /// let mut broken = definition.clone();
    /// broken.personalizations[0].trigger = Some("purchase".into());
    /// let findings = Plan::compile(&broken).unwrap_err();
    /// assert_eq!(findings[0].path, "personalizations[0].trigger");
    /// ```
    pub fn compile(definition: &Definition) -> Result<Plan, Vec<Diagnostic>> {
        Plan::compile_owned(definition.clone())
    }

    /// Compiles a definition and keeps it in the plan, without a copy.
    ///
    /// # Errors
    ///
    /// As [`compile`](Plan::compile).
    pub fn compile_owned(definition: Definition) -> Result<Plan, Vec<Diagnostic>> {
        let mut compiler = Compiler::new(&definition);
        let plan = compiler.plan();
        let mut found = compiler.found();
        if found.iter().any(|finding| finding.severity() == Severity::Error) {
            if cfg!(feature = "words") {
                let warnings = plan.warnings_of(&definition, &found);
                found.extend(warnings);
            }
            // A duplicate name is reported once, where it is declared; here it only marked the criteria that use it.
            found.retain(|finding| {
                finding.code != Code::DuplicateName || !finding.path.contains(".conditions[")
            });
            return Err(found);
        }
        Ok(Plan { definition, ..plan })
    }
}

/// A definition while it is compiled, with the findings so far.
pub(super) struct Compiler<'a> {
    pub(super) definition: &'a Definition,
    pub(super) out: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(definition: &'a Definition) -> Compiler<'a> {
        Compiler { definition, out: Vec::new() }
    }

    /// Every finding, in the order of the definition's parts.
    pub(super) fn found(self) -> Vec<Diagnostic> {
        self.out
    }

    pub(super) fn plan(&mut self) -> Plan {
        let definition = self.definition;
        self.bounds();
        self.names();
        let tables = tables_of(definition);
        let directory = Directory::of(definition);
        self.addresses(&directory);

        let (criteria, uses) = self.criteria(&tables, &directory);
        let mut lowered = self.lower(&criteria, &directory, &uses);
        let mut facts = self.facts(&directory, &uses);
        let attributes = self.attributes(&mut facts, &mut lowered.key_events, lowered.own_filters);
        let key_rules = self.key_rules();
        let id_columns = self.id_columns(&key_rules);
        let (events, program) = (criteria.section_events, lowered.program);
        let personalizations =
            self.personalizations(&directory, &program, &criteria.key_event_tables, events, lowered.sections);
        self.section_names(&personalizations);

        let identity = &definition.identity;
        Plan {
            // The caller moves the definition in when nothing borrows it any more.
            definition: Definition::default(),
            tables,
            program,
            key_events: lowered.key_events,
            attributes,
            facts,
            key_rules,
            primary_key: identity.primary_key.clone(),
            lookup_key: identity.lookup_key.clone().or_else(|| identity.primary_key.clone()),
            id_columns,
            personalizations,
        }
    }

    /// Checks that names are unique, and that none contains the separator of parked state.
    fn names(&mut self) {
        let definition = self.definition;
        self.unique(
            At::list("key_events"),
            definition.key_events.iter().map(|k| k.name.as_str()),
            "key event",
        );
        self.unique(
            At::list("attributes"),
            definition.attributes.iter().map(|a| a.name.as_str()),
            "attribute",
        );
        for (index, attribute) in definition.attributes.iter().enumerate() {
            if attribute.name.contains(PARKED_SEPARATOR) {
                let message = words!("the name of this attribute holds a NUL");
                self.report(Code::WrongType, At::item("attributes", index), message, None);
            }
        }
        self.unique(
            At::list("identity.keys"),
            definition.identity.keys.iter().map(|k| k.name.as_str()),
            "key",
        );
        let names = definition.personalizations.iter().map(|p| p.name.as_str());
        self.unique(At::list("personalizations"), names, "personalization");
    }

    /// The columns of an event's id, except those that identify visitors: all events of a visitor would have the same
    /// id.
    fn id_columns(&mut self, keys: &[KeyRule]) -> Vec<String> {
        let own = self.definition.event_id_column.as_deref();
        let is_key = |name: &str| keys.iter().any(|rule| rule.name == name);
        if let Some(own) = own.filter(|own| is_key(own)) {
            let message = words!("`{own}` is a stitching key, so it names visitors and no events");
            let help = words!("name a column that is different for each event");
            self.report(Code::DuplicateName, At::list("event_id_column"), message, Some(help));
        }
        let known = ID_COLUMNS.into_iter().filter(|name| Some(*name) != own);
        own.into_iter().chain(known).filter(|name| !is_key(name)).map(String::from).collect()
    }

    #[cold]
    pub(super) fn report(&mut self, code: Code, at: At<'_>, message: String, help: Option<String>) {
        self.out.push(Diagnostic { code, message, path: at.to_string(), help, unknown: None });
    }

    /// Reports a name that nothing declares.
    #[cold]
    pub(super) fn unknown(&mut self, kind: NameKind, name: &str, at: At<'_>, message: String) {
        self.out.push(Diagnostic::new(Code::UnknownName, message).at(at).unknown(kind, name));
    }

    fn bounds(&mut self) {
        let definition = self.definition;
        let mut check = |at: At<'_>, count: usize, max: usize| {
            if count > max {
                let message = words!("{count} {}, at most {max} are allowed", at.name());
                self.report(Code::OverBound, at, message, None);
            }
        };
        check(At::list("tables"), definition.tables.len(), limits::TABLES_MAX);
        check(At::list("key_events"), definition.key_events.len(), limits::KEY_EVENTS_MAX);
        for (index, key_event) in definition.key_events.iter().enumerate() {
            let at = At::item("key_events", index);
            check(at.field("columns"), key_event.columns.len(), limits::COLUMNS_MAX);
        }
        check(At::list("attributes"), definition.attributes.len(), limits::ATTRIBUTES_MAX);
        check(At::list("identity.keys"), definition.identity.keys.len(), limits::STITCH_KEYS_MAX);
        for (index, key) in definition.identity.keys.iter().enumerate() {
            let at = At::item("identity.keys", index);
            check(at.field("invalid_texts"), key.invalid_texts.len(), limits::INVALID_TEXTS_MAX);
        }
        let personalizations = &definition.personalizations;
        check(At::list("personalizations"), personalizations.len(), limits::PERSONALIZATIONS_MAX);
        for (index, personalization) in personalizations.iter().enumerate() {
            let at = At::item("personalizations", index);
            check(at.field("inputs"), personalization.inputs.len(), limits::INPUTS_MAX);
            check(at.field("sections"), personalization.sections.len(), limits::SECTIONS_MAX);
            for (number, section) in personalization.sections.iter().enumerate() {
                let at = at.inner("sections", number);
                check(at.field("outputs"), section.outputs.len(), limits::OUTPUTS_MAX);
                check(at.field("segments"), section.segments.len(), limits::SEGMENTS_MAX);
            }
        }
    }

    pub(super) fn unique<'n>(&mut self, list: At<'_>, names: impl Iterator<Item = &'n str>, what: &str) {
        let mut known = Index::default();
        for (index, name) in names.enumerate() {
            if name.is_empty() {
                self.report(Code::MissingKey, list.nth(index), words!("this {what} has no name"), None);
            } else if known.number(name, index) != index {
                let message = words!("Duplicate {what} name `{name}`");
                let help = words!("remove one of them, or rename it");
                self.report(Code::DuplicateName, list.nth(index).field("name"), message, Some(help));
            }
        }
    }

    pub(super) fn key_event(&mut self, name: &str, at: At<'_>) -> Option<usize> {
        let found = self.definition.key_events.iter().position(|key_event| key_event.name == name);
        if found.is_none() {
            self.unknown(NameKind::KeyEvent, name, at, words!("Unknown event name `{name}`"));
        }
        found
    }

    fn key_rules(&mut self) -> Vec<KeyRule> {
        let identity = &self.definition.identity;
        let lookup_key = identity.lookup_key.as_ref().or(identity.primary_key.as_ref());
        let mut rules = Vec::new();
        for (index, key) in identity.keys.iter().enumerate() {
            let mut pattern = |text: &Option<String>, field: &str| {
                let at = At::item("identity.keys", index);
                let compiled = text.as_ref().map(|text| compile_pattern(text));
                compiled.and_then(|result| {
                    result.map_err(|diagnostic| self.out.push(diagnostic.at(at.field(field)))).ok()
                })
            };
            rules.push(KeyRule {
                name: key.name.clone(),
                normalize: key.normalize.clone(),
                valid: pattern(&key.valid_regexp, "valid_regexp"),
                exclude: pattern(&key.exclude_regex, "exclude_regex"),
                invalid_texts: key.invalid_texts.clone(),
                placeholder_list: if key.placeholders { 0 } else { identity.placeholder_list },
                workflow_only: key.workflow_only,
                trust: key.trust,
            });
        }
        if let Some(lookup_key) = lookup_key {
            // The lookup key is a key without being listed, and the first to be tried.
            if !rules.iter().any(|rule| rule.name == *lookup_key) {
                rules.push(KeyRule {
                    name: lookup_key.clone(),
                    normalize: Vec::new(),
                    valid: None,
                    exclude: None,
                    invalid_texts: Vec::new(),
                    placeholder_list: identity.placeholder_list,
                    workflow_only: false,
                    trust: Trust::Open,
                });
            }
            order::sort(&mut rules, |a, b| (a.name != *lookup_key).cmp(&(b.name != *lookup_key)));
        }
        if let Some(primary) = &identity.primary_key
            // The lookup key needs no entry in the list.
            && identity.lookup_key.as_ref() != Some(primary)
            && !identity.keys.iter().any(|key| key.name == *primary)
        {
            let message = words!("Primary key not in stitching_keys");
            let help = words!("add `{primary}` to the stitching keys");
            self.report(Code::PrimaryKeyNotStitched, At::list("identity.primary_key"), message, Some(help));
        }
        if identity.placeholder_list > Identity::PLACEHOLDER_LIST {
            let message = words!(
                "there is no list {} of placeholders; the newest is {}",
                identity.placeholder_list,
                Identity::PLACEHOLDER_LIST
            );
            self.report(Code::UnknownName, At::list("identity.placeholder_list"), message, None);
        }
        rules
    }
}

/// The event tables of a definition, ascending and distinct.
fn tables_of(definition: &Definition) -> Vec<EventTable> {
    let mut tables: Vec<EventTable> = definition.tables.clone();
    tables.extend(definition.key_events.iter().map(|key_event| key_event.table.clone()));
    order::sort(&mut tables, Ord::cmp);
    tables.dedup();
    tables
}
