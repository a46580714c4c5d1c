//! `usher import`: batch records of a file, in requests that an edge takes.

mod bar;
mod columns;
mod csv_file;
mod progress_file;
mod rows;
mod total;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Deserialize;

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::lines::{self, Lines};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::{clean, note, print, progress};
use bar::Counted;
use columns::{Columns, not_of};
use csv_file::{Csv, Unfit};
use progress_file::{ProgressFile, Reached};
use rows::{Chunk, Row, Rows, Source};
use total::{Reject, Total};

/// Import batch records into profiles
///
/// Reads NDJSON, a record a line, or CSV, and sends it in requests of at most 1,000 rows. Every record carries the
/// audience's lookup key; an older record never replaces a newer one, so an import that stopped may simply be run again,
/// or from where it stopped with --from-line or --state.
///
/// The first line of CSV names the columns; commas, semicolons, tabs or bars stand between cells. Cells are texts, and
/// empty ones are missing; where an attribute is a boolean or a list, `true` and `false`, or a JSON list, is one, and a
/// numeric text fits an attribute that is a number. `name:type` in the first line says the type (string, number, boolean,
/// timestamp, date, string_array, number_array, json); batch_segments is a JSON list.
///
/// A record replaces the older one of its visitor whole: columns that it lacks are empty then, and which ones these are is
/// said before they are sent. With --mode patch it adds to the older one.
///
/// The server key comes from the environment variable USHER_SERVER_KEY, from a file, or from where usher.toml says.
/// Rejected rows are shown on standard error with their lines, and so are values that do not fit, with their columns; with
/// --rejects they go to a file, each with its line, the reason and the row. The counts go to standard output. A row of which
/// no object can be made (a quote that is never closed, too few cells) is kept there as its text. A value that does not fit
/// is missing in a row that was taken.
///
/// Examples:
///   usher import profiles.csv --target local --rejects rejected.ndjson --state import.state
///   jq -c '.row | objects' rejected.ndjson | usher import - --target local
///   usher import profiles.ndjson --audience 1069944 --to https://edge.example
///   gunzip -c profiles.ndjson.gz | usher import - --audience 1069944 --to https://edge.example
///
/// Exit status: 0 when every row and value was taken, 1 when one was rejected or a request failed, 64 for a wrong command
/// line or a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    edge: EdgeOptions,
    /// Format of the file; without this it follows from the name or the first character
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Effect on columns that a record lacks
    #[arg(long, value_enum, default_value_t = Mode::Replace)]
    mode: Mode,
    /// Write rejected rows and values to this file, an object with `line`, `reason`, `row` and perhaps `column` a line
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Leave out what stands before this line
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    from_line: u64,
    /// Remember in this file how far the import came, and go on from there; it is removed at the end
    #[arg(long, value_name = "FILE", conflicts_with = "from_line")]
    state: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line
    Ndjson,
    /// Commas, semicolons, tabs or bars between cells, the columns' names in the first line
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// They are empty afterwards
    Replace,
    /// They keep what an earlier record said
    Patch,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let edge = args.edge.find(Role::Server)?;
    let client = edge.client()?;
    let audience = edge.named_audience()?;
    let path = format!("/v1/audiences/{audience}/profiles/import");
    let state = args.state.as_deref().map(|path| ProgressFile::open(path, &name)).transpose()?;
    let (input, bar) = Counted::open(lines::open(&args.file)?, &args.file);
    let columns = Columns::ask(&client, &path)?;
    if args.mode == Mode::Patch && !columns.knows_mode("patch") {
        return Err(Failure::new(
            "this edge replaces records whole, it cannot add to them; nothing was sent",
        )
        .help("import records with all of their columns, or run a newer edge"));
    }
    let path = if args.mode == Mode::Patch { format!("{path}?mode=patch") } else { path };
    let before = state.as_ref().map_or(Reached::default(), |state| state.reached);
    let from_line = if state.is_some() { before.last_line + 1 } else { args.from_line };
    let source = source(args, input, &columns, &name)?;
    let mut lacking = Lacking::new(&columns, args.mode, &name);
    if let Source::Csv(csv) = &source {
        lacking.of_file(csv);
    }
    let mut rows = Rows::new(source, from_line, columns.rows_max);
    let rejects = args.rejects.as_deref();
    let mut total = Total::new(&name, rejects, from_line > 1, before.counts, before.rejects_bytes)?;
    loop {
        let chunk = rows.chunk().map_err(|error| Failure::of_file("read", &name, error))?;
        if chunk.is_empty() {
            break;
        }
        lacking.of_rows(&chunk);
        let answer = send(&client, &path, &chunk.rows).inspect_err(|_| {
            progress("");
            if let Some(first) = chunk.rows.first().filter(|_| total.counts.rows() > 0) {
                let first = first.line;
                note(&format!(
                    "stopped before line {first}; go on with --from-line {first}, or all over again"
                ));
            }
        })?;
        add(&mut total, &chunk, answer, &columns)?;
        if let Some(state) = &state {
            let rejects_bytes = total.sync()?;
            state.keep(Reached { last_line: chunk.last_line(), counts: total.counts, rejects_bytes })?;
        }
        progress(&bar.line(total.counts.rows(), total.counts.rejected));
    }
    total.finish()?;
    if let Some(state) = state {
        state.done()?;
    }
    let counts = total.counts;
    if counts.rejected > 0 && counts.imported + counts.unchanged == 0 {
        note(&format!("no row was imported; records are identified by the column `{}`", clean(&columns.key)));
    }
    print(&format!(
        "imported {}, unchanged {}, rejected {}, values refused {}\n",
        counts.imported, counts.unchanged, counts.rejected, counts.values_refused
    ))?;
    Ok(if counts.rejected + counts.values_refused == 0 { Exit::Fine } else { Exit::Failure })
}

/// The rows of the file, by what it is said to be, is named, or begins with.
fn source<R: BufRead>(
    args: &Args,
    mut input: R,
    columns: &Columns,
    name: &str,
) -> Result<Source<R>, Failure> {
    let extension = args.file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let named = match extension.as_deref() {
        Some("csv" | "tsv" | "tab") => Some(Format::Csv),
        Some("ndjson" | "jsonl") => Some(Format::Ndjson),
        _ => None,
    };
    let start = input.fill_buf().map_err(|error| Failure::of_file("read", name, error))?;
    let first = start.trim_ascii_start().first().copied();
    let is = |format| args.format == Some(format) || args.format.is_none() && named == Some(format);
    if first == Some(b'[') && !is(Format::Csv) {
        return Err(Failure::new(format!("{name}: the file is one JSON list, not an object a line"))
            .help(format!("make it one: jq -c '.[]' {name} | usher import - …")));
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let is_object = start.trim_ascii_start().first().is_none_or(|first| *first == b'{');
    match args.format.or(named) {
        Some(Format::Ndjson) => Ok(Source::Ndjson(Lines::new(input))),
        None if is_object => Ok(Source::Ndjson(Lines::new(input))),
        _ => Csv::open(input, columns).map(Source::Csv).map_err(|reason| {
            let failure = Failure::new(format!("{name}: {reason}"));
            if args.format.or(named).is_none() {
                failure.help("--format says what the file is: ndjson, a JSON object a line, or csv")
            } else {
                failure
            }
        }),
    }
}

/// The answer of an edge to an import.
#[derive(Default, Deserialize)]
struct Imported {
    imported: u64,
    unchanged: u64,
    rejected: Vec<Rejected>,
    rejected_count: u64,
    #[serde(default)]
    values_refused: u64,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    ignored_columns: Vec<String>,
    /// The edge names no more than it did.
    #[serde(default)]
    more_ignored_columns: bool,
}

#[derive(Deserialize)]
struct Rejected {
    /// Of the request, from 1.
    line: usize,
    reason: String,
}

#[derive(Deserialize)]
struct Refused {
    /// Of the request, from 1.
    line: usize,
    column: String,
    reason: String,
}

impl Imported {
    /// Before which row everything that was rejected is named; None when all of it is.
    fn named_before(&self) -> Option<usize> {
        // One row is rejected once, but may have more refused values than those that are named.
        let rows = ((self.rejected.len() as u64) < self.rejected_count)
            .then(|| self.rejected.last().map_or(0, |rejected| rejected.line));
        let values = ((self.refused.len() as u64) < self.values_refused)
            .then(|| self.refused.last().map_or(0, |refused| refused.line.saturating_sub(1)));
        rows.into_iter().chain(values).min()
    }

    /// Keeps what is about these rows alone.
    fn keep(&mut self, rows: std::ops::Range<usize>) {
        let about = |line: usize| rows.contains(&line.saturating_sub(1));
        self.rejected.retain(|rejected| about(rejected.line));
        self.refused.retain(|refused| about(refused.line));
    }
}

/// Rows that are sent once more, to have what was rejected of them named.
const ROWS_AGAIN: usize = 1_000;

/// Sends rows. An answer names a bounded number of rejected rows and refused values: where there are more, the rows behind
/// are sent once more, some at a time, which changes nothing, to have those of them named.
fn send(client: &Client, path: &str, rows: &[Row]) -> Result<Imported, Failure> {
    let mut all = Imported::default();
    let mut start = 0;
    while let Some(rest) = rows.get(start..).filter(|rest| !rest.is_empty()) {
        let rest = if start == 0 { rest } else { rest.get(..ROWS_AGAIN).unwrap_or(rest) };
        let mut body = Vec::new();
        for row in rest {
            body.extend_from_slice(&row.json);
            body.push(b'\n');
        }
        let answer = client.post_again(path, "application/x-ndjson", &body)?;
        let mut answer: Imported = serde_json::from_value(answer).map_err(|_| client.not_an_edge())?;
        let named = answer.named_before().unwrap_or(rest.len());
        answer.keep(0..named);
        answer.rejected.iter_mut().for_each(|rejected| rejected.line += start);
        answer.refused.iter_mut().for_each(|refused| refused.line += start);
        if start == 0 {
            all = answer;
        } else {
            all.rejected.extend(answer.rejected);
            all.refused.extend(answer.refused);
        }
        if named == 0 {
            // An edge that names nothing leaves nothing to ask for.
            break;
        }
        start += named;
    }
    Ok(all)
}

/// Counts what became of a chunk, and reports what was rejected of it.
fn add(total: &mut Total, chunk: &Chunk, answer: Imported, columns: &Columns) -> Result<(), Failure> {
    let refused_here: u64 = chunk.rows.iter().map(|row| row.refused.len() as u64).sum();
    total.counts.imported += answer.imported;
    total.counts.unchanged += answer.unchanged;
    total.counts.rejected += answer.rejected_count + chunk.unfit.len() as u64;
    total.counts.values_refused += answer.values_refused + refused_here;
    total.ignored_columns.extend(answer.ignored_columns);
    total.more_ignored_columns |= answer.more_ignored_columns;
    let mut rejected: Vec<Reject> = Vec::new();
    for (line, Unfit { reason, text }) in &chunk.unfit {
        let row = text.as_deref().into();
        rejected.push(Reject { line: *line, column: None, reason: reason.clone(), row });
    }
    for row in &chunk.rows {
        for (column, data_type, _) in &row.refused {
            let (column, reason) = (Some(column.clone()), not_of(&[*data_type]));
            rejected.push(Reject { line: row.line, column, reason, row: row.as_given() });
        }
    }
    // Chunks have no blank lines, so that line numbers of an answer are the chunk's rows.
    let at = |line: usize| chunk.rows.get(line.saturating_sub(1));
    let unnamed = answer.rejected_count.saturating_sub(answer.rejected.len() as u64)
        + answer.values_refused.saturating_sub(answer.refused.len() as u64);
    for Rejected { line, reason } in answer.rejected {
        let Some(row) = at(line) else { continue };
        rejected.push(Reject { line: row.line, column: None, reason, row: row.as_given() });
    }
    for Refused { line, column, reason } in answer.refused {
        let Some(row) = at(line) else { continue };
        let reason = columns.in_words(&column, &reason);
        rejected.push(Reject { line: row.line, column: Some(column), reason, row: row.as_given() });
    }
    total.reject(rejected)?;
    if unnamed > 0 {
        progress("");
        note(&format!(
            "up to line {}: {unnamed} more were rejected, which the edge does not name",
            chunk.last_line()
        ));
    }
    Ok(())
}

/// Which columns that the running definition reads are in no row, or not in every one: said before the first such row is
/// sent, once for each column.
struct Lacking<'a> {
    columns: &'a Columns,
    mode: Mode,
    file: &'a str,
    said: BTreeSet<String>,
    /// True if rows have columns of their own: in CSV an empty cell is one, and the first line says which there are.
    of_rows: bool,
}

impl<'a> Lacking<'a> {
    fn new(columns: &'a Columns, mode: Mode, file: &'a str) -> Lacking<'a> {
        Lacking { columns, mode, file, said: BTreeSet::new(), of_rows: true }
    }

    /// CSV has the same columns in every row.
    fn of_file<R: BufRead>(&mut self, csv: &Csv<R>) {
        self.of_rows = false;
        if let Some(delimiter) = csv.unusual_delimiter() {
            note(&format!("{}: {delimiter} stand between cells", clean(self.file)));
        }
        let names: BTreeSet<&str> = csv.names().collect();
        let lacking: Vec<String> =
            self.columns.lacking(|name| names.contains(name)).map(str::to_owned).collect();
        self.say(&clean(self.file), lacking);
    }

    fn of_rows(&mut self, chunk: &Chunk) {
        if !self.of_rows || self.said.len() == self.columns.len() {
            return;
        }
        for row in &chunk.rows {
            // Rejected rows empty no column.
            let Some(names) = row.names().filter(|names| names.contains_key(&self.columns.key)) else {
                continue;
            };
            let lacking = self.columns.lacking(|name| names.contains_key(name) || self.said.contains(name));
            let lacking: Vec<String> = lacking.map(str::to_owned).collect();
            self.say(&format!("{}:{}", clean(self.file), row.line), lacking);
        }
    }

    fn say(&mut self, place: &str, lacking: Vec<String>) {
        if lacking.is_empty() {
            return;
        }
        let names: Vec<String> = lacking.iter().map(|name| clean(name)).collect();
        let (names, what) = (names.join(", "), "which the running definition reads");
        progress("");
        note(&match self.mode {
            Mode::Replace => format!(
                "{place}: lacks {names}, {what}: empty in these visitors afterwards (--mode patch keeps what is there)"
            ),
            Mode::Patch => format!("{place}: lacks {names}, {what}: kept as it is"),
        });
        self.said.extend(lacking);
    }
}
