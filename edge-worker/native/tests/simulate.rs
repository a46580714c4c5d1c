//! `usher simulate` and a running edge give the same answers for the same events.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::time::{SystemTime, UNIX_EPOCH};

use bed::{Directory, SERVER_KEY, Serving, shop, text, usher};
use serde_json::{Value, json};

/// The private token of `examples/shop/credentials.json`.
const PRIVATE_TOKEN: &str = "1/demo/22222222222222222222222222222222";

#[test]
fn a_running_edge_answers_the_same() {
    // Live edges have their own clock: the visit was a little while ago, and nothing of it expires within the test.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let visit = std::fs::read_to_string(shop().join("visit.ndjson")).unwrap();
    let mut events: Vec<Value> = visit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &mut events {
        let time = event["event"]["time"].as_u64().unwrap();
        event["event"]["time"] = json!(now - 600 + (time - 1_790_000_000));
    }
    // A second visitor, whom nothing is known of; a key that is refused; a value that does not fit.
    for (table, event) in [
        ("pageviews", json!({"td_client_id": "anon-8", "td_path": "/product/P-1", "product_id": "P-1"})),
        ("pageviews", json!({"td_client_id": "test_9", "td_path": "/"})),
        ("add_to_cart", json!({"td_client_id": "anon-8", "product_id": "P-1", "price": "dear"})),
        ("add_to_cart", json!({"td_client_id": "anon-7", "product_id": "P-3", "price": 25})),
    ] {
        let mut event = json!({"database": "web", "table": table, "event": event});
        event["event"]["uuid"] = json!(format!("more-{}", events.len()));
        event["event"]["time"] = json!(now - 10);
        events.push(event);
    }
    let directory = Directory::new();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let file = directory.write("events.ndjson", lines);
    let (shop_path, batch) = (shop(), shop().join("profiles.ndjson"));
    let ended = usher(&["simulate", text(&shop_path), text(&file), "--batch", text(&batch), "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let simulated: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    edge.fill();
    let mut offered = 0;
    for (event, simulated) in events.iter().zip(&simulated) {
        let path = format!("/{}/{}", event["database"].as_str().unwrap(), event["table"].as_str().unwrap());
        let headers = [("authorization", &*format!("TD1 {SERVER_KEY}")), ("wp13n-token", PRIVATE_TOKEN)];
        let answer = edge.post(&path, &headers, event["event"].to_string().as_bytes());
        assert_eq!((answer.status, &answer.body["offers"]), (200, &simulated["offers"]), "{event}");
        offered += answer.body["offers"].as_object().unwrap().len();
    }
    assert!(offered >= 7, "{offered} offers are too few to show anything");
    for (key, value) in [("td_client_id", "anon-7"), ("td_client_id", "anon-8"), ("customer_id", "c-1002")] {
        let asked = json!({"audience": bed::AUDIENCE, "key": {"name": key, "value": value}}).to_string();
        let headers = [("authorization", &*format!("TD1 {SERVER_KEY}"))];
        let explained = edge.post("/v1/explain", &headers, asked.as_bytes()).body;
        let live = values(&explained["profile"]);
        let is_same = |line: &&Value| line["final"] == true && values(&line["profile"]) == live;
        assert!(simulated.iter().any(|line| is_same(&line)), "{key}={value}: {live}\n{}", ended.out);
    }
}

/// The profile without its age.
fn values(profile: &Value) -> Value {
    let mut profile = profile.clone();
    profile.as_object_mut().unwrap().remove("id");
    for attribute in profile["attributes"].as_object_mut().unwrap().values_mut() {
        attribute.as_object_mut().unwrap().remove("age_ms");
    }
    profile
}
