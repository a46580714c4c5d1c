//! `usher erase`: a visitor is forgotten.

use serde_json::Value;

use super::profile::{content, path, unknown};
use super::push::agreed;
use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, note, print, progress};

/// Erase everything that is stored of a visitor
///
/// Removes the profile that has this key, with all its keys and the profiles that it absorbed, and the rows of tables that are
/// the visitor's own, which there may be without a profile. For 400 days events from before the erasure and imports of its keys
/// are refused; a later event begins a new profile. With --readmit imports of the key are taken again.
///
/// The server key needs the scope `erase`, and `read` to show what would be erased. It comes from the environment variable
/// USHER_SERVER_KEY, from a file, or from where usher.toml says.
///
/// Examples:
///   usher erase customer_id c-1001 --target production
///   usher erase email jane@shop.example --audience 1069944 --to https://edge.example -y
///   usher erase customer_id c-1001 --target production --readmit
///
/// Exit status: 0 when the visitor is erased, 1 when nobody has this key, the edge refused or somebody said no, 64 for a wrong
/// command line, a missing key, or nobody to ask.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The name of a key
    #[arg(value_name = "KEY")]
    key: String,
    /// Its value
    #[arg(value_name = "VALUE")]
    value: String,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Take imports of an erased key again, and erase nothing
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    readmit: bool,
    /// Show what would be erased, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

const WITHOUT: &str = "add -y to erase without being asked, or --dry-run to change nothing";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Server)?;
    let audience = edge.named_audience()?;
    let client = edge.client()?;
    let said = |answer: &Value, name: &str| answer.get(name).and_then(Value::as_bool);
    if args.readmit {
        let answer = client.remove(&path(audience, "suppressions", &args.key, &args.value))?;
        let line = match said(&answer, "lifted").ok_or_else(|| client.not_an_edge())? {
            true => "✅ Imports of this key are taken again",
            false => "✅ Imports of this key were not refused",
        };
        print(&format!("{line}\n"))?;
        return Ok(Exit::Fine);
    }
    let path = path(audience, "profiles", &args.key, &args.value);
    match client.get_any(&path) {
        Ok(Some(profile)) => note(&clean(&content(&profile))),
        Ok(None) if args.dry_run => return Err(unknown(&args.key)),
        // Rows of tables may have the key, or an earlier call may have erased the visitor whose answer did not come.
        Ok(None) => {
            if !args.yes {
                let question = format!(
                    "No profile has this key. Erase rows of tables that have it, of audience {audience} at {}? It cannot be undone.",
                    edge.url
                );
                agreed(&question, "nothing was erased", WITHOUT)?;
            }
            let answer = client.remove_any(&path)?.ok_or_else(|| unknown(&args.key))?;
            if said(&answer, "erased") != Some(true) {
                return Err(client.not_an_edge());
            }
            print(match answer["keys"].as_u64() {
                Some(0) => "✅ The visitor was erased before\n",
                _ => "✅ The visitor's rows of tables are erased, and there was no profile\n",
            })?;
            return Ok(Exit::Fine);
        }
        Err(failure) if failure.is_forbidden() && !args.dry_run => {
            note("The key may not read what would be erased.");
        }
        Err(failure) => return Err(failure),
    }
    if args.dry_run {
        print("dry run: nothing was erased\n")?;
        return Ok(Exit::Fine);
    }
    if !args.yes {
        let question =
            format!("Erase this visitor of audience {audience} at {}? It cannot be undone.", edge.url);
        agreed(&question, "nothing was erased", WITHOUT)?;
    }
    progress("erasing");
    let answer = client.remove(&path);
    progress("");
    if said(&answer?, "erased") != Some(true) {
        return Err(client.not_an_edge());
    }
    print("✅ The visitor is erased\nevents from before and imports of its keys are refused for 400 days\n")?;
    Ok(Exit::Fine)
}
