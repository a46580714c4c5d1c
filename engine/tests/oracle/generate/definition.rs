//! Random definitions: a handful of attributes of every kind.

use usher_engine::Plan;
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Audience, Backfill, Choice, CounterPart, Definition, EventTable,
    Identity, Increment, Keep, KeyEvent, ListAction, ListAggregation, ListPart, Normalize, Personalization,
    Removal, Section, StitchKey, Trust,
};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Expr, Name, Test, parse};
use usher_engine::value::{DataType, Value};

use super::{Bent, Dice};

const S: i64 = 1_000;
const M: i64 = 60 * S;
const H: i64 = 60 * M;
const D: i64 = 24 * H;

/// Windows where widths change, and common ones.
pub const WINDOWS: [i64; 18] = [
    M,
    64 * S,
    65 * S,
    5 * M,
    10 * M,
    16 * M,
    30 * M,
    H,
    64 * M,
    65 * M,
    24 * H,
    2 * D,
    64 * H,
    7 * D,
    30 * D,
    60 * D,
    100 * D,
    640 * D,
];

const FILTERS: [&str; 15] = [
    "event.kind = 'a'",
    "event.kind != 'a'",
    "event.kind IN ('a', 'b')",
    "event.kind IS NULL",
    "event.kind IS NOT NULL",
    "event.n > 3",
    "NOT event.n <= 1",
    "event.n > 3 AND event.kind = 'a'",
    "event.n > 3 OR event.kind = 'a'",
    "event.n = 5",
    "event.o.n < 2",
    "event.p[].n > 3",
    "event.p[].n IS NULL OR event.p[].n <= 2",
    "event.p[].gift = TRUE",
    "NOT event.p[].gift = TRUE",
];

/// The definition that is in force first, and those that follow.
pub fn series(dice: &mut Dice, bent: Bent) -> Vec<Definition> {
    let mut all = vec![first(dice, bent)];
    if bent == Bent::Changes {
        for _ in 0..dice.between(1, 4) {
            let last = all.last().expect("one").clone();
            let next = changed(dice, &all, last);
            all.push(next);
        }
    }
    for definition in &mut all {
        definition.personalizations = uses(dice, &definition.attributes);
        lighten(definition);
    }
    all
}

/// Values look back without end, where all their windows are more than a profile may have to keep.
fn lighten(definition: &mut Definition) {
    while let Err(findings) = Plan::compile(definition) {
        let largest = findings.iter().find(|finding| finding.code == Code::LargeState).and_then(|finding| {
            let index = finding.path.strip_prefix("attributes[")?.strip_suffix(']')?;
            definition.attributes.get_mut(index.parse::<usize>().ok()?)
        });
        match largest.map(|attribute| &mut attribute.kind) {
            Some(AttributeKind::Single { duration_ms, .. }) => *duration_ms = None,
            _ => return,
        }
    }
}

/// Criteria that say what some of the lists are lists of.
fn uses(dice: &mut Dice, attributes: &[Attribute]) -> Vec<Personalization> {
    use ListAggregation::{DistinctList, Max, Min, Sum, Values};
    let mut sections = Vec::new();
    for Attribute { name, kind, .. } in attributes {
        let AttributeKind::List { column, parts, .. } = kind else { continue };
        let mut asked: Vec<(String, bool)> = column.iter().map(|_| (name.clone(), false)).collect();
        for part in parts.iter().filter(|part| matches!(part.aggregation, Values | DistinctList)) {
            let of_number = |other: &ListPart| {
                other.column == part.column && matches!(other.aggregation, Sum | Min | Max)
            };
            let is_id = column.as_ref() == Some(&part.column);
            asked.push((format!("{name}.{}", part.name), !is_id && parts.iter().any(of_number)));
        }
        if asked.is_empty() || dice.once_in(2) {
            continue;
        }
        let (name, of_numbers) = dice.pick(&asked).clone();
        let wanted = if of_numbers || dice.once_in(2) { Value::from(5) } else { Value::from("a") };
        sections.push(Section {
            name: name.clone(),
            key_event: None,
            event_filter: None,
            criteria: Expr::Test { name: Name(name), test: Test::Contains(wanted), negated: false },
            accept_unknown_profiles: true,
            outputs: Vec::new(),
            segments: Vec::new(),
            include_sensitive: false,
        });
    }
    let (name, description, trigger) = ("uses".to_owned(), None, None);
    let all = Personalization {
        name,
        id: None,
        description,
        choice: Choice::All,
        segments_as: Default::default(),
        device: false,
        trigger,
        inputs: Vec::new(),
        sections,
    };
    if all.sections.is_empty() { Vec::new() } else { vec![all] }
}

fn first(dice: &mut Dice, bent: Bent) -> Definition {
    let table = |name: &str| EventTable { database: "web".into(), table: name.into() };
    let key_event = |dice: &mut Dice, name: &str, on: &str, filtered: bool| KeyEvent {
        name: name.into(),
        table: table(on),
        filter: if filtered { Some(filter(dice)) } else { None },
        columns: Vec::new(),
        description: None,
    };
    let key_events = vec![
        key_event(dice, "view", "pages", false),
        key_event(dice, "buy", "pages", true),
        key_event(dice, "cart", "carts", false),
        key_event(dice, "out", "carts", true),
    ];
    let few = matches!(bent, Bent::People | Bent::Crowd);
    let mut attributes = Vec::new();
    for index in 0..dice.between(if few { 1 } else { 2 }, if few { 3 } else { 6 }) {
        let kind = kind(dice);
        attributes.push(attribute(&format!("a{index}"), kind));
    }
    let batch = [("score", Some(DataType::Number)), ("since", Some(DataType::Timestamp)), ("tier", None)];
    attributes.extend(batch.map(|(column, data_type)| {
        attribute(&format!("b_{column}"), AttributeKind::Batch { column: column.into(), data_type })
    }));
    Definition {
        audience: Audience { id: "7".into(), name: None },
        key_events,
        attributes,
        identity: identity(dice, bent),
        event_id_column: if dice.once_in(4) { Some("number".into()) } else { None },
        ..Definition::default()
    }
}

fn attribute(name: &str, kind: AttributeKind) -> Attribute {
    Attribute { name: name.into(), kind, sensitive: false, description: None }
}

fn filter(dice: &mut Dice) -> Expr {
    let text = *dice.pick(&FILTERS);
    parse(text).expect("a filter")
}

fn own_filter(dice: &mut Dice) -> Option<Expr> {
    if dice.once_in(4) { Some(filter(dice)) } else { None }
}

fn fed(dice: &mut Dice) -> String {
    (*dice.pick(&["view", "view", "buy", "cart"])).to_owned()
}

fn kind(dice: &mut Dice) -> AttributeKind {
    match dice.below(8) {
        0..=2 => single(dice),
        3..=5 => list(dice),
        6 => counter(dice, true),
        _ => counter(dice, false),
    }
}

fn backfill(dice: &mut Dice, attribute: &str) -> Option<Backfill> {
    dice.once_in(2).then(|| Backfill {
        attribute: attribute.into(),
        time_attribute: dice.once_in(2).then(|| "b_since".into()),
    })
}

fn single(dice: &mut Dice) -> AttributeKind {
    use Aggregation::{First, Last, Max, Min, Sum};
    let aggregation = *dice.pick(&[Last, Last, First, Min, Max, Sum]);
    let typed: &[(&str, Option<DataType>)] = match aggregation {
        Last | First => &[
            ("n", None),
            ("n", Some(DataType::Number)),
            ("s", Some(DataType::String)),
            ("t", Some(DataType::Timestamp)),
            ("t", Some(DataType::Date)),
            ("x", None),
            ("x", Some(DataType::StringArray)),
            ("x", Some(DataType::NumberArray)),
            ("x", Some(DataType::Boolean)),
            ("o.n", None),
            ("time", None),
        ],
        Min | Max => &[
            ("n", None),
            ("n", Some(DataType::Number)),
            ("o.n", Some(DataType::Number)),
            ("s", Some(DataType::String)),
            ("t", Some(DataType::Timestamp)),
            ("t", Some(DataType::Date)),
        ],
        Sum => &[("n", None), ("n", Some(DataType::Number)), ("o.n", None)],
    };
    let (column, data_type) = *dice.pick(typed);
    let based = aggregation == Last && matches!((column, data_type), ("n", _) | ("x", None));
    let base = match (based, data_type) {
        (false, _) => None,
        (true, Some(_)) => backfill(dice, "b_score"),
        (true, None) => backfill(dice, "b_tier"),
    };
    AttributeKind::Single {
        key_event: fed(dice),
        filter: own_filter(dice),
        column: column.into(),
        aggregation,
        duration_ms: if dice.once_in(3) { None } else { Some(*dice.pick(&WINDOWS)) },
        data_type,
        backfill: base,
    }
}

fn list(dice: &mut Dice) -> AttributeKind {
    use ListAggregation::{DistinctList, First, Last, Max, Min, Sum, Values};
    let column = if dice.once_in(4) { None } else { Some("id".to_owned()) };
    let parts = dice.between(i64::from(column.is_none()), 3);
    let parts = (0..parts).map(|index| ListPart {
        name: format!("p{index}"),
        column: (*dice.pick(&["n", "n", "s", "x", "id", "time"])).to_owned(),
        aggregation: *dice.pick(&[Values, DistinctList, First, Last, Sum, Min, Max]),
    });
    let parts = parts.collect();
    let mut actions = Vec::new();
    while dice.once_in(2) && actions.len() < 2 {
        let clears = column.is_none() || dice.once_in(3);
        actions.push(ListAction {
            action: if clears { Removal::Clear } else { Removal::DeleteItem },
            key_event: (*dice.pick(&["out", "out", "buy"])).to_owned(),
            filter: own_filter(dice),
        });
    }
    AttributeKind::List {
        key_event: fed(dice),
        filter: own_filter(dice),
        keep: if column.is_none() && dice.once_in(2) { Keep::Oldest } else { Keep::Newest },
        column,
        items_max: *dice.pick(&[1, 2, 3, 3, 100]),
        duration_ms: *dice.pick(&WINDOWS),
        parts,
        actions,
    }
}

fn counter(dice: &mut Dice, slides: bool) -> AttributeKind {
    let increment = match dice.below(3) {
        0 => Increment::Column("n".into()),
        1 => Increment::Constant(1),
        _ => Increment::Constant(dice.between(2, 3)),
    };
    let window = dice.below(WINDOWS.len());
    let parts = (0..if slides { dice.below(3) } else { 0 })
        .map(|index| CounterPart { name: format!("w{index}"), window_ms: WINDOWS[dice.below(window + 1)] });
    AttributeKind::Counter {
        parts: parts.collect(),
        key_event: fed(dice),
        filter: own_filter(dice),
        increment,
        window_ms: slides.then_some(WINDOWS[window]),
        backfill: if slides { None } else { backfill(dice, "b_score") },
    }
}

fn identity(dice: &mut Dice, bent: Bent) -> Identity {
    let key = |name: &str| StitchKey { name: name.into(), ..StitchKey::default() };
    if bent != Bent::People {
        let keys = vec![key("cookie"), key("user"), key("mail")];
        let lookup_key = match bent {
            Bent::Changes => Some("cookie".into()),
            // Many of them, a few, and the primary key.
            Bent::Crowd => dice.pick(&[Some("mail"), Some("ref"), None]).map(String::from),
            _ => None,
        };
        let mut keys = keys;
        if bent == Bent::Crowd {
            keys.iter_mut().filter(|_| dice.once_in(3)).for_each(|key| key.trust = Trust::Verified);
        }
        return Identity { primary_key: Some("user".into()), keys, lookup_key, placeholder_list: 1 };
    }
    let mut keys = vec![key("cookie"), key("user"), key("mail")];
    for key in &mut keys {
        if dice.once_in(4) {
            key.trust = Trust::Verified;
        }
        if dice.once_in(4) {
            key.valid_regexp = Some("^[a-z]-[0-9]+$".into());
        }
        if dice.once_in(4) {
            key.exclude_regex = Some("9$".into());
        }
        if dice.once_in(4) {
            key.invalid_texts = vec!["k-0".into()];
        }
        if dice.once_in(3) {
            key.normalize = dice
                .pick(&[
                    vec![Normalize::Trim],
                    vec![Normalize::Lowercase],
                    vec![Normalize::Trim, Normalize::Lowercase],
                ])
                .clone();
        }
        key.placeholders = dice.once_in(6);
    }
    keys[2].workflow_only = dice.once_in(8);
    let order = dice.below(3);
    keys.rotate_left(order);
    let lookup_key = dice.pick(&[None, Some("cookie"), Some("ref")]).map(String::from);
    if lookup_key.is_some() && dice.once_in(3) {
        keys.push(key("ref"));
    }
    let primary_key = if dice.once_in(6) && lookup_key.is_some() { None } else { Some("user".into()) };
    Identity { primary_key, keys, lookup_key, placeholder_list: if dice.once_in(6) { 0 } else { 1 } }
}

/// The next definition: something is added, dropped, found again, or changed.
fn changed(dice: &mut Dice, before: &[Definition], mut next: Definition) -> Definition {
    let own = |definition: &Definition| -> Vec<usize> {
        (0..definition.attributes.len())
            .filter(|index| definition.attributes[*index].name.starts_with('a'))
            .collect()
    };
    for _ in 0..dice.between(1, 2) {
        let mine = own(&next);
        match dice.below(6) {
            0 | 1 if mine.len() > 1 => {
                next.attributes.remove(*dice.pick(&mine));
            }
            2 => {
                // One that was there before comes back as it was.
                let all: Vec<&Attribute> = before
                    .iter()
                    .flat_map(|d| own(d).into_iter().map(|index| &d.attributes[index]))
                    .collect();
                let gone: Vec<&&Attribute> =
                    all.iter().filter(|a| next.attributes.iter().all(|known| known.name != a.name)).collect();
                if !gone.is_empty() {
                    next.attributes.insert(0, (**dice.pick(&gone)).clone());
                }
            }
            3 => {
                let name = format!("a{}", 10 + before.len());
                if next.attributes.iter().all(|known| known.name != name) {
                    let kind = kind(dice);
                    next.attributes.insert(0, attribute(&name, kind));
                }
            }
            _ if !mine.is_empty() => {
                let index = *dice.pick(&mine);
                change(dice, &mut next.attributes[index].kind);
            }
            _ => {}
        }
    }
    next
}

fn change(dice: &mut Dice, kind: &mut AttributeKind) {
    if dice.once_in(4) {
        *kind = match kind {
            AttributeKind::Single { .. } => {
                if dice.once_in(2) {
                    list(dice)
                } else {
                    counter(dice, true)
                }
            }
            AttributeKind::List { .. } => {
                if dice.once_in(2) {
                    single(dice)
                } else {
                    counter(dice, false)
                }
            }
            _ => {
                if dice.once_in(2) {
                    single(dice)
                } else {
                    list(dice)
                }
            }
        };
        return;
    }
    match kind {
        // What is kept passes the new type when it is read.
        AttributeKind::Single { aggregation: Aggregation::Last | Aggregation::First, data_type, .. }
            if dice.once_in(2) =>
        {
            let types = [DataType::String, DataType::Number, DataType::StringArray, DataType::Timestamp];
            *data_type = if dice.once_in(4) { None } else { Some(*dice.pick(&types)) };
        }
        AttributeKind::List { items_max, duration_ms, .. } if dice.once_in(2) => {
            *items_max = *dice.pick(&[1, 2, 3]);
            *duration_ms = *dice.pick(&WINDOWS);
        }
        AttributeKind::Single { duration_ms: Some(duration_ms), .. } => *duration_ms = *dice.pick(&WINDOWS),
        AttributeKind::Counter { window_ms: Some(window_ms), parts, .. } => {
            let window = dice.below(WINDOWS.len());
            *window_ms = WINDOWS[window];
            for part in parts {
                part.window_ms = WINDOWS[dice.below(window + 1)];
            }
        }
        AttributeKind::List { parts, column, .. } if parts.len() < 3 || column.is_none() => {
            let column = (*dice.pick(&["n", "s", "time"])).to_owned();
            let aggregation = *dice.pick(&[ListAggregation::Values, ListAggregation::Last]);
            parts.push(ListPart { name: format!("p{}", parts.len()), column, aggregation });
        }
        AttributeKind::List { parts, .. } => parts.truncate(1),
        _ => {}
    }
}
