//! A listener that answers `GET /metrics`, and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::exit::Failure;
use crate::terminal::note;

/// The most requests at a time; one more is closed at once.
const REQUESTS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The time for which a caller may say nothing, or take nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// Answers with the text of that moment, on threads of its own.
pub(super) fn start(
    address: SocketAddr,
    text: impl Fn() -> String + Send + Sync + 'static,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).map_err(|error| {
        Failure::new(format!("cannot listen at {address} for --metrics: {error}"))
            .help("name another address, such as --metrics=127.0.0.1:8081")
    })?;
    let bound = listener.local_addr().unwrap_or(address);
    note(&format!("metrics at http://{bound}/metrics"));
    let (text, open) = (Arc::new(text), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= REQUESTS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (text, open) = (Arc::clone(&text), Arc::clone(&open));
            thread::spawn(move || {
                // A caller that is gone needs no answer.
                let _ = answer(stream, &*text);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream, text: &dyn Fn() -> String) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut chunk)?;
        if count == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
        head.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, more, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => ("200 OK", "", text()),
        (_, b"/metrics") => ("405 Method Not Allowed", "allow: GET, HEAD\r\n", String::new()),
        _ => ("404 Not Found", "", "metrics are at /metrics\n".to_owned()),
    };
    let length = body.len();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}content-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}
