//! Reads that all bodies share: the audience, and references to other bodies.

use usher_engine::diagnostic::Code;

use crate::lower::{Fields, Lower};

/// Keys that only answers of the API have.
pub(super) const READ_BACK: [&str; 5] = ["createdAt", "updatedAt", "createdBy", "updatedBy", "notation"];

impl Lower {
    /// The audience, which a body may name.
    pub(super) fn body_audience(&mut self, fields: Fields<'_>) {
        if fields.get("audienceId").is_some() {
            self.audience(fields, "audienceId", "audienceName");
        } else if self.bodies.first.is_none() {
            self.bodies.first = Some((self.text, fields.node.first_key()));
        }
    }

    /// The name of the key event that a body refers to by id or name.
    pub(in crate::dialect) fn key_event_id(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let id = self.need_id(fields, key)?;
        Some(self.bodies.key_events.get(&id).cloned().unwrap_or(id))
    }

    /// The name of the attribute that a body refers to by id, identifier or name.
    pub(in crate::dialect) fn attribute_id(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let id = self.need_id(fields, key)?;
        Some(self.bodies.attributes.get(&id).cloned().unwrap_or(id))
    }
}

/// Reports an id or a name that two bodies share, because references to it would be ambiguous.
pub(super) fn unique(
    lower: &mut Lower,
    fields: Fields<'_>,
    own: &str,
    called: [Option<&str>; 2],
    what: &str,
) {
    for name in called.into_iter().flatten() {
        let names = if what == "attribute" { &lower.bodies.attributes } else { &lower.bodies.key_events };
        if names.get(name).is_some_and(|other| other != own) {
            let message = format!("two bodies of the kind {what} are called `{name}`");
            lower.note(Code::DuplicateName, fields.span("name"), message);
        }
    }
}
