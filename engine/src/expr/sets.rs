//! Sets for fast membership tests.
//!
//! Most lookups miss, and for a short list one bit of 64 rules nearly all misses out. The rest are found by binary
//! search; texts are ordered by a 64-bit print, so that each step compares two numbers instead of two texts.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::compare::{equal, short};
use crate::flat::flat;
use crate::order;

/// Distinct integers.
#[derive(Debug)]
pub(crate) struct Integers {
    /// A bit mask of all members' marks.
    marks: u64,
    /// Ascending.
    integers: Box<[i64]>,
}

impl Integers {
    pub(crate) fn new(mut integers: Vec<i64>) -> Integers {
        order::sort(&mut integers, Ord::cmp);
        integers.dedup();
        let marks = integers.iter().fold(0, |marks, integer| marks | mark(mixed(integer.cast_unsigned())));
        Integers { marks, integers: integers.into() }
    }

    #[inline(always)]
    pub(crate) fn has(&self, wanted: i64) -> bool {
        self.marks & mark(mixed(wanted.cast_unsigned())) != 0 && self.integers.binary_search(&wanted).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        self.integers.iter().copied()
    }
}

/// Distinct texts.
#[derive(Debug)]
pub(crate) struct Texts {
    /// A bit mask of all members' marks.
    marks: u64,
    /// Ascending.
    prints: Box<[u64]>,
    /// Ascending by print, then by text.
    texts: Box<[Box<str>]>,
}

impl Texts {
    pub(crate) fn new(mut texts: Vec<Box<str>>) -> Texts {
        order::sort(&mut texts, |a, b| print(a).cmp(&print(b)).then_with(|| a.cmp(b)));
        texts.dedup();
        let prints: Box<[u64]> = texts.iter().map(|text| print(text)).collect();
        let marks = prints.iter().fold(0, |marks, print| marks | mark(*print));
        Texts { marks, prints, texts: texts.into() }
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        let wanted = print(text);
        self.marks & mark(wanted) != 0 && self.has_of_print(wanted, text)
    }

    /// Looks for a text whose mark is set. Long texts with equal length and ends have one print, so there may be many.
    fn has_of_print(&self, wanted: u64, text: &str) -> bool {
        let start = self.prints.partition_point(|print| *print < wanted);
        let end = self.prints.partition_point(|print| *print <= wanted);
        let texts = self.texts.get(start..end).unwrap_or(&[]);
        match texts {
            [known] => equal(known, text),
            texts => texts.binary_search_by(|known| (**known).cmp(text)).is_ok(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

/// The mask bit of a mixed number: chosen by its first six bits.
fn mark(mixed: u64) -> u64 {
    1 << (mixed >> 58)
}

/// Mixes every bit of a number into the first ones: times are multiples of large numbers, and ids are consecutive.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A 64-bit print of a text, not collision-resistant: its length and both ends, because that takes no loop.
fn print(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from(u32::from_le_bytes(*first)) << 32) ^ u64::from(u32::from_le_bytes(*last))
    } else {
        u64::from(short(bytes))
    };
    mixed(ends ^ (bytes.len() as u64))
}

flat!(struct Integers { marks, integers });
flat!(struct Texts { marks, prints, texts });

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    /// Short texts, and long ones with one print.
    const TEXT: &str = "[ab]{0,3}|https://a.b/[0-9]{2}/details.html|[a-zé]{3,9}";

    proptest! {
        #[test]
        fn texts_are_found_and_nothing_else(
            texts in prop::collection::vec(TEXT, 0..40),
            others in prop::collection::vec(TEXT, 0..40),
        ) {
            let set = Texts::new(texts.iter().map(|text| text.as_str().into()).collect());
            for text in texts.iter().chain(&others) {
                prop_assert_eq!(set.has(text), texts.contains(text), "{}", text);
            }
            let texts_read: Vec<String> = set.iter().map(String::from).collect();
            prop_assert_eq!(texts_read.len(), texts.iter().collect::<alloc::collections::BTreeSet<_>>().len());
        }

        #[test]
        fn integers_are_found_and_nothing_else(
            integers in prop::collection::vec(prop_oneof![-200..200_i64, (-9..9_i64).prop_map(|day| day * 86_400_000), any::<i64>()], 0..40),
            others in prop::collection::vec(prop_oneof![-200..200_i64, (-9..9_i64).prop_map(|day| day * 86_400_000), any::<i64>()], 0..40),
        ) {
            let set = Integers::new(integers.clone());
            for integer in integers.iter().chain(&others) {
                prop_assert_eq!(set.has(*integer), integers.contains(integer), "{}", integer);
            }
            let expected: alloc::collections::BTreeSet<i64> = integers.into_iter().collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
