//! One body of the control API, read beside the definition that it becomes a part of.

use std::collections::BTreeMap;

use usher_engine::definition::Definition;

use crate::Reading;
use crate::dialect::{self, Body};
use crate::document;
use crate::lower::Lower;
use crate::source::Source;

/// The names in a definition, by what a body may call them: an id, or a name for people.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of key events.
    pub key_events: BTreeMap<String, String>,
    /// Of attributes.
    pub attributes: BTreeMap<String, String>,
}

/// Reads a body, and appends its object to the definition. References that nothing declares are kept as they are, without a
/// finding. An empty list is read as null, as callers of the API expect.
///
/// # Examples
///
/// ```
/// use usher_config::{Body, Names, read_body};
/// use usher_engine::definition::Definition;
///
/// let text = r#"{"name": "view", "databaseName": "web", "tableName": "pages", "filterRule": null}"#;
/// let reading = read_body(Body::KeyEvent, text, Definition::default(), Names::default());
/// assert!(!reading.has_errors());
/// assert_eq!(reading.definition.key_events[0].name, "view");
///
/// let reading = read_body(Body::KeyEvent, r#"{"name": "view"}"#, Definition::default(), Names::default());
/// assert!(reading.has_errors());
/// ```
pub fn read_body(body: Body, text: &str, definition: Definition, names: Names) -> Reading {
    let source = Source { name: "body".to_owned(), text: text.to_owned() };
    let mut lower = Lower::new(std::slice::from_ref(&source));
    lower.definition = definition;
    lower.bodies.calls = true;
    lower.bodies.key_events = names.key_events;
    lower.bodies.attributes = names.attributes;
    // The address names the audience, so that the body need not.
    lower.audience = Some((0, document::Span::default()));
    match document::read_json(text) {
        Ok((node, faults)) => {
            faults.into_iter().for_each(|fault| lower.fault(fault));
            dialect::lower_body(&mut lower, body, &node);
        }
        Err(fault) => lower.fault(fault),
    }
    Reading::of(lower)
}
