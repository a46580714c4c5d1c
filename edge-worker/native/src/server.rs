//! The HTTP host: sockets and SQLite around the service, which decides everything.
//!
//! One thread, the writer, owns the edge and its store and takes requests one by one: between what a request reads and
//! what it writes nothing comes. Requests that wait at the same time share a commit. Connections are served beside it: a
//! head is looked at first, a body is read only for a caller who may send it, and bounded while it is read.

mod access;
mod body;
mod connection;
mod host;
mod job;
mod log;
mod room;
mod seats;
mod sender;
mod signals;
pub(crate) mod source;
pub(crate) mod tls;
mod turn;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use usher_edge::{Edge, Form, Rates};

use crate::clock::rfc3339;
use crate::exit::Failure;
use crate::limits::{STOP_TIME, WAITING_MAX};
use crate::store::Shards;
use crate::terminal::print;
use crate::website::Website;
use access::AccessLog;
use connection::serve;
use host::Host;
use log::event;
use room::Room;
use seats::Seats;
use signals::Signal;
pub(crate) use signals::Signals;
use source::{Proxies, Source};
use tls::{Certificate, Tls};
use writer::{Rules, Writer};

/// The options of `usher serve`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    /// The number of shards, if one was said.
    pub(crate) shards: Option<u32>,
    /// True if visitors whom a restored shard has lost begin anew.
    pub(crate) lost_begin_anew: bool,
    pub(crate) www: Option<PathBuf>,
    /// `USHER_KEYS`
    pub(crate) secret: Option<String>,
    /// True if the demo's keys are accepted.
    pub(crate) demo: bool,
    /// The form in which data is written, if one was said.
    pub(crate) form: Option<Form>,
    /// Days without an event after which a profile without a batch record is deleted.
    pub(crate) profile_days: u32,
    pub(crate) rates: Rates,
    /// `USHER_DESTINATIONS`, as JSON.
    pub(crate) destinations: String,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) proxies: Proxies,
    pub(crate) security: Security,
    /// True if each request is logged.
    pub(crate) access_log: bool,
}

/// Plain HTTP or TLS.
#[derive(Debug)]
pub(crate) enum Security {
    /// Plain HTTP: on this machine, or behind a proxy that terminates TLS.
    Plain,
    /// TLS with this certificate.
    Tls(Certificate),
    /// TLS with a certificate that is made on the spot, for tests on this machine.
    LocalTls,
}

/// Serves until the process is told to stop.
pub(crate) fn run(settings: Settings) -> Result<(), Failure> {
    let website = settings.www.as_deref().map(website).transpose()?;
    let shards = Shards::open(&settings.data, settings.shards)?;
    let (tls, greeting) = secured(&settings)?;
    let door = Edge::new(settings.secret.as_deref(), settings.demo);
    let rules = Rules {
        secret: settings.secret,
        demo: settings.demo,
        rates: settings.rates,
        form: settings.form,
        profile_days: settings.profile_days,
        lost_begin_anew: settings.lost_begin_anew,
        destinations: settings.destinations,
    };
    let writer = Writer::start(shards, rules)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let (access, logging) = if settings.access_log {
        AccessLog::start().map(|(log, thread)| (Some(log), Some(thread)))?
    } else {
        (None, None)
    };
    let host = Host {
        jobs: writer.jobs(),
        door,
        website,
        tls,
        access,
        proxies: settings.proxies,
        unnamed_proxy: AtomicBool::new(false),
        seats: Seats::new(),
        room: Room::default(),
    };
    // In a task: accepting yields to connections after a bounded turn, and they start on its thread without waking another.
    let listening = runtime.spawn(listen(settings.listen, greeting, Arc::new(host)));
    let served =
        runtime.block_on(listening).unwrap_or_else(|error| Err(Failure::new(format!("stopped: {error}"))));
    // What still runs after its time is dropped here; then the writer ends what it took, and closes the database.
    runtime.shutdown_timeout(Duration::from_secs(1));
    writer.stop();
    // It ends by no panic.
    let _ = logging.map(JoinHandle::join);
    served
}

/// The certificate to show, and what the person who starts the server has to know about it.
fn secured(settings: &Settings) -> Result<(Option<Tls>, String), Failure> {
    let files = match &settings.security {
        Security::Plain => return Ok((None, String::new())),
        Security::Tls(files) => files.clone(),
        Security::LocalTls => tls::local(&settings.data, settings.listen.ip())?,
    };
    let tls = Tls::open(files.clone())?;
    let expiry = tls.expiry()?.and_then(|at| i64::try_from(at).ok());
    let expiry = expiry.map_or_else(String::new, |at| format!(", valid until {}", rfc3339(at * 1_000)));
    let shown = files.chain.display();
    let mut greeting = format!("certificate {shown}{expiry}\n");
    if matches!(settings.security, Security::LocalTls) {
        greeting += &format!(
            "It was made here and is known to nobody. Trust it for a command:  curl --cacert {shown} …\n\
             NODE_EXTRA_CA_CERTS={shown} node …  USHER_CA={shown} usher …  In a browser: docs/operate.md\n"
        );
    }
    Ok((Some(tls), greeting))
}

fn website(directory: &Path) -> Result<Website, Failure> {
    Website::new(directory).map_err(|error| Failure::of_file("serve", directory.display(), error))
}

/// Accepts connections until it is told to stop, and prints where it listens with this greeting.
async fn listen(address: SocketAddr, greeting: String, host: Arc<Host>) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::new(format!("cannot listen on {address}: {error}"))
            .help("is another process there? name another address with --listen")
    };
    let listener = bind(address).map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let mut signals = Signals::new()?;
    let scheme = if host.tls.is_some() { "https" } else { "http" };
    print(&format!("listening on {scheme}://{bound}\n{greeting}"))?;

    let graceful = GracefulShutdown::new();
    let sweeper = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.seats.sweep().await }
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            told = signals.next() => match told {
                Signal::Stop => break,
                Signal::Reload => {
                    host.reload();
                    continue;
                }
            },
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file handles, or the caller is gone already; a moment later it may work.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let proxy = host.proxies.trust(peer.ip());
        // Closed at once where there is no seat: whoever waits to be accepted would hold up those behind it.
        let Some(seat) = host.seats.take(Source::of(peer.ip()), !proxy) else { continue };
        let (host, watcher) = (Arc::clone(&host), graceful.watcher());
        tokio::spawn(async move {
            tokio::select! {
                // A caller that breaks off is its own business.
                () = serve(stream, peer.ip(), Arc::clone(&seat), Arc::clone(&host), watcher) => {}
                () = seat.lost() => {}
            }
            host.seats.leave(&seat);
        });
    }
    drop(listener);
    host.seats.dismiss_silent();
    tokio::select! {
        _ = timeout(STOP_TIME, graceful.shutdown()) => {}
        () = signals.stop() => {
            event("stopped_twice", "what is still answered is cut off");
            // Acknowledged events are on disk.
            process::exit(1);
        }
    }
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
