//! Sockets, and the changes that Spin makes to a request before a component gets it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use wasmtime::error::Context;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::handler::ProxyHandler;

use crate::Result;
use crate::instances::Instances;

type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// Serves until the process ends.
pub(crate) async fn run(instances: Instances) -> Result<()> {
    let handler = Arc::new(ProxyHandler::new(instances));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request| answer(Arc::clone(&handler), request, peer));
        tokio::spawn(async move {
            // Fails if the caller disconnects. Like Spin, it closes the connection of a request with an invalid host.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    handler: Arc<ProxyHandler<Instances>>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Answer> {
    request.headers_mut().remove(header::CONNECTION);
    set_uri(&mut request)?;
    let Ok(headers) = headers(&request, peer) else { return failed("a header is no UTF-8") };
    *request.headers_mut() = headers;
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    match handler.handle((), request).await {
        Ok(response) => Ok(response),
        Err(error) => failed(&format!("{error:?}")),
    }
}

/// The answer if the component gives none.
fn failed(why: &str) -> Result<Answer> {
    eprintln!("no answer: {why}");
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Ok(Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(body)?)
}

/// Adds scheme and authority, which the first line of a request lacks.
fn set_uri(request: &mut Request<Incoming>) -> Result<()> {
    let host = request.headers().get(header::HOST).context("no host")?;
    let host: Authority = host.to_str()?.parse()?;
    let mut parts = request.uri().clone().into_parts();
    wasmtime::ensure!(parts.authority.is_none_or(|named| named == host), "two hosts");
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(host);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// The headers that the component gets: those of the request, and those of Spin.
fn headers(request: &Request<Incoming>, peer: SocketAddr) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        std::str::from_utf8(value.as_bytes())?;
        headers.append(name, value.clone());
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let own = [
        ("spin-full-url", request.uri().to_string()),
        ("spin-path-info", path.to_owned()),
        ("spin-client-addr", peer.to_string()),
    ];
    for (name, value) in own {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(&value)?);
    }
    Ok(headers)
}
