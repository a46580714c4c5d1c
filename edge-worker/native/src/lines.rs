//! NDJSON: the lines of a file or of standard input, with their numbers, each bounded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::exit::Failure;
use crate::files;

/// The longest line that is read.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that are read at once: some hundred lines.
const READ_BYTES: usize = 64 * 1024;

/// The reader of lines.
pub(crate) type Input = BufReader<Box<dyn Read>>;

/// Lines of anything.
pub(crate) fn buffered(input: impl Read + 'static) -> Input {
    BufReader::with_capacity(READ_BYTES, Box::new(input))
}

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
    let mut input = if path == Path::new("-") {
        buffered(io::stdin().lock())
    } else {
        buffered(File::open(path).map_err(|error| files::unread(path, &error))?)
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

impl Lines<Input> {
    /// True if the next line was read already: there is one, and it needs not be waited for.
    pub(crate) fn is_ready(&self) -> bool {
        let read = self.reader.buffer();
        let whole = read.iter().rposition(|byte| *byte == b'\n').and_then(|end| read.get(..end));
        whole.is_some_and(|lines| lines.iter().any(|byte| !byte.is_ascii_whitespace()))
    }
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
            let mut line = self.part()?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() == LINE_BYTES_MAX && !self.is_whole {
                while !self.is_whole && !self.part()?.is_empty() {}
                return Ok(Some(Line { number: self.number, text: None }));
            }
            // Editors of one platform begin files with a mark.
            let start = if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            line.drain(..start);
            line.drain(..line.len() - line.trim_ascii_start().len());
            line.truncate(line.trim_ascii_end().len());
            if !line.is_empty() {
                return Ok(Some(Line { number: self.number, text: Some(line) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives these parts, one a read, as a pipe does.
    struct Parts(Vec<&'static [u8]>);

    impl Read for Parts {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0);
            into[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    #[test]
    fn a_line_is_ready_when_all_of_it_was_read_and_it_is_not_blank() {
        let parts: [&[u8]; 4] = [b"one\n two \n\n \r\n", b"\nthree\nfo", b"ur\n", b"\xef\xbb\xbffive"];
        let mut lines = Lines::new(buffered(Parts(parts.to_vec())));
        assert!(!lines.is_ready(), "nothing was read");
        let mut found = Vec::new();
        while let Some(Line { number, text }) = lines.next().unwrap() {
            found.push((number, String::from_utf8(text.unwrap()).unwrap(), lines.is_ready()));
        }
        let found: Vec<(u64, &str, bool)> =
            found.iter().map(|(number, text, ready)| (*number, text.as_str(), *ready)).collect();
        let five = "\u{feff}five";
        assert_eq!(
            found,
            [(1, "one", true), (2, "two", false), (6, "three", false), (7, "four", false), (8, five, false)]
        );
    }
}
