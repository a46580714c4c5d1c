//! Connectors of vendors: templates of the webhook whose body a vendor documents.
//!
//! A template takes a few values (`with`) and becomes method, headers and body. Where it is sent, and the vendor's key, are those of the
//! deployment's destination.

use usher_engine::definition::Header;
use usher_engine::diagnostic::Code;
use usher_engine::value::Value;

use crate::document::{Content, Entry, Node};
use crate::lower::{Fields, Lower};

/// The connector of webhooks, which an activation has that names none.
pub(super) const WEBHOOK: &str = "td_webhook_out";

/// A request without its address.
pub(in crate::dialect) struct Request {
    pub(in crate::dialect) method: String,
    pub(in crate::dialect) headers: Vec<Header>,
    /// None: the journey, stage, step and time.
    pub(in crate::dialect) body: Option<String>,
}

/// A connector with a template.
pub(in crate::dialect) struct Template {
    /// The connector's type.
    connector: &'static str,
    /// The keys of its values.
    keys: &'static [&'static str],
    headers: &'static [(&'static str, &'static str)],
    body: fn(&mut Lower, Fields<'_>) -> Option<String>,
}

static TEMPLATES: [Template; 3] = [
    Template {
        connector: "braze_out",
        keys: &["external_id", "event", "properties"],
        headers: &[],
        body: braze,
    },
    Template {
        connector: "salesforce_mc_out",
        keys: &["contact_key", "event_definition_key", "data"],
        // Its documents ask for the character set where a value is beyond ASCII.
        headers: &[("content-type", "application/json; charset=UTF-8")],
        body: salesforce,
    },
    Template {
        connector: "sendgrid_out",
        keys: &["to", "from", "template_id", "data"],
        headers: &[],
        body: sendgrid,
    },
];

impl Template {
    /// The template of a connector; None: it has none.
    pub(in crate::dialect) fn of(connector: &str) -> Option<&'static Template> {
        TEMPLATES.iter().find(|template| template.connector == connector)
    }

    /// The connectors that have one, for help.
    pub(in crate::dialect) fn names() -> String {
        let quoted = |template: &Template| format!("`{}`", template.connector);
        TEMPLATES.iter().map(quoted).collect::<Vec<_>>().join(", ")
    }

    /// The keys of its values.
    pub(in crate::dialect) fn keys(&self) -> &'static [&'static str] {
        self.keys
    }

    /// True if a document has its values: a webhook's request, which a connector may have instead, has a `body` or a `url`.
    pub(in crate::dialect) fn fits(&self, document: &Node) -> bool {
        ["method", "url", "headers", "body"].iter().all(|key| document.entry(key).is_none())
    }

    /// The request with these values.
    pub(in crate::dialect) fn request(&self, lower: &mut Lower, values: Fields<'_>) -> Option<Request> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| Header { name: (*name).into(), value: (*value).into() });
        let body = (self.body)(lower, values)?;
        Some(Request { method: "POST".to_owned(), headers: headers.collect(), body: Some(body) })
    }
}

/// A mail from a dynamic template: `POST /v3/mail/send`.
fn sendgrid(lower: &mut Lower, values: Fields<'_>) -> Option<String> {
    let (to, from) = (lower.need_text(values, "to"), lower.need_text(values, "from"));
    let template = lower.need_text(values, "template_id");
    let data = object(lower, values, "data");
    let (to, from, template) = (inserted(&to?), inserted(&from?), inserted(&template?));
    let personalization = format!(r#"{{"to": [{{"email": {to}}}], "dynamic_template_data": {}}}"#, data?);
    Some(format!(
        r#"{{"personalizations": [{personalization}], "from": {{"email": {from}}}, "template_id": {template}}}"#
    ))
}

/// A custom event of a user: `POST /users/track`.
fn braze(lower: &mut Lower, values: Fields<'_>) -> Option<String> {
    let (user, event) = (lower.need_text(values, "external_id"), lower.need_text(values, "event"));
    let properties = object(lower, values, "properties");
    let (user, event) = (inserted(&user?), inserted(&event?));
    Some(format!(
        r#"{{"events": [{{"external_id": {user}, "name": {event}, "time": "{{{{step_time}}}}", "properties": {}}}]}}"#,
        properties?
    ))
}

/// An entry event of a journey there: `POST /interaction/v1/events`.
fn salesforce(lower: &mut Lower, values: Fields<'_>) -> Option<String> {
    let contact = lower.need_text(values, "contact_key");
    let definition = lower.need_text(values, "event_definition_key");
    if definition.as_ref().is_some_and(|key| key.contains('.')) {
        let message = "Marketing Cloud takes no `event_definition_key` with a period";
        let help = "use the key as its event administration shows it".to_owned();
        lower.note_with(Code::WrongType, values.span("event_definition_key"), message, Some(help));
        return None;
    }
    let data = object(lower, values, "data");
    let (contact, definition) = (inserted(&contact?), inserted(&definition?));
    Some(format!(r#"{{"ContactKey": {contact}, "EventDefinitionKey": {definition}, "Data": {}}}"#, data?))
}

/// A mapping as the text of a JSON object; without one it is empty.
fn object(lower: &mut Lower, values: Fields<'_>, key: &str) -> Option<String> {
    let Some(node) = values.get(key) else { return Some("{}".to_owned()) };
    if !matches!(node.content, Content::Map(_)) {
        lower.wrong(node, &format!("`{key}`"), "a mapping of names to values");
        return None;
    }
    json(lower, node)
}

fn json(lower: &mut Lower, node: &Node) -> Option<String> {
    Some(match &node.content {
        Content::Scalar(_) => match lower.value_of(node)? {
            Value::String(text) => inserted(&text),
            value => value.to_string(),
        },
        Content::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| json(lower, item)).collect();
            format!("[{}]", items?.join(", "))
        }
        Content::Map(entries) => {
            let entry = |entry: &Entry| {
                let name = Value::string(entry.key.as_str());
                Some(format!("{name}: {}", json(lower, &entry.value)?))
            };
            let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries?.join(", "))
        }
    })
}

/// A text as JSON; one that is a placeholder alone has its value's own type, and null where it is missing.
fn inserted(text: &str) -> String {
    let inside = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    match inside {
        Some(name) if !name.contains(['{', '}']) => text.to_owned(),
        _ => Value::string(text).to_string(),
    }
}
