//! One query, two ways: a stream and the edge give the same rows, with the same rows of tables loaded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use usher_config::{Source, read_pipelines};
use usher_engine::definition::pipeline::Pipeline;
use usher_engine::definition::{Definition, Table, TableColumn};
use usher_engine::value::Value;
use usher_engine::{Event, FoundRow, Missed, TableRows, key_text};
use usher_pipelines::{Bounds, Output, Plan, Record, Stream};

const NOW_MS: i64 = 1_790_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// Columns by name.
type Columns = Vec<(String, Value)>;

fn pipeline(text: String) -> Pipeline {
    let read = read_pipelines(&[Source { name: "pipeline.yaml".to_owned(), text }]);
    assert!(!read.has_errors(), "{:?}", read.findings);
    // Nothing waits at the edge.
    Pipeline { require: Vec::new(), ..read.pipelines.into_iter().next().unwrap() }
}

/// Read once.
static SHOP: LazyLock<Pipeline> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop/pipeline.yaml");
    pipeline(fs::read_to_string(path).unwrap())
});

static STARS: LazyLock<Pipeline> = LazyLock::new(|| {
    let text = "name: p\nwindow: 10h\noutput: {topic: o, format: json}\nquery: >-\n  SELECT *, p.price + 1 AS price, NOW() AS now \
                FROM c JOIN products p ON c.product_id = p.product_id WHERE NOT p.price > 1500\n";
    pipeline(text.to_owned())
});

/// Its tables, with the columns that rows here have.
fn definition(pipeline: &Pipeline, columns: &[&str]) -> Definition {
    let column = |name: &&str| TableColumn { name: (*name).to_owned(), ..TableColumn::default() };
    let tables = pipeline.joins.iter().map(|join| Table {
        name: join.source.topic.clone(),
        key: join.column.clone(),
        columns: columns.iter().map(column).collect(),
        ..Table::default()
    });
    Definition { lookup_tables: tables.collect(), ..Definition::default() }
}

/// The row of the stream. None: there is none.
fn of_stream(pipeline: &Pipeline, event: &Columns, rows: &[Vec<(i64, Columns)>]) -> Option<Columns> {
    let mut stream = Stream::new(Plan::compile(pipeline).unwrap(), Bounds::default());
    let record = |arrival_ms, columns: &Columns| Record {
        partition: 0,
        offset: 0,
        arrival_ms,
        key: None,
        columns: columns.clone(),
    };
    let mut out = Vec::new();
    for (join, rows) in rows.iter().enumerate() {
        for (at_ms, row) in rows {
            stream.row(join, record(*at_ms, row), &mut out);
        }
    }
    stream.event(record(NOW_MS, event), NOW_MS, &mut out);
    out.into_iter().find_map(|output| match output {
        Output::Row(row) => {
            Some(row.columns.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
        }
        Output::Ended(_) => None,
    })
}

/// The row of the edge, and True if none of its rows is missing.
fn of_edge(
    pipeline: &Pipeline,
    columns: &[&str],
    event: &Columns,
    rows: &[Vec<(i64, Columns)>],
) -> (Option<Columns>, bool) {
    let compiled = TableRows::compile(&definition(pipeline, columns), pipeline).unwrap();
    let event = Event::resolve(0, event.clone(), NOW_MS, String::new());
    let wanted = compiled.wanted(&event, |_, value| key_text(value?));
    let found: Vec<_> = wanted
        .into_iter()
        .zip(&pipeline.joins)
        .zip(rows)
        .map(|((wanted, join), rows)| {
            let wanted = wanted?;
            let key_of = |row: &Columns| key_text(&row.iter().find(|(name, _)| *name == join.column)?.1);
            let newest = rows.iter().rfind(|(_, row)| key_of(row).as_ref() == Some(&wanted.key));
            let row = newest.map(|(at_ms, row)| FoundRow { at_ms: *at_ms, columns: row.clone() });
            Some((wanted, row.ok_or(Missed::Absent)))
        })
        .collect();
    let row = compiled.row(&event, &found, true);
    (row.columns, row.missed.is_empty())
}

/// The columns of a table of the shop beside its key, with values that a row may have.
const READ: [&str; 17] = [
    "name",
    "category",
    "subcategory",
    "brand",
    "price",
    "rating",
    "tags",
    "subscription_tier",
    "age_group",
    "location",
    "preferences",
    "total_orders",
    "lifetime_value",
    "last_category",
    "purchase_frequency",
    "avg_order_value",
    "favorite_brands",
];
const OTHERS: [&str; 1] = ["last_purchase_date"];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        prop::sample::select(vec!["toys", "books", "premium", "weekly", "700", ""]).prop_map(Value::from),
        (-5_i64..3_000).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::collection::vec(prop::sample::select(vec!["toys", "books"]), 0..3)
            .prop_map(|items| Value::List(items.into_iter().map(Value::from).collect())),
    ]
}

fn row(key: &'static str) -> impl Strategy<Value = (i64, Columns)> {
    let columns = prop::collection::vec((0..READ.len(), value()), 0..12);
    (0..3_i64, 0_i64..30, columns).prop_map(move |(id, hours, columns)| {
        let mut row = vec![(key.to_owned(), Value::from(id))];
        for (name, value) in columns {
            if !row.iter().any(|(known, _)| known == READ[name]) {
                row.push((READ[name].to_owned(), value));
            }
        }
        (NOW_MS - hours * HOUR_MS, row)
    })
}

fn event() -> impl Strategy<Value = Columns> {
    let kind = prop::sample::select(vec!["page_view", "search", "purchase", ""]);
    let id = || prop_oneof![(0_i64..4).prop_map(Value::from), Just(Value::from("1")), Just(Value::Null)];
    (kind, id(), id(), value()).prop_map(|(kind, user, product, other)| {
        let columns =
            [("event_type", kind.into()), ("user_id", user), ("product_id", product), ("device", other)];
        columns.map(|(name, value)| (name.to_owned(), value)).to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_shops_pipeline_gives_the_rows_of_its_stream(
        event in event(),
        users in prop::collection::vec(row("user_id"), 0..3),
        products in prop::collection::vec(row("product_id"), 0..3),
        history in prop::collection::vec(row("user_id"), 0..3),
    ) {
        let (pipeline, rows) = (&*SHOP, [users, products, history]);
        let columns: Vec<&str> = READ.into_iter().chain(OTHERS).collect();
        let (row, _) = of_edge(pipeline, &columns, &event, &rows);
        prop_assert_eq!(row, of_stream(pipeline, &event, &rows));
    }

    #[test]
    fn stars_and_joins_that_need_their_row_do_as_well(
        event in event(),
        products in prop::collection::vec(row("product_id"), 0..3),
    ) {
        let (pipeline, rows) = (&*STARS, [products]);
        let (row, is_whole) = of_edge(pipeline, &READ, &event, &rows);
        prop_assert!(row.is_none() || is_whole);
        prop_assert_eq!(row, of_stream(pipeline, &event, &rows));
    }
}
