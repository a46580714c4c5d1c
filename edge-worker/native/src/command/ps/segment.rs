//! A parent segment that was found, and what is said when none is.

use serde_json::json;
use usher_engine::definition::{Audience, Definition};
use usher_engine::diagnostic::Severity;

use crate::client::Client;
use crate::definitions::Definitions;
use crate::exit::Failure;

/// The status before the first bundle.
const NOT_INITIALIZED: &str = "not_initialized";

/// A parent segment, found.
pub(super) struct Segment {
    pub(super) definition: Definition,
    pub(super) status: String,
}

impl Segment {
    pub(super) fn local(definitions: &Definitions) -> Segment {
        let status = if definitions.count(Severity::Error) == 0 { "initialized" } else { "inconsistent" };
        Segment { definition: definitions.definition().clone(), status: status.to_owned() }
    }

    /// The segment as an edge has it: its draft where one is open, else what runs. None: neither.
    pub(super) fn at(client: &Client, id: &str) -> Result<Option<Segment>, Failure> {
        // An earlier build has no drafts.
        let draft = client.get_any(&format!("/audiences/{id}/draft"))?;
        let status =
            draft.as_ref().and_then(|draft| draft.get("status")?.as_str()).unwrap_or("ok").to_owned();
        let open = draft.and_then(|draft| draft.get("definition").cloned()).filter(|it| !it.is_null());
        if let Some(definition) = open {
            let body = json!({"format": 3, "definition": definition}).to_string();
            let definition = usher_edge::definition_of(body.as_bytes()).map_err(Failure::new)?;
            return Ok(Some(Segment { definition, status }));
        }
        if let Some(found) = client.bundle(id)? {
            let definition = usher_edge::definition_of(&found.body).map_err(Failure::new)?;
            return Ok(Some(Segment { definition, status }));
        }
        // An audience is there when a key names it: RT 2.0's ids are numbers.
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let empty = is_number && status == NOT_INITIALIZED;
        let audience = Audience { id: id.to_owned(), name: None };
        Ok(empty.then(|| Segment { definition: Definition { audience, ..Definition::default() }, status }))
    }

    /// True before its first bundle.
    pub(super) fn is_empty(&self) -> bool {
        self.status == NOT_INITIALIZED
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
