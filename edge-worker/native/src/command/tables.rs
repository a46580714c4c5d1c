//! `usher tables`: event tables by name.

use serde_json::{Value, json};

use super::ps::shapes;
use super::seen::Seen;
use crate::exit::{Exit, Failure};
use crate::targets::EdgeOptions;
use crate::terminal::print;

/// List event tables
///
/// Those that the bundles of an edge declare, and those that events came for while an audience has `discover: on`. With --from
/// and a file, those of its events. In a pattern, `*` stands for any characters; without a dot it is about the table alone.
///
/// Examples:
///   usher tables "web.*" --json | jq -r '.[].name'
///   usher tables --from events.ndjson
///
/// Exit status: 0 fine, 1 when an edge or a file cannot be read, 64 for a wrong command line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A pattern of <database>.<table>; all without it
    #[arg(value_name = "PATTERN", default_value = "*")]
    pattern: String,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let seen = Seen::of(&args.edge, None)?;
    let fits = |database: &str, table: &str| {
        let whole = format!("{database}.{table}");
        matches(&args.pattern, if args.pattern.contains('.') { &whole } else { table })
    };
    let tables = seen.tables.iter().filter(|it| fits(&it.database, &it.table));
    let rows: Vec<Value> = tables
        .map(|it| {
            json!({
                "name": it.table, "database": it.database, "id": format!("{}.{}", it.database, it.table),
                "events": it.events, "declared": it.declared,
            })
        })
        .collect();
    let columns = ["database", "name", "events", "declared"];
    print(&if args.json { format!("{:#}\n", Value::Array(rows)) } else { shapes::table(&rows, &columns) })?;
    Ok(Exit::Fine)
}

/// True if a text fits a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            let Some(text) = text.strip_prefix(start) else { return false };
            let ends = text.char_indices().map(|(end, _)| end).chain([text.len()]);
            ends.into_iter().any(|end| text.get(end..).is_some_and(|text| matches(rest, text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in
            [("*", ""), ("web.*", "web.pages"), ("*view*", "page_views"), ("a*b*c", "aXbXc"), ("web", "web")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("web.*", "mail.opens"), ("a*b", "abc"), ("", "a"), ("view", "views")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
