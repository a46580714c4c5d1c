//! Files that are replaced together: each is written beside its place first, and none is moved before all are there.
//!
//! From the first move to the last the directory is marked, so that no verb takes what an interrupted pull left for a
//! definition: part of it would be old and part new.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use usher_config::Source;

use super::layout::{Layout, below_header};
use crate::definitions::PULLING;
use crate::exit::Failure;
use crate::files::{self, Readers};

/// Where files wait until all of them are written.
const WAITING: &str = ".usher-pull.new";
/// The previous `rt_config.yaml`, while its directory is marked.
const BEFORE: &str = "rt_config.before";

/// The files that a directory will have, and those that it has now.
pub(super) struct Pulled<'a> {
    directory: &'a Path,
    /// In the order in which they are put in place.
    files: Vec<(Source, State)>,
    /// The files of an earlier pull that this one does not write: name and new name.
    aside: Vec<(String, String)>,
}

/// The change to a file.
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
    pub(super) fn as_str(self) -> &'static str {
        match self {
            State::New => "new",
            State::Replaced => "replaced",
            State::Renewed => "renewed",
            State::Unchanged => "unchanged",
        }
    }

    /// Of the file at a path, when this is to be its text.
    pub(crate) fn of(path: &Path, text: &str) -> Result<State, Failure> {
        match fs::read(path) {
            Ok(bytes) if bytes == text.as_bytes() => Ok(State::Unchanged),
            Ok(bytes) if below_header(&bytes) == below_header(text.as_bytes()) => Ok(State::Renewed),
            Ok(_) => Ok(State::Replaced),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::New),
            Err(error) => Err(Failure::of_file("read", path.display(), error)),
        }
    }
}

impl<'a> Pulled<'a> {
    /// Looks at what is there.
    pub(super) fn new(directory: &'a Path, layout: Layout) -> Result<Pulled<'a>, Failure> {
        let mut files = Vec::new();
        for file in layout.files {
            let state = State::of(&directory.join(&file.name), &file.text)?;
            files.push((file, state));
        }
        let aside = layout.pulled.into_iter().map(|name| {
            let unused = free(directory, &name);
            (name, unused)
        });
        Ok(Pulled { directory, files, aside: aside.collect() })
    }

    /// The files by name.
    pub(super) fn states(&self) -> impl Iterator<Item = (&str, State)> {
        self.files.iter().map(|(file, state)| (file.name.as_str(), *state))
    }

    /// The files that are moved aside, with their new names.
    pub(super) fn aside(&self) -> &[(String, String)] {
        &self.aside
    }

    /// Puts all in place.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let directory = self.directory;
        let (waiting, marked) = (directory.join(WAITING), directory.join(PULLING));
        make(directory)?;
        // What a pull left that was interrupted before it moved anything is of no use.
        remove(&waiting)?;
        make(&waiting)?;
        let changed = || self.files.iter().filter(|(_, state)| *state != State::Unchanged);
        for (file, _) in changed() {
            if let Err(failure) = files::create(&waiting.join(&file.name), &file.text, Readers::Usual) {
                // The directory is as it was; only the reason matters.
                let _ = remove(&waiting);
                return Err(failure);
            }
        }
        // What an interrupted pull marked stays so; its files are replaced by these.
        if marked.is_dir() {
            for (file, _) in changed() {
                rename(&waiting.join(&file.name), &marked.join(&file.name))?;
            }
            remove(&waiting)?;
        } else {
            rename(&waiting, &marked)?;
            synced(directory)?;
        }
        // From here on the directory is of two bundles, until the mark is gone.
        let moved = (|| {
            let replaced = |it: &&(Source, State)| matches!(it.1, State::Replaced | State::Renewed);
            if let Some((file, _)) = self.files.last().filter(replaced) {
                rename(&directory.join(&file.name), &marked.join(BEFORE))?;
            }
            for (name, unused) in &self.aside {
                rename(&directory.join(name), &directory.join(unused))?;
            }
            for (file, _) in changed() {
                rename(&marked.join(&file.name), &directory.join(&file.name))?;
            }
            synced(directory)?;
            // Whole again at once, however long removing takes.
            rename(&marked, &waiting)?;
            synced(directory)
        })();
        moved.map_err(|failure: Failure| failure.help("pull again, once this is mended"))?;
        remove(&waiting)
    }
}

/// A name for what is moved aside, which nothing has and no verb reads.
fn free(directory: &Path, name: &str) -> String {
    let mut unused = format!("{name}.old");
    let mut number = 2_u32;
    while directory.join(&unused).exists() {
        unused = format!("{name}.old{number}");
        number += 1;
    }
    unused
}

fn make(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::of_file("make", directory.display(), error))
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| Failure::of_file("replace", to.display(), error))
}

fn synced(directory: &Path) -> Result<(), Failure> {
    files::sync_directory(directory).map_err(|error| Failure::of_file("write", directory.display(), error))
}

fn remove(directory: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::of_file("remove", directory.display(), error))
        }
        _ => Ok(()),
    }
}
