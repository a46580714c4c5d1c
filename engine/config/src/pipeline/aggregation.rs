//! Queries that aggregate the rows of one topic, once: `AVG`, `COUNT`, `COUNT(DISTINCT …)`, `MAX`, `MIN`, `SUM`, `GROUP BY`.

use sqlparser::ast::{
    DuplicateTreatment, Expr as SqlExpr, Function as SqlFunction, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Select, SelectItem, Spanned,
};
use usher_engine::definition::pipeline::{
    AggregateColumn, AggregateFunction, Aggregated, Aggregation, Column, Format, Output, Pipeline,
};
use usher_engine::diagnostic::{Code, Diagnostic, Severity};
use usher_engine::syntax::{Arithmetic, ValueExpr};
use usher_engine::value::Value;

use super::sources::Sources;
use super::sql::Sql;
use super::{checks, expression, query, refused};
use crate::document::{Scalar, Span, Style};
use crate::limits::QUERY_BYTES_MAX;
use crate::lower::Lower;
use crate::source::{Finding, Source};

const SUPPORTED: &str = "a query is SELECT of AVG, COUNT, MAX, MIN, SUM and the values of GROUP BY, FROM one topic, WHERE, GROUP BY";

/// Reads a query that aggregates.
///
/// # Errors
///
/// Everything that is wrong with it, at its place.
///
/// # Examples
///
/// ```
/// let text = "SELECT tier, AVG(score) AS score, COUNT(DISTINCT user_id) AS users FROM rows GROUP BY tier";
/// let source = usher_config::Source { name: "query".to_owned(), text: text.to_owned() };
/// assert!(usher_config::read_aggregation(&source).is_ok());
/// ```
pub fn read(source: &Source) -> Result<Aggregation, Vec<Finding>> {
    super::with_stack(|| {
        let mut lower = Lower::new(std::slice::from_ref(source));
        let read = read_one(&mut lower, source);
        let Lower { texts, findings, .. } = lower;
        let place = |at: (usize, Span)| texts.get(at.0).map(|text| text.place(at.1));
        let findings =
            findings.into_iter().map(|(diagnostic, at)| Finding { diagnostic, place: at.and_then(place) });
        let errors: Vec<Finding> =
            findings.filter(|finding| finding.diagnostic.severity() == Severity::Error).collect();
        match read {
            Some(read) if errors.is_empty() => Ok(read),
            _ => Err(errors),
        }
    })
}

fn read_one(lower: &mut Lower, source: &Source) -> Option<Aggregation> {
    let whole = Span { start: 0, end: source.text.len() };
    if source.text.len() > QUERY_BYTES_MAX {
        lower.note(Code::OverBound, whole, format!("the query is longer than {QUERY_BYTES_MAX} bytes"));
        return None;
    }
    let scalar = Scalar { text: source.text.clone(), style: Style::Plain };
    let mut sql = Sql::new(lower, &scalar, whole);
    sql.aggregates = true;
    let select = query::parse(&mut sql)?;
    refused::clauses(&mut sql, &select);
    let (from, joins) = query::sources(&mut sql, &select)?;
    if let Some(join) = select.from.first().and_then(|from| from.joins.first()) {
        let help = "join by a pipeline, and aggregate what it writes";
        sql.unsupported(join.relation.span(), "a query that aggregates has one source", help);
    }
    let sources = Sources { all: vec![from.clone()] };
    let condition =
        select.selection.as_ref().and_then(|expr| expression::condition(&mut sql, &sources, expr));
    let mut reading =
        Reading { values: groups(&mut sql, &sources, &select)?, groups: 0, columns: Vec::new() };
    reading.groups = reading.values.len();
    select.projection.iter().for_each(|item| reading.item(&mut sql, &sources, item));
    let aggregates = reading.columns.iter().any(|column| !matches!(column.value, Aggregated::Group(_)));
    if !aggregates && reading.groups == 0 && reading.columns.len() == select.projection.len() {
        sql.unsupported(select.select_token.0.span, "nothing is aggregated", SUPPORTED);
    }
    let Reading { values, groups, columns } = reading;
    let named = values.into_iter().enumerate();
    let pipeline = Pipeline {
        name: "query".to_owned(),
        query: source.text.clone(),
        from,
        ttl_ms: 0,
        joins,
        condition,
        columns: named.map(|(number, value)| Column::Value { name: number.to_string(), value }).collect(),
        require: Vec::new(),
        output: Output { topic: "query".to_owned(), format: Format::Json, key: None, schema: Vec::new() },
    };
    for diagnostic in checks::types(&pipeline) {
        let Diagnostic { code, message, help, .. } = diagnostic;
        sql.lower.note_with(code, whole, message, help);
    }
    Some(Aggregation { rows: pipeline, groups, columns })
}

/// The values by which rows are grouped.
fn groups(sql: &mut Sql<'_, '_>, sources: &Sources, select: &Select) -> Option<Vec<ValueExpr>> {
    let GroupByExpr::Expressions(exprs, modifiers) = &select.group_by else {
        sql.unsupported(select.group_by.span(), "GROUP BY ALL is not supported", "name the values");
        return None;
    };
    if !modifiers.is_empty() {
        sql.unsupported(select.group_by.span(), "modifiers of GROUP BY are not supported", "name the values");
    }
    let mut values = Vec::new();
    for expr in exprs {
        // As most databases do, it may name a column of SELECT.
        let named = select.projection.iter().find_map(|item| match (item, expr) {
            (SelectItem::ExprWithAlias { expr: value, alias }, SqlExpr::Identifier(name)) => {
                (alias.value == name.value && aggregate(value).is_none()).then_some(value)
            }
            _ => None,
        });
        if matches!(expr, SqlExpr::Value(_)) {
            sql.unsupported(expr.span(), "GROUP BY of a position is not supported", "name the value");
            return None;
        }
        values.push(expression::value(sql, sources, named.unwrap_or(expr))?);
    }
    Some(values)
}

/// A call of a function that aggregates.
fn aggregate(expr: &SqlExpr) -> Option<&SqlFunction> {
    match expr {
        SqlExpr::Function(call) if refused::is_aggregate(&call.name.to_string()) => Some(call),
        _ => None,
    }
}

/// A query on the way: the values by which rows are grouped, then those that are aggregated.
struct Reading {
    values: Vec<ValueExpr>,
    groups: usize,
    columns: Vec<AggregateColumn>,
}

impl Reading {
    fn item(&mut self, sql: &mut Sql<'_, '_>, sources: &Sources, item: &SelectItem) {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.clone())),
            _ => {
                sql.unsupported(item.span(), "a query that aggregates names its columns", SUPPORTED);
                return;
            }
        };
        let name = match (alias, expr) {
            (Some(alias), _) => alias,
            (None, SqlExpr::Identifier(name)) => name.value.clone(),
            (None, SqlExpr::CompoundIdentifier(parts)) => {
                parts.last().map(|part| part.value.clone()).unwrap_or_default()
            }
            (None, _) => {
                let help = "write `AS name` behind it".to_owned();
                sql.note(Code::BadQuery, expr.span(), "a computed column needs a name", Some(help));
                return;
            }
        };
        if self.columns.iter().any(|column| column.name == name) {
            let message = format!("two columns are called `{name}`");
            sql.note(
                Code::DuplicateName,
                item.span(),
                message,
                Some(format!("name one of them: AS other_{name}")),
            );
            return;
        }
        let value = match aggregate(expr) {
            Some(call) => self.call(sql, sources, call),
            None => self.group(sql, sources, expr),
        };
        self.columns.extend(value.map(|value| AggregateColumn { name, value }));
    }

    fn group(&self, sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<Aggregated> {
        let value = expression::value(sql, sources, expr)?;
        let place = self.values.iter().take(self.groups).position(|known| *known == value);
        if place.is_none() {
            let help = format!("write GROUP BY {expr}, or MAX({expr})");
            sql.note(Code::BadQuery, expr.span(), "this is neither in GROUP BY nor aggregated", Some(help));
        }
        place.map(Aggregated::Group)
    }

    fn call(&mut self, sql: &mut Sql<'_, '_>, sources: &Sources, call: &SqlFunction) -> Option<Aggregated> {
        let name = call.name.to_string().to_ascii_uppercase();
        let function = match name.as_str() {
            "COUNT" => AggregateFunction::Count,
            "SUM" => AggregateFunction::Sum,
            "AVG" => AggregateFunction::Average,
            "MIN" => AggregateFunction::Least,
            "MAX" => AggregateFunction::Greatest,
            _ => {
                sql.unsupported(call.span(), format!("{name} is not supported"), SUPPORTED);
                return None;
            }
        };
        let plain = matches!(call.parameters, FunctionArguments::None)
            && call.filter.is_none()
            && call.over.is_none()
            && call.within_group.is_empty()
            && call.null_treatment.is_none();
        let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = &call.args
        else {
            sql.unsupported(
                call.span(),
                format!("{name} is called in a way that is not supported"),
                SUPPORTED,
            );
            return None;
        };
        let is_distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
        match args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
                if plain && clauses.is_empty() && !is_distinct && function == AggregateFunction::Count =>
            {
                Some(Aggregated::Rows)
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] if plain && clauses.is_empty() => {
                let value = expression::value(sql, sources, expr)?;
                let value = match function {
                    // A factor makes it a number, or missing.
                    AggregateFunction::Sum | AggregateFunction::Average => ValueExpr::arithmetic(
                        Arithmetic::Multiply,
                        value,
                        ValueExpr::Constant(Value::from(1)),
                    ),
                    _ => value,
                };
                self.values.push(value);
                Some(Aggregated::Of { function, is_distinct, column: self.values.len() - 1 })
            }
            _ => {
                let help = format!("write {name}(a) or {name}(DISTINCT a); only COUNT has `*`");
                sql.unsupported(
                    call.span(),
                    format!("{name} is called in a way that is not supported"),
                    &help,
                );
                None
            }
        }
    }
}
