//! `usher rollback`: a bundle that ran before runs again.

use serde_json::json;
use usher_edge::Bundle;

use super::push::{agreed, done, report, show};
use crate::client::Pointed;
use crate::diff::Direction;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{note, print, progress};

/// Run a bundle again that ran before
///
/// Shows what changes against the bundle that runs, asks, and publishes the earlier one once more, under a new number:
/// profiles that the newer bundle wrote stay good, and counters of the earlier one are found again. An edge keeps the last
/// 20 bundles of an audience.
///
/// Without --number or --hash, the bundle before the one that runs comes back. After a rollback that is the one before the
/// one that it brought back, so a second rollback goes further back; `--number` goes forward again.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher rollback --audience 1069944 --to https://edge.example
///   usher rollback --target staging --dry-run
///   usher rollback --target production --number 41 -y
///
/// Exit status: 0 when the bundle runs, 1 when the edge refused, keeps no such bundle, or somebody said no, 64 for a wrong
/// command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    edge: EdgeOptions,
    /// The bundle with this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "hash")]
    number: Option<u64>,
    /// The bundle with this hash
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// Only if the bundle with this hash runs now, instead of the one that was looked at
    #[arg(long, value_name = "HASH")]
    if_match: Option<String>,
    /// Show what would change, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let which = match (&args.number, &args.hash) {
        (Some(number), _) => number.to_string(),
        (None, Some(hash)) => written(hash)?,
        (None, None) => "previous".to_owned(),
    };
    let edge = args.edge.find(Role::Admin)?;
    let audience = edge.named_audience()?;
    let client = edge.client()?;
    progress("reading what runs");
    // What should run, not what the place that answers runs: it may be behind, or unable to run it.
    let found = client.pointed(audience).and_then(|running| Ok((running, client.kept(audience, &which)?)));
    progress("");
    let (running, earlier) = found?;
    let Some(Pointed { bundle: running, here }) = running else {
        return Err(Failure::new(format!("nothing of audience {audience} runs there")));
    };
    let Some(earlier) = earlier else {
        let (missing, help) = if which == "previous" {
            // After a rollback to the first one, later ones are what is left to go to.
            let help = "--number names any bundle that is kept, a later one, too; or push what you want";
            ("no bundle before the one that runs", help)
        } else {
            let help = "the last 20 of an audience are kept; push the definition that you want instead";
            ("no such bundle", help)
        };
        return Err(
            Failure::new(format!("{missing} is kept there; bundle {} runs", running.number)).help(help)
        );
    };
    let bundle = Bundle::read(&earlier.body).map_err(|reason| {
        Failure::new(format!("this build cannot read bundle {}: {reason}", earlier.number))
    })?;
    note(&format!("Back to bundle {}.", earlier.number));
    show(Some(&running), &bundle, &earlier.hash, Direction::Rollback);
    if args.dry_run {
        print(&format!(
            "dry run: nothing was changed; bundle {} has the hash {}\n",
            earlier.number, earlier.hash
        ))?;
        return Ok(Exit::Fine);
    }
    if running.hash == earlier.hash && here && args.if_match.is_none() {
        return done(&running.number, audience, "already runs", &running.hash);
    }
    if !args.yes {
        let without = "add -y to roll back without being asked, or --dry-run to change nothing";
        agreed(&format!("Roll back at {}?", edge.url), "nothing was changed", without)?;
    }
    let number: u64 = earlier.number.parse().map_err(|_| client.not_an_edge())?;
    progress("rolling back");
    // What was looked at is what is replaced, and what was shown is what replaces it.
    let path = format!("/v1/audiences/{audience}/rollback");
    let replaced = args.if_match.as_deref().map(|hash| hash.trim_matches('"')).or(running.running());
    let answer = client.post_if(&path, replaced, json!({"number": number}).to_string().as_bytes());
    progress("");
    report(&client, audience, &answer?)
}

/// A hash as it is written in a path.
fn written(hash: &str) -> Result<String, Failure> {
    let hash = hash.trim_matches('"').to_ascii_lowercase();
    if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hash);
    }
    Err(Failure::usage("a bundle's hash has 64 hexadecimal digits")
        .help("`usher push` prints it; a bundle is named by --number, too"))
}
