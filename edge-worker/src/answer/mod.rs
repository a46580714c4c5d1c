//! The engine's answers, receipts and explanations as JSON.

mod explain;
mod extract;
mod profile;

pub(crate) use explain::{RowLine, explanation};
pub(crate) use extract::extract;
pub(crate) use profile::profile;

use usher_engine::definition::SegmentsAs;
use usher_engine::value::Value;
use usher_engine::{Answer, Offer, Reason, Why};

use crate::message::Receipt;
use crate::metrics::{Count, Counts};
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS};
use crate::wire::json::{Json, Object};

/// The source of the profile that an answer came from, for native routes.
pub(crate) struct Meta {
    pub(crate) bundle: u64,
    pub(crate) version: u64,
    pub(crate) source: &'static str,
    pub(crate) age_ms: i64,
    pub(crate) stale: bool,
    /// True if its event is still to be stored.
    pub(crate) uncommitted: bool,
    /// True if the profile is about to absorb others: what they know is not in the answer yet.
    pub(crate) merging: bool,
    /// The reason why its identity token vouches for nothing; empty: it does, or there was none.
    pub(crate) refused: &'static str,
}

/// `{"offers":{"<section>":{"attributes":{…},"batch_segments":[…]}}}`, and `meta` on native routes.
pub(crate) fn answer(answer: &Answer<'_>, meta: Option<&Meta>) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        offers(o, answer);
        if let Some(meta) = meta {
            o.field("meta").object(|o| {
                meta_fields(o, meta);
                reasons(o, answer, meta.stale);
                skipped(o, answer, &[]);
            });
        }
    });
    json
}

/// Counts the decisions of an answer.
pub(crate) fn count(answer: &Answer<'_>, stale: bool, counts: &mut Counts) {
    if answer.offers.is_empty() {
        counts.add(Count::NoOffer);
    }
    for offer in &answer.offers {
        counts.add(match offer.reason {
            _ if stale => Count::Stale,
            Reason::Default => Count::Default,
            Reason::TargetingMatch => Count::TargetingMatch,
        });
    }
}

/// The offers of personalizations that were asked for by name, and the names that are unknown.
pub(crate) type Named<'a> = (&'a Answer<'a>, &'a Meta, Vec<&'a str>);

/// `{"receipts":[{"id":"…","success":true},…]}`, and `offers` and `meta` if they were asked for. `meta` tells the
/// personalization of each offer.
pub(crate) fn mixed(receipts: &[&Receipt], ids: &[Option<&str>], named: Option<&Named<'_>>) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("receipts").list(receipts.iter().zip(ids), |json, (of_event, id)| {
            json.object(|o| {
                if let Some(id) = id {
                    o.field("id").text(id);
                }
                receipt(o, of_event);
            });
        });
        if let Some(named) = named {
            offers_of(o, named);
        }
    });
    json
}

fn offers_of(o: &mut Object<'_>, (answer, meta, unknown): &Named<'_>) {
    offers(o, answer);
    o.field("meta").object(|o| {
        meta_fields(o, meta);
        reasons(o, answer, meta.stale);
        personalizations(o, answer);
        skipped(o, answer, unknown);
    });
}

/// The same without receipts and braces, for an answer that is joined from those of several shards.
pub(crate) fn fields_of(named: &Named<'_>) -> String {
    let mut json = Json::new();
    json.object(|o| offers_of(o, named));
    let text = json.into_text();
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// The same on a device, with the personalizations that are left to an edge.
pub(crate) fn of_device(answer: &Answer<'_>, partial: &[&str], stale: bool) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        offers(o, answer);
        o.field("meta").object(|o| {
            reasons(o, answer, stale);
            personalizations(o, answer);
            skipped(o, answer, &[]);
            for (what, names) in [("undecided", answer.undecided.as_slice()), ("partial", partial)] {
                if !names.is_empty() {
                    o.field(what).list(names, |json, name| json.text(name));
                }
            }
        });
    });
    json
}

fn personalizations(o: &mut Object<'_>, answer: &Answer<'_>) {
    o.field("personalizations").object(|o| {
        for offer in &answer.offers {
            o.field(offer.section).text(offer.personalization);
        }
    });
}

fn reasons(o: &mut Object<'_>, answer: &Answer<'_>, stale: bool) {
    o.field("reasons").object(|o| {
        for offer in &answer.offers {
            o.field(offer.section).text(if stale { "STALE" } else { offer.reason.as_str() });
        }
    });
}

fn skipped(o: &mut Object<'_>, answer: &Answer<'_>, unknown: &[&str]) {
    if answer.skipped.is_empty() && unknown.is_empty() {
        return;
    }
    let known = answer.skipped.iter().map(|skipped| (skipped.personalization, Some(&skipped.why)));
    let unknown = unknown.iter().map(|name| (*name, None));
    o.field("skipped").list(known.chain(unknown), |json, (personalization, why)| {
        json.object(|o| {
            o.field("personalization").text(personalization);
            match why {
                Some(Why::MissingInput(input)) => o.field("missing_input").text(input),
                Some(Why::SectionTaken(section)) => o.field("section_taken").text(section),
                None => o.field("unknown").boolean(true),
            }
        });
    });
}

fn offers(o: &mut Object<'_>, answer: &Answer<'_>) {
    o.field("offers").object(|o| {
        for offer in &answer.offers {
            o.field(offer.section).object(|o| {
                o.field("attributes").object(|o| attributes(o, offer));
                segments(o.field("batch_segments"), offer);
            });
        }
    });
}

/// The batch segments of an offer, in the form that its personalization asks for.
fn segments(json: &mut Json, offer: &Offer<'_>) {
    match offer.segments_as {
        SegmentsAs::Names => json.list(&offer.segments, |json, segment| json.text(&segment.name)),
        SegmentsAs::Ids => json.list(&offer.segments, |json, segment| {
            json.object(|o| o.field("id").text(segment.id.as_ref().unwrap_or(&segment.name)));
        }),
        SegmentsAs::Booleans => json.object(|o| {
            for segment in &offer.segments {
                o.field(&segment.name).boolean(true);
            }
        }),
    }
}

fn meta_fields(o: &mut Object<'_>, meta: &Meta) {
    o.field("bundle").number(signed(meta.bundle));
    o.field("version").number(signed(meta.version));
    o.field("source").text(meta.source);
    o.field("age_ms").number(meta.age_ms);
    if meta.uncommitted {
        o.field("committed").boolean(false);
    }
    if HAS_SHARDS && meta.merging {
        o.field("merge").text("pending");
    }
    refused_identity(o, meta);
}

fn refused_identity(o: &mut Object<'_>, meta: &Meta) {
    if HAS_CONTROL_PLANE && !meta.refused.is_empty() {
        o.field("identity").object(|o| o.field("refused").text(meta.refused));
    }
}

/// `{"<output>":…}`
pub(crate) fn outputs(offer: &Offer<'_>) -> Json {
    let mut json = Json::new();
    json.object(|o| attributes(o, offer));
    json
}

fn attributes(o: &mut Object<'_>, offer: &Offer<'_>) {
    for (name, value) in &offer.attributes {
        o.field(name).value(value);
    }
}

/// `[{"key":{"<name>":"<value>"},"values":["<segment>",…],"attributes":{"<output>":…},"audienceId":"…"}]` of a visitor who
/// was found by this key, `[]` if no visitor was found. Each segment and output is there once, as in the first offer with it.
pub(crate) fn segments_of_visitor(audience: &str, key: Option<(&str, &str)>, answer: &Answer<'_>) -> Json {
    let mut json = Json::new();
    json.list(key, |json, (name, value)| {
        json.object(|o| {
            o.field("key").object(|o| o.field(name).text(value));
            let mut values: Vec<&str> = Vec::new();
            let mut outputs: Vec<(&str, &Value)> = Vec::new();
            for offer in &answer.offers {
                for segment in &offer.segments {
                    let id = segment.id.as_ref().filter(|_| offer.segments_as == SegmentsAs::Ids);
                    let value = id.unwrap_or(&segment.name).as_str();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                for (name, value) in &offer.attributes {
                    if outputs.iter().all(|(known, _)| known != name) {
                        outputs.push((name, value));
                    }
                }
            }
            o.field("values").list(values, |json, segment| json.text(segment));
            o.field("attributes")
                .object(|o| outputs.iter().for_each(|(name, value)| o.field(name).value(value)));
            o.field("audienceId").text(audience);
        });
    });
    json
}

/// `{"receipts":[{"success":true},…]}`
pub(crate) fn receipts(receipts: &[&Receipt]) -> Json {
    let mut json = Json::new();
    json.object(|o| {
        o.field("receipts").list(receipts, |json, of_event| json.object(|o| receipt(o, of_event)));
    });
    json
}

/// One of them, as text; with the event's id where the route tells it.
pub(crate) fn receipt_text(one: &Receipt, id: Option<&str>) -> String {
    let mut json = Json::new();
    json.object(|o| {
        if let Some(id) = id {
            o.field("id").text(id);
        }
        receipt(o, one);
    });
    json.into_text()
}

fn receipt(o: &mut Object<'_>, receipt: &Receipt) {
    o.field("success").boolean(receipt.failure.is_none());
    if let Some(failure) = receipt.failure {
        o.field("error").object(|o| o.field("name").text(failure));
    }
    if !receipt.notes.is_empty() {
        o.field("notes").list(&receipt.notes, |json, note| json.text(note));
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
