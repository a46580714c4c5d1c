//! The HTTP host: sockets and SQLite around the service, which decides everything.
//!
//! One thread, the writer, owns the edge and its store and takes requests one by one: between what a request reads and
//! what it writes nothing comes. Connections are served beside it; a body is bounded while it is read.

mod body;
mod writer;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use usher_edge::host::HEADERS;
use usher_edge::{Refusal, Response};

use crate::exit::Failure;
use crate::store::SqliteStore;
use crate::terminal::print;
use crate::website::Website;
use writer::{Job, Writer};

/// How many connections are open at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a caller may take to send its request line and headers; also how long a connection may idle.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long what is being answered may still take when the process is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What an operator says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) www: Option<PathBuf>,
    /// `USHER_KEYS`
    pub(crate) secret: Option<String>,
    /// Whether the demo's keys are good enough.
    pub(crate) demo: bool,
}

/// Serves until the process is told to stop.
pub(crate) fn run(settings: Settings) -> Result<(), Failure> {
    let website = settings.www.as_deref().map(website).transpose()?;
    let store = SqliteStore::open(&settings.data)?;
    let writer = Writer::start(store, settings.secret, settings.demo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let served = runtime.block_on(listen(settings.listen, &writer, website));
    // What still runs after its time is dropped here; then the writer ends what it took, and closes the database.
    runtime.shutdown_timeout(Duration::from_secs(1));
    writer.stop();
    served
}

fn website(directory: &Path) -> Result<Website, Failure> {
    Website::new(directory).map_err(|error| Failure::of_file("serve", directory.display(), error))
}

async fn listen(address: SocketAddr, writer: &Writer, website: Option<Website>) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot listen on {address}: {error}"))
            .help("is another process there? name another address with --listen")
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let mut stop = std::pin::pin!(told_to_stop()?);
    print(&format!("listening on http://{bound}\n"))?;

    let host = Arc::new(Host { jobs: writer.jobs(), website });
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accept = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file handles, or the caller is gone already; a moment later it may work.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let watched = graceful.watch(connection(stream, Arc::clone(&host)));
        tokio::spawn(async move {
            // A caller that breaks off is its own business.
            let _ = watched.await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = timeout(STOP_TIMEOUT, graceful.shutdown()).await;
    Ok(())
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
    host: Arc<Host>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and whole; waiting for more of them only delays.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let host = Arc::clone(&host);
        async move { Ok::<_, Infallible>(host.answer(request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
}

/// What connections share.
struct Host {
    jobs: tokio::sync::mpsc::Sender<Job>,
    website: Option<Website>,
}

impl Host {
    async fn answer(&self, request: hyper::Request<Incoming>) -> HttpResponse {
        let (parts, incoming) = request.into_parts();
        if parts.method == hyper::Method::GET
            && let Some(page) = self.page(parts.uri.path()).await
        {
            return page;
        }
        let body = match body::read(incoming, &parts.headers).await {
            Ok(body) => body::inflate(body, parts.headers.get(CONTENT_ENCODING)).await,
            Err(refused) => return http(refused),
        };
        let (reply, answered) = tokio::sync::oneshot::channel();
        let job = Job {
            method: parts.method.as_str().to_owned(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            headers: headers(&parts.headers),
            body,
            reply,
        };
        if self.jobs.send(job).await.is_err() {
            return http(Response::refused(Refusal::STORAGE));
        }
        http(answered.await.unwrap_or_else(|_| Response::refused(Refusal::INTERNAL)))
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

/// The headers that the service looks at. Of one that came twice all values stand in one, as HTTP joins them: a check
/// that expects a single value then refuses it.
fn headers(sent: &HeaderMap) -> Vec<(String, String)> {
    let joined = |name: &&str| {
        let values: Vec<_> =
            sent.get_all(*name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
    };
    HEADERS.iter().filter_map(joined).collect()
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
