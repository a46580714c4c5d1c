//! `usher keys revoke`: a key is not valid any more, at an edge, in a secret, or both.

use std::path::PathBuf;

use serde_json::Value;

use super::document::Document;
use crate::command::push::agreed;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{note, print, progress};

/// Revoke a key by its tag
///
/// At an edge, the key is refused everywhere within 60 seconds, for ever. With --keys, it is taken out of the secret in that
/// file, too, so that it is not part of the next deployment; with --keys and no edge, it is taken out of the file alone. `usher
/// keys list` shows the tags.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher keys revoke 60b6c3f14d16 --target production --keys keys.json
///   usher keys revoke 60b6c3f14d16 --audience 1069944 --to https://edge.example -y
///
/// Exit status: 0 when the key is revoked, 1 when there is no such key, the edge refused or somebody said no, 64 for a wrong
/// command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The key's tag: 12 hexadecimal digits
    #[arg(value_name = "TAG", value_parser = tag)]
    tag: String,
    #[command(flatten)]
    edge: EdgeOptions,
    /// A file with the secret, or with keys and secret, out of which the key is taken
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

fn tag(text: &str) -> Result<String, String> {
    let is_tag = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_tag { Ok(text.to_ascii_lowercase()) } else { Err("a tag is 12 hexadecimal digits".to_owned()) }
}

pub(super) fn revoke(args: &Args) -> Result<Exit, Failure> {
    // The file first: what is wrong with it is said before anything is revoked.
    let file = args.keys.as_deref().map(Document::read).transpose()?;
    let at_edge = args.edge.is_named()?;
    if !at_edge && file.is_none() {
        return Err(Failure::usage("neither an edge nor a file with the secret is named")
            .help("name an edge with --to or --target, and the file with --keys"));
    }
    if at_edge {
        revoke_at(args)?;
    }
    if let Some(file) = file {
        take_out(args, file)?;
    }
    Ok(Exit::Fine)
}

fn revoke_at(args: &Args) -> Result<(), Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let (client, audience) = (edge.client()?, edge.named_audience()?);
    if !args.yes {
        let question = format!("Revoke the key {} at {}? It cannot be undone.", args.tag, edge.url);
        agreed(&question, "nothing was revoked", "add -y to revoke without being asked")?;
    }
    progress("revoking");
    let answer = client.remove(&format!("/v1/audiences/{audience}/keys/{}", args.tag));
    progress("");
    let line = match answer?.get("changed").and_then(Value::as_bool) {
        Some(true) => "is revoked: within 60 seconds no place takes it",
        Some(false) => "was revoked before",
        None => return Err(client.not_an_edge()),
    };
    print(&format!("✅ The key {} {line}\n", args.tag))
}

fn take_out(args: &Args, mut file: Document) -> Result<(), Failure> {
    let is_it = |key: &Value| key.get("tag").and_then(Value::as_str) == Some(&*args.tag);
    let Some(at) = file.listed()?.iter().position(is_it) else {
        let failure = Failure::new(format!("the secret has no key {}", args.tag));
        return Err(failure.help("`usher keys list` shows the tags of its keys"));
    };
    file.records()?.remove(at);
    file.write()?;
    print(&format!("✅ The key {} is out of the secret\n", args.tag))?;
    note("Deploy the secret again.");
    Ok(())
}
