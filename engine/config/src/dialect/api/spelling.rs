//! One spelling of keys: RT 2.0's documents write some bodies in snake case that its API has in camel case.

use usher_engine::diagnostic::Code;

use crate::document::{Content, Entry, Node};
use crate::lower::Lower;

/// The keys of bodies that have more than one word.
const KEYS: [&str; 58] = [
    "acceptUnknownProfiles",
    "aggregationType",
    "arrayMatching",
    "attributeIdentifier",
    "attributePayload",
    "audienceId",
    "audienceName",
    "batchAttributes",
    "batchSegments",
    "catalogPayload",
    "connectorType",
    "counterType",
    "createdAt",
    "createdBy",
    "dataType",
    "databaseName",
    "entryCriteria",
    "eventName",
    "eventTables",
    "extLookupKey",
    "filterRule",
    "idColumn",
    "includeSensitive",
    "invalidTexts",
    "keyColumns",
    "keyEventCriteria",
    "keyEventFilters",
    "keyEventId",
    "lookupCatalogColumns",
    "lookupCatalogTableName",
    "lookupKeys",
    "maxItems",
    "maxValue",
    "minValue",
    "outputName",
    "primaryKey",
    "profileCriteria",
    "realtimeAttributeId",
    "realtimeAttributeKind",
    "realtimeJourneyStages",
    "realtimeKeyEventId",
    "referencingRealtimeAttributes",
    "rightValue",
    "rightValues",
    "segmentPayload",
    "statusDetailed",
    "stringBuilder",
    "subAttributeIdentifier",
    "subDurations",
    "tableName",
    "timestampIdentifier",
    "updatedAt",
    "updatedBy",
    "validRegexp",
    "valueColumn",
    "allowedIps",
    "reentryMode",
    "segmentFolderId",
];

/// The document with its keys in camel case; a key in both spellings is noted.
pub(in crate::dialect) fn spelled(lower: &mut Lower, node: &Node) -> Node {
    let content = match &node.content {
        Content::Scalar(_) => return node.clone(),
        Content::List(items) => Content::List(items.iter().map(|item| spelled(lower, item)).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .filter_map(|entry| {
                    let key = camel(&entry.key);
                    if key != entry.key && node.entry(key).is_some() {
                        let message = format!("`{key}` and `{}` say the same; write one", entry.key);
                        lower.note(Code::DuplicateName, entry.key_span, message);
                        return None;
                    }
                    let value = spelled(lower, &entry.value);
                    Some(Entry { key: key.to_owned(), key_span: entry.key_span, value })
                })
                .collect(),
        ),
    };
    Node { content, span: node.span }
}

/// Whether a document has a key, in either spelling.
pub(in crate::dialect) fn has(node: &Node, key: &str) -> bool {
    match &node.content {
        Content::Map(entries) => entries.iter().any(|entry| camel(&entry.key) == key),
        _ => false,
    }
}

/// The key that is meant: `event_tables` is `eventTables`.
fn camel(key: &str) -> &str {
    let snake = |c: char| [c.is_ascii_uppercase().then_some('_'), Some(c.to_ascii_lowercase())];
    let same = |known: &&str| known.chars().flat_map(snake).flatten().eq(key.chars());
    if key.contains('_') { KEYS.into_iter().find(same).unwrap_or(key) } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_is_understood_where_a_key_is_known() {
        for (written, meant) in [
            ("event_tables", "eventTables"),
            ("realtime_key_event_id", "realtimeKeyEventId"),
            ("eventTables", "eventTables"),
            ("event_table", "event_table"),
            ("eventtables", "eventtables"),
            ("eve_nttables", "eve_nttables"),
            ("exclude_regex", "exclude_regex"),
            ("_", "_"),
        ] {
            assert_eq!(camel(written), meant);
        }
    }
}
