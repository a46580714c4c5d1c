//! Definitions by chance: every field and every kind, with names and texts that trip those who read YAML. Bounds are kept
//! and names that refer to something name it; all else is allowed to be nonsense.

mod journeys;
mod pipelines;
mod tables;

use std::collections::BTreeSet;

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Backfill, Choice, CounterPart, Definition, EventTable,
    Example, ExampleCall, ExampleEvent, ExampleKey, ExampleRows, Expected, Identity, Increment, Input, Keep,
    KeyEvent, ListAction, ListAggregation, ListPart, Normalize, Output, OutputSource, Personalization,
    Removal, Section, Segment, SegmentsAs, Sender, StitchKey, Trust,
};
use usher_engine::limits::{DAY_MS, LIST_ITEMS_MAX, SUMMAND_MAX, WINDOW_MS_MAX};
use usher_engine::syntax::{Expr, Name, Test};
use usher_engine::value::{DataType, Value};

use crate::calculations::{self, Kind};
use crate::expressions::{self, expr, number};
use crate::random::Random;

/// A definition that can be read from files.
pub fn definition(random: &mut Random) -> Definition {
    let key_events = several(random, 5, key_event);
    let attributes = several(random, 8, |random| attribute(random, &key_events));
    let mut tables = several(random, 3, table);
    let mut seen = BTreeSet::new();
    tables.retain(|table| seen.insert(table.clone()));
    let personalizations = several(random, 4, |random| personalization(random, &key_events, &attributes));
    let audience = Audience { id: audience_id(random), name: maybe(random, text) };
    let identity = if random.one_in(4) { Identity::default() } else { identity(random) };
    let event_id_column = maybe(random, name);
    let discover = random.one_in(4);
    let journeys = several(random, 3, journeys::journey);
    let activations = several(random, 3, journeys::activation);
    let lookup_tables = several(random, 3, tables::table);
    let pipelines = pipelines::of(random, &lookup_tables);
    Definition {
        audience,
        tables,
        key_events,
        attributes,
        identity,
        event_id_column,
        discover,
        personalizations,
        journeys,
        activations,
        lookup_tables,
        pipelines,
    }
}

/// It stands in addresses; a number is a text all the same.
fn audience_id(random: &mut Random) -> String {
    random.pick(&["1069944", "0123", "1e3", "shop", "true", "a-b_c.d~e"]).to_string()
}

/// Examples of a definition, which name what it has.
pub fn examples(random: &mut Random, definition: &Definition) -> Vec<Example> {
    // Without a table no event is answered, and a lookup asks a personalization.
    if definition.personalizations.is_empty()
        && definition.tables.is_empty()
        && definition.key_events.is_empty()
    {
        return Vec::new();
    }
    let mut examples = several(random, 4, |random| example(random, definition));
    let mut seen = BTreeSet::new();
    examples.retain(|example| seen.insert(example.name.clone()));
    examples
}

fn example(random: &mut Random, definition: &Definition) -> Example {
    let key_events = definition.key_events.iter().map(|key_event| &key_event.table);
    let tables: Vec<&EventTable> = definition.tables.iter().chain(key_events).collect();
    let event = |random: &mut Random| {
        let units = [0, 1, 1_000, DAY_MS / 1_440, DAY_MS / 24, DAY_MS];
        let before_ms = random.pick(&units) * (1 + random.below(600)).cast_signed() as i64;
        ExampleEvent { table: random.pick(&tables).clone(), before_ms, columns: object(random) }
    };
    let identity = &definition.identity;
    let keys: Vec<&String> = identity.keys.iter().map(|key| &key.name).chain(&identity.lookup_key).collect();
    let asked = definition.personalizations.first();
    let call = if !tables.is_empty() && (asked.is_none() || random.one_in(2)) {
        ExampleCall::Event(event(random))
    } else if !keys.is_empty() && random.one_in(2) {
        ExampleCall::Lookup(Some(ExampleKey { name: random.pick(&keys).clone(), value: name(random) }))
    } else {
        ExampleCall::Lookup(None)
    };
    let is_lookup = matches!(call, ExampleCall::Lookup(_));
    let personalization = asked.filter(|_| is_lookup || random.one_in(2)).map(|asked| asked.name.clone());
    let sections: Vec<&Section> = definition
        .personalizations
        .iter()
        .filter(|it| personalization.as_ref().is_none_or(|name| it.name == *name))
        .flat_map(|it| &it.sections)
        .collect();
    Example {
        name: name(random).chars().take(40).collect(),
        now_ms: maybe(random, |random| match random.below(3) {
            0 => 1_790_000_000_000 + random.below(100_000_000).cast_signed() as i64,
            // A larger number would be microseconds.
            1 => (random.bits().cast_signed() >> random.below(64)) % 100_000_000_000_000,
            _ => random.below(10).cast_signed() as i64 * DAY_MS,
        }),
        sender: random.pick(&[Sender::Server, Sender::Browser]),
        records: several(random, 3, object),
        rows: match definition.lookup_tables.first().filter(|_| random.one_in(2)) {
            Some(table) => vec![ExampleRows { table: table.name.clone(), rows: vec![object(random)] }],
            None => Vec::new(),
        },
        events: if tables.is_empty() { Vec::new() } else { several(random, 3, event) },
        inputs: if is_lookup && random.one_in(2) { object(random) } else { Value::Null },
        call,
        personalization,
        expect: several(random, 3, |random| Expected {
            section: if sections.is_empty() { name(random) } else { random.pick(&sections).name.clone() },
            attributes: if random.one_in(2) { object(random) } else { Value::Null },
        }),
    }
}

fn object(random: &mut Random) -> Value {
    loop {
        if let object @ Value::Object(_) = value(random, 2) {
            return object;
        }
    }
}

fn table(random: &mut Random) -> EventTable {
    let names = ["web", "page_views", "0_9", "cart", "events_2024", "_id"];
    EventTable { database: random.pick(&names).to_string(), table: random.pick(&names).to_string() }
}

fn key_event(random: &mut Random) -> KeyEvent {
    let mut columns = several(random, 4, name);
    let mut seen = BTreeSet::new();
    columns.retain(|column| seen.insert(column.clone()));
    KeyEvent {
        name: name(random),
        table: table(random),
        filter: maybe(random, filter),
        columns,
        description: maybe(random, text),
    }
}

/// Mostly about columns.
fn filter(random: &mut Random) -> Expr {
    match random.below(4) {
        0..=1 => Expr::new_test(Name::column(&text(random)), Test::Matches(text(random)), random.one_in(5)),
        _ => criteria(random),
    }
}

/// A tree that text can say, or one that is too long for a text.
fn criteria(random: &mut Random) -> Expr {
    if !random.one_in(40) {
        return expr(random, 3);
    }
    let long = |random: &mut Random| text(random).repeat(3) + &"long ".repeat(900);
    match random.below(5) {
        0 => Expr::And((0..60).map(|_| expr(random, 2)).collect()),
        1 => Expr::Not(Box::new(Expr::Or((0..60).map(|_| expr(random, 2)).collect()))),
        2 => Expr::Segment(long(random)),
        3 => {
            let values = (0..200).map(|_| Value::string(format!("{} a longer text", text(random)))).collect();
            Expr::new_test(Name(name(random)), Test::In(values), random.one_in(2))
        }
        _ => {
            let text = long(random);
            let value = Value::string(&text);
            let test = match random.below(7) {
                0 => Test::Equal(value),
                1 => Test::Contains(value),
                2 => Test::Between(value, "z".into()),
                3 => Test::Like(text),
                4 => Test::StartsWith(text),
                5 => Test::EndsWith(text),
                _ => Test::Matches(text),
            };
            Expr::new_test(Name(name(random)), test, random.one_in(2))
        }
    }
}

fn attribute(random: &mut Random, key_events: &[KeyEvent]) -> Attribute {
    let key_event = |random: &mut Random| match key_events {
        [] => name(random),
        some => random.pick(some).name,
    };
    let kind = match random.below(8) {
        0 | 1 => AttributeKind::Single {
            key_event: key_event(random),
            filter: maybe(random, filter),
            column: name(random),
            aggregation: random.pick(&[
                Aggregation::Last,
                Aggregation::First,
                Aggregation::Min,
                Aggregation::Max,
                Aggregation::Sum,
            ]),
            duration_ms: maybe(random, duration),
            data_type: maybe(random, data_type),
            backfill: maybe(random, backfill),
        },
        2..=3 => AttributeKind::List {
            key_event: key_event(random),
            filter: maybe(random, filter),
            column: maybe(random, name),
            keep: random.pick(&[Keep::Newest, Keep::Oldest]),
            items_max: 1 + random.below(LIST_ITEMS_MAX as usize) as u32,
            duration_ms: duration(random),
            parts: match random.below(3) {
                0 => Vec::new(),
                1 => vec![ListPart {
                    name: "items".to_owned(),
                    column: name(random),
                    aggregation: ListAggregation::Values,
                }],
                _ => several(random, 4, list_part),
            },
            actions: several(random, 3, |random| ListAction {
                action: random.pick(&[Removal::DeleteItem, Removal::Clear]),
                key_event: key_event(random),
                filter: maybe(random, filter),
            }),
        },
        4..=5 => AttributeKind::Counter {
            key_event: key_event(random),
            filter: maybe(random, filter),
            increment: match random.below(3) {
                0 => Increment::Constant(1),
                1 => Increment::Constant(1 + (random.bits() % SUMMAND_MAX.unsigned_abs()).cast_signed()),
                _ => Increment::Column(name(random)),
            },
            window_ms: maybe(random, duration),
            parts: several(random, 3, |random| CounterPart {
                name: name(random),
                window_ms: duration(random),
            }),
            backfill: maybe(random, backfill),
        },
        6 => AttributeKind::Batch { column: name(random), data_type: maybe(random, data_type) },
        _ => tables::catalog(random),
    };
    let (sensitive, description) = (random.one_in(2), maybe(random, text));
    Attribute { name: name(random), kind, sensitive, description }
}

fn list_part(random: &mut Random) -> ListPart {
    let aggregation = random.pick(&[
        ListAggregation::Values,
        ListAggregation::DistinctList,
        ListAggregation::First,
        ListAggregation::Last,
        ListAggregation::Sum,
        ListAggregation::Min,
        ListAggregation::Max,
    ]);
    ListPart { name: name(random), column: name(random), aggregation }
}

fn backfill(random: &mut Random) -> Backfill {
    Backfill { attribute: name(random), time_attribute: maybe(random, name) }
}

fn identity(random: &mut Random) -> Identity {
    Identity {
        primary_key: maybe(random, name),
        keys: several(random, 4, |random| StitchKey {
            name: name(random),
            normalize: random.pick(&[
                vec![],
                vec![Normalize::Trim],
                vec![Normalize::Lowercase, Normalize::Trim],
            ]),
            valid_regexp: maybe(random, text),
            exclude_regex: maybe(random, text),
            invalid_texts: several(random, 3, text),
            placeholders: random.one_in(3),
            workflow_only: random.one_in(3),
            trust: random.pick(&[Trust::Open, Trust::Verified]),
        }),
        lookup_key: maybe(random, text),
        placeholder_list: u32::from(random.one_in(2)),
    }
}

fn personalization(
    random: &mut Random,
    key_events: &[KeyEvent],
    attributes: &[Attribute],
) -> Personalization {
    let key_event = |random: &mut Random| match key_events {
        [] => name(random),
        some => random.pick(some).name,
    };
    let mut sections = several(random, 4, |random| section(random, key_events, attributes));
    sections.push(section(random, key_events, attributes));
    Personalization {
        name: name(random),
        id: maybe(random, id),
        description: maybe(random, text),
        choice: random.pick(&[Choice::All, Choice::First]),
        segments_as: random.pick(&[SegmentsAs::Names, SegmentsAs::Ids, SegmentsAs::Booleans]),
        device: random.one_in(2),
        trigger: maybe(random, key_event),
        inputs: several(random, 3, |random| Input {
            name: name(random),
            data_type: data_type(random),
            required: random.one_in(2),
        }),
        sections,
    }
}

fn section(random: &mut Random, key_events: &[KeyEvent], attributes: &[Attribute]) -> Section {
    let mut outputs = several(random, 6, |random| output(random, attributes));
    let mut seen = BTreeSet::new();
    outputs.retain(|output| seen.insert(output.name.clone()));
    let mut segments = several(random, 4, |random| Segment { name: name(random), id: maybe(random, id) });
    let mut seen = BTreeSet::new();
    segments.retain(|segment| seen.insert(segment.name.clone()));
    Section {
        name: name(random),
        key_event: if random.one_in(3) { key_events.first().map(|it| it.name.clone()) } else { None },
        event_filter: if random.one_in(3) { Some(filter(random)) } else { None },
        criteria: if random.one_in(4) { Expr::Constant(true) } else { criteria(random) },
        accept_unknown_profiles: !random.one_in(4),
        outputs,
        segments,
        include_sensitive: random.one_in(4),
    }
}

fn output(random: &mut Random, attributes: &[Attribute]) -> Output {
    let known = attributes.first().map_or_else(|| "tier".to_owned(), |attribute| attribute.name.clone());
    let source = match random.below(7) {
        0 => OutputSource::Constant(value(random, 3)),
        1 => {
            OutputSource::Text((0..=random.below(3)).map(|_| text(random).replace(['{', '}'], "")).collect())
        }
        2 => OutputSource::Template(text(random)),
        3 => OutputSource::Attribute { name: known, part: None },
        4 => OutputSource::Attribute { name: known, part: Some(text(random)) },
        5 => {
            let kind = random.pick(&Kind::SHOWN);
            OutputSource::Expression(calculations::value(random, kind, 2))
        }
        _ => OutputSource::Attribute { name: name(random), part: maybe(random, name) },
    };
    let name = match &source {
        OutputSource::Attribute { name, part: None } if random.one_in(2) => name.clone(),
        OutputSource::Attribute { name, part: Some(part) } if random.one_in(2) => format!("{name}.{part}"),
        _ => name(random),
    };
    // An output's name has a bound of its own.
    Output { name: name.chars().take(200).collect(), source }
}

fn data_type(random: &mut Random) -> DataType {
    random.pick(&DataType::ALL)
}

/// In whole days, hours, minutes or milliseconds.
fn duration(random: &mut Random) -> i64 {
    let unit_ms = random.pick(&[DAY_MS, DAY_MS, DAY_MS / 24, DAY_MS / 1_440, 1]);
    let most = (WINDOW_MS_MAX / unit_ms).unsigned_abs();
    let most = if random.one_in(2) { most.min(100) } else { most };
    (1 + (random.bits() % most).cast_signed()) * unit_ms
}

/// Anything that JSON can say.
fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::from(random.one_in(2)),
        2 => Value::Number(number(random)),
        3..=4 => Value::string(text(random)),
        5 => Value::List((0..random.below(4)).map(|_| value(random, depth - 1)).collect()),
        _ => {
            let mut entries: Vec<(String, Value)> =
                (0..random.below(4)).map(|_| (text(random), value(random, depth - 1))).collect();
            if random.one_in(10) {
                entries.push(("key ".repeat(300 * random.below(3)), Value::Null));
            }
            let mut seen = BTreeSet::new();
            entries.retain(|(key, _)| seen.insert(key.clone()));
            Value::Object(entries)
        }
    }
}

/// A text that is not empty.
/// An id: a name that is no placeholder for one.
fn id(random: &mut Random) -> String {
    let text = name(random);
    if text.contains(['<', '{', '[', '$', '%']) { "290".to_owned() } else { text }
}

fn name(random: &mut Random) -> String {
    let words = ["page_view", "cart", "td_client_id", "loyalty_tier", "product.sku", "Home", "web", "email"];
    if random.one_in(2) {
        return random.pick(&words).to_owned();
    }
    let text = text(random);
    if text.is_empty() { "_".to_owned() } else { text }
}

/// Texts that YAML reads as another type, signs, and lines.
const TEXTS: [&str; 60] = [
    "",
    " ",
    "~",
    "null",
    "Null",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "N",
    "true",
    "False",
    "0",
    "007",
    "1e3",
    "0x1f",
    "0o7",
    "1_000",
    "+1",
    "-1",
    ".5",
    "1.",
    ".inf",
    "-.INF",
    ".nan",
    "12:30",
    "2026-11-21",
    "=",
    "<<",
    "a: b",
    "a:",
    ":a",
    "a #b",
    "#a",
    "- a",
    "-",
    "---",
    "...",
    "? a",
    "[a]",
    "{a: b}",
    "{{tier}}",
    "a, b",
    "%YAML 1.2",
    "!tag",
    "&anchor",
    "*alias",
    "|",
    ">-",
    "`a`",
    "@a",
    "'a'",
    "it's \"so\"",
    "\\d+\\.x$",
    "a\nb",
    "a\n\n  b # c\n",
    "é ñ 日本 👋🏽",
    "../../etc/passwd",
    "a\u{0}\u{7f}\u{85}\u{feff}\u{202e}\u{2028}b",
];

fn text(random: &mut Random) -> String {
    match random.below(4) {
        0 => expressions::text(random),
        1 => lines(random),
        2 => format!("{}{}", random.pick(&TEXTS), random.pick(&TEXTS)),
        _ => random.pick(&TEXTS).to_owned(),
    }
}

/// Words with breaks and blanks among them.
fn lines(random: &mut Random) -> String {
    let pieces =
        ["a", "b c", "\n", "\n", " ", "  ", "\t", "\r", "# ", "- ", ": ", "|", "'", "\"", "\\n", "é"];
    (0..random.below(9)).map(|_| random.pick(&pieces)).collect()
}

/// One of several, none half of the time.
fn several<T>(random: &mut Random, most: usize, one: impl Fn(&mut Random) -> T) -> Vec<T> {
    let count = if random.one_in(3) { 0 } else { random.below(most + 1) };
    (0..count).map(|_| one(random)).collect()
}

fn maybe<T>(random: &mut Random, one: impl Fn(&mut Random) -> T) -> Option<T> {
    random.one_in(2).then(|| one(random))
}
