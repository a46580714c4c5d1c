//! The expressions of a pipeline, compiled together: WHERE, and the columns that are computed. [`RowPlan`] is the whole
//! query.

mod row;
mod tables;

pub use row::{Place, RowPlan, Sources};
pub use tables::{TableRow, TableRows};

use alloc::string::String;
use alloc::vec::Vec;

use crate::definition::pipeline::{Column, Pipeline};
use crate::diagnostic::Diagnostic;
use crate::expr::eval::Truth;
use crate::expressions::{Columns, Expressions};
use crate::syntax::{Expr, ValueExpr};
use crate::value::{DataType, Value};

/// The compiled expressions of a pipeline.
#[derive(Debug)]
pub struct RowProgram {
    expressions: Expressions,
    names: Vec<String>,
    has_condition: bool,
    /// The columns that are computed, by their place in the query.
    computed: Vec<usize>,
}

impl RowProgram {
    /// Compiles the expressions of a pipeline.
    ///
    /// # Errors
    ///
    /// Every finding, at `condition` or `columns[n]`: types that do not agree, patterns that do not compile.
    pub fn compile(pipeline: &Pipeline) -> Result<RowProgram, Vec<Diagnostic>> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        };
        let conditions: Vec<Expr> = pipeline.condition.iter().cloned().collect();
        let (mut values, mut computed) = (Vec::new(), Vec::new());
        conditions.iter().for_each(|condition| of_condition(condition, &mut add));
        for (index, column) in pipeline.columns.iter().enumerate() {
            match column {
                Column::Value { value: ValueExpr::Name(_), .. } | Column::All | Column::AllOf(_) => {}
                Column::Value { value, .. } => {
                    of_value(value, &mut add);
                    values.push(value.clone());
                    computed.push(index);
                }
            }
        }
        let columns: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
        match Expressions::compile(&columns, &conditions, &values) {
            Ok(expressions) => {
                Ok(RowProgram { expressions, names, has_condition: !conditions.is_empty(), computed })
            }
            Err(found) => Err(found.into_iter().map(|finding| located(finding, &computed)).collect()),
        }
    }

    /// The columns that the expressions read, as `alias.column`; [`Columns`] numbers them in this order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns that are computed, by their place in the query: [`RowProgram::value`] numbers them in this order.
    pub fn computed(&self) -> &[usize] {
        &self.computed
    }

    /// The types that the value of a computed column may have; one, unless it passes what it cannot tell.
    pub fn types(&self, computed: usize) -> Vec<DataType> {
        self.expressions.types(computed)
    }

    /// The truth of WHERE for a row of an event at this time, Unix milliseconds. True without a WHERE.
    pub fn condition(&self, row: &dyn Columns, event_ms: i64) -> Truth {
        if self.has_condition { self.expressions.truth(0, row, event_ms, event_ms) } else { Truth::True }
    }

    /// The value of a computed column for a row of an event at this time, Unix milliseconds; None: it is missing.
    pub fn value(&self, computed: usize, row: &dyn Columns, event_ms: i64) -> Option<Value> {
        self.expressions.value(computed, row, event_ms, event_ms)
    }
}

/// A finding about expressions, at the part of the pipeline that they are of.
fn located(mut finding: Diagnostic, computed: &[usize]) -> Diagnostic {
    let rest = finding.path.strip_prefix("values[").and_then(|rest| rest.split_once(']'));
    let column = rest.and_then(|(number, _)| computed.get(number.parse::<usize>().ok()?));
    finding.path = match column {
        Some(column) => alloc::format!("columns[{column}]"),
        None => "condition".into(),
    };
    finding
}

/// Calls back with each name in a condition.
fn of_condition(expr: &Expr, found: &mut dyn FnMut(&str)) {
    match expr {
        Expr::Constant(_) | Expr::Segment(_) => {}
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| of_condition(part, found)),
        Expr::Not(inner) => of_condition(inner, found),
        Expr::Test { name, .. } => found(&name.0),
        Expr::Computed(computed) => {
            of_value(&computed.left, found);
            computed.question.values(&mut |value| of_value(value, found));
        }
    }
}

/// Calls back with each name in an expression.
fn of_value(value: &ValueExpr, found: &mut dyn FnMut(&str)) {
    if let ValueExpr::Name(name) = value {
        found(&name.0);
    }
    value.parts(&mut |part| of_value(part, found));
    value.conditions(&mut |condition| of_condition(condition, found));
}
