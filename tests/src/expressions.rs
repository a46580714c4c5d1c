//! Criteria by chance: trees in canonical form, with every kind of test, name and literal.

use usher_engine::syntax::{Comparison, Expr, Name, Quantity, Test};
use usher_engine::value::{Number, Value};

use crate::random::Random;

/// A tree that text can say, with at most this many groups inside each other.
pub fn expr(random: &mut Random, depth: usize) -> Expr {
    if depth > 0 && random.one_in(2) {
        let some = |random: &mut Random| (0..2 + random.below(3)).map(|_| expr(random, depth - 1)).collect();
        return match random.below(3) {
            0 => Expr::And(some(random)),
            1 => Expr::Or(some(random)),
            _ => Expr::Not(Box::new(expr(random, depth - 1))),
        };
    }
    match random.below(12) {
        0 => Expr::Constant(random.one_in(2)),
        1 => Expr::Segment(text(random)),
        _ => {
            let (name, test) = (name(random), test(random));
            Expr::new_test(name, test, random.one_in(2))
        }
    }
}

const ORDER: [Comparison; 4] =
    [Comparison::Less, Comparison::LessEqual, Comparison::Greater, Comparison::GreaterEqual];

fn test(random: &mut Random) -> Test {
    match random.below(14) {
        0 => Test::Contains(value(random)),
        1 => Test::Null,
        2 => {
            let all = [&ORDER[..], &[Comparison::Equal, Comparison::NotEqual]].concat();
            Test::Size(random.pick(&all), random.bits().cast_signed() >> random.below(64))
        }
        3 => {
            let count = (random.bits() >> (32 + random.below(32))) as u32;
            let quantities = [
                Quantity::Any,
                Quantity::All,
                Quantity::AtLeast(count),
                Quantity::AtMost(count),
                Quantity::Exactly(count),
            ];
            let tests = (0..1 + random.below(3)).map(|_| test_of_item(random)).collect();
            Test::Items(random.pick(&quantities), tests)
        }
        _ => test_of_item(random),
    }
}

/// A question about one value.
fn test_of_item(random: &mut Random) -> Test {
    match random.below(11) {
        0 => Test::Equal(value(random)),
        1 => Test::Order(random.pick(&ORDER), value(random)),
        2 => Test::In((0..1 + random.below(5)).map(|_| value(random)).collect()),
        3 => Test::Between(value(random), value(random)),
        4 => Test::Like(text(random)),
        5 => Test::StartsWith(text(random)),
        6 => Test::EndsWith(text(random)),
        7 => Test::Matches(text(random)),
        8 => Test::WithinDays(number(random)),
        9 => Test::MoreThanDaysAgo(number(random)),
        _ => {
            let all = [&ORDER[..], &[Comparison::Equal]].concat();
            Test::Version(random.pick(&all), text(random))
        }
    }
}

fn name(random: &mut Random) -> Name {
    let words = [
        "age",
        "a.b.c",
        "event.price",
        "edge.country",
        "_",
        "And",
        "in",
        "TRUE",
        "false",
        "size",
        "segment",
        "days",
        "with",
        "event.products[].sku",
    ];
    let odd = [
        "", " ", ".", "a.", ".a", "a..b", "1a", "a b", "é", "a.in", "a[]", "a[].", "\"", "a\"b", "'", "NOT",
        "null", "-1",
    ];
    Name(match random.below(4) {
        0..=1 => (random.pick(&words)).to_owned(),
        2 => (random.pick(&odd)).to_owned(),
        _ => text(random),
    })
}

fn value(random: &mut Random) -> Value {
    match random.below(5) {
        0 => Value::from(random.one_in(2)),
        1..=2 => Value::Number(number(random)),
        _ => Value::String(text(random)),
    }
}

/// Of either kind, often at an edge.
pub fn number(random: &mut Random) -> Number {
    if random.one_in(2) {
        return Number::Integer(random.bits().cast_signed() >> random.below(64));
    }
    let edges = [
        0.0,
        -0.0,
        1.0,
        0.1,
        1e15,
        1e16,
        1e17,
        1e-5,
        1e-7,
        9007199254740993.0,
        9223372036854775808.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
    ];
    let any = f64::from_bits(random.bits());
    let float = if any.is_finite() && !random.one_in(3) { any } else { random.pick(&edges) };
    Number::float(float).expect("finite")
}

/// A few characters, many of them signs.
pub fn text(random: &mut Random) -> String {
    let characters = [
        'a', 'Z', '0', ' ', '\'', '"', '%', '_', '\\', '(', ')', ',', '=', '\n', '\t', '\0', '\u{a0}', 'é',
        '日', '😀', '\u{202e}',
    ];
    (0..random.below(7)).map(|_| random.pick(&characters)).collect()
}
