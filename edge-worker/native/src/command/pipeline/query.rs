//! `usher pipeline query`: aggregates over the rows of a file, once.

use std::path::PathBuf;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use usher_config::{Source, read_aggregation, render};
use usher_engine::time::rfc3339_ms;
use usher_engine::value::Value;
use usher_pipelines::{Aggregates, Record};

use super::loaded::not_compiled;
use crate::clock;
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::lines::{self, Lines};
use crate::terminal::{clean, colored, note, print};

/// Aggregate the rows of a file, once
///
/// AVG, COUNT, COUNT(DISTINCT a), MAX, MIN and SUM, over all rows or by the values of GROUP BY; WHERE and calculations are those of
/// pipelines. Reads NDJSON, such as a pipeline writes it, and writes a line for each group, in the order of its values. Sums are exact:
/// they do not depend on the order of rows.
///
/// Examples:
///   usher pipeline query "SELECT COUNT(*) AS rows, COUNT(DISTINCT user_id) AS users FROM enriched_clicks" --from rows.ndjson
///   usher pipeline query "SELECT tier, AVG(score) AS score FROM rows WHERE timestamp > NOW() - INTERVAL 1 HOUR GROUP BY tier" --from rows.ndjson
///
/// Exit status: 0 fine, 1 when a file cannot be read, or lines were refused, 2 when the query has errors, 64 for a wrong command
/// line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The query; its FROM is a name for the rows
    #[arg(value_name = "SQL")]
    sql: String,
    /// A file of rows, or - for standard input; several are read one after the other
    #[arg(long, value_name = "PATH", required = true)]
    from: Vec<PathBuf>,
    /// The time that NOW() is, such as 2026-01-01T12:00:00Z; the present one when missing
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<i64>,
}

fn time(text: &str) -> Result<i64, String> {
    rfc3339_ms(text).ok_or_else(|| "write a time such as 2026-01-01T12:00:00Z".to_owned())
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let source = Source { name: "SQL".to_owned(), text: args.sql.clone() };
    let aggregation = read_aggregation(&source).map_err(|findings| {
        let color = colored(&std::io::stderr());
        for finding in &findings {
            note(&render::human(finding, std::slice::from_ref(&source), color));
        }
        Failure::new(format!("the query is not valid: {}", many(findings.len(), "error")))
            .exit(Exit::InvalidDefinition)
    })?;
    let mut aggregates = Aggregates::new(&aggregation).map_err(not_compiled)?;
    let now_ms = args.now.unwrap_or_else(clock::now_ms);
    let mut refused = 0;
    for path in &args.from {
        let mut lines = Lines::new(lines::open(path)?);
        loop {
            let line = lines.next().map_err(|error| Failure::of_file("read", path.display(), error))?;
            let Some(line) = line else { break };
            match line.text.as_deref().map(serde_json::from_slice) {
                Some(Ok(Value::Object(columns))) => {
                    let record =
                        Record { partition: 0, offset: line.number, arrival_ms: now_ms, key: None, columns };
                    aggregates.take(record, now_ms).map_err(Failure::new)?;
                }
                _ => refused += 1,
            }
        }
    }
    for row in aggregates.rows() {
        let line = serde_json::to_string(&Line(&row)).map_err(|error| Failure::new(error.to_string()))?;
        print(&format!("{line}\n"))?;
    }
    if refused > 0 {
        note(&clean(&format!("{} refused: a row is a JSON object", many(refused, "line"))));
        return Ok(Exit::Failure);
    }
    Ok(Exit::Fine)
}

/// A row of results.
struct Line<'a>(&'a [(Rc<str>, Value)]);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}
