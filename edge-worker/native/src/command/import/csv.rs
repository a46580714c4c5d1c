//! CSV as spreadsheets write it: cells between commas, quotes around those that hold commas, quotes or line breaks.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use crate::lines::LINE_BYTES_MAX;

/// The records behind a line of column names.
pub(super) struct Csv<R> {
    reader: R,
    /// The last line that was read.
    line: u64,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// Whether its cells are JSON instead of text.
    json: bool,
}

/// Why a record cannot be sent, and its text, where it is short enough to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) reason: String,
    pub(super) text: Option<String>,
}

/// The line on which a record begins, its text, and its cells or why they cannot be told.
type Cells = (u64, String, Result<Vec<String>, Unfit>);

/// One record and the line on which it begins.
pub(super) struct Record {
    pub(super) line: u64,
    /// As a JSON object, or why it is none.
    pub(super) row: Result<Vec<u8>, Unfit>,
}

impl<R: BufRead> Csv<R> {
    /// Reads the columns' names.
    pub(super) fn open(reader: R) -> Result<Csv<R>, String> {
        let mut csv = Csv { reader, line: 0, columns: Vec::new() };
        let header = csv.cells().map_err(|error| error.to_string())?;
        let names = match header {
            Some((_, _, Ok(names))) => names,
            Some((_, _, Err(unfit))) => return Err(unfit.reason),
            None => return Err("the file is empty".to_owned()),
        };
        for (index, name) in names.iter().enumerate() {
            let name = if index == 0 { name.trim_start_matches('\u{feff}') } else { name };
            let name = name.trim();
            let (name, json) = match name.strip_suffix(":json") {
                Some(name) => (name, true),
                None => (name, name == "batch_segments"),
            };
            if name.is_empty() || csv.columns.iter().any(|known| known.name == name) {
                return Err(format!("column {} of the first line has no name of its own", index + 1));
            }
            csv.columns.push(Column { name: name.to_owned(), json });
        }
        Ok(csv)
    }

    /// The next record; None at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let Some((line, text, cells)) = self.cells()? else { return Ok(None) };
        let row =
            cells.and_then(|cells| self.row(cells).map_err(|reason| Unfit { reason, text: Some(text) }));
        Ok(Some(Record { line, row }))
    }

    fn row(&self, cells: Vec<String>) -> Result<Vec<u8>, String> {
        if cells.len() != self.columns.len() {
            return Err(format!("the row has {} cells, the first line {}", cells.len(), self.columns.len()));
        }
        let mut row = Map::new();
        for (column, cell) in self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let value = if column.json {
                serde_json::from_str(&cell).map_err(|_| format!("`{}` is not JSON", column.name))?
            } else {
                Value::String(cell)
            };
            row.insert(column.name.clone(), value);
        }
        Ok(Value::Object(row).to_string().into_bytes())
    }

    /// The cells of the next record that is not blank, and the line on which it begins.
    fn cells(&mut self) -> io::Result<Option<Cells>> {
        let mut record = Vec::new();
        let first = loop {
            if !self.physical_line(&mut record)? {
                return Ok(None);
            }
            if !record.trim_ascii().is_empty() {
                break self.line;
            }
            record.clear();
        };
        let unfit = |reason: String, text: Option<String>| {
            Ok(Some((first, String::new(), Err(Unfit { reason, text }))))
        };
        // A record ends with its line, unless a quote is open there.
        while record.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            if record.len() > LINE_BYTES_MAX {
                return unfit(
                    "a quote is not closed within 1 MiB, which were taken as one row".to_owned(),
                    None,
                );
            }
            let end = self.line;
            if !self.physical_line(&mut record)? {
                let text = String::from_utf8_lossy(record.trim_ascii_end()).into_owned();
                let taken = match end.saturating_sub(first) {
                    0 => String::new(),
                    _ => format!(": lines {first} to {end}, the end of the file, were taken as one row"),
                };
                return unfit(format!("a quote is never closed{taken}"), Some(text));
            }
        }
        if record.len() > LINE_BYTES_MAX {
            return unfit("the row is over 1 MiB".to_owned(), None);
        }
        let text = match String::from_utf8(record) {
            Ok(text) => text,
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).trim_end().to_owned();
                return unfit("not UTF-8 text".to_owned(), Some(text));
            }
        };
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        let cells = split(&text);
        Ok(Some((first, text, Ok(cells))))
    }

    /// Appends the next line with its end; false when there is none.
    fn physical_line(&mut self, record: &mut Vec<u8>) -> io::Result<bool> {
        let before = record.len();
        let mut limited = io::Read::take(&mut self.reader, LINE_BYTES_MAX as u64 + 1);
        limited.read_until(b'\n', record)?;
        if record.len() - before > LINE_BYTES_MAX && record.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
        }
        self.line += 1;
        Ok(record.len() > before)
    }
}

/// The cells of a record whose quotes are closed.
fn split(record: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = record.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            ('"', true) => quoted = false,
            ('"', false) if cell.is_empty() => quoted = true,
            (',', false) => cells.push(std::mem::take(&mut cell)),
            (c, _) => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut csv = Csv::open(text.as_bytes()).unwrap();
        let mut found = Vec::new();
        while let Some(Record { line, row }) = csv.next().unwrap() {
            found.push((line, row.map(|row| String::from_utf8(row).unwrap()).map_err(|unfit| unfit.reason)));
        }
        found
    }

    #[test]
    fn cells_are_texts_unless_they_are_json() {
        let text = "\u{feff}id, name,n:json,batch_segments\r\nc-1,\"a \"\"b\"\", c\",5,\"[\"\"x\"\"]\"\r\n\r\nc-2,,,\nc-3,\"two\nlines\",,\nc-4\nc-5,,x,\n";
        let object = |text: &str| Ok(text.to_owned());
        let expected = [
            (2, object(r#"{"batch_segments":["x"],"id":"c-1","n":5,"name":"a \"b\", c"}"#)),
            (4, object(r#"{"id":"c-2"}"#)),
            (5, object(r#"{"id":"c-3","name":"two\nlines"}"#)),
            (7, Err("the row has 1 cells, the first line 4".to_owned())),
            (8, Err("`n` is not JSON".to_owned())),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn what_is_no_csv_is_said() {
        assert_eq!(Csv::open(&b""[..]).err().as_deref(), Some("the file is empty"));
        assert!(Csv::open(&b"a,,b\n"[..]).is_err());
        assert!(Csv::open(&b"a,a\n"[..]).is_err());
        assert_eq!(read("a\n\"x\n"), [(2, Err("a quote is never closed".to_owned()))]);
        let mut csv = Csv::open("a,b\n\"x,1\ny,2\nz,3".as_bytes()).unwrap();
        let reason = "a quote is never closed: lines 2 to 4, the end of the file, were taken as one row";
        let unfit = Unfit { reason: reason.to_owned(), text: Some("\"x,1\ny,2\nz,3".to_owned()) };
        assert_eq!(csv.next().unwrap().unwrap().row, Err(unfit));
        assert!(csv.next().unwrap().is_none());
        let mut csv = Csv::open("a,b\nx\n".as_bytes()).unwrap();
        assert_eq!(csv.next().unwrap().unwrap().row.unwrap_err().text.as_deref(), Some("x"));
        let long = format!("a\n{}\nb\n", "x".repeat(LINE_BYTES_MAX + 1));
        let found = read(&long);
        assert_eq!((found.len(), &found[1].1), (2, &Ok(r#"{"a":"b"}"#.to_owned())));
        assert!(found[0].1.is_err());
    }
}
