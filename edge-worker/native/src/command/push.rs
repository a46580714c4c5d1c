//! `usher push`: a checked definition becomes the bundle that an edge runs.

use std::path::PathBuf;

use serde_json::Value;
use usher_edge::Bundle;
use usher_engine::definition::Personalization;
use usher_engine::diagnostic::Severity;

use crate::client::{Client, Published};
use crate::definitions::{Definitions, many};
use crate::diff::{self, Direction};
use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, colored, confirm, note, print, progress};

/// Publish definitions to an edge
///
/// Checks the definitions first, shows what changes against the bundle that runs, asks, and publishes them as one bundle.
/// The edge checks it once more and runs it at once; the bundle that ran before stays as it is when anything fails, or
/// when somebody else published since it was looked at.
///
/// A bundle replaces everything: name the directory, or all of its files. One that would remove all personalizations or all
/// key events is not published with -y alone.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher push definitions/ --to https://edge.example
///   usher push definitions/ --target local -y
///   usher push definitions/ --to https://edge.example --dry-run
///   usher push definitions/ --to https://edge.example --if-match "$hash" -y
///
/// Exit status: 0 when the bundle runs, 1 when the edge refused it or somebody said no, 2 when the definition has
/// errors, 64 for a wrong command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Only if the bundle with this hash runs now, instead of the one that was looked at
    #[arg(long, value_name = "HASH")]
    if_match: Option<String>,
    /// Check and show what would change, publish nothing; goes without an edge, too, where none is named
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// With -y, publish even what removes all personalizations or all key events of what runs
    #[arg(long)]
    remove_all: bool,
    /// Publish although a draft of the control API is open, which is then set aside
    #[arg(long)]
    discard_draft: bool,
}

/// The same for RT 2.0's name of it, which takes services alone, too: they are added to what runs.
pub(super) fn run_of_ps(args: &Args) -> Result<Exit, Failure> {
    if args.edge.is_named()? {
        let definitions = Definitions::load(&args.paths)?;
        if definitions.are_services() {
            return add(args, &definitions);
        }
    }
    run(args)
}

/// Adds services to what runs, or puts them in the place of those with their names.
fn add(args: &Args, definitions: &Definitions) -> Result<Exit, Failure> {
    let bundle = definitions.bundle();
    let audience = secrets::audience(&bundle.definition.audience.id).map_err(Failure::new)?;
    let edge = args.edge.find(Role::Admin)?;
    let client = edge.client()?;
    let services = &bundle.definition.personalizations;
    let names: Vec<String> = services.iter().map(|service| clean(&service.name)).collect();
    note(&format!(
        "  {} to add to what audience {audience} runs: {}",
        many(names.len(), "service"),
        names.join(", ")
    ));
    let body = bundle.write().map_err(Failure::new)?;
    if args.dry_run {
        return dry(&secrets::hash(&body));
    }
    if !args.yes {
        let without = "add -y to publish without being asked, or --dry-run to publish nothing";
        agreed(&format!("Publish to {}?", edge.url), "nothing was published", without)?;
    }
    progress("publishing");
    let path = format!("/audiences/{audience}/draft/services");
    let answer = client.post(&path, "application/json", &body);
    progress("");
    report(&client, &audience, &answer?)
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let definitions = Definitions::valid(&args.paths)?;
    let definition = definitions.definition();
    let audience = secrets::audience(&definition.audience.id).map_err(Failure::new)?;
    let mut bundle = definitions.bundle();
    let mut body = bundle.write().map_err(Failure::new)?;
    let mut hash = secrets::hash(&body);
    for line in definitions.summary() {
        note(&format!("  {line}"));
    }
    let warnings = definitions.count(Severity::Warning);
    if warnings > 0 {
        note(&format!("  {}, which `usher validate` shows", many(warnings, "warning")));
    }
    for directory in &definitions.unread {
        note(&format!(
            "  not read: the definitions in the directory `{}`, which is not named",
            clean(directory)
        ));
    }
    // Without an edge that may be asked, a dry run still says what would be sent.
    if args.dry_run && !args.edge.is_named()? {
        return dry(&hash);
    }
    let edge = args.edge.find(Role::Admin)?;
    if edge.audience.as_ref().is_some_and(|wanted| *wanted != audience) {
        return Err(Failure::usage(format!("the definition is of audience {audience}, not of the one that is named"))
            .help("--audience, the target of usher.toml or USHER_AUDIENCE names another: name the files of that audience"));
    }
    let client = edge.client()?;
    progress("reading what runs");
    let running = client.pointed(&audience);
    progress("");
    let (running, here) = match running? {
        Some(pointed) => (Some(pointed.bundle), pointed.here),
        None => (None, false),
    };
    if running.as_ref().is_some_and(|running| take_ids(&mut bundle, running)) {
        body = bundle.write().map_err(Failure::new)?;
        hash = secrets::hash(&body);
    }
    show(running.as_ref(), &bundle, &hash, Direction::Publish);
    if args.dry_run {
        return dry(&hash);
    }
    // Where it should run and does not, the edge is told again: it stores its copies once more and catches up.
    if let Some(running) = running.as_ref().filter(|running| running.hash == hash)
        && here
        && args.if_match.is_none()
    {
        return done(&running.number, &audience, "already runs", &hash);
    }
    let removed = running.as_ref().and_then(|running| removed(running, &bundle));
    if !args.yes {
        let without = "add -y to publish without being asked, or --dry-run to publish nothing";
        let removing = removed.as_ref().map(|what| format!(" and remove {what}")).unwrap_or_default();
        agreed(&format!("Publish to {}{removing}?", edge.url), "nothing was published", without)?;
    } else if let Some(what) = removed.filter(|_| !args.remove_all) {
        return Err(Failure::usage(format!("this would remove {what}; nothing was published")).help(
            "a push replaces everything: name the directory, or all files; add --remove-all if this is meant",
        ));
    }
    // What was looked at is what is replaced: whoever published in between is not overwritten.
    let seen = running.as_ref().and_then(Published::running);
    let replaced = args.if_match.as_deref().map(|hash| hash.trim_matches('"')).or(seen);
    let draft = if args.discard_draft { "?draft=discard" } else { "" };
    progress("publishing");
    let answer = client.put(&format!("/v1/audiences/{audience}/bundle{draft}"), replaced, &body);
    progress("");
    report(&client, &audience, &answer?)
}

/// Gives each personalization without an id that of its name and kind in what runs: who knows it by the id still finds it. True if
/// there was one.
fn take_ids(bundle: &mut Bundle, running: &Published) -> bool {
    let Ok(before) = Bundle::read(&running.body) else { return false };
    let before = before.definition.personalizations;
    let taken = |id: &Option<String>, all: &[Personalization]| all.iter().any(|it| it.id == *id);
    let mut found = false;
    for index in 0..bundle.definition.personalizations.len() {
        let all = &bundle.definition.personalizations;
        let Some(own) = all.get(index).filter(|own| own.id.is_none()) else { continue };
        let is_it = |other: &&Personalization| other.name == own.name && other.choice == own.choice;
        let id = before.iter().find(is_it).and_then(|other| other.id.clone());
        let id = id.filter(|id| !taken(&Some(id.clone()), all));
        found |= id.is_some();
        if let Some(own) = bundle.definition.personalizations.get_mut(index) {
            own.id = id;
        }
    }
    found
}

/// The kinds of objects that the running bundle has and another has none of: files that were not named, rather than emptied.
fn removed(running: &Published, bundle: &Bundle) -> Option<String> {
    let before = Bundle::read(&running.body).ok()?.definition;
    let after = &bundle.definition;
    let kinds = [
        ("personalization", before.personalizations.len(), after.personalizations.len()),
        ("key event", before.key_events.len(), after.key_events.len()),
    ];
    let gone = kinds.into_iter().filter(|(_, before, after)| *before > 0 && *after == 0);
    let all = |(name, before, _): (&str, usize, usize)| match before {
        1 => format!("the only {name}"),
        _ => format!("all {}", many(before, name)),
    };
    let gone: Vec<String> = gone.map(all).collect();
    (!gone.is_empty()).then(|| format!("{} of bundle {}", gone.join(" and "), running.number))
}

/// Says what an edge answers that took a bundle.
pub(super) fn report(client: &Client, audience: &str, answer: &Value) -> Result<Exit, Failure> {
    let (Some(number), Some(hash)) =
        (answer.get("number").and_then(Value::as_i64), answer.get("hash").and_then(Value::as_str))
    else {
        return Err(client.not_an_edge());
    };
    let news = if answer.get("changed") == Some(&Value::Bool(false)) { "already runs" } else { "runs now" };
    let news = match answer.get("restores").and_then(Value::as_i64) {
        Some(earlier) => format!("{news}; it is bundle {earlier} once more"),
        None => news.to_owned(),
    };
    done(&number.to_string(), audience, &news, hash)
}

/// Asks whether to go on; `without` is what to add where nobody is there to be asked.
pub(super) fn agreed(question: &str, refused: &str, without: &str) -> Result<(), Failure> {
    match confirm(question) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(refused)),
        None => Err(Failure::usage("nobody is at the terminal to confirm").help(without)),
    }
}

/// Says what a bundle would change.
pub(super) fn show(running: Option<&Published>, bundle: &Bundle, hash: &str, direction: Direction) {
    let Some(running) = running else {
        note("Nothing of this audience runs there yet.");
        return;
    };
    if running.running().is_none() {
        note("Nothing of this audience runs there since it was unpublished.");
        return;
    }
    let Ok(before) = Bundle::read(&running.body) else {
        note(&format!("Bundle {} runs there; this build cannot read it to compare.", running.number));
        return;
    };
    let mut changes = diff::changes(&before.definition, &bundle.definition, direction);
    changes.extend(diff::examples(&before.examples, &bundle.examples));
    if changes.is_empty() {
        let what =
            if running.hash == hash { "Nothing changes" } else { "Nothing that a list can show changes" };
        note(&format!("{what} against bundle {}.", running.number));
        return;
    }
    note(&format!("Against bundle {}, which runs there:", running.number));
    let color = colored(&std::io::stderr());
    for change in &changes {
        note(&change.line(color));
    }
}

fn dry(hash: &str) -> Result<Exit, Failure> {
    print(&format!("dry run: nothing was published; the bundle's hash is {hash}\n"))?;
    Ok(Exit::Fine)
}

pub(super) fn done(number: &str, audience: &str, news: &str, hash: &str) -> Result<Exit, Failure> {
    print(&format!("✅ Bundle {number} of audience {audience} {news}\nhash {hash}\n"))?;
    Ok(Exit::Fine)
}
