//! Inputs for each target from the repository: examples, cases and golden files.

use crate::Target;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(include_str!(concat!("../../../../", $path))),*]
    };
}

/// The inputs that others are made of.
pub fn corpus(target: Target) -> Vec<Vec<u8>> {
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        Target::Criteria => criteria(),
        Target::Condition => bytes(&CONDITIONS),
        Target::Bundle => bytes(&files![
            "edge-worker/golden/everything.json",
            "edge-worker/golden/everything-today.json",
            "edge-worker/golden/shop.json",
        ]),
        Target::Definition => bytes(&DEFINITIONS),
        // No file has one: the module makes them.
        Target::Profile => Vec::new(),
        Target::Event | Target::Batch | Target::Import => events(),
    }
}

const DEFINITIONS: [&str; 20] = files![
    "engine/config/tests/cases/attributes.yaml",
    "engine/config/tests/cases/bomb.yaml",
    "engine/config/tests/cases/broken.json",
    "engine/config/tests/cases/broken.yaml",
    "engine/config/tests/cases/duplicates.yaml",
    "engine/config/tests/cases/entity.json",
    "engine/config/tests/cases/identity.yaml",
    "engine/config/tests/cases/key_event.json",
    "engine/config/tests/cases/lints.yaml",
    "engine/config/tests/cases/text.yaml",
    "engine/config/tests/cases/tree.yaml",
    "engine/config/tests/cases/unknown_dialect.yaml",
    "engine/config/tests/cases/unknown_keys.yaml",
    "engine/config/tests/cases/unknown_names.yaml",
    "examples/shop/cart_recovery.yaml",
    "examples/shop/entity.json",
    "examples/shop/pipeline.yaml",
    "examples/shop/product_recommendations.yaml",
    "examples/shop/rt_config.yaml",
    "examples/shop/web_personalization.yaml",
];

const CONDITIONS: [&str; 4] = [
    r#"{"type":"And","conditions":[{"type":"Column","column":"price","operator":{"not":false,"rightValue":20,"type":"Greater"}}]}"#,
    r#"{"type":"Or","conditions":[{"type":"RealtimeAttribute","realtimeAttributeId":"tier","operator":{"type":"In","rightValues":["VIP","Gold"],"not":true}},{"type":"RealtimeAttribute","realtimeAttributeId":"list","subAttributeIdentifier":"items","operator":{"type":"IsNull"}}]}"#,
    r#"{"type":"Column","column":"td_path","operator":{"type":"Regexp","rightValue":"^/shop/[0-9]+(a|b)*$"}}"#,
    r#"{"type":"Column","column":"age","operator":{"type":"Between","minValue":-1.5e3,"maxValue":9007199254740993},"arrayMatching":"any"}"#,
];

/// The texts of the tables of criteria: each case begins with one in double quotes.
fn criteria() -> Vec<Vec<u8>> {
    let tables = files![
        "tests/vectors/criteria/lists.toml",
        "tests/vectors/criteria/logic.toml",
        "tests/vectors/criteria/patterns.toml",
        "tests/vectors/criteria/text-and-numbers.toml",
        "tests/vectors/criteria/times.toml",
    ];
    let lines = tables.iter().flat_map(|table| table.lines());
    let texts = lines.filter_map(|line| line.trim_start().strip_prefix("[\"")?.split_once("\", "));
    let mut texts: Vec<Vec<u8>> = texts.map(|(text, _)| text.as_bytes().to_vec()).collect();
    texts.dedup();
    texts
}

fn events() -> Vec<Vec<u8>> {
    let lines = files!["examples/shop/visit.ndjson", "examples/shop/profiles.ndjson"];
    // `{"database": …, "table": …, "event": {…}}`, or the row of an import.
    let rows = lines.iter().flat_map(|file| file.lines()).map(|line| match line.split_once("\"event\": ") {
        Some((_, event)) => event.strip_suffix('}').unwrap_or(event),
        None => line,
    });
    let mut events: Vec<String> = rows.map(str::to_owned).collect();
    events.push(format!("{{\"events\":[{}],\"sentAt\":1790000000000}}", events.join(",")));
    events.push(events.join("\n"));
    for body in [
        r#"{"audience": "1069944", "personalization": "product_recommendations", "inputs": {"customer_id": "c-1002"}}"#,
        r#"{"audience": "1069944", "key": {"name": "td_client_id", "value": "anon-7"}, "event": {"database": "web", "table": "add_to_cart", "columns": {"price": 25}}}"#,
        r#"{"td_client_id":"anon-7","price":"7.5e1","product_id":["P-1",{"a":{"b":null}}],"time":"2026-09-21T13:33:20Z","messageId":"\ud83d\ude00\u0000"}"#,
    ] {
        events.push(body.to_owned());
    }
    events.into_iter().map(String::into_bytes).collect()
}
