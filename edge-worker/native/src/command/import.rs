//! `usher import`: batch records of a file, or rows of a table, in requests that an edge takes.

mod bar;
mod columns;
mod csv_file;
mod destination;
mod lacking;
mod progress_file;
mod rows;
mod total;

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
use destination::{Destination, Mode};
use lacking::Lacking;
use progress_file::{ProgressFile, Reached};
use rows::{Chunk, Row, Rows, Source};
use total::{Reject, Total};

/// Import batch records into profiles, or rows of a table
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
/// With --table NAME the rows are those of a table of the definition: each has the table's key, and takes the place of the row with that
/// key, unless its version is older. The column `__deleted` deletes a row where it is `true`. With --mode replace the file
/// is the whole table: the edge reads the new rows when all of them are there, and the old ones until then; if one is
/// rejected, the old ones stay.
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
///   usher import products.csv --table products --target local
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
    /// Import rows of this table instead of batch records
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Effect on what is there: of records replace or patch (default: replace), of a table upsert or replace (default: upsert)
    #[arg(long, value_enum)]
    mode: Option<Mode>,
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

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let edge = args.edge.find(Role::Server)?;
    let client = edge.client()?;
    let audience = edge.named_audience()?;
    let to = Destination::of(
        args.table.as_deref(),
        args.mode,
        args.from_line > 1 || args.state.is_some(),
        audience,
    )?;
    let state = args.state.as_deref().map(|path| ProgressFile::open(path, &name)).transpose()?;
    let (input, bar) = Counted::open(lines::open(&args.file)?, &args.file);
    let columns = Columns::ask(&client, &to.path)?;
    to.is_known_by(&columns)?;
    let before = state.as_ref().map_or(Reached::default(), |state| state.reached);
    let from_line = if state.is_some() { before.last_line + 1 } else { args.from_line };
    let source = source(args, input, &columns, &name)?;
    let mut lacking = Lacking::new(&columns, &to, &name);
    if let Source::Csv(csv) = &source {
        lacking.of_file(csv);
    }
    let mut rows = Rows::new(source, from_line, columns.rows_max);
    let rejects = args.rejects.as_deref();
    let mut total = Total::new(&name, rejects, from_line > 1, before.counts, before.rejects_bytes)?;
    loop {
        let mut chunk = rows.chunk().map_err(|error| Failure::of_file("read", &name, error))?;
        if chunk.is_empty() {
            break;
        }
        if to.is_table() {
            chunk.reject_misfits();
        }
        lacking.of_rows(&chunk);
        let answer = send(&client, &to, &chunk.rows).inspect_err(|_| {
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
    total.finish(to.is_table())?;
    if total.counts.rejected == 0 {
        to.finish(&client)?;
    } else if to.replaces_table() {
        note(
            "the table was not replaced: its rows are as they were before; mend the rejected rows, and import the whole file again",
        );
    }
    if let Some(state) = state {
        state.done()?;
    }
    let counts = total.counts;
    if counts.rejected > 0 && counts.imported + counts.unchanged + counts.deleted + counts.stale == 0 {
        let what = if to.is_table() { "rows" } else { "records" };
        note(&format!("no row was imported; {what} are identified by the column `{}`", clean(&columns.key)));
    }
    print(&if to.is_table() {
        format!(
            "imported {}, deleted {}, stale {}, rejected {}\n",
            counts.imported, counts.deleted, counts.stale, counts.rejected
        )
    } else {
        format!(
            "imported {}, unchanged {}, rejected {}, values refused {}\n",
            counts.imported, counts.unchanged, counts.rejected, counts.values_refused
        )
    })?;
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
    #[serde(default)]
    unchanged: u64,
    /// Rows of a table alone.
    #[serde(default)]
    deleted: u64,
    #[serde(default)]
    stale: u64,
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
    /// The column at fault, of a row of a table.
    column: Option<String>,
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
fn send(client: &Client, to: &Destination, rows: &[Row]) -> Result<Imported, Failure> {
    let mut all = Imported::default();
    let mut start = 0;
    while let Some(rest) = rows.get(start..).filter(|rest| !rest.is_empty()) {
        let rest = if start == 0 { rest } else { rest.get(..ROWS_AGAIN).unwrap_or(rest) };
        let mut body = Vec::new();
        for row in rest {
            body.extend_from_slice(&row.json);
            body.push(b'\n');
        }
        let answer = to.send(client, &body)?;
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
    total.counts.deleted += answer.deleted;
    total.counts.stale += answer.stale;
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
    for Rejected { line, column, reason } in answer.rejected {
        let Some(row) = at(line) else { continue };
        let reason = match column {
            Some(column) => format!("`{column}`: {}", columns.in_words(&column, &reason)),
            None => reason,
        };
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
