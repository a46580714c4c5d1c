//! The front by heads alone: who is refused before a body is read, and how large a one the others may send.

use sha2::{Digest, Sha256};

use super::*;
use crate::limits::{BATCH_BYTES_MAX, BUNDLE_BYTES_MAX, NATIVE_BYTES_MAX};
use crate::message::Ambient;
use crate::wire::hex::hex;

const TOKEN: &str = "1/1/00000000000000000000000000000000";

/// An edge whose keys are `write`, `server`, `admin` and [`TOKEN`], for one page.
fn edge() -> Edge {
    let hash = |key: &str| hex(&Sha256::digest(key.as_bytes()));
    let page = r#""account":"1","origins":["https://shop.example"]"#;
    let secret = format!(
        r#"{{"signing_key":"{}","keys":[
            {{"kind":"write","sha256":"{}","audience":"7",{page}}},
            {{"kind":"token","sha256":"{}","audience":"7","public":true,{page}}},
            {{"kind":"server","sha256":"{}","account":"1","audience":"7","scopes":["personalize"]}},
            {{"kind":"admin","sha256":"{}","audience":"7"}}]}}"#,
        "07".repeat(32),
        hash("write"),
        hash(TOKEN),
        hash("server"),
        hash("admin"),
    );
    let edge = Edge::new(Some(&secret), false);
    assert_eq!(edge.complaint(), None);
    edge
}

/// The bound of the body that this head is admitted with, or the status of its refusal.
fn bound(method: &str, target: &str, headers: &[(&str, &str)]) -> std::result::Result<usize, u16> {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let edge = edge();
    let head = Head { method, target, headers: &headers, ambient };
    admit(&edge, &head).map(|admitted| admitted.body_bytes_max()).map_err(|response| response.status)
}

#[test]
fn a_head_tells_who_may_send_how_large_a_body() {
    let page = ("origin", "https://shop.example");
    let token = ("wp13n-token", TOKEN);
    for (method, target, headers, expected) in [
        ("POST", "/web/pageviews", vec![("authorization", "TD1 write")], Ok(BATCH_BYTES_MAX)),
        ("POST", "/web/pageviews", vec![("authorization", "TD1 server")], Ok(BATCH_BYTES_MAX)),
        ("POST", "/web/pageviews", vec![("authorization", "TD1 other")], Err(401)),
        ("POST", "/web/pageviews", vec![], Err(401)),
        ("POST", "/web/pageviews", vec![("authorization", "TD1 server"), page], Err(400)),
        (
            "POST",
            "/public/web/pageviews",
            vec![("authorization", "TD1 write"), token, page],
            Ok(BATCH_BYTES_MAX),
        ),
        ("POST", "/public/web/pageviews", vec![("authorization", "TD1 write"), token], Err(400)),
        ("POST", "/v1/e?key=write", vec![], Ok(NATIVE_BYTES_MAX)),
        ("POST", "/v1/e?key=write", vec![page], Ok(NATIVE_BYTES_MAX)),
        ("POST", "/v1/e", vec![("authorization", "TD1 write")], Ok(NATIVE_BYTES_MAX)),
        ("POST", "/v1/e", vec![("authorization", "TD1 server")], Err(403)),
        ("POST", "/v1/e?key=server", vec![], Err(403)),
        ("POST", "/v1/e?key=other", vec![], Err(401)),
        ("POST", "/v1/e", vec![], Err(401)),
        ("POST", "/v1/personalize", vec![("authorization", "TD1 server")], Ok(NATIVE_BYTES_MAX)),
        ("POST", "/v1/personalize", vec![("authorization", "TD1 write")], Err(400)),
        ("POST", "/v1/explain", vec![("authorization", "TD1 server")], Err(403)),
        ("PUT", "/v1/audiences/7/bundle", vec![("authorization", "TD1 admin")], Ok(BUNDLE_BYTES_MAX)),
        ("PUT", "/v1/audiences/7/bundle", vec![("authorization", "TD1 server")], Err(403)),
        ("GET", "/v1/audiences/7/bundle", vec![("authorization", "TD1 admin")], Ok(0)),
        ("POST", "/v1/audiences/7/bundle", vec![("authorization", "TD1 admin")], Err(405)),
        ("POST", "/web/pageviews", vec![("content-encoding", "br")], Err(415)),
        ("POST", "/nothing", vec![("authorization", "TD1 admin")], Err(404)),
        ("OPTIONS", "/web/pageviews", vec![page], Err(204)),
        ("OPTIONS", "/v1/audiences", vec![page], Err(400)),
        ("GET", "/healthz", vec![], Ok(0)),
    ] {
        assert_eq!(bound(method, target, &headers), expected, "{method} {target} {headers:?}");
    }
}

#[test]
fn a_body_is_refused_beyond_the_bound_of_its_route() {
    let edge = edge();
    let headers = [("authorization".to_owned(), "TD1 server".to_owned())];
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let head = Head { method: "POST", target: "/v1/personalize", headers: &headers, ambient };
    let admitted = admit(&edge, &head).expect("a server key");
    let status = |bytes: usize| match serve(&edge, &admitted, &vec![b' '; bytes]) {
        Step::Respond(response) => response.status,
        _ => 0,
    };
    // Within the bound it is read, and is no JSON.
    assert_eq!((status(NATIVE_BYTES_MAX), status(NATIVE_BYTES_MAX + 1)), (400, 413));
}

#[test]
fn events_of_several_tables_need_form_2() {
    let mut edge = edge();
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let mut status = |form: &str| {
        edge.set_form(form);
        let head = Head { method: "POST", target: "/v1/e?key=write", headers: &[], ambient };
        let admitted = admit(&edge, &head).expect("a write key");
        match serve(&edge, &admitted, br#"{"events":[]}"#) {
            Step::Respond(response) => response.status,
            _ => 0,
        }
    };
    assert_eq!((status("1"), status("2")), (409, 0));
}

#[test]
fn without_keys_each_route_refuses_in_its_own_format() {
    let edge = Edge::new(None, false);
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    for (method, target, content_type) in [
        ("POST", "/web/pageviews", "application/json"),
        ("POST", "/v1/personalize", "application/problem+json"),
        ("GET", "/v1/audiences/7/bundle", "application/problem+json"),
    ] {
        let refused = admit(&edge, &Head { method, target, headers: &[], ambient }).unwrap_err();
        assert_eq!(refused.status, 503, "{target}");
        assert!(refused.headers.contains(&("content-type", content_type.to_owned())), "{refused:?}");
    }
}

#[test]
fn a_bundle_is_held_to_the_tokens_with_both_places() {
    let hash = |key: &str| hex(&Sha256::digest(key.as_bytes()));
    let secret = format!(
        r#"{{"signing_key":"{}","keys":[{{"kind":"admin","sha256":"{}","audience":"*"}},
            {{"kind":"token","sha256":"{}","audience":"7","personalizations":["a","9"]}}]}}"#,
        "07".repeat(32),
        hash("admin"),
        hash(TOKEN),
    );
    let edge = Edge::new(Some(&secret), false);
    let headers = [("authorization".to_owned(), "TD1 admin".to_owned())];
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let detail = |audience: &str, shared: &str| {
        let section = |name: &str| format!(r#"{{"name":"{name}","criteria":"","segments":["s"]}}"#);
        let body = format!(
            r#"{{"format":2,"definition":{{"audience":{{"id":"{audience}"}},"personalizations":[
                {{"name":"a","choice":"all","sections":[{}]}},{{"name":"b","id":"9","choice":"all","sections":[{},{}]}}]}}}}"#,
            section("one"),
            section("two"),
            section(shared),
        );
        let target = format!("/v1/audiences/{audience}/bundle");
        let request =
            Request { method: "PUT", target: &target, headers: &headers, body: body.as_bytes(), ambient };
        match handle(&edge, &request) {
            Step::Respond(response) => String::from_utf8(response.body).unwrap(),
            _ => String::new(),
        }
    };
    let found = detail("7", "one");
    let places = "E006 at personalizations[0].sections[0] and personalizations[1].sections[1]";
    assert!(found.contains(places) && found.contains("keys[1]"), "{found}");
    // Another name; another audience, whose token it is not.
    for (audience, shared) in [("7", "three"), ("8", "one")] {
        assert_eq!(detail(audience, shared), "", "{audience} {shared}");
    }
}

/// The answers of an edge whose admin keys are `one`, of audience 7, and `all`; it has a key of each of three audiences.
fn ask(edge: &mut Edge, key: &str, method: &str, target: &str) -> (u16, String) {
    let headers = [("authorization".to_owned(), format!("TD1 {key}"))];
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let request = Request { method, target, headers: &headers, body: b"", ambient };
    let mut store = crate::store::memory::MemoryStore::default();
    let answer = crate::serve(edge, &mut store, &request, &mut |_| {});
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn edge_of_three() -> Edge {
    let record = |kind: &str, key: &str, audience: &str| {
        let sha256 = hex(&Sha256::digest(key.as_bytes()));
        format!(r#"{{"kind":"{kind}","sha256":"{sha256}","audience":"{audience}"}}"#)
    };
    let records = [
        ("admin", "one", "7"),
        ("admin", "all", "*"),
        ("write", "own", "7"),
        ("write", "other", "8"),
        ("write", "any", "*"),
    ];
    let keys = records.map(|(kind, key, audience)| record(kind, key, audience)).join(",");
    Edge::new(Some(&format!(r#"{{"signing_key":"{}","keys":[{keys}]}}"#, "07".repeat(32))), false)
}

#[test]
fn an_admin_of_one_audience_sees_and_revokes_no_key_of_another() {
    let tag = |key: &str| hex(&Sha256::digest(key.as_bytes()))[..12].to_owned();
    let listed = |admin: &str, audience: &str| {
        let (status, body) =
            ask(&mut edge_of_three(), admin, "GET", &format!("/v1/audiences/{audience}/keys"));
        let tags = ["one", "all", "own", "other", "any"].map(|key| body.contains(&tag(key)));
        (status, tags)
    };
    assert_eq!(listed("one", "7"), (200, [true, false, true, false, false]));
    assert_eq!(listed("one", "8"), (403, [false; 5]));
    assert_eq!(listed("all", "7"), (200, [true, true, true, false, true]));
    assert_eq!(listed("all", "8"), (200, [false, true, false, true, true]));
    for (admin, audience, key, expected) in [
        ("one", "7", "own", 200),
        ("one", "7", "one", 200),
        ("one", "7", "other", 404),
        ("one", "7", "any", 404),
        ("one", "7", "all", 404),
        ("one", "8", "other", 403),
        ("all", "7", "any", 200),
        ("all", "8", "own", 404),
        ("own", "7", "own", 403),
    ] {
        let mut edge = edge_of_three();
        let target = format!("/v1/audiences/{audience}/keys/{}", tag(key));
        assert_eq!(ask(&mut edge, admin, "DELETE", &target).0, expected, "{admin} {audience} {key}");
        let is_revoked = edge.keyring().unwrap().find(key, &[]).is_none();
        assert_eq!(is_revoked, expected == 200, "{admin} {audience} {key}");
    }
}

#[test]
fn a_revoked_key_reaches_other_places_with_the_pointers_and_is_no_audience() {
    let (mut here, mut there) = (edge_of_three(), edge_of_three());
    let mut store = crate::store::memory::MemoryStore::default();
    let target = format!("/v1/audiences/7/keys/{}", &hex(&Sha256::digest(b"own"))[..12]);
    let headers = [("authorization".to_owned(), "TD1 one".to_owned())];
    let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
    let request = Request { method: "DELETE", target: &target, headers: &headers, body: b"", ambient };
    assert_eq!(crate::serve(&mut here, &mut store, &request, &mut |_| {}).status, 200);
    assert!(there.keyring().unwrap().find("own", &[]).is_some());
    crate::refresh(&mut there, &mut store, &mut |line| panic!("{line:?}"));
    assert!(
        there.keyring().unwrap().find("own", &[]).is_none()
            && there.keyring().unwrap().find("any", &[]).is_some()
    );
    assert!(!there.is_degraded() && !there.is_cut_off() && there.all_running().next().is_none());
    // Nothing was published here, so the control object may have been lost all the same.
    let pointer = crate::store::Pointer { audience: "/ab".to_owned(), number: 1, hash: String::new() };
    assert!(there.doubts(&[pointer]));
}

/// An edge that keeps columns, with one audience that looks for others.
fn discovering(discover: bool) -> Edge {
    let definition = usher_engine::definition::Definition {
        audience: usher_engine::definition::Audience { id: "7".into(), name: None },
        tables: vec![usher_engine::definition::EventTable { database: "web".into(), table: "pages".into() }],
        discover,
        ..Default::default()
    };
    let mut edge = Edge::of_plan(usher_engine::Plan::compile(&definition).unwrap());
    edge.keep_discovery();
    edge
}

#[test]
fn columns_are_noted_of_answered_events_alone() {
    let known = |edge: &Edge| -> Vec<(String, u64)> {
        edge.discovery().unwrap().tables().map(|it| (it.table.clone(), it.events)).collect()
    };
    let note = |edge: &mut Edge, target: &str, status: u16, body: &str| {
        let ambient = Ambient { now_ms: 0, entropy: [0; 32] };
        let head = Head { method: "POST", target, headers: &[], ambient };
        let answer = Response { status, ..Response::refused(Refusal::INTERNAL) };
        discover(edge, &head, body.as_bytes(), &answer);
    };
    let mut edge = discovering(false);
    note(&mut edge, "/web/pages", 200, r#"{"events": [{"a": 1}, {"b": 2}]}"#);
    note(&mut edge, "/public/web/pages?x=1", 200, r#"{"a": 1}"#);
    note(&mut edge, "/v1/e", 200, r#"{"events": [{"table": "web.pages", "c": 1}, {"table": "web.other"}]}"#);
    note(&mut edge, "/web/pages", 401, r#"{"events": [{"secret": 1}]}"#);
    note(&mut edge, "/web/other", 404, r#"{"events": [{"a": 1}]}"#);
    note(&mut edge, "/v1/personalize", 200, r#"{"audience": "7"}"#);
    assert_eq!(known(&edge), [("pages".to_owned(), 4)]);
    let columns: Vec<&str> =
        edge.discovery().unwrap().tables().next().unwrap().columns.iter().map(|it| &*it.name).collect();
    assert_eq!(columns, ["a", "b", "c"]);
    let mut edge = discovering(true);
    note(&mut edge, "/web/other", 404, r#"{"events": [{"a": 1}]}"#);
    assert_eq!(known(&edge), [("other".to_owned(), 1)]);
}
