//! Sets that are asked for members often.
//!
//! Most that is asked for is no member, and one bit of 64 knows that nearly always. What passes is looked for in sorted
//! order; texts are found by a number of theirs, so that each step compares two numbers and not two texts.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::order;
use crate::same::{same, short};

/// Distinct integers.
#[derive(Debug)]
pub(crate) struct Integers {
    /// A bit for the last six of each.
    marks: u64,
    /// Ascending.
    integers: Box<[i64]>,
}

impl Integers {
    pub(crate) fn new(mut integers: Vec<i64>) -> Integers {
        order::sort(&mut integers, Ord::cmp);
        integers.dedup();
        let marks = integers.iter().fold(0, |marks, integer| marks | mark(*integer as u64));
        Integers { marks, integers: integers.into() }
    }

    #[inline(always)]
    pub(crate) fn has(&self, wanted: i64) -> bool {
        self.marks & mark(wanted as u64) != 0 && self.integers.binary_search(&wanted).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        self.integers.iter().copied()
    }
}

/// Distinct texts.
#[derive(Debug)]
pub(crate) struct Texts {
    /// A bit for the first six of each print.
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
        let marks = prints.iter().fold(0, |marks, print| marks | mark(print >> 58));
        Texts { marks, prints, texts: texts.into() }
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        let wanted = print(text);
        self.marks & mark(wanted >> 58) != 0 && self.has_of_print(wanted, text)
    }

    /// The same for a text that may well be one of them.
    fn has_of_print(&self, wanted: u64, text: &str) -> bool {
        let start = self.prints.partition_point(|print| *print < wanted);
        let of_print = self.prints.iter().zip(&self.texts).skip(start);
        of_print.take_while(|(print, _)| **print == wanted).any(|(_, known)| same(known, text))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

/// The bit that stands for a number: of its last six bits.
fn mark(number: u64) -> u64 {
    1 << (number & 63)
}

/// A number that texts seldom share: made of the length and both ends, because that takes no loop.
fn print(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from(u32::from_le_bytes(*first)) << 32) ^ u64::from(u32::from_le_bytes(*last))
    } else {
        u64::from(short(bytes))
    };
    (ends ^ (bytes.len() as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

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
            let told: Vec<String> = set.iter().map(String::from).collect();
            prop_assert_eq!(told.len(), texts.iter().collect::<alloc::collections::BTreeSet<_>>().len());
        }

        #[test]
        fn integers_are_found_and_nothing_else(
            integers in prop::collection::vec(prop_oneof![-200..200_i64, any::<i64>()], 0..40),
            others in prop::collection::vec(prop_oneof![-200..200_i64, any::<i64>()], 0..40),
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
