//! A parent segment that was found, and what is said when none is.

use usher_engine::definition::Definition;
use usher_engine::diagnostic::Severity;

use crate::definitions::Definitions;
use crate::exit::Failure;

/// A parent segment, found.
pub(super) struct Segment {
    pub(super) definition: Definition,
    pub(super) status: &'static str,
}

impl Segment {
    pub(super) fn local(definitions: &Definitions) -> Segment {
        let status = if definitions.count(Severity::Error) == 0 { "initialized" } else { "inconsistent" };
        Segment { definition: definitions.definition().clone(), status }
    }
}

pub(super) fn is(definition: &Definition, name: &str) -> bool {
    definition.audience.id == name || definition.audience.name.as_deref() == Some(name)
}

/// Nothing of this name that the key may read.
pub(super) fn not_the_keys(name: &str) -> Failure {
    Failure::new(format!("Parent segment not found: `{name}`"))
        .help("`usher ps list` says which there are; one of another key is not shown")
}

pub(super) fn not_found(name: &str, known: &[String]) -> Failure {
    let failure = Failure::new(format!("Parent segment not found: `{name}`"));
    match known {
        [] => failure
            .help("nothing is defined here; `usher init` writes a definition, `usher push` publishes one"),
        known => failure.help(format!("there are: {}", known.join(", "))),
    }
}
