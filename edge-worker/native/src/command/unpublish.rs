//! `usher unpublish`: an audience runs nothing any more.

use serde_json::Value;
use usher_edge::Bundle;

use super::push::agreed;
use crate::client::Published;
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, note, print, progress};

/// Take an audience out of service
///
/// The audience runs nothing afterwards: events to its tables and lookups are answered 404. Its profiles and the last 20
/// bundles stay; `usher rollback` brings the last one back, and `usher push` publishes another.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher unpublish --audience 1069944 --to https://edge.example
///   usher unpublish --target staging --dry-run
///   usher unpublish --target staging -y
///
/// Exit status: 0 when the audience runs nothing, 1 when the edge refused, does not know the audience, or somebody said
/// no, 64 for a wrong command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    edge: EdgeOptions,
    /// Only if the bundle with this hash runs now, instead of the one that was looked at
    #[arg(long, value_name = "HASH")]
    if_match: Option<String>,
    /// Show what would stop running, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Admin)?;
    let audience = edge.named_audience()?;
    let client = edge.client()?;
    progress("reading what runs");
    let running = client.pointed(audience);
    progress("");
    let Some(running) = running?.map(|pointed| pointed.bundle) else {
        return Err(Failure::new(format!("nothing of audience {audience} runs there")));
    };
    let Some(hash) = running.running() else {
        print(&format!("✅ Audience {audience} runs nothing already\n"))?;
        return Ok(Exit::Fine);
    };
    note(&content(&running));
    if args.dry_run {
        print(&format!("dry run: nothing was changed; the bundle's hash is {hash}\n"))?;
        return Ok(Exit::Fine);
    }
    if !args.yes {
        let without = "add -y to unpublish without being asked, or --dry-run to change nothing";
        agreed(&format!("Unpublish audience {audience} at {}?", edge.url), "nothing was changed", without)?;
    }
    progress("unpublishing");
    // Only the bundle that was shown is taken out, so that a publication in between is not undone.
    let hash = args.if_match.as_deref().map_or(hash, |hash| hash.trim_matches('"'));
    let answer = client.delete(&format!("/v1/audiences/{audience}/bundle"), hash);
    progress("");
    if answer?.get("hash").and_then(Value::as_str) != Some("") {
        return Err(client.not_an_edge());
    }
    print(&format!(
        "✅ Audience {audience} runs nothing now\nbundle {} and its profiles are kept; `usher rollback` runs it again\n",
        running.number
    ))?;
    Ok(Exit::Fine)
}

/// One line with the number of a bundle and what it has most.
fn content(running: &Published) -> String {
    let Ok(bundle) = Bundle::read(&running.body) else {
        return format!("Bundle {} runs there; this build cannot read it.", running.number);
    };
    let definition = &bundle.definition;
    let name =
        definition.audience.name.as_ref().map(|name| format!(" of {}", clean(name))).unwrap_or_default();
    format!(
        "Bundle {}{name} runs there: {}, {}, {}.",
        running.number,
        many(definition.key_events.len(), "key event"),
        many(definition.attributes.len(), "attribute"),
        many(definition.personalizations.len(), "personalization"),
    )
}
