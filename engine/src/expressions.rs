//! Expressions and conditions over the columns of rows, compiled together: for pipelines, whose rows come from elsewhere.
//!
//! A reader of another language (SQL) makes the trees: [`ValueExpr`](crate::syntax::ValueExpr) for what has a value,
//! [`Expr`](crate::syntax::Expr) for conditions, with [`Expr::asked`](crate::syntax::Expr::asked) for tests of expressions.
//! [`Expressions::compile`] resolves their names and decides all types; evaluation then fails on nothing: what cannot be
//! calculated is missing, and a comparison with a missing side is unknown. The rules are those of criteria.

use alloc::vec::Vec;

use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::expr::check::Checker;
use crate::expr::eval::{Frame, Truth, truth};
use crate::expr::operand::Operand;
use crate::expr::scope::{Names, Scope};
use crate::expr::types::TypeSet;
use crate::expr::uses::Uses;
use crate::expr::value::Calc;
use crate::expr::value::eval::evaluate;
use crate::expr::{Node, Program, Slot};
use crate::index::Index;
use crate::syntax::{Expr, ValueExpr};
use crate::value::{DataType, Value};

/// The values of one row.
pub trait Columns {
    /// The value of a column, by its number among those that were declared; null is missing.
    fn column(&self, number: usize) -> Option<&Value>;
}

/// Compiled conditions and expressions over the columns of rows.
#[derive(Debug)]
pub struct Expressions {
    program: Program,
    conditions: Vec<Node>,
    /// Each with the types that its value may have.
    values: Vec<(Calc, TypeSet)>,
}

impl Expressions {
    /// Compiles conditions and expressions over columns of these names, each with its declared type. A column without one
    /// has the types on which all its uses agree; a value of another type is missing, and a numeric text becomes its number
    /// where a number is wanted.
    ///
    /// Names are looked up as they are: `c.user_id` is the column declared so, and no prefix has a meaning.
    ///
    /// # Errors
    ///
    /// Every finding. Its path begins with `conditions[n]` or `values[n]`.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::value::{DataType, Value};
    /// use usher_engine::{Columns, Expressions, Truth, syntax};
    ///
    /// struct Row([Option<Value>; 2]);
    /// impl Columns for Row {
    ///     fn column(&self, number: usize) -> Option<&Value> {
    ///         self.0.get(number)?.as_ref()
    ///     }
    /// }
    ///
    /// let columns = [("p.price", Some(DataType::Number)), ("u.tier", None)];
    /// let wanted = syntax::parse("u.tier IN ('gold', 'silver')").unwrap();
    /// let band = syntax::parse_value("CASE WHEN p.price / 2 > 50 THEN 'high' ELSE u.tier END").unwrap();
    /// let all = Expressions::compile(&columns, &[wanted], &[band]).unwrap();
    ///
    /// let now_ms = 1_790_000_000_000;
    /// let row = Row([Some(99.into()), Some("gold".into())]);
    /// assert_eq!(all.truth(0, &row, now_ms, now_ms), Truth::True);
    /// assert_eq!(all.value(0, &row, now_ms, now_ms), Some("gold".into()));
    /// assert_eq!(all.types(0), [DataType::String]);
    /// ```
    pub fn compile(
        columns: &[(&str, Option<DataType>)],
        conditions: &[Expr],
        values: &[ValueExpr],
    ) -> Result<Expressions, Vec<Diagnostic>> {
        let names = Declared::new(columns);
        let scope = Scope { table: None, columns_only: false, inputs: &[] };
        let mut out = Vec::new();
        let mut uses = Uses::default();
        for (index, expr) in conditions.iter().enumerate() {
            uses.add(expr, scope, &names, At::item("conditions", index), &mut out);
        }
        for (index, expr) in values.iter().enumerate() {
            uses.add_shown(expr, scope, &names, At::item("values", index), &mut out);
        }
        uses.settle();
        let mut checker = Checker::new(&names, &uses);
        let conditions = conditions.iter().enumerate();
        let conditions = conditions
            .map(|(index, expr)| checker.lower(expr, scope, At::item("conditions", index), &mut out));
        let conditions = conditions.collect();
        let values = values.iter().enumerate().map(|(index, expr)| {
            let calc = checker.value(expr, scope, At::item("values", index), &mut out);
            (calc, checker.types_of(expr, scope).values)
        });
        let values = values.collect();
        let program = checker.finish();
        if program.slots.iter().any(|typed| matches!(typed.slot, Slot::Segment(_))) {
            let message = words!("rows have no segments");
            out.push(Diagnostic::new(Code::UnknownName, message));
        }
        if out.is_empty() { Ok(Expressions { program, conditions, values }) } else { Err(out) }
    }

    /// The types that the value of an expression may have, by its number; one, unless it is that of a column without a
    /// declared type.
    pub fn types(&self, value: usize) -> Vec<DataType> {
        let types = self.values.get(value).map_or(TypeSet::of(&[]), |(_, types)| *types);
        DataType::ALL.into_iter().filter(|one| types.has(*one)).collect()
    }

    /// The truth of a condition, by its number. `event_ms` is `NOW()`, the time of the row's event; `now_ms` that which
    /// `WITHIN n DAYS` asks. Unix milliseconds.
    pub fn truth(&self, condition: usize, row: &dyn Columns, event_ms: i64, now_ms: i64) -> Truth {
        match self.conditions.get(condition) {
            Some(node) => truth(&self.program, node, &mut self.frame(row, event_ms, now_ms)),
            None => Truth::Unknown,
        }
    }

    /// The value of an expression, by its number; None: it is missing. Times as for [`Expressions::truth`].
    pub fn value(&self, value: usize, row: &dyn Columns, event_ms: i64, now_ms: i64) -> Option<Value> {
        let (calc, _) = self.values.get(value)?;
        evaluate(&self.program, calc, &mut self.frame(row, event_ms, now_ms)).value()
    }

    fn frame<'r>(&self, row: &'r dyn Columns, event_ms: i64, now_ms: i64) -> OfRow<'r> {
        OfRow { row, event_ms, now_ms, current: Operand::Missing }
    }
}

/// A row at a moment. It caches nothing: columns are at hand.
struct OfRow<'r> {
    row: &'r dyn Columns,
    event_ms: i64,
    now_ms: i64,
    /// The value that was asked for last.
    current: Operand<'r>,
}

impl<'r> Frame<'r> for OfRow<'r> {
    const REMEMBERS: bool = false;

    fn operand(&mut self, program: &Program, slot: u32) -> &Operand<'_> {
        self.current = self.fitted(program, slot);
        &self.current
    }

    fn fitted(&mut self, program: &Program, slot: u32) -> Operand<'r> {
        let Some(typed) = program.slots.get(slot as usize) else { return Operand::Missing };
        let Slot::Attribute(column) = &typed.slot else { return Operand::Missing };
        self.row
            .column(usize::from(*column))
            .map_or(Operand::Missing, |value| Operand::of(value, typed.types))
    }

    fn ingested(&mut self, program: &Program, slot: u32) -> Option<&'r Value> {
        let Slot::Attribute(column) = &program.slots.get(slot as usize)?.slot else { return None };
        self.row.column(usize::from(*column))
    }

    fn event_ms(&self) -> i64 {
        self.event_ms
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn recall(&self, _: u32) -> Option<Truth> {
        None
    }

    fn keep(&mut self, _: u32, _: Truth) {}
}

/// The names of columns; they take the place of a plan's attributes.
struct Declared {
    index: Index,
    types: Vec<TypeSet>,
}

impl Declared {
    fn new(columns: &[(&str, Option<DataType>)]) -> Declared {
        let mut declared = Declared { index: Index::default(), types: Vec::new() };
        for (name, data_type) in columns {
            // The first of several columns with one name counts; the numbers are those of the caller.
            declared.index.number(name, declared.types.len());
            declared.types.push(data_type.map_or(TypeSet::ANY, TypeSet::one));
        }
        declared
    }
}

impl Names for Declared {
    const ARE_ALL: bool = true;

    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), alloc::string::String>> {
        let index = self.index.get(name)?;
        Some(Ok((u16::try_from(index).ok()?, self.types.get(index).copied()?)))
    }
}
