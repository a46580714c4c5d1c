//! `usher serve`: the HTTP service on this machine.

mod destinations;

use std::env;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use usher_edge::limits::{PROFILE_DAYS, PROFILE_DAYS_MAX, SHARDS_MAX};
use usher_edge::{Form, Rates};

use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::server::source::{Network, Proxies};
use crate::server::tls::Certificate;
use crate::server::{self, Security, Settings};

/// Serve HTTP on this machine, with profiles in SQLite
///
/// Acknowledged events are on disk. It prints the address it listens on, logs JSON lines without any visitor's data
/// to standard error, and on SIGINT or SIGTERM ends what it is answering, within 5 seconds.
///
/// The secret (hashes of keys) comes from the environment variable USHER_KEYS or from a file: one that `usher keys new`
/// wrote, or one with the output of `usher keys secret`, which needs no key. Without a usable one, every route but
/// /healthz answers 503 and the log says why. USHER_DEMO=1 allows the keys of the public demo.
///
/// With --cert and --key it speaks TLS; on SIGHUP it reads both files again. With --local-tls it makes a certificate for tests
/// on this machine, in the data directory, and says how to trust it: the stock SDK calls https:// alone.
///
/// Examples:
///   usher serve --keys keys.json
///   usher serve --keys keys.json --local-tls
///   usher serve --listen 127.0.0.1:0 --data /var/lib/usher --keys /etc/usher/secret.json
///
/// Exit status: 0 when it was told to stop, 1 when it cannot listen or open its data, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787", value_parser = address)]
    listen: SocketAddr,
    /// The directory with the database; made if it is not there
    #[arg(long, value_name = "DIRECTORY", default_value = "usher-data")]
    data: PathBuf,
    /// Databases over which profiles are spread, 1 to 4096: fixed when data is first made, 1 without this. docs/shards.md says when
    /// several help
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SHARDS_MAX)))]
    shards: Option<u32>,
    /// Let visitors begin anew whom a database has lost that was restored to an earlier time than the others; they are refused
    /// without this. docs/shards.md says when
    #[arg(long)]
    lost_begin_anew: bool,
    /// A directory with static files to serve beside the service
    #[arg(long, value_name = "DIRECTORY")]
    www: Option<PathBuf>,
    /// A proxy whose X-Forwarded-For says who calls, or a network of such: 10.0.0.0/8. May be given several times
    #[arg(long = "trusted-proxies", value_name = "NETWORK", value_delimiter = ',')]
    trusted_proxies: Vec<Network>,
    /// Events that one source may send by public keys, over a minute; 0 for any number. A source is an address, in IPv6 a /64
    #[arg(long, value_name = "N", default_value_t = Rates::default().events)]
    events_per_second: u32,
    /// Profiles that one source may make by public keys; 0 for any number. Further events are answered and not stored
    #[arg(long, value_name = "N", default_value_t = Rates::default().new_profiles)]
    new_profiles_per_minute: u32,
    /// The form in which data is written: 1 while release 0.1.0 may read it, else 2. New data has 2, other data keeps its
    /// form, and a form is never lowered
    #[arg(long, value_name = "N", value_parser = form)]
    form: Option<Form>,
    /// Days without an event after which a profile without a batch record is deleted
    #[arg(long, value_name = "N", default_value_t = PROFILE_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(PROFILE_DAYS_MAX)))]
    profile_days: u32,
    /// A file with the secret
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Speak TLS with this certificate: PEM, the server's own first, then those that lead to a known authority
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key: PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Speak TLS with a certificate for localhost that is made on the spot and kept in the data directory
    #[arg(long, conflicts_with = "cert")]
    local_tls: bool,
    /// A file with the destinations of activations, TOML or JSON; the environment variable USHER_DESTINATIONS has the same as JSON.
    /// docs/activations.md has their settings
    #[arg(long, value_name = "FILE")]
    destinations: Option<PathBuf>,
    /// Log each request as a JSON line on standard error: time, id, method, route, status, bytes and milliseconds; never a key, a
    /// path, a query or a value. The id is that of the answer's usher-request-id
    #[arg(long)]
    access_log: bool,
}

/// An address, or the first one of a name such as `localhost`, IPv4 before IPv6.
fn address(text: &str) -> Result<SocketAddr, String> {
    let named: Vec<SocketAddr> = text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let address = named.iter().find(|address| address.is_ipv4()).or(named.first());
    address.copied().ok_or_else(|| "write an address and a port, such as 127.0.0.1:8787".to_owned())
}

fn form(text: &str) -> Result<Form, String> {
    let form = text.parse().ok().and_then(Form::of_number);
    form.ok_or_else(|| "this build writes forms 1 and 2".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let security = match (&args.cert, &args.key) {
        (Some(chain), Some(key)) => Security::Tls(Certificate { chain: chain.clone(), key: key.clone() }),
        _ if args.local_tls => Security::LocalTls,
        _ => Security::Plain,
    };
    server::run(Settings {
        listen: args.listen,
        data: args.data.clone(),
        shards: args.shards,
        lost_begin_anew: args.lost_begin_anew,
        www: args.www.clone(),
        secret: secrets::find(secrets::SECRET, args.keys.as_deref())?,
        rates: Rates { events: args.events_per_second, new_profiles: args.new_profiles_per_minute },
        proxies: Proxies(args.trusted_proxies.clone()),
        form: args.form,
        security,
        access_log: args.access_log,
        profile_days: args.profile_days,
        destinations: destinations::read(args.destinations.as_deref())?,
        demo: env::var_os("USHER_DEMO").is_some_and(|value| value == "1"),
    })?;
    Ok(Exit::Fine)
}
