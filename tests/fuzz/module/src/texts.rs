//! Texts of people: criteria, conditions of API bodies, definitions.

use usher_config::{Source, check, render};
use usher_engine::limits::CRITERIA_BYTES_MAX;
use usher_engine::value::{DataType, Number, Value};
use usher_engine::{Criterion, syntax};

use crate::Answer;

const NOW_MS: i64 = 1_790_000_000_000;

/// Read, printed and read again; compiled against names of every type, and asked about rows.
pub(crate) fn criteria(input: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(input);
    let expr = match syntax::parse(&text) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(error.start <= error.end && error.end <= text.len(), "an error stands within its text");
            return Answer::new(format!("refused: {error}"), error.help.unwrap_or_default());
        }
    };
    let printed = expr.to_string();
    // Canonical spelling is longer than the shortest one.
    if printed.len() <= CRITERIA_BYTES_MAX {
        assert!(syntax::parse(&printed).as_ref() == Ok(&expr), "what is printed reads back");
    }
    let fields = [
        ("age", Some(DataType::Number)),
        ("count", Some(DataType::Number)),
        ("price", Some(DataType::Number)),
        ("tier", Some(DataType::String)),
        ("path", Some(DataType::String)),
        ("note", Some(DataType::String)),
        ("bought", Some(DataType::Timestamp)),
        ("born", Some(DataType::Date)),
        ("seen", Some(DataType::StringArray)),
        ("sizes", Some(DataType::NumberArray)),
        ("paid", Some(DataType::Boolean)),
        ("free", None),
        ("in", None),
        ("a", None),
        ("b", None),
        ("c", None),
    ];
    let criterion = match Criterion::compile(&expr, &fields) {
        Ok(criterion) => criterion,
        Err(findings) => {
            let first = findings.first().map(|finding| finding.code.to_string()).unwrap_or_default();
            let codes = [("E", first.as_str())].map(|(_, code)| letters(code)).concat();
            return Answer::new(format!("uncompiled {codes}"), format!("{printed}\n{findings:?}"));
        }
    };
    let long = "é".repeat(1_500);
    let rows: [Value; 4] = [
        Value::from(20),
        Value::string(long),
        Value::List(vec!["VIP".into(), "".into()]),
        Value::Number(Number::Float(9_007_199_254_740_992.0)),
    ];
    let mut truths = String::new();
    for value in rows.iter().map(Some).chain([None]) {
        let truth = criterion.evaluate(&criterion.row(|_| value), NOW_MS);
        truths.push_str(&format!("{truth:?} "));
    }
    Answer::new(format!("decided {truths}"), printed)
}

/// A code's digits as letters, since digits of outcomes are dropped.
fn letters(code: &str) -> String {
    code.bytes()
        .map(|byte| char::from(if byte.is_ascii_digit() { b'a' + (byte - b'0') } else { byte }))
        .collect()
}

/// As the filter of an event, or as the criteria of a profile when it asks about attributes.
pub(crate) fn condition(input: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(input);
    let (filter, criteria) =
        if text.contains("RealtimeAttribute") { ("null", &*text) } else { (&*text, "null") };
    let payload = r#"{"n":{"type":"ResponseNode","definition":{"stringBuilder":[{"values":[{"type":"String","value":"x"}],"outputName":"o"}]}}}"#;
    let entity = format!(
        "{{\"attributes\":{{\"audienceId\":\"7\",\"name\":\"fuzz\",\"sections\":[{{\"name\":\"s\",\"payload\":{payload},\"entryCriteria\":\
         {{\"keyEventCriteria\":{{\"keyEventId\":\"view\",\"keyEventFilters\":{filter}}},\"profileCriteria\":{criteria}}}}}]}}}}"
    );
    check_all(&[("declared.yaml", DECLARED), ("entity.json", &entity)])
}

/// The names that conditions may use.
const DECLARED: &str = "parent_segment_id: '7'
events:
  - {name: view, database: web, table: pages}
attributes:
  - {name: tier, type: imported_batch, column: tier, data_type: string, sensitivity: non-sensitive}
  - {name: views, type: imported_batch, column: views, data_type: number, sensitivity: non-sensitive}
  - {name: basket, type: imported_batch, column: basket, data_type: string_array, sensitivity: non-sensitive}
id_stitching:
  primary_key: visitor
  stitching_keys: [{name: visitor}]
";

/// One file, and what there is to say about it.
pub(crate) fn definition(input: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(input);
    let name = if text.trim_start().starts_with('{') { "definition.json" } else { "definition.yaml" };
    check_all(&[(name, &text)])
}

fn check_all(texts: &[(&str, &str)]) -> Answer {
    let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    let sources: Vec<Source> = texts.iter().map(source).collect();
    let reading = check(&sources);
    let (mut codes, mut content) = (Vec::new(), String::new());
    for finding in &reading.findings {
        codes.push(letters(&finding.diagnostic.code.to_string()));
        content.push_str(&render::human(finding, &sources, true));
        content.push_str(&render::plain(finding));
        content.push_str(&render::json(finding).to_string());
        content.push('\n');
    }
    codes.sort();
    codes.dedup();
    let label = if reading.has_errors() { "errors" } else { "read" };
    if !reading.has_errors() {
        // What is read without errors can be published and comes back the same.
        let bundle = usher_edge::bundle_of(&reading.definition).unwrap_or_default();
        content.push_str(&String::from_utf8_lossy(&bundle));
    }
    Answer::new(format!("{label} {}", codes.join(" ")), content)
}
