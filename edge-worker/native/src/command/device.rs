//! `usher device`: the program by which visitors' devices decide, and its revocation.

use clap::Subcommand;
use serde_json::Value;
use usher_edge::Bundle;
use usher_engine::definition::Personalization;
use usher_engine::{Plan, Reduced};

use super::push::agreed;
use crate::client::Client;
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, print, progress};

/// Show and revoke the program by which visitors' devices decide
///
/// The program is the part of the running bundle that is marked `device: true`, as visitors' browsers get it. Its name is the
/// SHA-256 of its bytes; pages see it as `usher.engine.info().program`.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher device show --target production
///   usher device revoke --target production
///
/// Exit status: 0 fine, 1 failure, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(Show),
    Revoke(Revoke),
}

/// Print the program of the running bundle
///
/// Its name, its size, and the personalizations that devices decide by it. The name is that of this build's program; an edge of
/// another release has another one.
///
/// Examples:
///   usher device show --audience 1069944 --to https://edge.example
///
/// Exit status: 0 fine, 1 when nothing runs, or nothing of it is for devices, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Show {
    #[command(flatten)]
    edge: EdgeOptions,
}

/// Revoke the program of the running bundle, for ever
///
/// Within 60 seconds no place gives it to a browser, or an extract for it. A page that asks the next time erases what it has, and
/// the edge decides for it. A device that reaches no edge goes on by it, until 24 hours after the edge last confirmed it. A bundle
/// whose public part differs has another program, which devices get.
///
/// Without PROGRAM it is the one that `usher device show` prints.
///
/// Examples:
///   usher device revoke --audience 1069944 --to https://edge.example
///   usher device revoke 66c1…e0 --target production -y
///
/// Exit status: 0 when the program is revoked, 1 when the running bundle has another one, the edge refused or somebody said no,
/// 64 for a wrong command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Revoke {
    /// The program's name: 64 hexadecimal digits
    #[arg(value_name = "PROGRAM", value_parser = name)]
    program: Option<String>,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Show(args) => show(args),
        Verb::Revoke(args) => revoke(args),
    }
}

fn show(args: &Show) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let (client, audience) = (edge.client()?, edge.named_audience()?);
    let Program { name, bytes, decides, number } = running(&client, audience)?;
    print(&format!(
        "program {name}\n{bytes} bytes, of bundle {number}; devices decide {}: {}\n",
        many(decides.len(), "personalization"),
        decides.join(", ")
    ))?;
    Ok(Exit::Fine)
}

fn revoke(args: &Revoke) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let (client, audience) = (edge.client()?, edge.named_audience()?);
    let name = match &args.program {
        Some(name) => name.clone(),
        None => running(&client, audience)?.name,
    };
    if !args.yes {
        let question =
            format!("Revoke the program {name} of audience {audience} at {}? It cannot be undone.", edge.url);
        agreed(&question, "nothing was revoked", "add -y to revoke without being asked")?;
    }
    progress("revoking");
    let answer = client.remove(&format!("/v1/audiences/{audience}/programs/{name}"));
    progress("");
    let line = match answer?.get("changed").and_then(Value::as_bool) {
        Some(true) => "is revoked: within 60 seconds no place gives it",
        Some(false) => "was revoked before",
        None => return Err(client.not_an_edge()),
    };
    print(&format!("✅ The program {name} {line}\n"))?;
    Ok(Exit::Fine)
}

/// The program that devices decide by.
struct Program {
    name: String,
    bytes: usize,
    /// Names of personalizations.
    decides: Vec<String>,
    /// Of the bundle.
    number: String,
}

fn running(client: &Client, audience: &str) -> Result<Program, Failure> {
    progress("reading what runs");
    let running = client.bundle(audience);
    progress("");
    let Some(running) = running? else {
        return Err(Failure::new(format!("nothing of audience {audience} runs there")));
    };
    let bundle = Bundle::read(&running.body).map_err(|reason| {
        Failure::new(format!("this build cannot read bundle {}: {reason}", running.number))
    })?;
    let plan = Plan::compile(&bundle.definition);
    let plan = plan.map_err(|_| Failure::new("this build cannot compile what runs there"))?;
    let Some(program) = Reduced::of(plan).map(|reduced| reduced.program()) else {
        let nothing = format!("nothing of bundle {} is for devices", running.number);
        return Err(Failure::new(nothing).help("a personalization is if it says `device: true`"));
    };
    let is_there = |personalization: &&Personalization| personalization.device;
    let decides = bundle.definition.personalizations.iter().filter(is_there);
    Ok(Program {
        name: secrets::hash(&program),
        bytes: program.len(),
        decides: decides.map(|personalization| clean(&personalization.name).to_string()).collect(),
        number: running.number,
    })
}

fn name(text: &str) -> Result<String, String> {
    let is_name = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_name {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a program's name is 64 hexadecimal digits".to_owned())
    }
}
