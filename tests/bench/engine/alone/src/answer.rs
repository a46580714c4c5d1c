//! The engine's answers as values, with every part that a host would send.

use usher_engine::diagnostic::Diagnostic;
use usher_engine::value::Value;
use usher_engine::{
    Answer, ConditionTrace, Entry, Explanation, Ingested, Keys, Offer, ProfileId, Stitched, Why,
};

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Value) -> Value {
    Value::List(items.iter().map(value).collect())
}

fn maybe(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

fn id(id: &ProfileId) -> Value {
    Value::string(id.to_string())
}

pub(crate) fn findings(findings: &[Diagnostic]) -> Value {
    list(findings, |finding| {
        object([
            ("code", finding.code.as_str().into()),
            ("path", finding.path.as_str().into()),
            ("message", finding.message.as_str().into()),
            ("help", maybe(finding.help.as_deref())),
        ])
    })
}

pub(crate) fn keys(keys: &Keys) -> Value {
    object([
        (
            "usable",
            list(&keys.usable, |key| Value::List(vec![Value::from(&*key.name), Value::from(&*key.value)])),
        ),
        ("refused", list(&keys.refused, |key| Value::List(vec![Value::from(&*key.name), key.reason.into()]))),
    ])
}

pub(crate) fn stitched(stitched: &Stitched) -> Value {
    let entry = |entry: &Entry| match entry {
        Entry::Created => "created".into(),
        Entry::Merged { into, sources } => object([("into", id(into)), ("sources", list(sources, id))]),
        Entry::KeyMoved { name, from } => object([("name", name.as_str().into()), ("from", id(from))]),
        Entry::Ambiguous { left } => object([("left", list(left, id))]),
        Entry::KeyEvicted { name } => object([("name", name.as_str().into())]),
    };
    object([("absorbed", list(&stitched.absorbed, id)), ("journal", list(&stitched.journal, entry))])
}

pub(crate) fn ingested(ingested: &Ingested) -> Value {
    object([
        ("duplicate", ingested.duplicate.into()),
        ("forgot", ingested.forgot.into()),
        (
            "refused",
            list(&ingested.refused, |value| object([(value.reason, Value::from(&*value.attribute))])),
        ),
        ("too_long", list(&ingested.too_long, |column| Value::from(&**column))),
    ])
}

pub(crate) fn answer(answer: &Answer) -> Value {
    let offer = |offer: &Offer| {
        object([
            ("personalization", Value::from(&*offer.personalization)),
            ("section", Value::from(&*offer.section)),
            (
                "attributes",
                Value::Object(
                    offer.attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
                ),
            ),
            ("segments", list(&offer.segments, |segment| Value::from(segment.name.as_str()))),
            ("reason", offer.reason.as_str().into()),
        ])
    };
    object([
        ("offers", list(&answer.offers, offer)),
        (
            "skipped",
            list(&answer.skipped, |skipped| {
                let (Why::MissingInput(what) | Why::SectionTaken(what)) = skipped.why;
                object([(skipped.personalization, Value::from(what))])
            }),
        ),
    ])
}

pub(crate) fn explanation(explanation: &Explanation) -> Value {
    let age = |age_ms: Option<i64>| age_ms.map_or(Value::Null, Value::from);
    object([
        ("answer", answer(&explanation.answer)),
        (
            "attributes",
            list(&explanation.attributes, |known| {
                object([
                    ("name", known.name.as_str().into()),
                    ("value", known.value.clone().unwrap_or(Value::Null)),
                    ("source", known.source.as_str().into()),
                    ("age_ms", age(known.age_ms)),
                    ("width_ms", age(known.width_ms)),
                ])
            }),
        ),
        ("segments", list(&explanation.segments, |segment| segment.as_str().into())),
        (
            "personalizations",
            list(&explanation.personalizations, |trace| {
                object([
                    ("name", trace.name.as_str().into()),
                    ("result", trace.result.as_str().into()),
                    ("note", maybe(trace.note.as_deref())),
                    (
                        "sections",
                        list(&trace.sections, |section| {
                            object([
                                ("name", section.name.as_str().into()),
                                ("result", section.result.as_str().into()),
                                ("note", maybe(section.note.as_deref())),
                                ("criteria", condition(&section.criteria)),
                            ])
                        }),
                    ),
                ])
            }),
        ),
    ])
}

fn condition(trace: &ConditionTrace) -> Value {
    let seen = trace.observed.first().map_or(Value::Null, |seen| {
        object([
            ("name", seen.name.as_str().into()),
            ("value", seen.value.clone().unwrap_or(Value::Null)),
            ("redacted", seen.redacted.into()),
            ("source", seen.source.as_str().into()),
        ])
    });
    object([
        ("text", trace.text.as_str().into()),
        ("result", trace.result.as_str().into()),
        ("seen", seen),
        ("parts", list(&trace.parts, condition)),
    ])
}
