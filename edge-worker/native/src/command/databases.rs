//! `usher databases`: the databases of event tables.

use serde_json::{Value, json};

use super::ps::shapes;
use super::seen::Seen;
use crate::exit::{Exit, Failure};
use crate::targets::EdgeOptions;
use crate::terminal::print;

/// List the databases of event tables
///
/// Those of the tables that the bundles of an edge declare, and of those that events came for while an audience has
/// `discover: on`. With --from and a file, those of its events.
///
/// Examples:
///   usher databases --json | jq -r '.[].name'
///   usher databases --from events.ndjson
///
/// Exit status: 0 fine, 1 when an edge or a file cannot be read, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let seen = Seen::of(&args.edge, None)?;
    let mut databases: Vec<(&str, usize)> = Vec::new();
    for table in &seen.tables {
        match databases.last_mut().filter(|(name, _)| *name == table.database) {
            Some((_, tables)) => *tables += 1,
            None => databases.push((&table.database, 1)),
        }
    }
    let rows: Vec<Value> =
        databases.iter().map(|(name, tables)| json!({"name": name, "tables": tables})).collect();
    print(&if args.json {
        format!("{:#}\n", Value::Array(rows))
    } else {
        shapes::table(&rows, &["name", "tables"])
    })?;
    Ok(Exit::Fine)
}
