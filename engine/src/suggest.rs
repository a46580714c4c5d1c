//! The name that was probably meant.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The name that is nearest by edit distance, if one is near; none where nobody reads it (feature `words`).
pub(crate) fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    if cfg!(not(feature = "words")) {
        return None;
    }
    let length = name.chars().count();
    let near = length.checked_div(3).unwrap_or(0).clamp(1, 3);
    names
        // Names of other lengths are farther apart than that, however they are spelled.
        .filter(|other| other.chars().count().abs_diff(length) <= near)
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// How many insertions, deletions and substitutions apart (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i.saturating_add(1);
        let mut diagonal = i;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal.saturating_add(usize::from(from != *to));
            diagonal = *cell;
            left = substituted.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(0)
}
