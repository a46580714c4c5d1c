//! The line that a person at the terminal sees while an import goes on.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use crate::lines::Input;

/// The width of the bar in characters.
const WIDTH: u64 = 24;

/// An input that counts what is read of it.
pub(super) struct Counted {
    input: Input,
    read: Rc<Cell<u64>>,
}

/// The progress bar of an import.
pub(super) struct Bar {
    started: Instant,
    read: Rc<Cell<u64>>,
    /// Bytes of the file; None where they are not known, as for standard input.
    size: Option<u64>,
}

impl Counted {
    pub(super) fn open(input: Input, file: &Path) -> (Counted, Bar) {
        let size = fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        let read = Rc::new(Cell::new(0));
        (Counted { input, read: Rc::clone(&read) }, Bar { started: Instant::now(), read, size })
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.read.set(self.read.get() + count as u64);
        self.input.consume(count);
    }
}

impl Bar {
    pub(super) fn line(&self, rows: u64, rejected: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        draw(self.read.get(), self.size, rows, rejected, seconds)
    }
}

fn draw(read: u64, size: Option<u64>, rows: u64, rejected: u64, seconds: f64) -> String {
    let share = size.filter(|size| *size > 0).map(|size| (read.min(size), size));
    let bar = share.map(|(read, size)| {
        let part = |of: u64| (u128::from(read) * u128::from(of) / u128::from(size)) as u64;
        let full = part(WIDTH) as usize;
        format!("[{}{}] {:>3}%  ", "█".repeat(full), "·".repeat(WIDTH as usize - full), part(100))
    });
    let rejected = if rejected == 0 { String::new() } else { format!(", {rejected} rejected") };
    format!("{}{rows} rows{rejected}, {:.0}/s", bar.unwrap_or_default(), rows as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_file_is_read() {
        assert_eq!(draw(0, None, 5, 0, 2.0), "5 rows, 2/s");
        let half = format!("[{}{}]  50%  ", "█".repeat(12), "·".repeat(12));
        assert_eq!(draw(50, Some(100), 1_000, 3, 4.0), format!("{half}1000 rows, 3 rejected, 250/s"));
        assert!(draw(101, Some(100), 1, 0, 1.0).contains("100%"));
        assert_eq!(draw(0, Some(0), 0, 0, 1.0), "0 rows, 0/s");
    }
}
