//! The loop around what is measured, the same for every subject.

use std::hint::black_box;

/// `n` evaluations: every rule on one profile, then on the next; `pass` runs the first so many rules on a profile and
/// says how many were true. The subjects loop over their rules themselves, so that the loop costs each of them little.
pub fn cycle(n: u64, rules: usize, profiles: usize, mut pass: impl FnMut(usize, usize) -> u64) -> u64 {
    let (mut left, mut profile, mut found) = (n, 0, 0);
    while left > 0 {
        let count = left.min(rules as u64);
        found += pass(profile, count as usize);
        left -= count;
        profile += 1;
        if profile == profiles {
            profile = 0;
        }
    }
    found
}

/// The number of true ones; each is evaluated.
pub fn count<T>(of: impl Iterator<Item = T>, mut is_true: impl FnMut(T) -> bool) -> u64 {
    let mut found = 0;
    for one in of {
        found += u64::from(black_box(is_true(one)));
    }
    found
}

/// `n` runs over things that take turns; the sum of what each gave.
pub fn turns(n: u64, of: usize, mut run: impl FnMut(usize) -> u64) -> u64 {
    let (mut turn, mut sum) = (0, 0_u64);
    for _ in 0..n {
        sum = sum.wrapping_add(black_box(run(turn)));
        turn += 1;
        if turn == of {
            turn = 0;
        }
    }
    sum
}
