//! Prefixes and suffixes of texts: `STARTS WITH`, `LIKE 'a%'`, `MATCHES '^a'` and their opposites ask the same in
//! several spellings, and some of them exclude each other.

use alloc::vec::Vec;
use core::ops::Bound;

use super::interval::Interval;
use super::op::Op;

/// True if no text gives the required answers, because of the prefixes and suffixes that they demand. `held` are the
/// ranges that the text must lie in.
pub(super) fn no_text(questions: &[(&Op, bool)], held: &[&Op]) -> bool {
    let wanted = |of: for<'o> fn(&'o Op) -> Option<Vec<&'o str>>| {
        let asked = questions.iter().filter(|(_, holds)| *holds);
        asked.filter_map(|(op, _)| of(op)).collect::<Vec<_>>()
    };
    let refused = |of: for<'o> fn(&'o Op) -> Vec<&'o str>| {
        questions.iter().filter(|(_, holds)| !holds).flat_map(|(op, _)| of(op)).collect::<Vec<_>>()
    };
    let starts = wanted(starts);
    let ranges = || {
        held.iter().filter_map(|op| match op {
            Op::Texts(range) => Some(&**range),
            _ => None,
        })
    };
    exclude(&starts, &refused(refused_starts), |text, start| text.starts_with(start))
        || exclude(&wanted(ends), &refused(refused_ends), |text, end| text.ends_with(end))
        || starts.iter().any(|any| ranges().any(|range| any.iter().all(|start| is_outside(start, range))))
}

/// True if the wanted prefixes (or suffixes) exclude each other, or include a refused one. `has` says whether the first
/// text has the second at that end.
fn exclude(wanted: &[Vec<&str>], refused: &[&str], has: fn(&str, &str) -> bool) -> bool {
    let apart = |one: &&str, other: &&str| !has(one, other) && !has(other, one);
    wanted.iter().enumerate().any(|(index, any)| {
        any.iter().all(|one| refused.iter().any(|not| has(one, not)))
            || wanted
                .iter()
                .skip(index.saturating_add(1))
                .any(|others| any.iter().all(|one| others.iter().all(|other| apart(one, other))))
    })
}

/// True if every text with this prefix lies outside of a range.
fn is_outside(start: &str, range: &Interval<alloc::boxed::Box<str>>) -> bool {
    let behind = match &range.high {
        Bound::Included(high) => start > &**high,
        Bound::Excluded(high) => start >= &**high,
        Bound::Unbounded => false,
    };
    let before = match &range.low {
        Bound::Included(low) | Bound::Excluded(low) => start < &**low && !low.starts_with(start),
        Bound::Unbounded => false,
    };
    behind || before
}

/// Prefixes of which every text with the answer yes has one; None if unknown.
fn starts(op: &Op) -> Option<Vec<&str>> {
    match op {
        Op::StartsWith(text) => Some(alloc::vec![text]),
        Op::Like(pattern) => {
            pattern.split(['%', '_']).next().filter(|it| !it.is_empty()).map(|it| alloc::vec![it])
        }
        Op::Matches(pattern) => pattern.starts(),
        _ => None,
    }
}

/// The same for suffixes.
fn ends(op: &Op) -> Option<Vec<&str>> {
    match op {
        Op::EndsWith(text) => Some(alloc::vec![text]),
        Op::Like(pattern) => {
            pattern.rsplit(['%', '_']).next().filter(|it| !it.is_empty()).map(|it| alloc::vec![it])
        }
        Op::Matches(pattern) => pattern.ends(),
        _ => None,
    }
}

/// Prefixes that no text with the answer no has.
fn refused_starts(op: &Op) -> Vec<&str> {
    match op {
        Op::StartsWith(text) => alloc::vec![text],
        Op::Like(pattern) => pattern.strip_suffix('%').filter(is_literal).into_iter().collect(),
        Op::Matches(pattern) => pattern.every_start(),
        _ => Vec::new(),
    }
}

/// The same for suffixes.
fn refused_ends(op: &Op) -> Vec<&str> {
    match op {
        Op::EndsWith(text) => alloc::vec![text],
        Op::Like(pattern) => pattern.strip_prefix('%').filter(is_literal).into_iter().collect(),
        Op::Matches(pattern) => pattern.every_end(),
        _ => Vec::new(),
    }
}

/// True if a part of a `LIKE` is literal text.
fn is_literal(part: &&str) -> bool {
    !part.contains(['%', '_'])
}
