//! Allocations of a call: a few for the call itself, and none for each section.

#![allow(clippy::unwrap_used, reason = "a test that panics has found something")]

use allocation_counter::measure;
use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, Increment, KeyEvent,
    Personalization, Section, StitchKey,
};
use usher_engine::value::{DataType, Value};
use usher_engine::{Access, Asked, Criterion, Event, Plan, Profile, ProfileId, Query, Truth, syntax};

fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = measure(|| result = Some(work()));
    (counted.count_total, result.unwrap())
}

const NOW_MS: i64 = 1_790_000_000_000;

#[test]
fn a_criterion_allocates_nothing() {
    let fields = [
        ("tier", Some(DataType::String)),
        ("age", Some(DataType::Number)),
        ("seen", Some(DataType::Timestamp)),
        ("tags", Some(DataType::StringArray)),
    ];
    let tags = Value::List(vec![Value::from("a"), Value::from("b")]);
    let (tier, age, seen) = (Value::from("gold"), Value::from("17.5"), Value::from("2026-09-21T13:00:00Z"));
    for text in [
        "tier = 'gold' AND age > 17 AND seen WITHIN 1 DAYS",
        "tier IN ('a', 'gold') AND (age IN (1, 17.5) OR age BETWEEN 3 AND 4) AND NOT tier LIKE 'x%'",
        "tier STARTS WITH 'go' AND tier MATCHES '^go' AND tags CONTAINS 'b' AND SIZE(tags) = 2",
        "tier IS NOT NULL AND tier > 'a' AND seen > 1700000000 AND NOT segment('x')",
    ] {
        let criterion = Criterion::compile(&syntax::parse(text).unwrap(), &fields).unwrap();
        let row = criterion.row(|name| match name {
            "tier" => Some(&tier),
            "age" => Some(&age),
            "seen" => Some(&seen),
            "tags" => Some(&tags),
            _ => None,
        });
        assert_eq!(allocations(|| criterion.evaluate(&row, NOW_MS)), (0, Truth::True), "{text}");
    }
}

/// Sections that are looked up, sections that are not, and every tenth that enters.
fn plan(sections: usize) -> Plan {
    let criteria = (0..sections).map(|index| match index % 10 {
        0 => "event.page = 'home' AND views < 5".to_owned(),
        1..=6 => format!("event.page = 'page {index}' AND views > {index} AND edge.country = 'JP'"),
        7 => format!("segment('{}') AND event.price IN (1, 2.5, {index})", index % 3),
        _ => format!("event.page LIKE '%{index}' OR event.price BETWEEN {index} AND 1000000"),
    });
    let sections = criteria.enumerate().map(|(index, criteria)| Section {
        name: format!("{index}"),
        key_event: Some(if index % 3 == 0 { "view" } else { "buy" }.to_owned()).filter(|_| index % 2 == 1),
        event_filter: None,
        criteria: syntax::parse(&criteria).unwrap(),
        accept_unknown_profiles: true,
        outputs: vec![],
        segments: vec![],
        include_sensitive: false,
    });
    let key_event = |name: &str| KeyEvent {
        name: name.to_owned(),
        table: EventTable { database: "web".to_owned(), table: "pages".to_owned() },
        filter: Some(syntax::parse(&format!("event.kind = '{name}'")).unwrap()),
        columns: Vec::new(),
        description: None,
    };
    Plan::compile(&Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: vec![key_event("view"), key_event("buy")],
        attributes: vec![Attribute {
            name: "views".to_owned(),
            sensitive: false,
            description: None,
            kind: AttributeKind::Counter {
                key_event: "view".to_owned(),
                increment: Increment::Constant(1),
                window_ms: Some(86_400_000),
                filter: None,
                parts: Vec::new(),
                backfill: None,
            },
        }],
        identity: Identity {
            keys: vec![StitchKey { name: "visitor".to_owned(), ..StitchKey::default() }],
            ..Identity::default()
        },
        personalizations: vec![Personalization {
            name: "home".to_owned(),
            id: None,
            description: None,
            choice: Choice::All,
            segments_as: Default::default(),
            device: false,
            trigger: None,
            inputs: vec![],
            sections: sections.collect(),
        }],
        ..Definition::default()
    })
    .unwrap()
}

#[test]
fn a_call_allocates_for_itself_alone() {
    let counts = [10, 100, 2_000].map(|sections| {
        let plan = plan(sections);
        let columns = [("page", "home".into()), ("kind", "view".into()), ("price", Value::from(0))];
        let columns = columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let event = Event::resolve(plan.table("web", "pages").unwrap(), columns, NOW_MS, "1".to_owned());
        let mut profile = Profile::new(ProfileId([1; 16]), NOW_MS);
        plan.ingest(&mut profile, &event, NOW_MS);
        let query = Query {
            event: Some(&event),
            asked: Asked::Triggered,
            inputs: &[],
            edge: &[],
            access: Access::default(),
            blind: false,
        };
        let mut entered = Vec::with_capacity(sections);
        let (count, ()) = allocations(|| plan.entered(&profile, &query, NOW_MS, &mut entered));
        // Every tenth, of which those with an odd number wait for a key event: none here.
        assert_eq!(entered.len(), sections / 10);
        // Prepared once and asked twice: the same answers, of fewer allocations.
        let call = plan.call(&profile, &query, NOW_MS);
        for _ in 0..2 {
            let mut again = Vec::with_capacity(sections);
            let (fewer, ()) = allocations(|| call.entered(&mut again));
            assert!(fewer < count && again == entered, "{fewer}");
        }
        assert_eq!(call.personalize(), plan.personalize(&profile, &query, NOW_MS));
        assert_eq!(call.explain(), plan.explain(&profile, &query, NOW_MS));
        count
    });
    // The facts, what was seen, what was answered, and the set of candidates.
    assert!(counts.iter().all(|count| *count <= 4), "{counts:?}");
}
