//! The outcome of the rows of a file: counts and rejected rows, in the order of its lines.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::terminal::{clean, note, progress};

/// Rows and values, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Counts {
    pub(super) imported: u64,
    pub(super) unchanged: u64,
    /// Rows of a table.
    #[serde(default)]
    pub(super) deleted: u64,
    /// Rows of a table that are older than the stored ones.
    #[serde(default)]
    pub(super) stale: u64,
    /// Rows.
    pub(super) rejected: u64,
    /// Values of rows that were taken.
    pub(super) values_refused: u64,
}

impl Counts {
    pub(super) fn rows(&self) -> u64 {
        self.imported + self.unchanged + self.deleted + self.stale + self.rejected
    }
}

/// The outcome of the whole file so far.
pub(super) struct Total {
    file: String,
    pub(super) counts: Counts,
    pub(super) ignored_columns: BTreeSet<String>,
    /// There are more of them than their names here.
    pub(super) more_ignored_columns: bool,
    /// Where rejected rows go.
    rejects: Option<(String, BufWriter<File>)>,
}

/// A row that was rejected, or a value of one that was taken.
pub(super) struct Reject {
    pub(super) line: u64,
    /// Of the value; None for the row.
    pub(super) column: Option<String>,
    pub(super) reason: String,
    /// The row as the file has it.
    pub(super) row: Value,
}

impl Total {
    /// `goes_on`: an import that was begun before; what it rejected then stays, up to `rejects_bytes` where that is known.
    ///
    /// # Errors
    /// When the file for rejected rows cannot be opened.
    pub(super) fn new(
        file: &str,
        rejects: Option<&Path>,
        goes_on: bool,
        counts: Counts,
        rejects_bytes: Option<u64>,
    ) -> Result<Total, Failure> {
        let open = |path: &Path| {
            let shown = path.display().to_string();
            let mut options = OpenOptions::new();
            let opened =
                options.create(true).write(true).truncate(!goes_on).open(path).and_then(|mut file| {
                    // What a run wrote that was stopped before it noted how far it came is about rows that come again.
                    let end = file.seek(SeekFrom::End(0))?;
                    if let Some(bytes) = rejects_bytes.filter(|bytes| *bytes < end) {
                        file.set_len(bytes)?;
                        file.seek(SeekFrom::Start(bytes))?;
                    }
                    Ok(file)
                });
            match opened {
                Ok(file) => Ok((shown, BufWriter::new(file))),
                Err(error) => Err(Failure::of_file("write", shown, error)),
            }
        };
        Ok(Total {
            file: file.to_owned(),
            counts,
            ignored_columns: BTreeSet::new(),
            more_ignored_columns: false,
            rejects: rejects.map(open).transpose()?,
        })
    }

    /// Reports what was rejected of some rows, by lines.
    ///
    /// # Errors
    /// When the file for rejected rows cannot be written.
    pub(super) fn reject(&mut self, mut rejected: Vec<Reject>) -> Result<(), Failure> {
        rejected.sort_by_key(|reject| reject.line);
        for Reject { line, column, reason, row } in rejected {
            let Some((file, out)) = &mut self.rejects else {
                progress("");
                let place = format!("{}:{line}", clean(&self.file));
                note(&match column {
                    Some(column) => {
                        format!("{place}: `{}` is {}, and counts as missing", clean(&column), clean(&reason))
                    }
                    None => format!("{place}: rejected: {}", clean(&reason)),
                });
                continue;
            };
            let mut entry = json!({"line": line, "reason": reason, "row": row});
            if let Some(column) = column {
                entry["column"] = column.into();
            }
            writeln!(out, "{entry}").map_err(|error| Failure::of_file("write", file, error))?;
        }
        Ok(())
    }

    /// Makes what was rejected last, and says how long its file is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn sync(&mut self) -> Result<Option<u64>, Failure> {
        let Some((file, out)) = &mut self.rejects else { return Ok(None) };
        let synced =
            out.flush().and_then(|()| out.get_ref().sync_data()).and_then(|()| out.stream_position());
        synced.map(Some).map_err(|error| Failure::of_file("write", file, error))
    }

    /// Says what is to be said at the end, of a table or of records.
    ///
    /// # Errors
    /// When the file for rejected rows cannot be written.
    pub(super) fn finish(&mut self, is_table: bool) -> Result<(), Failure> {
        progress("");
        self.sync()?;
        if let Some((file, _)) = &self.rejects
            && self.counts.rejected + self.counts.values_refused > 0
        {
            note(&format!("rejected rows and values are in `{file}`"));
        }
        if !self.ignored_columns.is_empty() {
            let columns: Vec<String> = self.ignored_columns.iter().map(|column| clean(column)).collect();
            let more = if self.more_ignored_columns { ", and more" } else { "" };
            let who = if is_table { "the table does not declare" } else { "no attribute reads" };
            note(&format!("columns that {who}: {}{more}", columns.join(", ")));
        }
        Ok(())
    }
}
