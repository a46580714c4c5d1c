//! The two spellings of the API's keys: camel case, and snake case in some documents of RT 2.0.

/// The keys of bodies with more than one word.
const KEYS: [&str; 78] = [
    "acceptUnknownProfiles",
    "aggregationType",
    "arrayMatching",
    "attributeIdentifier",
    "attributePayload",
    "audienceId",
    "audienceName",
    "batchAttributes",
    "batchSegments",
    "batchSegmentsAs",
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
    "connectionId",
    "controlVariant",
    "customizedSplit",
    "excludedPath",
    "exitAfter",
    "exitCriterias",
    "exportAdvancedJson",
    "exportJson",
    "isControlGroup",
    "journeyActivationStepId",
    "launchedAt",
    "orderIndex",
    "pausedAt",
    "realtimeJourneyId",
    "realtimeJourneyStageId",
    "rootStep",
    "stepUuid",
    "waitStep",
    "waitStepUnit",
];

/// The key in camel case: `event_tables` is `eventTables`.
pub(crate) fn camel(key: &str) -> &str {
    let same = |known: &&str| letters(known).eq(key.chars());
    if key.contains('_') { KEYS.into_iter().find(same).unwrap_or(key) } else { key }
}

/// The key in snake case; None for other words.
pub(crate) fn snake(key: &str) -> Option<String> {
    KEYS.contains(&key).then(|| letters(key).collect())
}

fn letters(key: &str) -> impl Iterator<Item = char> + '_ {
    key.chars().flat_map(|c| [c.is_ascii_uppercase().then_some('_'), Some(c.to_ascii_lowercase())]).flatten()
}

/// A message about a body, with the API's keys in snake case.
pub(crate) fn in_snake_case(words: &str) -> String {
    let mut out = String::new();
    for word in words.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let key = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        match snake(key) {
            Some(key_in_snake_case) => {
                out.push_str(&key_in_snake_case);
                out.push_str(word.get(key.len()..).unwrap_or_default());
            }
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_keeps_to_snake_case() {
        assert_eq!(in_snake_case("missing `primaryKey`"), "missing `primary_key`");
        assert_eq!(in_snake_case("known here: database, tableName"), "known here: database, table_name");
        assert_eq!(in_snake_case("write `\"maxItems\": 5`, é"), "write `\"max_items\": 5`, é");
        assert_eq!(in_snake_case("primaryKeys stay"), "primaryKeys stay");
    }

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
