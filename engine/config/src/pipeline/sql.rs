//! The text of a query: where its parts stand in the file, and findings about them.

use sqlparser::tokenizer::{Location, Span as SqlSpan};
use usher_engine::diagnostic::Code;

use crate::document::{Scalar, Span, origin};
use crate::lower::{At, Lower};
use crate::text::Text;

/// A query while it is lowered.
pub(super) struct Sql<'l, 'n> {
    pub(super) lower: &'l mut Lower,
    scalar: &'n Scalar,
    /// The range of the query in the file.
    whole: Span,
    /// The depth of the current expression.
    pub(super) depth: usize,
    /// The columns that the query names.
    pub(super) uses: Vec<Use>,
    /// True if it aggregates rows that are there, once.
    pub(super) aggregates: bool,
}

/// A column of a source that a query names.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// The place of its source in the query.
    pub(super) source: usize,
    /// The column, with the path into it.
    pub(super) column: String,
    /// Its place in the texts.
    pub(super) at: At,
}

impl<'l, 'n> Sql<'l, 'n> {
    pub(super) fn new(lower: &'l mut Lower, scalar: &'n Scalar, whole: Span) -> Sql<'l, 'n> {
        Sql { lower, scalar, whole, depth: 0, uses: Vec::new(), aggregates: false }
    }

    /// The text as the parser sees it.
    pub(super) fn text(&self) -> &'n str {
        &self.scalar.text
    }

    /// The range in the file of a range of the query.
    pub(super) fn span(&self, span: SqlSpan) -> Span {
        let (Some(start), Some(end)) = (self.at(span.start), self.at(span.end)) else { return self.whole };
        let source = self.lower.texts.get(self.lower.text).map(Text::as_str).unwrap_or_default();
        let origin = |at: usize| origin(source, self.scalar, self.whole, at);
        match (origin(start), origin(end)) {
            (Some(start), Some(end)) => Span { start, end: end.max(start) },
            (Some(start), None) => Span { start, end: start },
            _ => self.whole,
        }
    }

    /// The byte of the query at a location, which counts lines and characters from 1.
    fn at(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        let start: usize = self.text().split_inclusive('\n').take(line).map(str::len).sum();
        let text = self.text().get(start..)?;
        let within = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
        Some(start + within)
    }

    /// Reports a finding about a part of the query.
    pub(super) fn note(
        &mut self,
        code: Code,
        span: SqlSpan,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = self.span(span);
        self.lower.note_with(code, span, message, help);
    }

    /// Reports SQL that pipelines do not have.
    pub(super) fn unsupported(&mut self, span: SqlSpan, message: impl Into<String>, help: &str) {
        self.note(Code::UnsupportedSql, span, message, Some(help.to_owned()));
    }
}

/// The range of one character.
pub(super) fn point(line: u64, column: u64) -> SqlSpan {
    SqlSpan::new(Location::new(line, column), Location::new(line, column + 1))
}
