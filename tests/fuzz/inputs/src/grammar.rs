//! Inputs by grammar: shapes that are right, with contents that are at their edges.

use crate::Target;
use crate::corpus::corpus;
use crate::random::Random;

/// A new input; targets whose files say enough give one of those.
pub fn made(target: Target, random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    match target {
        Target::Criteria => criteria(random, 4, &mut out),
        Target::Condition => condition(random, 4, &mut out),
        Target::Event => event(random, &mut out),
        Target::Profile => return profile(random),
        Target::Bundle | Target::Definition => return random.pick(&corpus(target)),
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
            "tags",
            "sizes",
            "vip",
            "free",
            "\"in\"",
            "event.price",
            "edge.country",
            "day",
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
        _ => (random.pick(&["TRUE", "false", "segment('a')", "vip = TRUE"])).to_owned(),
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

/// A profile as the codec writes it, section by section, with lengths that are right.
fn profile(random: &mut Random) -> Vec<u8> {
    let mut out = b"USHP\x01".to_vec();
    for tag in 1..=6_u8 {
        let mut part = Vec::new();
        match tag {
            1 => {
                part.extend(id(random));
                time(&mut part, random);
                unsigned(&mut part, random.bits() >> random.below(64));
                unsigned(&mut part, random.below(3) as u64);
            }
            2 => {
                let count = random.below(4);
                unsigned(&mut part, count as u64);
                for _ in 0..count {
                    text(&mut part, random.pick(&["td_client_id", "customer_id", "email"]));
                    text(&mut part, random.pick(&TEXTS));
                    time(&mut part, random);
                }
            }
            3 => {
                let count = random.below(3);
                unsigned(&mut part, count as u64);
                (0..count).for_each(|_| part.extend(id(random)));
            }
            4 => {
                let count = random.below(5);
                unsigned(&mut part, count as u64);
                for _ in 0..count {
                    part.extend(random.bits().to_le_bytes());
                    signed(&mut part, random.below(100_000) as i64);
                }
            }
            5 => {
                let count = random.below(2);
                unsigned(&mut part, count as u64);
                (0..count).for_each(|_| record(&mut part, random));
            }
            _ => attributes(&mut part, random),
        }
        out.push(tag);
        unsigned(&mut out, part.len() as u64);
        out.extend(part);
    }
    out
}

fn record(out: &mut Vec<u8>, random: &mut Random) {
    text(out, random.pick(&TEXTS));
    time(out, random);
    time(out, random);
    if random.one_in(2) {
        out.push(0);
    } else {
        out.extend([1, 1]);
        text(out, "high_value");
    }
    let count = random.below(3);
    unsigned(out, count as u64);
    for _ in 0..count {
        text(out, random.pick(&["loyalty_tier", "vip_discount_percentage"]));
        value(out, random, 2);
    }
}

fn attributes(out: &mut Vec<u8>, random: &mut Random) {
    let names =
        ["browsed_products_list", "cart_items", "cart_value", "last_product_viewed", "page_views_24h", "zzz"];
    let kinds = [3, 3, 2, 1, 4, 9];
    let mut states = Vec::new();
    for index in 0..names.len() {
        if random.one_in(2) {
            continue;
        }
        let kind = if random.one_in(6) { 1 + random.below(5) as u8 } else { kinds[index] };
        states.push((names[index], kind, state(kind, random)));
    }
    unsigned(out, states.len() as u64);
    for (name, kind, state) in &states {
        text(out, name);
        out.push(*kind);
        unsigned(out, state.len() as u64);
    }
    states.into_iter().for_each(|(_, _, state)| out.extend(state));
}

fn state(kind: u8, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let stamped = |out: &mut Vec<u8>, random: &mut Random| {
        time(out, random);
        text(out, random.pick(&["e1", "e2", ""]));
        value(out, random, 2);
    };
    match kind {
        1 => stamped(&mut out, random),
        2 => wide(&mut out, random),
        3 => {
            let count = random.below(5);
            unsigned(&mut out, count as u64);
            (0..count).for_each(|_| stamped(&mut out, random));
        }
        _ => {
            signed(&mut out, random.pick(&[1_800_000, 60_000, 1, 0, -1, i64::MAX]));
            let count = random.below(5);
            unsigned(&mut out, count as u64);
            for _ in 0..count {
                signed(&mut out, random.bits().cast_signed() >> random.below(64));
                wide(&mut out, random);
            }
        }
    }
    out
}

fn id(random: &mut Random) -> [u8; 16] {
    let (a, b) = (random.bits().to_le_bytes(), random.bits().to_le_bytes());
    std::array::from_fn(|index| if index < 8 { a[index] } else { b[index - 8] })
}

fn time(out: &mut Vec<u8>, random: &mut Random) {
    let times = [0, 1_790_000_000_000, 1_789_999_999_999, -1, i64::MAX, i64::MIN];
    let edge = random.one_in(8);
    signed(out, if edge { random.pick(&times) } else { 1_790_000_000_000 - random.below(1 << 30) as i64 });
}

fn value(out: &mut Vec<u8>, random: &mut Random, depth: usize) {
    let tag = random.below(if depth > 0 { 8 } else { 6 }) as u8;
    out.push(tag);
    match tag {
        3 => signed(out, random.bits().cast_signed() >> random.below(64)),
        4 => out.extend(random.bits().to_le_bytes()),
        5 => text(out, random.pick(&TEXTS)),
        6 => {
            let count = random.below(4);
            unsigned(out, count as u64);
            (0..count).for_each(|_| value(out, random, depth - 1));
        }
        7 => {
            unsigned(out, 1);
            text(out, "a");
            value(out, random, depth - 1);
        }
        _ => {}
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    unsigned(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn signed(out: &mut Vec<u8>, number: i64) {
    unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// An i128 as the codec has it.
fn wide(out: &mut Vec<u8>, random: &mut Random) {
    let number = i128::from(random.bits().cast_signed() >> random.below(64))
        * if random.one_in(4) { 1 << 60 } else { 1 };
    let mut number = ((number << 1) ^ (number >> 127)).cast_unsigned();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
