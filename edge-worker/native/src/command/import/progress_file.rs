//! How far an import came, for the next run of the same one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A file with the last line that an edge took.
pub(super) struct ProgressFile {
    path: PathBuf,
    source: String,
    last_line: u64,
}

#[derive(Deserialize, Serialize)]
struct Written {
    file: String,
    last_line: u64,
}

impl ProgressFile {
    /// Reads it, if it is there; it must be about the same file.
    pub(super) fn open(path: &Path, source: &str) -> Result<ProgressFile, Failure> {
        let shown = path.display();
        let last_line = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(Failure::of_file("read", &shown, error)),
            Ok(text) => {
                let written: Written = serde_json::from_str(&text)
                    .map_err(|_| Failure::new(format!("`{shown}` is not the state of an import")))?;
                if written.file != source {
                    return Err(Failure::new(format!("`{shown}` is about `{}`", written.file))
                        .help("name another file with --state, or remove this one"));
                }
                written.last_line
            }
        };
        Ok(ProgressFile { path: path.to_owned(), source: source.to_owned(), last_line })
    }

    /// Where to go on.
    pub(super) fn next_line(&self) -> u64 {
        self.last_line + 1
    }

    /// Everything up to this line was taken. Beside it and then into its place: a crash leaves the one or the other.
    pub(super) fn reached(&self, last_line: u64) -> Result<(), Failure> {
        let written = Written { file: self.source.clone(), last_line };
        let text = serde_json::to_string(&written).map_err(|error| Failure::new(error.to_string()))?;
        let beside = self.path.with_extension("new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| Failure::of_file("write", self.path.display(), error))
    }

    /// The import is over.
    pub(super) fn done(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::of_file("remove", self.path.display(), error))
            }
            _ => Ok(()),
        }
    }
}
