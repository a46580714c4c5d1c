//! An activation of the API, whose connector is JSON in texts.

use usher_engine::definition::Activation;
use usher_engine::diagnostic::Code;

use super::super::journeys::{Template, headers, method_of};
use super::body::READ_BACK;
use super::spelling::spelled;
use crate::document::{self, Content, Node};
use crate::lower::{Fields, Lower};

pub(in crate::dialect) fn lower(lower: &mut Lower, node: &Node) {
    let node = &spelled(lower, node);
    let known = ["id", "attributes", "relationships", "type", "links", "meta"];
    let Some(root) = lower.fields(node, "an activation", &known) else { return };
    let Some(node) = root.get("attributes") else { return };
    lower.enter(format!("activations[{}]", lower.definition.activations.len()), node.span);
    // A step names its activation; the way back is of no use.
    let known = ["id", "name", "stepUuid", "connectionId", "connectorType", "connector"];
    let Some(fields) = lower.fields_and(node, "an activation's attributes", &known, &READ_BACK) else {
        return;
    };
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let with_id = if root.get("id").is_some() { root } else { fields };
    lower.mark_key(".id", with_id, "id");
    let id = lower.id(with_id);
    let connection = lower.need_id(fields, "connectionId");
    let connector = lower.need_text(fields, "connectorType");
    let activation = lower
        .need(fields, "connector")
        .and_then(|node| export(lower, node, connector.as_deref().unwrap_or_default()));
    if let (Some(name), Some(connector), Some(activation)) = (name, connector, activation) {
        lower.definition.activations.push(Activation { name, id, connection, connector, ..activation });
    }
}

/// The request that a connector describes.
fn export(lower: &mut Lower, node: &Node, connector: &str) -> Option<Activation> {
    let fields = lower.fields(node, "a connector", &["exportJson", "exportAdvancedJson"])?;
    if let Some(node) = fields.get("exportAdvancedJson") {
        // The vendor's retries; a deployment has its own.
        lower.note(
            Code::Ignored,
            node.span,
            "`exportAdvancedJson` is not used: retries are a deployment's own",
        );
    }
    let text = lower.need_text(fields, "exportJson")?;
    let inner = inside(lower, fields, &text)?;
    if let Some(template) = Template::of(connector).filter(|template| template.fits(&inner)) {
        let values = lower.fields(&inner, "exportJson", template.keys())?;
        lower.mark_key(".body", fields, "exportJson");
        let request = template.request(lower, values)?;
        let (name, connector, method) = (String::new(), String::new(), request.method);
        let (headers, body) = (request.headers, request.body);
        return Some(Activation {
            name,
            id: None,
            connection: None,
            connector,
            method,
            url: None,
            headers,
            body,
        });
    }
    let known = ["method", "url", "headers", "body"];
    let request = lower.fields(&inner, "exportJson", &known)?;
    let method = lower.text(request, "method").unwrap_or_else(|| "post".to_owned());
    let method = method_of(lower, &method, fields.span("exportJson"))?;
    for (part, key) in [(".url", "url"), (".body", "body")] {
        lower.mark_key(part, request, key);
    }
    let url = lower.text(request, "url");
    let headers = request.get("headers").map(|node| headers(lower, node)).unwrap_or_default();
    let body = lower.text(request, "body");
    let (name, connector) = (String::new(), String::new());
    Some(Activation { name, id: None, connection: None, connector, method, url, headers, body })
}

/// The document in a text; all its places are that of the text.
fn inside(lower: &mut Lower, fields: Fields<'_>, text: &str) -> Option<Node> {
    let span = fields.span("exportJson");
    let (documents, faults) = document::read("connector.json", text);
    match documents.into_iter().next() {
        Some(mut node) if faults.is_empty() => {
            settle(&mut node, span);
            Some(node)
        }
        _ => {
            lower.note(Code::Unreadable, span, "`exportJson` is not JSON");
            None
        }
    }
}

fn settle(node: &mut Node, span: document::Span) {
    node.span = span;
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter_mut().for_each(|item| settle(item, span)),
        Content::Map(entries) => {
            for entry in entries {
                entry.key_span = span;
                settle(&mut entry.value, span);
            }
        }
    }
}
