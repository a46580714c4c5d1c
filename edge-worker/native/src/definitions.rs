//! Definitions as files: read, checked, reported and summed up, for every verb that takes paths.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use usher_config::{Finding, Location, Reading, Sample, Source, definition_files, render};
use usher_edge::Bundle;
use usher_engine::definition::{AttributeKind, Definition, EventTable};
use usher_engine::diagnostic::{Code, Diagnostic, Severity};

use crate::examples;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::terminal::{clean, colored, note};

/// The most bytes that are read of a file; the reader's own bound is lower, so it refuses a larger file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The mark in a directory while `pull` replaces its files, and after a pull that was interrupted there: until the next
/// one, its files are of two bundles.
pub(crate) const PULLING: &str = ".usher-pull";

/// The definitions that were read, with their findings.
pub(crate) struct Definitions {
    pub(crate) sources: Vec<Source>,
    reading: Reading,
    /// Of the files and of what is in them, in this order.
    pub(crate) findings: Vec<Finding>,
    /// Directories that hold definitions, within those that were read.
    pub(crate) unread: Vec<String>,
}

impl Definitions {
    /// Reads files, and the definitions in directories, as one definition.
    pub(crate) fn load(paths: &[PathBuf]) -> Result<Definitions, Failure> {
        Definitions::load_with(paths, &Sample::default())
    }

    /// The same, held to events that really arrived.
    pub(crate) fn load_with(paths: &[PathBuf], sample: &Sample) -> Result<Definitions, Failure> {
        let mut sources: Vec<Source> = Vec::new();
        let mut findings = Vec::new();
        let mut unread = Vec::new();
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let named: BTreeSet<PathBuf> = paths.iter().map(|path| canonical(path)).collect();
        for path in paths {
            let shown = path.display();
            let metadata = fs::metadata(path).map_err(|error| files::unread(path, &error))?;
            whole(if metadata.is_dir() { path } else { path.parent().unwrap_or(path) })?;
            let found = if metadata.is_dir() {
                let listing =
                    definition_files(path).map_err(|error| Failure::of_file("read", &shown, error))?;
                let deeper =
                    definitions_within(path).into_iter().filter(|(it, _)| !named.contains(&canonical(it)));
                let deeper: Vec<(PathBuf, String)> = deeper.collect();
                if listing.sources.is_empty() && listing.findings.iter().all(|f| !is(f, Severity::Error)) {
                    let help = match deeper.first() {
                        Some((inner, _)) => {
                            format!("there are some in `{}`; name that directory", inner.display())
                        }
                        None => "definitions are files that end in .yaml, .yml or .json".to_owned(),
                    };
                    return Err(Failure::new(format!("no definition in `{shown}`")).help(help));
                }
                findings.extend(listing.findings);
                findings.extend(deeper.iter().map(|(inner, file)| not_read(inner, file)));
                unread.extend(deeper.iter().map(|(inner, _)| inner.display().to_string()));
                listing.sources
            } else {
                not_rows(path)?;
                vec![Source { name: shown.to_string(), text: read(path)? }]
            };
            // A file that is named twice, or beside its directory, is one file.
            sources
                .extend(found.into_iter().filter(|source| known.insert(canonical(Path::new(&source.name)))));
        }
        let reading = usher_config::check_with(&sources, sample);
        findings.extend(reading.findings.iter().cloned());
        // What is wrong otherwise would only show again.
        if !reading.has_errors() {
            let failed = examples::play(&reading.definition, &reading.examples);
            findings.extend(failed.into_iter().map(|diagnostic| reading.locate(diagnostic)));
        }
        Ok(Definitions { sources, reading, findings, unread })
    }

    /// The same, for verbs that go on only with a valid one: shows what is wrong and ends the verb.
    pub(crate) fn valid(paths: &[PathBuf]) -> Result<Definitions, Failure> {
        let definitions = Definitions::load(paths)?;
        if definitions.count(Severity::Error) == 0 {
            return Ok(definitions);
        }
        let failure = match definitions.missing() {
            // Each name of the other part would be a finding of its own, and all say this.
            Some(help) => {
                definitions.report(|finding| {
                    is(finding, Severity::Error) && finding.diagnostic.code != Code::UnknownName
                });
                let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                Failure::new(format!("`{}` is a part of a definition", shown.join("`, `"))).help(help)
            }
            None => {
                definitions.report(|finding| is(finding, Severity::Error));
                Failure::new(format!("the definition is not valid: {}", definitions.tally()))
            }
        };
        Err(failure.exit(Exit::InvalidDefinition))
    }

    /// True for services and nothing else, without errors but names of what they do not declare.
    pub(crate) fn are_services(&self) -> bool {
        let Definition { tables, key_events, attributes, identity, personalizations, .. } = self.definition();
        let others =
            tables.is_empty() && key_events.is_empty() && attributes.is_empty() && identity.keys.is_empty();
        let is_own =
            |finding: &Finding| is(finding, Severity::Error) && finding.diagnostic.code != Code::UnknownName;
        others && !personalizations.is_empty() && !self.findings.iter().any(is_own)
    }

    /// A definition that stands in no file.
    pub(crate) fn of(definition: &Definition) -> Definitions {
        let sources = usher_config::write(definition);
        let reading = usher_config::check(&sources);
        let findings = reading.findings.clone();
        Definitions { sources, reading, findings, unread: Vec::new() }
    }

    /// The definition that ran before, from a bundle or from files.
    pub(crate) fn before(path: &Path) -> Result<Definition, Failure> {
        if let Some(bundle) = fs::read(path).ok().and_then(|bytes| Bundle::read(&bytes).ok()) {
            return Ok(bundle.definition);
        }
        let before = Definitions::load(&[path.to_owned()])?;
        if before.count(Severity::Error) > 0 {
            let message = format!("the definition in `{}` has errors itself", path.display());
            return Err(Failure::new(message).help("`usher validate` shows them"));
        }
        Ok(before.reading.definition)
    }

    /// Adds what somebody says of the definition, at its place.
    pub(crate) fn add(&mut self, found: Vec<Diagnostic>) {
        self.findings.extend(found.into_iter().map(|diagnostic| self.reading.locate(diagnostic)));
    }

    /// Help where only a part of a definition was named, so that names of the other part are missing.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let Definition { key_events, attributes, .. } = self.definition();
        let unknown = self.findings.iter().any(|finding| finding.diagnostic.code == Code::UnknownName);
        (unknown && key_events.is_empty() && attributes.is_empty()).then_some(
            "no event and no attribute is declared here: name the directory, or all files; a push replaces everything",
        )
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.reading.definition
    }

    /// With its examples, as an edge takes it.
    pub(crate) fn bundle(&self) -> Bundle {
        Bundle { definition: self.reading.definition.clone(), examples: self.reading.examples.clone() }
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| is(finding, severity)).count()
    }

    /// `2 errors, 1 warning`
    pub(crate) fn tally(&self) -> String {
        let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")]
            .map(|(severity, name)| (self.count(severity), name));
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| many(count, name))
            .collect();
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }

    /// Draws the findings that are wanted on standard error.
    pub(crate) fn report(&self, wanted: impl Fn(&Finding) -> bool) {
        let color = colored(&io::stderr());
        for finding in self.findings.iter().filter(|finding| wanted(finding)) {
            note(&render::human(finding, &self.sources, color));
        }
    }

    /// Event tables, as `database.table`, that nothing was checked against because their columns are not known.
    pub(crate) fn unchecked(&self) -> Vec<String> {
        let tables = self.reading.unchecked.iter();
        tables.map(|EventTable { database, table }| clean(&format!("{database}.{table}"))).collect()
    }

    /// The number of objects of each kind, a line each.
    pub(crate) fn summary(&self) -> Vec<String> {
        let definition = self.definition();
        let audience = &definition.audience;
        let kinds = |wanted: &str| definition.attributes.iter().filter(|a| kind(&a.kind) == wanted).count();
        let kinds: Vec<String> = ["single", "list", "counter", "batch"]
            .into_iter()
            .filter(|name| kinds(name) > 0)
            .map(|name| format!("{} {name}", kinds(name)))
            .collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let identity = &definition.identity;
        let primary = identity.primary_key.as_ref().map(|key| format!(", primary key {key}"));
        let sections = definition.personalizations.iter().map(|p| p.sections.len()).sum();
        let name = audience.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let mut lines = vec![
            format!("audience {}{name}", audience.id),
            format!(
                "{} on {}",
                many(definition.key_events.len(), "key event"),
                many(tables(definition).len(), "event table")
            ),
            format!("{}{kinds}", many(definition.attributes.len(), "attribute")),
            format!("{}{}", many(identity.keys.len(), "stitching key"), primary.unwrap_or_default()),
            format!(
                "{}, {}",
                many(definition.personalizations.len(), "personalization"),
                many(sections, "section")
            ),
        ];
        if !definition.journeys.is_empty() || !definition.activations.is_empty() {
            let (journeys, activations) = (definition.journeys.len(), definition.activations.len());
            lines.push(format!("{}, {}", many(journeys, "journey"), many(activations, "activation")));
        }
        if !definition.pipelines.is_empty() {
            lines.push(many(definition.pipelines.len(), "pipeline"));
        }
        if !self.reading.examples.is_empty() {
            let examples = many(self.reading.examples.len(), "example");
            let failed = self.findings.iter().filter(|f| f.diagnostic.code == Code::FailedExample).count();
            lines.push(if failed == 0 { examples } else { format!("{examples}, of which {failed} fail") });
        }
        lines.iter().map(|line| clean(line)).collect()
    }

    /// The same for machines.
    pub(crate) fn counts(&self) -> serde_json::Value {
        let definition = self.definition();
        serde_json::json!({
            "audience": definition.audience.id,
            "event_tables": tables(definition).len(),
            "key_events": definition.key_events.len(),
            "attributes": definition.attributes.len(),
            "keys": definition.identity.keys.len(),
            "personalizations": definition.personalizations.len(),
            "sections": definition.personalizations.iter().map(|p| p.sections.len()).sum::<usize>(),
            "journeys": definition.journeys.len(),
            "activations": definition.activations.len(),
            "pipelines": definition.pipelines.len(),
            "examples": self.reading.examples.len(),
        })
    }
}

/// Refuses a file that is named like events or records.
fn not_rows(path: &Path) -> Result<(), Failure> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !matches!(extension.as_deref(), Some("ndjson" | "jsonl" | "csv" | "tsv")) {
        return Ok(());
    }
    Err(Failure::usage(format!("`{}` is no definition, but a file of events or records", path.display()))
        .help("`usher simulate` and `usher import` read such files; definitions end in .yaml, .yml or .json"))
}

/// The directories directly within one that hold definitions, each with the first file that is one.
fn definitions_within(directory: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let mut inner: Vec<PathBuf> = entries.filter(|path| !hidden(path) && path.is_dir()).collect();
    inner.sort();
    let is_definition = |source: &Source| {
        // What cannot be read says nothing, and may be anything.
        let reading = usher_config::read(std::slice::from_ref(source));
        reading.definition != Definition::default()
    };
    let holding = |path: PathBuf| {
        let sources = definition_files(&path).ok()?.sources;
        sources.into_iter().find(is_definition).map(|source| (path, source.name))
    };
    inner.into_iter().filter_map(holding).collect()
}

fn not_read(directory: &Path, file: &str) -> Finding {
    let message = format!("this is not read: `{}` is a directory within a directory", directory.display());
    let help = "name the directory, too, if its files belong to the definition";
    let place = Some(Location { file: file.to_owned(), line: 1, column: 1, length: 1 });
    Finding { diagnostic: Diagnostic::new(Code::Ignored, message).help(help), place }
}

/// Refuses a directory whose files are of two bundles.
fn whole(directory: &Path) -> Result<(), Failure> {
    if !directory.join(PULLING).exists() {
        return Ok(());
    }
    let here = directory.as_os_str().is_empty();
    let shown = if here { ".".to_owned() } else { directory.display().to_string() };
    Err(Failure::new(format!("a pull into `{shown}` was interrupted: its files are of two bundles"))
        .help(format!("`usher pull {shown}` completes it; `{PULLING}` in it marks this")))
}

/// `1 error`, `2 errors`
pub(crate) fn many(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

fn is(finding: &Finding, severity: Severity) -> bool {
    finding.diagnostic.severity() == severity
}

fn tables(definition: &Definition) -> BTreeSet<&EventTable> {
    definition.tables.iter().chain(definition.key_events.iter().map(|key_event| &key_event.table)).collect()
}

fn kind(kind: &AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Single { .. } => "single",
        AttributeKind::List { .. } => "list",
        AttributeKind::Counter { .. } => "counter",
        AttributeKind::Batch { .. } => "batch",
        AttributeKind::Catalog { .. } => "catalog",
    }
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    file.map_err(|error| Failure::of_file("read", path.display(), error))?;
    if usher_config::is_utf16(&bytes) {
        return Err(files::utf16(path));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(format!("`{}` is not UTF-8 text", path.display())).help("save it as UTF-8"))
}
