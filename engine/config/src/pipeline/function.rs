//! Functions and intervals of a query, and expressions that pipelines do not have.

use sqlparser::ast::{
    DateTimeField, Expr as SqlExpr, Function as SqlFunction, FunctionArg, FunctionArgExpr, FunctionArguments,
    InTarget, Interval, Spanned, Value as SqlValue,
};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Arithmetic, Function, Unit, ValueExpr};
use usher_engine::value::Value;

use super::refused;
use super::sql::Sql;
use crate::suggest::did_you_mean;

/// Reads an argument.
pub(super) type Read<'r> = &'r dyn Fn(&mut Sql<'_, '_>, &SqlExpr) -> Option<ValueExpr>;

/// A call of a function.
pub(super) fn call(sql: &mut Sql<'_, '_>, read: Read<'_>, call: &SqlFunction) -> Option<ValueExpr> {
    let name = call.name.to_string();
    let span = call.span();
    if call.over.is_some() {
        let help = "a pipeline answers each event by itself";
        sql.unsupported(span, format!("window functions such as `{name}(…) OVER` are not supported"), help);
        return None;
    }
    if refused::is_aggregate(&name) {
        refused::aggregate(sql, span, &name);
        return None;
    }
    let plain = matches!(call.parameters, FunctionArguments::None)
        && call.filter.is_none()
        && call.within_group.is_empty()
        && call.null_treatment.is_none();
    let arguments: &[FunctionArg] = match &call.args {
        FunctionArguments::None => &[],
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
            &list.args
        }
        _ => {
            sql.unsupported(
                span,
                format!("`{name}` is called in a way that is not supported"),
                "write name(a, b)",
            );
            return None;
        }
    };
    if !plain {
        sql.unsupported(
            span,
            format!("`{name}` is called in a way that is not supported"),
            "write name(a, b)",
        );
        return None;
    }
    let mut expressions = Vec::new();
    for argument in arguments {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expressions.push(expr),
            other => {
                sql.unsupported(
                    other.span(),
                    format!("this argument of `{name}` is not supported"),
                    "write name(a, b)",
                );
                return None;
            }
        }
    }
    if ["NOW", "CURRENT_TIMESTAMP"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        count(sql, call, &name, expressions.len(), (0, 0))?;
        return Some(ValueExpr::Now);
    }
    if name.eq_ignore_ascii_case("MOD") {
        count(sql, call, &name, expressions.len(), (2, 2))?;
        let sides: [ValueExpr; 2] = values(sql, read, &expressions)?.try_into().ok()?;
        let [left, right] = sides;
        return Some(ValueExpr::arithmetic(Arithmetic::Remainder, left, right));
    }
    let Some(function) = Function::parse(&name) else {
        let known = Function::ALL.map(Function::as_str);
        let help = match same(&name) {
            Some(same) => format!("write {same}"),
            None => did_you_mean(&name, known)
                .unwrap_or_else(|| format!("functions are {}, MOD and NOW", known.join(", "))),
        };
        sql.note(
            Code::UnsupportedSql,
            call.name.span(),
            format!("there is no function `{name}`"),
            Some(help),
        );
        return None;
    };
    if function == Function::DateDiff {
        return date_diff(sql, read, call, &expressions);
    }
    count(sql, call, &name, expressions.len(), function.arguments())?;
    Some(ValueExpr::Call(function, values(sql, read, &expressions)?))
}

/// `SUBSTRING(a FROM 2 FOR 3)` and `SUBSTR(a, 2, 3)`.
pub(super) fn substring(
    sql: &mut Sql<'_, '_>,
    read: Read<'_>,
    parts: &[Option<&SqlExpr>; 3],
) -> Option<ValueExpr> {
    let [text, from, count] = *parts;
    let one = ValueExpr::Constant(Value::from(1));
    let mut arguments = vec![read(sql, text?)?];
    match from {
        Some(from) => arguments.push(read(sql, from)?),
        None => arguments.push(one),
    }
    if let Some(count) = count {
        arguments.push(read(sql, count)?);
    }
    Some(ValueExpr::Call(Function::Substr, arguments))
}

/// `DATE_DIFF('day', a, b)`
fn date_diff(
    sql: &mut Sql<'_, '_>,
    read: Read<'_>,
    call: &SqlFunction,
    expressions: &[&SqlExpr],
) -> Option<ValueExpr> {
    let help = "write DATE_DIFF('day', from, to)";
    let Some((unit, dates)) = expressions.split_first().filter(|(_, dates)| dates.len() == 2) else {
        sql.note(
            Code::UnsupportedSql,
            call.span(),
            "DATE_DIFF takes a unit and two times",
            Some(help.to_owned()),
        );
        return None;
    };
    let is_day = matches!(unit, SqlExpr::Value(literal)
        if matches!(&literal.value, SqlValue::SingleQuotedString(text) if text.eq_ignore_ascii_case("day")));
    if !is_day {
        sql.unsupported(unit.span(), "differences of dates are in days", help);
        return None;
    }
    Some(ValueExpr::Call(Function::DateDiff, values(sql, read, dates)?))
}

fn values(sql: &mut Sql<'_, '_>, read: Read<'_>, expressions: &[&SqlExpr]) -> Option<Vec<ValueExpr>> {
    let values: Vec<_> = expressions.iter().map(|expr| read(sql, expr)).collect();
    values.into_iter().collect()
}

fn count(
    sql: &mut Sql<'_, '_>,
    call: &SqlFunction,
    name: &str,
    count: usize,
    (fewest, most): (usize, usize),
) -> Option<()> {
    if (fewest..=most).contains(&count) {
        return Some(());
    }
    let wanted = match (fewest, most) {
        (fewest, usize::MAX) => format!("{fewest} or more"),
        (fewest, most) if fewest == most => fewest.to_string(),
        (fewest, most) => format!("{fewest} to {most}"),
    };
    let message = format!("`{name}` takes {wanted} arguments, found {count}");
    sql.note(Code::BadQuery, call.span(), message, None);
    None
}

/// The function here for what other databases call by this name.
fn same(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_uppercase().as_str() {
        "LEN" | "CHAR_LENGTH" | "CHARACTER_LENGTH" => "LENGTH(text)",
        "CARDINALITY" | "ARRAY_LENGTH" => "SIZE(list)",
        "IFNULL" | "NVL" | "ISNULL" => "COALESCE(a, b)",
        "IF" | "IIF" | "DECODE" => "CASE WHEN a THEN b ELSE c END",
        "NULLIF" => "CASE WHEN a = b THEN NULL ELSE a END",
        "LCASE" => "LOWER(text)",
        "UCASE" => "UPPER(text)",
        "MID" => "SUBSTR(text, from, count)",
        "LEFT" => "SUBSTR(text, 1, count)",
        "GETDATE" | "SYSDATE" | "LOCALTIMESTAMP" => "NOW()",
        "LIST_CONTAINS" | "ARRAY_CONTAINS" => "x = ANY(list)",
        "REGEXP_MATCHES" | "REGEXP_LIKE" => "text REGEXP 'pattern'",
        "STARTS_WITH" => "text LIKE 'start%'",
        "XXHASH64" | "MD5" | "SHA256" => "HASH(value)",
        _ => return None,
    })
}

/// `INTERVAL 1 HOUR`, `INTERVAL '1' HOUR`, `INTERVAL '1 hour'`.
pub(super) fn interval(sql: &mut Sql<'_, '_>, expr: &SqlExpr, interval: &Interval) -> Option<ValueExpr> {
    let help = "write INTERVAL 1 HOUR; units are SECOND, MINUTE, HOUR, DAY and WEEK";
    let plain = interval.last_field.is_none()
        && interval.leading_precision.is_none()
        && interval.fractional_seconds_precision.is_none();
    let text = match &*interval.value {
        SqlExpr::Value(literal) => match &literal.value {
            SqlValue::Number(text, _) | SqlValue::SingleQuotedString(text) => text.trim(),
            _ => "",
        },
        _ => "",
    };
    let (count, unit) = match &interval.leading_field {
        Some(field) => (text, unit(field)),
        None => {
            let (count, word) = text.split_once(' ').unwrap_or((text, ""));
            (count, Unit::parse(word.trim()))
        }
    };
    match (count.parse::<i64>(), unit) {
        (Ok(count), Some(unit)) if plain && unit.ms(count).is_some() => {
            Some(ValueExpr::Interval(count, unit))
        }
        _ => {
            sql.unsupported(expr.span(), "this interval is not supported", help);
            None
        }
    }
}

fn unit(field: &DateTimeField) -> Option<Unit> {
    match field {
        DateTimeField::Second | DateTimeField::Seconds => Some(Unit::Second),
        DateTimeField::Minute | DateTimeField::Minutes => Some(Unit::Minute),
        DateTimeField::Hour | DateTimeField::Hours => Some(Unit::Hour),
        DateTimeField::Day | DateTimeField::Days => Some(Unit::Day),
        DateTimeField::Week(None) | DateTimeField::Weeks => Some(Unit::Week),
        _ => None,
    }
}

/// The finding about an expression that has no counterpart.
pub(super) fn unsupported(sql: &mut Sql<'_, '_>, expr: &SqlExpr) {
    let (message, help) = match expr {
        SqlExpr::Subquery(_) | SqlExpr::Exists { .. } => {
            ("a SELECT within an expression is not supported", "join the source: LEFT JOIN t ON a.k = t.k")
        }
        SqlExpr::In { target: InTarget::Subquery(_), .. } => {
            ("IN with a SELECT is not supported", "join the source and ask for `t.k IS NOT NULL`")
        }
        SqlExpr::In { .. } => ("this form of IN is not supported", "write `x IN (1, 2)` or `x = ANY(list)`"),
        SqlExpr::Cast { .. } | SqlExpr::Convert { .. } => (
            "CAST is not supported",
            "values compare by their uses: a numeric text is read as its number where a number is wanted",
        ),
        SqlExpr::ILike { .. } => ("ILIKE is not supported", "write LOWER(text) LIKE 'pattern'"),
        SqlExpr::SimilarTo { .. } => ("SIMILAR TO is not supported", "write text REGEXP 'pattern'"),
        SqlExpr::IsTrue(_)
        | SqlExpr::IsNotTrue(_)
        | SqlExpr::IsFalse(_)
        | SqlExpr::IsNotFalse(_)
        | SqlExpr::IsUnknown(_)
        | SqlExpr::IsNotUnknown(_) => (
            "IS TRUE, IS FALSE and IS UNKNOWN are not supported",
            "write `x = TRUE`, or COALESCE(x, FALSE) = TRUE",
        ),
        SqlExpr::IsDistinctFrom(..) | SqlExpr::IsNotDistinctFrom(..) => {
            ("IS DISTINCT FROM is not supported", "write `a != b OR (a IS NULL) != (b IS NULL)`")
        }
        SqlExpr::Extract { .. } | SqlExpr::AtTimeZone { .. } => (
            "EXTRACT and AT TIME ZONE are not supported",
            "times compare as they are; differences in days are DATE_DIFF('day', a, b)",
        ),
        SqlExpr::Ceil { .. } | SqlExpr::Floor { .. } => {
            ("CEIL and FLOOR are not supported", "write ROUND(x - 0.5)")
        }
        SqlExpr::Position { .. } => ("POSITION is not supported", "ask by text LIKE '%part%'"),
        SqlExpr::Trim { .. } => ("TRIM is not supported", "values are compared as they came"),
        SqlExpr::TypedString(_) => (
            "typed texts are not supported",
            "write the text alone: '2026-05-04T10:15:00Z' compares with times",
        ),
        SqlExpr::JsonAccess { .. } | SqlExpr::CompoundFieldAccess { .. } => (
            "`[…]`, `->` and `:` are not supported",
            "columns within objects are named with dots: c.device.type",
        ),
        SqlExpr::Array(_)
        | SqlExpr::Tuple(_)
        | SqlExpr::Struct { .. }
        | SqlExpr::Map(_)
        | SqlExpr::Dictionary(_) => {
            ("lists and objects are not written in a query", "name a column that holds one")
        }
        SqlExpr::Collate { .. } => ("COLLATE is not supported", "texts compare by code point"),
        SqlExpr::Lambda(_) => ("functions of items are not supported", "ask by `x = ANY(list)`"),
        SqlExpr::AllOp { .. } => ("of ANY and ALL only `= ANY(list)` is supported", "write `x = ANY(list)`"),
        _ => ("this expression is not supported", refused::SUPPORTED),
    };
    sql.unsupported(expr.span(), message, help);
}
