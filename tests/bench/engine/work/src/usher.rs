//! This project's side of every row, through the engine's public API.

use std::hint::black_box;

use usher_engine::attribute::{Counter, Item, ItemList, Pick, Ring, Stamped, State, Unit};
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, Increment,
    Keep, KeyEvent, Personalization, Section, StitchKey,
};
use usher_engine::profile::Key;
use usher_engine::profile::codec::{self, Form};
use usher_engine::syntax::{Comparison, Expr, Name, Test as Question};
use usher_engine::value::{DataType, Nanos, Number, Value};
use usher_engine::{Access, Asked, Criterion, Event, Plan, Profile as Stored, ProfileId, Query, Row};

use crate::cycle::{count, cycle, turns};
use crate::random::Random;
use crate::rules::{FIELDS, INTS, Profile, Rule, Test, name};

/// Some time in 2026, Unix milliseconds.
pub const NOW_MS: i64 = 1_790_000_000_000;

/// The rule as this engine's tree.
pub fn expr(rule: &Rule) -> Expr {
    let all = |rules: &[Rule]| rules.iter().map(expr).collect();
    match rule {
        Rule::All(rules) => Expr::all(all(rules)),
        Rule::Any(rules) => Expr::any(all(rules)).expect("some"),
        Rule::Not(rule) => Expr::Not(Box::new(expr(rule))),
        Rule::Is(field, test) => Expr::new_test(Name(name(*field).into()), question(test), false),
    }
}

fn question(test: &Test) -> Question {
    let int = |value: &i32| Value::from(i64::from(*value));
    match test {
        Test::AtLeast(low) => Question::Order(Comparison::GreaterEqual, int(low)),
        Test::AtMost(high) => Question::Order(Comparison::LessEqual, int(high)),
        Test::Between(low, high) => Question::Between(int(low), int(high)),
        Test::Contains(part) => Question::Contains(Value::from(part.as_str())),
        Test::EqualInt(right) => Question::Equal(int(right)),
        Test::EqualText(right) => Question::Equal(Value::from(right.as_str())),
        Test::InInts(items) => Question::In(items.iter().map(int).collect()),
        Test::InTexts(items) => Question::In(items.iter().map(|item| Value::from(item.as_str())).collect()),
    }
}

fn data_type(field: usize) -> DataType {
    if field < INTS.len() { DataType::Number } else { DataType::String }
}

/// A profile's values in the order of the fields.
pub fn values(profile: &Profile) -> [Value; FIELDS] {
    std::array::from_fn(|field| {
        if field < INTS.len() {
            Value::from(i64::from(profile.int(field)))
        } else {
            Value::from(profile.text(field))
        }
    })
}

fn fields() -> [(&'static str, Option<DataType>); FIELDS] {
    std::array::from_fn(|field| (name(field), Some(data_type(field))))
}

/// The rule as text.
pub fn spell(rule: &Rule) -> String {
    expr(rule).to_string()
}

/// From text to what is evaluated.
pub fn compile(text: &str) -> Criterion {
    let expr = usher_engine::syntax::parse(text).expect("a criterion");
    Criterion::compile(&expr, &fields()).expect("fields of these types")
}

/// From a profile's values to what a criterion is evaluated on.
pub fn row<'a>(criterion: &Criterion, values: &'a [Value; FIELDS]) -> Row<'a> {
    criterion.row(|wanted| (0..FIELDS).find(|field| name(*field) == wanted).map(|field| &values[field]))
}

/// True if a criterion holds for a row.
pub fn holds(criterion: &Criterion, row: &Row<'_>) -> bool {
    criterion.evaluate(row, NOW_MS) == usher_engine::Truth::True
}

/// Evaluation alone: rules compiled, rows filled.
pub fn evaluation(rules: &[Rule], profiles: &[Profile]) -> impl FnMut(u64) -> u64 + use<> {
    let criteria: Vec<Criterion> = rules.iter().map(|rule| compile(&spell(rule))).collect();
    let values: &'static [[Value; FIELDS]] = profiles.iter().map(values).collect::<Vec<_>>().leak();
    let rows: Vec<Vec<Row<'static>>> = values
        .iter()
        .map(|values| criteria.iter().map(|criterion| row(criterion, values)).collect())
        .collect();
    move |n| {
        cycle(n, criteria.len(), rows.len(), |profile, first| {
            let rows = &rows[profile][..first];
            count(criteria.iter().zip(rows), |(criterion, row)| holds(criterion, row))
        })
    }
}

fn view() -> (EventTable, KeyEvent) {
    let table = EventTable { database: "web".into(), table: "views".into() };
    let key_event = KeyEvent {
        name: "view".into(),
        table: table.clone(),
        filter: None,
        columns: Vec::new(),
        description: None,
    };
    (table, key_event)
}

fn last(name: &str, data_type: DataType) -> Attribute {
    let kind = AttributeKind::Single {
        key_event: "view".into(),
        filter: None,
        column: name.into(),
        aggregation: Aggregation::Last,
        duration_ms: None,
        backfill: None,
        data_type: Some(data_type),
    };
    Attribute { name: name.into(), kind, sensitive: false, description: None }
}

fn section(number: usize, criteria: Expr) -> Section {
    Section {
        name: format!("s{number}"),
        key_event: None,
        event_filter: None,
        criteria,
        accept_unknown_profiles: true,
        outputs: Vec::new(),
        segments: Vec::new(),
        include_sensitive: false,
    }
}

fn definition(attributes: Vec<Attribute>, personalizations: Vec<Personalization>) -> Definition {
    let (_, key_event) = view();
    let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    Definition {
        audience: Audience { id: "7".into(), name: None },
        key_events: vec![key_event],
        attributes,
        identity: Identity { keys, ..Identity::default() },
        personalizations,
        ..Definition::default()
    }
}

fn personalization(name: String, choice: Choice, sections: Vec<Section>) -> Personalization {
    Personalization { name, id: None, description: None, choice, segments_as: Default::default(), device: false, trigger: None, inputs: Vec::new(), sections }
}

/// One attribute per field, and all sections in one personalization.
pub fn sections(rules: &[Rule]) -> Definition {
    let attributes = (0..FIELDS).map(|field| last(name(field), data_type(field))).collect();
    let sections = rules.iter().enumerate().map(|(number, rule)| section(number, expr(rule))).collect();
    definition(attributes, vec![personalization("all".into(), Choice::All, sections)])
}

/// A profile with these attributes, as it comes out of storage.
fn stored(attributes: impl Iterator<Item = (String, Value)>) -> Stored {
    let mut stored = Stored::new(ProfileId([1; 16]), NOW_MS);
    for (name, value) in attributes {
        let stamped = Stamped { time_ms: NOW_MS - 1_000, event_id: "0198f0a1-5d2c".into(), value };
        *stored.state_mut(&name) = Some(State::Picked(Pick::Last, stamped));
    }
    codec::decode(&codec::encode(&stored, Form::Two)).expect("a profile")
}

/// The profile as events would have left it.
pub fn visitor(profile: &Profile) -> Stored {
    stored((0..FIELDS).map(|field| name(field).to_owned()).zip(values(profile)))
}

/// The sections that a profile enters: their personalization, and their number in it.
pub fn entered(plan: &Plan, visitor: &Stored, personalizations: &[usize], found: &mut Vec<(usize, usize)>) {
    let query = Query {
        event: None,
        asked: Asked::Named(personalizations),
        inputs: &[],
        edge: &[],
        access: Access::default(),
        blind: false,
    };
    plan.entered(visitor, &query, NOW_MS, found);
}

/// Every section that a visitor enters; the calls are prepared, as the peers' contexts are filled, before.
pub fn matching(rules: &[Rule], profiles: &[Profile]) -> impl FnMut(u64) -> u64 + use<> {
    let plan: &'static Plan =
        Box::leak(Box::new(Plan::compile_owned(sections(rules)).expect("a definition")));
    let visitors: &'static [Stored] = profiles.iter().map(visitor).collect::<Vec<_>>().leak();
    let query = Query {
        event: None,
        asked: Asked::Named(&[0]),
        inputs: &[],
        edge: &[],
        access: Access::default(),
        blind: false,
    };
    let calls: Vec<_> = visitors.iter().map(|visitor| plan.call(visitor, &query, NOW_MS)).collect();
    let mut found = Vec::new();
    move |n| {
        turns(n, calls.len(), |turn| {
            found.clear();
            calls[turn].entered(&mut found);
            found.len() as u64
        })
    }
}

/// The same, with what a criterion looks at fetched from the profile each time anew, as an edge does it.
pub fn matching_from_profiles(rules: &[Rule], profiles: &[Profile]) -> impl FnMut(u64) -> u64 + use<> {
    let plan = Plan::compile_owned(sections(rules)).expect("a definition");
    let visitors: Vec<Stored> = profiles.iter().map(visitor).collect();
    counting(plan, visitors, vec![0])
}

fn counting(plan: Plan, visitors: Vec<Stored>, asked: Vec<usize>) -> impl FnMut(u64) -> u64 {
    let mut found = Vec::new();
    move |n| {
        turns(n, visitors.len(), |turn| {
            found.clear();
            entered(&plan, &visitors[turn], &asked, &mut found);
            found.len() as u64
        })
    }
}

/// Ten personalizations that answer with their first section. Each section is for one value of one attribute, so a
/// visitor has ten candidates, however many sections there are: one in each personalization, at a random place.
pub fn first(count: usize) -> impl FnMut(u64) -> u64 + use<> {
    const LISTS: usize = 10;
    let mut random = Random::new(4);
    let each = count / LISTS;
    let slot = |value: usize| Value::from(format!("w{value}").as_str());
    let lists = (0..LISTS).map(|list| {
        let mut order: Vec<usize> = (0..each).collect();
        random.shuffle(&mut order);
        let sections = order.into_iter().map(|value| {
            let is = |name: &str, question| Expr::new_test(Name(name.into()), question, false);
            let parts = vec![
                is("slot", Question::Equal(slot(value))),
                is("visits", Question::Order(Comparison::GreaterEqual, Value::from(0))),
            ];
            section(value, Expr::all(parts))
        });
        personalization(format!("p{list}"), Choice::First, sections.collect())
    });
    let lists = lists.collect();
    let attributes = vec![last("slot", DataType::String), last("visits", DataType::Number)];
    let plan = Plan::compile_owned(definition(attributes, lists)).expect("a definition");
    let visitors: Vec<Stored> = (0..16)
        .map(|_| {
            let value = slot(random.below(each));
            stored([("slot".to_owned(), value), ("visits".to_owned(), Value::from(5))].into_iter())
        })
        .collect();
    counting(plan, visitors, (0..LISTS).collect())
}

/// The window of the counters: an hour, so that a bucket is a minute.
pub const WINDOW_MS: i64 = 3_600_000;
/// The number of attributes that one event updates; every second one counts, the others add a price.
pub const COUNTERS: usize = 10;
/// The price of one event, in billionths.
pub const PRICE_NANOS: i64 = 12_500_000_000;

/// Counters over a window that every event changes.
pub struct Counters {
    plan: Plan,
    pub profile: Stored,
    event: Event,
}

impl Counters {
    pub fn new() -> Counters {
        let attributes = (0..COUNTERS).map(|index| {
            let increment =
                if index % 2 == 0 { Increment::Constant(1) } else { Increment::Column("price".into()) };
            let kind = AttributeKind::Counter {
                key_event: "view".into(),
                filter: None,
                increment,
                window_ms: Some(WINDOW_MS),
                parts: Vec::new(),
                backfill: None,
            };
            Attribute { name: format!("counter_{index}"), kind, sensitive: false, description: None }
        });
        let plan = Plan::compile_owned(definition(attributes.collect(), Vec::new())).expect("a definition");
        let price = Number::float(PRICE_NANOS as f64 / 1e9).expect("finite");
        let columns = vec![
            ("td_path".to_owned(), Value::from("/product/P-207")),
            ("price".to_owned(), Value::Number(price)),
        ];
        let table = plan.table("web", "views").expect("declared");
        // Without an id of its own: the subjects beside it do not look for duplicates.
        let event = Event::resolve(table, columns, NOW_MS, "0198f0a1-5d2c-7000".into());
        assert!(event.minted);
        Counters { plan, profile: Stored::new(ProfileId([1; 16]), NOW_MS), event }
    }

    /// One event, so much later than the one before. How many attributes it changed.
    pub fn update(&mut self, step_ms: i64) -> u64 {
        self.event.time_ms += step_ms;
        let ingested = self.plan.ingest(&mut self.profile, &self.event, self.event.time_ms);
        if ingested.duplicate { 0 } else { (COUNTERS - ingested.refused.len()) as u64 }
    }

    /// The time of the newest event.
    pub fn time_ms(&self) -> i64 {
        self.event.time_ms
    }

    /// The value of a counter now: the sum of its buckets that end within the window.
    pub fn read(&self, index: usize) -> i128 {
        match self.profile.state(&format!("counter_{index}")) {
            Some(State::Counter(Counter { rings, .. })) => {
                let [ring] = rings.as_slice() else { return 0 };
                let from = (self.time_ms() - WINDOW_MS).div_euclid(ring.width_ms);
                ring.buckets.iter().filter(|(bucket, _)| *bucket >= from).map(|(_, amount)| amount).sum()
            }
            _ => 0,
        }
    }

    /// One event as an edge folds it: the profile comes out of storage and goes back.
    pub fn update_stored(&mut self, bytes: &mut Vec<u8>, step_ms: i64) {
        self.profile = codec::decode(bytes).expect("a profile");
        self.update(step_ms);
        *bytes = codec::encode(&self.profile, Form::Two);
    }
}

impl Default for Counters {
    fn default() -> Self {
        Counters::new()
    }
}

/// `n` events; what the first counter holds is the sum.
pub fn update(per_window: i64) -> impl FnMut(u64) -> u64 {
    let (mut counters, step_ms) = (Counters::new(), WINDOW_MS / per_window);
    for _ in 0..2 * per_window {
        counters.update(step_ms);
    }
    move |n| turns(n, 1, |_| counters.update(step_ms))
}

/// The same through storage.
pub fn update_stored(per_window: i64) -> impl FnMut(u64) -> u64 {
    let (mut counters, step_ms) = (Counters::new(), WINDOW_MS / per_window);
    for _ in 0..2 * per_window {
        counters.update(step_ms);
    }
    let mut bytes = codec::encode(&counters.profile, Form::Two);
    move |n| {
        turns(n, 1, |_| {
            counters.update_stored(&mut bytes, step_ms);
            bytes.len() as u64
        })
    }
}

/// Bytes that counters take in storage, after two windows of events.
pub fn counters_bytes(per_window: i64) -> usize {
    let mut counters = Counters::new();
    for _ in 0..2 * per_window {
        counters.update(WINDOW_MS / per_window);
    }
    // What every profile has, counters or none, is not theirs.
    let empty = Stored::new(counters.profile.id, counters.profile.created_ms);
    codec::encode(&counters.profile, Form::Two).len() - codec::encode(&empty, Form::Two).len()
}

/// The number of attributes of the stored profile, and of those that are read.
pub const ATTRIBUTES: usize = 60;
pub const READ: usize = 8;

/// The name of an attribute of the stored profile.
pub fn attribute(index: usize) -> String {
    format!("attribute_{index:02}")
}

/// The attributes that are read.
pub fn read() -> [String; READ] {
    [3, 11, 18, 26, 34, 41, 47, 58].map(attribute)
}

/// A profile of 60 attributes, about 2 KB as bytes: half single values, a quarter counters, lists and sums.
pub fn full() -> Stored {
    let mut random = Random::new(5);
    let mut profile = Stored::new(ProfileId([7; 16]), NOW_MS - 86_400_000);
    let key = |name: &str, value: &str| Key { name: name.into(), value: value.into(), seen_ms: NOW_MS };
    profile
        .edit_keys(|keys| keys.extend([key("td_client_id", "b5a1c3d2-7e10"), key("customer_id", "c-1001")]));
    profile
        .edit_seen_ids(|seen| seen.events = (0..8).map(|turn| (random.bits(), NOW_MS - 8_000 + turn)).collect());
    profile.version = 42;
    for index in 0..ATTRIBUTES {
        let time_ms = NOW_MS - random.below(1_000_000) as i64;
        let event_id = format!("e{:04x}", random.below(65_536));
        let last = |value| State::Picked(Pick::Last, Stamped { time_ms, event_id: event_id.clone(), value });
        let state = match index % 12 {
            0..3 => last(Value::from(random.below(1_000) as i64)),
            3..7 => last(Value::from(format!("value-{}", random.below(1_000)).as_str())),
            7..10 => {
                let first = NOW_MS / 60_000 - 4;
                let buckets = (0..4).map(|turn| (first + turn, 1 + random.below(9) as i128)).collect();
                let rings = vec![Ring { width_ms: 60_000, buckets }];
                State::Counter(Counter { unit: Unit::Events, rings })
            }
            10 => State::Sum(Nanos(i128::from(random.bits() >> 24))),
            _ => {
                let item = |turn: i64| Item {
                    id: Value::from(format!("P-{turn}").as_str()),
                    time_ms: time_ms - turn,
                    event_id: event_id.clone(),
                    fields: Vec::new(),
                };
                State::List(ItemList {
                    has_ids: true,
                    keep: Keep::Newest,
                    columns: Vec::new(),
                    items: (0..3).map(item).collect(),
                    removed: Vec::new(),
                    cleared: None,
                })
            }
        };
        *profile.state_mut(&attribute(index)) = Some(state);
    }
    profile
}

/// A number that depends on a state of the stored profile, so that reading it cannot be left out.
pub fn print(state: &State) -> u64 {
    match state {
        State::Picked(_, stamped) => match &stamped.value {
            Value::String(text) => text.len() as u64,
            Value::Number(Number::Integer(value)) => *value as u64,
            _ => 0,
        },
        State::Sum(sum) => sum.0 as u64,
        State::List(list) => list.items.len() as u64,
        State::Counter(Counter { rings, .. }) => {
            rings.iter().flat_map(|ring| &ring.buckets).map(|(_, amount)| *amount as u64).sum()
        }
        _ => 0,
    }
}

/// Opens the stored profile and reads some of its attributes.
pub fn open(bytes: &[u8], names: &[String]) -> u64 {
    let profile = codec::decode(bytes).expect("a profile");
    names.iter().filter_map(|name| profile.state(name)).map(print).sum()
}

/// Opening it again and again.
pub fn opening() -> impl FnMut(u64) -> u64 {
    let (bytes, names) = (codec::encode(&full(), Form::Two), read());
    move |n| turns(n, 1, |_| open(black_box(&bytes), &names))
}
