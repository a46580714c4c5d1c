//! Sections by index are the sections by asking each of them, and nobody enters those that are reported as
//! impossible: on random definitions, profiles and events.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics has found something")]

use proptest::prelude::*;
use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, KeyEvent, Personalization,
    Section, StitchKey,
};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Comparison, Expr, Name, Test};
use usher_engine::value::{DataType, Number, Value};
use usher_engine::{Access, Asked, Criterion, Event, Outcome, Plan, Profile, ProfileId, Query, Truth};

const NOW_MS: i64 = 1_790_000_000_000;

type Values = fn() -> BoxedStrategy<Value>;

/// Attributes, their declared types, and what they are compared with; few values each, so that criteria meet. What has
/// no type is what its uses say: a text or a time, and a number or a time.
const FIELDS: [(&str, Option<DataType>, Values); 7] = [
    ("tier", Some(DataType::String), text),
    ("city", Some(DataType::String), text),
    ("age", Some(DataType::Number), number),
    ("visits", Some(DataType::Number), number),
    ("vip", Some(DataType::Boolean), boolean),
    ("since", None, time),
    ("paid", None, moment),
];

fn text() -> BoxedStrategy<Value> {
    prop::sample::select(vec!["", "a", "b", "gold", "a longer text that ends 1", "a longer text that ends 2"])
        .prop_map(Value::from)
        .boxed()
}

fn boolean() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn time() -> BoxedStrategy<Value> {
    let times = vec![
        "2026-09-21T14:13:20Z",
        "2026-09-21T16:13:20+02:00",
        "2026-09-21T16:13:20.25+02:00",
        "2026-09-21",
        "2026-09-21T00:00:00Z",
        "1970-01-01",
    ];
    prop::sample::select(times).prop_map(Value::from).boxed()
}

fn moment() -> BoxedStrategy<Value> {
    let float = |float| Value::Number(Number::float(float).unwrap());
    let moments = [float(1_790_000_000.25), float(1.79e12), float(-1e300), 1_790_000_000.into(), 0.into()];
    prop_oneof![3 => prop::sample::select(moments.to_vec()), 1 => number()].boxed()
}

fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        (-2..4_i64).prop_map(Value::from),
        prop::sample::select(vec![-0.0, 0.5, 1.0, 2.5, 1e300])
            .prop_map(|float| Value::Number(Number::float(float).unwrap())),
    ]
    .boxed()
}

/// Values of a record, fitting or not.
fn given(data_type: Option<DataType>, values: Values) -> BoxedStrategy<Option<Value>> {
    let odd =
        prop_oneof![Just(Value::from("1")), Just(Value::from("2.5")), Just(Value::from(true)), number()];
    let other = prop_oneof![time(), moment(), text()];
    let others = if data_type.is_none() { 4 } else { 1 };
    prop_oneof![
        6 => values().prop_map(Some),
        1 => odd.prop_map(Some),
        others => other.prop_map(Some),
        1 => Just(None),
    ]
    .boxed()
}

fn test(field: usize) -> BoxedStrategy<Expr> {
    let (name, data_type, values) = FIELDS[field];
    let comparison = prop::sample::select(vec![
        Comparison::Less,
        Comparison::LessEqual,
        Comparison::Greater,
        Comparison::GreaterEqual,
    ]);
    let question = match data_type {
        Some(DataType::Boolean) => prop_oneof![4 => values().prop_map(Test::Equal), 1 => Just(Test::Null)].boxed(),
        _ => prop_oneof![
            5 => values().prop_map(Test::Equal),
            2 => prop::collection::vec(values(), 1..4).prop_map(Test::In),
            1 => (comparison, values()).prop_map(|(comparison, value)| Test::Order(comparison, value)),
            1 => (values(), values()).prop_map(|(low, high)| Test::Between(low, high)),
            // A criterion that asks nothing else knows less of a type than all of them together.
            1 => if data_type.is_none() { values().prop_map(Test::Equal).boxed() } else { Just(Test::Null).boxed() },
        ]
        .boxed(),
    };
    (question, prop::bool::weighted(0.15))
        .prop_map(move |(test, negated)| Expr::new_test(Name(name.to_owned()), test, negated))
        .boxed()
}

fn criteria() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        12 => (0..FIELDS.len()).prop_flat_map(test),
        2 => prop::sample::select(vec!["s", "t"]).prop_map(|name| Expr::Segment(name.to_owned())),
        1 => any::<bool>().prop_map(Expr::Constant),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..5).prop_map(Expr::And),
            1 => prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            1 => inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

#[derive(Clone, Debug)]
struct Shape {
    criteria: Expr,
    key_event: Option<usize>,
    filtered: bool,
    known_only: bool,
}

fn shape(pool: Vec<Expr>) -> impl Strategy<Value = Shape> {
    let part = prop_oneof![3 => prop::sample::select(pool), 2 => criteria()];
    let all = prop::collection::vec(part, 1..5).prop_map(Expr::all);
    let key_event = prop::option::weighted(0.4, 0..3_usize);
    (all, key_event, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |(criteria, key_event, filtered, known_only)| Shape { criteria, key_event, filtered, known_only },
    )
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    prop::collection::vec(criteria(), 4..10).prop_flat_map(|pool| prop::collection::vec(shape(pool), 1..40))
}

fn page(value: &str) -> Expr {
    Expr::new_test(Name::column("page"), Test::Equal(Value::from(value)), false)
}

fn definition(shapes: &[Shape], choice: Choice) -> Definition {
    // Two of one table, one of another; `k1` only for some of its rows.
    let key_events = [("k0", "pages", None), ("k1", "pages", Some(page("home"))), ("k2", "carts", None)];
    let sections = shapes.iter().enumerate().map(|(index, shape)| Section {
        name: format!("{index}"),
        key_event: shape.key_event.map(|index| format!("k{index}")),
        event_filter: shape.filtered.then(|| page("cart")),
        criteria: shape.criteria.clone(),
        accept_unknown_profiles: !shape.known_only,
        outputs: vec![],
        segments: vec![],
        include_sensitive: false,
    });
    Definition {
        audience: Audience { id: "7".to_owned(), name: None },
        key_events: key_events
            .into_iter()
            .map(|(name, table, filter)| KeyEvent {
                name: name.to_owned(),
                table: EventTable { database: "web".to_owned(), table: table.to_owned() },
                filter,
                columns: Vec::new(),
                description: None,
            })
            .collect(),
        attributes: FIELDS
            .iter()
            .map(|(name, data_type, _)| Attribute {
                name: (*name).to_owned(),
                sensitive: false,
                description: None,
                kind: AttributeKind::Batch { column: (*name).to_owned(), data_type: *data_type },
            })
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
    }
}

/// A visitor: a value for each field, and segments.
type Known = (Vec<Option<Value>>, Vec<bool>);

fn known() -> impl Strategy<Value = Option<Known>> {
    let values: Vec<_> = FIELDS.iter().map(|(_, data_type, values)| given(*data_type, *values)).collect();
    prop::option::weighted(0.9, (values, prop::collection::vec(any::<bool>(), 2)))
}

fn columns(known: &Known) -> Vec<(String, Value)> {
    let fields = FIELDS.iter().zip(&known.0);
    let mut columns: Vec<(String, Value)> =
        fields.filter_map(|((name, ..), value)| Some(((*name).to_owned(), value.clone()?))).collect();
    let segments = ["s", "t"].iter().zip(&known.1).filter(|(_, member)| **member);
    let segments = segments.map(|(name, _)| Value::from(*name)).collect();
    columns.push((Criterion::SEGMENTS.to_owned(), Value::List(segments)));
    columns
}

fn event() -> impl Strategy<Value = Option<(&'static str, &'static str)>> {
    let table = prop::sample::select(vec!["pages", "carts"]);
    prop::option::of((table, prop::sample::select(vec!["home", "cart", "other"])))
}

/// The sections that enter, one after the other, each by its criterion alone.
fn one_by_one(
    shapes: &[Shape],
    criteria: &[Criterion],
    choice: Choice,
    known: Option<&Known>,
    event: Option<(&str, &str)>,
) -> Vec<usize> {
    let columns = known.map(columns).unwrap_or_default();
    let mut entered = Vec::new();
    for (index, (shape, criterion)) in shapes.iter().zip(criteria).enumerate() {
        let happens = event.is_none_or(|(table, page)| {
            let of_key_event = match shape.key_event {
                None => true,
                Some(0) => table == "pages",
                Some(1) => table == "pages" && page == "home",
                Some(_) => table == "carts",
            };
            of_key_event && (!shape.filtered || page == "cart")
        });
        let row = criterion.row(|name| Some(&columns.iter().find(|(known, _)| known == name)?.1));
        let enters = happens
            && (!shape.known_only || known.is_some())
            && criterion.evaluate(&row, NOW_MS) == Truth::True;
        if enters {
            entered.push(index);
            if choice == Choice::First {
                break;
            }
        }
    }
    entered
}

/// The sections that warnings say nobody enters.
fn impossible(plan: &Plan, with_event: bool) -> Vec<usize> {
    // A condition that is the same for everybody need not keep anybody out, and a lookup asks no filter of events.
    let warnings = plan.warnings().into_iter().filter(|found| {
        found.code != Code::FixedCondition && (with_event || !found.path.ends_with(".event_filter"))
    });
    let numbers = warnings.map(|found| {
        let path = found.path.strip_prefix("personalizations[0].sections[").unwrap();
        path.split(']').next().unwrap().parse().unwrap()
    });
    numbers.collect()
}

/// A lookup of the one personalization.
fn lookup(blind: bool) -> Query<'static> {
    Query { event: None, asked: Asked::Named(&[0]), inputs: &[], edge: &[], access: Access::default(), blind }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_index_leaves_out_nobody(
        shapes in shapes(),
        first in any::<bool>(),
        visitors in prop::collection::vec((known(), event()), 1..3),
    ) {
        let choice = if first { Choice::First } else { Choice::All };
        let plan = Plan::compile(&definition(&shapes, choice)).unwrap();
        let fields = FIELDS.map(|(name, data_type, _)| (name, data_type));
        let criteria: Vec<_> =
            shapes.iter().map(|shape| Criterion::compile(&shape.criteria, &fields).unwrap()).collect();
        for (known, event) in &visitors {
            let mut profile = Profile::new(ProfileId([1; 16]), NOW_MS);
            if let Some(known) = known {
                let mut row = columns(known);
                row.push(("customer".to_owned(), Value::from("anna")));
                profile.import(plan.record(&row, NOW_MS).unwrap(), NOW_MS);
            }
            let at = event.map(|(table, page)| {
                let columns = vec![("page".to_owned(), Value::from(page))];
                Event::resolve(plan.table("web", table).unwrap(), columns, NOW_MS, "minted".to_owned())
            });
            let query = Query {
                event: at.as_ref(),
                asked: Asked::Named(&[0]),
                inputs: &[],
                edge: &[],
                access: Access::default(),
                blind: false,
            };
            let expected = one_by_one(&shapes, &criteria, choice, known.as_ref(), *event);
            let mut entered = Vec::new();
            plan.entered(&profile, &query, NOW_MS, &mut entered);
            let pairs: Vec<_> = expected.iter().map(|section| (0, *section)).collect();
            prop_assert_eq!(&entered, &pairs);
            for number in impossible(&plan, at.is_some()) {
                prop_assert!(!expected.contains(&number), "section {} was reported", number);
            }
            let explained = plan.explain(&profile, &query, NOW_MS);
            prop_assert_eq!(&explained.answer, &plan.personalize(&profile, &query, NOW_MS));
            let sections = explained.personalizations[0].sections.iter().enumerate();
            let matched: Vec<usize> = sections
                .filter(|(_, section)| section.result == Outcome::Matched)
                .map(|(index, _)| index)
                .collect();
            prop_assert_eq!(matched, expected);
        }
    }
}

/// Sections enough that each kind of value they demand is looked up.
#[test]
fn numbers_and_booleans_are_looked_up() {
    let test = |name: &str, test: Test, negated: bool| Expr::new_test(Name(name.to_owned()), test, negated);
    let equal = |name: &str, value: Value| test(name, Test::Equal(value), false);
    let mut criteria = Vec::new();
    for number in 0..20_i64 {
        criteria.push(equal("age", Value::from(number)));
        let list = vec![Value::from(number), Value::from(number + 100)];
        criteria.push(test("visits", Test::In(list), false));
        criteria.push(test("age", Test::Equal(Value::from(number)), true));
        // Each of its own, so that no gate stands before them.
        let own = test("city", Test::Order(Comparison::Less, Value::string(format!("{number:02}"))), false);
        criteria.push(Expr::And(vec![equal("vip", Value::from(number % 2 == 0)), own]));
    }
    let shapes: Vec<Shape> = criteria
        .into_iter()
        .map(|criteria| Shape { criteria, key_event: None, filtered: false, known_only: false })
        .collect();
    let plan = Plan::compile(&definition(&shapes, Choice::All)).unwrap();
    let fields = FIELDS.map(|(name, data_type, _)| (name, data_type));
    let criteria: Vec<_> =
        shapes.iter().map(|shape| Criterion::compile(&shape.criteria, &fields).unwrap()).collect();
    for number in [-1, 0, 1, 7, 19, 20, 107] {
        for vip in [None, Some(false), Some(true)] {
            let number = Some(Value::from(number));
            let values = vec![None, Some(Value::from("07")), number.clone(), number, vip.map(Value::from)];
            let known = (values, vec![false, false]);
            let mut profile = Profile::new(ProfileId([1; 16]), NOW_MS);
            let mut row = columns(&known);
            row.push(("customer".to_owned(), Value::from("anna")));
            profile.import(plan.record(&row, NOW_MS).unwrap(), NOW_MS);
            let expected = one_by_one(&shapes, &criteria, Choice::All, Some(&known), None);
            let expected: Vec<_> = expected.into_iter().map(|section| (0, section)).collect();
            let mut entered = Vec::new();
            plan.entered(&profile, &lookup(false), NOW_MS, &mut entered);
            assert_eq!(entered, expected, "{known:?}");
        }
    }
}

#[test]
fn of_whom_nothing_can_be_read_only_what_everybody_gets_is_said() {
    let shape = |criteria| Shape { criteria, key_event: None, filtered: false, known_only: false };
    let null = Expr::new_test(Name("tier".to_owned()), Test::Null, false);
    let shapes = [shape(null), shape(Expr::Constant(true))];
    let plan = Plan::compile(&definition(&shapes, Choice::All)).unwrap();
    let unknown = Profile::unknown();
    for (blind, expected) in [(false, &[(0, 0), (0, 1)][..]), (true, &[(0, 1)])] {
        let mut entered = Vec::new();
        plan.entered(&unknown, &lookup(blind), NOW_MS, &mut entered);
        assert_eq!(entered, expected);
        let explained = plan.explain(&unknown, &lookup(blind), NOW_MS);
        let sections = &explained.personalizations[0].sections;
        assert_eq!(sections[0].result == Outcome::Matched, !blind);
        assert_eq!(sections[1].result, Outcome::Matched);
    }
}

#[test]
fn what_the_edge_says_is_found_by_its_name() {
    let asks = |name: &str, value: &str| {
        Expr::new_test(Name(name.to_owned()), Test::Equal(Value::from(value)), false)
    };
    let shape = |criteria| Shape { criteria, key_event: None, filtered: false, known_only: false };
    let shapes = [
        shape(asks("edge.device", "mobile")),
        shape(asks("edge.country", "NO")),
        shape(asks("edge.country", "mobile")),
    ];
    let plan = Plan::compile(&definition(&shapes, Choice::All)).unwrap();
    let edge = [("device".into(), "mobile".into()), ("country".into(), "NO".into())];
    let query = Query { edge: &edge, ..lookup(false) };
    let mut entered = Vec::new();
    plan.entered(&Profile::unknown(), &query, NOW_MS, &mut entered);
    assert_eq!(entered, [(0, 0), (0, 1)]);
    let explained = plan.explain(&Profile::unknown(), &query, NOW_MS);
    let seen = explained.personalizations[0].sections.iter().map(|section| {
        let seen = section.criteria.observed.first().unwrap();
        seen.value.clone().unwrap()
    });
    assert_eq!(seen.collect::<Vec<_>>(), ["mobile", "NO", "NO"].map(Value::from));
}
