//! CSV as spreadsheets write it: which lines are a record, and its cells as the values that the definition reads.

use std::io::{self, BufRead};

use serde_json::{Map, Value};
use usher_engine::value::DataType;

use super::columns::{Columns, Conversion};
use crate::lines::LINE_BYTES_MAX;

/// The characters that may separate cells.
const DELIMITERS: [(u8, &str); 4] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")];

/// The records behind a line of column names.
pub(super) struct Csv<R> {
    reader: R,
    delimiter: u8,
    /// The last line that was read.
    line: u64,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    conversion: Conversion,
}

/// One record, the line on which it begins, and its row.
pub(super) struct Record {
    pub(super) line: u64,
    /// As a JSON object, or why it is none.
    pub(super) row: Result<Cells, Unfit>,
}

/// Why a row cannot be sent, and its text, where it is short enough to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) reason: String,
    pub(super) text: Option<String>,
}

/// The cells of a record, as they are sent.
#[derive(Debug, PartialEq)]
pub(super) struct Cells {
    pub(super) row: Map<String, Value>,
    /// Cells that are not of the type that the first line says: the column, the type and the text.
    pub(super) refused: Vec<(String, DataType, String)>,
}

impl<R: BufRead> Csv<R> {
    /// Reads the first line. The columns' names say what stands between cells: the column that identifies a record must
    /// be one of them.
    pub(super) fn open(reader: R, known: &Columns) -> Result<Csv<R>, String> {
        let mut csv = Csv { reader, delimiter: b',', line: 0, columns: Vec::new() };
        let mut found = None;
        for (delimiter, _) in DELIMITERS {
            csv.delimiter = delimiter;
            // Only the first look takes the line from the reader.
            let text = match found.take() {
                Some(text) => text,
                None => match csv.record().map_err(|error| error.to_string())? {
                    Some((_, Ok(text))) => text,
                    Some((_, Err(unfit))) => return Err(unfit.reason),
                    None => return Err("the file is empty".to_owned()),
                },
            };
            let names = csv.cells(text.trim_start_matches('\u{feff}'))?;
            let columns: Vec<Column> = names.iter().map(|name| column(name.trim(), known)).collect();
            if columns.iter().any(|column| column.name == known.key) {
                csv.columns = columns;
                return csv.named();
            }
            found = Some(text);
        }
        let shown: String = found.unwrap_or_default().chars().take(80).collect();
        let delimiters = DELIMITERS.map(|(_, name)| name).join(", ");
        Err(format!(
            "the first line does not name the column `{}`, which identifies a record: `{}` (cells may stand between {delimiters})",
            known.key,
            shown.trim()
        ))
    }

    /// Refuses columns of one name, or of none.
    fn named(self) -> Result<Csv<R>, String> {
        for (index, column) in self.columns.iter().enumerate() {
            let number = index + 1;
            if column.name.is_empty() {
                return Err(format!("column {number} of the first line has no name"));
            }
            if let Some(first) = self.columns.iter().take(index).position(|known| known.name == column.name) {
                return Err(format!(
                    "columns {} and {number} of the first line are both named `{}`; rename or remove one",
                    first + 1,
                    column.name
                ));
            }
        }
        Ok(self)
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The character that separates cells, where it is not a comma.
    pub(super) fn unusual_delimiter(&self) -> Option<&'static str> {
        let found = DELIMITERS.into_iter().find(|(delimiter, _)| *delimiter == self.delimiter);
        found.filter(|(delimiter, _)| *delimiter != b',').map(|(_, name)| name)
    }

    /// The next record; None at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let Some((line, text)) = self.record()? else { return Ok(None) };
        let row = text.and_then(|text| {
            let cells = self.cells(&text).and_then(|cells| self.row(cells));
            cells.map_err(|reason| Unfit { reason, text: Some(text) })
        });
        Ok(Some(Record { line, row }))
    }

    fn row(&self, cells: Vec<String>) -> Result<Cells, String> {
        if cells.len() != self.columns.len() {
            return Err(format!("the row has {} cells, the first line {}", cells.len(), self.columns.len()));
        }
        let mut row = Map::new();
        let mut refused = Vec::new();
        for (column, cell) in self.columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match column.conversion.value(&cell) {
                Ok(value) => {
                    row.insert(column.name.clone(), value);
                }
                Err(Some(data_type)) => refused.push((column.name.clone(), data_type, cell)),
                Err(None) => return Err(format!("`{}` is not JSON", column.name)),
            }
        }
        Ok(Cells { row, refused })
    }

    /// The text of the next record that is not blank, without the end of its last line, and the line on which it begins.
    fn record(&mut self) -> io::Result<Option<(u64, Result<String, Unfit>)>> {
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
        let unfit = |reason: String, text| Ok(Some((first, Err(Unfit { reason, text }))));
        let mut quotes = Quotes::new(self.delimiter);
        let mut looked_at = 0;
        // A record ends with its line, unless a quote is open there.
        loop {
            quotes.pass(record.get(looked_at..).unwrap_or_default());
            looked_at = record.len();
            if record.len() > LINE_BYTES_MAX {
                return match quotes.open {
                    true => unfit(
                        "a quote is not closed within 1 MiB, which were taken as one row".to_owned(),
                        None,
                    ),
                    false => unfit("the row is over 1 MiB".to_owned(), None),
                };
            }
            if !quotes.open {
                break;
            }
            let end = self.line;
            if !self.physical_line(&mut record)? {
                let range = match end.saturating_sub(first) {
                    0 => String::new(),
                    _ => format!(": lines {first} to {end}, the end of the file, were taken as one row"),
                };
                return unfit(format!("a quote is never closed{range}"), Some(lossy(&record)));
            }
        }
        if quotes.stray {
            // Whatever is made of it would be a guess, which may well hide a row.
            let range = match self.line.saturating_sub(first) {
                0 => String::new(),
                _ => format!(": lines {first} to {} were taken as one row", self.line),
            };
            let reason =
                format!("a cell goes on behind its closing quote, or a quote in it is not doubled{range}");
            return unfit(reason, Some(lossy(&record)));
        }
        match String::from_utf8(record) {
            Ok(text) => Ok(Some((first, Ok(text.trim_end_matches(['\r', '\n']).to_owned())))),
            Err(error) => unfit("not UTF-8 text".to_owned(), Some(lossy(error.as_bytes()))),
        }
    }

    /// The cells of one record.
    fn cells(&self, record: &str) -> Result<Vec<String>, String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(self.delimiter)
            .buffer_capacity(record.len().max(1))
            .from_reader(record.as_bytes());
        let mut records = reader.records();
        let cells = records.next().transpose().map_err(|error| error.to_string())?.unwrap_or_default();
        // The reader takes a carriage return alone for the end of a line.
        if records.next().is_some() {
            return Err("a carriage return stands within the line; quote the cell, or save with line feeds"
                .to_owned());
        }
        Ok(cells.iter().map(str::to_owned).collect())
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

/// A column of the first line: `name`, or `name:type`. A name that the definition reads as it stands is that name.
fn column(written: &str, known: &Columns) -> Column {
    let typed = written.rsplit_once(':').filter(|_| !known.reads(written));
    let (name, conversion) = match typed {
        Some((name, "json")) => (name, Some(Conversion::Json)),
        Some((name, data_type)) => {
            let data_type = DataType::ALL.into_iter().find(|known| known.as_str() == data_type);
            (name, data_type.map(Conversion::Typed))
        }
        None => (written, None),
    };
    match conversion {
        Some(conversion) => Column { name: name.trim().to_owned(), conversion },
        None => Column { name: written.to_owned(), conversion: known.conversion(written) },
    }
}

fn lossy(record: &[u8]) -> String {
    String::from_utf8_lossy(record.trim_ascii_end()).into_owned()
}

/// Where quotes of a record stand, looked at byte by byte as it is read.
struct Quotes {
    delimiter: u8,
    /// True if a quote is open, so that the record goes on.
    open: bool,
    /// True if something stands between a closing quote and the end of its cell.
    stray: bool,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Bare,
    Quoted,
    /// Behind a quote in a quoted cell: it closes the cell, or is the first half of a doubled one.
    Closed,
}

impl Quotes {
    fn new(delimiter: u8) -> Quotes {
        Quotes { delimiter, open: false, stray: false, at: At::CellStart }
    }

    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.at = match (self.at, *byte) {
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) => At::Quoted,
                (At::CellStart | At::Closed, b'"') => At::Quoted,
                (_, byte) if byte == self.delimiter || byte == b'\n' => At::CellStart,
                (At::Closed, b'\r') => At::Closed,
                (At::Closed, _) => {
                    self.stray = true;
                    At::Bare
                }
                _ => At::Bare,
            };
        }
        self.open = self.at == At::Quoted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Columns {
        Columns::of(
            "id",
            &[
                ("vip", &["boolean"]),
                ("tags", &["string_array"]),
                ("code", &["string"]),
                ("a:number", &["string"]),
            ],
        )
    }

    fn read(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut csv = Csv::open(text.as_bytes(), &known()).unwrap();
        let mut found = Vec::new();
        while let Some(Record { line, row }) = csv.next().unwrap() {
            let row =
                row.map(|cells| format!("{}{:?}", Value::Object(cells.row), cells.refused).replace("[]", ""));
            found.push((line, row.map_err(|unfit| unfit.reason)));
        }
        found
    }

    fn object(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    #[test]
    fn cells_are_texts_unless_they_are_json() {
        let text = "\u{feff}id, name,n:json,batch_segments\r\nc-1,\"a \"\"b\"\", c\",5,\"[\"\"x\"\"]\"\r\n\r\nc-2,,,\nc-3,\"two\nlines\",,\nc-4\nc-5,,x,\n";
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
    fn cells_are_what_the_attribute_or_the_first_line_says() {
        let text = "id,vip,tags,code,n:number,a:number,t:string\n007,TRUE,\"[\"\"x\"\"]\",0049,5,5,5\n1,yes,x,1,007,,\n";
        let expected = [
            (2, object(r#"{"a:number":"5","code":"0049","id":"007","n":5,"t":"5","tags":["x"],"vip":true}"#)),
            // What the edge is to refuse is sent as it stands; what the first line's type refuses is not sent.
            (3, object(r#"{"code":"1","id":"1","tags":"x","vip":"yes"}[("n", Number, "007")]"#)),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_quote_within_a_cell_hides_no_row() {
        let expected =
            [(2, object(r#"{"id":"1","x":"5\" pipe"}"#)), (3, object(r#"{"id":"2","x":"4\" pipe"}"#))];
        assert_eq!(read("id,x\n1,5\" pipe\n2,4\" pipe\n"), expected);
        let found = read("id,x\n1,\"5 pipe\n2,\"4 pipe\n3,y\n");
        let reason = "a cell goes on behind its closing quote, or a quote in it is not doubled: lines 2 to 3 were taken as one row";
        assert_eq!(found, [(2, Err(reason.to_owned())), (4, object(r#"{"id":"3","x":"y"}"#))]);
        assert!(read("id,x\n1,\"a\"b\n")[0].1.is_err());
    }

    #[test]
    fn the_first_line_says_what_stands_between_cells() {
        for delimiter in [',', ';', '\t', '|'] {
            let d = delimiter;
            let text = format!("x{d}id\n1{d}c-1\n\"a{d}b\"{d}c-2\n");
            let expected = [
                (2, object(r#"{"id":"c-1","x":"1"}"#)),
                (3, Ok(format!("{{\"id\":\"c-2\",\"x\":{:?}}}", format!("a{d}b")))),
            ];
            assert_eq!(read(&text), expected);
        }
        assert_eq!(read("id\nc-1\n"), [(2, object(r#"{"id":"c-1"}"#))]);
    }

    #[test]
    fn what_is_no_csv_is_said() {
        let open = |text: &str| Csv::open(text.as_bytes(), &known()).err();
        assert_eq!(open("").as_deref(), Some("the file is empty"));
        assert!(open("id,,b\n").unwrap().contains("column 2"));
        assert!(open("id,a,a\n").unwrap().contains("columns 2 and 3"));
        assert!(open("c-1,gold\nc-2,gold\n").unwrap().contains("does not name the column `id`"));
        assert_eq!(read("id\n\"x\n"), [(2, Err("a quote is never closed".to_owned()))]);
        let mut csv = Csv::open("id,b\n\"x,1\ny,2\nz,3".as_bytes(), &known()).unwrap();
        let reason = "a quote is never closed: lines 2 to 4, the end of the file, were taken as one row";
        let unfit = Unfit { reason: reason.to_owned(), text: Some("\"x,1\ny,2\nz,3".to_owned()) };
        assert_eq!(csv.next().unwrap().unwrap().row, Err(unfit));
        assert!(csv.next().unwrap().is_none());
        let mut csv = Csv::open("id,b\nx\n".as_bytes(), &known()).unwrap();
        assert_eq!(csv.next().unwrap().unwrap().row.unwrap_err().text.as_deref(), Some("x"));
        assert!(read("id,b\nx,1\ry,2\n")[0].1.as_ref().unwrap_err().contains("carriage return"));
        let long = format!("id\n{}\nb\n", "x".repeat(LINE_BYTES_MAX + 1));
        let found = read(&long);
        assert_eq!((found.len(), &found[1].1), (2, &object(r#"{"id":"b"}"#)));
        assert!(found[0].1.is_err());
    }

    #[test]
    fn a_long_quoted_cell_costs_its_length() {
        // Looked at from its start for every line, this would take minutes.
        let text = format!("id,b\n1,\"{}\"\n", "\n".repeat(LINE_BYTES_MAX - 100));
        assert!(read(&text)[0].1.is_ok());
    }
}
