//! `usher pipeline validate`: every finding of pipelines, at its place.

use std::path::PathBuf;

use clap::ValueEnum;
use usher_config::{render, sarif};
use usher_engine::definition::pipeline::{Column, Pipeline};

use super::loaded::Loaded;
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::terminal::{clean, note, print};

/// Check pipelines and report every finding at once
///
/// Reads all files together: names of pipelines and the topics that they write to are unique, and no pipeline reads what it
/// writes, or a column that another one does not write. Findings in a query are at their line and column within the file.
///
/// For people, findings go to standard error with the line they are about, and the result to standard output. For
/// machines (`--format plain`, `json` or `sarif`), findings go to standard output. `usher codes E027` explains a code.
///
/// Examples:
///   usher pipeline validate pipeline.yaml
///   usher pipeline validate pipelines/*.yaml --format plain
///
/// Exit status: 0 when there is no error (there may be warnings), 1 when a file cannot be read, 2 when there is one,
/// 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Files, a pipeline each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format of findings
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// With an excerpt and help
    Human,
    /// A line each: file:line:column: severity[code]: message
    Plain,
    /// One JSON document
    Json,
    /// One SARIF 2.1.0 log, for code hosts
    Sarif,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let loaded = Loaded::load(&args.files)?;
    let (read, valid) = (&loaded.read, !loaded.read.has_errors());
    match args.format {
        Format::Human => {
            loaded.draw(|_| true);
            if valid {
                print(&accepted(&loaded))?;
            } else {
                note(&format!("❌ Not valid: {}", loaded.tally()));
            }
        }
        Format::Plain => {
            let lines = read.findings.iter().map(|finding| render::plain(finding) + "\n");
            print(&lines.collect::<String>())?;
            note(&loaded.tally());
        }
        Format::Json => {
            let findings: Vec<_> = read.findings.iter().map(render::json).collect();
            let names: Vec<&str> = read.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
            let document = serde_json::json!({"valid": valid, "pipelines": names, "findings": findings});
            print(&format!("{document:#}\n"))?;
        }
        Format::Sarif => print(&format!("{:#}\n", sarif::log(&read.findings, &loaded.sources)))?,
    }
    Ok(if valid { Exit::Fine } else { Exit::InvalidDefinition })
}

/// The output for people when nothing is wrong.
fn accepted(loaded: &Loaded) -> String {
    let pipelines = &loaded.read.pipelines;
    let mut text = format!(
        "✅ {} valid\n\n",
        if pipelines.len() == 1 { "The pipeline is" } else { "All pipelines are" }
    );
    for pipeline in pipelines {
        text.push_str(&format!("  ✓ {}\n", clean(&summary(pipeline))));
    }
    if !loaded.read.findings.is_empty() {
        text.push_str(&format!("  ⚠ {}\n", loaded.tally()));
    }
    text
}

/// `name: 3 columns from a, joined with b and c, to d`
pub(super) fn summary(pipeline: &Pipeline) -> String {
    let passes = pipeline.columns.iter().any(|column| !matches!(column, Column::Value { .. }));
    let columns = if passes { "columns".to_owned() } else { many(pipeline.columns.len(), "column") };
    let joined: Vec<&str> = pipeline.joins.iter().map(|join| join.source.topic.as_str()).collect();
    let joined =
        if joined.is_empty() { String::new() } else { format!(", joined with {},", joined.join(", ")) };
    format!("{}: {columns} from {}{joined} to {}", pipeline.name, pipeline.from.topic, pipeline.output.topic)
}
