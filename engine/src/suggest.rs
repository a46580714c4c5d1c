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

/// How many insertions, deletions, substitutions and swaps of neighbours apart.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // The row before the last, and the character that the last was of: for swaps.
    let mut above: Vec<usize> = row.clone();
    let mut before = None;
    for (i, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i.saturating_add(1);
        next.push(left);
        let mut neighbour = None;
        for (j, to) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let substituted = cell(&row, j).saturating_add(usize::from(from != *to));
            left = substituted
                .min(left.saturating_add(1))
                .min(cell(&row, j.saturating_add(1)).saturating_add(1));
            if before == Some(*to) && neighbour == Some(from) {
                left = left.min(cell(&above, j.saturating_sub(1)).saturating_add(1));
            }
            neighbour = Some(*to);
            next.push(left);
        }
        above = core::mem::replace(&mut row, next);
        before = Some(from);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_slip() {
        for (a, b, expected) in [
            ("veiw", "view", 1),
            ("teir", "tier", 1),
            ("ab", "ba", 1),
            ("abcd", "badc", 2),
            ("ab", "bc", 2),
            ("view", "view", 0),
            ("", "abc", 3),
            ("vue", "view", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
        assert_eq!(closest("veiw", ["view", "cart"].into_iter()).as_deref(), Some("view"));
        assert_eq!(closest("veiw", ["vxyz"].into_iter()), None);
    }
}
