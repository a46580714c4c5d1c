//! `usher keys add`: one more key in the secret of a deployment.

use std::path::PathBuf;

use serde_json::{Value, json};
use usher_edge::limits::IDENTITY_KEYS_OF_AUDIENCE_MAX;
use usher_edge::wire::base64url::base64url;

use super::document::Document;
use super::origin::origin;
use super::public_key::public_key;
use crate::exit::{Exit, Failure};
use crate::limits::KEYS_OF_NAME_MAX;
use crate::secrets::{self, hash, random, random_hex};
use crate::terminal::{clean, note, print};

/// Add a key to the secret of a deployment
///
/// Makes a key, prints it once, and adds its hash to the secret in a file. The deployment takes the key once the secret is
/// deployed again. So a key is replaced without a gap: add the new one, deploy, move its callers, revoke the old one. Two keys
/// of one kind, audience and name may be valid at once.
///
/// An identity key verifies the tokens by which your own server vouches for visitors. With --public-key it is an Ed25519 key
/// of yours, whose other half stays with you; without, a shared secret for HS256 is made and printed.
///
/// Examples:
///   usher keys add server --audience 1069944 --scope personalize --name shop --keys keys.json
///   usher keys add write --audience 1069944 --origin https://shop.example --keys keys.json
///   openssl genpkey -algorithm ed25519 -out identity.pem
///   openssl pkey -in identity.pem -pubout -out identity.pub
///   usher keys add identity --audience 1069944 --public-key identity.pub --keys keys.json
///
/// Exit status: 0 fine, 1 when a file cannot be read or written or two such keys are there, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The kind of key
    #[arg(value_enum)]
    kind: Kind,
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: String,
    /// The file with the secret, or with keys and secret; the secret in it is replaced
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// A name by which you know the key
    #[arg(long)]
    name: Option<String>,
    /// A page that may use a write key or public token, such as https://shop.example; may be repeated
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: Vec<String>,
    /// A personalization that a token or server key may ask for, by name or id; may be repeated; all without it
    #[arg(long, value_name = "NAME")]
    personalization: Vec<String>,
    /// A right of a server key; may be repeated
    #[arg(long, value_enum)]
    scope: Vec<Scope>,
    /// Events that a server key may send in a second, over a minute; any number without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events_per_second: Option<u32>,
    /// An Ed25519 public key for identity tokens: PEM (`PUBLIC KEY`) or JWK
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Write,
    PublicToken,
    PrivateToken,
    Server,
    Admin,
    Identity,
}

impl Kind {
    fn is_token(self) -> bool {
        matches!(self, Kind::PublicToken | Kind::PrivateToken)
    }

    fn is_for_pages(self) -> bool {
        matches!(self, Kind::Write | Kind::PublicToken)
    }

    /// Its name in a record.
    fn of_record(self) -> &'static str {
        match self {
            Kind::Write => "write",
            Kind::PublicToken | Kind::PrivateToken => "token",
            Kind::Server => "server",
            Kind::Admin => "admin",
            Kind::Identity => "identity",
        }
    }

    fn with_article(self) -> String {
        let article = if matches!(self, Kind::Admin | Kind::Identity) { "an" } else { "a" };
        format!("{article} {}", self.for_people())
    }

    fn for_people(self) -> &'static str {
        match self {
            Kind::PublicToken => "public token",
            Kind::PrivateToken => "private token",
            Kind::Identity => "identity key",
            Kind::Write => "write key",
            Kind::Server => "server key",
            Kind::Admin => "admin key",
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Scope {
    Personalize,
    Sensitive,
    Import,
    Explain,
    Read,
    Erase,
    Metrics,
}

impl Scope {
    fn of_record(self) -> &'static str {
        match self {
            Scope::Personalize => "personalize",
            Scope::Sensitive => "sensitive",
            Scope::Import => "import",
            Scope::Explain => "explain",
            Scope::Read => "read",
            Scope::Erase => "erase",
            Scope::Metrics => "metrics",
        }
    }
}

pub(super) fn add(args: &Args) -> Result<Exit, Failure> {
    fits(args)?;
    let mut file = Document::read(&args.keys)?;
    let is_such = |record: &&mut Value| {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        text("kind") == Some(args.kind.of_record())
            && text("audience") == Some(&*args.audience)
            && text("name") == args.name.as_deref()
            && (!args.kind.is_token()
                || record.get("public").and_then(Value::as_bool).unwrap_or(false)
                    == (args.kind == Kind::PublicToken))
    };
    if file.records()?.iter_mut().filter(is_such).count() >= KEYS_OF_NAME_MAX {
        let (kind, audience) = (args.kind.for_people(), &args.audience);
        let named = args
            .name
            .as_deref()
            .map_or("without a name".to_owned(), |name| format!("with the name `{}`", clean(name)));
        return Err(Failure::new(format!("audience {audience} has two {kind}s {named} already"))
            .help("revoke the older one (`usher keys revoke TAG --keys FILE`), or give this one a --name"));
    }
    let of_audience = |record: &&mut Value| {
        let is = |name: &str, value: &str| record.get(name).and_then(Value::as_str) == Some(value);
        is("kind", "identity") && is("audience", &args.audience)
    };
    let identity_keys = file.records()?.iter_mut().filter(of_audience).count();
    if args.kind == Kind::Identity && identity_keys >= IDENTITY_KEYS_OF_AUDIENCE_MAX {
        return Err(Failure::new(format!(
            "audience {} has {identity_keys} identity keys already, and an edge tries no more",
            args.audience
        ))
        .help("revoke one: `usher keys revoke TAG --keys FILE`"));
    }
    let account = account(file.records()?, &args.audience);
    let (record, key) = made(args, &account)?;
    file.records()?.push(record);
    let listed = file.listed()?;
    let tag = listed.last().and_then(|key| key.get("tag")).and_then(Value::as_str).unwrap_or_default();
    let is_this = |key: &&Value| key.get("tag").and_then(Value::as_str) == Some(tag);
    if listed.iter().filter(is_this).count() > 1 {
        return Err(Failure::new(format!("the secret has this key already, by the tag {tag}")));
    }
    file.write()?;
    if let Some(key) = key {
        print(&format!("{key}\n"))?;
    }
    let shown = args.keys.display();
    note(&format!(
        "The {} with the tag {tag} is in the secret of `{shown}`, for audience {}; deploy that again.",
        args.kind.for_people(),
        args.audience
    ));
    if args.public_key.is_none() {
        note("It is shown once; keep it where your other secrets are.");
    }
    Ok(Exit::Fine)
}

/// Refuses options that the kind does not have, and asks for those that it needs.
fn fits(args: &Args) -> Result<(), Failure> {
    let kind = args.kind;
    let has = [
        ("--origin", !args.origin.is_empty(), kind.is_for_pages(), true),
        (
            "--personalization",
            !args.personalization.is_empty(),
            kind.is_token() || kind == Kind::Server,
            false,
        ),
        ("--scope", !args.scope.is_empty(), kind == Kind::Server, true),
        ("--events-per-second", args.events_per_second.is_some(), kind == Kind::Server, false),
        ("--public-key", args.public_key.is_some(), kind == Kind::Identity, false),
    ];
    for (option, is_given, may, must) in has {
        if is_given && !may {
            return Err(Failure::usage(format!("{} has no {option}", kind.with_article())));
        }
        if !is_given && may && must {
            return Err(Failure::usage(format!("{} needs at least one {option}", kind.with_article())));
        }
    }
    Ok(())
}

/// The account of the audience's other keys: keys and tokens of one account belong together.
fn account(records: &[Value], audience: &str) -> String {
    let text = |record: &Value, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let of_audience = records.iter().filter(|record| text(record, "audience").as_deref() == Some(audience));
    of_audience.filter_map(|record| text(record, "account")).next().unwrap_or_else(|| "1".to_owned())
}

/// The record of a new key, and the key as it is printed.
fn made(args: &Args, account: &str) -> Result<(Value, Option<String>), Failure> {
    let mut record = json!({"kind": args.kind.of_record(), "audience": args.audience});
    if let Some(name) = &args.name {
        record["name"] = name.as_str().into();
    }
    if !args.personalization.is_empty() {
        record["personalizations"] = args.personalization.as_slice().into();
    }
    let key = match args.kind {
        Kind::Identity => {
            return match &args.public_key {
                Some(path) => {
                    record["public_key"] = base64url(&public_key(path)?).into();
                    Ok((record, None))
                }
                None => {
                    let secret = base64url(&random::<32>()?);
                    record["secret"] = secret.as_str().into();
                    Ok((record, Some(secret)))
                }
            };
        }
        Kind::Write | Kind::Server => format!("{account}/{}", random_hex::<20>()?),
        Kind::Admin => format!("{account}/{}", random_hex::<32>()?),
        Kind::PublicToken | Kind::PrivateToken => {
            format!("{account}/{}/{}", random_hex::<4>()?, random_hex::<16>()?)
        }
    };
    record["sha256"] = hash(&key).into();
    if args.kind != Kind::Admin {
        record["account"] = account.into();
    }
    if args.kind.is_for_pages() {
        record["origins"] = args.origin.as_slice().into();
    }
    if args.kind == Kind::PublicToken {
        record["public"] = true.into();
    }
    if args.kind == Kind::Server {
        record["scopes"] = args.scope.iter().map(|scope| scope.of_record()).collect::<Vec<_>>().into();
        if let Some(events) = args.events_per_second {
            record["events_per_second"] = events.into();
        }
    }
    Ok((record, Some(key)))
}
