//! Static files beside the service, for the demo's pages.
//!
//! Only what lies inside the directory is served: no path leads out of it, and none to a hidden file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use usher_engine::definition::EventTable;

/// A directory of files.
#[derive(Clone, Debug)]
pub(crate) struct Website {
    root: PathBuf,
}

/// A file as it is sent.
pub(crate) struct Page {
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

/// First parts of paths that are the service's, besides [`EventTable::RESERVED`], whatever the directory holds.
const RESERVED: [&str; 2] = ["healthz", "metrics"];

impl Website {
    pub(crate) fn new(root: &Path) -> io::Result<Website> {
        let root = root.canonicalize()?;
        if root.is_dir() { Ok(Website { root }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// The file that a path names, if there is one.
    pub(crate) fn page(&self, path: &str) -> Option<Page> {
        let relative = path.strip_prefix('/')?;
        let mut wanted = self.root.clone();
        let mut parts = relative.split('/').peekable();
        let is_reserved = |first: &&str| RESERVED.contains(first) || EventTable::RESERVED.contains(first);
        if parts.peek().is_some_and(is_reserved) {
            return None;
        }
        while let Some(part) = parts.next() {
            match part {
                // A directory is asked for by its slash.
                "" if parts.peek().is_none() => wanted.push("index.html"),
                part if plain(part) => wanted.push(part),
                _ => return None,
            }
        }
        // A link must not lead out, either.
        let file =
            wanted.canonicalize().ok().filter(|file| file.starts_with(&self.root) && file.is_file())?;
        let content_type = content_type(file.extension()?.to_str()?);
        Some(Page { content_type, body: fs::read(file).ok()? })
    }
}

/// A name that is one: not hidden, not encoded, not another platform's way up.
fn plain(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b'+');
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        let base = std::env::temp_dir().join(format!("usher-website-{}", std::process::id()));
        let root = base.join("www");
        for directory in ["v1", "tree", "healthz"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::create_dir_all(root.join("sub")).unwrap();
        for (name, text) in [
            ("../secret.txt", "s"),
            ("index.html", "i"),
            (".env.txt", "e"),
            ("v1/x.txt", "v"),
            ("tree/x.txt", "t"),
            ("healthz/x.txt", "h"),
            ("sub/a.js", "a"),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(base.join("secret.txt"), root.join("link.txt")).unwrap();
        let website = Website::new(&root).unwrap();
        let body = |path: &str| website.page(path).map(|page| page.body);
        assert_eq!(body("/"), Some(b"i".to_vec()));
        assert_eq!(website.page("/sub/a.js").unwrap().content_type, "text/javascript; charset=utf-8");
        for path in [
            "/../secret.txt",
            "/sub/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/..\\secret.txt",
            "/link.txt",
            "/.env.txt",
            "/v1/x.txt",
            "/tree/x.txt",
            "/healthz/x.txt",
            "//secret.txt",
            "/sub",
            "/sub/",
            "",
            "*",
            "/sub//a.js",
            "/a\0.js",
        ] {
            assert_eq!(body(path), None, "{path:?}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}
