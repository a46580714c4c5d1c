//! The service in a browser tab. A request goes in; its answer comes out, with the rows that must be stored before the answer
//! is given away.
//!
//! All rows are in memory, and their owner in JavaScript keeps the same rows in IndexedDB (`edge-worker/tab/entry`). It stores
//! the changed rows of a request in one transaction and answers then. Where that fails, it drops this edge with everything
//! that it holds, and makes another one from what is stored.

mod call;
mod served;
mod store;

use js_sys::Array;
use usher_edge::limits::BATCH_BYTES_MAX;
use usher_edge::log::{Line, Record};
use usher_edge::{Edge, Refusal, Took, front, preview_token, refresh, serve};
use wasm_bindgen::prelude::*;

use call::{Call, whole};
use served::Served;
use store::RowStore;

/// A tenth of the module smaller than the standard library's.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The service with its keys, its bundles and all rows.
#[wasm_bindgen]
pub struct TabEdge {
    edge: Edge,
    store: RowStore,
    secret: String,
}

#[wasm_bindgen]
impl TabEdge {
    /// An edge with these keys, as `USHER_KEYS` has them, and these rows, a list of `[key, value]` as bytes; undefined if
    /// they cannot be read. Keys of the public demo are accepted.
    #[wasm_bindgen(constructor)]
    pub fn new(secret: String, rows: Option<Array>) -> TabEdge {
        let mut store = rows.map_or_else(RowStore::unreadable, |rows| RowStore::of(call::rows(&rows)));
        let mut edge = Edge::new(Some(&secret), true);
        edge.keep_metrics();
        // Rows of a newer build are answered 503, and not read.
        if edge.meet_form(store.form()).is_some() {
            refresh(&mut edge, &mut store, &mut |_| {});
        }
        TabEdge { edge, store, secret }
    }

    /// Serves a request with this body to its end. The body is undefined if it is not what its encoding says. With `stores` false
    /// nothing is written, because it could not be stored, and the answer says so.
    pub fn serve(&mut self, call: Call, body: Option<Vec<u8>>, stores: bool) -> Served {
        let request = call.request(body.as_deref().unwrap_or_default());
        let id = call.id();
        let mut log = Vec::new();
        self.store.writes = stores;
        let response = match body {
            Some(_) => serve(&mut self.edge, &mut self.store, &request, &mut |line: &Line| {
                log.push(Record { request_id: &id, ..line.record() }.to_json());
            }),
            None => front::failed(&self.edge, &request.head(), Refusal::EVENT_INVALID),
        };
        front::count(&mut self.edge, &request.head(), &response, Took::default());
        Served::new(response.with_request_id(&id), self.store.take_changes(self.edge.form()), log)
    }

    /// The answer to a request during which an edge trapped.
    pub fn failed(&self, call: Call) -> Served {
        let response = front::failed(&self.edge, &call.request(&[]).head(), Refusal::INTERNAL);
        Served::new(response.with_request_id(&call.id()), Vec::new(), Vec::new())
    }

    /// A token with which a page of this audience may ask for explanations. `expires` and `now` are Unix seconds.
    #[wasm_bindgen(js_name = previewToken)]
    pub fn preview_token(&self, audience: &str, expires: f64, now: f64) -> Result<String, JsError> {
        preview_token(&self.secret, audience, whole(expires), whole(now))
            .map_err(|refused| JsError::new(&refused))
    }

    /// The largest body that any route takes, in bytes.
    #[wasm_bindgen(js_name = bodyBytesMax)]
    pub fn body_bytes_max() -> usize {
        BATCH_BYTES_MAX
    }
}
