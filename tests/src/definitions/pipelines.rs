//! Pipelines by chance, read from their texts. Files keep them only beside tables, of which they join one or none.

use serde_json::json;
use usher_config::{Source, read_pipelines};
use usher_engine::definition::Table;
use usher_engine::definition::pipeline::Pipeline;

use super::several;
use crate::random::Random;

pub(super) fn of(random: &mut Random, tables: &[Table]) -> Vec<Pipeline> {
    let joined = tables.first();
    joined.map_or_else(Vec::new, |table| several(random, 3, |random| pipeline(random, table)))
}

fn pipeline(random: &mut Random, table: &Table) -> Pipeline {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let is_plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let joins = is_plain(&table.name) && is_plain(&table.key) && random.one_in(2);
    let join = match joins {
        true => format!("\n  LEFT JOIN {} t ON c.k = t.{}", quoted(&table.name), quoted(&table.key)),
        false => String::new(),
    };
    let select =
        random.pick(&["c.a, c.b + 1 AS \"two words\"", "*", "CASE WHEN c.a LIKE 'a%' THEN 1 END AS x"]);
    let condition =
        random.pick(&["", " WHERE c.event_type IN ('a', 'it''s') -- so", "\nWHERE NOT c.x IS NULL;\n"]);
    let mut text = json!({
        "name": random.pick(&["p", "true", "it's", "a: b"]),
        "query": format!("SELECT {select}\nFROM ev c{join}{condition}"),
        "output": {"topic": random.pick(&["t", "0123"]), "format": "json"},
        "window": random.pick(&["24h", "90s", "1500ms", "7d"]),
    });
    if joins && random.one_in(2) {
        text["state"] = json!({"dimensions": [table.name]});
    } else if joins && random.one_in(2) {
        text["state"] = json!({"events": {"overrides": {(table.name.as_str()): "36h"}}});
    }
    if random.one_in(2) && select.starts_with("CASE") {
        text["emission"] = json!({"require": ["x"]});
        text["output"]["schema"] = json!({"x": "double"});
        text["output"]["key"] = json!("x");
    }
    let read = read_pipelines(&[Source { name: "pipeline".to_owned(), text: text.to_string() }]);
    assert!(!read.has_errors(), "{:?}", read.findings);
    read.pipelines.into_iter().next().expect("one pipeline")
}
