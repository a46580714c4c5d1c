//! Files of pipelines: read, checked and reported.

use std::path::PathBuf;

use usher_config::{Pipelines, Source, read_pipelines, render};
use usher_engine::definition::pipeline::Pipeline;
use usher_engine::diagnostic::{Diagnostic, Severity};

use crate::definitions::{self, many};
use crate::exit::{Exit, Failure};
use crate::terminal::{colored, note};

/// The pipelines of some files, with their texts.
pub(super) struct Loaded {
    pub(super) sources: Vec<Source>,
    pub(super) read: Pipelines,
}

impl Loaded {
    pub(super) fn load(paths: &[PathBuf]) -> Result<Loaded, Failure> {
        let read = |path: &PathBuf| {
            if path.is_dir() {
                let message = format!("`{}` is a directory", path.display());
                return Err(Failure::usage(message).help("name the files of pipelines"));
            }
            Ok(Source { name: path.display().to_string(), text: definitions::read(path)? })
        };
        let sources = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let read = read_pipelines(&sources);
        Ok(Loaded { sources, read })
    }

    /// The pipelines of files that run together; shows what is wrong.
    pub(super) fn valid(paths: &[PathBuf]) -> Result<Vec<Pipeline>, Failure> {
        let loaded = Loaded::load(paths)?;
        if loaded.read.has_errors() {
            loaded.draw(|severity| severity == Severity::Error);
            let message = if loaded.sources.len() == 1 {
                format!("the pipeline is not valid: {}", loaded.tally())
            } else {
                format!("the pipelines are not valid: {}", loaded.tally())
            };
            return Err(Failure::new(message).exit(Exit::InvalidDefinition));
        }
        Ok(loaded.read.pipelines)
    }

    /// The one pipeline of a file; shows what is wrong.
    pub(super) fn one(path: &PathBuf) -> Result<Pipeline, Failure> {
        let mut pipelines = Loaded::valid(std::slice::from_ref(path))?;
        let count = pipelines.len();
        match pipelines.pop() {
            Some(pipeline) if count == 1 => Ok(pipeline),
            _ => Err(Failure::usage(format!("`{}` has {}", path.display(), many(count, "pipeline")))
                .help("write each pipeline into a file of its own")),
        }
    }

    /// Draws findings on standard error.
    pub(super) fn draw(&self, wanted: impl Fn(Severity) -> bool) {
        let color = colored(&std::io::stderr());
        for finding in self.read.findings.iter().filter(|finding| wanted(finding.diagnostic.severity())) {
            note(&render::human(finding, &self.sources, color));
        }
    }

    /// `2 errors, 1 warning`
    pub(super) fn tally(&self) -> String {
        let count = |wanted| {
            self.read.findings.iter().filter(|finding| finding.diagnostic.severity() == wanted).count()
        };
        let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
        let parts = counts.into_iter().filter(|(severity, _)| count(*severity) > 0);
        let parts: Vec<String> = parts.map(|(severity, name)| many(count(severity), name)).collect();
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }
}

/// A pipeline that `usher pipeline validate` accepts compiles; if one does not, these say why.
pub(super) fn not_compiled(found: Vec<Diagnostic>) -> Failure {
    let messages: Vec<String> = found.into_iter().map(|diagnostic| diagnostic.message).collect();
    Failure::new(format!("the pipeline does not compile: {}", messages.join("; ")))
        .exit(Exit::InvalidDefinition)
}
