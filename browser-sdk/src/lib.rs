//! The engine on a visitor's device. One crossing in, one out, as bytes.

use usher_edge::device;
use wasm_bindgen::prelude::*;

/// A tenth of the module smaller than the standard library's.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The engine with a program.
#[wasm_bindgen]
pub struct Device(device::Device);

#[wasm_bindgen]
impl Device {
    /// Takes a program of the edge that serves this file.
    #[wasm_bindgen(constructor)]
    pub fn new(program: &[u8]) -> Result<Device, JsError> {
        device::Device::new(program).map(Device).map_err(|unusable| JsError::new(&unusable.to_string()))
    }

    /// Takes an extract in the place of what was known of the visitor.
    pub fn load(&mut self, extract: &[u8]) -> Result<(), JsError> {
        self.0.load(extract).map_err(|unusable| JsError::new(&unusable.to_string()))
    }

    /// Answers a request, JSON in UTF-8 each.
    pub fn decide(&mut self, request: &[u8]) -> Result<Vec<u8>, JsError> {
        self.0.decide(request).map_err(JsError::new)
    }
}
