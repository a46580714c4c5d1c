//! Calls to JavaScript that the `worker` crate does not wrap.

use js_sys::{Array, Date, Function, Promise, Reflect, Uint8Array};
use usher_edge::Ambient;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// The time, and fresh randomness.
///
/// # Errors
///
/// If the platform gives none.
pub(crate) fn ambient() -> Result<Ambient, JsValue> {
    let mut entropy = [0; 32];
    get_random_values(&mut entropy)?;
    #[expect(clippy::cast_possible_truncation, reason = "a date in milliseconds is a whole number")]
    let now_ms = Date::now() as i64;
    Ok(Ambient { now_ms, entropy })
}

/// Calls a method by its name.
///
/// # Errors
///
/// The value that it throws; a type error if there is no such method.
pub(crate) fn call(object: &JsValue, name: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = property(object, name)?.dyn_into()?;
    method.apply(object, &arguments.iter().copied().collect::<Array>())
}

/// The same, and waits for its promise.
///
/// # Errors
///
/// The value that it throws, or the reason of a promise that was rejected.
pub(crate) async fn call_and_wait(
    object: &JsValue,
    name: &str,
    arguments: &[&JsValue],
) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(&call(object, name, arguments)?)).await
}

/// The next part of a stream, by its reader; None at its end.
///
/// # Errors
///
/// If the stream breaks off.
pub(crate) async fn next_part(reader: &JsValue) -> Result<Option<Uint8Array>, JsValue> {
    let read = call_and_wait(reader, "read", &[]).await?;
    if property(&read, "done")?.is_truthy() {
        return Ok(None);
    }
    property(&read, "value")?.dyn_into().map(Some)
}

/// A property by its name; `undefined` if there is none.
///
/// # Errors
///
/// If this is no object.
pub(crate) fn property(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(object, &name.into())
}

/// A new object of a global class.
///
/// # Errors
///
/// If there is no such class, and what its constructor throws.
pub(crate) fn construct(class: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let class: Function = property(&js_sys::global(), class)?.dyn_into()?;
    Reflect::construct(&class, &[argument].into_iter().collect::<Array>())
}

/// A thrown value as text, for the log.
pub(crate) fn shown(thrown: &JsValue) -> String {
    let message = property(thrown, "message").ok().and_then(|message| message.as_string());
    message.or_else(|| thrown.as_string()).unwrap_or_else(|| "an exception".to_owned())
}
