//! Inputs by grammar: shapes that are right, with contents that are at their edges.

use crate::Target;
use crate::random::Random;

/// A new input; targets whose files say enough give one of those.
pub fn made(target: Target, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    match target {
        Target::Criteria => criteria(random, 4, &mut out),
        Target::Condition => condition(random, 4, &mut out),
        Target::Event => event(random, &mut out),
        Target::Batch => {
            out.push_str("{\"sentAt\":1790000000,\"events\":[");
            for index in 0..random.below(12) {
                out.push_str(if index > 0 { "," } else { "" });
                event(random, &mut out);
            }
            out.push_str("]}");
        }
        Target::Import => {
            for row in 0..random.below(12) {
                out.push_str(&format!("{{\"customer_id\":\"c-{row}\",\"row\":"));
                event(random, &mut out);
                out.push_str("}\n");
                event(random, &mut out);
                out.push('\n');
            }
        }
        Target::Bundle | Target::Definition | Target::Profile => return random.pick(seeds),
    }
    out.into_bytes()
}

/// Numbers where readers of numbers turn.
pub(crate) const NUMBERS: [&str; 28] = [
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "20",
    "255",
    "256",
    "257",
    "65536",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e15",
    "1000000000000001",
    "1e-9",
    "5e-10",
    "1.7976931348623157e308",
    "1e309",
    "5e-324",
    "2.2250738585072011e-308",
    "0.1",
    "1e-999999999",
    "123456789012345678901234567890.123456789",
    "1790000000",
    "1790000000000",
];

pub(crate) const TEXTS: [&str; 16] = [
    "",
    "VIP",
    "a",
    "%",
    "%a%_%",
    "(a+)+$",
    "[^a-z]{1,9}",
    "\\\\d{3}(?i)x|y",
    "2026-01-01T00:00:00Z",
    "2026-01-01",
    "é",
    "😀",
    "''",
    "P-207",
    "anon-7",
    "0000-00-00T99:99:99+99:99",
];

fn criteria(random: &mut Random, depth: usize, out: &mut String) {
    if depth > 0 && !random.one_in(3) {
        let joined = random.pick(&[" AND ", " OR ", " and ", "\nOR "]);
        let open = !random.one_in(3);
        out.push_str(if open { "(" } else { "NOT " });
        criteria(random, depth - 1, out);
        for _ in 0..random.below(4) {
            out.push_str(joined);
            criteria(random, depth - 1, out);
        }
        out.push_str(if open { ")" } else { "" });
        return;
    }
    let (name, not) = (
        random.pick(&[
            "age",
            "tier",
            "seen",
            "bought",
            "sizes",
            "paid",
            "free",
            "\"in\"",
            "event.price",
            "edge.country",
            "born",
        ]),
        random.pick(&["", "", "NOT "]),
    );
    let number = |random: &mut Random| random.pick(&NUMBERS).to_owned();
    let text = |random: &mut Random| format!("'{}'", random.pick(&TEXTS));
    let literal = |random: &mut Random| if random.one_in(2) { number(random) } else { text(random) };
    let test = match random.below(12) {
        0..=2 => {
            format!("{name} {} {}", random.pick(&["=", "!=", "<>", "<", "<=", ">", ">="]), literal(random))
        }
        3 => {
            let values: Vec<String> = (0..1 + random.below(6)).map(|_| literal(random)).collect();
            format!("{name} {not}IN ({})", values.join(", "))
        }
        4 => format!("{name} {not}BETWEEN {} AND {}", literal(random), literal(random)),
        5 => format!(
            "{name} {not}{} {}",
            random.pick(&["LIKE", "MATCHES", "STARTS WITH", "ENDS WITH"]),
            text(random)
        ),
        6 => format!("{name} {not}MATCHES {}", text(random)),
        7 => format!("{name} {not}CONTAINS {}", literal(random)),
        8 => format!("{name} IS {not}NULL"),
        9 => format!("{name} {not}WITHIN {} DAYS", number(random)),
        10 => format!("SIZE({name}) {} {}", random.pick(&["=", "!=", "<", ">"]), number(random)),
        _ => (random.pick(&["TRUE", "false", "segment('a')", "paid = TRUE"])).to_owned(),
    };
    out.push_str(&test);
}

fn json_value(random: &mut Random, out: &mut String) {
    match random.below(5) {
        0..=1 => out.push_str(random.pick(&NUMBERS)),
        2..=3 => {
            out.push('"');
            out.push_str(random.pick(&TEXTS));
            out.push('"');
        }
        _ => out.push_str(random.pick(&[
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[1,\"a\",null]",
            "{\"a\":{\"b\":1}}",
        ])),
    }
}

fn condition(random: &mut Random, depth: usize, out: &mut String) {
    if depth > 0 && !random.one_in(3) {
        out.push_str(&format!("{{\"type\":\"{}\",\"conditions\":[", random.pick(&["And", "Or"])));
        for index in 0..random.below(4) {
            out.push_str(if index > 0 { "," } else { "" });
            condition(random, depth - 1, out);
        }
        out.push_str("]}");
        return;
    }
    let column = random.pick(&["price", "td_path", "time", "a.b", ""]);
    let attribute = random.pick(&["tier", "views", "basket", "nobody"]);
    out.push_str(&match random.below(3) {
        0..=1 => format!("{{\"type\":\"Column\",\"column\":\"{column}\","),
        _ => format!("{{\"type\":\"RealtimeAttribute\",\"realtimeAttributeId\":\"{attribute}\",\"subAttributeIdentifier\":null,"),
    });
    let operators = [
        "Equal",
        "Greater",
        "GreaterThan",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "IsNull",
        "In",
        "Contain",
        "StartWith",
        "EndWith",
        "Regexp",
        "Between",
        "TimeWithinPast",
        "Equals",
    ];
    out.push_str(&format!(
        "\"operator\":{{\"type\":\"{}\",\"not\":{}",
        random.pick(&operators),
        random.one_in(2)
    ));
    for key in ["rightValue", "minValue", "maxValue"] {
        if random.one_in(2) {
            out.push_str(&format!(",\"{key}\":"));
            json_value(random, out);
        }
    }
    if random.one_in(4) {
        out.push_str(",\"rightValues\":[");
        for index in 0..random.below(5) {
            out.push_str(if index > 0 { "," } else { "" });
            json_value(random, out);
        }
        out.push(']');
    }
    out.push_str("}}");
}

fn event(random: &mut Random, out: &mut String) {
    let columns = [
        "td_client_id",
        "customer_id",
        "email",
        "td_path",
        "product_id",
        "price",
        "quantity",
        "uuid",
        "time",
        "timestamp",
        "messageId",
        "audience",
        "key",
        "inputs",
        "personalization",
        "event",
        "batch_segments",
        "computed_at",
    ];
    let many = if random.one_in(4) { 40 } else { 8 };
    out.push('{');
    for index in 0..random.below(many) {
        out.push_str(if index > 0 { "," } else { "" });
        match random.below(10) {
            0 => out.push_str(&format!("\"c{}\":", random.below(300))),
            _ => out.push_str(&format!("\"{}\":", random.pick(&columns))),
        }
        json_value(random, out);
    }
    out.push('}');
}
