//! Signs, units and functions of expressions.

use crate::limits::DAY_MS;

/// A calculation with two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `||`: the texts of both, joined.
    Join,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, never in whole numbers.
    Divide,
    /// `%`, also written `MOD(a, b)`: with the sign of the dividend.
    Remainder,
}

impl Arithmetic {
    /// The sign in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Arithmetic::Join => "||",
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }

    /// The rank by which it binds: signs of one rank are calculated from the left.
    pub(super) fn rank(self) -> u8 {
        match self {
            Arithmetic::Join => 1,
            Arithmetic::Add | Arithmetic::Subtract => 2,
            Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Remainder => 3,
        }
    }
}

/// A unit of an interval. Months and years are none: their length depends on the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `SECOND`
    Second,
    /// `MINUTE`
    Minute,
    /// `HOUR`
    Hour,
    /// `DAY`, always 24 hours.
    Day,
    /// `WEEK`
    Week,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Unit; 5] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week];

    /// The word in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Second => "SECOND",
            Unit::Minute => "MINUTE",
            Unit::Hour => "HOUR",
            Unit::Day => "DAY",
            Unit::Week => "WEEK",
        }
    }

    /// The unit of a word in any case, in singular or plural.
    pub fn parse(word: &str) -> Option<Unit> {
        let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
        Unit::ALL.into_iter().find(|unit| singular.eq_ignore_ascii_case(unit.as_str()))
    }

    /// A number of these in milliseconds; None beyond 64 bits.
    pub fn ms(self, count: i64) -> Option<i64> {
        count.checked_mul(match self {
            Unit::Second => 1_000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => DAY_MS,
            Unit::Week => 7 * DAY_MS,
        })
    }
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `ABS(a)`
    Abs,
    /// `COALESCE(a, b, …)`: the first that is not missing.
    Coalesce,
    /// `CONCAT(a, b, …)`: the texts of all that are not missing, joined.
    Concat,
    /// `DATE_DIFF('day', a, b)`, here without the unit: the days, in UTC, from that of `a` to that of `b`.
    DateDiff,
    /// `GREATEST(a, b, …)` of those that are not missing.
    Greatest,
    /// `HASH(a)`: xxh3-64 of the value's text, without its highest bit.
    Hash,
    /// `LEAST(a, b, …)` of those that are not missing.
    Least,
    /// `LENGTH(a)`: the number of a text's code points.
    Length,
    /// `LOWER(a)`
    Lower,
    /// `ROUND(a)`, `ROUND(a, digits)`: half away from zero.
    Round,
    /// `SIZE(list)`: the number of items; a missing list has none.
    Size,
    /// `SUBSTR(a, from)`, `SUBSTR(a, from, count)`: code points, counted from 1.
    Substr,
    /// `UPPER(a)`
    Upper,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 13] = [
        Function::Abs,
        Function::Coalesce,
        Function::Concat,
        Function::DateDiff,
        Function::Greatest,
        Function::Hash,
        Function::Least,
        Function::Length,
        Function::Lower,
        Function::Round,
        Function::Size,
        Function::Substr,
        Function::Upper,
    ];

    /// The name in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Function::Abs => "ABS",
            Function::Coalesce => "COALESCE",
            Function::Concat => "CONCAT",
            Function::DateDiff => "DATE_DIFF",
            Function::Greatest => "GREATEST",
            Function::Hash => "HASH",
            Function::Least => "LEAST",
            Function::Length => "LENGTH",
            Function::Lower => "LOWER",
            Function::Round => "ROUND",
            Function::Size => "SIZE",
            Function::Substr => "SUBSTR",
            Function::Upper => "UPPER",
        }
    }

    /// A call of it.
    pub(super) fn usage(self) -> &'static str {
        match self {
            Function::Abs => "ABS(number)",
            Function::Coalesce => "COALESCE(a, b, …)",
            Function::Concat => "CONCAT(a, b, …)",
            Function::DateDiff => "DATE_DIFF('day', from, to)",
            Function::Greatest => "GREATEST(a, b, …)",
            Function::Hash => "HASH(a)",
            Function::Least => "LEAST(a, b, …)",
            Function::Length => "LENGTH(text)",
            Function::Lower => "LOWER(text)",
            Function::Round => "ROUND(number, digits)",
            Function::Size => "SIZE(list)",
            Function::Substr => "SUBSTR(text, from, count)",
            Function::Upper => "UPPER(text)",
        }
    }

    /// The function of a name in any case.
    pub fn parse(name: &str) -> Option<Function> {
        let name = match name {
            name if name.eq_ignore_ascii_case("SUBSTRING") => "SUBSTR",
            name if name.eq_ignore_ascii_case("DATEDIFF") => "DATE_DIFF",
            name => name,
        };
        Function::ALL.into_iter().find(|function| name.eq_ignore_ascii_case(function.as_str()))
    }

    /// The fewest and the most arguments.
    pub fn arguments(self) -> (usize, usize) {
        match self {
            Function::Coalesce | Function::Concat | Function::Greatest | Function::Least => (1, usize::MAX),
            Function::DateDiff => (2, 2),
            Function::Round => (1, 2),
            Function::Substr => (2, 3),
            Function::Abs
            | Function::Hash
            | Function::Length
            | Function::Lower
            | Function::Size
            | Function::Upper => (1, 1),
        }
    }
}
