//! Files that are written as a whole and reach the disk: after a crash there is the old text or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The permissions of a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everybody whom the user's umask lets.
    Usual,
    /// The owner alone.
    Owner,
}

/// Writes a file that is not there yet.
///
/// # Errors
/// When it is there already, or cannot be written; in the second case it is not there.
pub(crate) fn create(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let written = options(readers).open(path).and_then(|file| {
        fill(file, text).inspect_err(|_| {
            // Half of a file is of no use, and only the first reason matters.
            let _ = fs::remove_file(path);
        })
    });
    written
        .and_then(|()| sync_directory(of(path)))
        .map_err(|error| Failure::of_file("write", path.display(), error))
}

/// Puts a file in the place of whatever is there, with the directories that lead to it.
///
/// # Errors
/// When it cannot be written; what was there stays as it was.
pub(crate) fn replace(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let beside = beside(path);
    let written = fs::create_dir_all(of(path))
        // What a killed process left has the same name.
        .and_then(|()| match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .and_then(|()| options(readers).open(&beside))
        .and_then(|file| fill(file, text))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_directory(of(path)));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Failure::of_file("write", path.display(), error)
    })
}

/// Makes what was created, renamed or removed in a directory survive a crash of the machine.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and there is nothing to sync.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Why a file or directory cannot be read; of one that is not there, what is there instead.
pub(crate) fn unread(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    if error.kind() != ErrorKind::NotFound {
        return Failure::of_file("read", shown, error);
    }
    let failure = Failure::new(format!("there is no `{shown}`"));
    let entries = fs::read_dir(of(path)).into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wrong = path.file_name().unwrap_or_default().to_string_lossy();
    let near = usher_config::did_you_mean(
        &wrong,
        names.iter().map(String::as_str).filter(|name| !name.starts_with('.')),
    );
    // In the words of the command line, which names the directory, too.
    let above = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let near = near.map(|help| match above {
        Some(above) => help.replacen('`', &format!("`{}", above.join("").display()), 1),
        None => help,
    });
    match near.or_else(|| below(path, &names)).or_else(|| around(path)) {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// The failure of a file that has to be converted first.
pub(crate) fn utf16(path: &Path) -> Failure {
    let (shown, extension) = (path.display(), path.extension().map(|name| name.to_string_lossy()));
    let converted = format!("utf-8.{}", extension.as_deref().unwrap_or("txt"));
    Failure::new(format!("{shown}: the file is UTF-16 text, and UTF-8 is read"))
        .help(format!("save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 {shown} > {converted}"))
}

/// Where the path leads to if it is taken from the directory above: the commands of a page were typed one directory too deep.
fn around(path: &Path) -> Option<String> {
    let above = Path::new("..").join(path);
    if path.is_absolute() || !above.exists() {
        return None;
    }
    let is_here = fs::canonicalize(".").ok()? == fs::canonicalize(&above).ok()?;
    let named = if is_here { Path::new(".") } else { &above };
    Some(format!("did you mean `{}`?", named.display()))
}

/// The file of this name in a directory beside the one that is not there.
fn below(path: &Path, directories: &[String]) -> Option<String> {
    let name = path.file_name()?;
    let above = path.parent()?;
    let found =
        directories.iter().map(|directory| above.join(directory).join(name)).find(|file| file.is_file())?;
    Some(format!("did you mean `{}`?", found.display()))
}

fn options(readers: Readers) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The directory that a file is in.
fn of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the new text stands until it is whole; hidden, so that no verb takes it for a definition.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_never_created_twice() {
        let directory = std::env::temp_dir().join(format!("usher-files-{}", std::process::id()));
        let path = directory.join("inner/keys.json");
        replace(&path, "one", Readers::Usual).unwrap();
        assert!(create(&path, "two", Readers::Owner).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        // What a killed process left is in nobody's way.
        fs::write(beside(&path), "half").unwrap();
        replace(&path, "three", Readers::Owner).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap()) & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // A directory is no place for a text, and nothing is left of it.
        assert!(replace(&directory.join("inner"), "four", Readers::Usual).is_err());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
