//! Sets of texts that are asked for members often.
//!
//! Looking for a text in a sorted list compares texts at each step. Here each step compares two numbers, and a text is
//! compared when its number is found.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::order;

/// Distinct texts, found by their prints.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Ascending.
    prints: Box<[u64]>,
    /// Ascending by print, then by text.
    texts: Box<[Box<str>]>,
}

impl Texts {
    pub(crate) fn new(mut texts: Vec<Box<str>>) -> Texts {
        order::sort(&mut texts, |a, b| print(a).cmp(&print(b)).then_with(|| a.cmp(b)));
        texts.dedup();
        Texts { prints: texts.iter().map(|text| print(text)).collect(), texts: texts.into() }
    }

    /// Where a text stands among all of them.
    pub(crate) fn position(&self, text: &str) -> Option<usize> {
        let wanted = print(text);
        let start = self.prints.partition_point(|print| *print < wanted);
        let of_print = self.prints.iter().skip(start).take_while(|print| **print == wanted).count();
        let texts = self.texts.get(start..start.saturating_add(of_print))?;
        let within = texts.binary_search_by(|known| (**known).cmp(text)).ok()?;
        Some(start.saturating_add(within))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

/// A number that texts seldom share: made of the length and both ends, because that takes no loop.
fn print(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from(u32::from_le_bytes(*first)) << 32) ^ u64::from(u32::from_le_bytes(*last))
    } else {
        bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    };
    (ends ^ (bytes.len() as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn members_are_found_and_nothing_else(
            texts in prop::collection::vec("[ab]{0,3}|https://a.b/[0-9]{2}/details.html|[a-zé]{3,9}", 0..40),
            others in prop::collection::vec("[ab]{0,3}|https://a.b/[0-9]{2}/details.html", 0..40),
        ) {
            let set = Texts::new(texts.iter().map(|text| text.as_str().into()).collect());
            for text in texts.iter().chain(&others) {
                let found = set.position(text).and_then(|index| set.texts.get(index)).map(|text| String::from(&**text));
                prop_assert_eq!(found.as_ref(), texts.iter().find(|known| *known == text));
            }
        }
    }
}
