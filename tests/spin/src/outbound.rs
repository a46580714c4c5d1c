//! Requests of the component to other servers: to the hosts of the manifest's `allowed_outbound_hosts`, as in Spin.
//!
//! They are sent as plain HTTP/1.1, and redirects are answers. There is no TLS here: nothing in the tests has a certificate.

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use wasmtime::error::Context;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::Result;

/// An answer, and what becomes of its connection.
pub(crate) type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// A scheme with host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    /// An entry of `allowed_outbound_hosts`: an exact one, without wildcards.
    pub(crate) fn read(allowed: &str) -> Result<Origin> {
        let uri = allowed.parse::<Uri>().with_context(|| format!("no exact origin: {allowed}"))?;
        let origin = Origin::of(&uri).with_context(|| format!("no exact origin: {allowed}"))?;
        wasmtime::ensure!(!allowed.contains('*') && uri.path() == "/", "no exact origin: {allowed}");
        Ok(origin)
    }

    /// That of an address; None: it has none.
    pub(crate) fn of(uri: &Uri) -> Option<Origin> {
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?);
        let port = authority.port_u16().unwrap_or(if scheme == Scheme::HTTPS { 443 } else { 80 });
        Some(Origin { scheme, host: authority.host().to_ascii_lowercase(), port })
    }
}

/// Sends a request to one of these origins.
pub(crate) async fn send(allowed: &[Origin], mut request: Request<WasiBody>) -> Result<Sent, Error> {
    let origin = Origin::of(request.uri()).filter(|origin| allowed.contains(origin));
    let origin = origin.ok_or(Error::HttpRequestDenied)?;
    if origin.scheme != Scheme::HTTP {
        return Err(Error::HttpProtocolError);
    }
    let stream = TcpStream::connect((origin.host.as_str(), origin.port)).await.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The first line of a request has no scheme and no host.
    let mut parts = request.uri().clone().into_parts();
    (parts.scheme, parts.authority) = (None, None::<Authority>);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Error::HttpRequestUriInvalid)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let ended = async { connection.await.map_or(Ok(()), |ended| ended.map_err(Error::from)) };
    Ok((answer.map(|body| body.map_err(Error::from).boxed_unsync()), Box::new(ended)))
}
