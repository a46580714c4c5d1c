//! Compares texts a word at a time.
//!
//! Most texts compared here are short: names, countries, tiers. A call of `memcmp` takes longer than comparing them,
//! and wasm, which has no native one, compares byte by byte.

use core::cmp::Ordering;

/// True if two texts are equal.
#[inline]
pub(crate) fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len() == b.len() && words(a, b)
}

/// Equality of texts of one length.
#[inline(always)]
fn words(a: &[u8], b: &[u8]) -> bool {
    if let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // The last word overlaps the one before it, so that no byte is left over.
        let (words_a, _) = a.as_chunks::<8>();
        let (words_b, _) = b.as_chunks::<8>();
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        return word(last_a) == word(last_b) && words_a.iter().zip(words_b).all(|(a, b)| word(a) == word(b));
    }
    if let (Some(first_a), Some(first_b), Some(last_a), Some(last_b)) =
        (a.first_chunk::<4>(), b.first_chunk::<4>(), a.last_chunk::<4>(), b.last_chunk::<4>())
    {
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        return (word(first_a) ^ word(first_b)) | (word(last_a) ^ word(last_b)) == 0;
    }
    short(a) == short(b)
}

/// Compares two texts by their bytes; texts shorter than a word are left to the standard library.
#[inline(always)]
pub(crate) fn order_of(a: &[u8], b: &[u8]) -> Ordering {
    let word = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
    let common = a.len().min(b.len());
    let last = |text: &[u8]| text.get(..common).and_then(|text| text.last_chunk().map(word));
    let (Some(last_a), Some(last_b)) = (last(a), last(b)) else { return a.cmp(b) };
    for (a, b) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        if a != b {
            return word(a).cmp(&word(b));
        }
    }
    // The last word that both have overlaps the one before it, so that no byte is left over.
    last_a.cmp(&last_b).then(a.len().cmp(&b.len()))
}

/// At most three bytes as one number, without a loop: the first, middle and last byte are all of them.
#[inline(always)]
pub(crate) fn short(bytes: &[u8]) -> u32 {
    match (bytes.first(), bytes.get(bytes.len() >> 1), bytes.last()) {
        (Some(first), Some(middle), Some(last)) => {
            u32::from(*first) | (u32::from(*middle) << 8) | (u32::from(*last) << 16)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_order(a in "[ab]{0,20}", b in "[ab]{0,20}", common in "[ab]{0,20}", c in any::<char>()) {
            let with = |start: &str, text: &str| alloc::format!("{start}{text}");
            for (a, b) in [
                (a.clone(), b.clone()),
                (with(&common, &a), with(&common, &b)),
                (alloc::format!("{common}{a}{c}"), alloc::format!("{common}{a}{b}")),
            ] {
                prop_assert_eq!(order_of(a.as_bytes(), b.as_bytes()), a.cmp(&b), "{} {}", a, b);
            }
        }

        #[test]
        fn it_is_equality(a in "[ab]{0,20}", b in "[ab]{0,20}", at in any::<prop::sample::Index>()) {
            prop_assert_eq!(equal(&a, &b), a == b);
            prop_assert!(equal(&a, &a.clone()));
            if !a.is_empty() {
                let mut other = a.clone().into_bytes();
                let at = at.index(other.len());
                other[at] ^= 1;
                let other = alloc::string::String::from_utf8(other).unwrap();
                prop_assert!(!equal(&a, &other), "{} {}", a, other);
            }
        }
    }
}
