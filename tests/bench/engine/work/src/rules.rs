//! The rules and profiles that every subject gets: a small typed tree of their own, from a seed.
//!
//! Every field of a profile has a value. What a missing one means, the subjects do not agree on: one panics, some err.

use crate::random::Random;

/// Whole numbers, with their largest; the smallest is 0. All fit 32 bits, because one subject knows no others.
pub const INTS: [(&str, i32); 8] = [
    ("age", 99),
    ("visits", 49),
    ("score", 999),
    ("cart_items", 19),
    ("days_away", 364),
    ("store", 29),
    ("level", 9),
    ("points", 9_999),
];

/// Texts, with how many different ones there are.
pub const TEXTS: [(&str, usize); 8] = [
    ("country", 20),
    ("tier", 4),
    ("device", 3),
    ("city", 40),
    ("category", 25),
    ("campaign", 30),
    ("locale", 12),
    ("plan", 5),
];

/// The number of a profile's fields: first the numbers, then the texts.
pub const FIELDS: usize = INTS.len() + TEXTS.len();

/// A field's name.
pub fn name(field: usize) -> &'static str {
    INTS.get(field).map_or_else(|| TEXTS[field - INTS.len()].0, |(name, _)| name)
}

/// A rule about a profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Each of them.
    All(Vec<Rule>),
    /// At least one.
    Any(Vec<Rule>),
    /// The opposite.
    Not(Box<Rule>),
    /// One question about one field.
    Is(usize, Test),
}

/// A question about a value; ranges include both ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    AtLeast(i32),
    AtMost(i32),
    Between(i32, i32),
    /// The text has this in it.
    Contains(String),
    EqualInt(i32),
    EqualText(String),
    InInts(Vec<i32>),
    InTexts(Vec<String>),
}

/// A visitor, as far as rules ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub ints: [i32; INTS.len()],
    pub texts: [String; TEXTS.len()],
}

impl Profile {
    pub fn int(&self, field: usize) -> i32 {
        self.ints[field]
    }

    pub fn text(&self, field: usize) -> &str {
        &self.texts[field - INTS.len()]
    }
}

/// The `index`th text of a field: 2 to 11 letters, different for every field and index.
fn word(field: usize, index: usize) -> String {
    let mut random = Random::new((field * 1_000 + index) as u64);
    let mut letters =
        |count| -> String { (0..count).map(|_| (b'a' + random.below(26) as u8) as char).collect() };
    let stem = letters(index % 9 + 1);
    // Ends in what tells it from the others of the field.
    format!("{stem}{}", (b'a' + (index % 26) as u8) as char) + if index >= 26 { "x" } else { "" }
}

/// Visitors, each value equally likely.
pub fn profiles(seed: u64, count: usize) -> Vec<Profile> {
    let mut random = Random::new(seed);
    let mut profile = || Profile {
        ints: INTS.map(|(_, most)| random.between(0, most)),
        texts: std::array::from_fn(|text| word(text + INTS.len(), random.below(TEXTS[text].1))),
    };
    (0..count).map(|_| profile()).collect()
}

fn equal_int(random: &mut Random) -> Rule {
    let field = random.below(INTS.len());
    Rule::Is(field, Test::EqualInt(random.between(0, INTS[field].1)))
}

fn equal_text(random: &mut Random) -> Rule {
    let text = random.below(TEXTS.len());
    let field = text + INTS.len();
    Rule::Is(field, Test::EqualText(word(field, random.below(TEXTS[text].1))))
}

fn one_sided(random: &mut Random) -> Rule {
    let field = random.below(INTS.len());
    let bound = random.between(0, INTS[field].1);
    Rule::Is(field, if random.below(2) == 0 { Test::AtLeast(bound) } else { Test::AtMost(bound) })
}

fn two_sided(random: &mut Random) -> Rule {
    let field = random.below(INTS.len());
    let (a, b) = (random.between(0, INTS[field].1), random.between(0, INTS[field].1));
    Rule::Is(field, Test::Between(a.min(b), a.max(b)))
}

/// A third to a half of a text field's values, at most 12, or 4 to 12 numbers.
fn in_set(random: &mut Random) -> Rule {
    if random.below(2) == 0 {
        let field = random.below(INTS.len());
        let mut items: Vec<i32> =
            (0..4 + random.below(9)).map(|_| random.between(0, INTS[field].1)).collect();
        items.sort_unstable();
        items.dedup();
        return Rule::Is(field, Test::InInts(items));
    }
    let text = random.below(TEXTS.len());
    let (field, of) = (text + INTS.len(), TEXTS[text].1);
    let mut items: Vec<String> = (0..of).map(|index| word(field, index)).collect();
    random.shuffle(&mut items);
    items.truncate((of / 2).clamp(2, 12));
    Rule::Is(field, Test::InTexts(items))
}

/// Twenty rules of one criterion: 30 % equality of whole numbers, 15 % of texts, 20 % ranges (half of them with two
/// sides), 25 % in a set, 10 % two fields joined by AND.
pub fn mix(seed: u64) -> Vec<Rule> {
    let mut random = Random::new(seed);
    let mut rules = Vec::new();
    for (count, make) in [
        (6, equal_int as fn(&mut Random) -> Rule),
        (3, equal_text),
        (2, one_sided),
        (2, two_sided),
        (5, in_set),
    ] {
        rules.extend((0..count).map(|_| make(&mut random)));
    }
    rules.extend((0..2).map(|_| Rule::All(vec![equal_text(&mut random), one_sided(&mut random)])));
    random.shuffle(&mut rules);
    rules
}

/// Rules of eight criteria in AND, OR and NOT: `(a OR b OR c) AND (d OR (e AND f)) AND NOT (g AND h)`, or OR and AND
/// the other way round. With `substrings` some ask for one, which not every subject can.
pub fn nested(seed: u64, count: usize, substrings: bool) -> Vec<Rule> {
    let mut random = Random::new(seed);
    let leaf = |random: &mut Random| match random.below(if substrings { 24 } else { 23 }) {
        0..4 => equal_int(random),
        4..8 => equal_text(random),
        8..13 => one_sided(random),
        13..17 => two_sided(random),
        17..23 => in_set(random),
        _ => {
            let text = random.below(TEXTS.len());
            let field = text + INTS.len();
            let whole = word(field, random.below(TEXTS[text].1));
            Rule::Is(field, Test::Contains(whole[whole.len() - 2..].to_owned()))
        }
    };
    let mut rule = || {
        let [a, b, c, d, e, f, g, h] = std::array::from_fn(|_| leaf(&mut random));
        if random.below(2) == 0 {
            let not = Rule::Not(Box::new(Rule::All(vec![g, h])));
            Rule::All(vec![Rule::Any(vec![a, b, c]), Rule::Any(vec![d, Rule::All(vec![e, f])]), not])
        } else {
            let not = Rule::Not(Box::new(Rule::Any(vec![g, h])));
            Rule::Any(vec![Rule::All(vec![a, b]), Rule::All(vec![c, Rule::Any(vec![d, e, f])]), not])
        }
    };
    (0..count).map(|_| rule()).collect()
}

/// Sections of five criteria joined by AND. Three of the five are of 50 that all sections choose from, two are a
/// section's own. Half of them are ranges, so that some sections enter; how many, the report says.
pub fn sections(seed: u64, count: usize) -> Vec<Rule> {
    let mut random = Random::new(seed);
    let question = |random: &mut Random| match random.below(10) {
        0 => equal_int(random),
        1 => equal_text(random),
        2..5 => one_sided(random),
        5..7 => two_sided(random),
        _ => in_set(random),
    };
    let shared: Vec<Rule> = (0..50).map(|_| question(&mut random)).collect();
    let mut section = || {
        let mut parts: Vec<Rule> = Vec::new();
        while parts.len() < 3 {
            let part = random.one(&shared).clone();
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.extend((0..2).map(|_| question(&mut random)));
        random.shuffle(&mut parts);
        Rule::All(parts)
    };
    (0..count).map(|_| section()).collect()
}

/// True if a rule holds for a profile: the reference for every subject.
pub fn decide(rule: &Rule, profile: &Profile) -> bool {
    match rule {
        Rule::All(rules) => rules.iter().all(|rule| decide(rule, profile)),
        Rule::Any(rules) => rules.iter().any(|rule| decide(rule, profile)),
        Rule::Not(rule) => !decide(rule, profile),
        Rule::Is(field, test) => match test {
            Test::AtLeast(low) => profile.int(*field) >= *low,
            Test::AtMost(high) => profile.int(*field) <= *high,
            Test::Between(low, high) => (*low..=*high).contains(&profile.int(*field)),
            Test::Contains(part) => profile.text(*field).contains(part),
            Test::EqualInt(right) => profile.int(*field) == *right,
            Test::EqualText(right) => profile.text(*field) == right,
            Test::InInts(items) => items.contains(&profile.int(*field)),
            Test::InTexts(items) => items.iter().any(|item| item == profile.text(*field)),
        },
    }
}
