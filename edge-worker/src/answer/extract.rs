//! The part of a profile that may be on the visitor's device.

use usher_engine::Profile;

use crate::limits::DEVICE_MS;
use crate::wire::base64url::base64url;
use crate::wire::json::Json;

/// `{"audience":"<id>","program":"<hash>","extract":"<base64url>","held":["<id>",…],"edge":{…},"taken_ms":…,"fresh_ms":…}`: the hash of the
/// program and the bytes that it reads (`devices`), the events of `ids` that they contain, the edge's context of the request, and
/// their age; `{"audience":"<id>","program":null}` where nothing may be on devices.
pub(crate) fn extract(
    audience: &str,
    devices: Option<(&str, &[u8])>,
    profile: &Profile,
    ids: &[String],
    (edge, taken_ms): (&[(String, String)], i64),
) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("audience").text(audience);
        let Some((program, extract)) = devices else { return o.field("program").null() };
        o.field("program").text(program);
        o.field("extract").text(&base64url(extract));
        let held = ids.iter().filter(|id| profile.seen_ids().has(id));
        o.field("held").list(held, |json, id| json.text(id));
        o.field("edge").object(|o| {
            for (name, value) in edge {
                o.field(name).text(value);
            }
        });
        o.field("taken_ms").number(taken_ms);
        o.field("fresh_ms").number(DEVICE_MS);
    });
    json
}
