//! The body of a request: whole, bounded, inflated.

use js_sys::Date;
use usher_edge::Refusal;
use wasm_bindgen::JsValue;
use worker::Request;

use crate::javascript::{call, construct, next_part};
use crate::limits::{DISCARD_MS, DISCARDED_BYTES_MAX, SMALL_BYTES_MAX};

/// A body that was not read yet, as its head declares it.
pub(crate) struct Body {
    /// Its length in bytes; None: it is not declared.
    declared: Option<usize>,
    is_packed: bool,
}

impl Body {
    pub(crate) fn of(request: &Request) -> Body {
        let header = |name| request.headers().get(name).ok().flatten();
        let coding = header("content-encoding").unwrap_or_default();
        let is_packed = ["gzip", "x-gzip"].iter().any(|known| coding.trim().eq_ignore_ascii_case(known));
        let length = header("content-length").map(|length| length.trim().parse().unwrap_or(usize::MAX));
        // Asked last, because it creates the body's stream.
        let declared = length.or_else(|| request.inner().body().is_none().then_some(0));
        Body { declared, is_packed }
    }

    /// True if it may be read before its caller is known.
    pub(crate) fn is_small(&self) -> bool {
        !self.is_packed && self.declared.is_some_and(|declared| declared <= SMALL_BYTES_MAX)
    }

    /// The bound of a small body that is read before its route is known: its own length.
    pub(crate) fn bound(&self) -> usize {
        self.declared.unwrap_or(0)
    }

    /// True if the declared length is over the bound of the route. 0: the route reads no body, and ignores one.
    pub(crate) fn is_over(&self, most: usize) -> bool {
        most > 0 && self.declared.is_some_and(|declared| declared > most)
    }

    /// Reads it, and at most one byte more than the bound, which is enough to refuse it.
    ///
    /// # Errors
    ///
    /// The refusal of a body that ended early, or is not one gzip member.
    pub(crate) async fn read(&self, request: &mut Request, most: usize) -> Result<Vec<u8>, Refusal> {
        if most == 0 || self.declared == Some(0) {
            return Ok(Vec::new());
        }
        if self.declared.is_some() && !self.is_packed {
            return request.bytes().await.map_err(|_| Refusal::EVENT_INVALID);
        }
        self.collect(request, most).await.map_err(|_| Refusal::EVENT_INVALID)
    }

    async fn collect(&self, request: &Request, most: usize) -> Result<Vec<u8>, JsValue> {
        let Some(stream) = request.inner().body() else { return Ok(Vec::new()) };
        let mut stream = JsValue::from(stream);
        if self.is_packed {
            let inflating = construct("DecompressionStream", &"gzip".into())?;
            stream = call(&stream, "pipeThrough", &[&inflating])?;
        }
        let reader = call(&stream, "getReader", &[])?;
        let mut bytes: Vec<u8> = Vec::new();
        let mut discarded = 0;
        while let Some(part) = next_part(&reader).await? {
            let length = part.length() as usize;
            let kept = length.min((most + 1).saturating_sub(bytes.len()));
            let end = bytes.len() + kept;
            bytes.resize(end, 0);
            if let (Ok(to), Some(into)) = (u32::try_from(kept), bytes.get_mut(end - kept..)) {
                part.subarray(0, to).copy_to(into);
            }
            // The rest is read only so far that the caller sees the answer.
            discarded += length - kept;
            if bytes.len() > most && (self.is_packed || discarded > DISCARDED_BYTES_MAX) {
                // Whatever becomes of the rest is of no interest.
                let _ = call(&reader, "cancel", &[]);
                break;
            }
        }
        Ok(bytes)
    }
}

/// Reads for a while and discards, because a caller does not see its answer while it is sending.
pub(crate) async fn discard(request: &Request) {
    let Some(stream) = request.inner().body() else { return };
    let until = Date::now() + DISCARD_MS;
    let read = async {
        let reader = call(&stream.into(), "getReader", &[])?;
        let mut discarded = 0;
        while let Some(part) = next_part(&reader).await? {
            discarded += part.length() as usize;
            if discarded > DISCARDED_BYTES_MAX || Date::now() > until {
                break;
            }
        }
        Ok::<_, JsValue>(())
    };
    // An error means that the caller disconnected.
    let _ = read.await;
}
