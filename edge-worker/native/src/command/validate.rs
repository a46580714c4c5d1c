//! `usher validate`: every finding of a definition, at its place.

use std::path::PathBuf;

use clap::ValueEnum;
use usher_config::{render, sarif};
use usher_engine::diagnostic::Severity;

use crate::definitions::Definitions;
use crate::exit::{Exit, Failure};
use crate::terminal::{note, print};

/// Check definitions and report every finding at once
///
/// Reads files, or the *.yaml, *.yml and *.json of directories, as one definition.
///
/// For people, findings go to standard error with the line they are about, and the result to standard output. For
/// machines (`--format plain`, `json` or `sarif`), findings go to standard output. `usher codes E012` explains a code.
///
/// Examples:
///   usher validate definitions/
///   usher validate rt_config.yaml web_personalization.yaml --format plain
///   usher validate definitions/ --format sarif > usher.sarif
///   usher validate definitions/ --format json | jq '.findings[] | select(.severity == "error")'
///
/// Exit status: 0 when there is no error (there may be warnings), 1 when a path cannot be read, 2 when there is one,
/// 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Files and directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How findings are written
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

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let definitions = Definitions::load(&args.paths)?;
    report(&definitions, args.format)
}

/// Says what was found.
fn report(definitions: &Definitions, format: Format) -> Result<Exit, Failure> {
    let valid = definitions.count(Severity::Error) == 0;
    match format {
        Format::Human => {
            definitions.report(|_| true);
            if valid {
                print(&accepted(definitions))?;
            } else {
                note(&format!("❌ Configuration is not valid: {}", definitions.tally()));
            }
        }
        Format::Plain => {
            let lines = definitions.findings.iter().map(|finding| render::plain(finding) + "\n");
            print(&lines.collect::<String>())?;
            note(&definitions.tally());
        }
        Format::Json => {
            let findings: Vec<_> = definitions.findings.iter().map(render::json).collect();
            let document = serde_json::json!({
                "valid": valid,
                "findings": findings,
                "counts": definitions.counts(),
            });
            print(&format!("{document:#}\n"))?;
        }
        Format::Sarif => {
            print(&format!("{:#}\n", sarif::log(&definitions.findings, &definitions.sources)))?;
        }
    }
    Ok(if valid { Exit::Fine } else { Exit::InvalidDefinition })
}

/// The findings as one JSON document.
pub(super) fn json(definitions: &Definitions) -> Result<Exit, Failure> {
    report(definitions, Format::Json)
}

/// What a person sees when nothing is wrong.
fn accepted(definitions: &Definitions) -> String {
    let mut text = "✅ Configuration is valid\n\nValidation Results:\n".to_owned();
    for line in definitions.summary() {
        text.push_str(&format!("  ✓ {line}\n"));
    }
    if !definitions.findings.is_empty() {
        text.push_str(&format!("  ⚠ {}\n", definitions.tally()));
    }
    text.push_str("\nReady to push!\n");
    text
}
