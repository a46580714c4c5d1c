//! `usher import`: batch records of a file, in requests that an edge takes.

mod bar;
mod csv;
mod progress_file;
mod rows;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::lines::{self, Lines};
use crate::secrets;
use crate::targets::{self, Asked, Role};
use crate::terminal::{clean, note, print, progress};
use bar::Counted;
use csv::{Csv, Unfit};
use progress_file::ProgressFile;
use rows::{Chunk, Rows, Source};

/// Import batch records into profiles
///
/// Reads NDJSON, a record a line, or CSV, and sends it in requests of at most 1,000 rows. Every record carries the
/// audience's lookup key; an older record never replaces a newer one, so an import that stopped may simply be run again,
/// or from where it stopped with --from-line or --state.
///
/// The first line of CSV names the columns. Cells are texts, and empty ones are missing; a numeric text fits an attribute
/// that is a number. Cells of a column that is named `name:json` are read as JSON, and so are those of batch_segments.
///
/// The server key comes from the environment variable USHER_SERVER_KEY, from a file, or from where usher.toml says.
/// Rejected rows are shown on standard error with their lines, or go to the file of --rejects, each with its line, the
/// reason and the row; the counts go to standard output. A row of which no object can be made (a quote that is never closed,
/// too few cells) is kept there as its text.
///
/// Examples:
///   usher import profiles.csv --target local --rejects rejected.ndjson --state import.state
///   jq -c '.row | objects' rejected.ndjson | usher import - --target local
///   usher import profiles.ndjson --audience 1069944 --to https://edge.example
///   gunzip -c profiles.ndjson.gz | usher import - --audience 1069944 --to https://edge.example
///
/// Exit status: 0 when every row was taken, 1 when a row was rejected or a request failed, 64 for a wrong command line
/// or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The audience's id (parent segment)
    #[arg(long, value_name = "ID", value_parser = secrets::audience)]
    audience: Option<String>,
    /// Where the edge answers
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// A name of usher.toml for where the edge answers
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    target: Option<String>,
    /// What the file is; by its name without this, and NDJSON for standard input
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write rejected rows to this file, an object with `line`, `reason` and `row` a line
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Leave out what stands before this line
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    from_line: u64,
    /// Remember in this file how far the import came, and go on from there; it is removed at the end
    #[arg(long, value_name = "FILE", conflicts_with = "from_line")]
    state: Option<PathBuf>,
    /// A file with the server key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line
    Ndjson,
    /// Commas between cells, the columns' names in the first line
    Csv,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let asked = Asked {
        url: args.to.as_deref(),
        target: args.target.as_deref(),
        key_file: args.key_file.as_deref(),
        audience: args.audience.as_deref(),
    };
    let edge = targets::find(asked, Role::Server)?;
    let client = edge.client()?;
    let audience = edge.audience.as_deref().ok_or_else(|| {
        Failure::usage("no audience is named")
            .help("name it with --audience, in usher.toml or in USHER_AUDIENCE")
    })?;
    let path = format!("/v1/audiences/{audience}/profiles/import");
    let state = args.state.as_deref().map(|path| ProgressFile::open(path, &name)).transpose()?;
    let from_line = state.as_ref().map_or(args.from_line, ProgressFile::next_line);
    let (input, bar) = Counted::open(lines::open(&args.file)?, &args.file);
    let is_csv = args.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let source = match args.format.unwrap_or(if is_csv { Format::Csv } else { Format::Ndjson }) {
        Format::Ndjson => Source::Ndjson(Lines::new(input)),
        Format::Csv => {
            Source::Csv(Csv::open(input).map_err(|reason| Failure::new(format!("{name}: {reason}")))?)
        }
    };
    let mut rows = Rows::new(source, from_line);
    let mut total = Total::new(&name, args.rejects.as_deref(), from_line > 1)?;
    loop {
        let chunk = rows.chunk().map_err(|error| Failure::of_file("read", &name, error))?;
        for (line, Unfit { reason, text }) in &chunk.unfit {
            total.reject(*line, reason, text.as_deref().map_or(Value::Null, Value::from))?;
        }
        let (Some(first), Some(last)) = (chunk.lines.first(), chunk.lines.last()) else {
            if chunk.is_empty() {
                break;
            }
            continue;
        };
        let answer = client
            .post_again(&path, "application/x-ndjson", &chunk.body)
            .and_then(|answer| serde_json::from_value::<Imported>(answer).map_err(|_| client.stranger()))
            .inspect_err(|_| {
                progress("");
                if total.rows() > 0 {
                    note(&format!(
                        "stopped before line {first}; go on with --from-line {first}, or all over again"
                    ));
                }
            })?;
        total.add(&chunk, answer)?;
        if let Some(state) = &state {
            state.reached(*last)?;
        }
        progress(&bar.line(total.rows(), total.rejected));
    }
    total.finish()?;
    if let Some(state) = state {
        state.done()?;
    }
    if !total.ignored_columns.is_empty() {
        let columns: Vec<String> = total.ignored_columns.iter().map(|column| clean(column)).collect();
        note(&format!("columns that no attribute reads: {}", columns.join(", ")));
    }
    if total.values_refused > 0 {
        note(&format!("{} did not fit the type and count as missing", many(total.values_refused, "value")));
    }
    print(&format!(
        "imported {}, unchanged {}, rejected {}\n",
        total.imported, total.unchanged, total.rejected
    ))?;
    Ok(if total.rejected == 0 { Exit::Fine } else { Exit::Failure })
}

/// What an edge answers.
#[derive(Deserialize)]
struct Imported {
    imported: u64,
    unchanged: u64,
    rejected: Vec<Rejected>,
    rejected_count: u64,
    #[serde(default)]
    values_refused: usize,
    #[serde(default)]
    ignored_columns: Vec<String>,
}

#[derive(Deserialize)]
struct Rejected {
    /// Of the request, from 1.
    line: usize,
    reason: String,
}

/// What became of the whole file.
struct Total {
    file: String,
    imported: u64,
    unchanged: u64,
    rejected: u64,
    values_refused: usize,
    ignored_columns: BTreeSet<String>,
    /// Where rejected rows go.
    rejects: Option<(String, BufWriter<File>)>,
}

impl Total {
    /// `goes_on`: an import that was begun before; what it rejected then stays.
    fn new(file: &str, rejects: Option<&Path>, goes_on: bool) -> Result<Total, Failure> {
        let create = |path: &Path| {
            let shown = path.display().to_string();
            let mut options = OpenOptions::new();
            match options.create(true).write(true).append(goes_on).truncate(!goes_on).open(path) {
                Ok(file) => Ok((shown, BufWriter::new(file))),
                Err(error) => Err(Failure::of_file("write", shown, error)),
            }
        };
        Ok(Total {
            file: file.to_owned(),
            imported: 0,
            unchanged: 0,
            rejected: 0,
            values_refused: 0,
            ignored_columns: BTreeSet::new(),
            rejects: rejects.map(create).transpose()?,
        })
    }

    fn rows(&self) -> u64 {
        self.imported + self.unchanged + self.rejected
    }

    fn add(&mut self, chunk: &Chunk, answer: Imported) -> Result<(), Failure> {
        self.imported += answer.imported;
        self.unchanged += answer.unchanged;
        self.values_refused += answer.values_refused;
        self.ignored_columns.extend(answer.ignored_columns);
        let named = answer.rejected.len() as u64;
        for rejected in answer.rejected {
            // What is sent has no blank lines, so that its lines are the chunk's rows.
            let index = rejected.line.saturating_sub(1);
            let line = chunk.lines.get(index).copied().unwrap_or(0);
            let row = chunk.row(index);
            let as_text = || Value::from(String::from_utf8_lossy(row));
            self.reject(line, &rejected.reason, serde_json::from_slice(row).unwrap_or_else(|_| as_text()))?;
        }
        let unnamed = answer.rejected_count.saturating_sub(named);
        if unnamed > 0 {
            let (first, last) = (chunk.lines.first(), chunk.lines.last());
            let (first, last) = (first.copied().unwrap_or(0), last.copied().unwrap_or(0));
            progress("");
            note(&format!("{}:{first}-{last}: {unnamed} more rejected rows", clean(&self.file)));
        }
        self.rejected += unnamed;
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: &str, row: Value) -> Result<(), Failure> {
        self.rejected += 1;
        let Some((file, rejects)) = &mut self.rejects else {
            progress("");
            note(&format!("{}:{line}: rejected: {}", clean(&self.file), clean(reason)));
            return Ok(());
        };
        let written = writeln!(rejects, "{}", json!({"line": line, "reason": reason, "row": row}));
        written.map_err(|error| Failure::of_file("write", file, error))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        progress("");
        if let Some((file, rejects)) = &mut self.rejects {
            rejects.flush().map_err(|error| Failure::of_file("write", &*file, error))?;
            if self.rejected > 0 {
                note(&format!("rejected rows are in `{file}`"));
            }
        }
        Ok(())
    }
}
