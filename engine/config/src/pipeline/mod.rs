//! Pipelines: KaflowSQL's YAML, with the query in it as SQL.
//!
//! Each document is one pipeline. The query is parsed by `sqlparser`; its expressions lower to the engine's, so they mean
//! the same as in criteria. Native builds alone have this module.

mod aggregation;
mod checks;
mod columns;
mod document;
mod expression;
mod function;
mod query;
mod refused;
mod sources;
mod sql;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

pub use aggregation::read as read_aggregation;
use usher_engine::definition::pipeline::Pipeline;
use usher_engine::diagnostic::{Diagnostic, Severity};

use crate::document::{self as texts, Node};
use crate::lower::{At, Lower};
use crate::source::{Finding, Location, Source};
use crate::text::Text;

/// The pipelines of some texts, with every finding.
#[derive(Clone, Debug)]
pub struct Pipelines {
    /// Those that were read without errors.
    pub pipelines: Vec<Pipeline>,
    /// In the order of the texts.
    pub findings: Vec<Finding>,
    texts: Vec<Text>,
    places: BTreeMap<String, At>,
}

/// Reads pipelines, a document each, and checks them.
///
/// # Examples
///
/// ```
/// let text = "\
/// name: enriched
/// query: SELECT c.user_id, p.price FROM clicks c LEFT JOIN products p ON c.product_id = p.product_id WHERE c.page LIKE 5
/// output: {topic: enriched_clicks, format: json}
/// ";
/// let sources = [usher_config::Source { name: "enriched.yaml".to_owned(), text: text.to_owned() }];
/// let read = usher_config::read_pipelines(&sources);
/// assert_eq!(
///     usher_config::render::plain(&read.findings[0]),
///     "enriched.yaml:2:118: error[E027]: `LIKE` compares with a text, such as `LIKE 'a%'`"
/// );
/// ```
pub fn read(sources: &[Source]) -> Pipelines {
    with_stack(|| read_all(sources))
}

/// Reads with the stack that the parser needs.
fn with_stack<T: Send>(read: impl Fn() -> T + Sync) -> T {
    let stack = thread::Builder::new().stack_size(STACK_BYTES);
    thread::scope(|scope| {
        // Where no thread can be had, the stack at hand serves for all but the deepest queries.
        match stack.spawn_scoped(scope, &read).map(thread::ScopedJoinHandle::join) {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => read(),
        }
    })
}

/// The stack that the parser needs for the deepest query that it reads, in a build without optimization.
const STACK_BYTES: usize = 64 * 1024 * 1024;

fn read_all(sources: &[Source]) -> Pipelines {
    let mut lower = Lower::new(sources);
    let mut pipelines = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let (documents, faults) = texts::read(&source.name, &source.text);
        lower.text = index;
        let unread = documents.is_empty() && faults.is_empty();
        for fault in faults {
            lower.fault(fault);
        }
        if unread {
            document::empty(&mut lower);
        }
        for node in &documents {
            let errors = errors(&lower);
            let path = format!("pipelines[{}]", pipelines.len());
            let read = document::lower(&mut lower, node, &path);
            pipelines.extend(read.filter(|_| errors == self::errors(&lower)));
        }
    }
    let (pipelines, uses): (Vec<_>, Vec<_>) = pipelines.into_iter().unzip();
    checks::together(&mut lower, &pipelines);
    checks::chained_columns(&mut lower, &pipelines, &uses);
    let Lower { texts, findings, places, .. } = lower;
    let mut read = Pipelines { pipelines, findings: Vec::new(), texts, places };
    for (diagnostic, at) in findings {
        let place = at.and_then(|at| read.place(at));
        read.findings.push(Finding { diagnostic, place });
    }
    for index in 0..read.pipelines.len() {
        read.check(index);
    }
    read.sort();
    read
}

/// Reads a pipeline that stands beside a definition. It is a part of that where it joins one of its tables, or nothing;
/// otherwise it is for streams alone, and nothing is said of it: false.
pub(crate) fn beside(lower: &mut Lower, node: &Node) -> bool {
    let lower = Mutex::new(lower);
    with_stack(|| read_beside(&mut lower.lock().unwrap_or_else(PoisonError::into_inner), node))
}

fn read_beside(lower: &mut Lower, node: &Node) -> bool {
    let before = (lower.findings.len(), lower.broken.clone(), lower.places.clone());
    let errors = errors(lower);
    let path = format!("pipelines[{}]", lower.definition.pipelines.len());
    let read = document::lower(lower, node, &path);
    let is_table = |topic: &str| lower.definition.lookup_table(topic).is_some();
    if let Some((pipeline, _)) = &read
        && !pipeline.joins.is_empty()
        && !pipeline.joins.iter().any(|join| is_table(&join.source.topic))
    {
        lower.findings.truncate(before.0);
        (lower.broken, lower.places) = (before.1, before.2);
        return false;
    }
    let Some((pipeline, _)) = read.filter(|_| errors == self::errors(lower)) else { return true };
    for mut diagnostic in checks::schema(&pipeline) {
        diagnostic.path = format!("{path}.{}", diagnostic.path);
        let at = lower.places.get(&diagnostic.path).copied();
        lower.push(diagnostic, at);
    }
    lower.definition.pipelines.push(pipeline);
    true
}

fn errors(lower: &Lower) -> usize {
    lower.findings.iter().filter(|(diagnostic, _)| diagnostic.severity() == Severity::Error).count()
}

impl Pipelines {
    /// True if a pipeline is refused.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.diagnostic.severity() == Severity::Error)
    }

    /// Locates the part of a pipeline that a diagnostic is about, or the closest enclosing part.
    pub fn locate(&self, pipeline: usize, diagnostic: Diagnostic) -> Finding {
        let mut path = format!("pipelines[{pipeline}].{}", diagnostic.path);
        let at = loop {
            if let Some(&at) = self.places.get(&path) {
                break Some(at);
            }
            match path.rfind(['.', '[']) {
                Some(end) => path.truncate(end),
                None => break None,
            }
        };
        Finding { diagnostic, place: at.and_then(|at| self.place(at)) }
    }

    fn place(&self, (text, span): At) -> Option<Location> {
        self.texts.get(text).map(|text| text.place(span))
    }

    /// Types of the expressions.
    fn check(&mut self, index: usize) {
        let Some(pipeline) = self.pipelines.get(index) else { return };
        let found = checks::types(pipeline);
        let found: Vec<Finding> =
            found.into_iter().map(|diagnostic| self.locate(index, diagnostic)).collect();
        self.findings.extend(found);
    }

    fn sort(&mut self) {
        let order = |place: &Option<Location>| {
            let place = place.as_ref()?;
            let file = self.texts.iter().position(|text| text.name() == place.file);
            Some((file, place.line, place.column))
        };
        self.findings.sort_by_cached_key(|finding| order(&finding.place));
    }
}
