//! `usher describe`: the columns of an event table.

use serde_json::{Value, json};

use super::ps::shapes;
use super::seen::{Column, Seen};
use crate::exit::{Exit, Failure};
use crate::targets::EdgeOptions;
use crate::terminal::print;

/// Show the columns of an event table
///
/// Of each column: its type, the share of events that have it, and the share of its values that differ, about. An edge that keeps
/// neither shows the columns that definitions read. Values are never shown; nobody keeps them.
///
/// Examples:
///   usher describe web.pageviews --json | jq -r '.columns[] | select(.name | test("id|email")) | .name'
///   usher describe web.pageviews --from events.ndjson
///
/// Exit status: 0 fine, 1 when there is no such table, or an edge or a file cannot be read, 64 for a wrong command line or a
/// missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// <database>.<table>
    #[arg(value_name = "TABLE")]
    table: String,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some((database, name)) = args.table.split_once('.') else {
        return Err(Failure::usage(format!("`{}` is no table", args.table)).help("write <database>.<table>"));
    };
    let seen = Seen::of(&args.edge, Some((database, name)))?;
    let Some(table) = seen.tables.iter().find(|it| it.database == database && it.table == name) else {
        return Err(Failure::new(format!("there is no event table {}", args.table))
            .help("`usher tables` lists those that there are"));
    };
    let row = |column: &Column| {
        let Column { name, data_type, types, share, distinct } = column;
        json!({"name": name, "type": data_type, "types": types, "share": share, "distinct": distinct})
    };
    if args.json {
        let columns: Vec<Value> = table.columns.iter().map(row).collect();
        let whole = json!({"database": database, "name": name, "events": table.events, "declared": table.declared, "columns": columns});
        print(&format!("{whole:#}\n"))?;
        return Ok(Exit::Fine);
    }
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let rows: Vec<Value> = table
        .columns
        .iter()
        .map(|it| json!({"name": it.name, "type": it.data_type, "share_of_events": percent(it.share), "different_values": percent(it.distinct)}))
        .collect();
    print(&shapes::table(&rows, &["name", "type", "share_of_events", "different_values"]))?;
    Ok(Exit::Fine)
}
