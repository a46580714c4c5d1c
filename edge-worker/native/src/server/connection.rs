//! One connection, from its first byte to its end.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::host::Host;
use super::seats::{Seat, Watched};
use super::tls::Tls;
use crate::limits::BUFFER_BYTES_MAX;

/// Serves a connection to its end. Its seat says how long it may take for each step.
pub(super) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    seat: Arc<Seat>,
    host: Arc<Host>,
    watcher: Watcher,
) {
    // A caller that says nothing costs this much, and no buffers. `readable` would not wait: a new stream counts as readable
    // until it was read.
    if stream.peek(&mut [0]).await.is_err() {
        return;
    }
    seat.speak();
    talk(stream, peer, seat, host, watcher).await;
}

/// The rest of a connection, with its buffers. Boxed, because a silent connection would have the room of it otherwise.
fn talk(
    stream: TcpStream,
    peer: IpAddr,
    seat: Arc<Seat>,
    host: Arc<Host>,
    watcher: Watcher,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // Answers are small and whole; waiting for more of them only delays.
    let _ = stream.set_nodelay(true);
    let Some(config) = host.tls.as_ref().map(Tls::config) else {
        return Box::pin(exchange(stream, peer, seat, host, watcher));
    };
    Box::pin(async move {
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            exchange(stream, peer, seat, host, watcher).await;
        }
    })
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: IpAddr,
    seat: Arc<Seat>,
    host: Arc<Host>,
    watcher: Watcher,
) {
    let watched = Watched { stream, seat: Arc::clone(&seat) };
    let service = service_fn(move |request| {
        let (host, seat) = (Arc::clone(&host), Arc::clone(&seat));
        async move {
            seat.serve();
            let response = host.answer(request, peer, &seat).await;
            seat.answer();
            response
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        // A caller may close its side once its request is sent.
        .half_close(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(watched), service);
    // A caller that breaks off is its own business.
    let _ = watcher.watch(connection).await;
}
