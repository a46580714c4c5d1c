//! The directory in which every part of the compiler looks up names of attributes.

use alloc::string::String;
use alloc::vec::Vec;

use super::row_keys;
use crate::attribute::plan::{Part, addresses};
use crate::definition::{AttributeKind, Definition};
use crate::diagnostic::words;
use crate::expr::scope::Names;
use crate::expr::types::TypeSet;
use crate::index::Index;

/// All facts by name.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) facts: Vec<Declared>,
    pub(super) names: Index,
    /// Names of attributes alone, for messages about their parts.
    attributes: Index,
}

/// A fact before its uses are known.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) alias: bool,
    pub(super) attribute: usize,
    pub(super) part: Part,
    pub(super) types: TypeSet,
    /// True if an answer can show it.
    pub(super) shows: bool,
}

impl Directory {
    pub(super) fn of(definition: &Definition) -> Directory {
        let mut directory = Directory::default();
        for (attribute, declared) in definition.attributes.iter().enumerate() {
            directory.attributes.number(&declared.name, attribute);
            let own = match &declared.kind {
                kind @ AttributeKind::Catalog { .. } => row_keys::addresses(definition, kind),
                kind => addresses(kind),
            };
            for address in own {
                let name = match address.name {
                    Some(part) => [declared.name.as_str(), ".", part].concat(),
                    None => declared.name.clone(),
                };
                // The first of several facts with one name counts; `Compiler::addresses` reports the collision.
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

    /// True if a fact is read from a row of a table.
    pub(super) fn is_of_row(&self, fact: u16) -> bool {
        self.facts.get(usize::from(fact)).is_some_and(|fact| matches!(fact.part, Part::Column(..)))
    }

    /// The names of an attribute's parts, for messages.
    pub(super) fn parts_of(&self, name: &str) -> Vec<&str> {
        let of = |full: &&str| full.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        self.names.iter().filter(of).collect()
    }
}

impl Names for Directory {
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>> {
        if let Some(index) = self.fact(name) {
            let types = self.facts.get(usize::from(index)).map_or(TypeSet::ANY, |fact| fact.types);
            return Some(Ok((index, types)));
        }
        if self.attributes.get(name).is_some() {
            return Some(Err(words!("`{name}` is a row: name one of its columns")));
        }
        let (name, part) = name.rsplit_once('.')?;
        self.attributes.get(name)?;
        Some(Err(words!("attribute `{name}` has no part `{part}`")))
    }
}
