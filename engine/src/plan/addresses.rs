//! The part of the compiler that checks the names of attributes and of their parts for collisions.

use alloc::string::String;

use super::compile::Compiler;
use super::directory::{Declared, Directory};
use crate::diagnostic::{At, Code, words};
use crate::syntax::Name;

impl Compiler<'_> {
    /// Checks that each name of an attribute or part has no second meaning.
    pub(super) fn addresses(&mut self, directory: &Directory) {
        let mut reserved = None;
        for fact in &directory.facts {
            if let Some(meant) = reserved_for(&fact.name).filter(|_| !fact.alias) {
                // Once for an attribute with all its parts.
                if reserved.replace(fact.attribute) != Some(fact.attribute) {
                    let message = words!("`{}` means {meant}, never an attribute", fact.name);
                    self.ambiguous(fact, message, words!("rename the attribute"));
                }
                continue;
            }
            let first = directory.names.get(&fact.name).and_then(|first| directory.facts.get(first));
            let Some(first) = first else { continue };
            let (one, other) = (self.attribute_of(first), self.attribute_of(fact));
            // Attributes or parts of one name are reported as duplicates.
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
            self.ambiguous(at, message, words!("rename one of them: criteria and outputs could mean either"));
        }
    }

    fn attribute_of(&self, fact: &Declared) -> &str {
        self.definition.attributes.get(fact.attribute).map_or("", |attribute| attribute.name.as_str())
    }

    fn ambiguous(&mut self, fact: &Declared, message: String, help: String) {
        let at = At::item("attributes", fact.attribute);
        self.report(Code::DuplicateName, at.field("name"), message, Some(help));
    }
}

/// The other meaning of a name of this form in criteria, if any.
fn reserved_for(name: &str) -> Option<&'static str> {
    if name.starts_with(Name::EVENT) {
        Some("a column of the event")
    } else if name.starts_with(Name::EDGE) {
        Some("what the edge knows of a request")
    } else {
        None
    }
}
