//! Random steps: events and records at times where something begins or ends.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::value::{Number, Value};

use super::{Bent, Columns, Dice, Proof, Step, What};
use crate::model::DAY_MS;
use crate::model::value::INSTANTS;

const MINUTE_MS: i64 = 60_000;

/// Where cases begin: an edge of every bucket width.
const START_MS: i64 = 1_790_000_000_000 / (60 * DAY_MS) * (60 * DAY_MS) + 60 * DAY_MS;

pub fn steps(dice: &mut Dice, bent: Bent, definitions: &[Definition]) -> Vec<Step> {
    let spans_ms = spans_ms(definitions);
    let mut now_ms =
        START_MS + dice.between(-1, 1) + if dice.once_in(2) { dice.between(0, DAY_MS) } else { 0 };
    let mut steps: Vec<Step> = Vec::new();
    let count = if bent == Bent::Crowd { dice.between(230, 290) } else { dice.between(2, 24) };
    let begin_ms = now_ms;
    let mut bundles = (1..definitions.len()).collect::<Vec<_>>();
    for index in 0..count {
        let step_ms = clock_step(dice, now_ms, &spans_ms);
        let within_week = matches!(bent, Bent::Week | Bent::Crowd);
        if !within_week || now_ms + step_ms - begin_ms < 7 * DAY_MS - 1_000 {
            now_ms += step_ms;
        }
        // When an event that was counted may be counted again.
        if !within_week && dice.once_in(16) && !steps.is_empty() {
            let again_ms = dice.pick(&steps).at_ms + 7 * DAY_MS + dice.between(-1, 1);
            now_ms = now_ms.max(again_ms);
        }
        let mark = dice.roll();
        if bent == Bent::Changes {
            // When what was dropped is purged: 30 days after the first step under a new definition.
            let firsts = steps.windows(2).filter(|pair| matches!(pair[0].what, What::Bundle(_)));
            let firsts: Vec<i64> = firsts.map(|pair| pair[1].at_ms).collect();
            if dice.once_in(6) && !firsts.is_empty() {
                let purge_ms = *dice.pick(&firsts) + 30 * DAY_MS + dice.between(-1, 1);
                now_ms = now_ms.max(purge_ms);
            }
            if dice.once_in(4) && !bundles.is_empty() {
                steps.push(Step { at_ms: now_ms, what: What::Bundle(bundles.remove(0)), mark });
                // Now and then back to an earlier one.
                if dice.once_in(2) {
                    bundles.insert(0, dice.below(definitions.len()));
                }
                continue;
            }
        }
        let what = if dice.once_in(if bent == Bent::Crowd { 30 } else { 8 }) {
            // No two records arrive at one time, which is what decides between those computed at one.
            now_ms += 1;
            What::Row(row(dice, bent, now_ms, &spans_ms, &definitions[0]))
        } else {
            event(dice, bent, (now_ms, &spans_ms), index, &steps)
        };
        steps.push(Step { at_ms: now_ms, what, mark });
    }
    steps
}

/// At the end, and where something that is known may end.
pub fn looks(dice: &mut Dice, definitions: &[Definition], steps: &[Step]) -> Vec<i64> {
    let spans_ms = spans_ms(definitions);
    let last_ms = steps.last().map_or(START_MS, |step| step.at_ms);
    let mut looks_ms = vec![0];
    for _ in 0..3 {
        let step = dice.pick(steps);
        let time_ms = match &step.what {
            What::Event { table, columns, minted_id, .. } => {
                crate::model::resolve(None, table, columns, step.at_ms, minted_id).time_ms
            }
            _ => step.at_ms,
        };
        let span_ms = *dice.pick(&spans_ms);
        let width_ms = *dice.pick(&[1_000, MINUTE_MS, 60 * MINUTE_MS, DAY_MS]);
        let end_ms = (time_ms.div_euclid(width_ms) + 1) * width_ms;
        let at_ms = *dice.pick(&[time_ms, end_ms]) + span_ms + dice.between(-1, 1);
        looks_ms.push((at_ms - last_ms).max(0));
    }
    looks_ms.sort_unstable();
    looks_ms.dedup();
    looks_ms
}

/// Windows and durations in use.
fn spans_ms(definitions: &[Definition]) -> Vec<i64> {
    let mut all = vec![MINUTE_MS, 60 * MINUTE_MS, DAY_MS];
    for attribute in definitions.iter().flat_map(|definition| &definition.attributes) {
        match &attribute.kind {
            AttributeKind::Single { duration_ms, .. } => all.extend(*duration_ms),
            AttributeKind::List { duration_ms, .. } => all.push(*duration_ms),
            AttributeKind::Counter { window_ms, parts, .. } => {
                all.extend(*window_ms);
                all.extend(parts.iter().map(|part| part.window_ms));
            }
            AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => {}
        }
    }
    all
}

fn clock_step(dice: &mut Dice, now_ms: i64, spans_ms: &[i64]) -> i64 {
    let span_ms = *dice.pick(spans_ms);
    let width_ms = *dice.pick(&[1_000, MINUTE_MS, 5 * MINUTE_MS, 60 * MINUTE_MS, DAY_MS]);
    let to_edge_ms = width_ms - now_ms.rem_euclid(width_ms);
    match dice.below(20) {
        0..=4 => 0,
        5 | 6 => 1,
        7..=9 => dice.between(0, 3_000),
        10 | 11 => dice.between(0, 90 * MINUTE_MS),
        12..=14 => to_edge_ms - dice.between(0, 1),
        15 => width_ms,
        16 | 17 => span_ms / dice.between(1, 8),
        18 => span_ms + dice.between(-1, 1),
        _ => {
            if dice.once_in(4) {
                7 * DAY_MS + dice.between(-1, 1)
            } else {
                1
            }
        }
    }
}

fn past(dice: &mut Dice, now_ms: i64, spans_ms: &[i64]) -> i64 {
    let span_ms = *dice.pick(spans_ms);
    let width_ms = *dice.pick(&[1_000, MINUTE_MS, 60 * MINUTE_MS, DAY_MS]);
    let edge_ms = now_ms.div_euclid(width_ms) * width_ms;
    match dice.below(9) {
        0 | 1 => now_ms,
        2 => now_ms - dice.between(0, 3),
        3 => now_ms - dice.between(0, span_ms),
        4 => edge_ms - dice.between(0, 1),
        5 => edge_ms - width_ms * dice.between(0, 66),
        6 => now_ms - span_ms + dice.between(-1, 1),
        7 => now_ms - width_ms,
        _ => edge_ms - span_ms + dice.between(-1, 1),
    }
}

fn event(
    dice: &mut Dice,
    bent: Bent,
    (now_ms, spans_ms): (i64, &[i64]),
    index: i64,
    before: &[Step],
) -> What {
    let minted_id = format!("m{:02x}-{index}", dice.below(256));
    let proof = match dice.below(10) {
        0 | 1 if bent == Bent::People => Proof::Server,
        0..=6 if bent == Bent::Crowd => Proof::Server,
        2 if bent == Bent::People => {
            let name = *dice.pick(&["user", "mail", "cookie"]);
            let value = if dice.once_in(6) { dice.pick(&ODD_KEYS[..4]) } else { dice.pick(&KEYS) };
            Proof::Token(vec![(name.into(), value.to_string())])
        }
        _ => Proof::Nobody,
    };
    // A copy of an earlier event, or another one under its id.
    if !before.is_empty()
        && dice.once_in(if bent == Bent::People { 3 } else { 7 })
        && let What::Event { table, columns, .. } = &dice.pick(before).what
    {
        let mut columns = columns.clone();
        let known = columns.iter().position(|(name, _)| name == "time");
        if bent != Bent::Week
            && dice.once_in(4)
            && let Some(index) = known
        {
            columns.retain(|(name, _)| !matches!(name.as_str(), "time" | "n" | "id" | "s"));
            // No two contents of one id are of one time.
            columns.push(("time".into(), Value::from(now_ms - 1 - index as i64 - dice.between(0, 1 << 30))));
            columns.push(("n".into(), number(dice)));
        }
        if bent == Bent::People && dice.once_in(2) {
            // By another way, as it may reach somebody else who has not seen it.
            columns.retain(|(name, _)| !NAMES.iter().any(|key| name.eq_ignore_ascii_case(key)));
            keys(dice, bent, index, &mut columns);
        }
        return What::Event { table, columns, minted_id, proof };
    }
    let table = if dice.once_in(3) { "carts" } else { "pages" };
    let mut columns: Columns = Vec::new();
    if !dice.once_in(6) {
        let name = *dice.pick(&["uuid", "event_id", "messageId", "number"]);
        // Each id is of one event.
        let id = match dice.below(8) {
            0 => Value::from(index + 1_000 * dice.below(256) as i64),
            _ => Value::string(format!("{:02x}-{index}", dice.below(256))),
        };
        columns.push((name.into(), id));
    }
    if dice.once_in(20) {
        columns.push(("messageId".into(), dice.pick(&[true.into(), Value::List(vec![])]).clone()));
    }
    if dice.once_in(20) {
        columns.push(("uuid".into(), "".into()));
    }
    match dice.below(16) {
        0..=3 => {}
        4 => columns.push(("time".into(), dice.pick(&["soon".into(), Value::from(946_684_799)]).clone())),
        5 => columns.push(("timestamp".into(), Value::from(now_ms + dice.between(1, DAY_MS)))),
        drawn => {
            let name = if drawn == 6 { "timestamp" } else { "time" };
            let time_ms = past(dice, now_ms, spans_ms);
            let seconds = time_ms.rem_euclid(1_000) == 0 && dice.once_in(2);
            let time = match dice.below(8) {
                _ if seconds => time_ms / 1_000,
                0 => time_ms * 1_000 + dice.between(0, 999),
                1 => time_ms * 1_000_000 + dice.between(0, 999_999),
                _ => time_ms,
            };
            let in_text = dice.once_in(8);
            columns.push((name.into(), if in_text { Value::string(time.to_string()) } else { time.into() }));
        }
    }
    keys(dice, bent, index, &mut columns);
    let mut say = |name: &str, value: Value| columns.push((name.into(), value));
    if !dice.once_in(4) {
        say("kind", (*dice.pick(&["a", "a", "b", "c"])).into());
    } else if dice.once_in(4) {
        say("kind", dice.pick(&[Value::Null, Value::from(5), Value::List(vec![])]).clone());
    }
    if !dice.once_in(5) {
        say("n", number(dice));
    }
    if !dice.once_in(4) {
        say("s", text(dice));
    }
    if !dice.once_in(3) {
        say("t", instant(dice));
    }
    if !dice.once_in(3) {
        say("x", anything(dice));
    }
    if !dice.once_in(6) {
        say("id", item(dice));
    }
    if dice.once_in(3) {
        let objects = (0..dice.below(4)).map(|_| object(dice)).collect();
        say("p", Value::List(objects));
    }
    if dice.once_in(8) {
        // An array of texts, or of all that there is.
        let items = (0..dice.between(1, 3))
            .map(|_| if dice.once_in(2) { (*dice.pick(&["5", "2", "x"])).into() } else { number(dice) });
        say("n", Value::List(items.collect()));
    }
    match dice.below(6) {
        0 | 1 => say("o", Value::Object(vec![("n".into(), number(dice))])),
        2 => say("o.n", number(dice)),
        3 => {
            say("o", Value::Object(vec![("n".into(), number(dice))]));
            say("o.n", number(dice));
        }
        _ => {}
    }
    What::Event { table, columns, minted_id, proof }
}

const NAMES: [&str; 4] = ["cookie", "user", "mail", "ref"];
const KEYS: [&str; 7] = ["k-1", "k-2", "k-3", "k-4", "k-0", "k-9", "odd"];
/// Other spellings, control characters, and texts that mean nobody.
const ODD_KEYS: [&str; 13] = [
    "K-1",
    " k-1\u{a0}",
    "\tK-2",
    "k\u{7}1",
    "k-1\u{85}",
    " ",
    "UNDEFINED",
    "null",
    " (not set)",
    "[object Object]",
    "0",
    "00000000-0000-0000-0000-000000000000",
    "\u{130}",
];

fn keys(dice: &mut Dice, bent: Bent, index: i64, columns: &mut Columns) {
    let mut say = |name: &str, value: Value| columns.push((name.into(), value));
    match bent {
        Bent::Values | Bent::Week | Bent::Changes => {
            say("cookie", if dice.once_in(10) { "c-2" } else { "c-1" }.into());
            // What is left of an old kind when profiles merge is tried elsewhere.
            if bent != Bent::Changes && dice.once_in(10) {
                say("user", "u-1".into());
            }
        }
        Bent::Crowd => {
            // The primary key is seen at the beginning only, and the cookie always.
            if index < 4 && !dice.once_in(3) {
                say("user", "u-1".into());
            }
            if index < 6 && dice.once_in(2) {
                say("ref", if dice.once_in(2) { "r-1" } else { "r-2" }.into());
            }
            let cookie = if dice.once_in(40) { "c-2" } else { "c-1" };
            say("cookie", cookie.into());
            let mail = if dice.once_in(9) { dice.below(200) as i64 } else { index };
            say("mail", Value::string(format!("m-{mail}")));
        }
        Bent::People => {
            for name in NAMES {
                if dice.once_in(3) {
                    let name = if dice.once_in(12) { name.to_uppercase() } else { name.to_owned() };
                    let value = match dice.below(24) {
                        0 => Value::from(5),
                        1 => "".into(),
                        2 => Value::string("k".repeat(256)),
                        3 => Value::string("k".repeat(257)),
                        4 => Value::Null,
                        5 | 6 => (*dice.pick(&ODD_KEYS)).into(),
                        _ => (*dice.pick(&KEYS)).into(),
                    };
                    say(&name, value);
                }
            }
        }
    }
}

fn row(dice: &mut Dice, bent: Bent, now_ms: i64, spans_ms: &[i64], definition: &Definition) -> Columns {
    let identity = &definition.identity;
    let lookup = identity.lookup_key.as_ref().or(identity.primary_key.as_ref()).expect("one");
    let key: Value = if bent == Bent::People {
        dice.pick(&[
            Value::from("k-1"),
            "k-2".into(),
            "k-3".into(),
            "k-9".into(),
            " K-2".into(),
            "null".into(),
            Value::from(5),
        ])
        .clone()
    } else {
        Value::string(format!("{}-{}", &lookup[..1], if dice.once_in(8) { 2 } else { 1 }))
    };
    let mut row = vec![(lookup.clone(), key)];
    let mut say = |name: &str, value: Value| row.push((name.into(), value));
    if !dice.once_in(4) {
        say("score", dice.pick(&[Value::from(10), "12.5".into(), Value::from(-3), "many".into()]).clone());
    }
    if !dice.once_in(3) {
        say("since", Value::from(past(dice, now_ms, spans_ms)));
    }
    if !dice.once_in(3) {
        say("tier", dice.pick(&[Value::from("vip"), Value::from(3), Value::List(vec![1.into()])]).clone());
    }
    match dice.below(5) {
        0 => {}
        4 => say("computed_at", Value::string((now_ms / 1_000).to_string())),
        1 => say("computed_at", Value::from(now_ms + dice.between(0, 5))),
        2 => say("computed_at", Value::from(now_ms / 1_000)),
        _ => say("computed_at", Value::from(past(dice, now_ms, spans_ms))),
    }
    row
}

fn number(dice: &mut Dice) -> Value {
    let float = |value: f64| Value::Number(Number::float(value).expect("finite"));
    let odd = [
        float(0.1),
        float(0.2),
        float(-0.5),
        float(5.0),
        float(0.000_976_562_5),
        float(0.002_929_687_5),
        float(1e15),
        float(-1e15),
        float(1.000_000_000_000_001e15),
        float(1e300),
        float(1e-300),
        float(-0.0),
        Value::from(1_000_000_000_000_000),
        Value::from(1_000_000_000_000_001),
        Value::from(i64::MAX),
        Value::from(i64::MIN),
        Value::from(9_007_199_254_740_993),
        float(9_007_199_254_740_992.0),
        "5".into(),
        "1.25".into(),
        "1e3".into(),
        "-0".into(),
        "12345678901234567890".into(),
        " 5".into(),
        "05".into(),
        "five".into(),
        "".into(),
        true.into(),
        Value::Null,
        Value::List(vec![1.into()]),
        Value::Object(vec![]),
    ];
    if dice.once_in(3) { dice.pick(&odd).clone() } else { Value::from(dice.between(-1, 6)) }
}

fn text(dice: &mut Dice) -> Value {
    match dice.below(16) {
        0 => Value::from(5),
        1 => Value::string("s".repeat(500)),
        2 => Value::string("s".repeat(501)),
        3 => "".into(),
        4 => "\u{e9}".into(),
        _ => (*dice.pick(&["a", "b", "B", "aa"])).into(),
    }
}

/// An object of an array, or what is none.
fn object(dice: &mut Dice) -> Value {
    let mut columns = Vec::new();
    if !dice.once_in(4) {
        columns.push(("n".into(), number(dice)));
    }
    if !dice.once_in(3) {
        let gift: [Value; 4] = [true.into(), false.into(), "true".into(), 1.into()];
        columns.push(("gift".into(), dice.pick(&gift).clone()));
    }
    if dice.once_in(12) { number(dice) } else { Value::Object(columns) }
}

fn instant(dice: &mut Dice) -> Value {
    match dice.below(11) {
        0 => "soon".into(),
        1 => true.into(),
        8 => "1790000000".into(),
        9 => "1790000000123".into(),
        10 => dice.pick(&["1790000000.5", "01790000000", " 1790000000", "5e300"]).to_owned().into(),
        2 => Value::from(*dice.pick(&[1_790_000_000, 1_790_000_000_123_456, 1_790_000_000_123_456_789])),
        3 => Value::from(1_790_000_000_123),
        4 => Value::Number(Number::float(1_790_000_000.5).expect("finite")),
        _ => dice.pick(&INSTANTS).0.into(),
    }
}

fn anything(dice: &mut Dice) -> Value {
    let list = |items: &[Value]| Value::List(items.to_vec());
    let all = [
        true.into(),
        false.into(),
        Value::from(7),
        "x".into(),
        list(&[]),
        list(&["a".into(), "b".into()]),
        list(&[1.into(), 2.into()]),
        list(&[1.into(), "b".into()]),
        Value::Object(vec![("n".into(), 1.into())]),
    ];
    dice.pick(&all).clone()
}

fn item(dice: &mut Dice) -> Value {
    let odd = [
        Value::from(5),
        Value::Number(Number::float(5.0).expect("finite")),
        "5".into(),
        true.into(),
        "".into(),
        Value::Null,
        Value::List(vec!["a".into()]),
        Value::Object(vec![]),
    ];
    if dice.once_in(4) { dice.pick(&odd).clone() } else { (*dice.pick(&["a", "b", "c", "d"])).into() }
}
