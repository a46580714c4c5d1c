//! `usher push`: a checked definition becomes the bundle that an edge runs.

use std::path::PathBuf;

use serde_json::Value;
use usher_engine::diagnostic::Severity;

use crate::client::Client;
use crate::definitions::{Definitions, many};
use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::terminal::{confirm, note, print};

/// Publish definitions to an edge
///
/// Checks the definitions first, shows what they hold, asks, and publishes them as one bundle. The edge checks it once
/// more and runs it at once; the bundle that ran before stays as it is when anything fails.
///
/// The admin key comes from the environment variable USHER_ADMIN_KEY, or from a file.
///
/// Examples:
///   usher push definitions/ --to https://edge.example
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
    /// Where the edge answers
    #[arg(long, value_name = "URL")]
    to: String,
    /// Only if the bundle with this hash runs now
    #[arg(long, value_name = "HASH")]
    if_match: Option<String>,
    /// Check and show, publish nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// A file with the admin key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let definitions = Definitions::valid(&args.paths)?;
    let audience = secrets::audience(&definitions.definition().audience.id).map_err(Failure::new)?;
    let body = usher_edge::bundle_of(definitions.definition()).map_err(Failure::new)?;
    for line in definitions.summary() {
        note(&format!("  {line}"));
    }
    let warnings = definitions.count(Severity::Warning);
    if warnings > 0 {
        note(&format!("  {}, which `usher validate` shows", many(warnings, "warning")));
    }
    if args.dry_run {
        print(&format!("dry run: nothing was published; the bundle's hash is {}\n", secrets::hash(&body)))?;
        return Ok(Exit::Fine);
    }
    let key = secrets::require(secrets::ADMIN_KEY, args.key_file.as_deref(), "--key-file")?;
    let client = Client::new(&args.to, &key, secrets::ADMIN_KEY)?;
    if !args.yes {
        match confirm(&format!("Publish to {}?", args.to)) {
            Some(true) => {}
            Some(false) => return Err(Failure::new("nothing was published")),
            None => {
                return Err(Failure::usage("nobody is at the terminal to confirm")
                    .help("add -y to publish without being asked, or --dry-run to publish nothing"));
            }
        }
    }
    let if_match = args.if_match.as_deref().map(|hash| hash.trim_matches('"'));
    let answer = client.put(&format!("/v1/audiences/{audience}/bundle"), if_match, &body)?;
    let (Some(number), Some(hash)) =
        (answer.get("number").and_then(Value::as_i64), answer.get("hash").and_then(Value::as_str))
    else {
        return Err(Failure::new(format!("`{}` does not answer as an edge does", args.to)));
    };
    let news = if answer.get("changed") == Some(&Value::Bool(false)) { "already runs" } else { "runs now" };
    print(&format!("✅ Bundle {number} of audience {audience} {news}\nhash {hash}\n"))?;
    Ok(Exit::Fine)
}
