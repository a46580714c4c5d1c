//! Help for missing keys.

/// The purpose of a required key.
pub(super) fn wanted(key: &str) -> Option<&'static str> {
    Some(match key {
        "parent_segment_id" => "write the id of the parent segment, such as `parent_segment_id: \"1069944\"`",
        "database" | "databaseName" => {
            "write the first part of the address that events are sent to: /database/table"
        }
        "table" | "tableName" => {
            "write the second part of the address that events are sent to: /database/table"
        }
        "field" => "name the column that the pattern is searched in",
        "pattern" => "write a regular expression, such as `^/product/`",
        "source_event" | "realtimeKeyEventId" => "name the event that feeds it",
        "source_field" | "valueColumn" => "name the column of the event that is read",
        "idColumn" => "name the column that tells items apart",
        "type" => "say what it is",
        "primary_key" => "name the key that tells people apart; it is one of the stitching keys",
        "sections" => "list at least one section, each with criteria and outputs",
        "entryCriteria" => "write null for none",
        "payload" => {
            "say what the section answers: a `ResponseNode` with an `attributePayload`, a `segmentPayload` or a `stringBuilder`"
        }
        "outputName" => "write under which name the answer shows it",
        _ => return None,
    })
}
