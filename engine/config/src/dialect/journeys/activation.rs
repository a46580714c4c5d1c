//! Activations in YAML.

use usher_engine::definition::{Activation, Header};
use usher_engine::diagnostic::Code;

use super::connector::{Request, Template, WEBHOOK};
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    lower.enter(format!("activations[{}]", lower.definition.activations.len()), node.span);
    let known = ["name", "id", "connection", "connector", "with", "method", "url", "headers", "body"];
    let Some(fields) = lower.fields(node, "an activation", &known) else { return };
    let name = lower.need_text(fields, "name");
    for (part, key) in [(".name", "name"), (".id", "id"), (".url", "url"), (".body", "body")] {
        lower.mark_key(part, fields, key);
    }
    let id = lower.id(fields);
    let connection = fields.get("connection").and_then(|_| lower.need_id(fields, "connection"));
    let connector = lower.text(fields, "connector").unwrap_or_else(|| WEBHOOK.to_owned());
    let url = lower.text(fields, "url");
    let own = request(lower, fields);
    let templated = fields.get("with").map(|node| templated(lower, fields, &connector, node));
    let Some(Request { method, headers, body }) = templated.unwrap_or(own) else { return };
    if let Some(name) = name {
        let activation = Activation { name, id, connection, connector, method, url, headers, body };
        lower.definition.activations.push(activation);
    }
}

/// The request as it is written.
fn request(lower: &mut Lower, fields: Fields<'_>) -> Option<Request> {
    let method = lower.text(fields, "method").unwrap_or_else(|| "POST".to_owned());
    let method = method_of(lower, &method, fields.span("method"))?;
    let headers = fields.get("headers").map(|node| headers(lower, node)).unwrap_or_default();
    Some(Request { method, headers, body: lower.text(fields, "body") })
}

/// The request of a connector's template, from the values of `with`.
fn templated(lower: &mut Lower, fields: Fields<'_>, connector: &str, node: &Node) -> Option<Request> {
    let Some(template) = Template::of(connector) else {
        let message = format!("`with` has the values of a template, and `{connector}` has none");
        let help = format!(
            "write `method`, `headers` and `body`, or a connector with a template: {}",
            Template::names()
        );
        lower.note_with(Code::UnknownKey, fields.entry("with")?.key_span, message, Some(help));
        return None;
    };
    for key in ["method", "headers", "body"] {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` is that of the template of `{connector}`");
            let help = "leave it out, or leave out `with`".to_owned();
            lower.note_with(Code::UnknownKey, entry.key_span, message, Some(help));
            return None;
        }
    }
    let values = lower.fields(node, "`with`", template.keys())?;
    lower.mark(".body", node.span);
    template.request(lower, values)
}

/// Headers: a mapping of names to texts.
pub(in crate::dialect) fn headers(lower: &mut Lower, node: &Node) -> Vec<Header> {
    let Content::Map(entries) = &node.content else {
        lower.wrong(node, "`headers`", "a mapping of names to texts");
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in entries {
        lower.mark(&format!(".headers[{}]", headers.len()), entry.value.span);
        let value = lower.text_of(&entry.value, &entry.key);
        headers.extend(value.map(|value| Header { name: entry.key.clone(), value }));
    }
    headers
}

/// The HTTP method, in capitals.
pub(in crate::dialect) fn method_of(
    lower: &mut Lower,
    written: &str,
    span: crate::document::Span,
) -> Option<String> {
    let method = written.to_ascii_uppercase();
    if ["POST", "PUT", "PATCH"].contains(&method.as_str()) {
        return Some(method);
    }
    let message = format!("a webhook is not sent by `{written}`");
    lower.note_with(Code::UnknownName, span, message, Some("write POST, PUT or PATCH".to_owned()));
    None
}
