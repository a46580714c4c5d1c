//! Cuts the keys of a message into parts for one statement each.

use crate::limits::ASKED_BYTES_MAX;
use crate::message::KeyOf;

/// Parts of a list of keys, in order, each small enough for one statement; none of an empty list.
pub(super) fn cut<T>(list: &[T], key_of: impl Fn(&T) -> &KeyOf) -> Vec<&[T]> {
    // Beside its texts, what a check says of a key.
    const REST: usize = 80;
    let bytes_of = |text: &str| text.len() + 5 * text.bytes().filter(|byte| is_escaped(*byte)).count();
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, item) in list.iter().enumerate() {
        let KeyOf { audience, name, value } = key_of(item);
        let own = bytes_of(audience) + bytes_of(name) + bytes_of(value) + REST;
        if bytes + own > ASKED_BYTES_MAX && bytes > 0 {
            parts.extend(list.get(start..index));
            (start, bytes) = (index, 0);
        }
        bytes += own;
    }
    parts.extend(list.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

/// True for a byte that [`Json::text`](crate::wire::json::Json::text) may escape, in at most six. One of U+2028 and U+2029 begins with 0xe2.
fn is_escaped(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'"' | b'\\' | b'<' | 0xe2)
}
