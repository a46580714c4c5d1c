//! `id_stitching`.

use usher_engine::definition::{Identity, StitchKey, Trust};

use super::yaml::{Map, Yaml};

/// None when nothing is said of it.
pub(super) fn identity(identity: &Identity) -> Option<Map> {
    if *identity == Identity::default() {
        return None;
    }
    let map = match &identity.primary_key {
        Some(key) => Map::default().text("primary_key", key),
        None => Map::default().word("primary_key", "null"),
    };
    Some(
        map.maybe_text("ext_lookup_key", identity.lookup_key.as_ref())
            .list("stitching_keys", identity.keys.iter().map(key).collect()),
    )
}

fn key(key: &StitchKey) -> Yaml {
    let trust = (key.trust == Trust::Verified).then(|| Yaml::Word("verified".to_owned()));
    Yaml::Map(
        Map::default()
            .text("name", &key.name)
            .maybe_text("valid_regexp", key.valid_regexp.as_ref())
            .maybe_text("exclude_regex", key.exclude_regex.as_ref())
            .texts("invalid_texts", &key.invalid_texts)
            .flag("workflow_only", key.workflow_only)
            .maybe("trust", trust),
    )
}
