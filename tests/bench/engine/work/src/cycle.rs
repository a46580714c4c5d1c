//! The loop around what is measured, the same for every subject.

use std::hint::black_box;

/// `n` evaluations: all rules on one profile, then on the next. How many were true.
pub fn cycle(n: u64, rules: usize, profiles: usize, mut evaluate: impl FnMut(usize, usize) -> bool) -> u64 {
    let (mut rule, mut profile, mut found) = (0, 0, 0);
    for _ in 0..n {
        found += u64::from(black_box(evaluate(rule, profile)));
        rule += 1;
        if rule == rules {
            rule = 0;
            profile += 1;
            if profile == profiles {
                profile = 0;
            }
        }
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
