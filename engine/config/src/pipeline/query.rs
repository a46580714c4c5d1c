//! The query of a pipeline: one SELECT from a source that is joined with others.

use sqlparser::ast::{
    BinaryOperator, Expr as SqlExpr, Join as SqlJoin, JoinConstraint, JoinOperator, Select, Spanned,
    TableAlias, TableFactor,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Span as SqlSpan, Token, Tokenizer};
use usher_engine::definition::pipeline::{Column, Join, Source};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::Expr;

use super::refused;
use super::sources::{Sources, span_of, topic};
use super::sql::{Sql, Use, point};
use super::{columns, expression};
use crate::document::{Content, Node, Span};
use crate::limits::{QUERY_BYTES_MAX, QUERY_JOINS_MAX, QUERY_OPERATORS_MAX};
use crate::lower::Lower;

/// The parts of a query.
pub(super) struct Query {
    pub(super) from: Source,
    pub(super) joins: Vec<Join>,
    pub(super) condition: Option<Expr>,
    pub(super) columns: Vec<Column>,
    /// The range of each column in the file.
    pub(super) spans: Vec<Span>,
    /// Every column that it names.
    pub(super) uses: Vec<Use>,
}

impl Query {
    /// True if columns pass that the query does not name.
    pub(super) fn passes(&self) -> bool {
        self.columns.iter().any(|column| !matches!(column, Column::Value { .. }))
    }

    /// The names that the query gives to its columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match column {
            Column::Value { name, .. } => Some(name.as_str()),
            Column::All | Column::AllOf(_) => None,
        })
    }

    /// All sources: `FROM`, then the joined ones.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.from).chain(self.joins.iter().map(|join| &join.source))
    }
}

pub(super) fn lower(lower: &mut Lower, node: &Node) -> Option<Query> {
    let text = lower.text_of(node, "query")?;
    lower.mark(".query", node.span);
    let Content::Scalar(scalar) = &node.content else { return None };
    if text.len() > QUERY_BYTES_MAX {
        lower.note(Code::OverBound, node.span, format!("the query is longer than {QUERY_BYTES_MAX} bytes"));
        return None;
    }
    let mut sql = Sql::new(lower, scalar, node.span);
    let select = parse(&mut sql)?;
    refused::clauses(&mut sql, &select);
    let (from, joins) = sources(&mut sql, &select)?;
    let sources = Sources {
        all: std::iter::once(&from).chain(joins.iter().map(|join| &join.source)).cloned().collect(),
    };
    let condition = select.selection.as_ref().and_then(|expr| {
        let span = sql.span(expr.span());
        sql.lower.mark(".condition", span);
        expression::condition(&mut sql, &sources, expr)
    });
    let (columns, spans) = columns::read(&mut sql, &sources, &select);
    columns::duplicates(sql.lower, &columns, &spans);
    let uses = sql.uses;
    Some(Query { from, joins, condition, columns, spans, uses })
}

/// The one SELECT of the text.
pub(super) fn parse(sql: &mut Sql<'_, '_>) -> Option<Select> {
    let dialect = GenericDialect {};
    let tokens = match Tokenizer::new(&dialect, sql.text()).tokenize_with_location() {
        Ok(tokens) => tokens,
        Err(error) => {
            let Location { line, column } = error.location;
            sql.note(Code::BadQuery, point(line, column), lowered(&error.message), None);
            return None;
        }
    };
    // Chains of operators nest without brackets.
    let operators = tokens.iter().filter(|token| is_operator(&token.token)).count();
    if operators > QUERY_OPERATORS_MAX {
        let message = format!("the query has more than {QUERY_OPERATORS_MAX} operators");
        sql.note(Code::OverBound, SqlSpan::empty(), message, None);
        return None;
    }
    let first = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    let first = first.map(|token| (token.token.to_string(), token.span));
    match &first {
        Some((word, _)) if ["SELECT", "WITH", "("].iter().any(|known| word.eq_ignore_ascii_case(known)) => {}
        Some((word, span)) if word != "EOF" => {
            let message = format!("the query of a pipeline is a SELECT, found `{word}`");
            sql.unsupported(*span, message, refused::SUPPORTED);
            return None;
        }
        _ => {
            sql.note(
                Code::BadQuery,
                SqlSpan::empty(),
                "the query is empty",
                Some(refused::SUPPORTED.to_owned()),
            );
            return None;
        }
    }
    let parsed = Parser::new(&dialect).with_tokens_with_locations(tokens).parse_statements();
    match parsed {
        Ok(statements) => refused::only_select(sql, statements),
        Err(error) => {
            let text = error.to_string();
            let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
            let (message, at) = located(text);
            let help = refused::help_for(message);
            sql.note(Code::BadQuery, at.unwrap_or_else(SqlSpan::empty), lowered(message), help);
            None
        }
    }
}

/// True for signs and words that chain expressions.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && ["AND", "OR", "XOR", "IS", "DIV"]
                    .iter()
                    .any(|known| word.value.eq_ignore_ascii_case(known))
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Eq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Neq | Token::DoubleEq => true,
        Token::Whitespace(_) | Token::Comma | Token::Period | Token::LParen | Token::RParen => false,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF | Token::SemiColon => false,
        _ => true,
    }
}

/// The parser's message without the location at its end, and the location.
fn located(text: &str) -> (&str, Option<SqlSpan>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (text, None) };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message, Some(point(line, column))),
        _ => (text, None),
    }
}

/// With a small first letter, as findings begin.
fn lowered(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// `FROM` and its joins.
pub(super) fn sources(sql: &mut Sql<'_, '_>, select: &Select) -> Option<(Source, Vec<Join>)> {
    let Some((first, rest)) = select.from.split_first() else {
        let help = "name the topic of events: FROM clickstreams c".to_owned();
        sql.note(Code::BadQuery, select.span(), "the query has no FROM", Some(help));
        return None;
    };
    if let Some(second) = rest.first() {
        let help = "join it: LEFT JOIN products p ON c.product_id = p.product_id";
        sql.unsupported(
            second.relation.span(),
            "FROM names one source; a comma would pair all rows of two",
            help,
        );
        return None;
    }
    let from = source(sql, &first.relation)?;
    let mut known = Sources { all: vec![from.clone()] };
    let mut joins = Vec::new();
    for join in &first.joins {
        if joins.len() == QUERY_JOINS_MAX {
            let message = format!("the query has more than {QUERY_JOINS_MAX} joins");
            sql.note(Code::OverBound, join.relation.span(), message, None);
            return None;
        }
        let joined = self::join(sql, &mut known, join, joins.len())?;
        joins.push(joined);
    }
    Some((from, joins))
}

/// A topic and its alias.
fn source(sql: &mut Sql<'_, '_>, factor: &TableFactor) -> Option<Source> {
    let TableFactor::Table { name, alias, .. } = factor else {
        refused::factor(sql, factor);
        return None;
    };
    refused::table(sql, factor)?;
    let topic = topic(name);
    let alias = match alias {
        Some(TableAlias { name, columns, .. }) => {
            if let Some(column) = columns.first() {
                sql.unsupported(
                    column.name.span,
                    "columns are renamed in SELECT, not in FROM",
                    refused::SUPPORTED,
                );
            }
            name.value.clone()
        }
        None => topic.clone(),
    };
    Some(Source { topic, alias })
}

fn join(sql: &mut Sql<'_, '_>, known: &mut Sources, join: &SqlJoin, index: usize) -> Option<Join> {
    let joined = source(sql, &join.relation)?;
    let span = join.relation.span();
    if let Some(other) = known.all.iter().find(|source| source.alias == joined.alias) {
        let message = format!("two sources are called `{}`", joined.alias);
        let help = format!("give this one an alias: {} {}2 ON …", joined.topic, other.alias);
        sql.note(Code::DuplicateName, span, message, Some(help));
        return None;
    }
    if known.all.first().is_some_and(|from| from.topic == joined.topic) {
        let message = format!("`{}` is the source of events and cannot be joined to itself", joined.topic);
        let help = "a joined source keeps the newest row of each key; events are taken one by one";
        sql.unsupported(span, message, help);
        return None;
    }
    let (is_inner, constraint) = match &join.join_operator {
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (false, constraint),
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (true, constraint),
        other => {
            refused::join(sql, other, span);
            return None;
        }
    };
    let JoinConstraint::On(on) = constraint else {
        refused::constraint(sql, constraint, span);
        return None;
    };
    let alias = joined.alias.clone();
    known.all.push(joined.clone());
    let place = known.all.len() - 1;
    let (column, equals) = equality(sql, known, on, place, &alias)?;
    let span = sql.span(on.span());
    sql.lower.mark(&format!(".joins[{index}]"), span);
    Some(Join { source: joined, column, equals, is_inner, ttl_ms: None })
}

/// The joined source's column in `ON a.k = b.k`, and the column of an earlier source.
fn equality(
    sql: &mut Sql<'_, '_>,
    known: &Sources,
    on: &SqlExpr,
    place: usize,
    alias: &str,
) -> Option<(String, (usize, String))> {
    let mut inner = on;
    while let SqlExpr::Nested(nested) = inner {
        inner = nested;
    }
    let help = format!("write ON c.key = {alias}.key, with one column on each side");
    let SqlExpr::BinaryOp { left, op: BinaryOperator::Eq, right } = inner else {
        let message = match inner {
            SqlExpr::BinaryOp { op: BinaryOperator::And, .. } => {
                "a join has one pair of columns, found several conditions"
            }
            SqlExpr::BinaryOp { op: BinaryOperator::Or, .. } => "a join has one pair of columns, found `OR`",
            _ => "a join is an equality of two columns",
        };
        sql.unsupported(on.span(), message, &help);
        return None;
    };
    let mut sides = Vec::new();
    for side in [left, right] {
        let parts = match &**side {
            SqlExpr::CompoundIdentifier(parts) => parts.as_slice(),
            SqlExpr::Identifier(part) => std::slice::from_ref(part),
            other => {
                sql.unsupported(other.span(), "a join compares columns, not expressions", &help);
                return None;
            }
        };
        sides.push((known.resolve(sql, parts)?, span_of(parts)));
    }
    let [(first, _), (second, span)] = sides.try_into().ok()?;
    let (own, other) = if first.0 == place { (first, second) } else { (second, first) };
    if own.0 != place || other.0 == place {
        let message = format!("this does not compare a column of `{alias}` with one of an earlier source");
        sql.note(Code::BadQuery, on.span().union(&span), message, Some(help));
        return None;
    }
    Some((own.1, other))
}
