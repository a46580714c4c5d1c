//! What every part of the compiler looks the names of attributes up in.

use alloc::string::String;
use alloc::vec::Vec;

use super::compile::Compiler;
use crate::attribute::plan::{Part, addresses};
use crate::definition::Definition;
use crate::diagnostic::{At, Code, words};
use crate::expr::check::Names;
use crate::expr::types::TypeSet;
use crate::index::Index;
use crate::suggest::closest;
use crate::syntax::Name;

/// Everything that can be asked of attributes, by name.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) facts: Vec<Declared>,
    names: Index,
    /// Names of attributes alone, for what is said about their parts.
    attributes: Index,
}

/// A fact before its uses are known.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) alias: bool,
    pub(super) attribute: usize,
    pub(super) part: Part,
    pub(super) types: TypeSet,
    /// Whether an answer can show it.
    pub(super) shows: bool,
}

impl Directory {
    pub(super) fn of(definition: &Definition) -> Directory {
        let mut directory = Directory::default();
        for (attribute, declared) in definition.attributes.iter().enumerate() {
            directory.attributes.number(&declared.name, attribute);
            for address in addresses(&declared.kind) {
                let name = match address.name {
                    Some(part) => [declared.name.as_str(), ".", part].concat(),
                    None => declared.name.clone(),
                };
                // Of several of one name the first is meant; `Compiler::addresses` says that they are several.
                directory.names.number(&name, directory.facts.len());
                directory.facts.push(Declared {
                    name,
                    alias: address.alias,
                    attribute,
                    part: address.part,
                    types: address.types,
                    shows: address.shows,
                });
            }
        }
        directory
    }

    /// The fact of this name.
    pub(super) fn fact(&self, name: &str) -> Option<u16> {
        self.names.get(name).and_then(|index| u16::try_from(index).ok())
    }

    /// The names of an attribute's parts, for what is said about them.
    pub(super) fn parts_of(&self, name: &str) -> Vec<&str> {
        let of = |full: &&str| full.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        self.names.iter().filter(of).collect()
    }
}

impl Compiler<'_> {
    /// What criteria and outputs call an attribute, or a part of one, means nothing else.
    pub(super) fn addresses(&mut self, directory: &Directory) {
        let mut reserved = None;
        for fact in &directory.facts {
            if let Some(meant) = reserved_for(&fact.name).filter(|_| !fact.alias) {
                // Once for an attribute with all its parts.
                if reserved.replace(fact.attribute) != Some(fact.attribute) {
                    let message = words!("`{}` means {meant}, never an attribute", fact.name);
                    self.taken(fact, message, words!("rename the attribute"));
                }
                continue;
            }
            let first = directory.names.get(&fact.name).and_then(|first| directory.facts.get(first));
            let Some(first) = first else { continue };
            let (one, other) = (self.attribute_of(first), self.attribute_of(fact));
            // Two attributes, or two parts of one, that are called alike are reported as that.
            if one == other {
                continue;
            }
            let (at, message) = if other == fact.name {
                (fact, words!("`{other}` is both an attribute and a part of the attribute `{one}`"))
            } else if one == fact.name {
                (first, words!("`{one}` is both an attribute and a part of the attribute `{other}`"))
            } else {
                let name = &fact.name;
                (fact, words!("`{name}` is a part of both attributes `{one}` and `{other}`"))
            };
            self.taken(at, message, words!("rename one of them: criteria and outputs could mean either"));
        }
    }

    fn attribute_of(&self, fact: &Declared) -> &str {
        self.definition.attributes.get(fact.attribute).map_or("", |attribute| attribute.name.as_str())
    }

    fn taken(&mut self, fact: &Declared, message: String, help: String) {
        let at = At::item("attributes", fact.attribute);
        self.report(Code::DuplicateName, at.field("name"), message, Some(help));
    }
}

/// What names of this form mean in criteria, if they are none of attributes.
fn reserved_for(name: &str) -> Option<&'static str> {
    if name.starts_with(Name::EVENT) {
        Some("a column of the event")
    } else if name.starts_with(Name::EDGE) {
        Some("what the edge knows of a request")
    } else {
        None
    }
}

impl Names for Directory {
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>> {
        if let Some(index) = self.fact(name) {
            let types = self.facts.get(usize::from(index)).map_or(TypeSet::ANY, |fact| fact.types);
            return Some(Ok((index, types)));
        }
        let (name, part) = name.rsplit_once('.')?;
        self.attributes.get(name)?;
        Some(Err(words!("attribute `{name}` has no part `{part}`")))
    }

    fn suggest(&self, name: &str) -> Option<String> {
        closest(name, self.names.iter())
    }
}
