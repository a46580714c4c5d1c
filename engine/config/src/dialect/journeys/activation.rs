//! Activations in YAML.

use usher_engine::definition::{Activation, Header};
use usher_engine::diagnostic::Code;

use crate::document::{Content, Node};
use crate::lower::Lower;

/// The connector of webhooks, which an activation has that names none.
const WEBHOOK: &str = "td_webhook_out";

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    lower.enter(format!("activations[{}]", lower.definition.activations.len()), node.span);
    let known = ["name", "id", "connection", "connector", "method", "url", "headers", "body"];
    let Some(fields) = lower.fields(node, "an activation", &known) else { return };
    let name = lower.need_text(fields, "name");
    for (part, key) in [(".name", "name"), (".id", "id"), (".url", "url"), (".body", "body")] {
        lower.mark_key(part, fields, key);
    }
    let id = lower.id(fields);
    let connection = fields.get("connection").and_then(|_| lower.need_id(fields, "connection"));
    let connector = lower.text(fields, "connector").unwrap_or_else(|| WEBHOOK.to_owned());
    let method = lower.text(fields, "method").unwrap_or_else(|| "POST".to_owned());
    let method = method_of(lower, &method, fields.span("method"));
    let url = lower.text(fields, "url");
    let headers = fields.get("headers").map(|node| headers(lower, node)).unwrap_or_default();
    let body = lower.text(fields, "body");
    if let (Some(name), Some(method)) = (name, method) {
        let activation = Activation { name, id, connection, connector, method, url, headers, body };
        lower.definition.activations.push(activation);
    }
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
