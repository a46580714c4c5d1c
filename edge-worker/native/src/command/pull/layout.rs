//! Which files a bundle becomes in a directory that holds files already.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use usher_config::{Source, definition_files, read};
use usher_engine::definition::Definition;

use crate::exit::Failure;

/// The first line of a file with a part of a bundle. Which bundle it is says `rt_config.yaml`, so that this line stays the
/// same from one to the next.
const PART: &str = "# A part of what `usher pull` wrote; rt_config.yaml says which bundle it is.\n";
/// The beginning of the first line of `rt_config.yaml`.
const BUNDLE: &str = "# Bundle ";

/// The files, and what is there beside them that would be read with them and make something else of them.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// In the order in which they are put in place: what says which bundle it is comes last.
    pub(super) files: Vec<Source>,
    /// Names of files in the way that an earlier pull wrote.
    pub(super) pulled: Vec<String>,
    /// Files that no pull wrote.
    pub(super) foreign: Vec<String>,
}

impl Layout {
    /// `files` are as they are written, `rt_config.yaml` first; `is_bundle` tells whether texts, read together, say the bundle.
    pub(super) fn new(
        directory: &Path,
        files: Vec<Source>,
        is_bundle: impl Fn(&[Source]) -> bool,
    ) -> Result<Layout, Failure> {
        let there = if directory.is_dir() {
            let listed = definition_files(directory)
                .map_err(|error| Failure::of_file("read", directory.display(), error))?;
            listed.sources
        } else {
            Vec::new()
        };
        let mut files = named(files, &there);
        for part in files.iter_mut().skip(1) {
            part.text.insert_str(0, PART);
        }
        let others: Vec<&Source> =
            there.iter().filter(|other| files.iter().all(|file| file.name != name_of(other))).collect();
        let with = |others: &[&Source]| {
            let path = |file: &Source| Source {
                name: directory.join(&file.name).display().to_string(),
                text: file.text.clone(),
            };
            let mut all: Vec<Source> = files.iter().map(path).collect();
            all.extend(others.iter().map(|other| (*other).clone()));
            all.sort_by_cached_key(|file| PathBuf::from(&file.name));
            is_bundle(&all)
        };
        let mut blocking: Vec<&Source> = Vec::new();
        if !with(&others) {
            blocking.extend(others.iter().filter(|other| !with(&[other])));
            if blocking.is_empty() {
                blocking = others;
            }
        }
        let of = |wanted: bool| {
            let wanted = blocking.iter().filter(|it| is_pulled(it.text.as_bytes()) == wanted);
            wanted.map(|it| name_of(it).to_owned()).collect()
        };
        let (pulled, foreign) = (of(true), of(false));
        if !files.is_empty() {
            files.rotate_left(1);
        }
        Ok(Layout { files, pulled, foreign })
    }
}

/// The files under the names that their services have there already, where each keeps its place in the order.
fn named(files: Vec<Source>, there: &[Source]) -> Vec<Source> {
    let mut known: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in there {
        if let Some(service) = service_of(source) {
            known.entry(service).or_default().push(name_of(source));
        }
    }
    let name = |file: &Source| {
        let service = service_of(file)?;
        match known.get(&service).map(Vec::as_slice) {
            Some([name]) if !name.ends_with(".json") => Some((*name).to_owned()),
            _ => None,
        }
    };
    let names: Vec<String> =
        files.iter().map(|file| name(file).unwrap_or_else(|| file.name.clone())).collect();
    // Some file systems do not tell small letters from capitals.
    let once = names.iter().map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>().len();
    let services: Vec<&String> =
        files.iter().zip(&names).filter(|(file, _)| service_of(file).is_some()).map(|it| it.1).collect();
    if once != names.len() || !services.is_sorted() {
        return files;
    }
    files.into_iter().zip(names).map(|(file, name)| Source { name, ..file }).collect()
}

/// The service that is all that a file says.
fn service_of(source: &Source) -> Option<String> {
    let reading = read(std::slice::from_ref(source));
    let Definition { tables, key_events, attributes, identity, personalizations, .. } = &reading.definition;
    let alone = tables.is_empty()
        && key_events.is_empty()
        && attributes.is_empty()
        && identity.keys.is_empty()
        && reading.examples.is_empty()
        && !reading.has_errors();
    match personalizations.as_slice() {
        [service] if alone => Some(service.name.clone()),
        _ => None,
    }
}

fn name_of(source: &Source) -> &str {
    Path::new(&source.name).file_name().and_then(|name| name.to_str()).unwrap_or(&source.name)
}

fn is_pulled(text: &[u8]) -> bool {
    below_header(text).len() < text.len()
}

/// A text without the line that an earlier pull put before it.
pub(super) fn below_header(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
    let (first, rest) = text.split_at(end);
    if first.starts_with(BUNDLE.as_bytes()) || first.trim_ascii_end() == PART.trim_end().as_bytes() {
        rest
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pull_wrote_is_known_by_its_first_line() {
        for text in ["# Bundle 3 of audience 7, hash 00.\nx: 1\n", &format!("{PART}x: 1\n")] {
            assert!(is_pulled(text.as_bytes()), "{text}");
            assert_eq!(below_header(text.as_bytes()), b"x: 1\n");
            // As some editors and some settings of git write it.
            assert!(is_pulled(text.replace('\n', "\r\n").as_bytes()), "{text}");
        }
        for text in ["", "x: 1\n", "# Bundles of mine\nx: 1\n", "x: 1\n# Bundle 3\n"] {
            assert!(!is_pulled(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_service_keeps_its_file_where_the_order_allows_it() {
        let source = |name: &str, service: &str| Source {
            name: name.to_owned(),
            text: format!(
                "parent_segment_id: '7'\npersonalization_service: {{name: {service}, sections: [{{name: S, criteria: '', attributes: [{{name: a, value: 1}}]}}]}}\n"
            ),
        };
        let rt_config =
            Source { name: "rt_config.yaml".to_owned(), text: "parent_segment_id: '7'\n".to_owned() };
        let names = |files: &[(&str, &str)], there: &[(&str, &str)]| -> Vec<String> {
            let mut planned = vec![rt_config.clone()];
            planned.extend(files.iter().map(|(name, service)| source(name, service)));
            let there: Vec<Source> =
                there.iter().map(|(name, service)| source(&format!("defs/{name}"), service)).collect();
            named(planned, &there).into_iter().skip(1).map(|file| file.name).collect()
        };
        let planned = [("home.yaml", "home"), ("sale.yaml", "sale")];
        assert_eq!(names(&planned, &[]), ["home.yaml", "sale.yaml"]);
        assert_eq!(names(&planned, &[("my.yml", "sale")]), ["home.yaml", "my.yml"]);
        // It would be read after `sale.yaml`.
        assert_eq!(names(&planned, &[("zzz.yml", "home")]), ["home.yaml", "sale.yaml"]);
        // It stands twice; the name is another service's; it is no YAML.
        assert_eq!(names(&planned, &[("a.yaml", "home"), ("b.yaml", "home")]), ["home.yaml", "sale.yaml"]);
        assert_eq!(names(&planned, &[("Sale.yaml", "home")]), ["home.yaml", "sale.yaml"]);
        assert_eq!(names(&planned, &[("a.json", "home")]), ["home.yaml", "sale.yaml"]);
    }
}
