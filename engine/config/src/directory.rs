//! A definition as a directory of files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use usher_engine::diagnostic::{Code, Diagnostic};

use crate::limits::FILE_BYTES_MAX;
use crate::source::{Finding, Location, Source};
use crate::{dialect, document};

/// The content of a directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The files that are, or seem to be, definitions, in the order of their names.
    pub sources: Vec<Source>,
    /// The files that were skipped, and why.
    pub findings: Vec<Finding>,
}

/// Reads a directory's `*.yaml`, `*.yml` and `*.json`, in the order of their names.
///
/// Files whose names begin with a dot are skipped. Other files live beside definitions (keys, package manifests): a
/// mapping without an identifying key of any dialect is skipped with an info, unless it names an audience beside a
/// misspelled key. The same file is an error when it is named on its own, because then it was meant. An unreadable text
/// is kept, so that a typo never drops a definition silently.
///
/// # Errors
///
/// If the directory or a file in it cannot be read. A file that is not UTF-8 is a finding.
///
/// # Examples
///
/// ```
/// # let directory = std::path::Path::new("../../examples/shop");
/// let listing = usher_config::definition_files(directory)?;
/// assert!(!usher_config::check(&listing.sources).has_errors());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn definition_files(directory: &Path) -> io::Result<Listing> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        // Files of an editor or file system are not definitions, whatever follows the dot.
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && matches!(extension.as_deref(), Some("yaml" | "yml" | "json")) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut listing = Listing::default();
    for path in paths {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // One byte more than the bound shows the reader that the file exceeds it.
        File::open(&path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        let over = bytes.len() > FILE_BYTES_MAX;
        if is_utf16(&bytes) {
            let mut finding = whole(Code::Unreadable, name, "the file is UTF-16 text, and UTF-8 is read");
            finding.diagnostic = finding.diagnostic.help("save it as UTF-8");
            listing.findings.push(finding);
            continue;
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            // The cut may have split a character, which does not matter over the bound.
            Err(error) if over => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Err(_) => {
                listing.findings.push(whole(Code::Unreadable, name, "the file is not UTF-8"));
                continue;
            }
        };
        let (documents, faults) = document::read(&name, &text);
        let meant = |node| dialect::recognize(node).is_some() || dialect::is_slip(node);
        if faults.is_empty() && !documents.iter().any(meant) {
            listing.findings.push(whole(Code::Ignored, name, "this is none of the known dialects; skipped"));
        } else {
            listing.sources.push(Source { name, text });
        }
    }
    Ok(listing)
}

/// True for the mark at the start of UTF-16 text, or a zero beside an ASCII character, as it has without one.
///
/// # Examples
///
/// ```
/// assert!(usher_config::is_utf16(b"\xff\xfee\0"));
/// assert!(usher_config::is_utf16(b"e\0v\0"));
/// assert!(!usher_config::is_utf16(b"events:"));
/// ```
pub fn is_utf16(start: &[u8]) -> bool {
    let half_zero = matches!(start, [first, second, ..] if (*first == 0) != (*second == 0));
    start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") || half_zero
}

/// A finding about a whole file.
fn whole(code: Code, file: String, message: &str) -> Finding {
    let place = Some(Location { file, line: 1, column: 1, length: 1 });
    Finding { diagnostic: Diagnostic::new(code, message), place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_mark_is_no_other_file() {
        let directory = std::env::temp_dir().join(format!("usher-listing-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in [
            ("a.yaml", "parent_segment_id: '1'\nevent: []\n"),
            ("b.yaml", "parent_segment_id: '1'\n"),
            ("c.yaml", "actions: []\n"),
            (".a.yaml", "parent_segment_id: '2'\nevents: []\n"),
            ("._a.yaml", "\0\u{5}\u{16}\u{7}"),
        ] {
            fs::write(directory.join(name), text).unwrap();
        }
        let listing = definition_files(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        let read: Vec<_> = listing.sources.iter().map(|source| source.text.as_str()).collect();
        assert_eq!(read, ["parent_segment_id: '1'\nevent: []\n"]);
        assert_eq!(listing.findings.len(), 2);
    }
}
