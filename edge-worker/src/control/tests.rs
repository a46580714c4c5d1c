//! Drafts on a store in memory: races, crashes and time.

use usher_engine::value::Value;

use crate::store::memory::{Fault, MemoryStore};
use crate::wire::read;
use crate::{Ambient, Edge, Request, drive, serve};

/// An edge whose admin key is `key`, and one store.
struct Bed {
    edge: Edge,
    store: MemoryStore,
    now_ms: i64,
}

impl Bed {
    fn new() -> Bed {
        let hash = |key: &str| crate::wire::hex::hex(&<sha2::Sha256 as sha2::Digest>::digest(key.as_bytes()));
        let secret = format!(
            r#"{{"signing_key":"{}","keys":[{{"kind":"admin","audience":"*","sha256":"{}"}},
                {{"kind":"admin","audience":"8","sha256":"{}"}},
                {{"kind":"server","audience":"7","account":"1","scopes":["personalize"],"sha256":"{}"}}]}}"#,
            "07".repeat(32),
            hash("key"),
            hash("of 8"),
            hash("server"),
        );
        Bed {
            edge: Edge::new(Some(&secret), false),
            store: MemoryStore::default(),
            now_ms: 1_790_000_000_000,
        }
    }

    fn by(&mut self, key: &str, method: &str, target: &str, body: &str) -> (u16, Value) {
        let headers = [("authorization".to_owned(), format!("TD1 {key}"))];
        let ambient = Ambient { now_ms: self.now_ms, entropy: [7; 32] };
        let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
        let response = serve(&mut self.edge, &mut self.store, &request, &mut |_| {});
        (response.status, read::document(&response.body).unwrap_or(Value::Null))
    }

    fn ask(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        self.by("key", method, target, body)
    }

    /// The answer to a call that is not refused.
    fn done(&mut self, method: &str, target: &str, body: &str) -> Value {
        let (status, answer) = self.ask(method, target, body);
        assert!((200..300).contains(&status), "{method} {target}: {status} {answer:?}");
        answer
    }

    fn status(&mut self) -> String {
        text(&self.done("GET", "/audiences/7/realtime_setting", ""), "status")
    }

    fn later(&mut self, ms: i64) -> &mut Bed {
        self.now_ms += ms;
        self
    }

    fn key_event(&mut self, name: &str) -> String {
        let body = format!(
            r#"{{"name":"{name}","databaseName":"web","tableName":"pages","filterRule":{{"type":"And","conditions":[]}}}}"#
        );
        text(&self.done("POST", "/audiences/7/realtime_key_events", &body), "id")
    }

    fn counter(&mut self, name: &str, key_event: &str) -> String {
        let body = format!(
            r#"{{"name":"{name}","type":"counter","realtimeKeyEventId":"{key_event}","counterType":"total","increment":{{"type":"const","value":1}}}}"#
        );
        text(self.done("POST", "/audiences/7/realtime_attributes", &body).get("data").unwrap(), "id")
    }

    fn names(&mut self, list: &str) -> Vec<String> {
        let answer = self.done("GET", &format!("/audiences/7/{list}"), "");
        answer.get("data").unwrap().as_list().unwrap().iter().map(|item| text(item, "name")).collect()
    }

    fn number(&mut self) -> Option<i64> {
        let answer = self.done("GET", "/audiences/7/realtime_setting", "");
        match answer.get("bundle")?.as_number()? {
            usher_engine::value::Number::Integer(number) => Some(number),
            usher_engine::value::Number::Float(_) => None,
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

const BUNDLE: &str = r#"{"format":2,"definition":{"audience":{"id":"7"}}}"#;

#[test]
fn a_draft_rests_before_it_is_published() {
    let mut bed = Bed::new();
    assert_eq!(bed.status(), "not_initialized");
    bed.key_event("view");
    assert_eq!(bed.later(1_999).status(), "updating");
    assert_eq!(bed.number(), None);
    // An edit lets it rest anew.
    bed.key_event("click");
    assert_eq!(bed.later(1_999).status(), "updating");
    assert_eq!(bed.later(1).status(), "ok");
    assert_eq!(
        (bed.number(), bed.names("realtime_key_events")),
        (Some(1), vec!["view".into(), "click".into()])
    );
}

#[test]
fn two_callers_edit_one_draft_and_one_bundle_comes_of_it() {
    let mut bed = Bed::new();
    let view = bed.key_event("view");
    bed.counter("views", &view);
    bed.key_event("click");
    // Both ask when it has rested: the second one finds it published.
    bed.later(2_000);
    assert_eq!((bed.status(), bed.status()), ("ok".to_owned(), "ok".to_owned()));
    assert_eq!(bed.number(), Some(1));
}

#[test]
fn a_timer_publishes_what_nobody_asks_for() {
    let mut bed = Bed::new();
    bed.key_event("view");
    let mut tick = |now_ms: i64| {
        let ambient = Ambient { now_ms, entropy: [7; 32] };
        drive::publish_due(&mut bed.edge, &mut bed.store, ambient, &mut |_| {})
    };
    let began = 1_790_000_000_000;
    assert!(!tick(began + 1_999));
    assert!(tick(began + 2_000));
    assert!(!tick(began + 4_000), "nothing is due any more");
    assert_eq!((bed.status(), bed.number()), ("ok".to_owned(), Some(1)));
}

#[test]
fn a_draft_is_set_aside_when_another_bundle_is_published() {
    let mut bed = Bed::new();
    bed.key_event("view");
    let (status, answer) = bed.ask("PUT", "/v1/audiences/7/bundle", BUNDLE);
    assert_eq!((status, text(&answer, "code")), (409, "draft_open".to_owned()));
    bed.done("PUT", "/v1/audiences/7/bundle?draft=discard", BUNDLE);
    assert_eq!(bed.later(5_000).status(), "ok");
    assert_eq!(bed.names("realtime_key_events"), [""; 0]);
    let draft = bed.done("GET", "/audiences/7/draft", "");
    let aside = draft.get("set_aside").and_then(Value::as_list).unwrap();
    assert_eq!(aside.len(), 1);
    let kept =
        aside[0].get("definition").and_then(|it| it.get("key_events")).and_then(Value::as_list).unwrap();
    assert_eq!(text(&kept[0], "name"), "view");
    // Calls begin from what runs, and the next push meets no draft.
    bed.done(
        "PUT",
        "/v1/audiences/7/bundle",
        r#"{"format":2,"definition":{"audience":{"id":"7","name":"b"}}}"#,
    );
    assert_eq!(bed.number(), Some(2));
}

#[test]
fn a_rollback_sets_the_draft_aside() {
    let mut bed = Bed::new();
    bed.key_event("view");
    assert_eq!(bed.later(2_000).status(), "ok");
    bed.key_event("click");
    assert_eq!(bed.later(2_000).status(), "ok");
    bed.key_event("third");
    bed.done("POST", "/v1/audiences/7/rollback", "");
    assert_eq!(bed.later(2_000).status(), "ok");
    assert_eq!((bed.number(), bed.names("realtime_key_events")), (Some(3), vec!["view".into()]));
}

#[test]
fn a_draft_that_does_not_compile_says_why_and_runs_when_it_does() {
    let mut bed = Bed::new();
    let view = bed.key_event("view");
    bed.counter("views", &view);
    assert_eq!(bed.later(2_000).status(), "ok");
    bed.done("DELETE", &format!("/audiences/7/realtime_key_events/{view}"), "");
    assert_eq!(bed.status(), "updating");
    let setting = bed.later(2_000).done("GET", "/audiences/7/realtime_setting", "");
    assert_eq!(text(&setting, "status"), "inconsistent");
    let findings =
        setting.get("statusDetailed").and_then(|it| it.get("findings")).and_then(Value::as_list).unwrap();
    assert_eq!(text(&findings[0], "code"), "E007");
    assert_eq!(text(&findings[0], "path"), "attributes[0].key_event");
    // The running bundle goes on.
    assert_eq!(bed.number(), Some(1));
    let again = bed.key_event("view");
    assert_ne!(again, view, "no id is used twice");
    assert_eq!(bed.later(2_000).status(), "ok");
}

#[test]
fn nothing_is_half_done_where_storage_fails() {
    let mut bed = Bed::new();
    bed.key_event("view");
    bed.later(2_000).store.fault = Fault::Writes;
    assert_eq!(bed.ask("GET", "/audiences/7/realtime_setting", "").0, 503);
    assert_eq!(
        bed.ask(
            "POST",
            "/audiences/7/realtime_key_events",
            r#"{"name":"b","databaseName":"web","tableName":"pages","filterRule":null}"#
        )
        .0,
        503
    );
    bed.store.fault = Fault::None;
    // Draft and bundle are one commit: after a crash between, the draft is published by the next who asks.
    assert_eq!((bed.status(), bed.number()), ("ok".to_owned(), Some(1)));
    assert_eq!(bed.names("realtime_key_events"), ["view"]);
}

#[test]
fn a_manual_draft_waits_for_its_call() {
    let mut bed = Bed::new();
    bed.done("PATCH", "/audiences/7/realtime_setting", r#"{"publish":"manual"}"#);
    bed.key_event("view");
    assert_eq!(bed.later(60_000).status(), "updating");
    let release = bed.done("POST", "/audiences/7/draft/publish", "");
    assert_eq!(release.get("changed"), Some(&Value::Boolean(true)));
    assert_eq!(bed.status(), "ok");
    assert_eq!(bed.ask("POST", "/audiences/7/draft/publish", "").0, 409);
}

#[test]
fn ids_are_of_the_control_object_and_stay() {
    let mut bed = Bed::new();
    let view = bed.key_event("view");
    let other = bed.done("GET", "/audiences/8/realtime_setting", "");
    assert!(text(&other, "id").parse::<u64>().unwrap() > view.parse().unwrap());
    let views = bed.counter("views", &view);
    let renamed =
        bed.done("PATCH", &format!("/audiences/7/realtime_key_events/{view}"), r#"{"name":"seen"}"#);
    assert_eq!((text(&renamed, "id"), text(&renamed, "name")), (view.clone(), "seen".to_owned()));
    // References to it follow.
    assert_eq!(bed.later(2_000).status(), "ok");
    let counter = bed.done("GET", &format!("/audiences/7/realtime_attributes/{views}"), "");
    assert_eq!(text(&counter, "realtimeKeyEventId"), view);
    // A pushed definition finds the ids of its names.
    let pushed = r#"{"format":2,"definition":{"audience":{"id":"7"},"key_events":[{"name":"seen","table":{"database":"web","table":"other"}}]}}"#;
    bed.done("PUT", "/v1/audiences/7/bundle", pushed);
    let event = bed.done("GET", &format!("/audiences/7/realtime_key_events/{view}"), "");
    assert_eq!((text(&event, "name"), text(&event, "tableName")), ("seen".to_owned(), "other".to_owned()));
}

#[test]
fn an_admin_of_one_audience_finds_no_object_of_another() {
    let mut bed = Bed::new();
    bed.key_event("view");
    let body = r#"{"attributes":{"audienceId":"7","name":"a","sections":[{"name":"s","entryCriteria":null,"payload":{"n":{"type":"ResponseNode","definition":{"attributePayload":[],"stringBuilder":[{"values":[{"type":"String","value":"x"}],"outputName":"o"}]}}}}]}}"#;
    let made = bed.done("POST", "/entities/realtime_personalizations", body);
    let path = format!("/entities/realtime_personalizations/{}", text(made.get("data").unwrap(), "id"));
    assert_eq!(bed.ask("GET", &path, "").0, 200);
    for (method, body) in [("GET", ""), ("PATCH", "{}"), ("DELETE", "")] {
        assert_eq!(bed.by("of 8", method, &path, body).0, 404, "{method}");
    }
    assert_eq!(bed.by("of 8", "POST", "/entities/realtime_personalizations", body).0, 403);
    let body = r#"{"attributes":{"audienceId":"7","name":"j","realtimeJourneyStages":[{"name":"s"}]}}"#;
    let made = bed.done("POST", "/entities/realtime_journeys", body);
    let id = text(made.get("data").unwrap(), "id");
    let path = format!("/entities/realtime_journeys/{id}");
    assert_eq!(bed.ask("GET", &path, "").0, 200);
    for (method, part) in
        [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("PATCH", "/pause"), ("GET", "/activations")]
    {
        assert_eq!(bed.by("of 8", method, &format!("{path}{part}"), "{}").0, 404, "{method} {part}");
    }
    let copy = format!(r#"{{"attributes":{{"id":"{id}"}}}}"#);
    assert_eq!(bed.by("of 8", "POST", "/entities/realtime_journeys/duplicate", &copy).0, 404);
    assert_eq!(bed.by("of 8", "POST", "/entities/realtime_journeys", body).0, 403);
    assert_eq!(bed.by("of 8", "GET", "/entities/realtime_journeys/abtest_variants?audience_id=7", "").0, 403);
    assert_eq!(bed.by("of 8", "GET", "/audiences/7/realtime_setting", "").0, 403);
    assert_eq!(bed.by("server", "GET", "/audiences/7/realtime_setting", "").0, 403);
}

#[test]
fn a_token_of_a_service_works_until_it_is_deleted() {
    let mut bed = Bed::new();
    let service =
        text(&bed.done("POST", "/audiences/7/realtime_personalization_services", r#"{"name":"home"}"#), "id");
    let tokens = format!("/audiences/7/realtime_personalization_services/{service}/tokens");
    let token = bed.done("POST", &tokens, r#"{"name":"server"}"#);
    let (value, id) = (text(&token, "value"), text(&token, "id"));
    assert!(value.starts_with("1/usher/"), "{value}");
    // Its value is told once.
    let shown = bed.done("GET", &format!("/audiences/7/realtime_personalization_services/{service}"), "");
    let known = &shown.get("tokens").and_then(Value::as_list).unwrap()[0];
    assert_eq!((text(known, "id"), known.get("value")), (id.clone(), None));
    let asks = |bed: &mut Bed| {
        let headers = [
            ("authorization".to_owned(), "TD1 server".to_owned()),
            ("wp13n-token".to_owned(), value.clone()),
        ];
        let ambient = Ambient { now_ms: bed.now_ms, entropy: [7; 32] };
        let request =
            Request { method: "POST", target: "/web/pages", headers: &headers, body: b"{}", ambient };
        let response = serve(&mut bed.edge, &mut bed.store, &request, &mut |_| {});
        String::from_utf8(response.body).unwrap()
    };
    // It is known: nothing is published yet.
    assert!(asks(&mut bed).contains("4040"), "{}", asks(&mut bed));
    assert_eq!(
        bed.ask("DELETE", &format!("/audiences/7/realtime_personalization_services/{service}"), "").0,
        409
    );
    bed.done("DELETE", &format!("{tokens}/{id}"), "");
    assert!(asks(&mut bed).contains("3001"), "{}", asks(&mut bed));
    bed.done("DELETE", &format!("/audiences/7/realtime_personalization_services/{service}"), "");
}
