//! What is reported as impossible, and what is not.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics has found something")]

use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, KeyEvent, Personalization,
    Section, StitchKey,
};
use usher_engine::value::DataType;
use usher_engine::{Plan, syntax};

/// Sections by their criteria; one that begins with `k:` waits for a key event.
fn warnings(criteria: &[&str], choice: Choice) -> Vec<String> {
    let types = [
        ("a", DataType::String),
        ("b", DataType::String),
        ("n", DataType::Number),
        ("t", DataType::Timestamp),
        ("v", DataType::Boolean),
        ("l", DataType::StringArray),
    ];
    let sections = criteria.iter().enumerate().map(|(index, text)| Section {
        name: format!("s{index}"),
        key_event: text.starts_with("k:").then(|| "k".to_owned()),
        event_filter: None,
        criteria: syntax::parse(text.trim_start_matches("k:")).unwrap(),
        accept_unknown_profiles: true,
        outputs: vec![],
        segments: vec![],
        include_sensitive: false,
    });
    let definition = Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: vec![KeyEvent {
            name: "k".to_owned(),
            table: EventTable { database: "web".to_owned(), table: "pages".to_owned() },
            filter: None,
            columns: Vec::new(),
            description: None,
        }],
        attributes: types
            .map(|(name, data_type)| Attribute {
                name: name.to_owned(),
                sensitive: false,
                description: None,
                kind: AttributeKind::Batch { column: name.to_owned(), data_type: Some(data_type) },
            })
            .to_vec(),
        identity: Identity {
            primary_key: Some("customer".to_owned()),
            keys: vec![StitchKey { name: "customer".to_owned(), ..StitchKey::default() }],
            lookup_key: None,
        },
        personalizations: vec![Personalization {
            name: "home".to_owned(),
            description: None,
            choice,
            trigger: None,
            inputs: vec![],
            sections: sections.collect(),
        }],
        ..Definition::default()
    };
    let warnings = Plan::compile(&definition).unwrap().warnings();
    warnings.into_iter().map(|found| format!("{} {}", found.code, found.path)).collect()
}

#[test]
fn contradictions_are_found() {
    for text in [
        "FALSE",
        "a = 'x' AND a = 'y'",
        "a = 'x' AND (b = 'y' AND a != 'x')",
        "a IN ('x', 'y') AND a IN ('z')",
        "a = 'x' AND a NOT IN ('x', 'y')",
        "a = 'x' AND a STARTS WITH 'y'",
        "a = 'x' AND a LIKE 'y%'",
        "a > 'b' AND a < 'a'",
        "a IS NULL AND a = 'x'",
        "a IS NULL AND a IS NOT NULL",
        "t IS NULL AND t WITHIN 3 DAYS",
        "SIZE(l) > 2 AND l IS NULL",
        "n > 5 AND n < 3",
        "n > 5 AND n <= 5",
        "n BETWEEN 5 AND 3",
        "n = 2.5 AND n > 3",
        "n IN (1, 2) AND n > 2",
        "n IN (1, 2) AND n IN (2.5, 3)",
        "NOT n >= 1 AND n = 1",
        "t > '2026-05-04T00:00:00Z' AND t < '2026-05-03'",
        "v = TRUE AND v = FALSE",
        "v = TRUE AND v != TRUE",
        "segment('x') AND NOT segment('x')",
        "NOT (NOT segment('x') OR segment('x'))",
        "(a = 'x' AND a = 'y') OR n > 5 AND n < 3",
    ] {
        assert_eq!(
            warnings(&[text], Choice::All),
            ["W007 personalizations[0].sections[0].criteria"],
            "{text}"
        );
    }
}

#[test]
fn what_can_be_is_not_reported() {
    for text in [
        "",
        "a = 'x' AND b = 'y'",
        "a = 'x' OR a = 'y'",
        "a IN ('x', 'y') AND a IN ('y', 'z')",
        "a != 'x' AND a != 'y'",
        "a IS NULL AND b = 'x'",
        "l IS NULL AND SIZE(l) = 0",
        "l CONTAINS 'x' AND l CONTAINS 'y'",
        // Not among integers, but there are others.
        "n > 5 AND n < 6",
        "n >= 5 AND n <= 5 AND n = 5.0",
        "t WITHIN 3 DAYS AND NOT t WITHIN 1 DAYS",
        "v = TRUE AND v != FALSE",
        "segment('x') AND NOT segment('y')",
        "(a = 'x' AND a = 'y') OR n > 5",
        "NOT (a = 'x' AND a = 'y')",
    ] {
        assert_eq!(warnings(&[text], Choice::All), [""; 0], "{text}");
    }
}

#[test]
fn sections_behind_others_are_found() {
    for (criteria, unreachable) in [
        (&["", "a = 'x'", "n > 5"][..], &[1, 2][..]),
        (&["a = 'x'", "n > 5 AND a = 'x'"], &[1]),
        (&["a = 'x' AND n > 5", "a = 'x'"], &[]),
        (&["n > 5 OR a = 'x'", "b = 'y' AND (n > 5 OR a = 'x')"], &[1]),
        (&["a = 'x'", "a = 'y'"], &[]),
        (&["k:a = 'x'", "a = 'x'"], &[]),
        (&["a = 'x'", "k:a = 'x'"], &[1]),
        (&["k:", "k:a = 'x'", ""], &[1]),
    ] {
        let expected: Vec<String> =
            unreachable.iter().map(|index| format!("W004 personalizations[0].sections[{index}]")).collect();
        assert_eq!(warnings(criteria, Choice::First), expected, "{criteria:?}");
        assert_eq!(warnings(criteria, Choice::All), [""; 0], "{criteria:?}");
    }
}
