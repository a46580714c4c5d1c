//! Bundles that trapped on installation, kept outside of the instance that a trap ends.
//!
//! They are not tried again: each trap costs the instance of the whole Worker.

use js_sys::{self, Reflect, Set};
use wasm_bindgen::{JsCast, JsValue};

/// A property of the global object: the hashes of bundles whose installation began and did not end.
const NAME: &str = "usherInstalling";

/// Runs the installation of a bundle. If it traps, the next instance finds the hash ([`trapped`]).
pub(crate) fn guarded<T>(hash: &str, install: impl FnOnce() -> T) -> T {
    let begun = begun();
    begun.add(&hash.into());
    let done = install();
    begun.delete(&hash.into());
    done
}

/// True if the bundle trapped in an earlier instance of this isolate.
pub(crate) fn trapped(hash: &str) -> bool {
    begun().has(&hash.into())
}

fn begun() -> Set {
    let global = js_sys::global();
    let known = Reflect::get(&global, &NAME.into()).ok().and_then(|known| known.dyn_into().ok());
    known.unwrap_or_else(|| {
        let made = Set::new(&JsValue::UNDEFINED);
        // Only a global object that is frozen refuses it; then a trap is tried again.
        let _ = Reflect::set(&global, &NAME.into(), &made);
        made
    })
}
