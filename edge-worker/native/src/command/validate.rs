//! `usher validate`: every finding of a definition, at its place.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use usher_config::{Sample, render, sarif};
use usher_engine::diagnostic::Severity;

use crate::definitions::Definitions;
use crate::diff;
use crate::exit::{Exit, Failure};
use crate::lines::{self, Lines};
use crate::terminal::{note, print};

/// Check definitions and report every finding at once
///
/// Reads files, or the *.yaml, *.yml and *.json of directories, as one definition.
///
/// Columns that filters, attributes and keys name are checked only where the columns of events are known: an event lists
/// them as `columns:`, or --sample names a file with events that arrived, an event a line as `usher simulate` reads them.
/// The result names the tables whose columns were not checked.
///
/// For people, findings go to standard error with the line they are about, and the result to standard output. For
/// machines (`--format plain`, `json` or `sarif`), findings go to standard output. `usher codes E012` explains a code.
///
/// Examples:
///   usher validate definitions/
///   usher validate rt_config.yaml web_personalization.yaml --format plain
///   usher validate definitions/ --sample events.ndjson
///   usher validate definitions/ --against running/
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
    /// A file with events that arrived, or - for standard input
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// The definitions or bundle that run now: lists what starts over, and which keys have another rule
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
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

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let sample = args.sample.as_deref().map(sample).transpose()?.unwrap_or_default();
    let mut definitions = Definitions::load_with(&args.paths, &sample)?;
    if let Some(path) = &args.against {
        let found = diff::consequences(&Definitions::before(path)?, definitions.definition());
        definitions.add(found);
    }
    report(&definitions, args.format)
}

fn sample(file: &Path) -> Result<Sample, Failure> {
    let shown = file.display();
    let mut sample = Sample::default();
    let mut lines = Lines::new(lines::open(file)?);
    while let Some(line) = lines.next().map_err(|error| Failure::of_file("read", &shown, error))? {
        let place = format!("{shown}:{}", line.number);
        let text = line.text.ok_or_else(|| Failure::new(format!("{place}: the line is over 1 MiB")))?;
        let text = String::from_utf8(text).map_err(|_| Failure::new(format!("{place}: not UTF-8 text")))?;
        sample.add(&text).map_err(|reason| {
            Failure::new(format!("{place}: {reason}"))
                .help(r#"a line is {"database": "web", "table": "pageviews", "event": {…}}"#)
        })?;
    }
    Ok(sample)
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
                definitions.missing().iter().for_each(|text| note(&format!("  help: {text}")));
                not_checked(definitions).iter().for_each(|text| note(text));
            }
        }
        Format::Plain => {
            let lines = definitions.findings.iter().map(|finding| render::plain(finding) + "\n");
            print(&lines.collect::<String>())?;
            note(&definitions.tally());
            definitions.missing().iter().for_each(|text| note(&format!("help: {text}")));
            not_checked(definitions).iter().for_each(|text| note(text));
        }
        Format::Json => {
            let findings: Vec<_> = definitions.findings.iter().map(render::json).collect();
            let document = serde_json::json!({
                "valid": valid,
                "findings": findings,
                "counts": definitions.counts(),
                "not_checked": {"columns": definitions.unchecked()},
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

/// The columns that could not be checked, and how to have them checked.
fn not_checked(definitions: &Definitions) -> Option<String> {
    let tables = definitions.unchecked();
    (!tables.is_empty()).then(|| {
        format!(
            "not checked: columns of {} (list them as `columns:` in the events, or give --sample)",
            tables.join(", ")
        )
    })
}

/// The output for people when nothing is wrong.
fn accepted(definitions: &Definitions) -> String {
    let mut text = "✅ Configuration is valid\n\nValidation Results:\n".to_owned();
    for line in definitions.summary() {
        text.push_str(&format!("  ✓ {line}\n"));
    }
    if !definitions.findings.is_empty() {
        text.push_str(&format!("  ⚠ {}\n", definitions.tally()));
    }
    if let Some(not_checked) = not_checked(definitions) {
        text.push_str(&format!("  – {not_checked}\n"));
    }
    text.push_str("\nReady to push!\n");
    text
}
