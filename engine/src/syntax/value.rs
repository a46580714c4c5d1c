//! Expressions in their canonical form, and what they consist of.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ast::{Comparison, Computed, Expr, Name, Question, Test, ValueExpr};
use super::function::{Arithmetic, Function};
use crate::value::{Number, Value};

impl Question {
    /// True if text has a word for its opposite.
    pub fn has_opposite(&self) -> bool {
        match self {
            Question::Test(test) => test.has_opposite(),
            Question::Between(..) | Question::In(_) => true,
            Question::Compare(..) | Question::AnyOf(_) => false,
        }
    }

    /// The expressions on its right.
    pub(crate) fn values<'e>(&'e self, visit: &mut dyn FnMut(&'e ValueExpr)) {
        match self {
            Question::Test(_) => {}
            Question::Compare(_, value) | Question::AnyOf(value) => visit(value),
            Question::Between(low, high) => [low, high].into_iter().for_each(visit),
            Question::In(values) => values.iter().for_each(visit),
        }
    }

    /// Itself as a test with constants, where it is one.
    pub(super) fn constant(self) -> Question {
        let constants = |values: &[&ValueExpr]| values.iter().all(|value| value.constant().is_some());
        let is_constant = match &self {
            Question::Compare(_, value) => constants(&[value]),
            Question::Between(low, high) => constants(&[low, high]),
            Question::In(values) => values.iter().all(|value| value.constant().is_some()),
            Question::Test(_) | Question::AnyOf(_) => false,
        };
        if !is_constant {
            return self;
        }
        let value = |expr: ValueExpr| match expr {
            ValueExpr::Constant(value) => value,
            _ => Value::Null,
        };
        Question::Test(match self {
            Question::Compare(Comparison::Equal | Comparison::NotEqual, right) => Test::Equal(value(right)),
            Question::Compare(comparison, right) => Test::Order(comparison, value(right)),
            Question::Between(low, high) => Test::Between(value(low), value(high)),
            Question::In(values) => Test::In(values.into_iter().map(value).collect()),
            other => return other,
        })
    }
}

impl Comparison {
    /// The comparison with its sides swapped.
    pub fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessEqual => Comparison::GreaterEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterEqual => Comparison::LessEqual,
            other => other,
        }
    }
}

impl ValueExpr {
    /// The value of a condition.
    pub fn of_condition(condition: Expr) -> ValueExpr {
        match condition {
            Expr::Constant(truth) => ValueExpr::Constant(Value::Boolean(truth)),
            other => ValueExpr::Condition(Box::new(other)),
        }
    }

    /// Two values and a sign between them. A row of signs of the same rank on the left goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::syntax::{Arithmetic, ValueExpr, parse_value};
    ///
    /// let sum = parse_value("a + b").unwrap();
    /// let longer = ValueExpr::arithmetic(Arithmetic::Subtract, sum, parse_value("c").unwrap());
    /// assert_eq!(longer, parse_value("a + b - c").unwrap());
    /// assert_eq!(longer.depth(), 2);
    /// ```
    pub fn arithmetic(sign: Arithmetic, left: ValueExpr, right: ValueExpr) -> ValueExpr {
        let (first, mut rest) = match left {
            ValueExpr::Arithmetic(first, rest) if rank_of(&rest) == Some(sign.rank()) => (first, rest),
            left => (Box::new(left), Vec::with_capacity(1)),
        };
        rest.push((sign, right));
        ValueExpr::Arithmetic(first, rest)
    }

    /// How tightly its outermost signs bind, if it is a row of such.
    pub(super) fn rank(&self) -> Option<u8> {
        match self {
            ValueExpr::Arithmetic(_, rest) => rank_of(rest),
            _ => None,
        }
    }

    /// The start of a row with this many of its signs, one or more: with one, `a + b` of `a + b - c`.
    pub(crate) fn start(&self, signs: usize) -> ValueExpr {
        match self {
            ValueExpr::Arithmetic(first, rest) => {
                ValueExpr::Arithmetic(first.clone(), rest.iter().take(signs).cloned().collect())
            }
            other => other.clone(),
        }
    }

    /// The constant, if it is one.
    pub fn constant(&self) -> Option<&Value> {
        match self {
            ValueExpr::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number, if it is a constant one.
    fn integer(&self) -> Option<i64> {
        match self.constant()? {
            Value::Number(Number::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// The parts of which this consists directly; conditions are not among them.
    pub fn parts<'e>(&'e self, visit: &mut dyn FnMut(&'e ValueExpr)) {
        match self {
            ValueExpr::Negative(part) => visit(part),
            ValueExpr::Arithmetic(first, rest) => {
                [&**first].into_iter().chain(rest.iter().map(|(_, part)| part)).for_each(visit);
            }
            ValueExpr::Call(_, arguments) => arguments.iter().for_each(visit),
            ValueExpr::Case(branches, otherwise) => {
                branches.iter().map(|(_, value)| value).chain(otherwise.as_deref()).for_each(visit);
            }
            ValueExpr::Switch(of, branches, otherwise) => {
                visit(of);
                branches
                    .iter()
                    .flat_map(|(when, then)| [when, then])
                    .chain(otherwise.as_deref())
                    .for_each(visit);
            }
            _ => {}
        }
    }

    /// Calls back with the names whose values can become the result, or a part of it: not those in conditions, and not
    /// the value that the branches of a `CASE` are compared with.
    pub fn results<'e>(&'e self, visit: &mut dyn FnMut(&'e Name)) {
        match self {
            ValueExpr::Name(name) => visit(name),
            ValueExpr::Switch(_, branches, otherwise) => {
                let values = branches.iter().map(|(_, then)| then).chain(otherwise.as_deref());
                values.for_each(|value| value.results(visit));
            }
            other => other.parts(&mut |part| part.results(visit)),
        }
    }

    /// Calls back with every name in it.
    pub fn names<'e>(&'e self, visit: &mut dyn FnMut(&'e Name)) {
        if let ValueExpr::Name(name) = self {
            visit(name);
        }
        self.parts(&mut |part| part.names(visit));
        self.conditions(&mut |condition| condition.names(visit));
    }

    /// True if nothing in it depends on who is asked about, or when.
    pub fn is_constant(&self) -> bool {
        let mut constant = !matches!(self, ValueExpr::Name(_) | ValueExpr::Now);
        self.parts(&mut |part| constant &= part.is_constant());
        self.conditions(&mut |condition| constant &= condition.is_constant());
        constant
    }

    /// The number of values, signs and functions, in its conditions, too.
    pub fn size(&self) -> usize {
        let mut size = if let ValueExpr::Arithmetic(_, rest) = self { rest.len() } else { 1 };
        self.parts(&mut |part| size = size.saturating_add(part.size()));
        self.conditions(&mut |condition| size = size.saturating_add(condition.size()));
        size
    }

    /// The number of levels.
    pub fn depth(&self) -> usize {
        let mut deepest = 0_usize;
        self.parts(&mut |part| deepest = deepest.max(part.depth()));
        self.conditions(&mut |condition| deepest = deepest.max(condition.depth()));
        deepest.saturating_add(1)
    }

    /// The conditions of which this consists directly.
    pub(crate) fn conditions<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match self {
            ValueExpr::Case(branches, _) => branches.iter().for_each(|(when, _)| visit(when)),
            ValueExpr::Condition(condition) => visit(condition),
            _ => {}
        }
    }
}

/// The rank of a row's signs.
fn rank_of(rest: &[(Arithmetic, ValueExpr)]) -> Option<u8> {
    rest.first().map(|(sign, _)| sign.rank())
}

impl Computed {
    /// Calls back with every name in its expressions.
    pub fn names<'e>(&'e self, visit: &mut dyn FnMut(&'e Name)) {
        self.left.names(visit);
        self.question.values(&mut |value| value.names(visit));
    }

    /// The number of values, signs and functions in its expressions.
    pub fn size(&self) -> usize {
        let mut size = self.left.size();
        self.question.values(&mut |value| size = size.saturating_add(value.size()));
        size
    }
}

impl Expr {
    /// Calls back with every name in it.
    pub fn names<'e>(&'e self, visit: &mut dyn FnMut(&'e Name)) {
        match self {
            Expr::Constant(_) | Expr::Segment(_) => {}
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.names(visit)),
            Expr::Not(inner) => inner.names(visit),
            Expr::Test { name, .. } => visit(name),
            Expr::Computed(computed) => computed.names(visit),
        }
    }

    /// True if nothing in it depends on who is asked about, or when.
    pub fn is_constant(&self) -> bool {
        match self {
            Expr::Constant(_) => true,
            Expr::Segment(_) | Expr::Test { .. } => false,
            Expr::And(parts) | Expr::Or(parts) => parts.iter().all(Expr::is_constant),
            Expr::Not(inner) => inner.is_constant(),
            Expr::Computed(computed) => {
                let mut constant = computed.left.is_constant();
                computed.question.values(&mut |value| constant &= value.is_constant());
                constant
            }
        }
    }

    /// The number of tests, and of the parts of expressions.
    fn size(&self) -> usize {
        match self {
            Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => 1,
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().fold(0, |size: usize, part| size.saturating_add(part.size()))
            }
            Expr::Not(inner) => inner.size(),
            Expr::Computed(computed) => computed.size(),
        }
    }

    /// A test of an expression in canonical form: a name that is tested with constants is a plain [`Expr::Test`], and a
    /// constant on the left changes sides.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::syntax::{Comparison, Expr, Name, Question, ValueExpr, parse};
    ///
    /// let price = ValueExpr::Name(Name("price".into()));
    /// let five = ValueExpr::Constant(5.into());
    /// let asked = Expr::asked(five, Question::Compare(Comparison::Less, price), false);
    /// assert_eq!(asked, parse("price > 5").unwrap());
    /// ```
    pub fn asked(left: ValueExpr, question: Question, negated: bool) -> Expr {
        let (left, question) = match question {
            Question::Compare(comparison, right)
                if left.constant().is_some() && right.constant().is_none() =>
            {
                (right, Question::Compare(comparison.mirrored(), left))
            }
            question => (left, question),
        };
        let size_of = match &left {
            ValueExpr::Call(Function::Size, list) => match list.as_slice() {
                [ValueExpr::Name(list)] => Some(list.clone()),
                _ => None,
            },
            _ => None,
        };
        if let (Some(list), Question::Compare(comparison, right)) = (size_of, &question)
            && let Some(count) = right.integer()
        {
            return Expr::new_test(list, Test::Size(*comparison, count), negated);
        }
        let unequal = matches!(question, Question::Compare(Comparison::NotEqual, _));
        match (left, question.constant()) {
            (ValueExpr::Name(name), Question::Test(test)) => Expr::new_test(name, test, negated != unequal),
            (left, Question::Test(Test::Version(Comparison::NotEqual, version))) => {
                let question = Question::Test(Test::Version(Comparison::Equal, version));
                Expr::computed(left, question, !negated)
            }
            (left, question @ Question::Test(_)) => Expr::computed(left, question, negated != unequal),
            (left, question) => Expr::computed(left, question, negated),
        }
    }

    /// The number of levels, within the expressions that it tests, too.
    pub fn depth(&self) -> usize {
        match self {
            Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => 1,
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().map(Expr::depth).max().unwrap_or(0).saturating_add(1)
            }
            Expr::Not(inner) => inner.depth().saturating_add(1),
            Expr::Computed(computed) => {
                let mut deepest = computed.left.depth();
                computed.question.values(&mut |value| deepest = deepest.max(value.depth()));
                deepest.saturating_add(1)
            }
        }
    }

    fn computed(left: ValueExpr, question: Question, negated: bool) -> Expr {
        let wrapped = negated && !question.has_opposite();
        let computed = Computed { left, question, negated: negated && !wrapped };
        let expr = Expr::Computed(Box::new(computed));
        if wrapped { Expr::Not(Box::new(expr)) } else { expr }
    }
}
