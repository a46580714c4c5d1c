//! The parts of what is said of a route.

use crate::error::Refusal;

/// One route of the table.
pub(super) struct Described {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The name of the operation.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// Behind the path in docs/http.md.
    pub(super) with: &'static str,
    /// The column `key` of docs/http.md.
    pub(super) key: &'static str,
    /// The column `body → answer` of docs/http.md.
    pub(super) text: &'static str,
    /// Beside those of the path.
    pub(super) parameters: &'static [Parameter],
    /// Media types and the schema of the body.
    pub(super) body: Option<(&'static [&'static str], &'static str)>,
    pub(super) answers: &'static [Answer],
    /// Beside those that every route with such callers and such a body has.
    pub(super) refusals: &'static [Refusal],
}

/// A parameter in the query or a header.
pub(super) struct Parameter {
    /// `query` or `header`
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) about: &'static str,
    /// Its values, as a JSON schema.
    pub(super) schema: &'static str,
}

impl Parameter {
    /// The same with these values alone.
    pub(super) const fn of(self, schema: &'static str) -> Parameter {
        Parameter { schema, ..self }
    }
}

/// An answer that is no refusal.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// The name of a schema.
    pub(super) schema: &'static str,
    /// Headers that it may have, beside `Cache-Control`.
    pub(super) headers: &'static [&'static str],
}

pub(super) const fn query(name: &'static str, required: bool, about: &'static str) -> Parameter {
    Parameter { place: "query", name, required, about, schema: TEXT }
}

pub(super) const fn answer(schema: &'static str, about: &'static str) -> Answer {
    Answer { status: 200, about, schema, headers: &[] }
}

/// Any text.
const TEXT: &str = r#"{"type": "string"}"#;
/// An id of the control API.
const API_ID: &str = r#"{"type": "string", "pattern": "^[1-9][0-9]*$"}"#;

pub(super) const LIMIT: Parameter = query("limit", false, "Most rows of the page, 1 to 200.")
    .of(r#"{"type": "integer", "minimum": 1, "maximum": 200}"#);
pub(super) const NEXT: Parameter = query("next", false, "That of the page before.")
    .of(r#"{"type": "string", "pattern": "^[0-9]+\\.[0-9]+$"}"#);
pub(super) const ID: Parameter =
    query("id", false, "The only one.").of(r#"{"type": "string", "pattern": "^[0-9a-f]{32}$"}"#);
pub(super) const PAGE_SIZE: Parameter =
    query("page[size]", false, "The most objects of the page, 1 to 1000; 100 without it.")
        .of(r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#);
pub(super) const PAGE_AFTER: Parameter =
    query("page[after]", false, "The id behind which the page begins: one of the list.").of(API_ID);
pub(super) const DESTINATION: Parameter = query("destination", false, "Those to this destination.");
pub(super) const SEEN: &[&str] = &["usher-seen"];
pub(super) const JSON: &[&str] = &["application/json"];
/// Of questions for one visitor.
pub(super) const OF_LOOKUPS: &[Refusal] = &[
    Refusal::BODY_INVALID,
    Refusal::INPUT_MISSING,
    Refusal::AUDIENCE_UNKNOWN,
    Refusal::TABLE_UNKNOWN,
    Refusal::PERSONALIZATION_UNKNOWN,
    Refusal::NEEDS_FORM,
];
/// Media types of resources: RT 2.0's own, and plain JSON.
pub(super) const RESOURCE: &[&str] = &["application/vnd.treasuredata.v1+json", "application/json"];
pub(super) const IF_MATCH: Parameter = Parameter {
    place: "header",
    name: "If-Match",
    required: false,
    about: "The bundle that runs now: a tag, a list of them, or `*` for any.",
    schema: TEXT,
};
pub(super) const PUBLISHING: &[Parameter] = &[
    IF_MATCH,
    query("draft", false, "`discard`: although a draft of the control API is open."),
    Parameter { name: "If-None-Match", about: "`*`: it is the first one.", ..IF_MATCH },
];
pub(super) const TOKEN: Parameter = Parameter {
    place: "header",
    name: "WP13n-Token",
    required: true,
    about: "A private token: with one, the body is one event, without it a batch.",
    schema: TEXT,
};

/// A route without any of the fields that most routes lack.
pub(super) const NOTHING: Described = Described {
    method: "GET",
    path: "",
    id: "",
    summary: "",
    with: "",
    key: "admin",
    text: "",
    parameters: &[],
    body: None,
    answers: &[],
    refusals: &[],
};
