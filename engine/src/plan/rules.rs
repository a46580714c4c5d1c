//! The part of the compiler that holds a definition to the rules which a plan does not need to run: bounds, names, and
//! what contradicts itself.
//!
//! Publication needs them. A build without the feature `checks` compiles what was checked when it was
//! published, and refuses only what it cannot run.

mod attributes;

use alloc::string::String;
use alloc::vec::Vec;

use super::compile::Compiler;
use super::directory::Directory;
use super::{JourneyPlan, PersonalizationPlan};
use crate::attribute::plan::AttributePlan;
use crate::attribute::shape::PARKED_SEPARATOR;
use crate::definition::{EventTable, Personalization};
use crate::diagnostic::{At, Code, words};
use crate::expr::scope::Names;
use crate::index::Index;
use crate::limits;

impl Compiler<'_> {
    /// Checks the definition by itself.
    pub(super) fn check(&mut self, directory: &Directory) {
        self.bounds();
        self.tables();
        self.names();
        self.addresses(directory);
        self.inputs(directory);
        self.identity();
        self.lookup_tables();
        self.pipelines();
        self.check_attributes();
    }

    /// Checks what was compiled of it.
    pub(super) fn check_plans(
        &mut self,
        attributes: &[AttributePlan],
        personalizations: &[PersonalizationPlan],
        journeys: &[JourneyPlan],
    ) {
        self.state_bytes(attributes, journeys);
        self.section_names(personalizations);
        self.check_journeys(journeys);
    }

    /// No event reaches a database whose name begins another address.
    fn tables(&mut self) {
        let definition = self.definition;
        let of_key_events = definition.key_events.iter().enumerate();
        let of_key_events = of_key_events.map(|(index, it)| (At::item("key_events", index), &it.table));
        let of_tables =
            definition.tables.iter().enumerate().map(|(index, it)| (At::item("tables", index), it));
        for (at, table) in of_tables.chain(of_key_events) {
            if EventTable::RESERVED.contains(&table.database.as_str()) {
                let message = words!("no event can be sent to the database `{}`", table.database);
                self.report(Code::BadTableName, at, message, None);
            }
        }
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

    /// Names are unique, and none contains the separator of parked state.
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
        self.personalization_names(&definition.personalizations);
        self.ids(&definition.personalizations);
        for (index, personalization) in definition.personalizations.iter().enumerate() {
            let at = At::item("personalizations", index);
            let inputs = personalization.inputs.iter().map(|input| input.name.as_str());
            self.unique(at.field("inputs"), inputs, "input");
            let sections = personalization.sections.iter().map(|section| section.name.as_str());
            self.unique(at.field("sections"), sections, "section");
            for (number, section) in personalization.sections.iter().enumerate() {
                let outputs = section.outputs.iter().map(|output| output.name.as_str());
                self.unique(at.inner("sections", number).field("outputs"), outputs, "output");
            }
        }
    }

    /// A service and an entity may share a name: then each has an id of its own, and the name means the first.
    fn personalization_names(&mut self, personalizations: &[Personalization]) {
        let list = At::list("personalizations");
        let mut known = Index::default();
        for (index, personalization) in personalizations.iter().enumerate() {
            let name = personalization.name.as_str();
            if name.is_empty() {
                self.report(
                    Code::MissingKey,
                    list.nth(index),
                    words!("this personalization has no name"),
                    None,
                );
                continue;
            }
            let first = known.number(name, index);
            let first_id = personalizations.get(first).and_then(|first| first.id.as_ref());
            let have_ids = personalization.id.is_some() && first_id.is_some();
            if first != index && !have_ids {
                let message = words!("Duplicate personalization name `{name}`");
                let help = words!("remove one of them, or rename it");
                self.report(Code::DuplicateName, list.nth(index).field("name"), message, Some(help));
            }
        }
    }

    /// Callers name a personalization by its name or its id, so that neither may mean two.
    fn ids(&mut self, personalizations: &[Personalization]) {
        for (index, personalization) in personalizations.iter().enumerate() {
            let Some(id) = &personalization.id else { continue };
            let at = At::item("personalizations", index);
            if id.is_empty() {
                self.report(Code::MissingKey, at.field("id"), words!("this id is empty"), None);
                continue;
            }
            let others = personalizations.iter().enumerate().filter(|(number, _)| *number != index);
            let mut others = others.filter(|(number, other)| {
                other.name == *id || (*number < index && other.id.as_ref() == Some(id))
            });
            if let Some((_, other)) = others.next() {
                let message = words!("`{id}` means the personalization `{}` as well", other.name);
                let help = words!("callers name one by its name or its id: give it another id");
                self.report(Code::DuplicateName, at.field("id"), message, Some(help));
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

    /// An input with the name of an attribute is an error: criteria that name it would be ambiguous.
    fn inputs(&mut self, directory: &Directory) {
        for (index, personalization) in self.definition.personalizations.iter().enumerate() {
            for (number, input) in personalization.inputs.iter().enumerate() {
                let name = &input.name;
                let message = match directory.attribute(name) {
                    None => continue,
                    Some(Ok(_)) => words!("`{name}` is both an attribute and an input"),
                    Some(Err(_)) => words!("the input `{name}` is named like a part of an attribute"),
                };
                let help = words!("rename the input, or the attribute: criteria could mean either");
                let at = At::item("personalizations", index);
                let at = at.inner("inputs", number);
                self.report(Code::DuplicateName, at.field("name"), message, Some(help));
            }
        }
    }

    fn identity(&mut self) {
        let identity = &self.definition.identity;
        if let Some(primary) = &identity.primary_key
            // The lookup key needs no entry in the list.
            && identity.lookup_key.as_ref() != Some(primary)
            && !identity.keys.iter().any(|key| key.name == *primary)
        {
            let message = words!("Primary key not in stitching_keys");
            let help = words!("add `{primary}` to the stitching keys");
            self.report(Code::PrimaryKeyNotStitched, At::list("identity.primary_key"), message, Some(help));
        }
        let lookup_key = identity.lookup_key.as_ref().or(identity.primary_key.as_ref());
        let is_key =
            |name: &String| Some(name) == lookup_key || identity.keys.iter().any(|key| key.name == *name);
        // All events of a visitor would have the same id.
        if let Some(own) = self.definition.event_id_column.as_ref().filter(|own| is_key(own)) {
            let message = words!("`{own}` is a stitching key, so it names visitors and no events");
            let help = words!("name a column that is different for each event");
            self.report(Code::DuplicateName, At::list("event_id_column"), message, Some(help));
        }
    }

    /// An answer names its offers by section, so personalizations that one event triggers must not share section names.
    fn section_names(&mut self, plans: &[PersonalizationPlan]) {
        let definition = self.definition;
        let mut by_table: Vec<Index> = Vec::new();
        for (index, (personalization, plan)) in definition.personalizations.iter().zip(plans).enumerate() {
            for (number, section) in personalization.sections.iter().enumerate() {
                for table in &plan.tables {
                    if by_table.len() <= *table {
                        by_table.resize_with(table.saturating_add(1), Index::default);
                    }
                    let Some(names) = by_table.get_mut(*table) else { continue };
                    let other = names.number(&section.name, index);
                    if other != index {
                        let other = definition.personalizations.get(other).map_or("", |p| p.name.as_str());
                        let message = words!(
                            "section `{}` stands in `{other}` too, and one event triggers both",
                            section.name
                        );
                        let at = At::item("personalizations", index);
                        let at = at.inner("sections", number);
                        let help = words!("rename one of them: an answer names its offers by section");
                        self.report(Code::DuplicateName, at, message, Some(help));
                        break;
                    }
                }
            }
        }
    }
}
