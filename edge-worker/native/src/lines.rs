//! NDJSON: the lines of a file or of standard input, with their numbers, each bounded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::exit::Failure;
use crate::files;

/// The longest line that is read.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The reader of lines.
pub(crate) type Input = Box<dyn BufRead>;

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
    let mut input: Input = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| files::unread(path, &error))?))
    };
    // One that cannot be read says so to whoever reads it.
    if input.fill_buf().is_ok_and(usher_config::is_utf16) {
        return Err(files::utf16(path));
    }
    Ok(input)
}

/// The lines that are not blank, as they are read.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    bytes: u64,
    is_whole: bool,
}

/// One line and where it stands, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Without blanks at its ends; None when it is too long.
    pub(crate) text: Option<Vec<u8>>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines::after(reader, 0, 0)
    }

    /// The lines after so many lines and bytes of the same file.
    pub(crate) fn after(reader: R, number: u64, bytes: u64) -> Lines<R> {
        Lines { reader, number, bytes, is_whole: true }
    }

    /// The bytes up to the end of the line that was read last.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// False after a line without an end: the last one of a file that may still be written.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Up to the end of the line, or as much of it as a line may have.
    fn part(&mut self) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut part)?;
        self.bytes += read as u64;
        if read > 0 {
            self.is_whole = part.last() == Some(&b'\n');
        }
        Ok(part)
    }

    /// The next one; None at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.number += 1;
            let line = self.part()?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() == LINE_BYTES_MAX && !self.is_whole {
                while !self.is_whole && !self.part()?.is_empty() {}
                return Ok(Some(Line { number: self.number, text: None }));
            }
            // Editors of one platform begin files with a mark.
            let start = if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let line = line.get(start..).unwrap_or_default().trim_ascii();
            if !line.is_empty() {
                return Ok(Some(Line { number: self.number, text: Some(line.to_vec()) }));
            }
        }
    }
}
