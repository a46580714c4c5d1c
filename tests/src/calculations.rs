//! Expressions by chance that have a type, conditions on them, and rows of columns for both.

use usher_engine::syntax::{Arithmetic, Comparison, Expr, Function, Name, Question, Test, Unit, ValueExpr};
use usher_engine::value::{DataType, Number, Value};

use crate::random::Random;

/// The columns of a row.
pub const COLUMNS: [(&str, DataType); 12] = [
    ("n1", DataType::Number),
    ("n2", DataType::Number),
    ("t1", DataType::String),
    ("t2", DataType::String),
    ("b1", DataType::Boolean),
    ("at1", DataType::Timestamp),
    ("at2", DataType::Timestamp),
    ("d1", DataType::Date),
    ("d2", DataType::Date),
    ("texts", DataType::StringArray),
    ("numbers", DataType::NumberArray),
    ("n3", DataType::Number),
];

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    Text,
    Boolean,
    Time,
    Date,
    Interval,
    Texts,
    Numbers,
}

const ORDERED: [Kind; 4] = [Kind::Number, Kind::Text, Kind::Time, Kind::Date];

impl Kind {
    /// Those that a value which leaves may have.
    pub const SHOWN: [Kind; 7] =
        [Kind::Number, Kind::Text, Kind::Boolean, Kind::Time, Kind::Date, Kind::Texts, Kind::Numbers];

    fn column(self, random: &mut Random) -> &'static str {
        match self {
            Kind::Number => random.pick(&["n1", "n2", "n3"]),
            Kind::Text => random.pick(&["t1", "t2"]),
            Kind::Boolean => "b1",
            Kind::Date => random.pick(&["d1", "d2"]),
            Kind::Texts => "texts",
            Kind::Numbers => "numbers",
            Kind::Time | Kind::Interval => random.pick(&["at1", "at2"]),
        }
    }
}

/// A row: most columns have a value, most values the type of their column.
pub fn row(random: &mut Random) -> Vec<Option<Value>> {
    let value = |random: &mut Random, data_type| match data_type {
        DataType::Number if random.one_in(12) => Value::String(random.below(30).to_string()),
        DataType::Number => Value::Number(number(random)),
        DataType::String => Value::String(text(random)),
        DataType::Boolean => Value::from(random.one_in(2)),
        DataType::Timestamp => Value::String(time(random)),
        DataType::Date => Value::String(day(random)),
        DataType::StringArray => list(random, |random| Value::String(text(random))),
        DataType::NumberArray => list(random, |random| Value::Number(number(random))),
    };
    let cell = |random: &mut Random, data_type| match random.below(20) {
        0..3 => None,
        3 => Some(Value::List(vec![Value::from(true)])),
        _ => Some(value(random, data_type)),
    };
    COLUMNS.iter().map(|(_, data_type)| cell(random, *data_type)).collect()
}

fn list(random: &mut Random, item: impl Fn(&mut Random) -> Value) -> Value {
    Value::List((0..random.below(4)).map(|_| item(random)).collect())
}

/// Few numbers, so that some are equal, and those at which arithmetic changes.
fn number(random: &mut Random) -> Number {
    let edges = [i64::MAX, i64::MIN, i64::MAX - 1, 1 << 53, (1 << 53) + 1, -1, 0, 1, 7];
    let floats = [0.5, -0.5, 2.5, 0.1, 1e300, -1e300, 1e-9, 9.5e15, 5.0, 9_223_372_036_854_775_808.0];
    match random.below(8) {
        0 => Number::Integer(random.pick(&edges)),
        1..3 => Number::float(random.pick(&floats)).expect("finite"),
        _ => Number::Integer(random.below(12) as i64 - 3),
    }
}

fn text(random: &mut Random) -> String {
    (0..random.below(4)).map(|_| random.pick(&['a', 'B', 'é', 'Ω', '%', '\'', '😀', '5'])).collect()
}

fn day(random: &mut Random) -> String {
    format!(
        "{}-{:02}-{:02}",
        random.pick(&[1969, 1970, 2024, 2026]),
        1 + random.below(12),
        1 + random.below(28)
    )
}

fn time(random: &mut Random) -> String {
    let zone = random.pick(&["Z", "+00:00", "-05:30", "+14:00"]);
    let fraction = random.pick(&["", "", ".120"]);
    format!("{}T{:02}:00:{:02}{fraction}{zone}", day(random), random.below(24), random.below(60))
}

/// An expression of a type, with at most this many levels of parts.
pub fn value(random: &mut Random, kind: Kind, depth: usize) -> ValueExpr {
    if depth == 0 || random.one_in(5) {
        return leaf(random, kind);
    }
    if matches!(kind, Kind::Number | Kind::Text | Kind::Time | Kind::Interval) && random.one_in(60) {
        return long_row(random, kind);
    }
    let depth = depth - 1;
    if random.one_in(4) && !matches!(kind, Kind::Texts | Kind::Numbers) {
        return branches(random, kind, depth);
    }
    match kind {
        Kind::Number => calculated(random, depth),
        Kind::Text => joined(random, depth),
        Kind::Boolean => ValueExpr::of_condition(condition(random, depth)),
        Kind::Time => {
            let base = random.pick(&[Kind::Time, Kind::Date]);
            let (time, interval) = (value(random, base, depth), value(random, Kind::Interval, depth));
            match random.below(3) {
                0 => ValueExpr::arithmetic(Arithmetic::Add, time, interval),
                1 => ValueExpr::arithmetic(Arithmetic::Add, interval, time),
                _ => ValueExpr::arithmetic(Arithmetic::Subtract, time, interval),
            }
        }
        Kind::Interval => {
            let sign = random.pick(&[Arithmetic::Add, Arithmetic::Subtract]);
            let times = [[Kind::Time, Kind::Time], [Kind::Time, Kind::Date], [Kind::Date, Kind::Time]];
            let ([left, right], sign) = match random.one_in(2) {
                true => (random.pick(&times), Arithmetic::Subtract),
                false => ([Kind::Interval; 2], sign),
            };
            ValueExpr::arithmetic(sign, value(random, left, depth), value(random, right, depth))
        }
        Kind::Date | Kind::Texts | Kind::Numbers => leaf(random, kind),
    }
}

/// A row of more signs than may nest.
fn long_row(random: &mut Random, kind: Kind) -> ValueExpr {
    let (signs, part): (&[Arithmetic], Kind) = match kind {
        Kind::Text => (&[Arithmetic::Join], Kind::Text),
        Kind::Number if random.one_in(2) => {
            (&[Arithmetic::Multiply, Arithmetic::Divide, Arithmetic::Remainder], Kind::Number)
        }
        Kind::Number => (&[Arithmetic::Add, Arithmetic::Subtract], Kind::Number),
        _ => (&[Arithmetic::Add, Arithmetic::Subtract], Kind::Interval),
    };
    let first = leaf(random, kind);
    (0..50 + random.below(50)).fold(first, |start, _| {
        let next = leaf(random, part);
        ValueExpr::arithmetic(random.pick(signs), start, next)
    })
}

fn leaf(random: &mut Random, kind: Kind) -> ValueExpr {
    let constant = match kind {
        Kind::Number => Value::Number(number(random)),
        Kind::Text => Value::String(text(random)),
        Kind::Boolean => Value::from(random.one_in(2)),
        Kind::Interval => {
            let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week];
            return ValueExpr::Interval(random.below(40) as i64, random.pick(&units));
        }
        Kind::Time if random.one_in(3) => return ValueExpr::Now,
        Kind::Time | Kind::Date | Kind::Texts | Kind::Numbers => Value::Null,
    };
    if constant == Value::Null || random.one_in(2) {
        ValueExpr::Name(Name(kind.column(random).to_owned()))
    } else {
        ValueExpr::Constant(constant)
    }
}

/// What gives one of several values of a type.
fn branches(random: &mut Random, kind: Kind, depth: usize) -> ValueExpr {
    let several =
        |random: &mut Random| (0..1 + random.below(3)).map(|_| value(random, kind, depth)).collect();
    let is_ordered = kind != Kind::Boolean;
    match random.below(5) {
        0 => {
            let mut all: Vec<ValueExpr> = several(random);
            if random.one_in(4) {
                all.insert(0, ValueExpr::Null);
            }
            ValueExpr::Call(Function::Coalesce, all)
        }
        1 if is_ordered => ValueExpr::Call(Function::Least, several(random)),
        2 if is_ordered => ValueExpr::Call(Function::Greatest, several(random)),
        3 => {
            let of = random.pick(&[Kind::Number, Kind::Text, Kind::Boolean, Kind::Time]);
            let branch = |random: &mut Random| (value(random, of, depth), value(random, kind, depth));
            let all = (0..1 + random.below(2)).map(|_| branch(random)).collect();
            ValueExpr::Switch(Box::new(value(random, of, depth)), all, otherwise(random, kind, depth))
        }
        _ => {
            let branch = |random: &mut Random| (condition(random, depth), value(random, kind, depth));
            let all = (0..1 + random.below(2)).map(|_| branch(random)).collect();
            ValueExpr::Case(all, otherwise(random, kind, depth))
        }
    }
}

fn otherwise(random: &mut Random, kind: Kind, depth: usize) -> Option<Box<ValueExpr>> {
    match random.below(5) {
        0 => None,
        1 => Some(Box::new(ValueExpr::Null)),
        _ => Some(Box::new(value(random, kind, depth))),
    }
}

fn calculated(random: &mut Random, depth: usize) -> ValueExpr {
    let number = |random: &mut Random| value(random, Kind::Number, depth);
    let scalar = |random: &mut Random| {
        let kind = random.pick(&[Kind::Number, Kind::Text, Kind::Boolean, Kind::Time, Kind::Date]);
        value(random, kind, depth)
    };
    match random.below(12) {
        0 => ValueExpr::Negative(Box::new(number(random))),
        1 => ValueExpr::Call(Function::Abs, vec![number(random)]),
        2 => ValueExpr::Call(Function::Round, vec![number(random)]),
        3 => ValueExpr::Call(Function::Length, vec![value(random, Kind::Text, depth)]),
        4 => {
            let list = random.pick(&[Kind::Texts, Kind::Numbers]);
            ValueExpr::Call(Function::Size, vec![value(random, list, depth)])
        }
        5 => {
            let list = random.pick(&[Kind::Texts, Kind::Numbers]);
            let of = if random.one_in(3) { value(random, list, depth) } else { scalar(random) };
            ValueExpr::Call(Function::Hash, vec![of])
        }
        6 => {
            let mut time = || value(random, Kind::Time, depth);
            ValueExpr::Call(Function::DateDiff, vec![time(), time()])
        }
        7 => {
            let mut day = || value(random, Kind::Date, depth);
            ValueExpr::arithmetic(Arithmetic::Subtract, day(), day())
        }
        _ => {
            let signs = [
                Arithmetic::Add,
                Arithmetic::Subtract,
                Arithmetic::Multiply,
                Arithmetic::Divide,
                Arithmetic::Remainder,
            ];
            ValueExpr::arithmetic(random.pick(&signs), number(random), number(random))
        }
    }
}

fn joined(random: &mut Random, depth: usize) -> ValueExpr {
    let scalar = |random: &mut Random| {
        let kind =
            random.pick(&[Kind::Text, Kind::Text, Kind::Number, Kind::Boolean, Kind::Time, Kind::Date]);
        value(random, kind, depth)
    };
    let text = |random: &mut Random| value(random, Kind::Text, depth);
    match random.below(5) {
        0 => ValueExpr::Call(Function::Lower, vec![text(random)]),
        1 => ValueExpr::Call(Function::Upper, vec![text(random)]),
        2 => {
            let mut all = vec![text(random), value(random, Kind::Number, depth)];
            if random.one_in(2) {
                all.push(value(random, Kind::Number, depth));
            }
            ValueExpr::Call(Function::Substr, all)
        }
        3 => ValueExpr::Call(Function::Concat, (0..1 + random.below(3)).map(|_| scalar(random)).collect()),
        _ => ValueExpr::arithmetic(Arithmetic::Join, scalar(random), scalar(random)),
    }
}

/// A condition on expressions, with at most this many levels of parts.
pub fn condition(random: &mut Random, depth: usize) -> Expr {
    if depth > 0 && random.one_in(3) {
        let mut part = || condition(random, depth - 1);
        return match part() {
            one @ (Expr::And(_) | Expr::Computed(_)) => Expr::Not(Box::new(one)),
            one @ Expr::Or(_) => Expr::And(vec![one, part()]),
            one => Expr::Or(vec![one, part()]),
        };
    }
    let depth = depth.saturating_sub(1);
    let negated = random.one_in(2);
    let kind = random.pick(&ORDERED);
    let choice = random.below(9);
    let left = match choice {
        0 => Kind::Boolean,
        1 => Kind::Interval,
        4 | 7 => Kind::Text,
        5 => Kind::Number,
        _ => kind,
    };
    let right = |random: &mut Random| value(random, left, depth);
    let question = match choice {
        2 => Question::Between(right(random), right(random)),
        3 => Question::In(vec![right(random), right(random)]),
        4 => Question::AnyOf(value(random, Kind::Texts, depth)),
        5 => Question::AnyOf(value(random, Kind::Numbers, depth)),
        6 => Question::Test(Test::Null),
        7 => Question::Test(of_text(random)),
        _ => compared(random, depth, left),
    };
    let left = value(random, left, depth);
    Expr::asked(left, question, negated)
}

fn compared(random: &mut Random, depth: usize, kind: Kind) -> Question {
    let all = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessEqual,
        Comparison::Greater,
        Comparison::GreaterEqual,
    ];
    let comparison = random.pick(if kind == Kind::Boolean { &all[..2] } else { &all });
    let right = match kind {
        Kind::Time if random.one_in(3) => ValueExpr::Constant(Value::String(time(random))),
        _ => value(random, kind, depth),
    };
    Question::Compare(comparison, right)
}

fn of_text(random: &mut Random) -> Test {
    let text = text(random);
    match random.below(4) {
        0 => Test::Like(text),
        1 => Test::StartsWith(text),
        2 => Test::EndsWith(text),
        _ => Test::Contains(Value::String(text)),
    }
}
