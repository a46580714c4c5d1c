//! Expressions over rows: the meaning of every sign and function, and the types that are refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has found something")]

use usher_engine::diagnostic::Code;
use usher_engine::value::{DataType, Number, Value};
use usher_engine::{Columns, Expressions, Truth, syntax};

const NOW_MS: i64 = 1_790_000_000_000; // 2026-09-21T14:13:20Z

const COLUMNS: [(&str, Option<DataType>); 13] = [
    ("i", Some(DataType::Number)),
    ("f", Some(DataType::Number)),
    ("zero", Some(DataType::Number)),
    ("big", Some(DataType::Number)),
    ("none", Some(DataType::Number)),
    ("text", Some(DataType::String)),
    ("long", Some(DataType::String)),
    ("flag", Some(DataType::Boolean)),
    ("time", Some(DataType::Timestamp)),
    ("day", Some(DataType::Date)),
    ("tags", Some(DataType::StringArray)),
    ("sizes", Some(DataType::NumberArray)),
    ("free", None),
];

struct Row(Vec<Option<Value>>);

impl Columns for Row {
    fn column(&self, number: usize) -> Option<&Value> {
        self.0.get(number)?.as_ref()
    }
}

fn row() -> Row {
    Row(vec![
        Some(7.into()),
        Some(Value::Number(Number::Float(2.5))),
        Some(0.into()),
        Some(i64::MAX.into()),
        None,
        Some("Grüße".into()),
        Some(Value::String("x".repeat(4_000))),
        Some(true.into()),
        Some("2026-09-20T14:13:20+00:00".into()),
        Some("2026-09-01".into()),
        Some(Value::List(vec!["a".into(), "b".into()])),
        Some(Value::List(vec![1.into(), Value::Number(Number::Float(2.0))])),
        Some("free".into()),
    ])
}

fn value(text: &str) -> Option<Value> {
    let expr = syntax::parse_value(text).expect(text);
    assert_eq!(syntax::parse_value(&expr.to_string()).as_ref(), Ok(&expr), "{text}");
    let all = Expressions::compile(&COLUMNS, &[], &[expr]).expect(text);
    all.value(0, &row(), NOW_MS, NOW_MS)
}

fn truth(text: &str) -> Truth {
    let expr = syntax::parse(text).expect(text);
    let all = Expressions::compile(&COLUMNS, &[expr], &[]).expect(text);
    all.truth(0, &row(), NOW_MS, NOW_MS)
}

#[test]
fn values() {
    let integer = |value: i64| Some(Value::from(value));
    let float = |value: f64| Some(Value::Number(Number::Float(value)));
    let text = |value: &str| Some(Value::from(value));
    let hash =
        |text: &str| integer((xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & (u64::MAX >> 1)).cast_signed());
    for (expr, expected) in [
        // Arithmetic: exact for integers, and otherwise in floats.
        ("1 + 2 * 3 - -4", integer(11)),
        ("(1 + 2) * 3", integer(9)),
        ("i / 2", float(3.5)),
        ("8 / 2", float(4.0)),
        ("i / zero", None),
        ("i % zero", None),
        ("f % 0", None),
        ("zero / zero", None),
        ("i % 4", integer(3)),
        ("MOD(-i, 4)", integer(-3)),
        ("i % -4", integer(3)),
        ("f % 2", float(0.5)),
        ("-f % 2", float(-0.5)),
        ("big + 1", float(9_223_372_036_854_775_808.0)),
        ("big * big", float(8.507_059_173_023_462e37)),
        ("-big - 2", float(-9_223_372_036_854_775_809.0)),
        ("ABS(-big - 1)", float(9_223_372_036_854_775_808.0)),
        ("1e308 * 10", None),
        ("1e308 * 10 - 1e308", None),
        ("none + 1", None),
        ("-none", None),
        ("ABS(-3)", integer(3)),
        ("ABS(-2.5)", float(2.5)),
        ("ROUND(f)", integer(3)),
        ("ROUND(-f)", integer(-3)),
        ("ROUND(2.345, 1)", float(2.3)),
        ("ROUND(1234, -2)", integer(1_200)),
        ("ROUND(f, none)", None),
        ("ROUND(f, 0.5)", None),
        // The first branch that is true; unknown is not.
        ("CASE WHEN none > 1 THEN 'a' WHEN i > 1 THEN 'b' ELSE 'c' END", text("b")),
        ("CASE WHEN i < 1 THEN 'a' END", None),
        ("CASE i WHEN 1 THEN 'a' WHEN 7.0 THEN 'b' END", text("b")),
        ("CASE none WHEN 1 THEN 'a' ELSE 'b' END", text("b")),
        ("CASE WHEN flag = TRUE THEN NULL ELSE 3 END", None),
        ("COALESCE(none, NULL, f, 1)", float(2.5)),
        ("COALESCE(none, NULL)", None),
        ("LEAST(i, none, 3.5)", float(3.5)),
        ("GREATEST(i, none, 3.5)", integer(7)),
        ("LEAST(none)", None),
        ("LEAST('b', 'a', text)", text("Grüße")),
        ("GREATEST(time, NOW())", text("2026-09-21T14:13:20Z")),
        ("LEAST(NOW(), time)", text("2026-09-20T14:13:20+00:00")),
        // Texts.
        ("LOWER(text)", text("grüße")),
        ("UPPER(text)", text("GRÜßE")),
        ("LENGTH(text)", integer(5)),
        ("LENGTH('')", integer(0)),
        ("SUBSTR(text, 3)", text("üße")),
        ("SUBSTR(text, 2, 2)", text("rü")),
        ("SUBSTRING(text, 0, 2)", text("G")),
        ("SUBSTR(text, 9)", text("")),
        ("SUBSTR(text, 1.5)", None),
        ("text || '-' || i", text("Grüße-7")),
        ("text || none", None),
        ("CONCAT(text, none, 2.0, flag)", text("Grüße2true")),
        ("CONCAT(none)", text("")),
        ("LENGTH(long || SUBSTR(long, 1, 96))", integer(4_096)),
        ("long || SUBSTR(long, 1, 97)", None),
        ("CONCAT(long, long)", None),
        // Hashes of the value's text.
        ("HASH('5')", hash("5")),
        ("HASH(5)", hash("5")),
        ("HASH(5.0)", hash("5")),
        ("HASH(zero * -1.0)", hash("0")),
        ("HASH(f)", hash("2.5")),
        ("HASH(1e19)", hash("1e19")),
        ("HASH(flag)", hash("true")),
        ("HASH(tags)", hash("[\"a\",\"b\"]")),
        ("HASH(sizes)", hash("[1,2]")),
        ("HASH(time)", hash("2026-09-20T14:13:20+00:00")),
        ("HASH(day)", hash("2026-09-01")),
        ("HASH(NOW())", hash("2026-09-21T14:13:20Z")),
        ("HASH('')", hash("")),
        ("HASH(none)", None),
        ("ABS(HASH(text)) % 100 < 100", Some(true.into())),
        // Times.
        ("NOW()", text("2026-09-21T14:13:20Z")),
        ("NOW() - INTERVAL 1 HOUR", text("2026-09-21T13:13:20Z")),
        ("INTERVAL '2 days' + day", text("2026-09-03T00:00:00Z")),
        ("NOW() + INTERVAL 9999999 WEEK", None),
        ("DATE_DIFF('day', day, NOW())", integer(20)),
        ("DATE_DIFF('day', time, NOW())", integer(1)),
        ("DATE_DIFF('day', NOW(), day)", integer(-20)),
        ("day - day", integer(0)),
        ("time", text("2026-09-20T14:13:20+00:00")),
        ("COALESCE(day, NOW())", text("2026-09-01")),
        // Lists, and conditions as values.
        ("SIZE(tags) + SIZE(sizes)", integer(4)),
        ("COALESCE(sizes, NULL)", Some(Value::List(vec![1.into(), Value::Number(Number::Float(2.0))]))),
        ("i > f", Some(true.into())),
        ("none > 1", None),
        ("COALESCE(none > 1, FALSE)", Some(false.into())),
    ] {
        assert_eq!(value(expr), expected, "{expr}");
    }
}

#[test]
fn truths() {
    for (expr, expected) in [
        ("i > f", Truth::True),
        ("f < i AND NOT i = f", Truth::True),
        ("i != none", Truth::Unknown),
        ("7.0 = i + 0", Truth::True),
        ("i + 1 BETWEEN f AND 8", Truth::True),
        ("i + 1 NOT BETWEEN f AND none", Truth::Unknown),
        ("i + 1 BETWEEN 9 AND none", Truth::False),
        ("i + 1 IN (f, none, 8)", Truth::True),
        ("i + 1 IN (f, none)", Truth::Unknown),
        ("i + 1 NOT IN (f, 3)", Truth::True),
        ("LOWER(text) LIKE 'gr%'", Truth::True),
        ("LOWER(text) NOT IN ('a', 'b')", Truth::True),
        ("i / zero IS NULL", Truth::True),
        ("i / zero IS NOT NULL", Truth::False),
        ("i / zero > 1", Truth::Unknown),
        ("'b' = ANY(tags)", Truth::True),
        ("text = ANY(tags)", Truth::False),
        ("2 = ANY(sizes)", Truth::True),
        ("none = ANY(sizes)", Truth::Unknown),
        ("i = ANY(NULL)", Truth::Unknown),
        ("free = ANY(tags)", Truth::False),
        ("free = text", Truth::False),
        ("time < NOW()", Truth::True),
        ("NOW() - time = INTERVAL 1 DAY", Truth::True),
        ("NOW() - time > INTERVAL 25 HOUR", Truth::False),
        ("time + INTERVAL 1 DAY WITHIN 1 DAYS", Truth::True),
        ("day = '2026-09-01'", Truth::True),
        ("COALESCE(day, NOW()) < '2026-09-02'", Truth::True),
        ("CASE WHEN i > 1 THEN day END MORE THAN 10 DAYS AGO", Truth::True),
        ("(i > 1) = flag", Truth::True),
        ("1 = 1", Truth::True),
        ("SIZE(tags) = SIZE(sizes)", Truth::True),
        ("CONCAT('1.', i) >= VERSION '1.6'", Truth::True),
    ] {
        assert_eq!(truth(expr), expected, "{expr}");
    }
}

#[test]
fn types_that_do_not_fit_are_refused() {
    for expr in [
        "text + 1",
        "-flag",
        "i || tags",
        "LENGTH(i)",
        "LOWER(tags)",
        "ABS(text)",
        "ROUND(1, 'a')",
        "SIZE(text)",
        "CONCAT(tags, 1)",
        "COALESCE(i, text)",
        "LEAST(i, text)",
        "GREATEST(flag, flag)",
        "CASE WHEN i > 1 THEN 1 ELSE 'a' END",
        "CASE text WHEN 1 THEN 2 END",
        "CASE WHEN text > 1 THEN 2 END",
        "INTERVAL 1 DAY",
        "NOW() - time",
        "INTERVAL 1 DAY * 2",
        "NOW() + NOW()",
        "DATE_DIFF('day', flag, NOW())",
        "i = text",
        "i = tags",
        "flag < flag",
        "i = ANY(tags)",
        "i = ANY(text)",
        "i IN (1, 'a')",
        "i + 1 IN (f, 'a')",
        "NOW() - time > 5",
        "LOWER(text) > 5",
        "COALESCE(nowhere, 1)",
        "segment('a') = TRUE",
    ] {
        let expr = syntax::parse_value(expr).expect(expr);
        let found =
            Expressions::compile(&COLUMNS, &[], std::slice::from_ref(&expr)).expect_err(&expr.to_string());
        for finding in found {
            assert!(matches!(finding.code, Code::TypeMismatch | Code::UnknownName), "{expr}: {finding:?}");
        }
    }
}

#[test]
fn a_column_has_the_type_that_its_uses_agree_on() {
    let compile = |texts: &[&str]| {
        let values: Vec<_> = texts.iter().map(|text| syntax::parse_value(text).unwrap()).collect();
        Expressions::compile(&[("a", None), ("b", None)], &[], &values)
    };
    let row = Row(vec![Some("7".into()), Some("7".into())]);
    let all = compile(&["a + 1", "LENGTH(b)", "a", "b"]).unwrap();
    let seen: Vec<_> = (0..4).map(|number| all.value(number, &row, NOW_MS, NOW_MS)).collect();
    assert_eq!(seen, [Some(8.into()), Some(1.into()), Some(7.into()), Some("7".into())]);
    assert_eq!((all.types(2), all.types(3)), (vec![DataType::Number], vec![DataType::String]));
    let found = compile(&["a + 1", "LENGTH(a)"]).unwrap_err();
    assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["values[1].part(a)"]);
}

#[test]
fn expressions_are_bounded() {
    let sum = |count: usize| syntax::parse_value(&format!("1{}", " + 1".repeat(count)));
    let long = Expressions::compile(&[], &[], &[sum(511).unwrap()]).unwrap();
    assert_eq!(long.value(0, &Row(Vec::new()), NOW_MS, NOW_MS), Some(512.into()));
    let longer = Expressions::compile(&[], &[], &[sum(512).unwrap()]).unwrap_err();
    assert_eq!(longer[0].code, Code::OverBound);
    let nested = |levels: usize| {
        let text = "1 + 2 * (".repeat(levels) + "1" + &")".repeat(levels);
        syntax::parse_value(&text)
    };
    assert!(Expressions::compile(&[], &[], &[nested(23).unwrap()]).is_ok());
    assert!(nested(24).unwrap_err().message.contains("within each other"));
    let many = format!("CONCAT(1{})", ", 1".repeat(1_022));
    assert!(Expressions::compile(&[], &[], &[syntax::parse_value(&many).unwrap()]).is_ok());
    let many = syntax::parse_value(&format!("CONCAT(1{})", ", 1".repeat(1_023))).unwrap();
    let found = Expressions::compile(&[], &[], &[many]).unwrap_err();
    assert_eq!(found[0].code, Code::OverBound);
}

/// The rows of the tables in the documentation whose first cell is code.
fn documented(heading: &str) -> Vec<(String, String)> {
    let text = include_str!("../../docs/expressions.md");
    let section = text.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect("the heading");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| {
        let (code, rest) = row.split_once("` | ").expect("a cell of code");
        let (result, _) = rest.split_once(" |").expect("a second cell");
        (code.replace("\\|", "|"), result.to_owned())
    });
    cells.collect()
}

#[test]
fn documented_examples_are_true() {
    let columns = [
        ("price", Some(DataType::Number)),
        ("views", Some(DataType::Number)),
        ("discount", Some(DataType::Number)),
        ("tier", Some(DataType::String)),
        ("vip", Some(DataType::Boolean)),
        ("joined", Some(DataType::Date)),
        ("ordered_at", Some(DataType::Timestamp)),
        ("tags", Some(DataType::StringArray)),
    ];
    let row = Row(vec![
        Some(80.into()),
        Some(7.into()),
        None,
        Some("gold".into()),
        Some(true.into()),
        Some("2026-09-01".into()),
        Some("2026-09-20T14:13:20Z".into()),
        Some(Value::List(vec!["new".into(), "sale".into()])),
    ]);
    let (values, conditions) = (documented("Values"), documented("Conditions"));
    assert_eq!((values.len(), conditions.len()), (27, 10));
    for (text, expected) in values {
        let expr = syntax::parse_value(&text).expect(&text);
        let all = Expressions::compile(&columns, &[], &[expr]).expect(&text);
        let value = all.value(0, &row, NOW_MS, NOW_MS);
        assert_eq!(value.map_or("missing".into(), |value| value.to_string()), expected, "{text}");
    }
    for (text, expected) in conditions {
        let expr = syntax::parse(&text).expect(&text);
        let all = Expressions::compile(&columns, &[expr], &[]).expect(&text);
        let truth = format!("{:?}", all.truth(0, &row, NOW_MS, NOW_MS)).to_lowercase();
        assert_eq!(truth, expected, "{text}");
    }
}
