//! The part of the compiler that compiles personalizations: their triggers and outputs.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::compile::Compiler;
use super::criteria::LoweredSection;
use super::directory::Directory;
use super::{OutputPlan, PersonalizationPlan, Piece, SectionPlan};
use crate::candidates::Candidates;
use crate::definition::{Output, OutputSource, Personalization};
use crate::diagnostic::{At, Code, NameKind, words};
use crate::expr::scope::Names;
use crate::expr::{Node, Program};

/// The sections to check for whether an event is awaited. A section without a filter of its own covers all events of
/// its key event.
fn awaited(sections: &[SectionPlan]) -> Vec<usize> {
    let mut plain: Vec<usize> = Vec::new();
    let mut asked = Vec::new();
    let numbered = || sections.iter().enumerate().filter_map(|(n, it)| Some((n, it.key_event?, it)));
    for (number, key_event, section) in numbered() {
        if matches!(section.event_filter, Node::Constant(true)) && !plain.contains(&key_event) {
            plain.push(key_event);
            asked.push(number);
        }
    }
    let filtered = numbered().filter(|(_, key_event, _)| !plain.contains(key_event));
    asked.extend(filtered.map(|(number, ..)| number));
    asked
}

impl Compiler<'_> {
    /// For each section: its key event, and the table of its `event.` columns.
    pub(super) fn section_events(
        &mut self,
        index: usize,
        personalization: &Personalization,
        key_event_tables: &[usize],
    ) -> Vec<(Option<usize>, Option<usize>)> {
        let at = At::item("personalizations", index);
        let trigger = personalization.trigger.as_ref();
        let trigger = trigger.and_then(|name| self.key_event(name, at.field("trigger")));
        let sections = personalization.sections.iter().enumerate();
        let events = sections.map(|(number, section)| {
            let key_event = section.key_event.as_ref();
            let key_event = key_event
                .and_then(|name| self.key_event(name, at.inner("sections", number).field("key_event")));
            let table = key_event.or(trigger).and_then(|index| key_event_tables.get(index).copied());
            (key_event, table)
        });
        events.collect()
    }

    pub(super) fn personalizations(
        &mut self,
        directory: &Directory,
        program: &Program,
        key_event_tables: &[usize],
        resolved: Vec<Vec<(Option<usize>, Option<usize>)>>,
        lowered: Vec<LoweredSection>,
    ) -> Vec<PersonalizationPlan> {
        let definition = self.definition;
        let mut lowered = lowered.into_iter();
        let mut plans = Vec::new();
        for (index, (personalization, events)) in definition.personalizations.iter().zip(resolved).enumerate()
        {
            let at = At::item("personalizations", index);
            let trigger = personalization
                .trigger
                .as_ref()
                .and_then(|name| definition.key_events.iter().position(|key_event| key_event.name == *name));
            let mut sections = Vec::new();
            for (number, (section, (key_event, _))) in
                personalization.sections.iter().zip(&events).enumerate()
            {
                let at = at.inner("sections", number);
                let Some(LoweredSection { criteria, event_filter, outputs }) = lowered.next() else {
                    continue;
                };
                let mut calculated = outputs.into_iter().map(|calc| {
                    let mut results = Vec::new();
                    program.results_of(&calc, &mut |fact| results.push(fact));
                    OutputPlan::Calculated(calc, results)
                });
                let outputs =
                    section.outputs.iter().enumerate().map(|(position, output)| match &output.source {
                        OutputSource::Expression(_) => calculated.next().unwrap_or(OutputPlan::Same),
                        _ => self.output(directory, output, at.inner("outputs", position)),
                    });
                let outputs = outputs.collect();
                sections.push(SectionPlan {
                    key_event: *key_event,
                    event_filter,
                    criteria,
                    outputs,
                    undecided: false,
                });
            }
            let triggers =
                trigger.iter().chain(events.iter().filter_map(|(key_event, _)| key_event.as_ref()));
            let mut tables = Vec::new();
            for table in triggers.filter_map(|key_event| key_event_tables.get(*key_event)) {
                if let Err(at) = tables.binary_search(table) {
                    tables.insert(at, *table);
                }
            }
            let awaited = awaited(&sections);
            let candidates = Candidates::new(
                program,
                sections.iter().map(|section| (section.key_event, &section.criteria)),
            );
            plans.push(PersonalizationPlan {
                tables,
                trigger,
                awaited,
                undecided: false,
                sections,
                candidates,
            });
        }
        plans
    }

    fn output(&mut self, directory: &Directory, output: &Output, at: At<'_>) -> OutputPlan {
        match &output.source {
            OutputSource::Constant(_) | OutputSource::Text(_) | OutputSource::Expression(_) => {
                OutputPlan::Same
            }
            OutputSource::Attribute { name, part } => {
                self.shown(directory, name, part.as_ref(), at).map_or(OutputPlan::Same, OutputPlan::Fact)
            }
            OutputSource::Template(text) => OutputPlan::Template(self.template(directory, text, at)),
        }
    }

    /// Compiles a text with `{{name}}` placeholders.
    fn template(&mut self, directory: &Directory, text: &str, at: At<'_>) -> Vec<Piece> {
        let fact =
            |compiler: &mut Self, name: &str| compiler.shown(directory, name, None, at).map(Piece::Fact);
        self.pieces(text, at, |text| Piece::Text(text.into()), fact)
    }

    /// Cuts a text at its `{{name}}` placeholders; those that `insert` refuses are left out.
    pub(super) fn pieces<P>(
        &mut self,
        text: &str,
        at: At<'_>,
        literal: fn(&str) -> P,
        mut insert: impl FnMut(&mut Self, &str) -> Option<P>,
    ) -> Vec<P> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((name, behind)) = behind.split_once("}}") else {
                let message = words!("`{{{{` is never closed in this template");
                self.report(Code::BadTemplate, at, message, Some(words!("close it with `}}}}`")));
                return pieces;
            };
            pieces.push(literal(before));
            pieces.extend(insert(self, name.trim()));
            rest = behind;
        }
        pieces.push(literal(rest));
        pieces
    }

    /// The fact that an output of this name shows.
    pub(super) fn shown(
        &mut self,
        directory: &Directory,
        name: &str,
        part: Option<&String>,
        at: At<'_>,
    ) -> Option<u16> {
        let full = match part {
            Some(part) => [name, ".", part].concat(),
            None => name.to_owned(),
        };
        match directory.attribute(&full) {
            Some(Ok((index, _))) => {
                if directory.facts.get(usize::from(index)).is_some_and(|fact| fact.shows) {
                    return Some(index);
                }
                let message = words!("the list `{full}` has several parts; an answer shows one of them");
                let help = words!("name one: {}", directory.parts_of(&full).join(", "));
                self.report(Code::MissingKey, at, message, Some(help));
            }
            Some(Err(message)) => self.unknown(NameKind::Attribute, &full, at, message),
            None => self.unknown(NameKind::Attribute, &full, at, words!("unknown attribute `{full}`")),
        }
        None
    }
}
