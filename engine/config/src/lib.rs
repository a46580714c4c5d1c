//! Reads definitions: merges texts into one [`Definition`], with every finding at its file, line and column; and writes
//! definitions back ([`write`](fn@write)).
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
//! # Verbs
//!
//! | verb | does |
//! |---|---|
//! | [`definition_files`] | lists the files of a directory that are definitions |
//! | [`read`] | texts into one definition, with findings about the texts |
//! | [`check`], [`check_with`] | the same, with the engine's findings, warnings, and a sample of events |
//! | [`read_body`] | one body of the control API, beside the definition that it becomes a part of |
//! | [`read_pipelines`] | texts into pipelines; not in wasm |
//! | [`read_aggregation`] | a query that aggregates; not in wasm |
//! | [`write`](fn@write), [`write_with_examples`] | a definition into files that read back as the same |
//! | [`render`], [`sarif`] | findings for people and for tools |
//! | [`codes`] | the page of each code |
//!
//! # What this crate does not do
//!
//! It never evaluates. At the edge a definition arrives as data; only the control API reads texts there, by [`read_body`].
//! [`Plan::compile`] resolves names and checks types; [`check`] calls it and maps its findings to the text.

mod body;
pub mod codes;
mod columns;
mod consequence;
mod dialect;
mod directory;
mod document;
mod limits;
mod lint;
mod lower;
#[cfg(not(target_family = "wasm"))]
mod pipeline;
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

pub use body::{Names, read_body};
pub use columns::Sample;
pub use dialect::Body;
pub use directory::{Listing, definition_files, is_utf16};
#[cfg(not(target_family = "wasm"))]
pub use pipeline::{Pipelines, read as read_pipelines, read_aggregation};
pub use source::{Finding, Location, Source};
pub use suggest::{did_you_mean, help_of};
pub use write::{rfc3339, write, write_with_examples};

use columns::Columns;
use lower::{At, Lower, Range, Unquoted};
use spelling::in_snake_case;
use text::Text;

/// Reads all sources as one definition, without the engine's checks.
///
/// With errors among the findings, the definition is partial: use it for further checks only.
///
/// # Examples
///
/// ```
/// let source = |name: &str, text: &str| usher_config::Source { name: name.to_owned(), text: text.to_owned() };
/// let sources = [
///     source("rt.yaml", "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, table: pages}\n"),
///     source("home.yaml", "parent_segment_id: '1'\nservice_name: home\ntrigger_event: veiw\nsections:\n  - {name: all, criteria: {operator: ALWAYS}, outputs: [{name: a, value: 1}]}\n"),
/// ];
/// let reading = usher_config::read(&sources);
/// assert_eq!(reading.definition.personalizations[0].name, "home");
/// assert!(!reading.has_errors());
/// // The name of the event is resolved by the engine.
/// assert!(usher_config::check(&sources).has_errors());
/// ```
pub fn read(sources: &[Source]) -> Reading {
    let mut lower = Lower::new(sources);
    let texts: Vec<_> = sources.iter().map(|source| document::read(&source.name, &source.text)).collect();
    // Bodies of the API refer to each other by ids, in any order.
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
    Reading::of(lower)
}

/// Reads all sources, and adds warnings and the engine's findings, in the order of the text.
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

/// The same, with a sample of real events: columns that none of them has are reported as well.
///
/// # Examples
///
/// ```
/// # let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, table: pages, filter: {field: td_pth, pattern: ^/}}\n";
/// # let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
/// let mut sample = usher_config::Sample::default();
/// sample.add(r#"{"database": "web", "table": "pages", "event": {"td_path": "/"}}"#)?;
/// let reading = usher_config::check_with(&sources, &sample);
/// assert_eq!(
///     usher_config::render::plain(&reading.findings[0]),
///     "rt.yaml:3:63: warning[W009]: no event of the sample on `web.pages` has the column `td_pth`"
/// );
/// # Ok::<(), String>(())
/// ```
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
    // Duplicate names are reported before findings that they cause.
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

/// The definition in the texts, with the place of each part.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The definition of all sources together.
    pub definition: Definition,
    /// The examples; whoever can run the definition checks them.
    pub examples: Vec<Example>,
    /// In the order of the text.
    pub findings: Vec<Finding>,
    /// Event tables without known columns, so that columns were not checked. Empty before [`check`].
    pub unchecked: Vec<EventTable>,
    texts: Vec<Text>,
    places: BTreeMap<String, At>,
    broken: BTreeSet<String>,
    incomplete: bool,
    /// Bodies that have the API's keys in snake case.
    snake_case: Vec<Range>,
    /// Scalars that are read as something other than they look.
    unquoted: Vec<(String, Unquoted, At)>,
}

impl Reading {
    fn of(lower: Lower) -> Reading {
        let Lower {
            texts,
            definition,
            examples,
            findings,
            places,
            broken,
            incomplete,
            snake_case,
            unquoted,
            ..
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

    /// True if the definition is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_config::{Source, check};
    ///
    /// let broken = Source { name: "rt_config.yaml".into(), text: "parent_segment_id: '7'\nevnts: []\n".into() };
    /// let reading = check(&[broken]);
    /// assert!(reading.has_errors());
    /// assert_eq!(reading.findings[0].place.as_ref().map(|place| place.line), Some(2));
    /// ```
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.diagnostic.severity() == Severity::Error)
    }

    /// Locates the part that a diagnostic is about, or the closest enclosing part.
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

    /// Reports that no audience is named, if nothing else is wrong: such a definition cannot be pushed.
    fn nameless(&mut self) {
        if !self.definition.audience.id.is_empty() || self.has_errors() || self.texts.is_empty() {
            return;
        }
        let message = "there is nothing to push: no file names an audience, or anything of one";
        let help = "name the files of a definition, too: an `rt_config`, services, or bodies of the API";
        let diagnostic = Diagnostic::new(Code::MissingKey, message).help(help);
        self.findings.push(Finding { diagnostic, place: self.place((0, document::Span::default())) });
    }

    /// Adds warnings about scalars without quotes, unless they stand where a number is declared, or have another error.
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

    /// Adds a diagnostic, unless it was reported already or follows from another one.
    fn add(&mut self, diagnostic: Diagnostic) {
        let known = |finding: &Finding| {
            (finding.diagnostic.code, &finding.diagnostic.path) == (diagnostic.code, &diagnostic.path)
                && (diagnostic.severity() == Severity::Error
                    || finding.diagnostic.message == diagnostic.message)
        };
        let names = diagnostic.code == Code::UnknownName;
        let broken = |part: &String| {
            // An error in a personalization or the identity as a whole does not explain errors in its parts.
            let whole = part == "identity" || (part.starts_with("personalizations[") && !part.contains('.'));
            let below = diagnostic.path.strip_prefix(part.as_str());
            below.is_some_and(|rest| rest.is_empty() || (!whole && rest.starts_with(['.', '['])))
        };
        // An undeclared name is an error wherever it is used, unless its declaration may be the unreadable part. The
        // keys and tables are unknown when one of them could not be read.
        let of_keys = diagnostic.code == Code::NoKeyColumn
            || (diagnostic.code == Code::OpenIdentity && diagnostic.path == "identity.lookup_key");
        let keys =
            of_keys && (self.incomplete || self.broken.iter().any(|part| part.starts_with("identity")));
        // A duplicate name does not follow from other errors of the same part.
        let is_duplicate = diagnostic.code == Code::DuplicateName
            && diagnostic.path.strip_suffix(".name").is_some_and(|part| self.broken.contains(part));
        let follows = keys
            || (names && self.incomplete)
            || (!names && !is_duplicate && self.broken.iter().any(broken))
            || consequence::follows(&self.definition, &self.broken, &diagnostic);
        // Errors are kept beyond the bound on findings.
        let error = diagnostic.severity() == Severity::Error;
        let max = limits::FINDINGS_MAX.saturating_mul(if error { 2 } else { 1 });
        if self.findings.len() < max && !follows && !self.findings.iter().any(known) {
            let mut diagnostic = diagnostic;
            if let Some(near) = suggest::of_declared(&self.definition, &diagnostic) {
                diagnostic.help = Some(match diagnostic.help {
                    Some(help) => format!("{near} {help}"),
                    None => near,
                });
            }
            let finding = self.locate(diagnostic);
            if finding.diagnostic.code == Code::DuplicateName {
                // References to a duplicate name are ambiguous.
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
        // Stable, so that findings at one place keep their order.
        self.findings.sort_by_cached_key(|finding| order(&finding.place));
    }
}
