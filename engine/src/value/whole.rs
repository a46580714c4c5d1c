//! Integers of any length, for exact arithmetic beyond floats.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// A whole number, the lowest 32 bits first.
pub(super) struct Whole(pub(super) Vec<u32>);

impl Whole {
    pub(super) fn of(number: u64) -> Whole {
        Whole(Vec::from([low(number), low(number >> 32)]))
    }

    pub(super) fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for word in &mut self.0 {
            // At most (2^32 - 1)² plus a carry of 32 bits: it fits.
            let product = u64::from(*word).wrapping_mul(u64::from(factor)).wrapping_add(carry);
            (*word, carry) = (low(product), product >> 32);
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    pub(super) fn times_power_of_five(&mut self, power: u64) {
        // 5^13 is the last that fits a word.
        (0..power / 13).for_each(|_| self.multiply_add(5_u32.wrapping_pow(13), 0));
        self.multiply_add(5_u32.wrapping_pow((power % 13) as u32), 0);
    }

    pub(super) fn times_power_of_two(&mut self, power: u64) {
        self.multiply_add(1 << (power % 32), 0);
        let words = usize::try_from(power / 32).unwrap_or(0);
        let mut shifted = alloc::vec![0; words];
        shifted.append(&mut self.0);
        self.0 = shifted;
    }

    /// Divides in place and returns the remainder.
    pub(super) fn divide(&mut self, divisor: u32) -> u64 {
        let divisor = u64::from(divisor);
        let mut rest = 0;
        for word in self.0.iter_mut().rev() {
            let part = rest << 32 | u64::from(*word);
            *word = low(part.checked_div(divisor).unwrap_or(0));
            rest = part.checked_rem(divisor).unwrap_or(0);
        }
        rest
    }

    pub(super) fn to_u64(&self) -> Option<u64> {
        let (low, high) = self.0.split_at_checked(2).unwrap_or((&self.0, &[]));
        let joined = low.iter().rev().fold(0_u64, |sum, word| sum << 32 | u64::from(*word));
        high.iter().all(|word| *word == 0).then_some(joined)
    }

    pub(super) fn compare(&self, other: &Whole) -> Ordering {
        let significant = |whole: &Whole| whole.0.iter().rev().skip_while(|word| **word == 0).count();
        let by_word = || {
            let words = self.0.iter().rev().skip_while(|word| **word == 0);
            words.cmp(other.0.iter().rev().skip_while(|word| **word == 0))
        };
        significant(self).cmp(&significant(other)).then_with(by_word)
    }
}

/// The lower half.
fn low(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}
