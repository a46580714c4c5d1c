//! Bodies: counted while they are read, inflated where they are packed, and never more than the caller may send.

use std::io::Read;
use std::time::Instant;

use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, EXPECT, HeaderMap};
use tokio::time::timeout;
use usher_edge::Refusal;

use super::room::Part;
use super::seats::Seat;
use crate::limits::{BODY_PAUSE, BODY_TIME, DISCARDED_BYTES_MAX};

/// The body of a caller who may send `most` bytes, inflated; or why there is none. Its seat knows what has come of it.
pub(super) async fn read(
    body: Incoming,
    headers: &HeaderMap,
    most: usize,
    room: &mut Part,
    seat: &Seat,
) -> Result<Vec<u8>, Refusal> {
    if most == 0 {
        // A route without a body does not mind one, and does not wait for it.
        discard(body, headers);
        return Ok(Vec::new());
    }
    seat.await_body();
    let sent = timeout(BODY_TIME, collect(body, headers, most, room, seat)).await;
    seat.serve();
    let sent = sent.unwrap_or(Err(Refusal::TIMEOUT))?;
    let encoding = headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("").trim());
    // One that is not known was refused with the head.
    if !["gzip", "x-gzip"].iter().any(|known| encoding.eq_ignore_ascii_case(known)) {
        return Ok(sent);
    }
    // It may become as much as that.
    room.grow(most)?;
    // Milliseconds of work; other connections go on meanwhile.
    let inflated = tokio::task::spawn_blocking(move || unpack(&sent, most)).await;
    inflated.unwrap_or(Err(Refusal::INTERNAL))
}

async fn collect(
    mut body: Incoming,
    headers: &HeaderMap,
    most: usize,
    room: &mut Part,
    seat: &Seat,
) -> Result<Vec<u8>, Refusal> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > most {
        discard(body, headers);
        return Err(Refusal::TOO_LARGE);
    }
    let mut bytes = Vec::new();
    let start = Instant::now();
    loop {
        // A byte now and then is as good as none.
        let due = start + BODY_PAUSE + seat.time_earned();
        let patience = BODY_PAUSE.min(due.saturating_duration_since(Instant::now()));
        let frame = timeout(patience, body.frame()).await.map_err(|_| Refusal::TIMEOUT)?;
        let Some(frame) = frame else { break };
        // A caller that went away reads no answer.
        let data = frame.map_err(|_| Refusal::EVENT_INVALID)?.into_data().unwrap_or_else(|_| Bytes::new());
        if bytes.len() + data.len() > most {
            discard(body, headers);
            return Err(Refusal::TOO_LARGE);
        }
        if let Err(refusal) = room.grow(data.len()) {
            discard(body, headers);
            return Err(refusal);
        }
        seat.received(data.len());
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads and drops the rest of a body for a while, after the answer: a caller that is still sending would not see the answer
/// otherwise. A caller that waits for `100 Continue` gets none.
pub(super) fn discard(mut body: Incoming, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) || body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let mut discarded = 0;
        while let Ok(Some(Ok(frame))) = timeout(BODY_PAUSE, body.frame()).await {
            discarded += frame.data_ref().map_or(0, Bytes::len);
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
    });
}

/// One member, and nothing after it.
fn unpack(mut packed: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // One byte more than the bound is enough to see that it is over it, however much would follow.
    let enough = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = GzDecoder::new(&mut packed).take(enough).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() > most => Err(Refusal::TOO_LARGE),
        Ok(_) if packed.is_empty() => Ok(bytes),
        _ => Err(Refusal::EVENT_INVALID),
    }
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
        assert_eq!(unpack(&packed(b"{}"), 2), Ok(b"{}".to_vec()));
        assert_eq!(unpack(&packed(b"{ }"), 2), Err(Refusal::TOO_LARGE));
        let inflated = |bytes| unpack(&packed(&vec![b' '; bytes]), 70_000).map(|inflated| inflated.len());
        assert_eq!(inflated(70_000), Ok(70_000));
        assert_eq!(inflated(5_000_000), Err(Refusal::TOO_LARGE));
    }

    #[test]
    fn a_pack_is_one_whole_member_and_nothing_after_it() {
        let whole = packed(b"{\"events\":[]}");
        for broken in [
            &[packed(b"{"), packed(b"}")].concat()[..],
            &[&whole[..], b"\0"].concat(),
            &whole[..whole.len() - 1],
            b"{}",
            b"",
        ] {
            assert_eq!(unpack(broken, 100), Err(Refusal::EVENT_INVALID));
        }
    }
}
