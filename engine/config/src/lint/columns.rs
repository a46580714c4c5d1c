//! Lints of columns that a definition reads but their event tables do not have: filters that never match, attributes
//! that stay empty, keys that never stitch. Tables without known columns are skipped.

use usher_engine::definition::{AttributeKind, Definition, EventTable, Increment};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::{Expr, Name};

use super::journeys;
use crate::columns::Columns;
use crate::consequence::conditions;
use crate::suggest::did_you_mean;

pub(super) fn lint(definition: &Definition, columns: &Columns<'_>, found: &mut Vec<Diagnostic>) {
    let mut reads = Reads { definition, columns, found };
    for (index, event) in definition.key_events.iter().enumerate() {
        let at = format!("key_events[{index}].filter");
        reads.filter(event.filter.as_ref(), Some(&event.name), &at);
    }
    for (index, attribute) in definition.attributes.iter().enumerate() {
        reads.attribute(&attribute.kind, &format!("attributes[{index}]"));
    }
    for (index, personalization) in definition.personalizations.iter().enumerate() {
        for (number, section) in personalization.sections.iter().enumerate() {
            let at = format!("personalizations[{index}].sections[{number}]");
            let event = section.key_event.as_deref().or(personalization.trigger.as_deref());
            reads.filter(Some(&section.criteria), event, &format!("{at}.criteria"));
            reads.filter(section.event_filter.as_ref(), event, &format!("{at}.event_filter"));
        }
    }
    for condition in journeys::conditions(definition) {
        reads.filter(Some(condition.expr), condition.key_event, &condition.at);
    }
    keys_of_objects(definition, columns, found);
    keys(definition, columns, found);
}

/// Collects findings about the columns that are read.
struct Reads<'a, 'f> {
    definition: &'a Definition,
    columns: &'a Columns<'a>,
    found: &'f mut Vec<Diagnostic>,
}

impl Reads<'_, '_> {
    fn attribute(&mut self, kind: &AttributeKind, at: &str) {
        match kind {
            AttributeKind::Single { key_event, filter, column, .. } => {
                self.filter(filter.as_ref(), Some(key_event), &format!("{at}.filter"));
                self.column(column, Some(key_event), &format!("{at}.column"));
            }
            AttributeKind::List { key_event, filter, column, parts, actions, .. } => {
                self.filter(filter.as_ref(), Some(key_event), &format!("{at}.filter"));
                if let Some(column) = column {
                    self.column(column, Some(key_event), &format!("{at}.column"));
                }
                for (number, part) in parts.iter().enumerate() {
                    if Some(&part.column) != column.as_ref() {
                        self.column(&part.column, Some(key_event), &format!("{at}.parts[{number}].column"));
                    }
                }
                for (number, action) in actions.iter().enumerate() {
                    let at = format!("{at}.actions[{number}].filter");
                    self.filter(action.filter.as_ref(), Some(&action.key_event), &at);
                }
            }
            AttributeKind::Counter { key_event, filter, increment, .. } => {
                self.filter(filter.as_ref(), Some(key_event), &format!("{at}.filter"));
                if let Increment::Column(column) = increment {
                    self.column(column, Some(key_event), &format!("{at}.increment"));
                }
            }
            // The key of a row may be a column of any event.
            AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => {}
        }
    }

    fn filter(&mut self, filter: Option<&Expr>, event: Option<&str>, at: &str) {
        let mut names = Vec::new();
        filter.into_iter().for_each(|filter| conditions(filter, &mut names));
        let names = names.into_iter().enumerate();
        let names = names.flat_map(|(number, names)| names.into_iter().map(move |name| (number, name)));
        for (number, name) in names {
            if let Some(column) = name.0.strip_prefix(Name::EVENT) {
                self.named(column, event, &format!("{at}.conditions[{number}].name"), "");
            }
        }
    }

    /// A column that `source_field`, or another key of an attribute, names.
    fn column(&mut self, column: &str, event: Option<&str>, at: &str) {
        self.named(column, event, at, &format!("Invalid source_field `{column}`: "));
    }

    fn named(&mut self, column: &str, event: Option<&str>, at: &str, what: &str) {
        let event = self.definition.key_events.iter().find(|known| Some(known.name.as_str()) == event);
        let Some(EventTable { database, table }) = event.map(|event| &event.table) else { return };
        let known = event.and_then(|event| self.columns.known(&event.table));
        if column.ends_with("[]") && !known.is_some_and(|known| known.lists(column)) {
            let message =
                format!("{what}`{column}` names the objects of an array, and none of their columns");
            let array = column.trim_end_matches("[]");
            let help =
                format!("name a column of the objects, such as `{column}.id`, or the whole array: `{array}`");
            self.found.push(Diagnostic::new(Code::NotSupported, message).at(at).help(help));
            return;
        }
        // Attributes are refused by the compiler.
        if what.is_empty() && column.matches("[].").count() > 1 {
            let message =
                format!("`{column}` names objects within objects of an array, which are out of reach");
            let help = "name one array".to_owned();
            self.found.push(Diagnostic::new(Code::NotSupported, message).at(at).help(help));
            return;
        }
        let Some(known) = known else { return };
        if known.has(column) {
            return;
        }
        let near = did_you_mean(column, known.names());
        let finding = if known.listed {
            let help =
                near.unwrap_or_else(|| "add it to the event's `columns`, if events carry it".to_owned());
            let message = if what.is_empty() {
                format!("`{database}.{table}` has no column `{column}`")
            } else {
                format!("{what}`{database}.{table}` has no such column")
            };
            Diagnostic::new(Code::UnknownColumn, message).help(help)
        } else {
            let help =
                near.unwrap_or_else(|| "check how the site spells it, or take a larger sample".to_owned());
            let message = format!("no event of the sample on `{database}.{table}` has the column `{column}`");
            Diagnostic::new(Code::UnseenColumn, message).help(help)
        };
        self.found.push(finding.at(at));
    }
}

/// Reports keys that name objects of an array: a key is one value of an event.
fn keys_of_objects(definition: &Definition, columns: &Columns<'_>, found: &mut Vec<Diagnostic>) {
    let identity = &definition.identity;
    let listed = identity.keys.iter().enumerate();
    let listed = listed.map(|(index, key)| (&key.name, format!("identity.keys[{index}].name")));
    let unlisted = |name: &&String| !identity.keys.iter().any(|key| key.name == **name);
    let lookup =
        identity.lookup_key.iter().filter(unlisted).map(|name| (name, "identity.lookup_key".to_owned()));
    for (name, at) in listed.chain(lookup) {
        let mut tables = definition.key_events.iter().filter_map(|event| columns.known(&event.table));
        if (name.contains("[].") || name.ends_with("[]")) && !tables.any(|known| known.lists(name)) {
            let message =
                format!("the key `{name}` names objects of an array, and a key is one value of an event");
            let help = "stitch by a column of the event itself, such as `user_id`";
            found.push(Diagnostic::new(Code::NotSupported, message).at(at).help(help));
        }
    }
}

/// Reports keys that no table has, and tables without a key: their events belong to no visitor.
fn keys(definition: &Definition, columns: &Columns<'_>, found: &mut Vec<Diagnostic>) {
    let identity = &definition.identity;
    let lookup = identity.lookup_key.iter().chain(&identity.primary_key).map(String::as_str);
    let open = identity.keys.iter().filter(|key| !key.workflow_only).map(|key| key.name.as_str());
    let mut keys: Vec<&str> = Vec::new();
    for key in open.chain(lookup) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return;
    }
    let mut tables: Vec<&EventTable> = Vec::new();
    for (index, event) in definition.key_events.iter().enumerate() {
        if tables.contains(&&event.table) {
            continue;
        }
        tables.push(&event.table);
        if columns.known(&event.table).is_some_and(|known| !keys.iter().any(|key| known.has(key))) {
            let EventTable { database, table } = &event.table;
            let message =
                format!("events of `{database}.{table}` carry no stitching key, so they belong to nobody");
            let help = format!(
                "send one of {} with them",
                keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            );
            let at = format!("key_events[{index}].table");
            found.push(Diagnostic::new(Code::NoKeyColumn, message).at(at).help(help));
        }
    }
    tables.extend(&definition.tables);
    let known: Vec<_> = tables.iter().filter_map(|table| columns.known(table)).collect();
    // A table without known columns may have any key.
    if known.is_empty() || known.len() < tables.len() {
        return;
    }
    for (index, key) in identity.keys.iter().enumerate().filter(|(_, key)| !key.workflow_only) {
        if !known.iter().any(|known| known.has(&key.name)) {
            let message = format!("no event table has the column `{}`, so no event stitches by it", key.name);
            let near = did_you_mean(&key.name, known.iter().flat_map(|known| known.names()));
            let help = near.unwrap_or_else(|| "send it with events, or say `workflow_only: true`".to_owned());
            let at = format!("identity.keys[{index}].name");
            found.push(Diagnostic::new(Code::NoKeyColumn, message).at(at).help(help));
        }
    }
}
