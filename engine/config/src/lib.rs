//! Reads definitions: texts in, one [`Definition`] out, with every finding at its file, line and column; and writes them
//! back ([`write`](fn@write)).
//!
//! ```
//! let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, tabel: pages}\n";
//! let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
//! let reading = usher_config::read(&sources);
//! assert!(reading.has_errors());
//! assert_eq!(
//!     usher_config::render::plain(&reading.findings[0]),
//!     "rt.yaml:3:33: error[E003]: unknown key `tabel` in an event"
//! );
//! ```
//!
//! # What this crate does not do
//!
//! It never evaluates, and it is linked into no wasm: at the edge a definition arrives as data. Whether names resolve and
//! types agree is decided by [`Plan::compile`]; [`check`] asks it and puts what it says at its place in the text.

pub mod codes;
mod columns;
mod consequence;
mod dialect;
mod directory;
mod document;
mod limits;
mod lint;
mod lower;
pub mod render;
pub mod sarif;
mod source;
mod spelling;
mod suggest;
mod text;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use usher_engine::Plan;
use usher_engine::definition::{Definition, EventTable, Example};
use usher_engine::diagnostic::{Code, Diagnostic, Severity};
use usher_engine::value::DataType;

pub use columns::Sample;
pub use directory::{Listing, definition_files};
pub use source::{Finding, Location, Source};
pub use suggest::did_you_mean;
pub use write::{rfc3339, write, write_with_examples};

use columns::Columns;
use lower::{At, Body, Lower, Unquoted};
use spelling::in_snake_case;
use text::Text;

/// Reads all sources as one definition.
///
/// With errors among the findings the definition holds what could be read, for more findings, not for use.
pub fn read(sources: &[Source]) -> Reading {
    let mut lower = Lower::new(sources);
    let texts: Vec<_> = sources.iter().map(|source| document::read(&source.name, &source.text)).collect();
    // Bodies of the API name each other by ids, in any order.
    for node in texts.iter().flat_map(|(documents, _)| documents) {
        dialect::declare(&mut lower, node);
    }
    for (index, (documents, faults)) in texts.into_iter().enumerate() {
        lower.text = index;
        let unread = documents.is_empty() && faults.is_empty();
        for fault in faults {
            lower.fault(fault);
        }
        if unread {
            lower.note(Code::UnknownDialect, document::Span::default(), "the file is empty");
        }
        for node in &documents {
            dialect::lower(&mut lower, node);
        }
    }
    dialect::finish(&mut lower);
    let Lower {
        texts, definition, examples, findings, places, broken, incomplete, snake_case, unquoted, ..
    } = lower;
    let mut reading = Reading {
        definition,
        examples,
        findings: Vec::new(),
        unchecked: Vec::new(),
        texts,
        places,
        broken,
        incomplete,
        snake_case,
        unquoted,
    };
    reading.findings = findings
        .into_iter()
        .map(|(diagnostic, at)| Finding { diagnostic, place: at.and_then(|at| reading.place(at)) })
        .collect();
    reading.sort();
    reading
}

/// Reads all sources, adds warnings and what the engine says of the definition, in the order of the text.
///
/// # Examples
///
/// ```
/// let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, table: pages}\n";
/// let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
/// let reading = usher_config::check(&sources);
/// assert!(!reading.has_errors());
/// assert_eq!(reading.definition.key_events[0].name, "view");
/// ```
pub fn check(sources: &[Source]) -> Reading {
    check_with(sources, &Sample::default())
}

/// The same, with events that really arrived: columns that none of them has are found, too.
pub fn check_with(sources: &[Source], sample: &Sample) -> Reading {
    let mut reading = read(sources);
    let compiled = Plan::compile(&reading.definition);
    let columns = Columns::of(&reading.definition, sample);
    let unchecked = columns.unknown().cloned().collect();
    let lints = lint::lint(&reading.definition, compiled.as_ref().ok(), &columns);
    let compiled = match compiled {
        Ok(plan) => plan.warnings(),
        Err(findings) => findings,
    };
    reading.unchecked = unchecked;
    // What has two meanings is told before what one of them leads to.
    let is_twice = |diagnostic: &Diagnostic| diagnostic.code == Code::DuplicateName;
    let (twice, compiled): (Vec<_>, Vec<_>) = compiled.into_iter().partition(is_twice);
    for diagnostic in twice.into_iter().chain(compiled).chain(lints) {
        reading.add(diagnostic);
    }
    reading.unquoted();
    reading.nameless();
    reading.sort();
    reading
}

/// What the texts say, and where they say it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// All sources together.
    pub definition: Definition,
    /// What must come of it; whoever can run it holds it to them.
    pub examples: Vec<Example>,
    /// In the order of the text.
    pub findings: Vec<Finding>,
    /// Event tables of whose columns nothing is known, so that nothing was checked against them. Empty before [`check`].
    pub unchecked: Vec<EventTable>,
    texts: Vec<Text>,
    places: BTreeMap<String, At>,
    broken: BTreeSet<String>,
    incomplete: bool,
    /// Bodies that spell the API's keys in snake case.
    snake_case: Vec<Body>,
    /// Scalars that are read as something that looks otherwise.
    unquoted: Vec<(String, Unquoted, At)>,
}

impl Reading {
    /// Whether the definition is refused.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.diagnostic.severity() == Severity::Error)
    }

    /// Finds where the part that a diagnostic speaks of stands, or else the nearest part around it.
    pub fn locate(&self, mut diagnostic: Diagnostic) -> Finding {
        let mut path = diagnostic.path.as_str();
        let at = loop {
            if let Some(&at) = self.places.get(path) {
                break Some(at);
            }
            let Some(shorter) = path.rfind(['.', '[']) else { break None };
            path = path.get(..shorter).unwrap_or_default();
        };
        if at.is_some_and(|at| self.snake_case.iter().any(|body| body.holds(at))) {
            diagnostic.message = in_snake_case(&diagnostic.message);
            diagnostic.help = diagnostic.help.as_deref().map(in_snake_case);
        }
        Finding { diagnostic, place: at.and_then(|at| self.place(at)) }
    }

    fn place(&self, (text, span): At) -> Option<Location> {
        self.texts.get(text).map(|text| text.place(span))
    }

    /// Adds that nothing names an audience, if nothing else is wrong: what has none cannot be pushed.
    fn nameless(&mut self) {
        if !self.definition.audience.id.is_empty() || self.has_errors() || self.texts.is_empty() {
            return;
        }
        let message = "there is nothing to push: no file names an audience, or anything of one";
        let help = "name the files of a definition, too: an `rt_config`, services, or bodies of the API";
        let diagnostic = Diagnostic::new(Code::MissingKey, message).help(help);
        self.findings.push(Finding { diagnostic, place: self.place((0, document::Span::default())) });
    }

    /// Adds what is said of scalars without quotes, unless they stand where a number is declared, or are wrong otherwise.
    fn unquoted(&mut self) {
        for (path, unquoted, at) in std::mem::take(&mut self.unquoted) {
            let place = self.place(at);
            let line =
                |place: &Option<Location>| place.as_ref().map(|place| (place.file.clone(), place.line));
            let is_wrong = self.findings.iter().any(|known| {
                known.diagnostic.severity() == Severity::Error
                    && (known.diagnostic.path == path || line(&known.place) == line(&place))
            });
            let number = consequence::declared(&self.definition, &path) == Some(DataType::Number);
            if is_wrong || (number && matches!(unquoted, Unquoted::Number(..))) {
                continue;
            }
            let (message, help) = match unquoted {
                Unquoted::Number(text, number) => (
                    format!("`{text}` is read as the number {number}"),
                    format!(
                        "put it in quotes if it is a text, such as a code: \"{text}\"; else write {number}"
                    ),
                ),
                Unquoted::Text(text, number) => (
                    format!("`{text}` is read as a text: a number has no `_`"),
                    format!("write {number}, or put it in quotes if it is a text: \"{text}\""),
                ),
            };
            let diagnostic = Diagnostic::new(Code::Unquoted, message).at(path).help(help);
            self.findings.push(Finding { diagnostic, place });
        }
    }

    /// Adds what somebody says of the definition, unless it was said already or follows from what was.
    fn add(&mut self, diagnostic: Diagnostic) {
        let known = |finding: &Finding| {
            (finding.diagnostic.code, &finding.diagnostic.path) == (diagnostic.code, &diagnostic.path)
                && (diagnostic.severity() == Severity::Error
                    || finding.diagnostic.message == diagnostic.message)
        };
        let names = diagnostic.code == Code::UnknownName;
        let broken = |part: &String| {
            // What is wrong with a personalization or the identity says nothing about a part of it.
            let whole = part == "identity" || (part.starts_with("personalizations[") && !part.contains('.'));
            let below = diagnostic.path.strip_prefix(part.as_str());
            below.is_some_and(|rest| rest.is_empty() || (!whole && rest.starts_with(['.', '['])))
        };
        // A name that nothing declares is wrong wherever it stands, unless the declaration may be what was not read.
        // Which keys and tables there are is not known when one of them could not be read.
        let of_keys = diagnostic.code == Code::NoKeyColumn
            || (diagnostic.code == Code::OpenIdentity && diagnostic.path == "identity.lookup_key");
        let keys =
            of_keys && (self.incomplete || self.broken.iter().any(|part| part.starts_with("identity")));
        // That a name is taken is no consequence of anything else that is wrong with what has it.
        let taken = diagnostic.code == Code::DuplicateName
            && diagnostic.path.strip_suffix(".name").is_some_and(|part| self.broken.contains(part));
        let follows = keys
            || (names && self.incomplete)
            || (!names && !taken && self.broken.iter().any(broken))
            || consequence::follows(&self.definition, &self.broken, &diagnostic);
        // However much is only remarked, an error is told.
        let error = diagnostic.severity() == Severity::Error;
        let max = limits::FINDINGS_MAX.saturating_mul(if error { 2 } else { 1 });
        if self.findings.len() < max && !follows && !self.findings.iter().any(known) {
            let mut diagnostic = diagnostic;
            if diagnostic.code == Code::UnknownName
                && let Some(help) = suggest::mended(&self.definition, &diagnostic)
            {
                diagnostic.help = Some(help);
            }
            let finding = self.locate(diagnostic);
            if finding.diagnostic.code == Code::DuplicateName {
                // Which of the two is meant elsewhere, nobody knows.
                self.broken.extend(consequence::attribute_of(&finding.diagnostic.path));
            }
            self.findings.push(finding);
        }
    }

    fn sort(&mut self) {
        let order = |place: &Option<Location>| {
            let place = place.as_ref()?;
            let file = self.texts.iter().position(|text| text.name() == place.file);
            Some((file, place.line, place.column))
        };
        // Stable: what stands at one place stays in the order in which it was found.
        self.findings.sort_by_cached_key(|finding| order(&finding.place));
    }
}
