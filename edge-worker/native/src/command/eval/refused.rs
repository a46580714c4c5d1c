//! Mistakes in a criterion or an expression, drawn as `validate` draws them.

use std::ops::Range;

use usher_config::{Finding, Location, Source, render};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::ParseError;
use usher_engine::value::DataType;

use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::terminal::{colored, note};

/// The finding about a text that is no criterion or expression.
pub(super) fn unreadable(error: ParseError) -> (Diagnostic, (usize, usize)) {
    let (at, help) = ((error.start, error.end), usher_config::help_of(&error));
    (Diagnostic { help, ..Diagnostic::new(Code::BadCriteria, error.message) }, at)
}

/// Draws what is wrong with a text.
pub(super) fn refused(
    what: &str,
    text: &str,
    fields: &[(&str, Option<DataType>)],
    findings: Vec<(Diagnostic, (usize, usize))>,
) -> Failure {
    let sources = [Source { name: what.to_owned(), text: text.to_owned() }];
    let color = colored(&std::io::stderr());
    for (diagnostic, span) in &findings {
        let mut diagnostic = diagnostic.clone();
        if diagnostic.code == Code::UnknownName {
            let near = diagnostic.unknown.as_ref().and_then(|unknown| {
                usher_config::did_you_mean(&unknown.name, fields.iter().map(|(name, _)| *name))
            });
            let declare = || "declare it with --type NAME=TYPE, or with --definition".to_owned();
            diagnostic.help = Some(near.or(diagnostic.help).unwrap_or_else(declare));
        }
        let finding = Finding { diagnostic, place: Some(place(what, text, *span)) };
        note(&render::human(&finding, &sources, color));
    }
    let what = if what == "criteria" { "criterion" } else { what };
    let failure = Failure::new(format!("the {what} is not valid: {}", many(findings.len(), "error")));
    failure.exit(Exit::InvalidDefinition)
}

/// The place of the part of an expression that a finding is about, among these.
pub(super) fn part_of(finding: &Diagnostic, parts: &[(String, Range<usize>)]) -> Option<Range<usize>> {
    let (_, part) = finding.path.split_once(".part(")?;
    let part = part.strip_suffix(')')?;
    parts.iter().find(|(known, _)| known == part).map(|(_, range)| range.clone())
}

pub(super) fn borrowed(fields: &[(String, Option<DataType>)]) -> Vec<(&str, Option<DataType>)> {
    fields.iter().map(|(name, data_type)| (name.as_str(), *data_type)).collect()
}

/// Where bytes stand in a text; at most to the end of their line.
fn place(what: &str, text: &str, (start, end): (usize, usize)) -> Location {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let marked = text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default();
    Location {
        file: what.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        length: marked.chars().count().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let place = |start, end| {
            let Location { line, column, length, .. } = place("criteria", "é = 1\nAND ü >", (start, end));
            (line, column, length)
        };
        assert_eq!(place(0, 2), (1, 1, 1));
        assert_eq!(place(11, 13), (2, 5, 1));
        assert_eq!(place(15, 15), (2, 8, 1));
        assert_eq!(place(0, 15), (1, 1, 5));
    }
}
