//! `usher keys`: keys for callers, the secret for the deployment, their revocation, and preview tokens.

mod add;
mod document;
mod list;
mod origin;
mod public_key;
mod revoke;
mod tag;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use usher_engine::definition::{Definition, Personalization};

use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::secrets::{self, Credentials};
use crate::terminal::{clean, note, print};
use origin::origin;

/// Make, list and revoke keys, and make tokens for previews
///
/// Examples:
///   usher keys new --audience 1069944 --origin https://shop.example --out keys.json
///   usher keys secret keys.json | wrangler secret put USHER_KEYS
///   usher keys list --keys keys.json
///   usher keys revoke 60b6c3f14d16 --target production --keys keys.json
///   usher keys preview --audience 1069944 --keys keys.json
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
    Add(add::Args),
    Revoke(revoke::Args),
    List(list::Args),
    Secret(Secret),
    Preview(Preview),
}

/// Make the keys of an audience, and the secret that a deployment keeps
///
/// Writes the keys once, as JSON, to the file of --out, which its owner alone can read, or to standard output; nothing can
/// find them again. Beside them stands the secret (USHER_KEYS), which holds only their hashes and a signing key: `usher keys
/// secret` prints it alone, for the deployment.
///
/// The write key and the public token may stand in pages of the origins. The server key, the admin key and the private
/// token may not. All of them are good for this audience alone.
///
/// Prints the tag that puts the browser SDK into a page, with the write key and the public token. Nothing is stored or sent
/// for a visitor until the page passes on their consent: by `data-consent="granted"` in the tag, or `usher.setConsent()`.
///
/// Tokens may ask for every personalization, or for those of --personalization. Their names, and that no two of them have a
/// section of one name, are checked in the definition of --definitions, or in the directory `definitions`.
///
/// Examples:
///   usher keys new --audience 1069944 --origin https://shop.example --out keys.json
///   usher keys new --audience 1069944 --origin https://shop.example | jq -r .USHER_KEYS
///   usher keys new --audience 1069944 --origin https://shop.example --edge https://edge.example --sdk site/usher.js --out keys.json
///   usher keys new --audience 1069944 --demo examples/shop/credentials.json --out keys.json
///
/// Exit status: 0 fine, 1 when a file cannot be read or written, 2 when the definition has errors, 64 for a wrong command
/// line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct New {
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: String,
    /// A page that may use the public keys, such as https://shop.example; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin, required_unless_present = "demo")]
    origin: Vec<String>,
    /// A personalization that the tokens may ask for, by name or id; may be repeated
    #[arg(long, value_name = "NAME")]
    personalization: Vec<String>,
    /// Files and directories with the definition that has these personalizations
    #[arg(long, value_name = "PATH", requires = "personalization")]
    definitions: Vec<PathBuf>,
    /// Events that the server key may send in a second, over a minute; any number without it. Each of its lookups counts as one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    server_events_per_second: Option<u32>,
    /// Take the keys of this file, and its origins beside the given ones; only for demos
    #[arg(long, value_name = "CREDENTIALS")]
    demo: Option<PathBuf>,
    /// Write keys and secret to this file, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    tag: tag::Args,
}

/// Print the secret that a deployment keeps
///
/// Of a file that `usher keys new` wrote, the value of USHER_KEYS alone: hashes of the keys, and a signing key.
///
/// Examples:
///   usher keys secret keys.json | wrangler secret put USHER_KEYS
///   USHER_KEYS="$(usher keys secret keys.json)" usher serve
///
/// Exit status: 0 fine, 1 when the file cannot be read or holds no secret, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Secret {
    /// A file that `usher keys new` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
    /// Hours for which the token is valid
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=24))]
    hours: i64,
    /// A file with the secret, or with keys and secret
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::New(args) => new(args),
        Verb::Add(args) => add::add(args),
        Verb::Revoke(args) => revoke::revoke(args),
        Verb::List(args) => list::list(args),
        Verb::Secret(args) => secret(args),
        Verb::Preview(args) => preview(args),
    }
}

fn new(args: &New) -> Result<Exit, Failure> {
    let mut credentials = match &args.demo {
        None => Credentials::mint(Vec::new())?,
        Some(path) => demo(path)?,
    };
    for origin in &args.origin {
        if !credentials.allowed_origins.contains(origin) {
            credentials.allowed_origins.push(origin.clone());
        }
    }
    if !args.personalization.is_empty() {
        check_names(args)?;
    }
    let secret = credentials.secret(&args.audience, &args.personalization, args.server_events_per_second)?;
    let tags = tags(&secret)?;
    let tag = tag::tag(&credentials, &args.tag)?;
    let mut document = serde_json::to_value(&credentials).map_err(|error| Failure::new(error.to_string()))?;
    document[secrets::SECRET] = secret.into();
    let text = format!("{document:#}\n");
    match &args.out {
        Some(path) => {
            secrets::write_private(path, &text, args.force)?;
            let (path, audience) = (path.display(), &args.audience);
            note(&format!(
                "The keys of audience {audience} are in `{path}`, and the secret for its deployment."
            ));
            note(&format!(
                "Keep the file where your other secrets are; `usher keys secret {path}` prints the secret."
            ));
            print(&tag)?;
        }
        None => {
            print(&text)?;
            note("These keys are shown once; keep them where your other secrets are.");
            note("Deploy the value of `USHER_KEYS`, and nothing else of this, as the secret of that name.");
            note(format!("In your pages:\n{tag}").trim_end());
        }
    }
    note(&format!("Tags, by which `usher keys revoke` takes them: {tags}"));
    note(&format!("Pages that may use them: {}", clean(&credentials.allowed_origins.join(", "))));
    if args.demo.is_some() {
        note("These are the demo's keys: an edge takes them only with USHER_DEMO=1.");
    }
    Ok(Exit::Fine)
}

/// The tags of the keys in a secret, with their kinds.
fn tags(secret: &str) -> Result<String, Failure> {
    let tag = |key: &serde_json::Value| {
        let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let kind = match (text("kind"), key.get("public").is_some()) {
            ("token", true) => "public token",
            ("token", false) => "private token",
            (kind, _) => kind,
        };
        format!("{kind} {}", text("tag"))
    };
    Ok(document::listed(secret)?.iter().map(tag).collect::<Vec<_>>().join(", "))
}

/// Keys that are public already.
fn demo(path: &Path) -> Result<Credentials, Failure> {
    let text = fs::read_to_string(path).map_err(|error| files::unread(path, &error))?;
    let mut credentials: Credentials = serde_json::from_str(&text).map_err(|error| {
        let (path, line, column) = (path.display(), error.line(), error.column());
        Failure::new(format!("`{path}` does not hold credentials (line {line} column {column})"))
            .help("it is what `usher keys new` prints")
    })?;
    for known in &mut credentials.allowed_origins {
        *known = origin(known).map_err(|reason| Failure::new(format!("`{}`: {reason}", path.display())))?;
    }
    Ok(credentials)
}

/// Holds the personalizations of the tokens to the definition, if one is there.
fn check_names(args: &New) -> Result<(), Failure> {
    let usual = PathBuf::from("definitions");
    let paths = match args.definitions.as_slice() {
        [] if usual.is_dir() => vec![usual],
        [] => {
            note(
                "not checked: the names of the personalizations; --definitions names the files that have them",
            );
            return Ok(());
        }
        named => named.to_vec(),
    };
    let definitions = Definitions::valid(&paths)?;
    let definition = definitions.definition();
    if definition.audience.id != args.audience {
        let (own, wanted) = (&definition.audience.id, &args.audience);
        return Err(Failure::usage(format!(
            "the definition is of audience {own}, the keys are for {wanted}"
        ))
        .help("name the files of this audience with --definitions"));
    }
    let named = args.personalization.iter().map(|name| personalization(definition, name));
    let named = named.collect::<Result<Vec<_>, Failure>>()?;
    match shared_section(&named) {
        None => Ok(()),
        Some((section, one, other)) => Err(Failure::usage(format!(
            "`{}` and `{}` both have a section `{}`",
            clean(one),
            clean(other),
            clean(section)
        ))
        .help("a call with this token asks both, and an offer is named by its section: rename one, or make two tokens")),
    }
}

fn personalization<'a>(definition: &'a Definition, name: &str) -> Result<&'a Personalization, Failure> {
    let known = &definition.personalizations;
    let of_id = || known.iter().find(|one| one.id.as_deref() == Some(name));
    known.iter().find(|one| one.name == name).or_else(of_id).ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|one| clean(&one.name)).collect();
        let near = usher_config::did_you_mean(name, names.iter().map(String::as_str));
        Failure::usage(format!("there is no personalization `{}`", clean(name)))
            .help(near.unwrap_or_else(|| format!("the definition has: {}", names.join(", "))))
    })
}

/// A section's name that two personalizations have, and which these are.
fn shared_section<'a>(named: &[&'a Personalization]) -> Option<(&'a str, &'a str, &'a str)> {
    named.iter().enumerate().find_map(|(index, one)| {
        let later = named.get(index + 1..)?.iter().filter(|other| other.name != one.name);
        later.into_iter().find_map(|other| {
            let section = one
                .sections
                .iter()
                .find(|section| other.sections.iter().any(|it| it.name == section.name))?;
            Some((section.name.as_str(), one.name.as_str(), other.name.as_str()))
        })
    })
}

fn secret(args: &Secret) -> Result<Exit, Failure> {
    let shown = args.file.display();
    let text = secrets::require(secrets::SECRET, Some(&args.file), "")?;
    if secrets::deployed(&text).is_none() {
        return Err(Failure::new(format!("`{shown}` holds no secret"))
            .help("`usher keys new --out FILE` writes one, beside the keys"));
    }
    print(&format!("{text}\n"))?;
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
