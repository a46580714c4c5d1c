//! The rates of one source by public keys.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use bed::{Answer, Directory, ORIGIN, SERVER_KEY, Serving, WRITE_KEY, command};
use serde_json::json;

fn batch(serving: &Serving, key: &str, from: &str, events: usize, first: usize) -> Answer {
    let events: Vec<_> =
        (first..first + events).map(|at| json!({"td_client_id": format!("v-{at}")})).collect();
    let authorization = format!("TD1 {key}");
    let mut headers = vec![("authorization", authorization.as_str()), ("x-forwarded-for", from)];
    if key == WRITE_KEY {
        headers.push(("origin", ORIGIN));
    }
    serving.post("/web/pageviews", &headers, json!({"events": events}).to_string().as_bytes())
}

#[test]
fn a_source_has_its_rate_and_others_have_theirs() {
    let directory = Directory::new();
    directory.demo_secret();
    let slow = ["--trusted-proxies", "127.0.0.0/8,::1", "--events-per-second", "2"];
    let serving = Serving::start(&directory, &slow);
    serving.fill();
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.1", 500, 0).status, 200);
    let refused = batch(&serving, WRITE_KEY, "198.51.100.1", 100, 0);
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!(2003)), "{refused:?}");
    // A page reads it, and when to come again: one event is there in half a second, and before that no body is looked at.
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(refused.header("retry-after"), Some("1"));
    // As soon as there is one, a batch hears how long it takes until there are enough: 100 are 50 s, less what has passed.
    std::thread::sleep(std::time::Duration::from_millis(600));
    let refused = batch(&serving, WRITE_KEY, "198.51.100.1", 100, 0);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((40..=50).contains(&seconds), "{seconds}");
    // What a caller writes itself is no proxy's word; a server has no rate; another source has its own.
    assert_eq!(batch(&serving, WRITE_KEY, "203.0.113.9, 198.51.100.1", 100, 0).status, 429);
    assert_eq!(batch(&serving, SERVER_KEY, "198.51.100.1", 500, 0).status, 200);
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.2", 500, 0).status, 200);
    // Of IPv6 a network of 64 bits is one.
    assert_eq!(batch(&serving, WRITE_KEY, "2001:db8::1", 500, 0).status, 200);
    assert_eq!(batch(&serving, WRITE_KEY, "2001:db8::2:0:0:1", 100, 0).status, 429);
    assert_eq!(batch(&serving, WRITE_KEY, "2001:db8:0:1::1", 100, 0).status, 200);
}

#[test]
fn who_is_no_trusted_proxy_is_the_source_whatever_it_says() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--events-per-second", "1"]);
    serving.fill();
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.1", 500, 0).status, 200);
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.2", 100, 0).status, 429);
}

#[test]
fn beyond_its_new_profiles_events_are_answered_and_not_stored() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--new-profiles-per-minute", "10"]);
    serving.fill();
    let answer = batch(&serving, WRITE_KEY, "x", 20, 0);
    let receipts = answer.body["receipts"].as_array().unwrap();
    for (at, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt["success"], true, "{at}");
        let noted =
            receipt["notes"].as_array().is_some_and(|notes| notes.contains(&json!("profile_not_made")));
        assert_eq!(noted, at >= 10, "{at}: {receipt}");
    }
    // Who is known is counted on; who is not starts at one each time.
    let again = batch(&serving, WRITE_KEY, "x", 1, 3);
    assert!(again.body["receipts"][0].get("notes").is_none(), "{again:?}");
    assert!(serving.personalize("td_client_id", "v-3").get("Default").is_some());
    let visitor = |id: &str| serving.personalize("td_client_id", id)["Default"]["attributes"].clone();
    assert_eq!(visitor("v-3")["page_views_24h"], 2);
    assert_eq!(visitor("v-15")["page_views_24h"], 0);
    // A server may make any number.
    let made = batch(&serving, SERVER_KEY, "x", 20, 100);
    assert!(made.body["receipts"][19].get("notes").is_none(), "{made:?}");
}

#[test]
fn a_known_key_beside_new_ones_makes_no_more_profiles_than_the_bound() {
    let directory = Directory::new();
    directory.demo_secret();
    let serving = Serving::start(&directory, &["--new-profiles-per-minute", "5"]);
    serving.fill();
    assert_eq!(batch(&serving, WRITE_KEY, "x", 1, 0).status, 200);
    // Each names another person on the browser that is known, and each would be a profile of its own.
    let people: Vec<_> =
        (0..50).map(|at| json!({"td_client_id": "v-0", "customer_id": format!("p-{at}")})).collect();
    let authorization = format!("TD1 {WRITE_KEY}");
    let headers = [("authorization", authorization.as_str()), ("origin", ORIGIN)];
    let send = |events: &[serde_json::Value]| {
        let body = json!({"events": events}).to_string();
        let answer = serving.post("/web/pageviews", &headers, body.as_bytes());
        let receipts = answer.body["receipts"].as_array().unwrap();
        let noted = |receipt: &&serde_json::Value| receipt.to_string().contains("profile_not_made");
        receipts.iter().filter(noted).count()
    };
    // The first of them becomes the browser's own profile, which is made already.
    assert_eq!(send(&people), 45);
    let is_known = |at: usize| {
        let attributes = &serving.personalize("customer_id", &format!("p-{at}"))["Default"]["attributes"];
        attributes["page_views_24h"] != 0
    };
    assert!((0..5).all(is_known) && !(5..50).any(is_known));
    // Of those that are made, events go on.
    assert_eq!(send(&people[..5]), 0);
}

#[test]
fn a_proxy_that_nobody_named_is_told_of_once() {
    let directory = Directory::new();
    directory.demo_secret();
    let (data, keys) = (directory.join("data"), directory.join("keys.json"));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let logged = |more: &[&str]| {
        let log = directory.join("serve.log");
        let (data, keys) = (path(&data), path(&keys));
        let args = [&["serve", "--listen", "127.0.0.1:0", "--data", &data, "--keys", &keys], more].concat();
        let serving = Serving::logging_to(&mut command(&args), std::fs::File::create(&log).unwrap());
        for from in ["198.51.100.1", "198.51.100.2"] {
            batch(&serving, WRITE_KEY, from, 1, 0);
        }
        drop(serving);
        std::fs::read_to_string(&log).unwrap().matches("X-Forwarded-For").count()
    };
    assert_eq!(logged(&[]), 1);
    assert_eq!(logged(&["--trusted-proxies", "127.0.0.1"]), 0);
}

#[test]
fn lookups_by_a_public_token_and_bodies_without_events_draw_on_the_rate() {
    let directory = Directory::new();
    directory.demo_secret();
    let slow = ["--trusted-proxies", "127.0.0.0/8,::1", "--events-per-second", "1"];
    let serving = Serving::start(&directory, &slow);
    serving.fill();
    let look_up = |from: &str, keys: &[(&str, &str)]| {
        let body = json!({"audience": bed::AUDIENCE, "personalization": "web_personalization",
            "key": {"name": "td_client_id", "value": "v"}});
        let headers: Vec<_> = keys.iter().copied().chain([("x-forwarded-for", from)]).collect();
        serving.post("/v1/personalize", &headers, body.to_string().as_bytes())
    };
    let (write, server) = (format!("TD1 {WRITE_KEY}"), format!("TD1 {SERVER_KEY}"));
    let page = [("authorization", write.as_str()), ("wp13n-token", bed::PUBLIC_TOKEN), ("origin", ORIGIN)];
    // 60 s of one event a second are less than a batch: 500 are there at once.
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.1", 490, 0).status, 200);
    for _ in 0..10 {
        assert_eq!(look_up("198.51.100.1", &page).status, 200);
    }
    let mut refused = look_up("198.51.100.1", &page);
    // The bucket refilled a little in the meantime.
    for _ in 0..20 {
        if refused.status == 429 {
            break;
        }
        refused = look_up("198.51.100.1", &page);
    }
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("rate")), "{refused:?}");
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    // A server has no rate, and another source its own.
    assert_eq!(look_up("198.51.100.1", &[("authorization", &server)]).status, 200);
    assert_eq!(look_up("198.51.100.2", &page).status, 200);
    let nothing = |events: &str| {
        let headers = [page[0], page[2], ("x-forwarded-for", "198.51.100.3")];
        serving.post("/web/pageviews", &headers, format!("{{\"events\":[{events}]}}").as_bytes()).status
    };
    assert_eq!(nothing(&["1"; 490].join(",")), 200);
    let refused = (0..40).any(|_| nothing("") == 429);
    assert!(refused, "bodies without events take nothing");
    // Nor is a body free that is no JSON, no gzip, or of an unknown table.
    for (from, path, body, packed) in [
        ("198.51.100.4", "/web/pageviews", "{", false),
        ("198.51.100.5", "/web/pageviews", "{}", true),
        ("198.51.100.6", "/web/no_such_table", "{\"events\":[]}", false),
    ] {
        let send = || {
            let mut headers = vec![page[0], page[2], ("x-forwarded-for", from)];
            headers.extend(packed.then_some(("content-encoding", "gzip")));
            serving.post(path, &headers, body.as_bytes()).status
        };
        let first = send();
        assert!(first == 400 || first == 404, "{first}");
        assert_eq!(batch(&serving, WRITE_KEY, from, 490, 0).status, 200);
        assert!((0..40).any(|_| send() == 429), "{path} {body} is free");
    }
    // Without a key there is no source to charge.
    let stranger = || serving.post("/web/pageviews", &[("x-forwarded-for", "198.51.100.7")], b"{").status;
    assert!((0..510).all(|_| stranger() == 401));
    assert_eq!(batch(&serving, WRITE_KEY, "198.51.100.7", 490, 0).status, 200);
}
