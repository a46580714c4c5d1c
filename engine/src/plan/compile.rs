//! The compiler: turns a definition into a plan, part by part. It collects all findings; none stops it.

use alloc::string::String;
use alloc::vec::Vec;

use super::Plan;
use super::directory::Directory;
use super::journeys::HAS_JOURNEYS;
use super::keys::KeyRule;
use crate::definition::{Definition, EventTable, Identity, Trust};
use crate::diagnostic::{At, CHECKS, Code, Diagnostic, NameKind, Severity, words};
use crate::event::ID_COLUMNS;
use crate::expr::op::compile_pattern;
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
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: Some("view".into()), inputs: vec![], sections: vec![section] };
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
        Plan::compiled(definition, CHECKS)
    }

    /// The same for a definition that was checked when it was published, maybe by an earlier build: rules that a plan does
    /// not need to run are not applied again, so a rule that is new or stricter stops nothing that runs.
    ///
    /// # Errors
    ///
    /// Every reason why it cannot run.
    pub fn compile_published(definition: Definition) -> Result<Plan, Vec<Diagnostic>> {
        Plan::compiled(definition, false)
    }

    fn compiled(definition: Definition, checks: bool) -> Result<Plan, Vec<Diagnostic>> {
        let mut compiler = Compiler { checks, ..Compiler::new(&definition) };
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
    /// True if rules apply that a plan does not need to run.
    checks: bool,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(definition: &'a Definition) -> Compiler<'a> {
        Compiler { definition, out: Vec::new(), checks: CHECKS }
    }

    /// Every finding, in the order of the definition's parts.
    pub(super) fn found(self) -> Vec<Diagnostic> {
        self.out
    }

    pub(super) fn plan(&mut self) -> Plan {
        let definition = self.definition;
        let tables = tables_of(definition);
        let directory = Directory::of(definition);
        if CHECKS && self.checks {
            self.check(&directory);
        }

        let (criteria, uses) = self.criteria(&tables, &directory);
        let mut lowered = self.lower(&criteria, &directory, &uses);
        let mut facts = self.facts(&directory, &uses);
        let attributes =
            self.attributes(&directory, &mut facts, &mut lowered.key_events, lowered.own_filters);
        let key_rules = self.key_rules();
        let id_columns = self.id_columns(&key_rules);
        let (events, program) = (criteria.section_events, lowered.program);
        let personalizations =
            self.personalizations(&directory, &program, &criteria.key_event_tables, events, lowered.sections);
        let journeys = lowered.journeys;
        let activations = if HAS_JOURNEYS { self.activations(&directory) } else { Vec::new() };
        if CHECKS && self.checks {
            self.check_plans(&attributes, &personalizations, &journeys);
        }

        let identity = &definition.identity;
        let mut plan = Plan {
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
            catalogs: Vec::new(),
            journeys,
            activations,
            has_steps: true,
        };
        plan.note_catalogs();
        plan
    }

    /// The columns of an event's id, except those that identify visitors: all events of a visitor would have the same
    /// id.
    fn id_columns(&self, keys: &[KeyRule]) -> Vec<String> {
        let own = self.definition.event_id_column.as_deref();
        let is_key = |name: &str| keys.iter().any(|rule| rule.name == name);
        let known = ID_COLUMNS.into_iter().filter(|name| Some(*name) != own);
        own.into_iter().chain(known).filter(|name| !is_key(name)).map(String::from).collect()
    }

    #[cold]
    pub(super) fn report(&mut self, code: Code, at: At<'_>, message: String, help: Option<String>) {
        self.out.push(Diagnostic { help, ..Diagnostic::new(code, message).at(at) });
    }

    /// Reports a name that nothing declares.
    #[cold]
    pub(super) fn unknown(&mut self, kind: NameKind, name: &str, at: At<'_>, message: String) {
        self.out.push(Diagnostic::new(Code::UnknownName, message).at(at).unknown(kind, name));
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
