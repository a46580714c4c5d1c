//! The progress of an import, for the next run of the same one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::total::Counts;
use crate::exit::Failure;
use crate::files::{self, Readers};

/// A file with what an edge took so far.
pub(super) struct ProgressFile {
    path: PathBuf,
    source: String,
    pub(super) reached: Reached,
}

/// The progress of an import.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Reached {
    /// Everything up to this line was taken.
    pub(super) last_line: u64,
    /// The outcome of these lines.
    pub(super) counts: Counts,
    /// The bytes of the file of rejected rows that are about these lines; None when there was no such file.
    pub(super) rejects_bytes: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Written {
    file: String,
    #[serde(flatten)]
    reached: Reached,
}

impl ProgressFile {
    /// Reads it, if it is there; it must be about the same file.
    ///
    /// # Errors
    /// When it cannot be read, is something else, or is about another file.
    pub(super) fn open(path: &Path, source: &str) -> Result<ProgressFile, Failure> {
        let shown = path.display();
        let reached = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Reached::default(),
            Err(error) => return Err(Failure::of_file("read", &shown, error)),
            Ok(text) => {
                let written: Written = serde_json::from_str(&text)
                    .map_err(|_| Failure::new(format!("`{shown}` is not the state of an import")))?;
                if written.file != source {
                    return Err(Failure::new(format!("`{shown}` is about `{}`", written.file))
                        .help("name another file with --state, or remove this one"));
                }
                written.reached
            }
        };
        Ok(ProgressFile { path: path.to_owned(), source: source.to_owned(), reached })
    }

    /// Keeps how far it came.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn keep(&self, reached: Reached) -> Result<(), Failure> {
        let written = Written { file: self.source.clone(), reached };
        let text = serde_json::to_string(&written).map_err(|error| Failure::new(error.to_string()))?;
        files::replace(&self.path, &text, Readers::Usual)
    }

    /// The import is over.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(super) fn done(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::of_file("remove", self.path.display(), error))
            }
            _ => Ok(()),
        }
    }
}
