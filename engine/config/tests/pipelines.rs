//! Pipelines: the shop's reads as it stands, and `pipelines.toml` has every finding with its place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use serde::Deserialize;
use usher_config::{Pipelines, Source, read_pipelines, render};
use usher_engine::definition::pipeline::{Column, Format};
use usher_engine::diagnostic::Severity;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// A pipeline, as a query or as a whole, and its findings.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    query: String,
    #[serde(default)]
    yaml: String,
    /// `line:column: severity[code]: message`
    #[serde(default)]
    found: Vec<String>,
    /// Parts of the help of the first finding.
    #[serde(default)]
    help: String,
}

fn read(text: &str) -> Pipelines {
    read_pipelines(&[Source { name: "p".to_owned(), text: text.to_owned() }])
}

#[test]
fn every_finding_is_at_its_place() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines.toml");
    let cases: Cases = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases.case {
        let mut text = case.yaml.clone();
        if text.is_empty() {
            let lines: String = case.query.lines().map(|line| format!("  {line}\n")).collect();
            text = format!("query: |\n{lines}name: p\noutput: {{topic: out, format: json}}\n");
        }
        let read = read(&text);
        let found: Vec<String> = read.findings.iter().map(render::plain).collect();
        let found: Vec<&str> = found.iter().map(|line| line.strip_prefix("p:").unwrap_or(line)).collect();
        let help =
            read.findings.first().and_then(|finding| finding.diagnostic.help.clone()).unwrap_or_default();
        if found != case.found || !help.contains(&case.help) {
            wrong.push(format!("{text}\nexpected {:#?}\nfound {found:#?}\nhelp {help}", case.found));
        }
        assert_eq!(read.has_errors(), found.iter().any(|line| line.contains(": error[")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.case.len(), wrong.join("\n\n"));
}

#[test]
fn the_shops_pipeline_reads_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/pipeline.yaml");
    let read = read(&fs::read_to_string(path).unwrap());
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    let pipeline = &read.pipelines[0];
    assert_eq!((pipeline.name.as_str(), pipeline.columns.len()), ("personalization_engine", 30));
    assert_eq!(pipeline.ttl_ms, 3_600_000, "its own");
    let ttls: Vec<Option<i64>> = pipeline.joins.iter().map(|join| join.ttl_ms).collect();
    assert_eq!(ttls, [None, None, Some(86_400_000)]);
    assert_eq!(pipeline.output.format, Format::Avro);
    assert_eq!(pipeline.require, ["user_subscription_tier", "product_category"]);
    let Column::Value { name, value } = &pipeline.columns[27] else { panic!("a column") };
    assert_eq!(name, "category_affinity");
    let canonical = "CASE WHEN p.category = ANY(u.preferences) THEN 0.9 WHEN p.category = h.last_category THEN 0.8 ELSE 0.3 END";
    assert_eq!(value.to_string(), canonical);
}

/// The schema of the output is held to what is computed.
#[test]
fn a_schema_has_the_types_of_computed_columns() {
    let found = |schema: &str| -> Vec<String> {
        let text = format!(
            "name: p\nquery: SELECT c.a, c.n * 2 AS twice, UPPER(c.t) AS up, c.n > 1 AS more, NOW() AS moment, COALESCE(c.x, c.y) AS whatever FROM c\noutput:\n  topic: o\n  format: json\n  schema: {schema}\n"
        );
        read(&text).findings.iter().map(render::plain).collect()
    };
    for good in [
        "{a: long, twice: double, up: string, more: boolean, moment: timestamp, whatever: number_array}",
        "{name: row, fields: [{name: twice, type: decimal}, {name: moment, type: string}]}",
        "{twice: INT}",
    ] {
        assert_eq!(found(good), [""; 0], "{good}");
    }
    assert_eq!(
        found("{twice: string, up: long, more: string, moment: double}"),
        [
            "p:6:19: error[E011]: `twice` is number, and `schema` says string",
            "p:6:31: error[E011]: `up` is string, and `schema` says long",
            "p:6:43: error[E011]: `more` is boolean, and `schema` says string",
            "p:6:59: error[E011]: `moment` is timestamp, and `schema` says double",
        ]
    );
    assert_eq!(
        found("{name: row, fields: [{name: twice, type: boolean}]}"),
        ["p:6:52: error[E011]: `twice` is number, and `schema` says boolean"]
    );
}

#[test]
fn ttls_fall_back_from_the_special_to_the_general() {
    let hours = |state: &str| {
        let text = format!(
            "name: p\nquery: SELECT c.a FROM c LEFT JOIN d ON c.a = d.a\noutput: {{topic: o, format: json}}\n{state}"
        );
        let read = read(&text);
        assert!(!read.has_errors(), "{:?}", read.findings);
        let pipeline = &read.pipelines[0];
        (pipeline.ttl_ms / 3_600_000, pipeline.joins[0].ttl_ms.map(|ttl_ms| ttl_ms / 3_600_000))
    };
    assert_eq!(hours(""), (24, Some(24)));
    assert_eq!(hours("window: 2h\n"), (2, Some(2)));
    assert_eq!(hours("window: 2h\nstate: {events: {default_ttl: 3h}}\n"), (3, Some(3)));
    assert_eq!(hours("window: 2h\nstate: {events: {overrides: {c: 1d, d: 5h}}}\n"), (24, Some(5)));
    assert_eq!(hours("state: {dimensions: [d]}\n"), (24, None));
}

#[test]
fn pipelines_that_read_each_other_have_names_topics_and_an_end() {
    let source = |name: &str, from: &str, to: &str| Source {
        name: format!("{name}.yaml"),
        text: format!("name: {name}\nquery: SELECT a FROM {from}\noutput: {{topic: {to}, format: json}}\n"),
    };
    let found = |sources: &[Source]| -> Vec<String> {
        read_pipelines(sources).findings.iter().map(render::plain).collect()
    };
    assert!(found(&[source("one", "a", "b"), source("two", "b", "c")]).is_empty());
    assert_eq!(
        found(&[source("one", "a", "b"), source("two", "b", "a")]),
        [
            "one.yaml:3:17: error[E026]: `one` reads, directly or by others, what it writes to `b`",
            "two.yaml:3:17: error[E026]: `two` reads, directly or by others, what it writes to `a`",
        ]
    );
    // Nothing else is said of one that reads itself, though it writes other columns than it reads.
    let own = Source {
        name: "own.yaml".to_owned(),
        text:
            "name: own\nquery: SELECT r.id AS n, r.place FROM rows r\noutput: {topic: rows, format: json}\n"
                .to_owned(),
    };
    assert_eq!(
        found(&[own]),
        ["own.yaml:3:17: error[E026]: `own` reads, directly or by others, what it writes to `rows`"]
    );
    assert_eq!(
        found(&[source("one", "a", "b"), source("two", "c", "b")]),
        ["two.yaml:3:17: error[E006]: `one` and `two` both write to `b`"]
    );
}

#[test]
fn a_pipeline_reads_columns_that_another_one_writes() {
    let source = |name: &str, query: &str| Source {
        name: format!("{name}.yaml"),
        text: format!("name: {name}\nquery: {query}\noutput: {{topic: {name}_rows, format: json}}\n"),
    };
    let found = |sources: &[Source]| -> Vec<String> {
        let findings = read_pipelines(sources).findings.into_iter();
        let errors = findings.filter(|finding| finding.diagnostic.severity() == Severity::Error);
        errors
            .map(|finding| {
                format!("{} ({})", render::plain(&finding), finding.diagnostic.help.unwrap_or_default())
            })
            .collect()
    };
    let first = || source("first", "SELECT c.id, c.place, c.n * 2 AS twice FROM clicks c");
    let passes = || source("passes", "SELECT *, twice + 1 AS more FROM first_rows");
    // Paths lead into a column, and what `*` passes is known when its source is.
    let good = "SELECT p.id, p.place.city, p.more FROM passes_rows p LEFT JOIN first_rows f ON p.id = f.id";
    assert!(found(&[source("last", good), passes(), first()]).is_empty());
    let bad = "SELECT p.id, p.mor FROM passes_rows p LEFT JOIN first_rows f ON p.id = f.key WHERE f.n > 1";
    assert_eq!(
        found(&[source("last", bad), passes(), first()]),
        [
            "last.yaml:2:21: error[E026]: `passes` writes no column `mor` to `passes_rows` (did you mean `more`? known are id, place, twice, more)",
            "last.yaml:2:79: error[E026]: `first` writes no column `key` to `first_rows` (known are id, place, twice)",
            "last.yaml:2:91: error[E026]: `first` writes no column `n` to `first_rows` (known are id, place, twice)",
        ]
    );
    // Nobody knows what passes through `*` of a topic from outside.
    assert!(
        found(&[source("first", "SELECT * FROM clicks"), source("last", "SELECT any FROM first_rows")])
            .is_empty()
    );
}

#[test]
fn no_text_makes_the_reader_panic_or_overflow() {
    let deep = ["(".repeat(5_000), "NOT ".repeat(5_000), "CASE WHEN ".repeat(2_000), "- ".repeat(5_000)];
    let long = ["1 + ".repeat(10_000), "a = 1 AND ".repeat(10_000), "a || ".repeat(501)];
    for text in deep.iter().chain(&long) {
        let read = read(&format!(
            "name: p\nquery: SELECT {text} 1 AS x FROM c\noutput: {{topic: o, format: json}}\n"
        ));
        assert!(read.has_errors());
    }
    let most = "a || ".repeat(500);
    let row = format!("name: p\nquery: SELECT {most} 1 AS x FROM c\noutput: {{topic: o, format: json}}\n");
    assert!(!read(&row).has_errors());
    let query =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/pipeline.yaml"));
    let query = query.unwrap();
    for cut in (0..query.len()).filter(|at| query.is_char_boundary(*at)).step_by(7) {
        read(&query[..cut]);
        let without: String = query[..cut].chars().chain(query[cut..].chars().skip(3)).collect();
        read(&without);
    }
}
