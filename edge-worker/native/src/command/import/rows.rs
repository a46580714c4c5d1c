//! The rows of a file, as they are sent: NDJSON or CSV, cut into requests that an edge takes.

use std::io::{self, BufRead};

use super::csv::{Csv, Record, Unfit};
use crate::lines::{LINE_BYTES_MAX, Line, Lines};

/// How many rows one request has, at most.
const ROWS_MAX: usize = 1_000;
/// How many bytes one request has, at most: the longest row fits.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// The rows of one request.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) body: Vec<u8>,
    /// Where each row stands in the file.
    pub(super) lines: Vec<u64>,
    /// Rows that cannot be sent: where they stand, and why.
    pub(super) unfit: Vec<(u64, Unfit)>,
}

impl Chunk {
    /// A row as it is sent.
    pub(super) fn row(&self, index: usize) -> &[u8] {
        self.body.split(|byte| *byte == b'\n').nth(index).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.unfit.is_empty()
    }
}

/// The rows of a file, read as they are sent.
pub(super) struct Rows<R> {
    source: Source<R>,
    /// What stands before this line is left out.
    from_line: u64,
    /// A row that did not fit the last chunk.
    held: Option<(u64, Vec<u8>)>,
}

/// What the file is.
pub(super) enum Source<R> {
    Ndjson(Lines<R>),
    Csv(Csv<R>),
}

/// A row, or why there is none.
type Row = (u64, Result<Vec<u8>, Unfit>);

impl<R: BufRead> Rows<R> {
    pub(super) fn new(source: Source<R>, from_line: u64) -> Rows<R> {
        Rows { source, from_line, held: None }
    }

    /// The next chunk; an empty one was the last.
    pub(super) fn chunk(&mut self) -> io::Result<Chunk> {
        let mut chunk = Chunk::default();
        while chunk.lines.len() < ROWS_MAX {
            let (line, row) = match self.held.take() {
                Some(held) => held,
                None => match self.next()? {
                    Some((line, _)) if line < self.from_line => continue,
                    Some((line, Ok(row))) => (line, row),
                    Some((line, Err(unfit))) => {
                        chunk.unfit.push((line, unfit));
                        continue;
                    }
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

    fn next(&mut self) -> io::Result<Option<Row>> {
        let too_long = || Unfit { reason: "the row is over 1 MiB".to_owned(), text: None };
        Ok(match &mut self.source {
            Source::Ndjson(lines) => {
                lines.next()?.map(|Line { number, text }| (number, text.ok_or_else(too_long)))
            }
            Source::Csv(csv) => csv.next()?.map(|Record { line, row }| (line, row)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<(usize, Vec<u64>, Vec<u64>)> {
        let mut rows = Rows::new(Source::Ndjson(Lines::new(text.as_bytes())), 0);
        let mut chunks = Vec::new();
        loop {
            let chunk = rows.chunk().unwrap();
            if chunk.is_empty() {
                return chunks;
            }
            let unfit = chunk.unfit.iter().map(|(line, _)| *line).collect();
            chunks.push((chunk.body.len(), chunk.lines, unfit));
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
