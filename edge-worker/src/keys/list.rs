//! The keys of a deployment as operators see them, without anything that is secret.

use super::keyring::{KeyRecord, Keyring};
use crate::wire::json::{Json, Object};

/// `{"keys": [{"tag", "kind", "name", "audience", …}]}`, in the order of the secret.
pub(crate) fn list<'k>(records: impl Iterator<Item = &'k KeyRecord>) -> Json {
    let records: Vec<&KeyRecord> = records.collect();
    let mut json = Json::new();
    json.object(|o| {
        o.field("keys").list(records, |json, record| json.object(|o| listed(o, record)));
    });
    json
}

fn listed(o: &mut Object<'_>, record: &KeyRecord) {
    o.field("tag").text(&record.tag());
    o.field("kind").text(record.kind.as_str());
    if let Some(name) = &record.name {
        o.field("name").text(name);
    }
    o.field("audience").text(record.audience.as_deref().unwrap_or("*"));
    if let Some(algorithm) = record.algorithm() {
        o.field("algorithm").text(algorithm);
    }
    if record.public {
        o.field("public").boolean(true);
    }
    if !record.origins.is_empty() {
        o.field("origins").list(&record.origins, |json, origin| json.text(origin));
    }
    if let Some(names) = &record.personalizations {
        o.field("personalizations").list(names, |json, name| json.text(name));
    }
    let scopes = record.scope_names();
    if !scopes.is_empty() {
        o.field("scopes").list(scopes, |json, scope| json.text(scope));
    }
    if let Some((_, events)) = record.own_rate() {
        o.field("events_per_second").number(events.into());
    }
    if record.revoked {
        o.field("revoked").boolean(true);
    }
}

/// The keys in a deployment's secret (`USHER_KEYS`) as JSON, as `GET /v1/audiences/{audience}/keys` answers.
///
/// # Errors
///
/// One sentence for the operator, if the secret is unusable.
///
/// # Examples
///
/// ```
/// let key = format!(r#"{{"kind": "write", "audience": "7", "sha256": "{}"}}"#, "ab".repeat(32));
/// let secret = format!(r#"{{"signing_key": "{}", "keys": [{key}]}}"#, "07".repeat(32));
/// assert_eq!(
///     usher_edge::keys_of(&secret).as_deref(),
///     Ok(r#"{"keys":[{"tag":"abababababab","kind":"write","audience":"7"}]}"#)
/// );
/// assert!(usher_edge::keys_of("{}").is_err());
/// ```
pub fn keys_of(secret: &str) -> Result<String, String> {
    let keyring = Keyring::read(Some(secret), true)?;
    Ok(list(keyring.records()).into_text())
}
