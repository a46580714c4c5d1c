//! The way of a new user, as README and `usher init` describe it: from nothing to an explanation.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use bed::{ADMIN_KEY, AUDIENCE, Directory, SERVER_KEY, Serving, command, run};
use serde_json::json;

#[test]
fn from_init_to_an_explanation() {
    let directory = Directory::new();
    directory.demo_secret();
    let edge = Serving::start(&directory, &[]);
    let step = |args: &[&str]| {
        let mut command = command(args);
        command.current_dir(&directory.0).env("USHER_URL", &edge.url).env("USHER_AUDIENCE", AUDIENCE);
        command.env("USHER_ADMIN_KEY", ADMIN_KEY).env("USHER_SERVER_KEY", SERVER_KEY);
        let ended = run(&mut command, "");
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended.out
    };
    step(&["init", "cart_recovery", "--audience", AUDIENCE]);
    step(&["validate", "definitions"]);
    step(&["simulate", "definitions", "definitions/visit.ndjson", "--batch", "definitions/profiles.ndjson"]);
    assert!(step(&["push", "definitions", "-y"]).contains("runs now"));
    assert!(step(&["import", "definitions/profiles.ndjson"]).starts_with("imported 1,"));
    let cart = json!({"td_client_id": "browser-1", "product_id": "P-207", "price": 79.5});
    assert_eq!(edge.ingest("/web/add_to_cart", cart).status, 200);
    let why = step(&["explain", "--key", "td_client_id=browser-1"]);
    for line in [
        "  ✓ recovery_offer: matched",
        "        ✓ last_purchase IS NULL: matched; last_purchase is missing (event)",
    ] {
        assert!(why.lines().any(|known| known == line), "{line}\n{why}");
    }
    assert!(why.contains("discount_offer = 10"), "{why}");
    assert!(step(&["ps", "rt", "list", "--json"]).contains("\"status\": \"ok\""));
}
