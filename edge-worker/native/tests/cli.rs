//! The verbs that need no edge, as far as what they print differs from run to run; the rest is in `tests/cli`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use bed::{AUDIENCE, Directory, command, run, shop, text, usher};
use serde_json::Value;

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

/// The page of the command line has a row for each verb.
#[test]
fn every_verb_is_on_its_page() {
    let help = usher(&["--help"]).out;
    let (_, verbs) = help.split_once("Commands:\n").unwrap();
    let verbs = verbs.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/command-line.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let is_told = |verb: &str| {
        let named = format!("`{verb}`");
        rows.iter().any(|row| row.split('|').nth(1).is_some_and(|names| names.contains(&named)))
    };
    let missing: Vec<&&str> = verbs.iter().filter(|verb| **verb != "help" && !is_told(verb)).collect();
    assert!(verbs.len() > 20 && missing.is_empty(), "{missing:?} of {verbs:?}");
}

#[test]
fn a_command_in_the_wrong_directory_is_told_where_the_path_leads_to() {
    let directory = Directory::new();
    let (inside, beside) = (directory.join("definitions"), directory.join("other"));
    fs::create_dir_all(&beside).unwrap();
    fs::create_dir_all(&inside).unwrap();
    for (here, help) in [(&inside, "did you mean `.`?"), (&beside, "did you mean `../definitions`?")] {
        let ended = run(command(&["validate", "definitions"]).current_dir(here), "");
        assert!(ended.code == 1 && ended.err.contains(help), "{ended:?}");
    }
}

#[test]
fn new_keys_are_random_and_the_secret_holds_none() {
    let directory = Directory::new();
    let file = directory.join("keys.json");
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
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    // The tag for pages has the two keys that pages may have.
    assert!(
        kept.code == 0 && kept.out.starts_with("<script ") && kept.out.ends_with("</script>\n"),
        "{kept:?}"
    );
    for (name, is_public) in [
        ("write_key", true),
        ("public_token", true),
        ("private_token", false),
        ("server_key", false),
        ("admin_key", false),
    ] {
        let key = written[name].as_str().unwrap();
        assert!(kept.out.contains(key) == is_public && !kept.err.contains(key), "{name}: {kept:?}");
    }
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap()) & 0o777, 0o600);
    // What a deployment is given is the secret alone: JSON of hashes, every one of this audience.
    let alone = usher(&["keys", "secret", text(&file)]);
    assert_eq!((alone.code, alone.out.trim_end()), (0, written["USHER_KEYS"].as_str().unwrap()));
    let secret: Value = serde_json::from_str(&alone.out).unwrap();
    let records = secret["keys"].as_array().unwrap();
    assert!(records.len() == 5 && records.iter().all(|record| record["audience"] == AUDIENCE), "{secret}");
    let again = usher(&[&args[..], &["--out", text(&file)]].concat());
    assert!(again.code == 1 && again.err.contains("--force"), "{}", again.err);
    let still: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(still, written);
    assert_eq!(usher(&[&args[..], &["--out", text(&file), "--force"]].concat()).code, 0);
    // The secret is found in its own text, too.
    let secret = directory.write("secret-alone.json", &alone.out);
    assert_eq!(usher(&["keys", "secret", text(&secret)]).out, alone.out);

    let wrong = usher(&["keys", "new", "--audience", "1", "--origin", "https://shop.example/path"]);
    assert_eq!(wrong.code, 64);
}

#[test]
fn a_preview_token_is_printed_alone() {
    let directory = Directory::new();
    let keys = directory.demo_secret();
    let token = usher(&["keys", "preview", "--audience", AUDIENCE, "--keys", text(&keys), "--hours", "24"]);
    assert!(token.code == 0 && token.out.contains('.') && token.out.lines().count() == 1, "{token:?}");
}

#[test]
fn what_is_not_text_is_said() {
    let directory = Directory::new();
    let binary = directory.write("x.yaml", [0xff, 0xfe]);
    let binary = usher(&["validate", text(&binary)]);
    assert!(binary.code == 1 && binary.err.contains("UTF-8"), "{binary:?}");
}

#[test]
fn an_explanation_is_json_for_machines() {
    let visitor = r#"{"batch": {"customer_id": "c-1", "loyalty_tier": "VIP", "email": "mira@shop.invalid"},
        "events": [{"database": "web", "table": "pageviews", "event": {"td_client_id": "a", "uuid": "1"}}]}"#;
    let event = r#"web.add_to_cart={"td_client_id":"a","price":25}"#;
    let json =
        run(&mut command(&["explain", text(&shop()), "--profile", "-", "--event", event, "--json"]), visitor);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json.code, 0);
    assert_eq!(document["offers"]["Cart_Section"]["attributes"]["banner"], "Free shipping today");
    assert_eq!(document["profile"]["known"], true);
    assert!(!json.out.contains("mira@") && !json.err.contains("mira@"), "{json:?}");
}

#[test]
fn an_output_that_was_committed_and_is_gone_is_not_begun_anew() {
    let directory = Directory::new();
    directory.write("p.yaml", "name: p\nquery: SELECT c.event_id FROM c\noutput: {topic: o, format: json}\n");
    directory.write("c", "{\"event_id\": \"e\"}\n");
    let rows = directory.join("rows");
    let go_on = || {
        let args = ["pipeline", "run", "p.yaml", "--input", "c=c", "--state", "state", "--output", "rows"];
        run(command(&args).current_dir(&directory.0), "")
    };
    assert_eq!(go_on().code, 0);
    let length = fs::metadata(&rows).unwrap().len();
    fs::rename(&rows, directory.join("elsewhere")).unwrap();
    let ended = go_on();
    let message = format!("`rows` is gone with the {length} bytes that were committed");
    assert!(ended.code == 1 && ended.err.contains(&message), "{ended:?}");
    assert!(!rows.exists(), "nothing stands where the file is to be put back");
}
