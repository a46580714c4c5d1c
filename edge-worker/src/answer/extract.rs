//! The part of a profile that may be on the visitor's device.

use usher_engine::{Profile, Reduced};

use crate::bundle::hash_of;
use crate::limits::DEVICE_MS;
use crate::wire::base64url::base64url;
use crate::wire::json::Json;

/// `{"program":"<hash>","extract":"<base64url>","held":["<id>",…],"edge":{…},"taken_ms":…,"fresh_ms":…}`: the program that
/// reads the extract, the events of `ids` that it has, the edge's context of the request, and its age; `{"program":null}`
/// where nothing may be on devices.
pub(crate) fn extract(
    devices: Option<&Reduced>,
    profile: &Profile,
    ids: &[String],
    (edge, taken_ms): (&[(String, String)], i64),
) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        let Some(devices) = devices else { return o.field("program").null() };
        o.field("program").text(&hash_of(&devices.program()));
        o.field("extract").text(&base64url(&devices.extract(profile)));
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
