//! The verbs that need no edge: what they print, where, and how they end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use bed::{AUDIENCE, Directory, command, run, shop, text, usher};
use serde_json::Value;

#[test]
fn the_shop_is_valid() {
    let ended = usher(&["validate", text(&shop())]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.starts_with("✅ Configuration is valid\n\nValidation Results:\n  ✓ "), "{ended:?}");
    assert!(ended.out.ends_with("\nReady to push!\n"), "{ended:?}");
    assert!(ended.out.contains("6 key events on 5 event tables"), "{ended:?}");
    assert!(ended.err.contains("event 'page_view' has no filter - will process all rows"), "{ended:?}");
    // Nobody is at a terminal.
    assert!(!ended.err.contains('\u{1b}') && !ended.out.contains('\u{1b}'));
}

#[test]
fn a_typo_is_shown_at_its_place() {
    let directory = Directory::new();
    let config = fs::read_to_string(shop().join("rt_config.yaml")).unwrap();
    let typo = directory.write("rt.yaml", config.replacen("table: \"pageviews\"", "tabel: \"pageviews\"", 1));
    let ended = usher(&["validate", text(&typo)]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
    assert!(ended.err.contains("tabel") && ended.err.contains("❌"), "{ended:?}");

    let plain = usher(&["validate", "--format", "plain", text(&typo)]);
    let place = format!("{}:8:5: error[E003]: ", text(&typo));
    assert!(plain.code == 2 && plain.out.lines().any(|line| line.starts_with(&place)), "{plain:?}");

    let json = usher(&["validate", "--format", "json", text(&typo)]);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &document["valid"]), (2, &Value::Bool(false)));
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["code"] == "E003").unwrap();
    assert_eq!((found["line"].as_i64(), found["column"].as_i64()), (Some(8), Some(5)));

    // Verbs that need a valid definition end in the same way.
    let push = usher(&["push", text(&typo), "--to", "http://127.0.0.1:1", "--dry-run"]);
    assert!(push.code == 2 && push.err.contains("tabel"), "{push:?}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let directory = Directory::new();
    let missing = usher(&["validate", text(&directory.join("none.yaml"))]);
    assert!(missing.code == 1 && missing.err.contains("none.yaml"), "{missing:?}");
    let empty = usher(&["validate", text(&directory.0)]);
    assert!(empty.code == 1 && empty.err.contains("no definition in"), "{empty:?}");
    let binary = directory.write("x.yaml", [0xff, 0xfe]);
    let binary = usher(&["validate", text(&binary)]);
    assert!(binary.code == 1 && binary.err.contains("UTF-8"), "{binary:?}");
    for args in [&["validate"][..], &[], &["publish"], &["keys", "new", "--audience", "1/2"]] {
        assert_eq!(usher(args).code, 64, "{args:?}");
    }
    assert_eq!(usher(&["validate", "--help"]).code, 0);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command(&["validate", "--format", "json", text(&shop())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn new_keys_are_random_and_the_secret_holds_none() {
    let directory = Directory::new();
    let file = directory.join("secret.json");
    let args = ["keys", "new", "--audience", AUDIENCE, "--origin", "https://shop.example"];
    let shown: Value = serde_json::from_str(&usher(&args).out).unwrap();
    let other: Value = serde_json::from_str(&usher(&args).out).unwrap();
    let secret = shown["USHER_KEYS"].as_str().unwrap();
    for name in ["write_key", "server_key", "admin_key", "public_token", "private_token"] {
        let key = shown[name].as_str().unwrap();
        assert!(key.len() >= 32 && key != other[name].as_str().unwrap(), "{name}");
        let random = key.rsplit('/').next().unwrap();
        assert!(!secret.contains(random), "{name}");
    }
    assert_eq!(shown["allowed_origins"], serde_json::json!(["https://shop.example"]));

    let kept = usher(&[&args[..], &["--out", text(&file)]].concat());
    assert!(kept.code == 0 && !kept.out.contains("USHER_KEYS"), "{}", kept.err);
    let secret: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(secret["keys"].as_array().unwrap().len(), 5);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap()) & 0o777, 0o600);
    let again = usher(&[&args[..], &["--out", text(&file)]].concat());
    assert!(again.code == 1 && again.err.contains("--force"), "{}", again.err);
    assert_eq!(usher(&[&args[..], &["--out", text(&file), "--force"]].concat()).code, 0);

    let wrong = usher(&["keys", "new", "--audience", "1", "--origin", "https://shop.example/path"]);
    assert_eq!(wrong.code, 64);
}

#[test]
fn preview_tokens_need_a_secret_and_an_end() {
    let directory = Directory::new();
    let keys = directory.demo_secret();
    let preview = |more: &[&str]| usher(&[&["keys", "preview", "--audience", AUDIENCE], more].concat());
    let token = preview(&["--keys", text(&keys), "--hours", "24"]);
    assert!(token.code == 0 && token.out.contains('.'), "{token:?}");
    assert_eq!(preview(&["--keys", text(&keys), "--hours", "25"]).code, 64);
    let missing = preview(&[]);
    assert!(missing.code == 64 && missing.err.contains("USHER_KEYS is not set"), "{missing:?}");
    let secret = "{\"signing_key\":\"5ec4e7";
    let damaged = run(command(&["keys", "preview", "--audience", "1"]).env("USHER_KEYS", secret), "");
    assert!(damaged.code == 64 && !damaged.err.contains("5ec4e7"), "{damaged:?}");
}

const VISITOR: &str = r#"{
    "batch": {"customer_id": "c-1", "loyalty_tier": "VIP", "email": "mira@shop.invalid", "batch_segments": ["newsletter"]},
    "events": [
        {"database": "web", "table": "pageviews", "event": {"td_client_id": "a", "uuid": "1", "time": 1790000000}},
        {"database": "web", "table": "pageviews", "event": {"td_client_id": "test_a", "uuid": "1"}},
        {"database": "web", "table": "formfills", "event": {"customer_id": "c-2"}}
    ]}"#;

#[test]
fn a_visitor_in_a_file_is_explained() {
    let shop = shop();
    let explain = |more: &[&str], visitor: &str| {
        let args = [&["explain", text(&shop), "--profile", "-"], more].concat();
        run(&mut command(&args), visitor)
    };
    let at = ["--at", "2026-09-21T16:00:00Z"];
    let tree = explain(&[&at[..], &["--personalization", "web_personalization"]].concat(), VISITOR);
    assert_eq!(tree.code, 0, "{tree:?}");
    for line in [
        "  email is sensitive and not shown (batch)",
        "✓ web_personalization (the first that matches): matched",
        "    ✓ loyalty_tier = 'VIP': matched; loyalty_tier = \"VIP\" (batch, just now)",
        "  · Warm: not reached",
        "· cart_entity (all that match): not reached, this call does not ask for it",
    ] {
        assert!(tree.out.lines().any(|known| known == line), "{line}\n{}", tree.out);
    }
    for told in ["exclude_regex", "an event of this id was counted before", "another person's"] {
        assert!(tree.err.contains(told), "{told}\n{}", tree.err);
    }
    assert!(!tree.out.contains("mira@") && !tree.err.contains("mira@"));

    let event = r#"web.add_to_cart={"td_client_id":"a","price":25}"#;
    let json = explain(&["--event", event, "--json"], VISITOR);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json.code, 0);
    assert_eq!(document["offers"]["Cart_Section"]["attributes"]["banner"], "Free shipping today");
    assert_eq!(document["profile"]["known"], true);

    let nobody = explain(&["--personalization", "cart_entity"], "{}");
    assert!(nobody.code == 3 && nobody.out.contains("no section matched"), "{nobody:?}");
    for (more, visitor, wanted) in [
        (&[][..], "{\"bach\":{}}", "bach"),
        (&[], "{\"batch\":{}}", "customer_id"),
        (&[], r#"{"events":[{"database":"web","table":"page","event":{}}]}"#, "web.pageviews"),
        (&["--personalization", "web"], "{}", "web_personalization"),
        (&["--event", "web.pages={}"], "{}", "web.pageviews"),
        (&["--at", "soon"], "{}", "RFC 3339"),
    ] {
        let wrong = explain(more, visitor);
        assert!(matches!(wrong.code, 1 | 64) && wrong.err.contains(wanted), "{wrong:?}");
    }
}
