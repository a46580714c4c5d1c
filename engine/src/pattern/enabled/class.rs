//! Sets of characters: ASCII as bits, other characters as ranges.
//!
//! Named classes, and ignoring case, concern ASCII only. So the bits take all the arithmetic, and other characters need
//! only a list and whether it is included or excluded.

use crate::flat::flat;
use alloc::vec::Vec;

/// The letters of both cases in the second word. The cases are exactly half a word apart.
const LETTERS: u64 = 0x07FF_FFFE_07FF_FFFE;

/// The named sets, each as pairs of first and last characters.
const NAMED: [(&str, &[u8]); 14] = [
    ("alnum", b"09AZaz"),
    ("alpha", b"AZaz"),
    ("ascii", b"\x00\x7F"),
    ("blank", b"\t\t  "),
    ("cntrl", b"\x00\x1F\x7F\x7F"),
    ("digit", b"09"),
    ("graph", b"!~"),
    ("lower", b"az"),
    ("print", b" ~"),
    ("punct", b"!/:@[`{~"),
    ("space", b"\t\r  "),
    ("upper", b"AZ"),
    ("word", b"09AZ__az"),
    ("xdigit", b"09AFaf"),
];

/// A set of characters.
#[derive(Debug, Default)]
pub(super) struct Class {
    ascii: [u64; 2],
    /// Ranges of characters beyond ASCII.
    others: Vec<(char, char)>,
    /// True if those ranges are excluded.
    excluded: bool,
}

impl Class {
    /// A set by its POSIX name.
    pub(super) fn named(name: &str) -> Option<Class> {
        let (_, pairs) = NAMED.iter().find(|(known, _)| *known == name)?;
        let mut class = Class::default();
        for pair in pairs.chunks_exact(2) {
            if let [first, last] = pair {
                class.add(char::from(*first), char::from(*last));
            }
        }
        Some(class)
    }

    pub(super) fn one(character: char) -> Class {
        let mut class = Class::default();
        class.add(character, character);
        class
    }

    /// Adds all characters between two, both included.
    pub(super) fn add(&mut self, first: char, last: char) {
        for code in u32::from(first)..=u32::from(last).min(127) {
            if let Some(word) = self.ascii.get_mut(usize::from(code >= 64)) {
                *word |= 1_u64.wrapping_shl(code);
            }
        }
        if !last.is_ascii() {
            self.others.push((first.max('\u{80}'), last));
        }
    }

    /// Adds a set with all or no characters beyond ASCII, as named ones have.
    pub(super) fn join(&mut self, named: &Class) {
        for (word, more) in self.ascii.iter_mut().zip(named.ascii) {
            *word |= more;
        }
        if named.excluded {
            self.others.push(('\u{80}', char::MAX));
        }
    }

    /// Adds the other case of its ASCII letters.
    pub(super) fn ignore_case(&mut self) {
        let [_, letters] = &mut self.ascii;
        *letters |= (*letters & LETTERS).rotate_left(32);
    }

    /// Turns it into its complement.
    pub(super) fn negate(&mut self) {
        self.ascii = self.ascii.map(|word| !word);
        self.excluded = !self.excluded;
    }

    pub(super) fn has(&self, character: char) -> bool {
        let code = u32::from(character);
        if code < 128 {
            let [low, high] = self.ascii;
            let word = if code < 64 { low } else { high };
            return word.wrapping_shr(code) & 1 == 1;
        }
        self.others.iter().any(|(first, last)| (*first..=*last).contains(&character)) != self.excluded
    }

    /// The cost of a membership test, in comparisons.
    pub(super) fn weight(&self) -> usize {
        self.others.len().saturating_add(1)
    }
}

flat!(struct Class { ascii, others, excluded });
