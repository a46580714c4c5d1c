//! Trials of whole processes on one store: requests in, answers out, and other hands on the database.

mod damage;
mod deliveries;
mod doubt;
mod parts;
mod renewal;
mod rows;
mod two_writers;
mod upkeep;

use std::cell::Cell;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use usher_config::Source;
use usher_edge::{Ambient, Edge, Request, Response, Store, serve};

const DEFINITION: &str = r#"
parent_segment_id: "7"
events:
  - {name: view, database: web, table: views, filter: {field: ref, pattern: "."}}
attributes:
  - {name: views, type: counter, source_event: view, aggregation: count, sensitivity: non-sensitive}
  - {name: tier, type: imported_batch, column: tier, data_type: string, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: cookie}, {name: customer_id}]
"#;

const SERVICE: &str = r#"
parent_segment_id: "7"
personalization_service:
  name: home
  sections: [{name: all, criteria: "", attributes: [views, tier]}]
"#;

/// A process with its own edge.
struct Writer<S> {
    edge: Edge,
    store: S,
    calls: Rc<Cell<u64>>,
}

impl<S: Store> Writer<S> {
    /// Starts on what the store holds. `calls` makes the requests of several processes differ.
    fn start(mut store: S, calls: &Rc<Cell<u64>>) -> Writer<S> {
        let mut edge = edge();
        usher_edge::refresh(&mut edge, &mut store, &mut |_| {});
        Writer { edge, store, calls: Rc::clone(calls) }
    }

    /// By the key that the route wants.
    fn ask(&mut self, method: &str, target: &str, body: &str) -> Response {
        self.calls.set(self.calls.get() + 1);
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.calls.get().to_le_bytes());
        let now_ms = 1_790_000_000_000 + i64::try_from(self.calls.get()).unwrap();
        let ambient = Ambient { now_ms, entropy };
        let headers = [authorization(target)];
        let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
        serve(&mut self.edge, &mut self.store, &request, &mut |_| {})
    }

    /// The offers of the visitor with this key.
    fn offer(&mut self, key: &str, value: &str) -> String {
        let key = format!(r#"{{"name":"{key}","value":"{value}"}}"#);
        let body = format!(r#"{{"audience":"7","personalization":"home","key":{key}}}"#);
        let answer = self.ask("POST", "/v1/personalize", &body);
        text(&answer).split(r#","meta""#).next().unwrap_or("").to_owned()
    }

    fn health(&mut self) -> String {
        let health = text(&self.ask("GET", "/healthz", ""));
        health.split(',').next().unwrap_or("").to_owned()
    }
}

/// An edge with a key of each kind, which is named as its kind.
pub(crate) fn edge() -> Edge {
    let record = |kind: &str, more: &str| {
        let hash: String = Sha256::digest(kind).iter().map(|byte| format!("{byte:02x}")).collect();
        format!(r#"{{"kind":"{kind}","audience":"7","sha256":"{hash}"{more}}}"#)
    };
    let records = [
        record("admin", ""),
        record("write", r#","account":"1""#),
        record("server", r#","account":"1","scopes":["personalize","import","erase"]"#),
    ];
    let secret = format!(r#"{{"signing_key":"{}","keys":[{}]}}"#, "07".repeat(32), records.join(","));
    let edge = Edge::new(Some(&secret), false);
    assert_eq!(edge.complaint(), None);
    edge
}

/// The header with the key that the route wants.
pub(crate) fn authorization(target: &str) -> (String, String) {
    let key = match target {
        _ if target.contains("/bundle") || target == "/v1/tick" => "admin",
        _ if target.starts_with("/v1") => "server",
        _ => "write",
    };
    ("authorization".to_owned(), format!("TD1 {key}"))
}

/// The bundle of the definition, in which every personalization of the home page has this name.
pub(crate) fn bundle(name: &str) -> String {
    bundle_of(DEFINITION, name)
}

fn bundle_of(definition: &str, name: &str) -> String {
    let source = |path: &str, text: &str| Source { name: path.to_owned(), text: text.replace("home", name) };
    let reading = usher_config::read(&[source("rt.yaml", definition), source("home.yaml", SERVICE)]);
    assert!(!reading.has_errors(), "{:?}", reading.findings);
    String::from_utf8(usher_edge::bundle_of(&reading.definition).expect("a bundle")).expect("text")
}

pub(crate) fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}
