//! `usher import`: batch records of a file, in requests that an edge takes.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::PathBuf;

use serde::Deserialize;

use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::lines::{self, LINE_BYTES_MAX, Line, Lines};
use crate::secrets;
use crate::targets::{self, Asked, Role};
use crate::terminal::{clean, note, print, progress};

/// How many rows one request has, at most.
const ROWS_MAX: usize = 1_000;
/// How many bytes one request has, at most: the longest row fits.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// Import batch records into profiles
///
/// Reads NDJSON, a record a line, and sends it in requests of at most 1,000 rows. Every record carries the audience's
/// lookup key; an older record never replaces a newer one, so an import that stopped may simply be run again.
///
/// The server key comes from the environment variable USHER_SERVER_KEY, or from a file. Rejected rows are shown on
/// standard error with their lines, the counts on standard output.
///
/// Examples:
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
    /// A file with the server key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
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
    let mut rows = Rows { lines: Lines::new(lines::open(&args.file)?), held: None };
    let mut total = Total::default();
    loop {
        let chunk = rows.chunk().map_err(|error| Failure::of_file("read", &name, error))?;
        for line in &chunk.too_long {
            total.reject(&name, *line, "the row is over 1 MiB");
        }
        let (Some(first), Some(last)) = (chunk.lines.first(), chunk.lines.last()) else {
            if chunk.too_long.is_empty() {
                break;
            }
            continue;
        };
        let answer = client
            .post_again(&path, "application/x-ndjson", &chunk.body)
            .and_then(|answer| {
                serde_json::from_value::<Imported>(answer)
                    .map_err(|_| Failure::new(format!("`{}` does not answer as an edge does", edge.url)))
            })
            .inspect_err(|_| {
                progress("");
                if total.rows() > 0 {
                    note(&format!(
                        "stopped before line {first}; what stands before it was imported, and may be again"
                    ));
                }
            })?;
        total.add(&name, &chunk, answer);
        progress(&format!("{last} lines"));
    }
    progress("");
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
#[derive(Default)]
struct Total {
    imported: u64,
    unchanged: u64,
    rejected: u64,
    values_refused: usize,
    ignored_columns: BTreeSet<String>,
}

impl Total {
    fn rows(&self) -> u64 {
        self.imported + self.unchanged + self.rejected
    }

    fn add(&mut self, file: &str, chunk: &Chunk, answer: Imported) {
        self.imported += answer.imported;
        self.unchanged += answer.unchanged;
        self.values_refused += answer.values_refused;
        self.ignored_columns.extend(answer.ignored_columns);
        let named = answer.rejected.len() as u64;
        for row in answer.rejected {
            // What is sent has no blank lines, so that its lines are the chunk's rows.
            let line = row.line.checked_sub(1).and_then(|index| chunk.lines.get(index));
            self.reject(file, line.copied().unwrap_or(0), &row.reason);
        }
        let unnamed = answer.rejected_count.saturating_sub(named);
        if unnamed > 0 {
            let (first, last) = (chunk.lines.first(), chunk.lines.last());
            let (first, last) = (first.copied().unwrap_or(0), last.copied().unwrap_or(0));
            progress("");
            note(&format!("{file}:{first}-{last}: {unnamed} more rejected rows"));
        }
        self.rejected += unnamed;
    }

    fn reject(&mut self, file: &str, line: u64, reason: &str) {
        self.rejected += 1;
        progress("");
        note(&format!("{}:{line}: rejected: {}", clean(file), clean(reason)));
    }
}

/// The rows of one request.
#[derive(Default)]
struct Chunk {
    body: Vec<u8>,
    /// Where each row stands in the file.
    lines: Vec<u64>,
    /// Where rows stand that no request can carry.
    too_long: Vec<u64>,
}

/// The rows of a file, read as they are sent.
struct Rows<R> {
    lines: Lines<R>,
    /// A row that did not fit the last chunk.
    held: Option<(u64, Vec<u8>)>,
}

impl<R: BufRead> Rows<R> {
    /// The next chunk; without any line it was the last.
    fn chunk(&mut self) -> io::Result<Chunk> {
        let mut chunk = Chunk::default();
        while chunk.lines.len() < ROWS_MAX {
            let (line, row) = match self.held.take() {
                Some(held) => held,
                None => match self.lines.next()? {
                    Some(Line { number, text: None }) => {
                        chunk.too_long.push(number);
                        continue;
                    }
                    Some(Line { number, text: Some(row) }) => (number, row),
                    None => break,
                },
            };
            if chunk.body.len() + row.len() + 1 > BYTES_MAX && !chunk.lines.is_empty() {
                self.held = Some((line, row));
                break;
            }
            chunk.body.extend_from_slice(&row);
            chunk.body.push(b'\n');
            chunk.lines.push(line);
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<(usize, Vec<u64>, Vec<u64>)> {
        let mut rows = Rows { lines: Lines::new(text.as_bytes()), held: None };
        let mut chunks = Vec::new();
        loop {
            let chunk = rows.chunk().unwrap();
            if chunk.lines.is_empty() && chunk.too_long.is_empty() {
                return chunks;
            }
            chunks.push((chunk.body.len(), chunk.lines, chunk.too_long));
        }
    }

    #[test]
    fn lines_are_those_of_the_file() {
        assert_eq!(chunks("\u{feff}{}\n\n  \r\n{}\r\n{}"), [(9, vec![1, 4, 5], vec![])]);
        assert_eq!(chunks(""), []);
        assert_eq!(chunks("\n\n"), []);
    }

    #[test]
    fn chunks_keep_their_bounds() {
        let many = "{}\n".repeat(ROWS_MAX + 1);
        let lines: Vec<usize> = chunks(&many).iter().map(|(_, lines, _)| lines.len()).collect();
        assert_eq!(lines, [ROWS_MAX, 1]);
        // The second row would carry the first request over its bound by one byte.
        let half = "x".repeat(BYTES_MAX / 2);
        let found =
            chunks(&format!("{half}\n{half}\n{}\n{}\n", "y".repeat(BYTES_MAX), "z".repeat(BYTES_MAX - 1)));
        let half = BYTES_MAX / 2 + 1;
        assert_eq!(found, [(half, vec![1], vec![]), (half, vec![2], vec![3]), (BYTES_MAX, vec![4], vec![])]);
    }
}
