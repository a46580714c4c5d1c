//! The tree that every spelling of a criterion lowers to.
//!
//! It is untyped and unresolved: names are text, and whether a comparison makes sense is decided by `expr::check`.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::function::{Arithmetic, Function, Unit};
use crate::flat::flat;
use crate::value::{Number, Value};

/// A condition with a truth value: true, false or unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Always or never (`TRUE`, `FALSE`; the empty text and an empty And are `TRUE`).
    Constant(bool),
    /// All of two or more.
    And(Vec<Expr>),
    /// Any of two or more.
    Or(Vec<Expr>),
    /// The opposite; unknown stays unknown.
    Not(Box<Expr>),
    /// The profile is in this batch segment: `segment('high_value')`.
    Segment(String),
    /// A test of one value.
    Test {
        /// The value's name.
        name: Name,
        /// The test.
        test: Test,
        /// True for the opposite, as in `!=` or `NOT LIKE`. Unknown stays unknown; the opposite of [`Test::Null`] is
        /// two-valued.
        negated: bool,
    },
    /// A test of an expression: [`Expr::asked`] makes it.
    Computed(Box<Computed>),
}

/// An expression with a value, which may be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueExpr {
    /// `NULL`: always missing. It fits any type.
    Null,
    /// A text, number or boolean.
    Constant(Value),
    /// A named value.
    Name(Name),
    /// `NOW()`: the time of the call's event; without an event that of the request.
    Now,
    /// `INTERVAL 3 HOUR`
    Interval(i64, Unit),
    /// `-a`
    Negative(Box<ValueExpr>),
    /// `a + b - c` and the like, calculated from the left: a value, and signs of one rank, each with the value behind it.
    /// The first value is no row of that rank, see [`ValueExpr::arithmetic`].
    Arithmetic(Box<ValueExpr>, Vec<(Arithmetic, ValueExpr)>),
    /// `ROUND(a, 2)` and the like.
    Call(Function, Vec<ValueExpr>),
    /// `CASE WHEN a > 1 THEN b ELSE c END`: the value of the first branch whose condition is true.
    Case(Vec<(Expr, ValueExpr)>, Option<Box<ValueExpr>>),
    /// `CASE a WHEN 1 THEN b ELSE c END`: the value of the first branch whose value equals the first one.
    Switch(Box<ValueExpr>, Vec<(ValueExpr, ValueExpr)>, Option<Box<ValueExpr>>),
    /// The truth of a condition; unknown is missing. Never [`Expr::Constant`], see [`ValueExpr::of_condition`].
    Condition(Box<Expr>),
}

/// A test of an expression: [`Expr::asked`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// The expression that is tested.
    pub left: ValueExpr,
    /// The test.
    pub question: Question,
    /// True for the opposite, where text has a word for it.
    pub negated: bool,
}

/// A test of an expression, or a comparison of two.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// A test with constants.
    Test(Test),
    /// `a < b` and its sisters.
    Compare(Comparison, ValueExpr),
    /// `a BETWEEN b AND c`
    Between(ValueExpr, ValueExpr),
    /// `a IN (b, c)`
    In(Vec<ValueExpr>),
    /// `a = ANY(list)`: equal to an item. Of a missing or empty list it is unknown.
    AnyOf(ValueExpr),
}

/// The name of a value, as written: `loyalty_tier`, `cart.items`, `event.price`, `edge.country`.
///
/// Names that start with `event.` are columns of the call's event, those with `edge.` are the edge's context of the
/// request; all others are attributes (with the sub-identifier after the last dot) or inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub String);

impl Name {
    /// The name of a column of the call's event.
    pub fn column(column: &str) -> Name {
        Name(alloc::format!("{}{column}", Name::EVENT))
    }

    /// The array whose objects a column is of, and the column in each of them: `products[].sku`.
    pub fn array_and_column(column: &str) -> Option<(&str, &str)> {
        column.split_once("[].")
    }

    /// The prefix of names of event columns.
    pub const EVENT: &'static str = "event.";
    /// The prefix of names of edge context.
    pub const EDGE: &'static str = "edge.";
}

/// A test of one value. A missing value makes every one of them unknown, except [`Test::Null`] and [`Test::Size`].
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `=` with a string, number or boolean; `!=` when negated.
    Equal(Value),
    /// `<`, `<=`, `>`, `>=` with a number or string.
    Order(Comparison, Value),
    /// `IN ('a', 'b')`; at least one.
    In(Vec<Value>),
    /// `BETWEEN 1 AND 5`, both ends included.
    Between(Value, Value),
    /// `LIKE 'a%_'`: `%` any text, `_` any one character, case-sensitive, no escape.
    Like(String),
    /// `STARTS WITH 'a'`.
    StartsWith(String),
    /// `ENDS WITH 'a'`.
    EndsWith(String),
    /// `CONTAINS 'a'`: substring of a string, member of a list.
    Contains(Value),
    /// `MATCHES 'regex'`: found anywhere, linear time, ASCII classes.
    Matches(String),
    /// `IS NULL`; `IS NOT NULL` when negated. Two-valued.
    Null,
    /// `WITHIN n DAYS`: 0 ≤ now − value ≤ n · 24 h, with five minutes of future skew.
    WithinDays(Number),
    /// `MORE THAN n DAYS AGO`: now − value > n · 24 h.
    MoreThanDaysAgo(Number),
    /// `= VERSION '1.2'`, `< VERSION '1.2'`: by the precedence of SemVer 2.0; `!=` is `=` negated. A text that is not a
    /// version is unknown.
    Version(Comparison, String),
    /// `ALL(x) STARTS WITH 'a'`: a quantity of list items for which any of these tests holds; each test is about a
    /// single value. A value that is not a list counts as a list of one.
    Items(Quantity, Vec<Test>),
    /// `SIZE(x) > n`: the number of items in a list; a missing list has none. Two-valued.
    Size(Comparison, i64),
}

/// A quantity of list items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// At least one.
    Any,
    /// Every one.
    All,
    /// This many or more.
    AtLeast(u32),
    /// This many or fewer.
    AtMost(u32),
    /// Exactly this many.
    Exactly(u32),
}

/// An order of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `=`, of sizes and versions only: elsewhere it is [`Test::Equal`].
    Equal,
    /// `!=`, of sizes only.
    NotEqual,
}

impl Comparison {
    /// The sign in criteria text.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
        }
    }

    /// True if it holds for values with this ordering.
    pub fn holds(self, ordering: core::cmp::Ordering) -> bool {
        match self {
            Comparison::Less => ordering.is_lt(),
            Comparison::LessEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterEqual => ordering.is_ge(),
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
        }
    }
}

impl Test {
    /// True if text has a sign or word for its opposite, such as `!=` or `NOT LIKE`.
    pub fn has_opposite(&self) -> bool {
        match self {
            Test::Order(..)
            | Test::WithinDays(_)
            | Test::MoreThanDaysAgo(_)
            | Test::Size(..)
            | Test::Items(..) => false,
            Test::Version(comparison, _) => *comparison == Comparison::Equal,
            Test::Equal(_)
            | Test::In(_)
            | Test::Between(..)
            | Test::Like(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Contains(_)
            | Test::Matches(_)
            | Test::Null => true,
        }
    }

    /// True if it can apply to each item of a list: it tests a single value that is present.
    pub fn is_of_item(&self) -> bool {
        !matches!(self, Test::Contains(_) | Test::Null | Test::Size(..) | Test::Items(..))
    }
}

impl Expr {
    /// A test in canonical form: an opposite without a sign of its own is wrapped in [`Expr::Not`], which means the
    /// same.
    pub fn new_test(name: Name, test: Test, negated: bool) -> Expr {
        // `!=` is the opposite of `=`, for versions as for other values.
        let (test, negated) = match test {
            Test::Version(Comparison::NotEqual, version) => {
                (Test::Version(Comparison::Equal, version), !negated)
            }
            test => (test, negated),
        };
        let wrapped = negated && !test.has_opposite();
        let expr = Expr::Test { name, test, negated: negated && !wrapped };
        if wrapped { Expr::Not(Box::new(expr)) } else { expr }
    }

    /// All of these: none is `TRUE`, one is itself.
    pub fn all(parts: Vec<Expr>) -> Expr {
        match <[Expr; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) if parts.is_empty() => Expr::Constant(true),
            Err(parts) => Expr::And(parts),
        }
    }

    /// Any of these; one is itself. None for an empty list, which is the caller's error.
    pub fn any(parts: Vec<Expr>) -> Option<Expr> {
        match <[Expr; 1]>::try_from(parts) {
            Ok([only]) => Some(only),
            Err(parts) if parts.is_empty() => None,
            Err(parts) => Some(Expr::Or(parts)),
        }
    }
}

flat!(enum Quantity { 0 = Any, 1 = All, 2 = AtLeast(count), 3 = AtMost(count), 4 = Exactly(count) });
flat!(enum Comparison { 0 = Less, 1 = LessEqual, 2 = Greater, 3 = GreaterEqual, 4 = Equal, 5 = NotEqual });

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn one_of_several_is_itself_and_none_is_as_good_as_its_word() {
        let one = || Expr::Segment("vip".into());
        assert_eq!(Expr::all(vec![]), Expr::Constant(true));
        assert_eq!(Expr::any(vec![]), None);
        assert_eq!((Expr::all(vec![one()]), Expr::any(vec![one()])), (one(), Some(one())));
        let two = || vec![one(), Expr::Constant(true)];
        assert_eq!((Expr::all(two()), Expr::any(two())), (Expr::And(two()), Some(Expr::Or(two()))));
    }
}
