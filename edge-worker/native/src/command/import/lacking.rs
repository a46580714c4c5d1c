//! Columns that the running definition reads and rows lack.

use std::collections::BTreeSet;
use std::io::BufRead;

use usher_engine::DELETED_COLUMN;

use super::columns::Columns;
use super::csv_file::Csv;
use super::destination::Destination;
use super::rows::Chunk;
use crate::terminal::{clean, note, progress};

/// Which columns that the running definition reads are in no row, or not in every one: said before the first such row is
/// sent, once for each column.
pub(super) struct Lacking<'a> {
    columns: &'a Columns,
    to: &'a Destination,
    file: &'a str,
    said: BTreeSet<String>,
    /// True if rows have columns of their own: in CSV an empty cell is one, and the first line says which there are.
    of_rows: bool,
}

impl<'a> Lacking<'a> {
    pub(super) fn new(columns: &'a Columns, to: &'a Destination, file: &'a str) -> Lacking<'a> {
        Lacking { columns, to, file, said: BTreeSet::new(), of_rows: true }
    }

    /// CSV has the same columns in every row.
    pub(super) fn of_file<R: BufRead>(&mut self, csv: &Csv<R>) {
        self.of_rows = false;
        if let Some(delimiter) = csv.unusual_delimiter() {
            note(&format!("{}: {delimiter} stand between cells", clean(self.file)));
        }
        let names: BTreeSet<&str> = csv.names().collect();
        let lacking: Vec<String> =
            self.columns.lacking(|name| names.contains(name)).map(str::to_owned).collect();
        self.say(&clean(self.file), lacking);
    }

    pub(super) fn of_rows(&mut self, chunk: &Chunk) {
        if !self.of_rows || self.said.len() == self.columns.len() {
            return;
        }
        for row in &chunk.rows {
            // Rejected rows empty no column.
            let Some(names) = row
                .names()
                .filter(|names| names.contains_key(&self.columns.key) && !names.contains_key(DELETED_COLUMN))
            else {
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
        let names = names.join(", ");
        progress("");
        note(&self.to.lacking(place, &names));
        self.said.extend(lacking);
    }
}
