//! `usher keys`: keys for callers, the secret for the deployment, and preview tokens.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;

use crate::exit::{Exit, Failure};
use crate::secrets::{self, Credentials};
use crate::terminal::{note, print};

/// Make keys, and tokens for previews
///
/// Exit status: 0 fine, 1 failure, 64 for a wrong command line or a missing secret.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(New),
    Preview(Preview),
}

/// Make the keys of an audience, and the secret that a deployment keeps
///
/// Prints the keys once, as JSON; nothing can find them again. The secret (USHER_KEYS) holds only their hashes and a
/// signing key: it goes to the deployment, and stands in the same JSON unless --out names a file for it.
///
/// The write key and the public token may stand in pages of the origins. The server key, the admin key and the private
/// token may not.
///
/// Examples:
///   (umask 077; usher keys new --audience 1069944 --origin https://shop.example --out usher-keys.json > keys.json)
///   usher keys new --audience 1069944 --origin https://shop.example | jq -r .USHER_KEYS
///   usher keys new --audience 1069944 --demo examples/shop/credentials.json --out keys.json
///
/// Exit status: 0 fine, 1 when a file cannot be read or written, 64 for a wrong command line or a missing secret.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct New {
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: String,
    /// A page that may use the public keys, such as https://shop.example; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin, required_unless_present = "demo")]
    origin: Vec<String>,
    /// Take the keys of this file, and its origins beside the given ones; only for demos
    #[arg(long, value_name = "CREDENTIALS")]
    demo: Option<PathBuf>,
    /// Write the secret to this file, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    force: bool,
}

/// Make a token with which a page may ask why it shows what it shows
///
/// The secret comes from the environment variable USHER_KEYS, or from a file.
///
/// Example:
///   usher keys preview --audience 1069944 --hours 2
///
/// Exit status: 0 fine, 1 when a file cannot be read or written, 64 for a wrong command line or a missing secret.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Preview {
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: String,
    /// How long it is good for
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=24))]
    hours: i64,
    /// A file with the secret
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::New(args) => new(args),
        Verb::Preview(args) => preview(args),
    }
}

fn new(args: &New) -> Result<Exit, Failure> {
    let mut credentials = match &args.demo {
        None => Credentials::mint(Vec::new())?,
        Some(path) => {
            let text =
                fs::read_to_string(path).map_err(|error| Failure::of_file("read", path.display(), error))?;
            serde_json::from_str(&text).map_err(|error| {
                let (path, line, column) = (path.display(), error.line(), error.column());
                Failure::new(format!("`{path}` does not hold credentials (line {line} column {column})"))
                    .help("it is what `usher keys new` prints")
            })?
        }
    };
    for origin in &args.origin {
        if !credentials.allowed_origins.contains(origin) {
            credentials.allowed_origins.push(origin.clone());
        }
    }
    let secret = credentials.secret(&args.audience)?;
    let mut document = serde_json::to_value(&credentials).map_err(|error| Failure::new(error.to_string()))?;
    match &args.out {
        Some(path) => secrets::write_private(path, &secret, args.force)?,
        None => document[secrets::SECRET] = secret.into(),
    }
    print(&format!("{document:#}\n"))?;
    note("These keys are shown once; keep them where your other secrets are.");
    note(&match &args.out {
        Some(path) => format!("Deploy the content of `{}` as the secret USHER_KEYS.", path.display()),
        None => "Deploy the value of `USHER_KEYS` as the secret of that name.".to_owned(),
    });
    if args.demo.is_some() {
        note("These are the demo's keys: an edge takes them only with USHER_DEMO=1.");
    }
    Ok(Exit::Fine)
}

fn preview(args: &Preview) -> Result<Exit, Failure> {
    let secret = secrets::require(secrets::SECRET, args.keys.as_deref(), "--keys")?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let token = usher_edge::preview_token(&secret, &args.audience, now + args.hours * 3_600, now)
        .map_err(|reason| Failure::usage(reason).help("`usher keys new` makes a secret"))?;
    print(&format!("{token}\n"))?;
    Ok(Exit::Fine)
}

/// An origin as browsers send it: scheme, host, port, and nothing behind.
fn origin(text: &str) -> Result<String, String> {
    let wrong =
        || "an origin is a scheme and a host, such as https://shop.example, without a path".to_owned();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(wrong)?;
    let known = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']')
    };
    if host.is_empty() || !host.bytes().all(known) { Err(wrong()) } else { Ok(text.to_owned()) }
}
