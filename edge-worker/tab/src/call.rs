//! A request and rows, as JavaScript gives them.

use js_sys::{Array, Uint8Array};
use usher_edge::host::known_headers;
use usher_edge::{Ambient, CALLERS_REQUEST_ID, Request, request_id};
use wasm_bindgen::prelude::*;

/// A request without its body.
#[wasm_bindgen]
pub struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    ambient: Ambient,
}

#[wasm_bindgen]
impl Call {
    /// A request of `method` to `target`, path and query. `headers` is a list of `[name, value]`, names in lower case; `now_ms` is
    /// the time in Unix milliseconds, and `entropy` has 32 random bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(method: String, target: String, headers: &Array, now_ms: f64, entropy: &[u8]) -> Call {
        let mut random = [0; 32];
        random.iter_mut().zip(entropy).for_each(|(byte, entropy)| *byte = *entropy);
        let ambient = Ambient { now_ms: whole(now_ms), entropy: random };
        Call { method, target, headers: known(headers), ambient }
    }
}

impl Call {
    pub(crate) fn request<'c>(&'c self, body: &'c [u8]) -> Request<'c> {
        let Call { method, target, headers, ambient } = self;
        Request { method, target, headers, body, ambient: *ambient }
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> String {
        let sent = self.headers.iter().find(|(name, _)| name == CALLERS_REQUEST_ID);
        request_id(sent.map(|(_, id)| id.as_str()), &self.ambient)
    }
}

/// A list of `[key, value]` as pairs of bytes.
pub(crate) fn rows(list: &Array) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let bytes = |value: JsValue| value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
    list.iter().filter_map(move |pair| {
        let pair = Array::from(&pair);
        Some((bytes(pair.get(0))?, bytes(pair.get(1))?))
    })
}

/// A list of `[name, value]` as pairs of texts. Only the headers that the service reads: a caller says nothing about where it
/// is.
fn known(list: &Array) -> Vec<(String, String)> {
    let is_known = |name: &String| name == CALLERS_REQUEST_ID || known_headers().any(|known| known == name);
    let pair = |pair: JsValue| {
        let pair = Array::from(&pair);
        Some((pair.get(0).as_string().filter(is_known)?, pair.get(1).as_string()?))
    };
    list.iter().filter_map(pair).collect()
}

/// A number of JavaScript as a whole one.
#[expect(clippy::cast_possible_truncation, reason = "times of JavaScript are whole numbers below 2^53")]
pub(crate) fn whole(number: f64) -> i64 {
    number as i64
}
