//! Reading never panics: the shop's files and bodies of the API, damaged in 20,000 ways.
//!
//! The damage is drawn from a fixed seed, so a failure comes back with its number.

use std::fs;
use std::path::Path;

use usher_config::render::{human, json, plain};
use usher_config::{Source, check};

const ROUNDS: u64 = 20_000;

#[test]
fn no_damage_makes_reading_panic() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = [
        ("cart_recovery.yaml", "../../examples/shop"),
        ("entity.json", "../../examples/shop"),
        ("pipeline.yaml", "../../examples/shop"),
        ("product_recommendations.yaml", "../../examples/shop"),
        ("rt_config.yaml", "../../examples/shop"),
        ("web_personalization.yaml", "../../examples/shop"),
        ("api.json", "tests/cases"),
    ];
    let texts = texts.map(|(name, folder)| (name, fs::read(here.join(folder).join(name)).unwrap()));
    for round in 0..ROUNDS {
        let mut random = Random(round.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        let (name, text) = &texts[random.below(texts.len())];
        // A part of a file is as good as the whole and much faster.
        let start = if random.below(2) == 0 { 0 } else { random.below(text.len()) };
        let mut text = text[start..(start + 1_500).min(text.len())].to_vec();
        for _ in 0..1 + random.below(4) {
            random.damage(&mut text);
        }
        let name = if random.below(10) == 0 { "other.yaml" } else { name };
        let sources = [Source { name: name.to_owned(), text: String::from_utf8_lossy(&text).into_owned() }];
        for finding in check(&sources).findings {
            human(&finding, &sources, true);
            plain(&finding);
            json(&finding);
        }
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }

    fn damage(&mut self, text: &mut Vec<u8>) {
        const PIECES: [&str; 32] = [
            "\"",
            "'",
            "''",
            "\\",
            "\\u",
            "\\ud83d",
            "\\\n",
            ":",
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
            "é😀",
        ];
        let (at, to) = (self.below(text.len() + 1), self.below(text.len() + 1));
        let (from, to) = (at.min(to), at.max(to));
        match self.below(6) {
            0 => {
                text.drain(from..to.min(from + 20));
            }
            1 => {
                let copy = text[from..to.min(from + 60)].to_vec();
                let into = self.below(text.len() + 1);
                text.splice(into..into, copy);
            }
            2 if at < text.len() => text[at] = self.below(256) as u8,
            3 => text.truncate(at),
            4 if at < text.len() => text[at] ^= 1 << self.below(8),
            _ => {
                text.splice(at..at, PIECES[self.below(PIECES.len())].bytes());
            }
        }
    }
}
