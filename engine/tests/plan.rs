//! Plans: their answers about a definition, about a row, and about the work of both. Definitions as they are written in a dialect
//! have more tests where they are read; here they are made by hand.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics has found something")]

use usher_engine::attribute::{Pick, Ring, Stamped, State};
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, Increment,
    Input, Keep, KeyEvent, ListAggregation, ListPart, Output, OutputSource, Personalization, Section,
    Segment, StitchKey,
};
use usher_engine::limits::{
    self, DAY_MS, EXAMPLE_EVENT_BYTES_MAX, OUTPUTS_MAX, PATTERN_TEXT_BYTES_MAX, PROFILE_BYTES_MAX,
    WINDOW_MS_MAX,
};
use usher_engine::value::{DataType, Value};
use usher_engine::{Event, Plan, Profile, ProfileId, syntax};

fn attribute(name: &str, kind: AttributeKind) -> Attribute {
    Attribute { name: name.to_owned(), kind, sensitive: false, description: None }
}

fn batch(name: &str, data_type: Option<DataType>) -> Attribute {
    attribute(name, AttributeKind::Batch { column: name.to_owned(), data_type })
}

fn last(name: &str, column: &str, duration_ms: Option<i64>) -> Attribute {
    let (key_event, column) = ("view".to_owned(), column.to_owned());
    let kind = AttributeKind::Single {
        key_event,
        filter: None,
        column,
        aggregation: Aggregation::Last,
        duration_ms,
        data_type: None,
        backfill: None,
    };
    attribute(name, kind)
}

fn counter(constant: i64, window_ms: Option<i64>) -> Attribute {
    let increment = Increment::Constant(constant);
    let (key_event, parts) = ("view".to_owned(), Vec::new());
    let kind =
        AttributeKind::Counter { key_event, filter: None, increment, window_ms, parts, backfill: None };
    attribute("views", kind)
}

fn cart() -> Attribute {
    let part =
        |name: &str, aggregation| ListPart { name: name.to_owned(), column: name.to_owned(), aggregation };
    let kind = AttributeKind::List {
        key_event: "view".to_owned(),
        filter: None,
        column: Some("id".to_owned()),
        keep: Keep::Newest,
        items_max: 10,
        duration_ms: DAY_MS,
        parts: vec![part("price", ListAggregation::Sum), part("brand", ListAggregation::Values)],
        actions: Vec::new(),
    };
    attribute("cart", kind)
}

fn section(criteria: &str) -> Section {
    Section {
        name: "one".to_owned(),
        key_event: Some("view".to_owned()),
        event_filter: None,
        criteria: syntax::parse(criteria).unwrap(),
        accept_unknown_profiles: true,
        outputs: Vec::new(),
        segments: Vec::new(),
        include_sensitive: false,
    }
}

fn personalization(name: &str, section: Section) -> Personalization {
    Personalization {
        name: name.to_owned(),
        id: None,
        description: None,
        choice: Choice::First,
        segments_as: Default::default(),
        device: false,
        trigger: None,
        inputs: Vec::new(),
        sections: vec![section],
    }
}

fn definition(attributes: Vec<Attribute>, personalizations: Vec<Personalization>) -> Definition {
    let table = EventTable { database: "web".to_owned(), table: "pages".to_owned() };
    Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: vec![KeyEvent {
            name: "view".to_owned(),
            table,
            filter: None,
            columns: Vec::new(),
            description: None,
        }],
        attributes,
        identity: Identity {
            primary_key: Some("customer".to_owned()),
            keys: vec![StitchKey { name: "customer".to_owned(), ..StitchKey::default() }],
            ..Identity::default()
        },
        personalizations,
        ..Definition::default()
    }
}

/// Codes, places and messages.
fn errors(definition: &Definition) -> Vec<String> {
    let findings = Plan::compile(definition).err().unwrap_or_default();
    findings.iter().map(|found| format!("{} {}: {}", found.code, found.path, found.message)).collect()
}

fn criteria(attributes: &[Attribute], criteria: &str) -> Vec<String> {
    errors(&definition(attributes.to_vec(), vec![personalization("home", section(criteria))]))
}

#[test]
fn a_list_over_its_bound_is_named() {
    let mut over = section("");
    over.outputs = (0..=OUTPUTS_MAX)
        .map(|index| Output { name: format!("o{index}"), source: OutputSource::Text(vec!["x".to_owned()]) })
        .collect();
    let expected = "E013 personalizations[0].sections[0].outputs: 101 outputs, at most 100 are allowed";
    assert_eq!(errors(&definition(vec![], vec![personalization("home", over)])), [expected]);
}

/// Every list of a definition, with as many items as asked for: its path, its bound, and the definition.
type Long = (&'static str, usize, fn(usize) -> Definition);

#[test]
fn every_list_ends_at_its_bound() {
    let names = |count: usize| (0..count).map(|index| format!("n{index}"));
    let lists: [Long; 6] = [
        ("tables", limits::TABLES_MAX, |count| {
            let mut long = definition(vec![], vec![]);
            let table = |index| EventTable { database: "web".to_owned(), table: format!("t{index}") };
            long.tables = (0..count).map(table).collect();
            long
        }),
        ("key_events", limits::KEY_EVENTS_MAX, |count| {
            let mut long = definition(vec![], vec![]);
            let event = long.key_events[0].clone();
            let more = (long.key_events.len()..count)
                .map(|index| KeyEvent { name: format!("e{index}"), ..event.clone() });
            long.key_events.extend(more.collect::<Vec<_>>());
            long
        }),
        ("identity.keys", limits::STITCH_KEYS_MAX, |count| {
            let mut long = definition(vec![], vec![]);
            let more = (long.identity.keys.len()..count)
                .map(|index| StitchKey { name: format!("k{index}"), ..StitchKey::default() });
            long.identity.keys.extend(more.collect::<Vec<_>>());
            long
        }),
        ("personalizations[0].inputs", limits::INPUTS_MAX, |count| {
            let mut home = personalization("home", section(""));
            home.inputs = (0..count)
                .map(|index| Input {
                    name: format!("i{index}"),
                    data_type: DataType::String,
                    required: false,
                })
                .collect();
            definition(vec![], vec![home])
        }),
        ("personalizations[0].sections[0].segments", limits::SEGMENTS_MAX, |count| {
            let mut long = section("");
            long.segments = (0..count).map(|index| Segment { name: format!("s{index}"), id: None }).collect();
            definition(vec![], vec![personalization("home", long)])
        }),
        ("key_events[0].columns", limits::COLUMNS_MAX, |count| {
            let mut long = definition(vec![], vec![]);
            long.key_events[0].columns = (0..count).map(|index| format!("c{index}")).collect();
            long
        }),
    ];
    for (path, max, long) in lists {
        assert_eq!(errors(&long(max)), [""; 0], "{path}");
        let found = errors(&long(max + 1));
        assert!(found.len() == 1 && found[0].starts_with(&format!("E013 {path}:")), "{path}: {found:?}");
    }
    let of_key = |count: usize| {
        let mut long = definition(vec![], vec![]);
        long.identity.keys[0].invalid_texts = names(count).collect();
        errors(&long)
    };
    assert_eq!(of_key(limits::INVALID_TEXTS_MAX), [""; 0]);
    assert!(of_key(limits::INVALID_TEXTS_MAX + 1)[0].starts_with("E013 identity.keys[0].invalid_texts:"));
}

#[test]
fn windows_and_durations_have_bounds() {
    for (duration_ms, fits) in
        [(0, false), (-1, false), (1, true), (WINDOW_MS_MAX, true), (WINDOW_MS_MAX + 1, false)]
    {
        let found = errors(&definition(
            vec![last("seen", "n", Some(duration_ms)), counter(1, Some(duration_ms))],
            vec![],
        ));
        let paths: Vec<&str> = found.iter().map(|found| found.split(':').next().unwrap()).collect();
        let expected = ["E009 attributes[0].duration_ms", "E009 attributes[1].window_ms"];
        assert_eq!(paths, if fits { &expected[..0] } else { &expected }, "{duration_ms}");
    }
}

#[test]
fn a_counter_adds_something() {
    for (constant, fits) in [(1, true), (0, false), (-1, false)] {
        let found = errors(&definition(vec![counter(constant, None)], vec![]));
        let expected = ["E013 attributes[0]: a counter that adds nothing"];
        assert_eq!(found, if fits { &expected[..0] } else { &expected }, "{constant}");
    }
}

#[test]
fn what_is_asked_of_it_must_suit_what_an_attribute_is() {
    let attributes = [cart(), last("at", "time", None), batch("vip", Some(DataType::Boolean))];
    for (text, fits) in [
        ("cart.price > 5", true),
        ("cart.price = 'x'", false),
        ("cart.price CONTAINS 'x'", false),
        ("cart.brand CONTAINS 'x'", true),
        ("cart.brand > 5", false),
        ("cart.brand = 'x'", false),
        ("at WITHIN 3 DAYS", true),
        ("at > 1790000000", true),
        ("at = 'soon'", false),
        ("at = TRUE", false),
        ("vip = TRUE", true),
        ("vip > 5", false),
    ] {
        let found = criteria(&attributes, text);
        assert_eq!(found.is_empty(), fits, "{text}: {found:?}");
        let at = "E011 personalizations[0].sections[0].criteria.conditions[0]";
        assert!(found.iter().all(|found| found.starts_with(at)), "{found:?}");
    }
    let found = criteria(&attributes, "vip > TRUE");
    let expected = "booleans have no order, so `vip` cannot be compared this way";
    assert!(found[0].ends_with(expected), "{found:?}");
}

/// A filter names columns only, and what it says of other names counts for nothing.
#[test]
fn filters_of_events_ask_columns() {
    let at = "personalizations[0].sections[0].event_filter.conditions[0]";
    for (filter, expected) in [
        ("event.tier > 5", None),
        (
            "tier > 5",
            Some(format!("E007 {at}.name: `tier` is no column; a filter names columns, as `event.tier`")),
        ),
        (
            "segment('vip')",
            Some(format!("E007 {at}: segment `vip` in a filter; a filter names columns only")),
        ),
    ] {
        let mut filtered = section("tier = 'gold'");
        filtered.event_filter = Some(syntax::parse(filter).unwrap());
        let found = errors(&definition(vec![batch("tier", None)], vec![personalization("home", filtered)]));
        assert_eq!(found, Vec::from_iter(expected), "{filter}");
    }
}

#[test]
fn sections_of_one_name_are_not_triggered_together() {
    let (home, offers) = (personalization("home", section("")), personalization("offers", section("")));
    let found = errors(&definition(vec![], vec![home.clone(), offers.clone()]));
    let expected = "E006 personalizations[1].sections[0]: section `one` stands in `home` too, and one event triggers both";
    assert_eq!(found, [expected]);
    let mut apart = definition(vec![], vec![home, offers]);
    let table = EventTable { database: "web".to_owned(), table: "orders".to_owned() };
    apart.key_events.push(KeyEvent { name: "order".to_owned(), table, ..apart.key_events[0].clone() });
    apart.personalizations[1].sections[0].key_event = Some("order".to_owned());
    assert_eq!(errors(&apart), [""; 0]);
}

/// A column that two attributes read is said once, so that the record is no longer than its row.
#[test]
fn a_record_says_a_column_once() {
    let read_again = Attribute { name: "also".to_owned(), ..batch("tier", None) };
    let plan = Plan::compile(&definition(vec![batch("tier", None), read_again], vec![])).unwrap();
    let row = [("customer".to_owned(), "c".into()), ("tier".to_owned(), "gold".into())];
    let record = plan.record(&row, 5).unwrap();
    assert_eq!(record.content.values, [("tier".to_owned(), Value::from("gold"))]);
    assert_eq!(record.ignored, [""; 0]);
}

/// Work is counted for the texts that patterns search and the attributes that events feed, and for nothing else.
#[test]
fn work_grows_with_what_is_asked() {
    let mut asking = section("name MATCHES 'x+y' AND event.path MATCHES 'x+y' AND tier = 'gold'");
    asking.event_filter = Some(syntax::parse("event.path MATCHES 'z+'").unwrap());
    let attributes =
        vec![batch("name", None), batch("tier", None), last("seen", "path", None), counter(1, None)];
    let mut wide = definition(attributes, vec![personalization("home", asking)]);
    let orders = EventTable { database: "web".to_owned(), table: "orders".to_owned() };
    wide.key_events.push(KeyEvent { name: "order".to_owned(), table: orders, ..wide.key_events[0].clone() });
    let plan = Plan::compile(&wide).unwrap();
    let [pages, orders] = ["pages", "orders"].map(|table| plan.table("web", table).unwrap());
    let path = |length: usize| [("path".to_owned(), Value::string("x".repeat(length)))];
    // The key event itself, and two attributes that it feeds; orders feed none.
    assert_eq!(plan.work_of_event(pages, &[]), 3 * plan.work_of_event(orders, &[]));
    let of_text = |length| plan.work_of_event(pages, &path(length)) - plan.work_of_event(pages, &[]);
    assert!(of_text(1) > 0);
    assert_eq!(of_text(100), 100 * of_text(1));
    // Longer texts are not looked at.
    assert_eq!(
        [PATTERN_TEXT_BYTES_MAX, PATTERN_TEXT_BYTES_MAX + 1].map(|length| of_text(length) > 0),
        [true, false]
    );
    // A value of a profile may be as long as any; that of the event is as long as it is.
    let of_values = plan.work_of_answer(&[], &[]);
    assert!(of_values > 500);
    assert_eq!(plan.work_of_answer(&path(1), &[]) - of_values, of_text(1));
}

/// A build that did not know windows of `first` let such a state wait as it stood; one that does takes it up again.
#[test]
fn what_waited_as_unknown_is_taken_up() {
    const NOW_MS: i64 = 1_790_000_000_000;
    let mut first = last("landing", "path", Some(3_600_000));
    if let AttributeKind::Single { aggregation, .. } = &mut first.kind {
        *aggregation = Aggregation::First;
    }
    let plan = Plan::compile(&definition(vec![first], vec![])).unwrap();
    let table = plan.table("web", "pages").unwrap();
    let event = |at_ms: i64, path: &str| {
        Event::resolve(table, vec![("path".to_owned(), path.into())], at_ms, format!("e-{at_ms}"))
    };
    let mut profile = Profile::new(ProfileId([7; 16]), 0);
    let earlier = Stamped { time_ms: NOW_MS - 60_000, event_id: "e".to_owned(), value: "/earlier".into() };
    let ring = Ring { width_ms: 60_000, buckets: vec![((NOW_MS - 60_000) / 60_000, earlier)] };
    // As that build named it: the kind as it is stored, and nothing that it could have read.
    *profile.state_mut("landing\u{0}6.255.0") = Some(State::PickedWithin(Pick::First, ring));
    plan.adopt(&mut profile, 1, NOW_MS);
    plan.ingest(&mut profile, &event(NOW_MS, "/later"), NOW_MS);
    let Some(State::PickedWithin(Pick::First, ring)) = profile.state("landing") else {
        panic!("{profile:?}")
    };
    let values: Vec<&Value> = ring.buckets.iter().map(|(_, stamped)| &stamped.value).collect();
    assert_eq!(values, [&Value::from("/earlier"), &Value::from("/later")]);
}

/// Limits that the engine declares and hosts keep: what is stored and published today must fit tomorrow.
#[test]
fn bounds_of_hosts_are_what_they_were() {
    assert_eq!([PROFILE_BYTES_MAX, EXAMPLE_EVENT_BYTES_MAX], [262_144, 16_384]);
}
