//! Files that are replaced together: each is written beside its place first, and none is moved before all are there.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use usher_config::{Source, definition_files};

use crate::exit::Failure;

/// Where files wait until all of them are written; what was left in it by a pull that was interrupted is of no use.
const WAITING: &str = ".usher-pull";

/// What is to stand in a directory, and what stands there now.
pub(crate) struct Pulled {
    directory: PathBuf,
    /// In the order in which they are put in place.
    files: Vec<(Source, State)>,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    /// It says something else.
    Replaced,
    /// Only its first line, which says of which bundle it is, is another.
    Renewed,
    Unchanged,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::New => "new",
            State::Replaced => "replaced",
            State::Renewed => "renewed",
            State::Unchanged => "unchanged",
        }
    }
}

impl Pulled {
    /// Looks at what is there.
    pub(crate) fn new(directory: &Path, files: Vec<Source>) -> Result<Pulled, Failure> {
        let mut found = Vec::new();
        for file in files {
            let path = directory.join(&file.name);
            let state = match fs::read(&path) {
                Ok(bytes) if bytes == file.text.as_bytes() => State::Unchanged,
                Ok(bytes) if below_header(&bytes) == below_header(file.text.as_bytes()) => State::Renewed,
                Ok(_) => State::Replaced,
                Err(error) if error.kind() == ErrorKind::NotFound => State::New,
                Err(error) => return Err(Failure::of_file("read", path.display(), error)),
            };
            found.push((file, state));
        }
        Ok(Pulled { directory: directory.to_owned(), files: found })
    }

    /// The files by name.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, State)> {
        self.files.iter().map(|(file, state)| (file.name.as_str(), *state))
    }

    /// Puts all in place.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let directory = &self.directory;
        let failed = |what: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |error| Failure::of_file(what, path, error)
        };
        fs::create_dir_all(directory).map_err(failed("make", directory))?;
        let waiting = directory.join(WAITING);
        match fs::remove_dir_all(&waiting) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", &waiting)(error));
            }
            _ => {}
        }
        fs::create_dir(&waiting).map_err(failed("make", &waiting))?;
        let changed = || self.files.iter().filter(|(_, state)| *state != State::Unchanged);
        let moved = (|| {
            for (file, _) in changed() {
                let path = waiting.join(&file.name);
                let written = File::create(&path).and_then(|mut out| {
                    out.write_all(file.text.as_bytes())?;
                    out.sync_all()
                });
                written.map_err(failed("write", &path))?;
            }
            for (file, _) in changed() {
                let path = directory.join(&file.name);
                fs::rename(waiting.join(&file.name), &path).map_err(failed("replace", &path))?;
            }
            Ok(())
        })();
        // Whatever happened, nobody else will look into it.
        let removed = fs::remove_dir_all(&waiting).map_err(failed("remove", &waiting));
        moved.and(removed)
    }

    /// Definitions in the directory that are none of these.
    pub(crate) fn others(&self) -> Vec<String> {
        let listing = definition_files(&self.directory).unwrap_or_default();
        let ours = |name: &String| {
            self.files.iter().any(|(file, _)| self.directory.join(&file.name) == Path::new(name))
        };
        listing.sources.into_iter().map(|source| source.name).filter(|name| !ours(name)).collect()
    }
}

/// A text without the line that says of which bundle it is.
fn below_header(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
    let (first, rest) = text.split_at(end);
    if first.starts_with(b"# Bundle ") { rest } else { text }
}
