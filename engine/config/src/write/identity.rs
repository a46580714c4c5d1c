//! Writes `id_stitching`.

use usher_engine::definition::{Identity, Normalize, StitchKey, Trust};

use super::yaml::{Map, Yaml};

/// None for an identity without any keys.
pub(super) fn identity(identity: &Identity) -> Option<Map> {
    if *identity == Identity::default() {
        return None;
    }
    let map = match &identity.primary_key {
        Some(key) => Map::default().text("primary_key", key),
        None => Map::default().word("primary_key", "null"),
    };
    // Without the key a file has list 1.
    let list = identity.placeholder_list;
    let list = (list != 1).then(|| Yaml::Word(list.to_string()));
    Some(
        map.maybe_text("ext_lookup_key", identity.lookup_key.as_ref())
            .maybe("placeholder_list", list)
            .list("stitching_keys", identity.keys.iter().map(key).collect()),
    )
}

fn key(key: &StitchKey) -> Yaml {
    let trust = (key.trust == Trust::Verified).then(|| Yaml::Word("verified".to_owned()));
    let step = |step: &Normalize| match step {
        Normalize::Trim => "trim".to_owned(),
        Normalize::Lowercase => "lowercase".to_owned(),
    };
    let steps: Vec<String> = key.normalize.iter().map(step).collect();
    Yaml::Map(
        Map::default()
            .text("name", &key.name)
            .texts("normalize", &steps)
            .maybe_text("valid_regexp", key.valid_regexp.as_ref())
            .maybe_text("exclude_regex", key.exclude_regex.as_ref())
            .texts("invalid_texts", &key.invalid_texts)
            .flag("placeholders", key.placeholders)
            .flag("workflow_only", key.workflow_only)
            .maybe("trust", trust),
    )
}
