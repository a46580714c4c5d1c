//! Answers, receipts and explanations as JSON.

use usher_engine::definition::Choice;
use usher_engine::value::Value;
use usher_engine::{
    Answer, ConditionTrace, Explanation, KnownAttribute, PersonalizationTrace, Profile, SectionTrace,
    Sighting, Why,
};

use super::json::{Json, Object};
use crate::message::Receipt;

/// Where an answer's facts come from, for native routes.
pub(crate) struct Meta {
    pub(crate) bundle: u64,
    pub(crate) version: u64,
    pub(crate) source: &'static str,
    pub(crate) age_ms: i64,
    pub(crate) stale: bool,
}

/// `{"offers":{"<section>":{"attributes":{…},"batch_segments":[…]}}}`, and `meta` on native routes.
pub(crate) fn answer(answer: &Answer<'_>, meta: Option<&Meta>) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        offers(o, answer);
        let Some(meta) = meta else { return };
        o.field("meta").object(|o| {
            meta_fields(o, meta);
            o.field("reasons").object(|o| {
                for offer in &answer.offers {
                    o.field(offer.section).text(if meta.stale { "STALE" } else { offer.reason.as_str() });
                }
            });
            if !answer.skipped.is_empty() {
                o.field("skipped").list(&answer.skipped, |json, skipped| {
                    json.object(|o| {
                        o.field("personalization").text(skipped.personalization);
                        match skipped.why {
                            Why::MissingInput(input) => o.field("missing_input").text(input),
                            Why::SectionTaken(section) => o.field("section_taken").text(section),
                        }
                    });
                });
            }
        });
    });
    json
}

fn offers(o: &mut Object<'_>, answer: &Answer<'_>) {
    o.field("offers").object(|o| {
        for offer in &answer.offers {
            o.field(offer.section).object(|o| {
                o.field("attributes").object(|o| {
                    for (name, value) in &offer.attributes {
                        o.field(name).value(value);
                    }
                });
                o.field("batch_segments").list(&offer.segments, |json, segment| json.text(segment));
            });
        }
    });
}

fn meta_fields(o: &mut Object<'_>, meta: &Meta) {
    o.field("bundle").number(signed(meta.bundle));
    o.field("version").number(signed(meta.version));
    o.field("source").text(meta.source);
    o.field("age_ms").number(meta.age_ms);
}

/// `{"receipts":[{"success":true},…]}`
pub(crate) fn receipts(receipts: &[&Receipt]) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("receipts").list(receipts, |json, receipt| {
            json.object(|o| {
                o.field("success").boolean(receipt.failure.is_none());
                if let Some(failure) = receipt.failure {
                    o.field("error").object(|o| o.field("name").text(failure));
                }
                if !receipt.notes.is_empty() {
                    o.field("notes").list(&receipt.notes, |json, note| json.text(note));
                }
            });
        });
    });
    json
}

/// An answer with its reasons, and the profile behind it.
pub(crate) fn explanation(
    profile: &Profile,
    known: bool,
    explanation: &Explanation<'_>,
    meta: &Meta,
) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("meta").object(|o| {
            o.field("bundle").number(signed(meta.bundle));
            o.field("profile").object(|o| {
                if known {
                    o.field("id").text(&profile.id.to_string());
                }
                o.field("version").number(signed(meta.version));
            });
            o.field("source").text(meta.source);
            o.field("age_ms").number(meta.age_ms);
        });
        o.field("profile").object(|o| {
            o.field("known").boolean(known);
            o.field("batch_record").boolean(profile.is_known());
            // Identifiers are personal: their names are shown, and how many there are.
            o.field("keys")
                .list(profile.keys(), |json, key| json.object(|o| o.field("name").text(&key.name)));
            o.field("segments").list(&explanation.segments, |json, segment| json.text(segment));
            o.field("attributes").object(|o| {
                for attribute in &explanation.attributes {
                    o.field(&attribute.name).object(|o| known_attribute(o, attribute));
                }
            });
        });
        offers(o, &explanation.answer);
        o.field("personalizations").list(&explanation.personalizations, personalization);
    });
    json
}

fn known_attribute(o: &mut Object<'_>, attribute: &KnownAttribute) {
    shown(o, attribute.value.as_ref(), attribute.value.is_none());
    o.field("source").text(attribute.source.as_str());
    if let Some(age_ms) = attribute.age_ms {
        o.field("age_ms").number(age_ms);
    }
    if let Some(width_ms) = attribute.width_ms {
        o.field("bucket_ms").number(width_ms);
    }
}

fn shown(o: &mut Object<'_>, value: Option<&Value>, redacted: bool) {
    if redacted {
        o.field("redacted").boolean(true);
    } else {
        match value {
            Some(value) => o.field("value").value(value),
            None => o.field("value").null(),
        }
    }
}

fn personalization(json: &mut Json, trace: &PersonalizationTrace) {
    json.object(|o| {
        o.field("name").text(&trace.name);
        o.field("choice").text(match trace.choice {
            Choice::All => "all",
            Choice::First => "first",
        });
        o.field("result").text(trace.result.as_str());
        if let Some(note) = &trace.note {
            o.field("reason").text(note);
        }
        o.field("sections").list(&trace.sections, section);
    });
}

fn section(json: &mut Json, trace: &SectionTrace) {
    json.object(|o| {
        o.field("name").text(&trace.name);
        o.field("result").text(trace.result.as_str());
        if let Some(note) = &trace.note {
            o.field("reason").text(note);
        }
        condition(o.field("criteria"), &trace.criteria);
    });
}

/// As deep as criteria nest, which is bounded.
fn condition(json: &mut Json, trace: &ConditionTrace) {
    json.object(|o| {
        o.field("text").text(&trace.text);
        o.field("result").text(trace.result.as_str());
        if let Some(seen) = &trace.seen {
            o.field("seen").list([seen], sighting);
        }
        if !trace.parts.is_empty() {
            o.field("parts").list(&trace.parts, condition);
        }
    });
}

fn sighting(json: &mut Json, seen: &Sighting) {
    json.object(|o| {
        o.field("name").text(&seen.name);
        shown(o, seen.value.as_ref(), seen.redacted);
        o.field("source").text(seen.source.as_str());
        if let Some(age_ms) = seen.age_ms {
            o.field("age_ms").number(age_ms);
        }
    });
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
