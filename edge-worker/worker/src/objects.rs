//! The Durable Objects, and the key-value store for copies.

use js_sys::Uint8Array;
use worker::kv::KvStore;
use worker::{Env, Method, Request, RequestInit, Response, Result, Stub};

use crate::edge::setting;
use crate::log;
use crate::patience::patiently;

/// The writer of a shard.
///
/// # Errors
///
/// If the Worker has no such binding.
pub(crate) fn writer(env: &Env, shard: u32) -> Result<Stub> {
    at(env, &format!("shard-{shard}"))
}

/// The control object, which stores the bundles and their pointers.
///
/// # Errors
///
/// If the Worker has no such binding.
pub(crate) fn control(env: &Env) -> Result<Stub> {
    at(env, "control")
}

/// An object; the platform reads the hint when it makes it.
fn at(env: &Env, name: &str) -> Result<Stub> {
    let objects = env.durable_object("USHER_STORE")?;
    match setting(env, "USHER_LOCATION_HINT").as_str() {
        "" => objects.get_by_name(name),
        hint => objects.get_by_name_with_location_hint(name, hint),
    }
}

/// The host is nobody's. What follows is the id of the request, which costs less there than in a header.
const ADDRESS: &str = "http://store/";

/// The id of the request for which an object was sent a message; empty for none.
pub(crate) fn request_id_of(request: &Request) -> String {
    request.inner().url().strip_prefix(ADDRESS).unwrap_or_default().to_owned()
}

/// Takes a message to an object, for the request with this id; an empty one for none.
///
/// # Errors
///
/// If the object does not answer.
pub(crate) async fn send(object: Result<Stub>, message: &[u8], request_id: &str) -> Result<Response> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(Uint8Array::from(message).into()));
    object?.fetch_with_request(Request::new_with_init(&format!("{ADDRESS}{request_id}"), &init)?).await
}

/// A value from the key-value store; None if there is none, or the store fails or is slow.
pub(crate) async fn copy(env: &Env, name: &str, request_id: &str) -> Option<Vec<u8>> {
    let asked = async { store(env)?.get(name).bytes().await.map_err(Into::into) };
    quiet(request_id, "kv_failed", patiently(asked).await?).flatten()
}

/// Stores a value, for this many seconds or for good.
///
/// # Errors
///
/// If the store fails.
pub(crate) async fn put_copy(env: &Env, name: &str, value: &[u8], seconds: Option<u64>) -> Result<()> {
    let put = store(env)?.put_bytes(name, value)?;
    let put = if let Some(seconds) = seconds { put.expiration_ttl(seconds) } else { put };
    Ok(put.execute().await?)
}

/// Deletes a value. One that stays only takes space, or expires.
pub(crate) async fn drop_copy(env: &Env, name: &str, request_id: &str) {
    let deleted = async { Ok(store(env)?.delete(name).await?) };
    if let Some(deleted) = patiently(deleted).await {
        quiet(request_id, "kv_failed", deleted);
    }
}

fn store(env: &Env) -> Result<KvStore> {
    env.kv("USHER_KV")
}

/// The result; a failure is logged, with the id of the request that met it, or an empty one.
pub(crate) fn quiet<T>(request_id: &str, event: &'static str, result: Result<T>) -> Option<T> {
    result.inspect_err(|error| log::fault(request_id, event, &error.to_string())).ok()
}
