//! `usher pipeline explain`: the plan of a pipeline, in words.

use std::path::PathBuf;

use usher_engine::definition::pipeline::{Column, Format, Pipeline};
use usher_pipelines::Plan;

use super::loaded::{Loaded, not_compiled};
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::terminal::{clean, print};

/// Show the plan of a pipeline: joins, what is kept of each source, and for how long
///
/// Examples:
///   usher pipeline explain pipeline.yaml
///
/// Exit status: 0 fine, 1 when the file cannot be read, 2 when the pipeline has errors, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The file of a pipeline
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let pipeline = Loaded::one(&args.file)?;
    let plan = Plan::compile(&pipeline).map_err(not_compiled)?;
    print(&clean(&text(&pipeline, &plan)))?;
    Ok(Exit::Fine)
}

fn text(pipeline: &Pipeline, plan: &Plan) -> String {
    let output = &pipeline.output;
    let format = match output.format {
        Format::Json => "JSON",
        Format::Avro => "Avro on a broker, JSON in files",
    };
    let key = output.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
    let mut text = format!("{}: {} → {} ({format}{key})\n", pipeline.name, pipeline.from.topic, output.topic);
    text.push_str(&format!("\nFROM {} {}\n", pipeline.from.topic, pipeline.from.alias));
    let ttl = duration(pipeline.ttl_ms);
    if pipeline.is_smart() {
        text.push_str(&format!(
            "  an event waits up to {ttl} until the row has {}\n",
            pipeline.require.join(", ")
        ));
    } else {
        text.push_str("  each event is answered at once\n");
    }
    text.push_str(&format!("  an id is emitted once within {ttl}\n"));
    for (index, join) in pipeline.joins.iter().enumerate() {
        let kind = if join.is_inner { "JOIN" } else { "LEFT JOIN" };
        let (place, column) = &join.equals;
        let other = pipeline.source(*place).map(|source| source.alias.as_str()).unwrap_or_default();
        let alias = &join.source.alias;
        text.push_str(&format!(
            "\n{kind} {} {alias} ON {other}.{column} = {alias}.{}\n",
            join.source.topic, join.column
        ));
        let age = match join.ttl_ms {
            None => "it does not expire".to_owned(),
            Some(ttl_ms) => format!("used for events up to {} later", duration(ttl_ms)),
        };
        text.push_str(&format!("  the newest row of each {} is kept; {age}\n", join.column));
        let kept = match plan.kept(index) {
            None => "all columns".to_owned(),
            Some([]) => "no column, only that there is one".to_owned(),
            Some(names) => names.join(", "),
        };
        text.push_str(&format!("  kept of a row: {kept}\n"));
        let without = match (join.is_inner, pipeline.is_smart()) {
            (false, _) => "its columns are null",
            (true, true) => "the event waits",
            (true, false) => "the event is dropped and counted",
        };
        text.push_str(&format!("  without a row {without}\n"));
        text.push_str("  whole in every process\n");
    }
    if let Some(condition) = &pipeline.condition {
        text.push_str(&format!("\nWHERE {condition}\n"));
    }
    text.push_str(&format!("\nSELECT {}\n", many(pipeline.columns.len(), "column")));
    let width = pipeline.columns.iter().map(|column| name(column).chars().count()).max().unwrap_or(0);
    for column in &pipeline.columns {
        let meaning = match column {
            Column::Value { value, .. } => value.to_string(),
            Column::All => "every column of every source".to_owned(),
            Column::AllOf(place) => {
                let topic = pipeline.source(*place).map(|source| source.topic.as_str()).unwrap_or_default();
                format!("every column of {topic}")
            }
        };
        text.push_str(&format!("  {:<width$}  {meaning}\n", name(column)));
    }
    text
}

fn name(column: &Column) -> &str {
    match column {
        Column::Value { name, .. } => name,
        Column::All | Column::AllOf(_) => "*",
    }
}

/// `90s`, `1h30m`, `7d`
fn duration(ms: i64) -> String {
    let (mut text, mut rest) = (String::new(), ms);
    for (unit, unit_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    text
}
