//! An answer, as JavaScript takes it.

use js_sys::{Array, Uint8Array};
use usher_edge::Response;
use wasm_bindgen::prelude::*;

use crate::store::Change;

/// An answer, and the rows to store before it is given away.
#[wasm_bindgen]
pub struct Served {
    response: Response,
    changes: Vec<Change>,
    log: Vec<String>,
}

impl Served {
    pub(crate) fn new(response: Response, changes: Vec<Change>, log: Vec<String>) -> Served {
        Served { response, changes, log }
    }
}

#[wasm_bindgen]
impl Served {
    /// The status.
    #[wasm_bindgen(getter)]
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// The headers, a list of `[name, value]`.
    #[wasm_bindgen(getter)]
    pub fn headers(&self) -> Array {
        let pair =
            |(name, value): &(&'static str, String)| Array::of2(&(*name).into(), &value.as_str().into());
        self.response.headers.iter().map(pair).collect()
    }

    /// The body.
    #[wasm_bindgen(getter)]
    pub fn body(&self) -> Uint8Array {
        self.response.body.as_slice().into()
    }

    /// The changed rows, a list of `[key, value]`; a row without a value is to be deleted.
    #[wasm_bindgen(getter)]
    pub fn changes(&self) -> Array {
        let pair = |(key, value): &Change| {
            let value =
                value.as_ref().map_or(JsValue::UNDEFINED, |value| Uint8Array::from(value.as_slice()).into());
            Array::of2(&Uint8Array::from(key.as_slice()), &value)
        };
        self.changes.iter().map(pair).collect()
    }

    /// Lines for the log, each a JSON object.
    #[wasm_bindgen(getter)]
    pub fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}
