//! Explanations: an answer with its reasons, and the profile behind it.

use usher_engine::definition::Choice;
use usher_engine::value::{Number, Value};
use usher_engine::{
    ConditionTrace, Explanation, GateTrace, JourneyTrace, KnownAttribute, Missed, ObservedValue,
    PersonalizationTrace, Profile, SectionTrace,
};

use super::{Meta, offers, refused_identity, signed};
use crate::wire::json::{Json, Object};
use crate::wire::read;

/// An answer with its reasons, and the profile behind it.
pub(crate) fn explanation(
    profile: &Profile,
    known: bool,
    explanation: &Explanation<'_>,
    meta: &Meta,
    journeys: &[JourneyTrace],
    journal: &[(i64, String)],
    rows: &[RowLine<'_>],
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
            refused_identity(o, meta);
        });
        o.field("profile").object(|o| {
            o.field("known").boolean(known);
            o.field("batch_record").boolean(profile.is_known());
            // Identifiers are personal: only their names and number are shown.
            o.field("keys")
                .list(profile.keys(), |json, key| json.object(|o| o.field("name").text(&key.name)));
            o.field("segments").list(&explanation.segments, |json, segment| json.text(segment));
            o.field("attributes").object(|o| {
                for attribute in &explanation.attributes {
                    o.field(&attribute.name).object(|o| known_attribute(o, attribute));
                }
            });
            if !journeys.is_empty() {
                o.field("journeys").list(journeys, journey);
            }
        });
        if !journal.is_empty() {
            o.field("journal")
                .list(journal, |json, (at_ms, entry)| json.object(|o| journal_row(o, *at_ms, entry)));
        }
        if !rows.is_empty() {
            o.field("rows").list(rows, |json, line| json.object(|o| row_line(o, line)));
        }
        offers(o, &explanation.answer);
        o.field("personalizations").list(&explanation.personalizations, personalization);
    });
    json
}

/// A row of a table that the answer read, or that it lacks.
pub(crate) struct RowLine<'a> {
    pub(crate) attribute: &'a str,
    /// The table, and the key if it may be shown; None: no row was looked for.
    pub(crate) row: Option<(&'a str, Option<&'a str>)>,
    /// Its version and its age in milliseconds, or the reason why it is missing.
    pub(crate) found: Result<(Option<Number>, i64), Missed>,
}

fn row_line(o: &mut Object<'_>, line: &RowLine<'_>) {
    o.field("attribute").text(line.attribute);
    if let Some((table, key)) = line.row {
        o.field("table").text(table);
        match key {
            Some(key) => o.field("key").text(key),
            None => o.field("redacted").boolean(true),
        }
    }
    match line.found {
        Ok((version, age_ms)) => {
            if let Some(version) = version {
                o.field("version").value(&Value::Number(version));
            }
            o.field("age_ms").number(age_ms);
        }
        Err(missed) => o.field("missed").text(missed.as_str()),
    }
}

/// `{"at_ms", "kind", …}`
pub(super) fn journal_row(o: &mut Object<'_>, at_ms: i64, entry: &str) {
    o.field("at_ms").number(at_ms);
    if let Ok(Value::Object(fields)) = read::value(entry.as_bytes()) {
        for (name, value) in &fields {
            o.field(name).value(value);
        }
    }
}

fn journey(json: &mut Json, trace: &JourneyTrace) {
    json.object(|o| {
        o.field("name").text(&trace.name);
        o.field("runs").boolean(trace.runs);
        if let Some(standing) = &trace.standing {
            o.field("current").object(|o| {
                if let Some(stage) = &standing.stage {
                    o.field("stage").text(stage);
                }
                if let Some(step) = &standing.step {
                    o.field("step").text(step);
                }
                o.field("why").text(standing.why);
                o.field("entered_ms").number(standing.entered_ms);
                o.field("since_ms").number(standing.since_ms);
                if let Some(due_ms) = standing.due_ms {
                    o.field("due_ms").number(due_ms);
                }
                if !standing.arms.is_empty() {
                    o.field("variants").object(|o| {
                        for (step, arm) in &standing.arms {
                            o.field(step).text(arm);
                        }
                    });
                }
            });
        }
        o.field("finished").list(&trace.finished, |json, (ending, ended_ms)| {
            json.object(|o| {
                o.field("ending").text(ending);
                o.field("ended_ms").number(*ended_ms);
            });
        });
        o.field("would_move").list(&trace.moves, gate);
    });
}

fn gate(json: &mut Json, trace: &GateTrace) {
    json.object(|o| {
        o.field("what").text(&trace.what);
        if let Some(key_event) = &trace.key_event {
            o.field("key_event").text(key_event);
        }
        if let Some(at_ms) = trace.at_ms {
            o.field("at_ms").number(at_ms);
        }
        if let Some(criteria) = &trace.criteria {
            condition(o.field("criteria"), criteria);
        }
    });
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

/// Recursion is bounded by the depth of criteria.
fn condition(json: &mut Json, trace: &ConditionTrace) {
    json.object(|o| {
        o.field("text").text(&trace.text);
        o.field("result").text(trace.result.as_str());
        if !trace.observed.is_empty() {
            o.field("seen").list(&trace.observed, observed_value);
        }
        if !trace.parts.is_empty() {
            o.field("parts").list(&trace.parts, condition);
        }
    });
}

fn observed_value(json: &mut Json, seen: &ObservedValue) {
    json.object(|o| {
        o.field("name").text(&seen.name);
        shown(o, seen.value.as_ref(), seen.redacted);
        o.field("source").text(seen.source.as_str());
        if let Some(age_ms) = seen.age_ms {
            o.field("age_ms").number(age_ms);
        }
    });
}
