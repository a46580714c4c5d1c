//! The service in front of a store in memory: bundles and bodies come in by its routes.

use sha2::{Digest, Sha256};
use usher_edge::store::memory::MemoryStore;
use usher_edge::{Ambient, Edge, Request, serve};

use crate::Answer;

const NOW_MS: i64 = 1_790_000_000_000;
const SHOP: &[u8] = include_bytes!("../../../../edge-worker/golden/shop.json");
const PROFILES: &[u8] = include_bytes!("../../../../examples/shop/profiles.ndjson");
const WRITE: &str = "1/d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";
const SERVER: &str = "1/5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
const ADMIN: &str = "usher-demo-admin-key-not-for-production";
const TOKEN: &str = "1/demo/22222222222222222222222222222222";

/// A running service, whose bundle nothing changes.
pub(crate) struct Service {
    edge: Edge,
    store: MemoryStore,
}

impl Service {
    pub(crate) fn start() -> Service {
        let (mut edge, mut store) = (new_edge(), MemoryStore::default());
        let put = call(&mut edge, &mut store, "PUT /v1/audiences/1069944/bundle", ADMIN, SHOP);
        let import =
            call(&mut edge, &mut store, "POST /v1/audiences/1069944/profiles/import", SERVER, PROFILES);
        assert!(put.0 == 200 && import.0 == 200, "the example runs");
        Service { edge, store }
    }

    /// A batch of events, which is answered by receipts.
    pub(crate) fn batch(&mut self, body: &[u8]) -> Answer {
        self.many(body, &[("POST /web/add_to_cart", WRITE)])
    }

    /// Rows that come twice: the second time everybody is known.
    pub(crate) fn import(&mut self, body: &[u8]) -> Answer {
        let import = ("POST /v1/audiences/1069944/profiles/import", SERVER);
        self.many(body, &[import, import])
    }

    fn many(&mut self, body: &[u8], requests: &[(&str, &str)]) -> Answer {
        let mut store = self.store.clone();
        let mut told = Told::default();
        for (request, key) in requests {
            let (status, answer) = call(&mut self.edge, &mut store, request, key, body);
            let text = String::from_utf8_lossy(&answer);
            let reason = text.split_once("\"reason\":\"").and_then(|(_, rest)| rest.split_once('"'));
            told.label.push_str(reason.map_or("", |(reason, _)| reason));
            for word in ["no_usable_key", "value_refused", "duplicate", "time_in_future", "\"success\":false"]
            {
                told.label.push_str(if text.contains(word) { word } else { "" });
            }
            told.add((status, answer));
        }
        told.answer()
    }

    /// A body to every route that takes one event or question; events come twice, because the second is a duplicate.
    pub(crate) fn event(&mut self, body: &[u8]) -> Answer {
        let mut store = self.store.clone();
        let mut told = Told::default();
        for (request, key) in [
            ("POST /web/pageviews+token", WRITE),
            ("POST /web/pageviews+token", WRITE),
            ("POST /web/add_to_cart+token", SERVER),
            ("POST /v1/personalize", SERVER),
            ("POST /v1/explain", SERVER),
        ] {
            told.add(call(&mut self.edge, &mut store, request, key, body));
        }
        told.answer()
    }
}

/// A bundle to a fresh service; one that runs meets an event, a lookup, and is asked for what it was.
pub(crate) fn bundle(body: &[u8]) -> Answer {
    let (mut edge, mut store) = (new_edge(), MemoryStore::default());
    let mut told = Told::default();
    let put = call(&mut edge, &mut store, "PUT /v1/audiences/1069944/bundle", ADMIN, body);
    let runs = put.0 == 200;
    told.add(put);
    if runs {
        let event = br#"{"td_client_id":"a","customer_id":"c","td_path":"/product/P-1","product_id":"P-1","price":25,"uuid":"e1","time":1789999999}"#;
        let lookup = br#"{"audience":"1069944","key":{"name":"td_client_id","value":"a"},"event":{"database":"web","table":"pageviews","columns":{"price":25}}}"#;
        told.add(call(&mut edge, &mut store, "POST /web/pageviews+token", WRITE, event));
        told.add(call(&mut edge, &mut store, "POST /web/add_to_cart+token", SERVER, event));
        told.add(call(&mut edge, &mut store, "POST /v1/explain", SERVER, lookup));
        let (status, got) = call(&mut edge, &mut store, "GET /v1/audiences/1069944/bundle", ADMIN, b"");
        told.add((status, got[..got.len().min(64)].to_vec()));
    }
    told.answer()
}

/// The answers, in their order.
#[derive(Default)]
struct Told {
    label: String,
    content: String,
}

impl Told {
    fn add(&mut self, (status, body): (u16, Vec<u8>)) {
        assert!(status != 500, "the service is never at fault");
        let word = match status {
            200 => "ok ",
            400 => "bad ",
            404 => "unknown ",
            413 => "large ",
            _ => "other ",
        };
        self.label.push_str(word);
        let body = String::from_utf8_lossy(&body);
        if matches!(status, 400..500) && body.len() < 600 {
            self.label.push_str(&body);
        }
        self.content.push_str(&format!("{status} {body}\n"));
    }

    fn answer(self) -> Answer {
        Answer::new(self.label, self.content)
    }
}

fn new_edge() -> Edge {
    let hash = |key: &str| {
        Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let secret = format!(
        r#"{{"signing_key":"{}","keys":[
            {{"kind":"write","sha256":"{}","account":"1","audience":"*","origins":["http://127.0.0.1:8787"]}},
            {{"kind":"server","sha256":"{}","account":"1","audience":"*","scopes":["personalize","sensitive","import","explain"]}},
            {{"kind":"admin","sha256":"{}","audience":"*"}},
            {{"kind":"token","sha256":"{}","account":"1","audience":"1069944"}}]}}"#,
        "07".repeat(32),
        hash(WRITE),
        hash(SERVER),
        hash(ADMIN),
        hash(TOKEN)
    );
    let edge = Edge::new(Some(&secret), true);
    assert!(edge.complaint().is_none(), "the keys are usable");
    edge
}

/// `METHOD /path`, with `+token` behind it where a token goes along.
fn call(edge: &mut Edge, store: &mut MemoryStore, request: &str, key: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (method, path) = request.split_once(' ').unwrap_or_default();
    let (target, token) = path.strip_suffix("+token").map_or((path, false), |target| (target, true));
    let mut headers = vec![("authorization".to_owned(), format!("TD1 {key}"))];
    if token {
        headers.push(("wp13n-token".to_owned(), TOKEN.to_owned()));
    }
    let ambient = Ambient { now_ms: NOW_MS, entropy: [7; 32] };
    let response =
        serve(edge, store, &Request { method, target, headers: &headers, body, ambient }, &mut |_| ());
    (response.status, response.body)
}
