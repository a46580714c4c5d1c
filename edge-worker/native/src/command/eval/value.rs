//! The value of one expression for each row.

use usher_engine::diagnostic::Diagnostic;
use usher_engine::syntax::{self, Name};
use usher_engine::value::{DataType, Value};
use usher_engine::{Columns, Expressions};

use super::refused::{borrowed, part_of, refused, unreadable};
use crate::exit::Failure;

/// A compiled expression, and the names of the columns that it may ask for.
pub(super) struct Expression {
    names: Vec<String>,
    all: Expressions,
}

/// Compiles an expression, or draws what is wrong with it.
pub(super) fn compile(text: &str, fields: &[(String, Option<DataType>)]) -> Result<Expression, Failure> {
    const WHAT: &str = "expression";
    let mut fields = borrowed(fields);
    let expr = match syntax::parse_value(text) {
        Ok(expr) => expr,
        Err(error) => return Err(refused(WHAT, text, &fields, vec![unreadable(error)])),
    };
    // Columns of events and the context of requests need no declaration.
    let mut others = Vec::new();
    expr.names(&mut |Name(name)| {
        if name.starts_with(Name::EVENT) {
            others.push((name.as_str(), None));
        } else if name.starts_with(Name::EDGE) {
            others.push((name.as_str(), Some(DataType::String)));
        }
    });
    fields.extend(others);
    match Expressions::compile(&fields, &[], std::slice::from_ref(&expr)) {
        Ok(all) => {
            let names = fields.into_iter().map(|(name, _)| name.to_owned()).collect();
            Ok(Expression { names, all })
        }
        Err(found) => {
            let parts = syntax::parts_of_value(text, &expr);
            let placed = |diagnostic: Diagnostic| {
                let place = part_of(&diagnostic, &parts).unwrap_or(0..text.len());
                (diagnostic, (place.start, place.end))
            };
            Err(refused(WHAT, text, &fields, found.into_iter().map(placed).collect()))
        }
    }
}

impl Expression {
    /// The value for a row, null where it is missing.
    pub(super) fn value<'r>(&self, known: impl Fn(&str) -> Option<&'r Value>, now_ms: i64) -> Value {
        let row = Row(self.names.iter().map(|name| known(name)).collect());
        self.all.value(0, &row, now_ms, now_ms).unwrap_or(Value::Null)
    }
}

struct Row<'r>(Vec<Option<&'r Value>>);

impl Columns for Row<'_> {
    fn column(&self, number: usize) -> Option<&Value> {
        self.0.get(number).copied().flatten()
    }
}
