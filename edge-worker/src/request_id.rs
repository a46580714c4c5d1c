//! The id of a request: a header of its answer, and a field of each line of the log that is about it.

use crate::message::Ambient;
use crate::wire::Response;
use crate::wire::hex::hex;

/// The header of every answer.
pub const REQUEST_ID: &str = "usher-request-id";
/// The header in which a proxy or a caller's own program may have named the request already.
pub const CALLERS_REQUEST_ID: &str = "x-request-id";

/// The id of a request: its caller's, if that is a UUID or 32 hexadecimal digits, as proxies and tracers make them; otherwise
/// one of its own. So an id is never a text, and a log has nothing that a caller could say with one.
///
/// # Examples
///
/// ```
/// use usher_edge::{Ambient, request_id};
///
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let sent = "7d9f4bce-54a1-4b5c-9b3e-0a6d1f2e3c4b";
/// assert_eq!(request_id(Some(sent), &ambient), sent);
/// assert_eq!(request_id(Some("anna@shop.example"), &ambient), "07070707070707070707070707070707");
/// ```
pub fn request_id(sent: Option<&str>, ambient: &Ambient) -> String {
    if let Some(sent) = sent.filter(|sent| is_id(sent)) {
        return sent.to_owned();
    }
    // Not the half that seeds hashes, because callers see this one.
    let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = ambient.entropy;
    hex(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// True for 32 hexadecimal digits, or those of a UUID with its hyphens.
///
/// # Examples
///
/// ```
/// assert!(usher_edge::is_id("5f0c41d2-a7b3-e8d0-5f0c-41d2a7b3e8d0"));
/// assert!(!usher_edge::is_id("order-1"));
/// ```
pub fn is_id(text: &str) -> bool {
    if text.len() > UUID_CHARACTERS {
        return false;
    }
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    matches!(lengths.as_slice(), [32] | [8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

const UUID_CHARACTERS: usize = 36;

impl Response {
    /// Names the request that is answered. A host does so with every answer, as the last thing; an empty id names none.
    pub fn with_request_id(self, id: &str) -> Response {
        if id.is_empty() { self } else { self.header(REQUEST_ID, id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_hexadecimal_digits_as_proxies_make_them() {
        for id in ["0123456789abcdefABCDEF0123456789", "7D9F4BCE-54a1-4b5c-9b3e-0a6d1f2e3c4b"] {
            assert!(is_id(id), "{id}");
        }
        for other in [
            "",
            "7d9f4bce",
            "7d9f4bce-54a1-4b5c-9b3e-0a6d1f2e3c4",
            "7d9f4bce-54a1-4b5c-9b3e-0a6d1f2e3c4b-",
            "7d9f4bce54a1-4b5c-9b3e-0a6d-1f2e3c4b",
            "0123456789abcdefghijklmnopqrstuv",
            "0123456789abcdef0123456789abcdef0",
            "0123456789abcdef0123456789abcdéf",
        ] {
            assert!(!is_id(other), "{other}");
        }
    }
}
