//! SELECT: the columns of a query.

use sqlparser::ast::{
    Expr as SqlExpr, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
};
use usher_engine::definition::pipeline::{Column, Source};
use usher_engine::diagnostic::Code;

use super::expression;
use super::refused;
use super::sources::{Sources, span_of, topic};
use super::sql::Sql;
use crate::document::Span;
use crate::limits::QUERY_COLUMNS_MAX;
use crate::lower::Lower;
use crate::text::Text;

/// SELECT: the columns, each with its range in the file.
pub(super) fn read(sql: &mut Sql<'_, '_>, sources: &Sources, select: &Select) -> (Vec<Column>, Vec<Span>) {
    let (mut columns, mut spans) = (Vec::new(), Vec::new());
    for item in &select.projection {
        if columns.len() == QUERY_COLUMNS_MAX {
            let message = format!("the query has more than {QUERY_COLUMNS_MAX} columns");
            sql.note(Code::OverBound, item.span(), message, None);
            break;
        }
        let (span, column) = match item {
            SelectItem::UnnamedExpr(expr) => (expr.span(), value(sql, sources, expr, None)),
            SelectItem::ExprWithAlias { expr, alias } => {
                (expr.span().union(&alias.span), value(sql, sources, expr, Some(&alias.value)))
            }
            SelectItem::ExprWithAliases { aliases, .. } => {
                sql.unsupported(item.span(), "a column has one name", "write `AS name`");
                (span_of(aliases), None)
            }
            SelectItem::Wildcard(options) => {
                refused::wildcard(sql, options);
                star(sql, options, &sources.all);
                (options.wildcard_token.0.span, Some(Column::All))
            }
            SelectItem::QualifiedWildcard(kind, options) => {
                refused::wildcard(sql, options);
                let column = all_of(sql, sources, kind, options);
                (kind.span(), column)
            }
        };
        let span = sql.span(span);
        if let Some(column) = column {
            sql.lower.mark(&format!(".columns[{}]", columns.len()), span);
            columns.push(column);
            spans.push(span);
        }
    }
    (columns, spans)
}

fn value(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr, alias: Option<&str>) -> Option<Column> {
    let value = expression::value(sql, sources, expr)?;
    let name = match (alias, expr) {
        (Some(alias), _) => alias.to_owned(),
        (None, SqlExpr::Identifier(name)) => name.value.clone(),
        (None, SqlExpr::CompoundIdentifier(parts)) => parts.last()?.value.clone(),
        (None, _) => {
            let help = "write `AS name` behind it".to_owned();
            sql.note(Code::BadQuery, expr.span(), "a computed column needs a name", Some(help));
            return None;
        }
    };
    Some(Column::Value { name, value })
}

fn all_of(
    sql: &mut Sql<'_, '_>,
    sources: &Sources,
    kind: &SelectItemQualifiedWildcardKind,
    options: &WildcardAdditionalOptions,
) -> Option<Column> {
    let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
        sql.unsupported(kind.span(), "`*` is of a source, not of an expression", refused::SUPPORTED);
        return None;
    };
    let named = topic(name);
    match sources.all.iter().position(|source| source.alias == named) {
        Some(place) => {
            star(sql, options, sources.all.get(place..=place).unwrap_or_default());
            Some(Column::AllOf(place))
        }
        None => {
            let aliases: Vec<&str> = sources.all.iter().map(|source| source.alias.as_str()).collect();
            let help = format!("sources here: {}", aliases.join(", "));
            sql.note(Code::BadQuery, name.span(), format!("no source is called `{named}`"), Some(help));
            None
        }
    }
}

/// Warns that columns pass that nobody listed.
fn star(sql: &mut Sql<'_, '_>, options: &WildcardAdditionalOptions, sources: &[Source]) {
    let topics: Vec<String> = sources.iter().map(|source| format!("`{}`", source.topic)).collect();
    let message = format!("`*` passes every column of {}, also personal ones", topics.join(", "));
    let help = "list the columns that readers of the output need".to_owned();
    sql.note(Code::PassesAll, options.wildcard_token.0.span, message, Some(help));
}

/// Reports columns of one name, each with the place of the other.
pub(super) fn duplicates(lower: &mut Lower, columns: &[Column], spans: &[Span]) {
    let mut known: Vec<(&str, Span)> = Vec::new();
    for (column, &span) in columns.iter().zip(spans) {
        let Column::Value { name, .. } = column else { continue };
        let Some((_, first)) = known.iter().find(|(known, _)| known == name) else {
            known.push((name, span));
            continue;
        };
        let place = lower.texts.get(lower.text).map(|text: &Text| text.place(*first));
        let at =
            place.map(|place| format!("{}:{}:{}", place.file, place.line, place.column)).unwrap_or_default();
        let message = format!("two columns of the output are called `{name}`; the other is at {at}");
        let help = format!("name one of them: AS other_{name}");
        lower.note_with(Code::DuplicateName, span, message, Some(help));
    }
}
