//! A whole profile as readable JSON.

use usher_engine::{Export, Profile};

use super::explain::journal_row;
use super::signed;
use crate::wire::json::Json;

/// Keys, records and attributes of a profile, and the journal of its merges, newest first: times (Unix milliseconds) and
/// entries.
pub(crate) fn profile(profile: &Profile, export: &Export, journal: &[(i64, &str)]) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("id").text(&profile.id.to_string());
        o.field("created_ms").number(profile.created_ms);
        o.field("version").number(signed(profile.version));
        o.field("bundle").number(signed(profile.bundle));
        if profile.trimmed {
            o.field("trimmed").boolean(true);
        }
        o.field("keys").list(profile.keys(), |json, key| {
            json.object(|o| {
                o.field("name").text(&key.name);
                o.field("value").text(&key.value);
                o.field("seen_ms").number(key.seen_ms);
            });
        });
        o.field("absorbed").list(profile.absorbed(), |json, id| json.text(&id.to_string()));
        o.field("records").list(&export.records, Json::value);
        o.field("attributes").object(|o| {
            for (name, attribute) in &export.attributes {
                o.field(name).value(attribute);
            }
        });
        o.field("journal")
            .list(journal, |json, (at_ms, entry)| json.object(|o| journal_row(o, *at_ms, entry)));
    });
    json
}
