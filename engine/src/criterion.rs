//! A single criterion, compiled against named fields and evaluated on rows of them.
//!
//! For tools that have values but no visitor: the command line, comparisons with other engines, benchmarks. Language,
//! compiler and evaluation are the same as those of a plan.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::diagnostic::{At, Diagnostic};
use crate::expr::check::Checker;
use crate::expr::eval::{Frame, Truth, one, truth};
use crate::expr::operand::Operand;
use crate::expr::scope::{Names, Scope};
use crate::expr::types::TypeSet;
use crate::expr::uses::Uses;
use crate::expr::{Node, Program, Slot};
use crate::index::Index;
use crate::objects::values_of;
use crate::syntax::{Expr, Name};
use crate::value::{DataType, Value};

/// A criterion with its names resolved and its types decided.
#[derive(Debug)]
pub struct Criterion {
    program: Program,
    node: Node,
    /// The name of the row's value, by slot.
    names: Vec<String>,
}

/// The values that one criterion asks about, fitted to their slots: made by [`Criterion::row`], for that criterion
/// alone.
#[derive(Clone)]
pub struct Row<'a> {
    operands: Vec<Operand<'a>>,
    /// The same as they were given, where expressions may ask for their texts.
    given: Vec<Option<&'a Value>>,
}

impl fmt::Debug for Row<'_> {
    // Not derived: a derived `Debug` would format every value of a list, and add that code to the wasm.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row of {}", self.operands.len())
    }
}

impl Criterion {
    /// The column of an imported record that lists the segments a profile is in, which `segment('x')` asks for.
    pub const SEGMENTS: &'static str = "batch_segments";

    /// Compiles a criterion over fields of these names and types. Where no type is declared, the one type that its uses
    /// agree on holds. Names with `event.` or `edge.` and segments need no declaration. `Err` holds every finding.
    ///
    /// # Errors
    ///
    /// Every finding: unknown fields, types that do not agree, patterns that do not compile.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::value::{DataType, Value};
    /// use usher_engine::{Criterion, Truth, syntax};
    ///
    /// let fields = [("age", Some(DataType::Number)), ("tier", None)];
    /// let expr = syntax::parse("age >= 18 AND tier = 'gold'").unwrap();
    /// let criterion = Criterion::compile(&expr, &fields).unwrap();
    ///
    /// let (age, tier) = (Value::from(20), Value::from("gold"));
    /// let row = criterion.row(|name| if name == "age" { Some(&age) } else { Some(&tier) });
    /// assert_eq!(criterion.evaluate(&row, 1_790_000_000_000), Truth::True);
    /// // A condition on a missing value is unknown.
    /// let row = criterion.row(|name| (name == "age").then_some(&age));
    /// assert_eq!(criterion.evaluate(&row, 1_790_000_000_000), Truth::Unknown);
    /// ```
    pub fn compile(expr: &Expr, fields: &[(&str, Option<DataType>)]) -> Result<Criterion, Vec<Diagnostic>> {
        let fields = Fields::new(fields);
        let scope = Scope { table: None, columns_only: false, inputs: &[] };
        let (mut uses, mut out) = (Uses::default(), Vec::new());
        uses.add(expr, scope, &fields, At::list("criterion"), &mut out);
        uses.settle();
        let mut checker = Checker::new(&fields, &uses);
        let node = checker.lower(expr, scope, At::list("criterion"), &mut out);
        if !out.is_empty() {
            return Err(out);
        }
        let program = checker.finish();
        let names = program.slots.iter().map(|typed| match &typed.slot {
            Slot::Attribute(index) => fields.name(*index),
            Slot::Column(column) => Name::column(column).0,
            Slot::Edge(name) => [Name::EDGE, name].concat(),
            Slot::Input(name) => name.clone(),
            Slot::Segment(_) => Criterion::SEGMENTS.into(),
        });
        let names = names.collect();
        Ok(Criterion { program, node, names })
    }

    /// Fits values to what is asked of them: one that does not fit is missing, a numeric text becomes its number.
    ///
    /// `value_of` is asked once for each name that the criterion mentions, as it is written there; for segments it is
    /// asked for [`Criterion::SEGMENTS`], a list of their names.
    pub fn row<'a>(&self, mut value_of: impl FnMut(&str) -> Option<&'a Value>) -> Row<'a> {
        let mut given = Vec::new();
        let operand = self.program.slots.iter().zip(&self.names).map(|(typed, name)| {
            let value = value_of(name);
            if !self.program.computed.is_empty() {
                given.push(value);
            }
            match (&typed.slot, value) {
                (Slot::Segment(segment), value) => {
                    let segments = value.and_then(Value::as_list).unwrap_or_default();
                    Operand::Boolean(segments.iter().any(|one| one.as_str() == Some(segment)))
                }
                (Slot::Column(column), Some(Value::List(values)))
                    if Name::array_and_column(column).is_some() =>
                {
                    Operand::List(values, typed.types.items())
                }
                (Slot::Column(_), Some(value)) => Operand::of_column(value, typed.types),
                (_, Some(value)) => Operand::of(value, typed.types),
                (_, None) => Operand::Missing,
            }
        });
        let operands = operand.collect();
        Row { operands, given }
    }

    /// The values of the columns of objects in arrays (`event.products[].sku`) that the criterion mentions, by their names:
    /// [`Criterion::row`] asks for those, too. An object that lacks its column has null there. `value_of` is asked for the
    /// arrays (`event.products`).
    pub fn of_objects<'a>(
        &self,
        mut value_of: impl FnMut(&str) -> Option<&'a Value>,
    ) -> Vec<(String, Value)> {
        let slots = self.program.slots.iter().zip(&self.names);
        let values = slots.filter_map(|(typed, name)| {
            let Slot::Column(column) = &typed.slot else { return None };
            let (array, _) = Name::array_and_column(column)?;
            let objects = value_of(&Name::column(array).0)?;
            let values = values_of(&[(array.into(), objects.clone())], column, typed.types);
            (!values.is_empty()).then(|| (name.clone(), Value::List(values)))
        });
        values.collect()
    }

    /// True if the criterion is true of a row at `now_ms`, Unix milliseconds. Does not allocate, except for regular
    /// expressions that are more than a prefix, suffix, substring or equality.
    // Inlined, because the call would cost as much as the evaluation.
    #[inline(always)]
    pub fn evaluate(&self, row: &Row<'_>, now_ms: i64) -> Truth {
        // Fast path: most criteria are a single question. A group takes the values by reference, for which they must
        // lie in memory.
        match &self.node {
            Node::Predicate(index) => one(&self.program, *index, &mut Asked { row, now_ms }),
            _ => self.evaluate_group(row, now_ms),
        }
    }

    #[inline(never)]
    fn evaluate_group(&self, row: &Row<'_>, now_ms: i64) -> Truth {
        truth(&self.program, &self.node, &mut Asked { row, now_ms })
    }
}

/// A row at a moment. It caches no answers: one criterion seldom repeats a question.
struct Asked<'r, 'a> {
    row: &'r Row<'a>,
    now_ms: i64,
}

impl<'a> Frame<'a> for Asked<'_, 'a> {
    const REMEMBERS: bool = false;

    fn operand(&mut self, _: &Program, slot: u32) -> &Operand<'_> {
        self.row.operands.get(slot as usize).unwrap_or(&Operand::Missing)
    }

    fn fitted(&mut self, _: &Program, slot: u32) -> Operand<'a> {
        self.row.operands.get(slot as usize).copied().unwrap_or(Operand::Missing)
    }

    fn ingested(&mut self, _: &Program, slot: u32) -> Option<&'a Value> {
        self.row.given.get(slot as usize).copied().flatten()
    }

    fn event_ms(&self) -> i64 {
        self.now_ms
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn recall(&self, _: u32) -> Option<Truth> {
        None
    }

    fn keep(&mut self, _: u32, _: Truth) {}
}

/// Declared fields; they take the place of a plan's attributes.
struct Fields {
    index: Index,
    names: Vec<String>,
    types: Vec<TypeSet>,
}

impl Fields {
    fn new(fields: &[(&str, Option<DataType>)]) -> Fields {
        let mut declared = Fields { index: Index::default(), names: Vec::new(), types: Vec::new() };
        for (name, data_type) in fields {
            let next = declared.names.len();
            // The first of several fields with one name counts.
            if declared.index.number(name, next) == next {
                declared.names.push((*name).into());
                declared.types.push(data_type.map_or(TypeSet::ANY, TypeSet::one));
            }
        }
        declared
    }

    fn name(&self, index: u16) -> String {
        self.names.get(usize::from(index)).cloned().unwrap_or_default()
    }
}

impl Names for Fields {
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>> {
        let index = self.index.get(name)?;
        let types = self.types.get(index).copied()?;
        Some(Ok((u16::try_from(index).ok()?, types)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, NameKind, Unknown};
    use crate::syntax;
    use alloc::vec;

    const NOW_MS: i64 = 1_790_000_000_000;

    const FIELDS: [(&str, Option<DataType>); 6] = [
        ("age", Some(DataType::Number)),
        ("tier", Some(DataType::String)),
        ("operand", Some(DataType::Timestamp)),
        ("tags", Some(DataType::StringArray)),
        ("vip", Some(DataType::Boolean)),
        ("free", None),
    ];

    fn compile(text: &str) -> Result<Criterion, Vec<Diagnostic>> {
        Criterion::compile(&syntax::parse(text).unwrap(), &FIELDS)
    }

    fn decide(text: &str, values: &[(&str, Value)]) -> Truth {
        let criterion = compile(text).unwrap();
        let row = criterion.row(|name| Some(&values.iter().find(|(known, _)| *known == name)?.1));
        criterion.evaluate(&row, NOW_MS)
    }

    #[test]
    fn rows_are_decided() {
        let list = |items: &[&str]| Value::List(items.iter().map(|item| Value::from(*item)).collect());
        for (text, values, expected) in [
            ("", vec![], Truth::True),
            ("FALSE", vec![], Truth::False),
            ("age = 5", vec![("age", 5.into())], Truth::True),
            // The ingest rule: numeric text is its number, what does not fit is missing.
            ("age > 17", vec![("age", "18.0".into())], Truth::True),
            ("age > 17", vec![("age", "old".into())], Truth::Unknown),
            ("NOT age > 17", vec![("age", "old".into())], Truth::Unknown),
            ("age IS NULL", vec![("age", "old".into())], Truth::True),
            ("tier IN ('gold', 'VIP') AND age < 5", vec![("tier", "VIP".into())], Truth::Unknown),
            ("tier IN ('gold', 'VIP') AND age < 5", vec![("tier", "new".into())], Truth::False),
            ("tier = 'a' OR tier = 'b' OR NOT vip = TRUE", vec![("vip", false.into())], Truth::True),
            ("operand WITHIN 1 DAYS", vec![("operand", "2026-09-21T13:00:00Z".into())], Truth::True),
            ("operand > 1700000000", vec![("operand", "2026-09-21T13:00:00Z".into())], Truth::True),
            ("operand IS NULL", vec![("operand", "soon".into())], Truth::True),
            ("tags CONTAINS 'a' AND SIZE(tags) = 2", vec![("tags", list(&["b", "a"]))], Truth::True),
            ("SIZE(tags) = 0", vec![], Truth::True),
            ("free = 5", vec![("free", "5".into())], Truth::True),
            ("free = 'x'", vec![("free", 5.into())], Truth::Unknown),
            ("event.price BETWEEN 1 AND 5", vec![("event.price", 5.into())], Truth::True),
            ("edge.country = 'JP'", vec![("edge.country", "JP".into())], Truth::True),
            ("segment('a')", vec![("batch_segments", list(&["a"]))], Truth::True),
            ("segment('a')", vec![], Truth::False),
        ] {
            assert_eq!(decide(text, &values), expected, "{text} of {values:?}");
        }
    }

    #[test]
    fn findings_are_all_told() {
        let findings = compile("agee > 5 AND vip > TRUE AND tier = 5").unwrap_err();
        let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
        for code in [Code::UnknownName, Code::TypeMismatch] {
            assert!(codes.contains(&code), "{findings:?}");
        }
        let unknown = findings.iter().find(|finding| finding.code == Code::UnknownName).unwrap();
        let agee = Unknown { kind: NameKind::Attribute, name: "agee".into() };
        assert_eq!(unknown.unknown, Some(agee));
        // Uses that disagree leave no type.
        assert!(compile("free = 5 AND free = 'x'").is_err());
    }
}
