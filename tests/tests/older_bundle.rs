//! A writer never writes a profile with an older bundle than the profile's last writer had: it catches up first, and where it
//! cannot, it refuses and stores nothing. Two edges here share one store, as two instances of a host do.

use usher_edge::store::memory::MemoryStore;
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure, Write};
use usher_edge::{Ambient, Edge, Request, Store, refresh, serve};
use usher_tests::deployment::Keys;

const AUDIENCE: &str = "1069944";

/// The store of both, and what fails of it.
#[derive(Default)]
struct Shared {
    memory: MemoryStore,
    /// True while the control object does not answer.
    is_alone: bool,
    commits: usize,
}

impl Store for Shared {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        match read {
            Read::Pointers
            | Read::Releases { .. }
            | Read::Release { .. }
            | Read::Bundle { .. }
            | Read::Written
                if self.is_alone =>
            {
                Err(StoreFailure("the control object is away".to_owned()))
            }
            _ => self.memory.read(read),
        }
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.memory.stage(basis, write)
    }

    fn undo(&mut self) {
        self.memory.undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.commits += 1;
        self.memory.commit(basis, write)
    }
}

/// The counters of a bundle: each by its name.
fn bundle(counters: &[&str]) -> String {
    let counter = |name: &&str| {
        format!(
            r#"{{"name":"{name}","sensitive":false,"kind":{{"counter":{{"key_event":"view","increment":{{"constant":1}}}}}}}}"#
        )
    };
    let counters: Vec<String> = counters.iter().map(counter).collect();
    format!(
        r#"{{"format":2,"definition":{{"audience":{{"id":"{AUDIENCE}"}},"attributes":[{},{{"name":"tier","sensitive":false,"kind":{{"batch":{{"column":"tier"}}}}}}],
            "key_events":[{{"name":"view","table":{{"database":"web","table":"pageviews"}}}}],
            "identity":{{"primary_key":"td_client_id","keys":[{{"name":"td_client_id"}}]}}}}}}"#,
        counters.join(",")
    )
}

fn edge(store: &mut Shared) -> Edge {
    let mut edge = Edge::new(Some(&Keys::demo().secret()), true);
    refresh(&mut edge, store, &mut |_| ());
    edge
}

/// Status and body of an answer.
fn ask(
    edge: &mut Edge,
    store: &mut Shared,
    caller: &str,
    method: &str,
    target: &str,
    body: &str,
) -> (u16, String) {
    let now_ms = 1_790_000_000_000;
    let headers = Keys::demo().headers(caller, now_ms / 1_000);
    let ambient = Ambient { now_ms, entropy: [7; 32] };
    let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
    let response = serve(edge, store, &request, &mut |_| ());
    (response.status, String::from_utf8_lossy(&response.body).into_owned())
}

fn publish(edge: &mut Edge, store: &mut Shared, counters: &[&str]) {
    let target = format!("/v1/audiences/{AUDIENCE}/bundle");
    let (status, body) = ask(edge, store, "admin", "PUT", &target, &bundle(counters));
    assert_eq!(status, 200, "{body}");
}

fn view(edge: &mut Edge, store: &mut Shared) -> u16 {
    ask(edge, store, "collector", "POST", "/web/pageviews", r#"{"events":[{"td_client_id":"v"}]}"#).0
}

fn import(edge: &mut Edge, store: &mut Shared) -> u16 {
    let target = format!("/v1/audiences/{AUDIENCE}/profiles/import");
    ask(edge, store, "server", "POST", &target, r#"{"td_client_id":"v","tier":"Gold"}"#).0
}

/// The visitor's attributes, as an up-to-date edge explains them.
fn known(store: &mut Shared) -> String {
    let mut edge = edge(store);
    let body = format!(r#"{{"audience":"{AUDIENCE}","key":{{"name":"td_client_id","value":"v"}}}}"#);
    let (status, body) = ask(&mut edge, store, "server", "POST", "/v1/explain", &body);
    assert_eq!(status, 200, "{body}");
    let (_, attributes) = body.split_once(r#""attributes":"#).expect("attributes");
    attributes.split_once(r#"}},"#).map_or(attributes, |(before, _)| before).to_owned()
}

#[test]
fn a_writer_that_is_behind_catches_up_before_it_writes() {
    let mut store = Shared::default();
    let mut behind = edge(&mut store);
    publish(&mut behind, &mut store, &["old"]);
    assert_eq!(view(&mut behind, &mut store), 200);
    // Another one publishes and writes; this one hears nothing of it.
    let mut ahead = edge(&mut store);
    publish(&mut ahead, &mut store, &["old", "new"]);
    assert_eq!(view(&mut ahead, &mut store), 200);
    assert_eq!(view(&mut behind, &mut store), 200);
    let seen = known(&mut store);
    // The bundle of before does not know `new`: it would have counted one.
    assert!(seen.contains(r#""old":{"value":3"#) && seen.contains(r#""new":{"value":2"#), "{seen}");
}

#[test]
fn a_writer_that_cannot_catch_up_stores_nothing() {
    let mut store = Shared::default();
    let mut behind = edge(&mut store);
    publish(&mut behind, &mut store, &["old"]);
    let mut ahead = edge(&mut store);
    publish(&mut ahead, &mut store, &["old", "new"]);
    assert_eq!((view(&mut ahead, &mut store), import(&mut ahead, &mut store)), (200, 200));
    let before = (known(&mut store), store.commits);
    store.is_alone = true;
    assert_eq!((view(&mut behind, &mut store), import(&mut behind, &mut store)), (503, 503));
    assert_eq!(store.commits, before.1, "nothing is written");
    // Visitors whom no newer bundle wrote are its own.
    let other = r#"{"events":[{"td_client_id":"other"}]}"#;
    assert_eq!(ask(&mut behind, &mut store, "collector", "POST", "/web/pageviews", other).0, 200);
    store.is_alone = false;
    assert_eq!(known(&mut store), before.0);
    assert_eq!(view(&mut behind, &mut store), 200);
}
