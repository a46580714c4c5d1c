//! Bodies: counted while they are read, inflated where they are packed, and never more than the service takes.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{EXPECT, HeaderMap, HeaderValue};
use tokio::time::timeout;
use usher_edge::limits::BATCH_BYTES_MAX;
use usher_edge::{Refusal, Response};

/// How long a caller may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a body that is too large is still read, so that a caller that is sending gets to see its answer.
const DISCARDED_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// All of a body, or its refusal.
pub(super) async fn read(body: Incoming, headers: &HeaderMap) -> Result<Vec<u8>, Response> {
    match timeout(BODY_TIMEOUT, collect(body, headers)).await {
        Ok(result) => result,
        Err(_) => {
            let mut slow = Response::refused(Refusal::BODY_INVALID);
            slow.status = 408;
            Err(slow)
        }
    }
}

async fn collect(mut body: Incoming, headers: &HeaderMap) -> Result<Vec<u8>, Response> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > BATCH_BYTES_MAX && headers.contains_key(EXPECT) {
        // It asked before it sent; nothing needs to be thrown away.
        return Err(Response::refused(Refusal::TOO_LARGE));
    }
    let mut bytes = Vec::with_capacity(declared.min(BATCH_BYTES_MAX));
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Response::refused(Refusal::BODY_INVALID)) };
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        if discarded == 0 && bytes.len() + data.len() <= BATCH_BYTES_MAX {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
            discarded += data.len();
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
    }
    if discarded > 0 { Err(Response::refused(Refusal::TOO_LARGE)) } else { Ok(bytes) }
}

/// What was packed, under the same bound.
pub(super) async fn inflate(body: Vec<u8>, encoding: Option<&HeaderValue>) -> Result<Vec<u8>, Response> {
    let encoding = encoding.map_or("identity", |value| value.to_str().unwrap_or("").trim());
    if encoding.eq_ignore_ascii_case("identity") || encoding.is_empty() {
        return Ok(body);
    }
    if !encoding.eq_ignore_ascii_case("gzip") && !encoding.eq_ignore_ascii_case("x-gzip") {
        let mut unknown = Response::refused(Refusal::BODY_INVALID);
        unknown.status = 415;
        unknown.headers.push(("accept-encoding", "gzip".to_owned()));
        return Err(unknown);
    }
    // Milliseconds of work; other connections go on meanwhile.
    let unpacked = tokio::task::spawn_blocking(move || unpack(&body)).await;
    unpacked.unwrap_or(Err(Refusal::INTERNAL)).map_err(Response::refused)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // One byte more than the bound is enough to see that it is over it, however much would follow.
    let bound = BATCH_BYTES_MAX as u64 + 1;
    MultiGzDecoder::new(packed).take(bound).read_to_end(&mut bytes).map_err(|_| Refusal::BODY_INVALID)?;
    if bytes.len() > BATCH_BYTES_MAX { Err(Refusal::TOO_LARGE) } else { Ok(bytes) }
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
        assert_eq!(unpack(&packed(b"{}")), Ok(b"{}".to_vec()));
        let most = vec![b' '; BATCH_BYTES_MAX];
        assert_eq!(unpack(&packed(&most)).map(|bytes| bytes.len()), Ok(BATCH_BYTES_MAX));
        assert_eq!(unpack(&packed(&vec![b' '; BATCH_BYTES_MAX + 1])), Err(Refusal::TOO_LARGE));
        // Two members are one text; what is cut or no gzip is nothing.
        assert_eq!(unpack(&[packed(b"{"), packed(b"}")].concat()), Ok(b"{}".to_vec()));
        let whole = packed(b"{\"events\":[]}");
        assert_eq!(unpack(&whole[..whole.len() - 1]), Err(Refusal::BODY_INVALID));
        assert_eq!(unpack(b"{}"), Err(Refusal::BODY_INVALID));
    }
}
