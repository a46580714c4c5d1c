//! Whatever tree there is, its text reads back as the same tree: 100,000 of them, each with every kind of test, name and
//! literal that text can say. `USHER_CASES=10` tries ten times as many.

use usher_engine::limits::CRITERIA_BYTES_MAX;
use usher_engine::syntax::{Comparison, Expr, Name, Test, parse};
use usher_engine::value::{Number, Value};
use usher_tests::random::{Random, cases};

const TREES: usize = 100_000;

#[test]
fn printed_trees_read_back() {
    let (mut read, mut too_long) = (0, 0);
    for seed in 0..cases(TREES) as u64 {
        let tree = expr(&mut Random::new(seed), 4);
        let text = tree.to_string();
        if text.len() > CRITERIA_BYTES_MAX {
            too_long += 1;
            continue;
        }
        let found = parse(&text).unwrap_or_else(|error| panic!("tree {seed}: {error}\n  {text}\n  {tree:?}"));
        assert_eq!(found, tree, "tree {seed}: {text}");
        // Canonical: printing what was read says the same once more.
        assert_eq!(found.to_string(), text, "tree {seed}");
        read += 1;
    }
    println!("{read} trees read back, {too_long} were longer than criteria may be");
    assert!(too_long * 100 < read, "too many are left out");
}

fn expr(random: &mut Random, depth: usize) -> Expr {
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

fn test(random: &mut Random) -> Test {
    let order = [Comparison::Less, Comparison::LessEqual, Comparison::Greater, Comparison::GreaterEqual];
    match random.below(12) {
        0 => Test::Equal(value(random)),
        1 => Test::Order(random.pick(&order), value(random)),
        2 => Test::In((0..1 + random.below(5)).map(|_| value(random)).collect()),
        3 => Test::Between(value(random), value(random)),
        4 => Test::Like(text(random)),
        5 => Test::StartsWith(text(random)),
        6 => Test::EndsWith(text(random)),
        7 => Test::Contains(value(random)),
        8 => Test::Matches(text(random)),
        9 => Test::Null,
        10 => Test::WithinDays(number(random)),
        _ => {
            let all = [&order[..], &[Comparison::Equal, Comparison::NotEqual]].concat();
            Test::Size(random.pick(&all), random.bits().cast_signed() >> random.below(64))
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
    ];
    let odd =
        ["", " ", ".", "a.", ".a", "a..b", "1a", "a b", "é", "a.in", "\"", "a\"b", "'", "NOT", "null", "-1"];
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

fn number(random: &mut Random) -> Number {
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

fn text(random: &mut Random) -> String {
    let characters = [
        'a', 'Z', '0', ' ', '\'', '"', '%', '_', '\\', '(', ')', ',', '=', '\n', '\t', '\0', '\u{a0}', 'é',
        '日', '😀', '\u{202e}',
    ];
    (0..random.below(7)).map(|_| random.pick(&characters)).collect()
}
