//! Expressions against an evaluator that is slow and obvious: 10,000 of them with conditions, each over some rows; those that
//! SQL has, too, against SQLite; and as outputs, where a sensitive value may be in the result. `USHER_CASES=10` tries ten times as many, `USHER_SEED=7` one.

mod slow;
mod sqlite;
mod times;
mod truth;

use std::collections::{BTreeMap, BTreeSet};

use slow::Is;
use usher_engine::definition::{
    Attribute, AttributeKind, Choice, Definition, Identity, Output, OutputSource, Personalization, Section,
    StitchKey,
};
use usher_engine::limits::{CRITERIA_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_PARTS_MAX};
use usher_engine::syntax::{Expr, ValueExpr, parse, parse_value};
use usher_engine::value::{Number, Value};
use usher_engine::{Access, Asked, Columns, Expressions, Plan, Profile, ProfileId, Query, Truth};
use usher_tests::calculations::{COLUMNS, Kind, condition, row, value};
use usher_tests::random::{Random, cases};

const CASES: usize = 10_000;
const OUTPUTS: usize = 2_000;
/// Rows that each case is asked about.
const ROWS: usize = 4;
const NOW_MS: i64 = 1_790_000_000_000;

struct Cells<'r>(&'r [Option<Value>]);

impl Columns for Cells<'_> {
    fn column(&self, number: usize) -> Option<&Value> {
        self.0[number].as_ref()
    }
}

fn seeds(count: usize) -> Vec<u64> {
    match std::env::var("USHER_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed")],
        Err(_) => (0..cases(count) as u64).collect(),
    }
}

/// One within the bounds of the language.
fn bounded(random: &mut Random, kind: Kind) -> ValueExpr {
    loop {
        let expr = value(random, kind, 4);
        let is_short = expr.size() < EXPRESSION_PARTS_MAX / 2 && expr.depth() < EXPRESSION_DEPTH_MAX;
        if is_short && expr.to_string().len() <= CRITERIA_BYTES_MAX {
            return expr;
        }
    }
}

fn bounded_condition(random: &mut Random) -> Expr {
    loop {
        let expr = condition(random, 4);
        if expr.depth() < EXPRESSION_DEPTH_MAX && expr.to_string().len() <= CRITERIA_BYTES_MAX {
            return expr;
        }
    }
}

#[test]
fn values_and_truths_are_the_obvious_ones() {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds(CASES) {
        let random = &mut Random::new(seed);
        let kind = random.pick(&Kind::SHOWN);
        let (expr, wanted) = (bounded(random, kind), bounded_condition(random));
        let text = expr.to_string();
        assert_eq!(parse_value(&text).as_ref(), Ok(&expr), "seed {seed}: {text}");
        assert_eq!(parse(&wanted.to_string()).as_ref(), Ok(&wanted), "seed {seed}: {wanted}");
        let columns = COLUMNS.map(|(name, data_type)| (name, Some(data_type)));
        let (conditions, values) = ([wanted], [expr]);
        let all = Expressions::compile(&columns, &conditions, &values)
            .unwrap_or_else(|found| panic!("seed {seed}: {text}\n{}\n{found:?}", conditions[0]));
        for _ in 0..ROWS {
            let cells = row(random);
            let slow = slow::Row { cells: &cells, now_ms: NOW_MS };
            let (found, expected) =
                (all.value(0, &Cells(&cells), NOW_MS, NOW_MS), slow::value(&values[0], &slow).is.map(data));
            assert_eq!(found, expected, "seed {seed}: {text}\n  on {cells:?}");
            let found = all.truth(0, &Cells(&cells), NOW_MS, NOW_MS);
            let expected = match truth::truth(&conditions[0], &slow) {
                Some(truth) => Truth::from(truth),
                None => Truth::Unknown,
            };
            assert_eq!(found, expected, "seed {seed}: {}\n  on {cells:?}", conditions[0]);
            let is_missing = if slow::value(&values[0], &slow).is.is_none() { "missing" } else { "known" };
            *tally.entry(format!("{kind:?} {is_missing}")).or_default() += 1;
            *tally.entry(format!("{found:?}")).or_default() += 1;
        }
    }
    println!("{tally:?}");
    let is_whole = std::env::var_os("USHER_SEED").is_none() && cases(CASES) >= CASES;
    assert!(!is_whole || (tally.len() == 17 && tally.values().all(|count| *count > 100)), "{tally:?}");
}

/// A value as an answer has it.
fn data(is: Is) -> Value {
    match is {
        Is::Integer(number) => number.into(),
        Is::Float(number) => Value::Number(Number::float(number).expect("finite")),
        Is::Boolean(truth) => truth.into(),
        Is::List(items) => Value::List(items.into_iter().map(data).collect()),
        other => Value::String(slow::text(&other).expect("a text")),
    }
}

/// A section with one output, over imported attributes of which some are sensitive.
fn definition(expr: &ValueExpr, sensitive: &BTreeSet<String>, include_sensitive: bool) -> Definition {
    let attributes = COLUMNS.map(|(name, data_type)| Attribute {
        name: name.to_owned(),
        kind: AttributeKind::Batch { column: name.to_owned(), data_type: Some(data_type) },
        sensitive: sensitive.contains(name),
        description: None,
    });
    let section = Section {
        name: "section".to_owned(),
        key_event: None,
        event_filter: None,
        criteria: Expr::Constant(true),
        accept_unknown_profiles: true,
        outputs: vec![Output { name: "it".to_owned(), source: OutputSource::Expression(expr.clone()) }],
        segments: Vec::new(),
        include_sensitive,
    };
    Definition {
        attributes: attributes.into(),
        identity: Identity {
            primary_key: Some("person".to_owned()),
            keys: vec![StitchKey { name: "person".to_owned(), ..StitchKey::default() }],
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
            inputs: Vec::new(),
            sections: vec![section],
        }],
        ..Definition::default()
    }
}

#[test]
fn an_output_is_withheld_where_a_sensitive_value_may_be_in_its_result() {
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds(OUTPUTS) {
        let random = &mut Random::new(seed);
        let kind = random.pick(&Kind::SHOWN);
        let expr = bounded(random, kind);
        let sensitive = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).filter(|_| random.one_in(6));
        let sensitive: BTreeSet<String> = sensitive.collect();
        let (included, server_route, sensitive_scope) =
            (random.one_in(2), random.one_in(2), random.one_in(2));
        let plan = Plan::compile(&definition(&expr, &sensitive, included)).expect("a plan");
        let named = COLUMNS.iter().zip(row(random));
        let mut record: Vec<(String, Value)> =
            named.filter_map(|((name, _), cell)| Some(((*name).to_owned(), cell?))).collect();
        record.push(("person".to_owned(), "anna".into()));
        let mut profile = Profile::new(ProfileId([1; 16]), NOW_MS);
        profile.import(plan.record(&record, NOW_MS).expect("a record"), NOW_MS);
        let cells: Vec<Option<Value>> = COLUMNS
            .iter()
            .map(|(name, _)| Some(record.iter().find(|(known, _)| known == name)?.1.clone()))
            .collect();
        let query = Query {
            event: None,
            asked: Asked::Named(&[0]),
            inputs: &[],
            edge: &[],
            access: Access { server_route, sensitive_scope },
            blind: false,
        };
        let answer = plan.personalize(&profile, &query, NOW_MS);
        let found = answer.offers[0].attributes.first().map(|(_, value)| value.clone());
        let held = slow::value(&expr, &slow::Row { cells: &cells, now_ms: NOW_MS });
        let may_leave =
            slow::results(&expr).is_disjoint(&sensitive) || (included && server_route && sensitive_scope);
        let expected = held.is.clone().filter(|_| may_leave).map(data);
        assert_eq!(found, expected, "seed {seed}: {expr}\n  {sensitive:?} on {cells:?}");
        if !server_route && found.is_some() {
            assert!(held.made_of.is_disjoint(&sensitive), "seed {seed}: {expr}\n  {sensitive:?}");
        }
        *tally
            .entry(match (may_leave, held.is.is_some(), held.made_of.is_disjoint(&sensitive)) {
                (true, true, true) => "shown",
                (true, true, false) => "shown to servers",
                (false, true, true) => "withheld for another branch",
                (false, true, false) => "withheld",
                (_, false, _) => "missing",
            })
            .or_default() += 1;
    }
    println!("{tally:?}");
    let is_whole = std::env::var_os("USHER_SEED").is_none() && cases(OUTPUTS) >= OUTPUTS;
    assert!(!is_whole || (tally.len() == 5 && tally.values().all(|count| *count > 10)), "{tally:?}");
}

#[test]
fn what_sql_has_too_is_as_sqlite_says() {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds(OUTPUTS) {
        let random = &mut Random::new(seed);
        // A table of few rows takes longer to make than an expression to calculate.
        let rows: Vec<Vec<Option<Value>>> = (0..ROWS).map(|_| of_sql(row(random))).collect();
        let databases: Vec<_> = rows.iter().map(|cells| sqlite::stored(cells).expect("a row")).collect();
        for _ in 0..20 {
            let kind = random.pick(&[Kind::Number, Kind::Text, Kind::Boolean]);
            let (expr, wanted) = (bounded(random, kind), bounded_condition(random));
            let columns = COLUMNS.map(|(name, data_type)| (name, Some(data_type)));
            let (conditions, values) = ([wanted], [expr]);
            let all = Expressions::compile(&columns, &conditions, &values).expect("compiled");
            let (value, truth) = (sqlite::sql(&values[0]), sqlite::sql_of(&conditions[0]));
            for (cells, database) in rows.iter().zip(&databases) {
                let row = Cells(cells);
                if let Some(cell) = value.as_ref().and_then(|sql| sqlite::ask(database, sql)) {
                    let found = all.value(0, &row, NOW_MS, NOW_MS);
                    let found = found.as_ref().map_or(rusqlite::types::Value::Null, sqlite::result);
                    assert!(
                        equal(&found, &cell),
                        "seed {seed}: {} is {found:?}, not {cell:?}\n  on {cells:?}",
                        values[0]
                    );
                    *tally.entry(format!("{kind:?}")).or_default() += 1;
                }
                if let Some(cell) = truth.as_ref().and_then(|sql| sqlite::ask(database, sql)) {
                    let found = match all.truth(0, &row, NOW_MS, NOW_MS) {
                        Truth::Unknown => rusqlite::types::Value::Null,
                        truth => rusqlite::types::Value::Integer(i64::from(truth == Truth::True)),
                    };
                    assert_eq!(found, cell, "seed {seed}: {}\n  on {cells:?}", conditions[0]);
                    *tally.entry(format!("{found:?}")).or_default() += 1;
                }
            }
        }
    }
    println!("{tally:?}");
    let is_whole = std::env::var_os("USHER_SEED").is_none() && cases(OUTPUTS) >= OUTPUTS;
    assert!(!is_whole || (tally.len() == 6 && tally.values().all(|count| *count > 500)), "{tally:?}");
}

/// A row with what SQLite knows, too; numbers in texts are numbers.
fn of_sql(row: Vec<Option<Value>>) -> Vec<Option<Value>> {
    let known = |(name, cell): (&str, Option<Value>)| match cell? {
        Value::String(text) if name.starts_with('n') => Some(Value::from(text.parse::<i64>().ok()?)),
        Value::String(text) if name.starts_with('t') => {
            Some(Value::String(text.chars().map(|c| if c.is_ascii() { c } else { 'Q' }).collect()))
        }
        value if name.starts_with('n') || name == "b1" => sqlite::cell(&value).is_some().then_some(value),
        _ => None,
    };
    COLUMNS.iter().zip(row).map(|((name, _), cell)| known((name, cell))).collect()
}

fn equal(left: &rusqlite::types::Value, right: &rusqlite::types::Value) -> bool {
    use rusqlite::types::Value::{Integer, Real};
    match (left, right) {
        (Integer(left), Real(right)) | (Real(right), Integer(left)) => *left as f64 == *right,
        (left, right) => left == right,
    }
}
