//! The rows of a file, as they are sent: NDJSON or CSV, cut into requests that an edge takes.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::de::IgnoredAny;
use serde_json::Value;
use usher_engine::value::DataType;

use super::columns::not_of;
use super::csv_file::{Cells, Csv, Record, Unfit};
use crate::lines::{LINE_BYTES_MAX, Line, Lines};

/// The rows of one request at most, whatever the edge takes: an earlier build refuses more if their profiles are large.
const ROWS_MAX: usize = 1_000;
/// The bytes of one request at most: the longest row fits.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// The rows of one request, and those between them that cannot be sent.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<Row>,
    /// Rows that cannot be sent: where they stand, and why.
    pub(super) unfit: Vec<(u64, Unfit)>,
}

/// A row that can be sent.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// Where it stands in the file.
    pub(super) line: u64,
    /// Its JSON, without a line break.
    pub(super) json: Vec<u8>,
    /// Values that are left out of it: the column, the type that it should have been of, and its text.
    pub(super) refused: Vec<(String, DataType, String)>,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.unfit.is_empty()
    }

    /// Takes out rows with values that are not of their types: those of tables are taken whole.
    pub(super) fn reject_misfits(&mut self) {
        for row in self.rows.extract_if(.., |row| !row.refused.is_empty()) {
            let reasons = row
                .refused
                .iter()
                .map(|(column, data_type, _)| format!("`{column}`: {}", not_of(&[*data_type])));
            let reason = reasons.collect::<Vec<_>>().join(", ");
            self.unfit.push((row.line, Unfit { reason, text: Some(row.as_given().to_string()) }));
        }
        self.unfit.sort_by_key(|(line, _)| *line);
    }

    /// The last line that was read into it.
    pub(super) fn last_line(&self) -> u64 {
        let unfit = self.unfit.last().map(|(line, _)| *line);
        self.rows.last().map(|row| row.line).max(unfit).unwrap_or(0)
    }
}

impl Row {
    /// The row as the file has it.
    pub(super) fn as_given(&self) -> Value {
        let as_text = || Value::from(String::from_utf8_lossy(&self.json));
        let mut row = serde_json::from_slice(&self.json).unwrap_or_else(|_| as_text());
        if let Value::Object(columns) = &mut row {
            columns
                .extend(self.refused.iter().map(|(column, _, text)| (column.clone(), text.clone().into())));
        }
        row
    }

    /// The names of its columns; None when it is no object, which the edge refuses.
    pub(super) fn names(&self) -> Option<BTreeMap<String, IgnoredAny>> {
        serde_json::from_slice(&self.json).ok()
    }
}

/// The rows of a file, read as they are sent.
pub(super) struct Rows<R> {
    source: Source<R>,
    /// Lines before this one are left out.
    from_line: u64,
    /// The rows of one request at most.
    rows_max: usize,
    /// A row that did not fit the last chunk.
    held: Option<Row>,
}

/// The format of the file.
pub(super) enum Source<R> {
    Ndjson(Lines<R>),
    Csv(Csv<R>),
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(source: Source<R>, from_line: u64, rows_max: usize) -> Rows<R> {
        Rows { source, from_line, rows_max: rows_max.min(ROWS_MAX), held: None }
    }

    /// The next chunk; an empty one was the last.
    pub(super) fn chunk(&mut self) -> io::Result<Chunk> {
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        // A row that cannot be sent counts, too: what is kept of a file has a bound.
        while chunk.rows.len() + chunk.unfit.len() < self.rows_max {
            let row = match self.held.take() {
                Some(held) => held,
                None => match self.next()? {
                    Some((line, _)) if line < self.from_line => continue,
                    Some((_, Ok(row))) => row,
                    Some((line, Err(unfit))) => {
                        chunk.unfit.push((line, unfit));
                        continue;
                    }
                    None => break,
                },
            };
            bytes += row.json.len() + 1;
            if bytes > BYTES_MAX && !chunk.rows.is_empty() {
                self.held = Some(row);
                break;
            }
            chunk.rows.push(row);
        }
        Ok(chunk)
    }

    fn next(&mut self) -> io::Result<Option<(u64, Result<Row, Unfit>)>> {
        let too_long = || Unfit { reason: "the row is over 1 MiB".to_owned(), text: None };
        Ok(match &mut self.source {
            Source::Ndjson(lines) => lines.next()?.map(|Line { number: line, text }| {
                (line, text.map(|json| Row { line, json, refused: Vec::new() }).ok_or_else(too_long))
            }),
            Source::Csv(csv) => csv.next()?.map(|Record { line, row }| {
                let row = row.map(|Cells { row, refused }| Row {
                    line,
                    json: Value::Object(row).to_string().into_bytes(),
                    refused,
                });
                (line, row)
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<(usize, Vec<u64>, Vec<u64>)> {
        chunks_of(text, usize::MAX)
    }

    fn chunks_of(text: &str, rows_max: usize) -> Vec<(usize, Vec<u64>, Vec<u64>)> {
        let mut rows = Rows::new(Source::Ndjson(Lines::new(text.as_bytes())), 0, rows_max);
        let mut chunks = Vec::new();
        loop {
            let chunk = rows.chunk().unwrap();
            if chunk.is_empty() {
                return chunks;
            }
            let unfit = chunk.unfit.iter().map(|(line, _)| *line).collect();
            let lines = chunk.rows.iter().map(|row| row.line).collect();
            chunks.push((chunk.rows.iter().map(|row| row.json.len() + 1).sum(), lines, unfit));
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
        // An edge may take fewer.
        let lines: Vec<usize> = chunks_of(&many, 400).iter().map(|(_, lines, _)| lines.len()).collect();
        assert_eq!(lines, [400, 400, ROWS_MAX + 1 - 800]);
        // The second row would carry the first request over its bound by one byte.
        let half = "x".repeat(BYTES_MAX / 2);
        let found =
            chunks(&format!("{half}\n{half}\n{}\n{}\n", "y".repeat(BYTES_MAX), "z".repeat(BYTES_MAX - 1)));
        let half = BYTES_MAX / 2 + 1;
        assert_eq!(found, [(half, vec![1], vec![]), (half, vec![2], vec![3]), (BYTES_MAX, vec![4], vec![])]);
    }
}
