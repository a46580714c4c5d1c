//! Bodies: counted while they are read, inflated where they are packed, and never more than the service takes.

use std::io::Read;

use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{EXPECT, HeaderMap, HeaderValue};
use tokio::time::timeout;
use usher_edge::Refusal;
use usher_edge::limits::BATCH_BYTES_MAX;

use crate::limits::{BODY_PAUSE, BODY_TIME, DISCARDED_BYTES_MAX};

/// A body as it was sent. Of one that is too large there is one byte more than the service takes, so that the service
/// refuses it in the words of its route, after it has looked at the key.
pub(super) async fn read(body: Incoming, headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    timeout(BODY_TIME, collect(body, headers)).await.unwrap_or(Err(Refusal::TIMEOUT))
}

async fn collect(mut body: Incoming, headers: &HeaderMap) -> Result<Vec<u8>, Refusal> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > BATCH_BYTES_MAX && headers.contains_key(EXPECT) {
        // It asked before it sent; nothing needs to be thrown away.
        return Ok(vec![0; BATCH_BYTES_MAX + 1]);
    }
    let mut bytes = Vec::new();
    let mut discarded = 0;
    while let Some(frame) = timeout(BODY_PAUSE, body.frame()).await.map_err(|_| Refusal::TIMEOUT)? {
        // A caller that went away reads no answer.
        let data = frame.map_err(|_| Refusal::BODY_INVALID)?.into_data().unwrap_or_else(|_| Bytes::new());
        let room = (BATCH_BYTES_MAX + 1).saturating_sub(bytes.len());
        let (kept, rest) = data.split_at(room.min(data.len()));
        bytes.extend_from_slice(kept);
        discarded += rest.len();
        if discarded > DISCARDED_BYTES_MAX {
            break;
        }
    }
    Ok(bytes)
}

/// What was packed, under the same bound. An encoding that is not known is left to the service to refuse.
pub(super) async fn inflate(body: Vec<u8>, encoding: Option<&HeaderValue>) -> Result<Vec<u8>, Refusal> {
    let encoding = encoding.map_or("identity", |value| value.to_str().unwrap_or("").trim());
    let packed = encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip");
    if !packed || body.len() > BATCH_BYTES_MAX {
        return Ok(body);
    }
    // Milliseconds of work; other connections go on meanwhile.
    tokio::task::spawn_blocking(move || unpack(&body)).await.unwrap_or_default().ok_or(Refusal::EVENT_INVALID)
}

/// One member, and nothing after it.
fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than the bound is enough to see that it is over it, however much would follow.
    let bound = BATCH_BYTES_MAX as u64 + 1;
    GzDecoder::new(&mut packed).take(bound).read_to_end(&mut bytes).ok()?;
    (packed.is_empty() || bytes.len() > BATCH_BYTES_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_bound_counts_what_was_inflated() {
        assert_eq!(unpack(&packed(b"{}")).as_deref(), Some(&b"{}"[..]));
        let inflated = |bytes| unpack(&packed(&vec![b' '; bytes])).map(|inflated| inflated.len());
        assert_eq!(inflated(BATCH_BYTES_MAX), Some(BATCH_BYTES_MAX));
        assert_eq!(inflated(2 * BATCH_BYTES_MAX), Some(BATCH_BYTES_MAX + 1));
    }

    #[test]
    fn a_pack_is_one_whole_member_and_nothing_after_it() {
        let whole = packed(b"{\"events\":[]}");
        assert_eq!(unpack(&[packed(b"{"), packed(b"}")].concat()), None);
        assert_eq!(unpack(&[&whole[..], b"\0"].concat()), None);
        assert_eq!(unpack(&whole[..whole.len() - 1]), None);
        assert_eq!(unpack(b"{}"), None);
        assert_eq!(unpack(b""), None);
    }
}
