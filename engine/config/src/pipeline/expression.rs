//! Expressions of a query, lowered to the language of criteria.

use sqlparser::ast::{BinaryOperator, Expr as SqlExpr, InTarget, Spanned, UnaryOperator, Value as SqlValue};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Arithmetic, Comparison, Expr, Name, Question, Test, ValueExpr};
use usher_engine::value::{Number, Value};

use super::function;
use super::sources::Sources;
use super::sql::Sql;
use crate::limits::QUERY_DEPTH_MAX;

/// An expression with a value; None after a finding.
pub(super) fn value(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<ValueExpr> {
    nested(sql, expr, |sql| value_of(sql, sources, expr))
}

/// An expression with a truth; None after a finding.
pub(super) fn condition(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<Expr> {
    nested(sql, expr, |sql| condition_of(sql, sources, expr))
}

/// Refuses what is nested too deeply.
fn nested<T>(
    sql: &mut Sql<'_, '_>,
    expr: &SqlExpr,
    read: impl FnOnce(&mut Sql<'_, '_>) -> Option<T>,
) -> Option<T> {
    if sql.depth == QUERY_DEPTH_MAX {
        let message = format!("expressions nest deeper than {QUERY_DEPTH_MAX}");
        sql.note(Code::OverBound, expr.span(), message, None);
        return None;
    }
    sql.depth += 1;
    let read = read(sql);
    sql.depth -= 1;
    read
}

fn value_of(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<ValueExpr> {
    match expr {
        SqlExpr::Nested(inner) => value(sql, sources, inner),
        SqlExpr::Identifier(part) => named(sql, sources, std::slice::from_ref(part)),
        SqlExpr::CompoundIdentifier(parts) => named(sql, sources, parts),
        SqlExpr::Value(literal) => constant(sql, expr, &literal.value),
        SqlExpr::UnaryOp { op: UnaryOperator::Minus, expr } => match value(sql, sources, expr)? {
            ValueExpr::Constant(Value::Number(number)) => negative(number),
            value => Some(ValueExpr::Negative(Box::new(value))),
        },
        SqlExpr::UnaryOp { op: UnaryOperator::Plus, expr } => value(sql, sources, expr),
        SqlExpr::BinaryOp { op, .. } if arithmetic(op).is_none() => truth(sql, sources, expr),
        SqlExpr::BinaryOp { .. } => row(sql, sources, expr),
        SqlExpr::Case { operand: None, conditions, else_result, .. } => {
            let mut branches = Vec::new();
            let mut whole = true;
            for branch in conditions {
                let when = condition(sql, sources, &branch.condition);
                let then = value(sql, sources, &branch.result);
                whole &= when.is_some() && then.is_some();
                branches.extend(when.zip(then));
            }
            let otherwise = otherwise(sql, sources, else_result.as_deref())?;
            whole.then_some(ValueExpr::Case(branches, otherwise))
        }
        SqlExpr::Case { operand: Some(operand), conditions, else_result, .. } => {
            let operand = value(sql, sources, operand);
            let mut branches = Vec::new();
            let mut whole = true;
            for branch in conditions {
                let when = value(sql, sources, &branch.condition);
                let then = value(sql, sources, &branch.result);
                whole &= when.is_some() && then.is_some();
                branches.extend(when.zip(then));
            }
            let otherwise = otherwise(sql, sources, else_result.as_deref())?;
            whole.then_some(ValueExpr::Switch(Box::new(operand?), branches, otherwise))
        }
        SqlExpr::Function(call) => function::call(sql, &|sql, expr| value(sql, sources, expr), call),
        SqlExpr::Substring { expr, substring_from, substring_for, .. } => {
            let parts = [Some(&**expr), substring_from.as_deref(), substring_for.as_deref()];
            function::substring(sql, &|sql, expr| value(sql, sources, expr), &parts)
        }
        SqlExpr::Interval(interval) => function::interval(sql, expr, interval),
        SqlExpr::IsNull(_)
        | SqlExpr::IsNotNull(_)
        | SqlExpr::Between { .. }
        | SqlExpr::In { target: InTarget::List(_), .. }
        | SqlExpr::Like { .. }
        | SqlExpr::RLike { .. }
        | SqlExpr::AnyOp { .. }
        | SqlExpr::UnaryOp { op: UnaryOperator::Not, .. } => truth(sql, sources, expr),
        other => {
            function::unsupported(sql, other);
            None
        }
    }
}

/// Signs that nest only on their left, as those of `a + b - c` do.
fn row(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<ValueExpr> {
    let (mut first, mut rest) = (expr, Vec::new());
    while let SqlExpr::BinaryOp { left, op, right } = first
        && let Some(sign) = arithmetic(op)
    {
        rest.push((sign, right));
        first = left;
    }
    // Every value is read, so that each has its findings.
    let mut all = value(sql, sources, first);
    for (sign, right) in rest.into_iter().rev() {
        let right = value(sql, sources, right);
        all = all.zip(right).map(|(left, right)| ValueExpr::arithmetic(sign, left, right));
    }
    all
}

/// A condition as a value.
fn truth(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<ValueExpr> {
    condition(sql, sources, expr).map(ValueExpr::of_condition)
}

fn otherwise(
    sql: &mut Sql<'_, '_>,
    sources: &Sources,
    expr: Option<&SqlExpr>,
) -> Option<Option<Box<ValueExpr>>> {
    match expr {
        Some(expr) => value(sql, sources, expr).map(|value| Some(Box::new(value))),
        None => Some(None),
    }
}

fn named(sql: &mut Sql<'_, '_>, sources: &Sources, parts: &[sqlparser::ast::Ident]) -> Option<ValueExpr> {
    let (source, column) = sources.resolve(sql, parts)?;
    let alias = &sources.all.get(source)?.alias;
    Some(ValueExpr::Name(Name(format!("{alias}.{column}"))))
}

fn constant(sql: &mut Sql<'_, '_>, expr: &SqlExpr, literal: &SqlValue) -> Option<ValueExpr> {
    match literal {
        SqlValue::Null => Some(ValueExpr::Null),
        SqlValue::Boolean(value) => Some(ValueExpr::Constant(Value::Boolean(*value))),
        SqlValue::SingleQuotedString(text) => Some(ValueExpr::Constant(Value::string(text))),
        SqlValue::Number(text, _) => {
            let number = number(text);
            if number.is_none() {
                sql.note(Code::BadQuery, expr.span(), format!("`{text}` is not a finite number"), None);
            }
            number.map(|number| ValueExpr::Constant(Value::Number(number)))
        }
        SqlValue::Placeholder(text) => {
            let help = "write the value, or join a source that has it";
            sql.unsupported(expr.span(), format!("the parameter `{text}` has no value"), help);
            None
        }
        _ => {
            sql.unsupported(
                expr.span(),
                "this kind of text is not supported",
                "write it in single quotes: 'text'",
            );
            None
        }
    }
}

/// A number as SQL writes it: `.5` and `5.` are numbers, too.
fn number(text: &str) -> Option<Number> {
    let text =
        if text.starts_with('.') { format!("0{text}") } else { text.replace(".e", "e").replace(".E", "E") };
    Number::parse(text.strip_suffix('.').unwrap_or(&text))
}

fn negative(number: Number) -> Option<ValueExpr> {
    let negative = match number {
        Number::Integer(value) => value.checked_neg().map(Number::Integer)?,
        Number::Float(value) => Number::float(-value)?,
    };
    Some(ValueExpr::Constant(Value::Number(negative)))
}

fn arithmetic(op: &BinaryOperator) -> Option<Arithmetic> {
    Some(match op {
        BinaryOperator::Plus => Arithmetic::Add,
        BinaryOperator::Minus => Arithmetic::Subtract,
        BinaryOperator::Multiply => Arithmetic::Multiply,
        BinaryOperator::Divide => Arithmetic::Divide,
        BinaryOperator::Modulo => Arithmetic::Remainder,
        BinaryOperator::StringConcat => Arithmetic::Join,
        _ => return None,
    })
}

fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterEqual,
        _ => return None,
    })
}

fn condition_of(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<Expr> {
    match expr {
        SqlExpr::Nested(inner) => condition(sql, sources, inner),
        SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => {
            condition(sql, sources, expr).map(|inner| Expr::Not(Box::new(inner)))
        }
        SqlExpr::BinaryOp { op: BinaryOperator::And, .. } => {
            let parts = chain(sql, sources, expr, &BinaryOperator::And);
            parts.map(Expr::all)
        }
        SqlExpr::BinaryOp { op: BinaryOperator::Or, .. } => {
            let parts = chain(sql, sources, expr, &BinaryOperator::Or);
            parts.and_then(Expr::any)
        }
        SqlExpr::BinaryOp { left, op: BinaryOperator::PGRegexMatch, right } => {
            matches(sql, sources, left, right, false)
        }
        SqlExpr::RLike { negated, expr, pattern, .. } => matches(sql, sources, expr, pattern, *negated),
        SqlExpr::BinaryOp { left, op, right } => match comparison(op) {
            Some(comparison) => {
                let (left, right) = (value(sql, sources, left), value(sql, sources, right));
                Some(Expr::asked(left?, Question::Compare(comparison, right?), false))
            }
            None if arithmetic(op).is_some() => is_true(sql, sources, expr),
            None => {
                let help = "operators are = != < <= > >= AND OR NOT + - * / % and ||";
                sql.unsupported(expr.span(), format!("the operator `{op}` is not supported"), help);
                None
            }
        },
        SqlExpr::IsNull(inner) => asked(sql, sources, inner, Question::Test(Test::Null), false),
        SqlExpr::IsNotNull(inner) => asked(sql, sources, inner, Question::Test(Test::Null), true),
        SqlExpr::Between { expr, negated, low, high } => {
            let left = value(sql, sources, expr);
            let (low, high) = (value(sql, sources, low), value(sql, sources, high));
            Some(Expr::asked(left?, Question::Between(low?, high?), *negated))
        }
        SqlExpr::In { expr, target: InTarget::List(items), negated, .. } => {
            let left = value(sql, sources, expr);
            let values: Vec<_> = items.iter().map(|item| value(sql, sources, item)).collect();
            let values = values.into_iter().collect::<Option<Vec<_>>>()?;
            Some(Expr::asked(left?, Question::In(values), *negated))
        }
        SqlExpr::Like { negated, expr: left, pattern, escape_char, any } => {
            if *any || escape_char.is_some() {
                let help = "`%` is any text and `_` any one character; neither can be escaped";
                sql.unsupported(pattern.span(), "ANY and ESCAPE of LIKE are not supported", help);
                return None;
            }
            let pattern = text(sql, pattern, "`LIKE` compares with a text, such as `LIKE 'a%'`")?;
            asked(sql, sources, left, Question::Test(Test::Like(pattern)), *negated)
        }
        SqlExpr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            let (left, right) = (value(sql, sources, left), value(sql, sources, right));
            Some(Expr::asked(left?, Question::AnyOf(right?), false))
        }
        SqlExpr::AnyOp { .. } | SqlExpr::AllOp { .. } => {
            let help = "write `x = ANY(list)`, or NOT around it";
            sql.unsupported(expr.span(), "of ANY and ALL only `= ANY(list)` is supported", help);
            None
        }
        SqlExpr::Value(literal) if matches!(literal.value, SqlValue::Boolean(_)) => {
            Some(Expr::Constant(literal.value == SqlValue::Boolean(true)))
        }
        _ => is_true(sql, sources, expr),
    }
}

/// A value that is a condition by itself, such as a column with `true` and `false`.
fn is_true(sql: &mut Sql<'_, '_>, sources: &Sources, expr: &SqlExpr) -> Option<Expr> {
    let yes = ValueExpr::Constant(Value::Boolean(true));
    asked(sql, sources, expr, Question::Compare(Comparison::Equal, yes), false)
}

fn asked(
    sql: &mut Sql<'_, '_>,
    sources: &Sources,
    expr: &SqlExpr,
    question: Question,
    negated: bool,
) -> Option<Expr> {
    value(sql, sources, expr).map(|value| Expr::asked(value, question, negated))
}

fn matches(
    sql: &mut Sql<'_, '_>,
    sources: &Sources,
    left: &SqlExpr,
    pattern: &SqlExpr,
    negated: bool,
) -> Option<Expr> {
    let pattern = text(sql, pattern, "a regular expression is a text, such as `page REGEXP '^/product/'`")?;
    asked(sql, sources, left, Question::Test(Test::Matches(pattern)), negated)
}

/// A text that is written in the query.
fn text(sql: &mut Sql<'_, '_>, expr: &SqlExpr, message: &str) -> Option<String> {
    match expr {
        SqlExpr::Value(literal) if matches!(literal.value, SqlValue::SingleQuotedString(_)) => {
            literal.value.clone().into_string()
        }
        other => {
            sql.unsupported(other.span(), message, "it cannot be computed or come from a column");
            None
        }
    }
}

/// The conditions that one word joins, in order.
fn chain(
    sql: &mut Sql<'_, '_>,
    sources: &Sources,
    expr: &SqlExpr,
    word: &BinaryOperator,
) -> Option<Vec<Expr>> {
    let (mut open, mut parts) = (vec![expr], Vec::new());
    while let Some(next) = open.pop() {
        match next {
            SqlExpr::BinaryOp { left, op, right } if op == word => open.extend([&**right, &**left]),
            SqlExpr::Nested(inner) if matches!(&**inner, SqlExpr::BinaryOp { op, .. } if op == word) => {
                open.push(inner);
            }
            part => parts.push(part),
        }
    }
    let read: Vec<_> = parts.into_iter().map(|part| condition(sql, sources, part)).collect();
    read.into_iter().collect()
}
