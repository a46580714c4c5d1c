//! Normalizes key spelling: RT 2.0's documents write some bodies in snake case that its API has in camel case.

use usher_engine::diagnostic::Code;

use crate::document::{Content, Entry, Node};
use crate::lower::Lower;
use crate::spelling::{camel, snake};

/// The document with its keys in camel case; a key in both spellings is reported. Findings keep the document's own
/// spelling.
pub(in crate::dialect) fn spelled(lower: &mut Lower, node: &Node) -> Node {
    if any_key(node, |key| camel(key) != key) && !any_key(node, |key| snake(key).is_some_and(|it| it != key))
    {
        lower.write_snake_case(node.span);
    }
    camel_keys(lower, node)
}

fn any_key(node: &Node, is: fn(&str) -> bool) -> bool {
    match &node.content {
        Content::Scalar(_) => false,
        Content::List(items) => items.iter().any(|item| any_key(item, is)),
        Content::Map(entries) => entries.iter().any(|entry| is(&entry.key) || any_key(&entry.value, is)),
    }
}

/// The keys of a document as written, before [`spelled`] changed them.
pub(in crate::dialect) fn snake_keys(node: &Node) -> Node {
    let content = match &node.content {
        Content::Scalar(_) => return node.clone(),
        Content::List(items) => Content::List(items.iter().map(snake_keys).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .map(|entry| {
                    let key = snake(&entry.key).unwrap_or_else(|| entry.key.clone());
                    Entry { key, key_span: entry.key_span, value: snake_keys(&entry.value) }
                })
                .collect(),
        ),
    };
    Node { content, span: node.span }
}

fn camel_keys(lower: &mut Lower, node: &Node) -> Node {
    let content = match &node.content {
        Content::Scalar(_) => return node.clone(),
        Content::List(items) => Content::List(items.iter().map(|item| camel_keys(lower, item)).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .filter_map(|entry| {
                    let key = camel(&entry.key);
                    if key != entry.key && node.entry(key).is_some() {
                        let message = format!("`{key}` is written in two spellings; write one");
                        lower.note(Code::DuplicateName, entry.key_span, message);
                        return None;
                    }
                    let value = camel_keys(lower, &entry.value);
                    Some(Entry { key: key.to_owned(), key_span: entry.key_span, value })
                })
                .collect(),
        ),
    };
    Node { content, span: node.span }
}

/// True if a document has a key, in either spelling.
pub(in crate::dialect) fn has(node: &Node, key: &str) -> bool {
    match &node.content {
        Content::Map(entries) => entries.iter().any(|entry| camel(&entry.key) == key),
        _ => false,
    }
}
