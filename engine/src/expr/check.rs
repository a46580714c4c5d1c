//! Trees to a typed, slotted program, with a diagnostic for everything that cannot be one.
//!
//! Two passes over every criterion of a plan: [`Uses`] collects which types each name's uses allow, then [`Checker`]
//! lowers the trees with the intersection in hand.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::types::TypeSet;
use super::{Node, Op, Predicate, Program, Slot};
use crate::diagnostic::{Code, Diagnostic};
use crate::index::Index;
use crate::limits::{CRITERIA_DEPTH_MAX, CRITERIA_TESTS_MAX, DAY_MS, IN_VALUES_MAX};
use crate::order;
use crate::pattern::Pattern;
use crate::syntax::{Comparison, Expr, Name, Test};
use crate::time;
use crate::value::{DataType, Number, Value};

/// Where a criterion stands: which names it can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The event table whose columns `event.` names mean; columns of one name in two tables are two columns.
    pub(crate) table: Option<usize>,
    /// Whether only columns of the event may be named (filters).
    pub(crate) columns_only: bool,
    /// What the caller hands in.
    pub(crate) inputs: &'a [crate::definition::Input],
}

/// What a name can mean outside one criterion.
pub(crate) trait Names {
    /// The attribute of this name (and part), with its declared types; `Err` says what is wrong with the part.
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>>;
    /// A name that is close to this one.
    fn suggest(&self, name: &str) -> Option<String>;
}

/// Which types the uses of each value allow.
#[derive(Default)]
pub(crate) struct Uses {
    /// Values by what identifies them across criteria.
    known: Index,
    types: Vec<TypeSet>,
}

impl Uses {
    /// Adds what one criterion says about the values it names.
    pub(crate) fn add(
        &mut self,
        expr: &Expr,
        scope: Scope<'_>,
        names: &impl Names,
        at: &str,
        out: &mut Vec<Diagnostic>,
    ) {
        if depth(expr) > CRITERIA_DEPTH_MAX {
            return;
        }
        for_each_test(expr, &mut |name, test| {
            // What cannot be resolved is reported when the criterion is lowered.
            let Some((slot, declared)) = resolve(name, scope, names).ok() else { return };
            let index = self.known.number(identity(&slot, scope), self.types.len());
            if index == self.types.len() {
                self.types.push(declared);
            }
            let Some(so_far) = self.types.get_mut(index) else { return };
            let both = so_far.and(allowed(test));
            if both.is_empty() && !so_far.is_empty() {
                let message =
                    alloc::format!("`{name}` is {so_far} here, and this asks for {}", allowed(test));
                out.push(Diagnostic::new(Code::TypeMismatch, at, message).help(
                    "declare its type, or make the uses agree; text stands in single quotes, numbers do not",
                ));
            }
            *so_far = both;
        });
    }

    /// What an attribute may be: its declaration and all its uses.
    pub(crate) fn of_attribute(&self, index: u16, declared: TypeSet) -> TypeSet {
        self.of(&identity_of_attribute(index)).unwrap_or(declared)
    }

    fn of(&self, identity: &str) -> Option<TypeSet> {
        self.types.get(self.known.get(identity)?).copied()
    }
}

/// What identifies a value across criteria.
fn identity(slot: &Slot, scope: Scope<'_>) -> String {
    match slot {
        Slot::Attribute(index) => identity_of_attribute(*index),
        Slot::Column(column) => match scope.table {
            Some(table) => alloc::format!("event.{table}.{column}"),
            None => alloc::format!("event..{column}"),
        },
        Slot::Edge(name) => ["edge.", name].concat(),
        Slot::Input(name) => ["input.", name].concat(),
        Slot::Segment(name) => ["segment.", name].concat(),
    }
}

fn identity_of_attribute(index: u16) -> String {
    alloc::format!("attribute.{index}")
}

/// What the edge knows of a request.
const EDGE_NAMES: [&str; 3] = ["country", "city", "device"];

fn resolve(name: &Name, scope: Scope<'_>, names: &impl Names) -> Result<(Slot, TypeSet), (Code, String)> {
    if let Some(column) = name.0.strip_prefix(Name::EVENT) {
        // The column `time` is the event's resolved time.
        let declared = if column == "time" { TypeSet::TIMES } else { TypeSet::ANY };
        return Ok((Slot::Column(column.into()), declared));
    }
    if scope.columns_only {
        let message = alloc::format!("`{name}` is no column; a filter names columns, as `event.{}`", name.0);
        return Err((Code::UnknownName, message));
    }
    if let Some(edge) = name.0.strip_prefix(Name::EDGE) {
        return if EDGE_NAMES.contains(&edge) {
            Ok((Slot::Edge(edge.into()), TypeSet::one(DataType::String)))
        } else {
            Err((Code::UnknownName, alloc::format!("unknown edge value `{name}`")))
        };
    }
    if let Some(input) = scope.inputs.iter().find(|input| input.name == name.0) {
        return if names.attribute(&name.0).is_some() {
            let message = alloc::format!("`{name}` is both an attribute and an input");
            Err((Code::DuplicateName, message))
        } else {
            Ok((Slot::Input(input.name.clone()), TypeSet::one(input.data_type)))
        };
    }
    match names.attribute(&name.0) {
        Some(Ok((index, types))) => Ok((Slot::Attribute(index), types)),
        Some(Err(message)) => Err((Code::UnknownName, message)),
        None => Err((Code::UnknownName, alloc::format!("unknown attribute `{name}`"))),
    }
}

/// Which types a value may have to be asked this.
fn allowed(test: &Test) -> TypeSet {
    match test {
        Test::Equal(value) => of_literal(value),
        Test::Order(_, value) => of_ordered(value),
        Test::In(values) => values.iter().fold(TypeSet::ANY, |types, value| types.and(of_literal(value))),
        Test::Between(low, high) => of_ordered(low).and(of_ordered(high)),
        Test::Like(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Matches(_) => {
            TypeSet::one(DataType::String)
        }
        Test::Contains(Value::Number(_)) => TypeSet::one(DataType::NumberArray),
        Test::Contains(_) => TypeSet::of(&[DataType::String, DataType::StringArray]),
        Test::Null => TypeSet::ANY,
        Test::WithinDays(_) => TypeSet::TIMES,
        Test::Size(..) => TypeSet::LISTS,
    }
}

fn of_literal(value: &Value) -> TypeSet {
    match value {
        Value::Boolean(_) => TypeSet::one(DataType::Boolean),
        value => of_ordered(value),
    }
}

/// Booleans have no order, lists and objects no literals: the empty set.
fn of_ordered(value: &Value) -> TypeSet {
    match value {
        Value::Number(_) => TypeSet::of(&[DataType::Number, DataType::Timestamp]),
        Value::String(text) if time::rfc3339_ms(text).or_else(|| time::date_ms(text)).is_some() => {
            TypeSet::of(&[DataType::String, DataType::Timestamp, DataType::Date])
        }
        Value::String(_) => TypeSet::one(DataType::String),
        _ => TypeSet::of(&[]),
    }
}

fn for_each_test(expr: &Expr, visit: &mut impl FnMut(&Name, &Test)) {
    match expr {
        Expr::Constant(_) | Expr::Segment(_) => {}
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| for_each_test(part, visit)),
        Expr::Not(inner) => for_each_test(inner, visit),
        Expr::Test { name, test, .. } => visit(name, test),
    }
}

fn depth(expr: &Expr) -> usize {
    // Trees come from bounded readers; what is read as data nests at most as deep as its reader allows.
    match expr {
        Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => 1,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(depth).max().unwrap_or(0).saturating_add(1),
        Expr::Not(inner) => depth(inner).saturating_add(1),
    }
}

/// Lowers criteria into one program; equal tests share a predicate.
pub(crate) struct Checker<'a, N> {
    pub(crate) names: &'a N,
    pub(crate) uses: &'a Uses,
    pub(crate) program: Program,
    /// Predicates by what makes them equal: the value that is asked about, and the question.
    known: Index,
}

impl<'a, N: Names> Checker<'a, N> {
    pub(crate) fn new(names: &'a N, uses: &'a Uses) -> Checker<'a, N> {
        Checker { names, uses, program: Program::default(), known: Index::default() }
    }

    /// One criterion. What is wrong with it goes to `out`; a criterion with an error is never.
    pub(crate) fn lower(
        &mut self,
        expr: &Expr,
        scope: Scope<'_>,
        at: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Node {
        if depth(expr) > CRITERIA_DEPTH_MAX {
            let message = alloc::format!("criteria nest deeper than {CRITERIA_DEPTH_MAX}");
            out.push(Diagnostic::new(Code::OverBound, at, message));
            return Node::Constant(false);
        }
        let mut tests = 0_usize;
        for_each_test(expr, &mut |_, _| tests = tests.saturating_add(1));
        if tests > CRITERIA_TESTS_MAX {
            let message = alloc::format!(
                "{tests} conditions in one criterion, at most {CRITERIA_TESTS_MAX} are allowed"
            );
            out.push(Diagnostic::new(Code::OverBound, at, message));
            return Node::Constant(false);
        }
        self.node(expr, scope, at, out)
    }

    fn node(&mut self, expr: &Expr, scope: Scope<'_>, at: &str, out: &mut Vec<Diagnostic>) -> Node {
        match expr {
            Expr::Constant(value) => Node::Constant(*value),
            Expr::And(parts) => Node::And(parts.iter().map(|part| self.node(part, scope, at, out)).collect()),
            Expr::Or(parts) => {
                if parts.is_empty() {
                    let message = "an empty OR matches nobody";
                    out.push(
                        Diagnostic::new(Code::BadCriteria, at, message)
                            .help("remove it, or give it conditions"),
                    );
                }
                Node::Or(parts.iter().map(|part| self.node(part, scope, at, out)).collect())
            }
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner, scope, at, out))),
            Expr::Segment(name) if scope.columns_only => {
                let message = alloc::format!("segment `{name}` in a filter; a filter names columns only");
                out.push(Diagnostic::new(Code::UnknownName, at, message));
                Node::Constant(false)
            }
            Expr::Segment(name) => {
                let predicate = Predicate {
                    slot: Slot::Segment(name.clone()),
                    types: TypeSet::one(DataType::Boolean),
                    op: Op::Segment,
                    negated: false,
                };
                self.share(predicate, scope, expr.to_string())
            }
            Expr::Test { name, test, negated } => match self.predicate(name, test, *negated, scope) {
                Ok(predicate) => self.share(predicate, scope, expr.to_string()),
                Err(diagnostic) => {
                    out.push(Diagnostic { path: at.into(), ..diagnostic });
                    Node::Constant(false)
                }
            },
        }
    }

    fn share(&mut self, predicate: Predicate, scope: Scope<'_>, text: String) -> Node {
        let identity = identity(&predicate.slot, scope);
        let next = self.program.predicates.len();
        // With its length, so that no two pairs make one text.
        let index = self.known.number(alloc::format!("{} {identity} {text}", identity.len()), next);
        if index == next {
            self.program.predicates.push(predicate);
        }
        Node::Predicate(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn predicate(
        &self,
        name: &Name,
        test: &Test,
        negated: bool,
        scope: Scope<'_>,
    ) -> Result<Predicate, Diagnostic> {
        let (slot, declared) = resolve(name, scope, self.names).map_err(|(code, message)| {
            let diagnostic = Diagnostic::new(code, "", message);
            match self.names.suggest(&name.0).filter(|_| code == Code::UnknownName && !scope.columns_only) {
                Some(other) => diagnostic.help(alloc::format!("did you mean `{other}`?")),
                None => diagnostic,
            }
        })?;
        let types = self.uses.of(&identity(&slot, scope)).unwrap_or(declared);
        if types.is_empty() {
            // A literal that no type compares with; disagreeing uses were reported when they were collected.
            let message = alloc::format!("`{name}` cannot be asked this");
            return Err(Diagnostic::new(Code::TypeMismatch, "", message));
        }
        Ok(Predicate { slot, types, op: op(name, test, types)?, negated })
    }
}

/// The question with its right side ready. `types` is not empty and allows the test.
fn op(name: &Name, test: &Test, types: TypeSet) -> Result<Op, Diagnostic> {
    let mismatch = |value: &Value| {
        let message = match value {
            Value::Boolean(_) => {
                alloc::format!("booleans have no order, so `{name}` cannot be compared this way")
            }
            _ => alloc::format!("`{name}` is {types} and does not compare with this value"),
        };
        Diagnostic::new(Code::TypeMismatch, "", message)
    };
    Ok(match test {
        Test::Equal(value) => match literal(value, types).ok_or_else(|| mismatch(value))? {
            Literal::Text(text) => Op::EqualText(text),
            Literal::Number(number) => Op::EqualNumber(number),
            Literal::Instant(ms) => Op::EqualInstant(ms),
            Literal::Boolean(value) => Op::EqualBoolean(value),
        },
        Test::Order(comparison, value) => match literal(value, types).ok_or_else(|| mismatch(value))? {
            Literal::Text(text) => Op::OrderText(*comparison, text),
            Literal::Number(number) => Op::OrderNumber(*comparison, number),
            Literal::Instant(ms) => Op::OrderInstant(*comparison, ms),
            Literal::Boolean(_) => return Err(mismatch(value)),
        },
        Test::In(values) => in_list(values, types, &mismatch)?,
        Test::Between(low, high) => {
            let low = literal(low, types).ok_or_else(|| mismatch(low))?;
            match (low, literal(high, types).ok_or_else(|| mismatch(high))?) {
                (Literal::Text(low), Literal::Text(high)) => Op::BetweenTexts(low, high),
                (Literal::Number(low), Literal::Number(high)) => Op::BetweenNumbers(low, high),
                (Literal::Instant(low), Literal::Instant(high)) => Op::BetweenInstants(low, high),
                _ => return Err(mismatch(high)),
            }
        }
        Test::Like(pattern) => Op::Like(pattern.clone()),
        Test::StartsWith(text) => Op::StartsWith(text.clone()),
        Test::EndsWith(text) => Op::EndsWith(text.clone()),
        Test::Contains(Value::String(text)) => Op::ContainsText(text.clone()),
        Test::Contains(Value::Number(number)) => Op::ContainsNumber(*number),
        Test::Contains(value) => return Err(mismatch(value)),
        Test::Matches(pattern) => Op::Matches(compile_pattern(pattern, "")?),
        Test::Null => Op::Null,
        Test::WithinDays(days) => {
            let milliseconds = days.to_f64() * DAY_MS as f64;
            // 10⁶ days keep every instant in range.
            if !(0.0..=1e6 * DAY_MS as f64).contains(&milliseconds) {
                let message = alloc::format!("`{days}` is no usable number of days");
                return Err(Diagnostic::new(Code::BadDuration, "", message).help("use 0 to 1000000"));
            }
            Op::Within(milliseconds as i64)
        }
        Test::Size(comparison, count) => Op::Size(*comparison, *count),
    })
}

/// A regular expression of a definition.
pub(crate) fn compile_pattern(pattern: &str, at: &str) -> Result<Pattern, Diagnostic> {
    Pattern::compile(pattern).map_err(|reason| {
        Diagnostic::new(Code::BadPattern, at, alloc::format!("Invalid regex pattern `{pattern}`: {reason}"))
            .help("patterns run in linear time: no look-around, no backreferences; `\\d \\w \\s` are ASCII")
    })
}

fn in_list(
    values: &[Value],
    types: TypeSet,
    mismatch: &impl Fn(&Value) -> Diagnostic,
) -> Result<Op, Diagnostic> {
    if values.is_empty() {
        let message = "an empty list of values matches nobody";
        return Err(
            Diagnostic::new(Code::EmptyList, "", message).help("remove the condition, or give it values")
        );
    }
    if values.len() > IN_VALUES_MAX {
        let message = alloc::format!("{} values, at most {IN_VALUES_MAX} are allowed", values.len());
        return Err(Diagnostic::new(Code::OverBound, "", message));
    }
    let (mut texts, mut numbers, mut instants) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match literal(value, types).ok_or_else(|| mismatch(value))? {
            Literal::Text(text) => texts.push(text),
            Literal::Number(number) => numbers.push(number),
            Literal::Instant(ms) => instants.push(ms),
            Literal::Boolean(_) => {
                let message = "`IN` takes texts or numbers";
                return Err(
                    Diagnostic::new(Code::TypeMismatch, "", message).help("compare a boolean with `=`")
                );
            }
        }
    }
    let counts = [texts.len(), numbers.len(), instants.len()];
    if counts.iter().filter(|count| **count > 0).count() > 1 {
        let message = "texts and numbers in one list";
        return Err(Diagnostic::new(Code::TypeMismatch, "", message));
    }
    Ok(if !texts.is_empty() {
        order::sort(&mut texts, Ord::cmp);
        Op::InTexts(texts)
    } else if !numbers.is_empty() {
        order::sort(&mut numbers, Ord::cmp);
        Op::InNumbers(numbers)
    } else {
        order::sort(&mut instants, Ord::cmp);
        Op::InInstants(instants)
    })
}

enum Literal {
    Text(String),
    Number(Number),
    Instant(i64),
    Boolean(bool),
}

/// The right side as what the left side is. A value that may be text or a time is compared as text.
fn literal(value: &Value, types: TypeSet) -> Option<Literal> {
    match value {
        Value::Boolean(value) => types.has(DataType::Boolean).then_some(Literal::Boolean(*value)),
        Value::Number(number) if types.has(DataType::Number) => Some(Literal::Number(*number)),
        Value::String(text) if types.has(DataType::String) => Some(Literal::Text(text.clone())),
        Value::Number(_) if types.has(DataType::Timestamp) => time::instant_ms(value).map(Literal::Instant),
        Value::String(_) if types.has(DataType::Timestamp) || types.has(DataType::Date) => {
            time::instant_ms(value).map(Literal::Instant)
        }
        _ => None,
    }
}

impl Comparison {
    /// Whether `a` compares with `b` this way.
    pub(crate) fn of<T: Ord + ?Sized>(self, a: &T, b: &T) -> bool {
        self.holds(a.cmp(b))
    }
}
