//! Damage to an input: bits, bytes, chunks, words, brackets, lines, numbers, depth and size.

use crate::grammar::{NUMBERS, TEXTS};
use crate::random::Random;
use crate::{INPUT_BYTES_MAX, LARGE_BYTES_MAX, LARGE_ONE_IN, Target, profile};

/// The input after a few accidents, and sometimes none: what is refused at once shows little. `partner` is where foreign
/// chunks come from.
pub fn damaged(target: Target, mut input: Vec<u8>, partner: &[u8], random: &mut Random) -> Vec<u8> {
    for _ in 0..random.pick(&[0, 1, 1, 1, 2, 3, 6]) {
        if target == Target::Profile && !random.one_in(4) {
            profile::accident(&mut input, random);
        } else {
            accident(target, &mut input, partner, random);
        }
        // A cut that is at the end as often as at the start of what is damaged.
        if input.len() > INPUT_BYTES_MAX {
            let from = random.below(input.len() - INPUT_BYTES_MAX + 1);
            input = if random.one_in(2) {
                input[..INPUT_BYTES_MAX].to_vec()
            } else {
                input[from..from + INPUT_BYTES_MAX].to_vec()
            };
        }
    }
    if random.one_in(LARGE_ONE_IN) {
        blow_up(&mut input, random);
    }
    if target == Target::Profile && !random.one_in(16) { profile::mended(input) } else { input }
}

fn accident(target: Target, input: &mut Vec<u8>, partner: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let few = |random: &mut Random| {
        let most = if random.one_in(4) { 200 } else { 12 };
        1 + random.below(most)
    };
    match random.below(14) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => {
            let any = random.bits() as u8;
            input[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff, b' ', b'\n', any]);
        }
        2 => drop(input.drain(at..(at + few(random)).min(input.len()))),
        3 => {
            let copy = input[at..(at + few(random)).min(input.len())].to_vec();
            let into = random.below(input.len() + 1);
            input.splice(into..into, copy);
        }
        4 if !partner.is_empty() => {
            let from = random.below(partner.len());
            let foreign = partner[from..(from + few(random)).min(partner.len())].to_vec();
            let to = (at + random.below(foreign.len() + 1)).min(input.len());
            input.splice(at..to, foreign);
        }
        5..=6 => {
            let word = random.pick(words(target));
            let to = if random.one_in(2) { at } else { (at + word.len()).min(input.len()) };
            input.splice(at..to, word.bytes());
        }
        7 => number(input, at, random),
        8 => input.truncate(at),
        9 => bracketed(input, at, partner, random),
        10 => bracketed(input, at, &[], random),
        11 => lines(input, at, random),
        12 if random.one_in(4) => nest(target, input, at, random),
        _ => {
            let text = random.pick(&TEXTS);
            input.splice(at..at, text.bytes());
        }
    }
}

/// Puts a number in the place of the next one, or of a byte where there is none.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let start = input[at..].iter().position(|byte| byte.is_ascii_digit()).map_or(at, |found| at + found);
    let length = input[start..].iter().take_while(|byte| digit(byte)).count();
    input.splice(start..start + length, random.pick(&NUMBERS).bytes());
}

/// The next group or text from `at`, with what opens and closes it.
fn group(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + input.get(at..)?.iter().position(|byte| b"{[(\"'".contains(byte))?;
    let open = input[start];
    let close = match open {
        b'{' => b'}',
        b'[' => b']',
        b'(' => b')',
        quote => quote,
    };
    let mut depth = 0;
    for (index, byte) in input.iter().enumerate().skip(start) {
        if *byte == close && (open != close || index > start) {
            depth -= 1;
        } else if *byte == open {
            depth += 1;
        }
        if depth == 0 {
            return Some((start, index + 1));
        }
    }
    None
}

/// Takes a whole group out, doubles it, or puts one of the partner's in its place.
fn bracketed(input: &mut Vec<u8>, at: usize, partner: &[u8], random: &mut Random) {
    let Some((start, end)) = group(input, at) else { return };
    let foreign =
        group(partner, random.below(partner.len() + 1)).map(|(from, to)| partner[from..to].to_vec());
    match (foreign, random.below(3)) {
        (Some(foreign), _) => drop(input.splice(start..end, foreign)),
        (None, 0) => drop(input.drain(start..end)),
        (None, 1) => drop(input.splice(start..end, *b"null")),
        (None, _) => {
            let mut copy = b",".to_vec();
            copy.extend_from_slice(&input[start..end]);
            input.splice(end..end, copy);
        }
    }
}

/// Takes a line out, doubles it, moves it, or moves its beginning.
fn lines(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let start = input[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
    let end = input[at..].iter().position(|byte| *byte == b'\n').map_or(input.len(), |found| at + found + 1);
    let line = input[start..end].to_vec();
    match random.below(4) {
        0 => drop(input.drain(start..end)),
        1 => drop(input.splice(end..end, line)),
        2 => {
            input.drain(start..end);
            let into = random.below(input.len() + 1);
            input.splice(into..into, line);
        }
        _ => drop(input.splice(start..start, *b"  ")),
    }
}

/// Opens something many times, and sometimes closes it again.
fn nest(target: Target, input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let shapes: &[(&str, &str)] = match target {
        Target::Criteria => {
            &[("(", ")"), ("NOT ", ""), ("NOT (", ")"), ("(a = 1 OR ", ")"), ("'", ""), ("''", "")]
        }
        Target::Definition => &[
            ("[", "]"),
            ("{a: ", "}"),
            ("- ", ""),
            ("? ", ""),
            ("!!map {", "}"),
            ("&a [*a, ", "]"),
            ("- - ", ""),
        ],
        Target::Profile => &[("\u{6}\u{1}", ""), ("\u{7}\u{1}\u{1}a", ""), ("\u{7f}", ""), ("\0", "")],
        Target::Bundle => {
            &[("[", "]"), ("{\"a\":", "}"), ("{\"not\":", "}"), ("{\"and\":[", "]}"), ("\"\\u0041", "\"")]
        }
        _ => &[
            ("[", "]"),
            ("{\"a\":", "}"),
            ("{\"type\":\"Or\",\"conditions\":[", "]}"),
            ("\\ud83d", ""),
            ("{\"a\":0,", "}"),
        ],
    };
    let (open, close) = random.pick(shapes);
    let deep = random.pick(&[2, 8, 15, 16, 17, 31, 32, 33, 64, 119, 120, 121, 1_000]);
    let end = at + random.below(input.len() - at + 1);
    if !random.one_in(3) {
        input.splice(end..end, close.repeat(deep).bytes());
    }
    input.splice(at..at, open.repeat(deep).bytes());
}

/// Repeats a piece until the whole is large; a counter in each copy makes names differ.
fn blow_up(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len() + 1);
    let piece = match group(input, at) {
        Some((start, end)) if end - start < 400 => input[start..end].to_vec(),
        _ => input[at..(at + 1 + random.below(60)).min(input.len())].to_vec(),
    };
    let piece = if random.one_in(3) {
        random
            .pick(&[
                "\"#\":0",
                "\"#\"",
                "#",
                "#: 1\n",
                "- #\n",
                "a\n",
                "{\"#\":[]}",
                "{\"customer_id\":\"#\"}\n",
            ])
            .as_bytes()
            .to_vec()
    } else {
        piece
    };
    if piece.is_empty() {
        return;
    }
    let comma = random.one_in(2);
    let mut many = Vec::new();
    let mut number = 0_u32;
    while input.len() + many.len() < LARGE_BYTES_MAX {
        for byte in &piece {
            if *byte == b'#' { many.extend(format!("k{number}").bytes()) } else { many.push(*byte) }
        }
        if comma {
            many.push(b',');
        }
        number += 1;
    }
    input.splice(at..at, many);
}

fn words(target: Target) -> &'static [&'static str] {
    match target {
        Target::Criteria => &[
            " AND ",
            " OR ",
            "NOT ",
            " IN (",
            "BETWEEN",
            " LIKE ",
            " IS NULL",
            "CONTAINS",
            "MATCHES",
            "WITHIN ",
            " DAYS",
            "STARTS WITH",
            "ENDS WITH",
            "SIZE(",
            "segment('",
            "TRUE",
            "event.",
            "edge.",
            "''",
            "\"",
            "(",
            ")",
            "!=",
            "<>",
            "\u{a0}",
            "\\",
            "age",
            "seen",
        ],
        Target::Definition => &[
            ": ",
            "- ",
            "? ",
            "|",
            ">",
            "|2-\n",
            "&a ",
            "*a",
            "!!str ",
            "!x ",
            "<<: *a",
            "{",
            "}",
            "[",
            "]",
            ",",
            "#",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\t",
            "\u{feff}",
            "\u{202e}",
            "\"\\u",
            "'",
            "~",
            "null",
            "criteria: ",
            "events:\n",
            "sections:\n",
            "attributes:\n",
            "window_duration: 24h\n",
            "aggregation: sum\n",
            "operator: NOT\n",
            "conditions:\n",
        ],
        Target::Profile => &["\0", "\u{1}", "\u{6}", "\u{7}", "USHP", "\u{7f}", "\u{7f}\u{1}"],
        _ => &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u0000",
            "\\ud83d",
            "null",
            "true",
            "1e",
            "-",
            "\"and\":",
            "\"or\":[",
            "\"not\":",
            "\"test\":",
            "\"matches\":",
            "\"counter\":",
            "\"window_ms\":",
            "\"list\":",
            "\"last\"",
            "\"sum\"",
            "\"type\":",
            "\"operator\":",
            "\"rightValue\":",
            "\"Regexp\"",
            "\"events\":[",
            "\"time\":",
            "\"uuid\":",
            "\"td_client_id\":",
            "\"customer_id\":",
            "\n",
        ],
    }
}
