//! One attempt: the host's addresses are checked, one of them is connected to, and one request is sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{HOST, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use usher_edge::destinations::is_public;
use usher_edge::limits::{ANSWER_KEPT_BYTES_MAX, ANSWER_READ_BYTES_MAX, ATTEMPT_MS};
use usher_edge::message::{AttemptOutcome, SignedRequest};

use crate::limits::{ADDRESSES_TRIED_MAX, CONNECT_TIME};

/// The authorities whose certificates of destinations are believed.
pub(super) struct Authorities(Arc<ClientConfig>);

impl Authorities {
    /// Those of the file that `USHER_CA` names, or else the public ones.
    pub(super) fn find() -> Result<Authorities, String> {
        let mut roots = RootCertStore::empty();
        match env::var_os("USHER_CA").filter(|file| !file.is_empty()) {
            Some(file) => {
                let text = fs::read(&file).map_err(|error| format!("USHER_CA: {error}"))?;
                roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Authorities(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }
}

/// The outcome of an attempt. `may_begin` is asked right before anything of the request leaves.
pub(super) async fn outcome(
    request: &SignedRequest,
    authorities: &Authorities,
    may_begin: impl Fn() -> bool,
) -> AttemptOutcome {
    match timeout(Duration::from_millis(ATTEMPT_MS), attempt(request, authorities, may_begin)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(reason)) => AttemptOutcome::Failed(reason),
        Err(_) => AttemptOutcome::late(),
    }
}

async fn attempt(
    request: &SignedRequest,
    authorities: &Authorities,
    may_begin: impl Fn() -> bool,
) -> Result<AttemptOutcome, String> {
    if !may_begin() {
        return Ok(AttemptOutcome::NotBegun);
    }
    let url = Url::parse(&request.url).map_err(|error| format!("address: {error}"))?;
    let stream = connect(&url, request.private, look_up, dial).await?;
    let authority = url.authority();
    let target = url.path().to_owned() + &url.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut head = Request::builder().method(request.method.as_str()).uri(target).header(HOST, authority);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    let head = head.body(Full::new(Bytes::from(request.body.clone()))).map_err(|error| error.to_string())?;
    if url.scheme() == "https" {
        let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("tls: {error}"))?;
        let tls = TlsConnector::from(Arc::clone(&authorities.0)).connect(name, stream).await;
        send(tls.map_err(|error| format!("tls: {error}"))?, head, may_begin).await
    } else {
        send(stream, head, may_begin).await
    }
}

/// Connects to an address that was checked; the name is not looked up again, because it may have another address by then.
async fn connect<S>(
    url: &Url,
    private: bool,
    look_up: impl AsyncFn(&str, u16) -> io::Result<Vec<SocketAddr>>,
    dial: impl AsyncFn(SocketAddr) -> io::Result<S>,
) -> Result<S, String> {
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match url.host().ok_or("address: it has no host")? {
        Host::Ipv4(number) => vec![SocketAddr::new(IpAddr::V4(number), port)],
        Host::Ipv6(number) => vec![SocketAddr::new(IpAddr::V6(number), port)],
        Host::Domain(name) => look_up(name, port).await.map_err(|error| format!("dns: {error}"))?,
    };
    let allowed = allowed(&found, private);
    if allowed.is_empty() {
        return Err("address_not_allowed: the host has no address of the public internet".to_owned());
    }
    let mut last = String::new();
    for address in allowed {
        match timeout(CONNECT_TIME, dial(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = format!("connect: {error}"),
            Err(_) => last = "connect: timeout".to_owned(),
        }
    }
    Err(last)
}

async fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((name, port)).await?.collect())
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The addresses of a host that may be connected to.
fn allowed(found: &[SocketAddr], private: bool) -> Vec<SocketAddr> {
    let is_allowed = |address: &&SocketAddr| private || is_public(address.ip());
    found.iter().filter(is_allowed).take(ADDRESSES_TRIED_MAX).copied().collect()
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    may_begin: impl Fn() -> bool,
) -> Result<AttemptOutcome, String> {
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("http: {error}"))?;
    // Asked here, because looking a host up and shaking hands take time.
    if !may_begin() {
        return Ok(AttemptOutcome::NotBegun);
    }
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| format!("http: {error}"))?;
        Ok(read(answer).await)
    };
    tokio::pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        // Bytes that it had read by its end are there for the exchange.
        _ = connection => exchange.await,
    }
}

/// The status and the beginning of the body; the rest is not waited for.
async fn read(mut answer: Response<Incoming>) -> AttemptOutcome {
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut body = Vec::new();
    let mut read = 0;
    while let Some(Ok(frame)) = answer.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        read += data.len();
        body.extend(data.iter().take(ANSWER_KEPT_BYTES_MAX.saturating_sub(body.len())));
        if read > ANSWER_READ_BYTES_MAX {
            break;
        }
    }
    AttemptOutcome::answered(status, &body, retry_after.as_deref())
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// A name whose address is another one at each look, and what comes of an attempt: the number of looks, and the addresses that
    /// were dialled.
    fn rebound(looks: &[&[&str]], private: bool) -> (usize, Vec<String>, Result<(), String>) {
        let (looked, dialled) = (Cell::new(0), RefCell::new(Vec::new()));
        let look_up = async |name: &str, port: u16| {
            assert_eq!(name, "hook.example");
            let found = looks[looked.get().min(looks.len() - 1)];
            looked.set(looked.get() + 1);
            Ok(found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        };
        let dial = async |address: SocketAddr| {
            dialled.borrow_mut().push(address.to_string());
            Ok(())
        };
        let url = Url::parse("https://hook.example/in").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let result = runtime.block_on(connect(&url, private, look_up, dial));
        (looked.get(), dialled.into_inner(), result)
    }

    #[test]
    fn a_name_that_changes_its_address_is_dialled_where_it_was_checked() {
        let inside =
            ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "0.0.0.0"];
        for inside in inside {
            // A public address for the check, one of this machine or network for whoever looks again.
            let (looked, dialled, result) = rebound(&[&["1.1.1.1"], &[inside]], false);
            assert_eq!((looked, dialled, result), (1, vec!["1.1.1.1:443".to_owned()], Ok(())), "{inside}");
            // Both in one answer: only the public one is dialled.
            let (_, dialled, result) = rebound(&[&[inside, "1.1.1.1", inside]], false);
            assert_eq!((dialled, result), (vec!["1.1.1.1:443".to_owned()], Ok(())), "{inside}");
            // Each attempt checks anew.
            let (looked, dialled, result) = rebound(&[&[inside], &["1.1.1.1"]], false);
            assert_eq!((looked, dialled), (1, Vec::new()), "{inside}");
            assert!(result.unwrap_err().starts_with("address_not_allowed"));
            assert_eq!(rebound(&[&[inside]], true).1.len(), 1, "it is allowed for a private destination");
        }
    }
}
