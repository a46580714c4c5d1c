//! The HTTP host: sockets and SQLite around the service, which decides everything.
//!
//! One thread, the writer, owns the edge and its store and takes requests one by one: between what a request reads and
//! what it writes nothing comes. Requests that wait at the same time share a commit. Connections are served beside it: a head is looked at first, a body is read only for a
//! caller who may send it, and bounded while it is read.

mod body;
mod job;
mod log;
mod room;
mod seats;
pub(crate) mod source;
mod turn;
mod writer;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::Version;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal;
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::timeout;
use usher_edge::host::{HEADERS, SOURCE_HEADER};
use usher_edge::{Ambient, Edge, Form, Rates, Refusal, Response, front};

use crate::clock::now_ms;
use crate::exit::Failure;
use crate::limits::{BUFFER_BYTES_MAX, STOP_TIME, WAITING_MAX};
use crate::secrets::random;
use crate::store::SqliteStore;
use crate::terminal::print;
use crate::website::Website;
use job::{Job, Jobs};
use log::log;
use room::Room;
use seats::{Seat, Seats, Watched};
use source::{Proxies, Source};
use writer::Writer;

/// The options of `usher serve`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) www: Option<PathBuf>,
    /// `USHER_KEYS`
    pub(crate) secret: Option<String>,
    /// True if the demo's keys are accepted.
    pub(crate) demo: bool,
    /// The form in which data is written, if one was said.
    pub(crate) form: Option<Form>,
    pub(crate) rates: Rates,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) proxies: Proxies,
}

/// Serves until the process is told to stop.
pub(crate) fn run(settings: Settings) -> Result<(), Failure> {
    let website = settings.www.as_deref().map(website).transpose()?;
    let store = SqliteStore::open(&settings.data)?;
    let door = Edge::new(settings.secret.as_deref(), settings.demo);
    let writer = Writer::start(store, settings.secret, settings.demo, settings.rates, settings.form)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let host = Host {
        jobs: writer.jobs(),
        door,
        website,
        proxies: settings.proxies,
        unnamed_proxy: AtomicBool::new(false),
        seats: Seats::new(),
        room: Room::default(),
    };
    // In a task: accepting yields to connections after a bounded turn, and they start on its thread without waking another.
    let listening = runtime.spawn(listen(settings.listen, Arc::new(host)));
    let served =
        runtime.block_on(listening).unwrap_or_else(|error| Err(Failure::new(format!("stopped: {error}"))));
    // What still runs after its time is dropped here; then the writer ends what it took, and closes the database.
    runtime.shutdown_timeout(Duration::from_secs(1));
    writer.stop();
    served
}

fn website(directory: &Path) -> Result<Website, Failure> {
    Website::new(directory).map_err(|error| Failure::of_file("serve", directory.display(), error))
}

async fn listen(address: SocketAddr, host: Arc<Host>) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot listen on {address}: {error}"))
            .help("is another process there? name another address with --listen")
    };
    let listener = bind(address).map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let mut stop = std::pin::pin!(told_to_stop()?);
    print(&format!("listening on http://{bound}\n"))?;

    let graceful = GracefulShutdown::new();
    let sweeper = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.seats.sweep().await }
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file handles, or the caller is gone already; a moment later it may work.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let proxy = host.proxies.trust(peer.ip());
        // Closed at once where there is no seat: whoever waits to be accepted would hold up those behind it.
        let Some(seat) = host.seats.take(Source::of(peer.ip()), !proxy) else { continue };
        let served = graceful.watch(connection(stream, peer, Arc::clone(&seat), Arc::clone(&host)));
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            tokio::select! {
                // A caller that breaks off is its own business.
                _ = served => {}
                () = seat.lost() => {}
            }
            host.seats.leave(&seat);
        });
    }
    drop(listener);
    let _ = timeout(STOP_TIME, graceful.shutdown()).await;
    sweeper.abort();
    Ok(())
}

/// Listens with room for as many callers that are not accepted yet as systems give: where there is none, a caller's
/// system tries again after a second.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a process that was started again gets its port at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Ends when the process gets SIGINT or SIGTERM.
#[cfg(unix)]
fn told_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())
        .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
    Ok(async move {
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the process is told to stop.
#[cfg(not(unix))]
fn told_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        let _ = signal::ctrl_c().await;
    })
}

type HttpResponse = hyper::Response<Full<Bytes>>;

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    seat: Arc<Seat>,
    host: Arc<Host>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and whole; waiting for more of them only delays.
    let _ = stream.set_nodelay(true);
    let watched = Watched { stream, seat: Arc::clone(&seat) };
    let service = service_fn(move |request| {
        let (host, seat) = (Arc::clone(&host), Arc::clone(&seat));
        async move {
            seat.serve();
            let response = host.answer(request, peer.ip(), &seat).await;
            seat.answer();
            response
        }
    });
    // Its seat says how long it may wait for a head.
    http1::Builder::new()
        .header_read_timeout(None)
        // A caller may close its side once its request is sent.
        .half_close(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(watched), service)
}

/// The state that connections share.
struct Host {
    jobs: Jobs,
    /// Looks at heads. It runs no bundle and is never changed, so nobody waits for it.
    door: Edge,
    website: Option<Website>,
    proxies: Proxies,
    /// The log said that there is a proxy that nobody named.
    unnamed_proxy: AtomicBool,
    seats: Seats,
    /// For bodies.
    room: Room,
}

impl Host {
    /// # Errors
    ///
    /// Nobody knows what came of the request: its connection is closed without an answer.
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: IpAddr,
        seat: &Seat,
    ) -> Result<HttpResponse, RecvError> {
        let (parts, incoming) = request.into_parts();
        if let Some(refusal) = refused_head(&parts) {
            body::discard(incoming, &parts.headers);
            return Ok(http(Response::refused(refusal)));
        }
        if parts.method == hyper::Method::GET
            && let Some(page) = self.page(parts.uri.path()).await
        {
            return Ok(page);
        }
        let Ok(entropy) = random() else {
            log("the operating system gives no randomness");
            return Ok(http(Response::refused(Refusal::INTERNAL)));
        };
        self.note_unnamed_proxy(peer, &parts.headers);
        let forwarded = parts.headers.get_all("x-forwarded-for").iter();
        let source = self.proxies.source(peer, forwarded.filter_map(|value| value.to_str().ok()));
        // Given back when the answer is there.
        let mut room = self.room.part(source);
        let mut job = Job {
            method: parts.method.as_str().to_owned(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            headers: headers(&parts.headers, source),
            ambient: Ambient { now_ms: now_ms(), entropy },
            body: Ok(Vec::new()),
        };
        // Nothing of a body is taken for a caller who may not send one.
        let admitted = front::admit(&self.door, &job.head()).map(|admitted| admitted.body_bytes_max());
        match admitted {
            Ok(most) => job.body = body::read(incoming, &parts.headers, most, &mut room, seat).await,
            Err(refused) => {
                body::discard(incoming, &parts.headers);
                return Ok(http(refused));
            }
        }
        let (reply, answered) = oneshot::channel();
        if self.jobs.send((job, reply)).await.is_err() {
            return Ok(http(Response::refused(Refusal::STORAGE)));
        }
        answered.await.map(http)
    }

    /// Says once that a proxy may stand before this process without being named: nothing else tells that all visitors behind
    /// it share one source's bounds.
    fn note_unnamed_proxy(&self, peer: IpAddr, headers: &HeaderMap) {
        if headers.contains_key("x-forwarded-for")
            && !self.proxies.trust(peer)
            && !self.unnamed_proxy.swap(true, Ordering::Relaxed)
        {
            log(
                "a request with X-Forwarded-For came from a peer that --trusted-proxies does not name; if that is a \
                 proxy, everybody behind it counts as one source",
            );
        }
    }

    async fn page(&self, path: &str) -> Option<HttpResponse> {
        let website = self.website.clone()?;
        let path = path.to_owned();
        let page = tokio::task::spawn_blocking(move || website.page(&path)).await.ok()??;
        hyper::Response::builder()
            .header("content-type", page.content_type)
            .header("cache-control", "no-cache")
            .header("x-content-type-options", "nosniff")
            .body(Full::from(page.body))
            .ok()
    }
}

/// The refusal of a head that breaks HTTP: a host that is none or not given once (RFC 9112, 3.2), or a tunnel.
fn refused_head(parts: &Parts) -> Option<Refusal> {
    if parts.method == hyper::Method::CONNECT {
        return Some(Refusal::METHOD);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let is_host = |value: &HeaderValue| {
        let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        authority.is_some_and(|authority| !authority.as_str().contains('@'))
    };
    let fits = match (hosts.next(), hosts.next()) {
        (None, _) => parts.version < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    (!fits).then_some(Refusal::HOST_INVALID)
}

/// The headers that the service looks at, and who calls. Of one that came twice all values stand in one, as HTTP joins
/// them: a check that expects a single value then refuses it.
fn headers(sent: &HeaderMap, source: Source) -> Vec<(String, String)> {
    let joined = |name: &&str| {
        let values: Vec<_> =
            sent.get_all(*name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
    };
    let source = (SOURCE_HEADER.to_owned(), source.to_string());
    HEADERS.iter().filter_map(joined).chain([source]).collect()
}

fn http(response: Response) -> HttpResponse {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::from(response.body)).unwrap_or_else(|_| {
        let mut broken = HttpResponse::default();
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
