//! Conditions and sections that are reported as impossible, and neighbours that are not.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has found something"
)]

use proptest::prelude::*;
use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Backfill, Choice, Definition, EventTable, Identity, Increment, Keep,
    KeyEvent, Personalization, Section, StitchKey,
};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::value::{DataType, Number, Value};
use usher_engine::{Criterion, Plan, Truth, syntax};

/// Sections by their criteria; one that begins with `k:` waits for a key event, `k[filter]:` for some of its events, and
/// `known:` for visitors who are known.
fn warnings(criteria: &[&str], choice: Choice) -> Vec<String> {
    let found = found(criteria, choice);
    found.into_iter().map(|found| format!("{} {}", found.code, found.path)).collect()
}

/// Attributes of events: `c` counts, `w` counts what began with a batch, `s` adds up a column, `m` keeps two items.
fn of_events() -> [Attribute; 4] {
    let counter = |increment, backfill| AttributeKind::Counter {
        key_event: "k".to_owned(),
        filter: None,
        increment,
        window_ms: None,
        parts: Vec::new(),
        backfill,
    };
    let backfill = Backfill { attribute: "n".to_owned(), time_attribute: None };
    let list = AttributeKind::List {
        key_event: "k".to_owned(),
        filter: None,
        column: Some("x".to_owned()),
        keep: Keep::Newest,
        items_max: 2,
        duration_ms: 1_000,
        parts: Vec::new(),
        actions: Vec::new(),
    };
    let kinds = [
        ("c", counter(Increment::Constant(2), None)),
        ("w", counter(Increment::Constant(1), Some(backfill))),
        ("s", counter(Increment::Column("x".to_owned()), None)),
        ("m", list),
    ];
    kinds.map(|(name, kind)| Attribute { name: name.to_owned(), sensitive: false, description: None, kind })
}

fn found(criteria: &[&str], choice: Choice) -> Vec<Diagnostic> {
    let types = [
        ("a", Some(DataType::String)),
        ("b", Some(DataType::String)),
        ("n", Some(DataType::Number)),
        ("t", Some(DataType::Timestamp)),
        ("v", Some(DataType::Boolean)),
        ("l", Some(DataType::StringArray)),
        ("u", None),
    ];
    let sections = criteria.iter().enumerate().map(|(index, text)| {
        let (filter, text) = match text.strip_prefix("k[").and_then(|text| text.split_once("]:")) {
            Some((filter, text)) => (Some(filter), text),
            None => (None, *text),
        };
        let (of_event, text) = text.strip_prefix("k:").map_or((filter.is_some(), text), |text| (true, text));
        let (known, text) = text.strip_prefix("known:").map_or((false, text), |text| (true, text));
        Section {
            name: format!("s{index}"),
            key_event: of_event.then(|| "k".to_owned()),
            event_filter: filter.map(|filter| syntax::parse(filter).unwrap()),
            criteria: syntax::parse(text).unwrap(),
            accept_unknown_profiles: !known,
            outputs: vec![],
            segments: vec![],
            include_sensitive: false,
        }
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
                kind: AttributeKind::Batch { column: name.to_owned(), data_type },
            })
            .into_iter()
            .chain(of_events())
            .collect(),
        identity: Identity {
            primary_key: Some("customer".to_owned()),
            keys: vec![StitchKey { name: "customer".to_owned(), ..StitchKey::default() }],
            ..Identity::default()
        },
        personalizations: vec![Personalization {
            name: "home".to_owned(),
            id: None,
            description: None,
            choice,
            segments_as: Default::default(),
            device: false,
            trigger: None,
            inputs: vec![],
            sections: sections.collect(),
        }],
        ..Definition::default()
    };
    Plan::compile(&definition).unwrap().warnings()
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
        "NOT n > 5 AND n > 7",
        "SIZE(l) < 2 AND SIZE(l) > 1",
        "SIZE(l) < 1 AND SIZE(l) != 0",
        "t WITHIN 1 DAYS AND NOT t WITHIN 3 DAYS",
        "t WITHIN 3 DAYS AND t MORE THAN 3 DAYS AGO",
        "t MORE THAN 3 DAYS AGO AND NOT t MORE THAN 1 DAYS AGO",
        "t IS NULL AND t MORE THAN 3 DAYS AGO",
        "a > VERSION '1.10' AND a < VERSION '1.9'",
        "a = VERSION '1' AND a != VERSION '1.0.0'",
        "a IS NULL AND a >= VERSION '1'",
        "NOT a >= VERSION '2' AND a = VERSION '2.1'",
        "t IN ('2026-05-04T00:00:00Z', '2026-05-05T00:00:00Z') AND t > '2026-06-01T00:00:00Z'",
        "t = '2026-05-04T00:00:00Z' AND t NOT IN ('2026-05-04T00:00:00Z', '2026-05-05T00:00:00Z')",
        // Whatever it is: a text or a time, a number or a time.
        "u = '2026-05-04' AND u = '2026-05-03'",
        "u > '2026-05-04' AND u < '2026-05-03'",
        "u BETWEEN '2026-05-04' AND '2026-05-03'",
        "u IN ('2026-05-04', '2026-05-05') AND u < '2026-05-03'",
        "u > 5 AND u < 3",
        "u IN (1, 2) AND u > 2",
        "u = 5 AND u != 5",
        // What a text begins or ends with, in every spelling.
        "a LIKE 'x%' AND a STARTS WITH 'y'",
        "a LIKE 'x_z%' AND a LIKE 'y%'",
        "a MATCHES '^x' AND a STARTS WITH 'y'",
        "a MATCHES '^(x|y)' AND a MATCHES '^z'",
        "a MATCHES '^x$' AND a LIKE 'y%'",
        "a STARTS WITH 'xy' AND a STARTS WITH 'xz'",
        "a STARTS WITH 'xy' AND NOT a STARTS WITH 'x'",
        "a LIKE 'xy%' AND a NOT LIKE 'x%'",
        "a MATCHES '^(xy|xz)' AND a NOT MATCHES '^x|y$'",
        "a LIKE '%x' AND a ENDS WITH 'y'",
        "a MATCHES 'x$' AND NOT a ENDS WITH 'x'",
        "a ENDS WITH 'yx' AND a NOT LIKE '%x'",
        "a STARTS WITH 'x' AND a < 'w'",
        "a STARTS WITH 'x' AND a <= 'w'",
        "a LIKE 'x%' AND a > 'y'",
        "a STARTS WITH 'x' AND a BETWEEN 'y' AND 'z'",
        // A counter is a whole number.
        "c > 2 AND c < 3",
        "m IS NULL AND SIZE(m) > 1",
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
        "t WITHIN 3 DAYS AND t MORE THAN 1 DAYS AGO",
        "t MORE THAN 1 DAYS AGO AND NOT t MORE THAN 3 DAYS AGO",
        "a = VERSION '1' AND a = '1.0.0'",
        "a > VERSION '1.9' AND a < '1.9'",
        "a >= VERSION '1' AND a <= VERSION '1.0.0'",
        // Items may each be another.
        "ANY(l) = 'x' AND ANY(l) = 'y'",
        "ALL(l) = 'x' AND NOT ANY(l) = 'y'",
        "ANY(u) = 'x' AND ANY(u) = 'y'",
        "t > '2026-05-03T00:00:00Z' AND t > '2026-05-04T00:00:00Z'",
        "t >= '2026-05-04T00:00:00Z' AND t <= '2026-05-04T00:00:00Z'",
        "v = TRUE AND v != FALSE",
        // One instant twice, two texts in the other order, a number and a time.
        "u = '2026-05-04T00:00:00+02:00' AND u = '2026-05-03T22:00:00Z'",
        "u > '2026-05-04T00:00:00+09:00' AND u < '2026-05-03T20:00:00Z'",
        "u = '2026-05-04' AND u != '2026-05-04T00:00:00Z'",
        "u IN ('2026-05-04T00:00:00Z') AND u IN ('2026-05-04')",
        "u > 200000000000 AND u < 300000000",
        "u = 1790000000 AND u = 1790000000000",
        "u IN (1790000000000) AND u < 1790000001",
        "segment('x') AND NOT segment('y')",
        "(a = 'x' AND a = 'y') OR n > 5",
        "NOT (a = 'x' AND a = 'y')",
        "a LIKE 'x%' AND a STARTS WITH 'xy'",
        "a LIKE '_x%' AND a STARTS WITH 'y'",
        "a LIKE '%x%' AND a STARTS WITH 'y'",
        "a MATCHES 'x' AND a STARTS WITH 'y'",
        "a MATCHES '^(x|y)' AND a STARTS WITH 'yz'",
        "a MATCHES '(?i)^x' AND a STARTS WITH 'X'",
        "a STARTS WITH 'x' AND NOT a STARTS WITH 'xy'",
        "a STARTS WITH 'x' AND a NOT LIKE 'x_%'",
        "a STARTS WITH 'x' AND a NOT MATCHES '^x$'",
        "a STARTS WITH 'x' AND a ENDS WITH 'y'",
        "a STARTS WITH 'x' AND a > 'xa'",
        "a STARTS WITH 'x' AND a <= 'x'",
        "c > 2 AND c < 4",
        "c > 0",
        "c = 0",
        "s < 0",
        "s > 2 AND s < 3",
        "w < 0",
        "SIZE(m) > 1",
        "SIZE(m) >= 2",
        "SIZE(m) < 2",
        "SIZE(l) > 2",
    ] {
        assert_eq!(warnings(&[text], Choice::All), [""; 0], "{text}");
    }
}

/// The findings about a single section, in brief.
fn brief(text: &str) -> Vec<String> {
    let of = |found: Diagnostic| {
        let place = found.path.strip_prefix("personalizations[0].sections[0].criteria").unwrap_or_default();
        let who = found.message.rsplit(' ').next().unwrap_or_default();
        format!("{}{place} {who}", found.code)
    };
    found(&[text], Choice::All).into_iter().map(of).collect()
}

#[test]
fn conditions_that_are_the_same_for_everybody_are_found() {
    for (text, said) in [
        ("c < 0", &["W013.conditions[0] nobody"][..]),
        ("c >= 0", &["W013.conditions[0] everybody"]),
        ("NOT c < 0", &["W013.conditions[0] nobody"]),
        ("c IS NULL", &["W013.conditions[0] nobody"]),
        ("c IS NOT NULL", &["W013.conditions[0] everybody"]),
        ("c = -1", &["W013.conditions[0] nobody"]),
        ("c != -1", &["W013.conditions[0] everybody"]),
        ("c = 1.5", &["W013.conditions[0] nobody"]),
        ("c IN (-1, 0.5)", &["W013.conditions[0] nobody"]),
        ("c BETWEEN -2 AND -1", &["W013.conditions[0] nobody"]),
        ("c > -1", &["W013.conditions[0] everybody"]),
        ("c >= 0 AND n > 5", &["W013.conditions[0] everybody"]),
        ("n > 5 AND (a = 'x' OR c < 0)", &["W013.conditions[2] nobody"]),
        ("n > 5 AND (c < 0 OR c IS NULL)", &["W013.conditions[1] nobody", "W013.conditions[2] nobody"]),
        ("s IS NULL", &["W013.conditions[0] nobody"]),
        ("w IS NOT NULL", &["W013.conditions[0] everybody"]),
        ("SIZE(m) > 2", &["W013.conditions[0] nobody"]),
        ("SIZE(m) <= 2", &["W013.conditions[0] everybody"]),
        ("SIZE(m) != 3", &["W013.conditions[0] everybody"]),
        ("SIZE(m) = 3", &["W013.conditions[0] nobody"]),
        // What contradicts itself whatever a counter is, is said to do that.
        ("c > 3 AND c < 2", &["W007 nobody"]),
        ("c BETWEEN 3 AND 2", &["W007 nobody"]),
        ("c >= 0 AND n > 5 AND n < 3", &["W013.conditions[0] everybody", "W007 nobody"]),
    ] {
        assert_eq!(brief(text), said, "{text}");
    }
}

#[test]
fn what_is_true_of_everybody_is_the_last_to_answer() {
    for (criteria, expected) in [
        (&["c >= 0", "n > 5", ""][..], &["W013 0", "W004 1", "W004 2"][..]),
        (&["n > 5", "c IS NOT NULL OR a = 'x'", ""], &["W013 1", "W004 2"]),
        (&["k:c >= 0", "k:n > 5", ""], &["W013 0", "W004 1"]),
        (&["c < 0", "c < 1", ""], &["W013 0"]),
        (&["SIZE(m) > 5", "SIZE(m) > 1", "SIZE(m) = 2"], &["W013 0", "W004 2"]),
        (&["a LIKE 'x%'", "a STARTS WITH 'xy'", "a MATCHES '^xyz'", "a LIKE 'y%'"], &["W004 1", "W004 2"]),
    ] {
        let of = |found: &Diagnostic| {
            let (_, rest) = found.path.split_once("sections[").unwrap();
            format!("{} {}", found.code, rest.split(']').next().unwrap())
        };
        let actual: Vec<String> = found(criteria, Choice::First).iter().map(of).collect();
        assert_eq!(actual, expected, "{criteria:?}");
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
        (&["n > 5", "n > 100"], &[1]),
        (&["n > 5", "n > 6 AND n < 9"], &[1]),
        (&["a = 'x' OR TRUE", "n > 5"], &[1]),
        (&["a = 'x' OR FALSE", "n > 5"], &[]),
        (&["n > 100", "n > 5"], &[]),
        // A pattern that is a comparison answers every text, another one may find it too long.
        (&["a MATCHES '^x'", "a = 'xxy'"], &[1]),
        (&["a MATCHES 'x+y$'", "a = 'xxy'"], &[]),
        (
            &["n >= 5 AND n <= 9", "n BETWEEN 5 AND 9", "n = 7 AND a = 'x'", "n IN (5, 6)", "n IN (5, 10)"],
            &[1, 2, 3],
        ),
        (&["a IN ('x', 'y')", "a = 'x'", "a IN ('y')", "a IN ('y', 'z')"], &[1, 2]),
        (&["a != 'x'", "a = 'y'", "a NOT IN ('x', 'y')", "a STARTS WITH 'y'"], &[1, 2, 3]),
        (&["n IS NOT NULL", "n != 5", "NOT n > 5"], &[1, 2]),
        // Nothing is known of what is missing, so it fits neither.
        (&["NOT n > 5", "n IS NULL", "n <= 5"], &[2]),
        (&["n > 5 OR a = 'x'", "n > 6", "a = 'x' AND b = 'y'", "n = 9 OR a IN ('x')", "b = 'y'"], &[1, 2, 3]),
        (&["n > 5 AND b = 'y'", "n > 5"], &[]),
        (&["t WITHIN 7 DAYS", "t WITHIN 3 DAYS"], &[1]),
        (&["t MORE THAN 3 DAYS AGO", "t MORE THAN 7 DAYS AGO", "t MORE THAN 1 DAYS AGO"], &[1]),
        (&["a > VERSION '1.9'", "a >= VERSION '1.10'", "a >= VERSION '1.9'", "a = 'x'"], &[1]),
        (&["ANY(l) = 'x'", "ANY(l) = 'x' AND n > 5", "ANY(l) = 'y'", "ALL(l) = 'x'"], &[1]),
        (&["t > '2026-05-03'", "t > '2026-05-04'"], &[1]),
        (&["SIZE(l) > 1", "SIZE(l) = 4", "SIZE(l) >= 1", "SIZE(l) >= 2"], &[1, 3]),
        (&["l IS NOT NULL", "SIZE(l) > 0", "l CONTAINS 'x'", "l IS NULL"], &[1, 2]),
        (&["v = TRUE", "v != FALSE"], &[1]),
        (&["segment('x')", "segment('x') AND n > 5", "NOT segment('x')"], &[1]),
        (&["a MATCHES 'x+y'", "a MATCHES 'x+y' AND n > 5", "a = 'xy'"], &[1]),
        (&["", ""], &[1]),
        (&["", "k:", "known:"], &[1, 2]),
        // Of a profile that could not be read only what has no criteria at all is true.
        (&["n IS NOT NULL OR n IS NULL", ""], &[]),
        (&["a = 'x' OR TRUE", ""], &[]),
        (&["known:n > 5", "n > 5", "known:n > 5", "n > 6"], &[2, 3]),
        (&["n > 5", "known:n > 5"], &[1]),
        (&["k[event.x > 1]:n > 5", "k[event.x > 2]:n > 5", "k[event.x > 1]:n > 5", "k:n > 5"], &[1, 2]),
        (&["k[event.x > 1]:n > 5", "k[event.x > 2]:n > 6", "k[event.x > 0]:n > 6"], &[1]),
        (&["k[event.x = 1]:n > 5", "k[event.x = 2]:n > 5", "k[event.x = 2]:n > 6"], &[2]),
        (&["k:n > 5", "k[event.x = 2]:n > 5"], &[1]),
        (&["k[event.x MATCHES 'x+y']:n > 5", "k[event.x MATCHES 'x+y']:n > 6"], &[1]),
    ] {
        let expected: Vec<String> =
            unreachable.iter().map(|index| format!("W004 personalizations[0].sections[{index}]")).collect();
        assert_eq!(warnings(criteria, Choice::First), expected, "{criteria:?}");
        assert_eq!(warnings(criteria, Choice::All), [""; 0], "{criteria:?}");
    }
}

/// Nobody enters it, so nobody is turned away by it.
#[test]
fn what_nobody_enters_is_before_nobody() {
    let never = "k[event.x = 1 AND event.x = 2]:n > 5";
    let expected = [0, 1].map(|index| format!("W007 personalizations[0].sections[{index}].event_filter"));
    assert_eq!(warnings(&[never, never, "k:n > 5"], Choice::First), expected);
    let expected = [0, 1].map(|index| format!("W007 personalizations[0].sections[{index}].criteria"));
    assert_eq!(warnings(&["FALSE", "FALSE", ""], Choice::First), expected);
}

/// Pairs of sections are looked into up to a bound; behind it what is written twice is still found.
#[test]
fn many_sections_are_compared_as_they_are_written() {
    let many: Vec<String> = (0..700).map(|value| format!("k:n = {value}")).collect();
    let mut criteria: Vec<&str> = many.iter().map(String::as_str).collect();
    criteria.extend(["k:n = 5", "k[event.x > 1]:n = 6", "k:n > 690 AND n < 692"]);
    let expected = [700, 701].map(|index| format!("W004 personalizations[0].sections[{index}]"));
    assert_eq!(warnings(&criteria, Choice::First), expected);
}

/// Tests of a number and a text, with so few ends that they meet.
fn condition() -> impl Strategy<Value = String> {
    let number = || prop::sample::select(vec!["1", "2", "2.5", "3"]);
    let text = || prop::sample::select(vec!["'x'", "'y'", "'z'"]);
    let order = || prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let not = || prop::sample::select(vec!["", "NOT "]);
    let ends = || prop::sample::select(vec!["x", "xy", "y", "yx"]);
    prop_oneof![
        (order(), number()).prop_map(|(order, value)| format!("n {order} {value}")),
        (not(), number(), number()).prop_map(|(not, low, high)| format!("n {not}BETWEEN {low} AND {high}")),
        (not(), number(), number()).prop_map(|(not, a, b)| format!("n {not}IN ({a}, {b})")),
        (order(), text()).prop_map(|(order, value)| format!("a {order} {value}")),
        (not(), text(), text()).prop_map(|(not, low, high)| format!("a {not}BETWEEN {low} AND {high}")),
        (not(), text(), text()).prop_map(|(not, a, b)| format!("a {not}IN ({a}, {b})")),
        (not(), ends()).prop_map(|(not, start)| format!("a {not}STARTS WITH '{start}'")),
        (not(), ends()).prop_map(|(not, end)| format!("a {not}ENDS WITH '{end}'")),
        (not(), ends(), ends()).prop_map(|(not, start, end)| format!("a {not}LIKE '{start}%{end}'")),
        (not(), ends(), ends()).prop_map(|(not, a, b)| format!("a {not}MATCHES '^({a}|{b})'")),
        (order(), prop::sample::select(vec!["-1", "0", "0.5", "1", "2"]))
            .prop_map(|(order, value)| format!("c {order} {value}")),
        (order(), 0..4).prop_map(|(order, size)| format!("SIZE(m) {order} {size}")),
        (not(), prop::sample::select(vec!["n", "a", "l", "c", "m"]))
            .prop_map(|(not, name)| format!("{name} IS {not}NULL")),
        (order(), 0..3).prop_map(|(order, size)| format!("SIZE(l) {order} {size}")),
        (not(), text()).prop_map(|(not, item)| format!("{not}l CONTAINS {item}")),
        (order(), prop::sample::select(vec!["1", "1.0", "1.1", "2-a"]))
            .prop_map(|(order, version)| format!("a {order} VERSION '{version}'")),
        (
            not(),
            prop::sample::select(vec!["ANY(", "ALL(", "AT_LEAST(2, ", "AT_MOST(1, ", "EXACTLY(1, "]),
            order(),
            text()
        )
            .prop_filter_map("asked of an item", |(not, count, order, item)| {
                (order != "!=").then(|| format!("{not}{count}l) {order} {item}"))
            }),
    ]
}

fn criterion() -> impl Strategy<Value = String> {
    condition().prop_recursive(3, 6, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            (parts, prop::sample::select(vec![" AND ", " OR "])).prop_map(|(parts, by)| {
                let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
                parts.join(by)
            }),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

/// Of whom each is true, of everybody that there may be: values on the ends, between, before and behind them, and none.
fn fits<const N: usize>(texts: [&str; N]) -> [Vec<bool>; N] {
    let number = |value: f64| Number::float(value).map(Value::Number);
    let text = |text: &str| Some(Value::string(text));
    let list = |items: &[&str]| Some(Value::List(items.iter().map(|item| Value::string(*item)).collect()));
    let numbers = [0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 4.0].map(number);
    let names =
        ["", "x", "xx", "xy", "xyx", "y", "yx", "yxy", "z", "zz", "1", "1.0.0", "1.1-b", "2"].map(text);
    let lists = [list(&["x"]), list(&["y"]), list(&["z", "x"]), list(&["y", "z", "x"])];
    let or_none = |values: &[Option<Value>]| [values, &[None]].concat();
    let fields = [
        ("n", DataType::Number, or_none(&numbers)),
        ("a", DataType::String, or_none(&names)),
        ("l", DataType::StringArray, or_none(&lists)),
        ("c", DataType::Number, [0.0, 1.0, 2.0, 3.0].map(number).to_vec()),
        ("m", DataType::StringArray, or_none(&[list(&["x"]), list(&["z", "x"])])),
    ];
    let declared = fields.each_ref().map(|(name, data_type, _)| (*name, Some(*data_type)));
    let parsed = texts.map(|text| syntax::parse(text).unwrap());
    let criteria = parsed.each_ref().map(|expr| Criterion::compile(expr, &declared).unwrap());
    // What nobody asks about makes no difference.
    let asks = |wanted: &str| {
        let names = |leaf: &syntax::Expr| matches!(leaf, syntax::Expr::Test { name, .. } if name.0 == wanted);
        parsed.iter().any(|expr| leaves(expr).iter().any(names))
    };
    let asked: Vec<_> = fields.iter().filter(|(name, ..)| asks(name)).collect();
    let mut all = [(); N].map(|()| Vec::new());
    for at in 0..asked.iter().map(|(.., values)| values.len()).product() {
        let mut rest: usize = at;
        let mut row: Vec<(&str, Option<&Value>)> = Vec::new();
        for (name, _, values) in &asked {
            row.push((name, values[rest % values.len()].as_ref()));
            rest /= values.len();
        }
        for (criterion, all) in criteria.iter().zip(&mut all) {
            let row = criterion.row(|name| row.iter().find(|(known, _)| *known == name)?.1);
            all.push(criterion.evaluate(&row, 0) == Truth::True);
        }
    }
    all
}

/// The conditions of a criterion, in the order in which they are written.
fn leaves(expr: &syntax::Expr) -> Vec<syntax::Expr> {
    match expr {
        syntax::Expr::And(parts) | syntax::Expr::Or(parts) => parts.iter().flat_map(leaves).collect(),
        syntax::Expr::Not(inner) => leaves(inner),
        leaf => vec![leaf.clone()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 50_000, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn who_is_told_to_be_turned_away_is(first in criterion(), second in criterion()) {
        let found = found(&[&first, &second], Choice::First);
        let actual: Vec<String> = found.iter().map(|found| format!("{} {}", found.code, found.path)).collect();
        let [before, behind] = fits([&first, &second]);
        for found in found.iter().filter(|found| found.code == Code::FixedCondition) {
            // A condition by itself is true of everybody, or of nobody.
            let (number, condition) = found.path.split_once("sections[").unwrap().1.split_once("].criteria.conditions[").unwrap();
            let criterion = if number == "0" { &first } else { &second };
            let conditions = leaves(&syntax::parse(criterion).unwrap());
            let alone = &conditions[condition.trim_end_matches(']').parse::<usize>().unwrap()];
            let expected = found.message.ends_with("everybody");
            let [fits] = fits([&alone.to_string()]);
            prop_assert!(fits.iter().all(|fits| *fits == expected), "{}", alone);
        }
        if actual.contains(&"W004 personalizations[0].sections[1]".to_owned()) {
            prop_assert!(before.iter().zip(&behind).all(|(before, behind)| *before || !behind));
        }
        for (number, fits) in [before, behind].iter().enumerate() {
            if actual.contains(&format!("W007 personalizations[0].sections[{number}].criteria")) {
                prop_assert!(fits.iter().all(|fits| !fits));
            }
        }
    }

    #[test]
    fn of_two_conditions_all_is_told(first in condition(), second in condition()) {
        // What a text begins with and what a list contains is not looked into, nor what is true whatever is asked.
        let opaque = |text: &str| ["STARTS", "ENDS", "LIKE", "MATCHES", "CONTAINS", "SIZE", "VERSION", "(l)", ", l)"].iter().any(|word| text.contains(word));
        prop_assume!(!opaque(&first) && !opaque(&second));
        let ordered = |text: &str| {
            let ends = text.split_once("BETWEEN ").and_then(|(_, ends)| ends.split_once(" AND "));
            ends.is_none_or(|(low, high)| low <= high)
        };
        prop_assume!(ordered(&first) && ordered(&second));
        let [before, behind] = fits([&first, &second]);
        let never = |fits: &[bool]| fits.iter().all(|fits| !fits);
        prop_assume!(!never(&before) && !never(&behind));
        let actual = warnings(&[&first, &second], Choice::First);
        let turned = before.iter().zip(&behind).all(|(before, behind)| *before || !behind);
        prop_assert_eq!(actual.contains(&"W004 personalizations[0].sections[1]".to_owned()), turned);
    }
}
