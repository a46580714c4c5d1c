//! The sources of a query, and the columns that its names mean.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Span as SqlSpan;
use usher_engine::definition::pipeline::Source;
use usher_engine::diagnostic::Code;

use super::sql::{Sql, Use};
use crate::suggest::did_you_mean;

/// The sources that may be named so far, in the order of the query: `FROM` first.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) all: Vec<Source>,
}

impl Sources {
    /// The source and the column of a name; None after a finding.
    pub(super) fn resolve(&self, sql: &mut Sql<'_, '_>, parts: &[Ident]) -> Option<(usize, String)> {
        let (source, column) = self.find(sql, parts)?;
        let at = (sql.lower.text, sql.span(span_of(parts)));
        sql.uses.push(Use { source, column: column.clone(), at });
        Some((source, column))
    }

    fn find(&self, sql: &mut Sql<'_, '_>, parts: &[Ident]) -> Option<(usize, String)> {
        let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        let (first, rest) = names.split_first()?;
        let of_alias = self.all.iter().position(|source| source.alias == *first);
        if let Some(source) = of_alias.filter(|_| !rest.is_empty()) {
            return Some((source, rest.join(".")));
        }
        // With one source, its columns need no alias, and dots are paths into objects.
        if self.all.len() == 1 && (of_alias.is_none() || rest.is_empty()) {
            let suspicious =
                if rest.is_empty() { None } else { self.by_topic(first).or_else(|| self.mistyped(first)) };
            let Some(alias) = suspicious else { return Some((0, names.join("."))) };
            let help = match self.by_topic(first) {
                Some(_) => format!("here `{first}` is called `{alias}`"),
                None => format!(
                    "the source is called `{alias}`; of an object in it write `{alias}.{}`",
                    names.join(".")
                ),
            };
            sql.note(Code::BadQuery, span_of(parts), format!("no source is called `{first}`"), Some(help));
            return None;
        }
        if rest.is_empty() {
            let candidates: Vec<String> =
                self.all.iter().map(|source| format!("{}.{first}", source.alias)).collect();
            let message = format!("`{first}` does not say of which source it is");
            let help = format!("write {}", candidates.join(" or "));
            sql.note(Code::BadQuery, span_of(parts), message, Some(help));
            return None;
        }
        let aliases = self.all.iter().map(|source| source.alias.as_str());
        let help = match self.by_topic(first) {
            Some(alias) => format!("here `{first}` is called `{alias}`"),
            None => did_you_mean(first, aliases.clone())
                .unwrap_or_else(|| format!("sources here: {}", aliases.collect::<Vec<_>>().join(", "))),
        };
        sql.note(Code::BadQuery, span_of(parts), format!("no source is called `{first}`"), Some(help));
        None
    }

    /// The alias of the one source, if a name with dots probably means that: in other cases, nearly so, or by another letter.
    fn mistyped(&self, first: &str) -> Option<&str> {
        let alias = self.all.first().filter(|source| source.alias != source.topic)?.alias.as_str();
        let is_near = alias.eq_ignore_ascii_case(first) || did_you_mean(first, [alias]).is_some();
        (is_near || first.chars().count() == 1).then_some(alias)
    }

    /// The alias of a topic that is named by it.
    fn by_topic(&self, topic: &str) -> Option<&str> {
        self.all.iter().find(|source| source.topic == topic).map(|source| source.alias.as_str())
    }
}

/// The range of a name with dots.
pub(super) fn span_of(parts: &[Ident]) -> SqlSpan {
    let spans = parts.iter().map(|part| part.span);
    spans.reduce(|all, next| all.union(&next)).unwrap_or_else(SqlSpan::empty)
}

/// The name of a topic, which may have dots.
pub(super) fn topic(name: &ObjectName) -> String {
    let parts: Vec<&str> = name.0.iter().filter_map(ident).map(|part| part.value.as_str()).collect();
    parts.join(".")
}

fn ident(part: &ObjectNamePart) -> Option<&Ident> {
    match part {
        ObjectNamePart::Identifier(ident) => Some(ident),
        ObjectNamePart::Function(_) => None,
    }
}
