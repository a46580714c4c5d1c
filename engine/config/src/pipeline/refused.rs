//! SQL that pipelines do not have: a message of its own for each feature, at its place.

use sqlparser::ast::{
    GroupByExpr, JoinConstraint, JoinOperator, Query, Select, SelectFlavor, SetExpr, Spanned, Statement,
    TableFactor, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span as SqlSpan;

use super::sql::Sql;

/// The parts that a query may have.
pub(super) const SUPPORTED: &str = "a query is SELECT expressions, `*` and `t.*` FROM one source, \
                                    LEFT JOIN or JOIN … ON a.k = b.k, WHERE";

/// For those who count and sum.
const AGGREGATES: &str = "a pipeline answers each event by itself; aggregate what it puts out by `usher pipeline query`, or \
                          count per visitor in an attribute";

/// For those who filter, sort and cut what was aggregated.
const RESULTS: &str = "groups come in the order of their values: filter, sort and cut what comes out";

/// For those who sort and cut.
const STREAM: &str = "a stream has no end: each event gives at most one row, in the order of events";

/// The one SELECT among the statements, without anything around it.
pub(super) fn only_select(sql: &mut Sql<'_, '_>, mut statements: Vec<Statement>) -> Option<Select> {
    if statements.len() > 1 {
        let span = statements.get(1).map_or_else(SqlSpan::empty, Spanned::span);
        sql.unsupported(
            span,
            "a pipeline has one query, found a second statement",
            "write a pipeline for each",
        );
        return None;
    }
    let Some(Statement::Query(query)) = statements.pop() else {
        sql.unsupported(SqlSpan::empty(), "the query of a pipeline is a SELECT", SUPPORTED);
        return None;
    };
    around(sql, &query);
    match *query.body {
        SetExpr::Select(select) => Some(*select),
        SetExpr::Query(inner) => {
            sql.unsupported(inner.span(), "the SELECT stands in brackets", "remove the brackets");
            None
        }
        SetExpr::SetOperation { op, right, .. } => {
            let message = format!("{op} is not supported: a pipeline has one source of events");
            sql.unsupported(right.span(), message, "write a pipeline for each SELECT");
            None
        }
        SetExpr::Values(values) => {
            sql.unsupported(values.span(), "VALUES is not supported: rows come from topics", SUPPORTED);
            None
        }
        other => {
            sql.unsupported(other.span(), "the query of a pipeline is a SELECT", SUPPORTED);
            None
        }
    }
}

/// Parts of a query outside its SELECT.
fn around(sql: &mut Sql<'_, '_>, query: &Query) {
    let cut = if sql.aggregates { RESULTS } else { STREAM };
    if let Some(with) = &query.with {
        let help = "name the other query's output as the source: pipelines that read each other's topics are chained";
        sql.unsupported(with.span(), "WITH is not supported", help);
    }
    if let Some(order_by) = &query.order_by {
        sql.unsupported(order_by.span(), "ORDER BY is not supported", cut);
    }
    if let Some(limit) = &query.limit_clause {
        sql.unsupported(limit.span(), "LIMIT and OFFSET are not supported", cut);
    }
    if let Some(fetch) = &query.fetch {
        sql.unsupported(fetch.span(), "FETCH is not supported", cut);
    }
    if !query.locks.is_empty() || query.for_clause.is_some() {
        sql.unsupported(SqlSpan::empty(), "FOR … is not supported", SUPPORTED);
    }
    if query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
        let message = "SETTINGS, FORMAT and `|>` are not supported";
        sql.unsupported(SqlSpan::empty(), message, SUPPORTED);
    }
}

/// Clauses of a SELECT.
pub(super) fn clauses(sql: &mut Sql<'_, '_>, select: &Select) {
    if select.distinct.is_some() {
        let help = "duplicates of an event are dropped by its id while its TTL runs";
        sql.unsupported(select.select_token.0.span, "DISTINCT is not supported", help);
    }
    if select.top.is_some() {
        sql.unsupported(select.select_token.0.span, "TOP is not supported", STREAM);
    }
    if let Some(into) = &select.into {
        sql.unsupported(into.span(), "INTO is not supported", "`output.topic` says where rows go");
    }
    match &select.group_by {
        GroupByExpr::Expressions(exprs, modifiers) if exprs.is_empty() && modifiers.is_empty() => {}
        _ if sql.aggregates => {}
        group_by => sql.unsupported(group_by.span(), "GROUP BY is not supported", AGGREGATES),
    }
    if let Some(having) = &select.having {
        let help = if sql.aggregates { RESULTS } else { AGGREGATES };
        sql.unsupported(having.span(), "HAVING is not supported", help);
    }
    if let Some(qualify) = &select.qualify {
        sql.unsupported(qualify.span(), "QUALIFY is not supported", STREAM);
    }
    if let Some(prewhere) = &select.prewhere {
        sql.unsupported(prewhere.span(), "PREWHERE is not supported", "write WHERE");
    }
    if let Some(window) = select.named_window.first() {
        sql.unsupported(window.span(), "WINDOW is not supported", AGGREGATES);
    }
    if let Some(view) = select.lateral_views.first() {
        sql.unsupported(view.span(), "LATERAL VIEW is not supported", SUPPORTED);
    }
    if let Some(connect_by) = select.connect_by.first() {
        sql.unsupported(connect_by.span(), "CONNECT BY is not supported", SUPPORTED);
    }
    let sorted = [&select.cluster_by, &select.distribute_by];
    if sorted.iter().any(|by| !by.is_empty()) || !select.sort_by.is_empty() {
        let message = "CLUSTER BY, DISTRIBUTE BY and SORT BY are not supported";
        sql.unsupported(select.select_token.0.span, message, STREAM);
    }
    if select.value_table_mode.is_some()
        || select.flavor != SelectFlavor::Standard
        || select.exclude.is_some()
    {
        sql.unsupported(select.select_token.0.span, "this form of SELECT is not supported", SUPPORTED);
    }
}

/// Sources that are not topics.
pub(super) fn factor(sql: &mut Sql<'_, '_>, factor: &TableFactor) {
    let (message, help) = match factor {
        TableFactor::Derived { .. } => (
            "a SELECT in FROM is not supported",
            "write it as a pipeline of its own and read its output topic: pipelines that read each other's topics are chained",
        ),
        TableFactor::NestedJoin { .. } => {
            ("joins in brackets are not supported", "write the joins one after the other")
        }
        TableFactor::UNNEST { .. } => {
            ("UNNEST is not supported: an event gives at most one row", "ask for an item by `x = ANY(list)`")
        }
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } | TableFactor::UnpivotExpr { .. } => {
            ("PIVOT and UNPIVOT are not supported", SUPPORTED)
        }
        TableFactor::MatchRecognize { .. } => ("MATCH_RECOGNIZE is not supported", SUPPORTED),
        _ => ("a source is the name of a topic", SUPPORTED),
    };
    sql.unsupported(factor.span(), message, help);
}

/// Attributes of a topic in FROM.
pub(super) fn table(sql: &mut Sql<'_, '_>, factor: &TableFactor) -> Option<()> {
    let TableFactor::Table {
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_directives,
        ..
    } = factor
    else {
        return None;
    };
    let message = if args.is_some() {
        "functions in FROM are not supported"
    } else if version.is_some() {
        "versions of a source are not supported: a join takes the newest row"
    } else if sample.is_some() {
        "TABLESAMPLE is not supported"
    } else if !with_hints.is_empty()
        || *with_ordinality
        || !partitions.is_empty()
        || json_path.is_some()
        || !index_directives.is_empty()
    {
        "a source is the name of a topic and an alias"
    } else {
        return Some(());
    };
    sql.unsupported(factor.span(), message, SUPPORTED);
    None
}

/// Kinds of joins.
pub(super) fn join(sql: &mut Sql<'_, '_>, operator: &JoinOperator, span: SqlSpan) {
    let (message, help) = match operator {
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (
            "RIGHT JOIN is not supported: rows are emitted for events",
            "begin with the source of events and LEFT JOIN the other",
        ),
        JoinOperator::FullOuter(_) => (
            "FULL JOIN is not supported: rows are emitted for events",
            "begin with the source of events and LEFT JOIN the other",
        ),
        JoinOperator::CrossJoin(_) => {
            ("CROSS JOIN is not supported: an event gives at most one row", SUPPORTED)
        }
        JoinOperator::AsOf { .. } => (
            "ASOF JOIN is not supported: a join takes the newest row that came before",
            "write LEFT JOIN … ON a.k = b.k; a TTL says how old the row may be",
        ),
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => (
            "SEMI JOIN is not supported",
            "write JOIN: a row is emitted once, if the other source has the key",
        ),
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => {
            ("ANTI JOIN is not supported", "write LEFT JOIN and WHERE b.k IS NULL")
        }
        _ => ("this kind of join is not supported", SUPPORTED),
    };
    sql.unsupported(span, message, help);
}

/// Joins without ON.
pub(super) fn constraint(sql: &mut Sql<'_, '_>, constraint: &JoinConstraint, span: SqlSpan) {
    let message = match constraint {
        JoinConstraint::Using(_) | JoinConstraint::UsingAlias(..) => "USING is not supported",
        JoinConstraint::Natural => "NATURAL JOIN is not supported",
        _ => "the join has no ON",
    };
    sql.unsupported(span, message, "write ON a.k = b.k");
}

/// Options behind `*`.
pub(super) fn wildcard(sql: &mut Sql<'_, '_>, options: &WildcardAdditionalOptions) {
    let help = "list the columns that the output has";
    let message = if options.opt_exclude.is_some() || options.opt_except.is_some() {
        "EXCLUDE and EXCEPT behind `*` are not supported"
    } else if options.opt_replace.is_some() || options.opt_rename.is_some() {
        "REPLACE and RENAME behind `*` are not supported"
    } else if options.opt_ilike.is_some() {
        "ILIKE behind `*` is not supported"
    } else if options.opt_alias.is_some() {
        "`*` has no name of its own"
    } else {
        return;
    };
    sql.unsupported(options.wildcard_token.0.span, message, help);
}

/// Help for what the parser does not read.
pub(super) fn help_for(message: &str) -> Option<String> {
    if message.contains("recursion limit") {
        return Some("nest fewer brackets and CASEs in each other".to_owned());
    }
    (!message.contains("nterminated")).then(|| SUPPORTED.to_owned())
}

/// True for functions that aggregate.
pub(super) fn is_aggregate(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "COUNT",
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "STDDEV",
        "VARIANCE",
        "MEDIAN",
        "ARRAY_AGG",
        "STRING_AGG",
        "LISTAGG",
        "ANY_VALUE",
        "APPROX_COUNT_DISTINCT",
        "COUNT_IF",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The finding about a function that aggregates.
pub(super) fn aggregate(sql: &mut Sql<'_, '_>, span: SqlSpan, name: &str) {
    let help = match name.to_ascii_uppercase().as_str() {
        "MIN" => "the smallest of several values of one row is LEAST(a, b)",
        "MAX" => "the largest of several values of one row is GREATEST(a, b)",
        _ => AGGREGATES,
    };
    sql.unsupported(
        span,
        format!("{} aggregates rows, which is not supported", name.to_ascii_uppercase()),
        help,
    );
}
