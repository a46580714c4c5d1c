//! Sums in billionths, exact in any order.

use super::Number;
use crate::limits::SUMMAND_MAX;

/// An integer number of billionths: the unit of sums, which so are exact and do not depend on order.
///
/// # Examples
///
/// ```
/// use usher_engine::value::{Nanos, Number};
///
/// let tenth = Nanos::from_number(Number::Float(0.1)).unwrap();
/// let sum = (0..10).fold(Nanos(0), |sum, _| sum.plus(tenth));
/// assert_eq!(sum.to_number(), Number::Integer(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i128);

impl Nanos {
    /// The nearest billionth, halves to even. None above the bound on summands, ±10¹⁵.
    // Inlined, because the result is too large for registers.
    #[inline(always)]
    pub fn from_number(number: Number) -> Option<Nanos> {
        match number {
            Number::Integer(value) => (SUMMAND_MAX.saturating_neg()..=SUMMAND_MAX)
                .contains(&value)
                .then(|| signed(value < 0, billionths(value.unsigned_abs()).joined())),
            // The bound is a whole number below 2⁵³, so it is exact as a float.
            Number::Float(value) => (value.abs() <= SUMMAND_MAX as f64).then(|| of_float(value)),
        }
    }

    /// The sum. It cannot overflow in practice (10¹⁴ summands of the largest size), and saturates if it does.
    pub fn plus(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// An integer if it is whole, otherwise the nearest float.
    pub fn to_number(self) -> Number {
        let (whole, rest) = seconds(self.0.unsigned_abs());
        let Nanos(whole) = signed(self.0 < 0, whole);
        match i64::try_from(whole) {
            Ok(integer) if rest == 0 => Number::Integer(integer),
            _ => Number::Float(nanos_to_float(self.0)),
        }
    }
}

/// `value` × 10⁹ to the nearest integer, halves to even; `|value|` is at most 10¹⁵.
fn of_float(value: f64) -> Nanos {
    let bits = value.to_bits();
    let exponent = (bits >> 52) & 0x7ff;
    let fraction = bits & 0x000f_ffff_ffff_ffff;
    // Subnormals are far below half a billionth, so they become zero.
    let mantissa = if exponent == 0 { 0 } else { fraction | (1 << 52) };
    // value = mantissa × 2^(exponent - 1075) is less than 2⁵⁰, so at least three bits are dropped. All but the last of
    // them are dropped here; that one decides on which side of the half it is.
    let (doubled, rest) = billionths(mantissa).without(1074_u64.saturating_sub(exponent));
    let (floor, half) = (doubled >> 1, doubled & 1 == 1);
    let up = half && (rest || floor & 1 == 1);
    signed(value.is_sign_negative(), floor.saturating_add(u128::from(up)))
}

fn signed(negative: bool, magnitude: u128) -> Nanos {
    let magnitude = magnitude.cast_signed();
    Nanos(if negative { magnitude.saturating_neg() } else { magnitude })
}

/// A number of at most 2⁵³, times 10⁹.
fn billionths(number: u64) -> Words {
    let by = |half: u64| half.wrapping_mul(1_000_000_000);
    let (high, low) = (by(number >> 32), by(number & 0xffff_ffff));
    let (low, carry) = low.overflowing_add(high << 32);
    Words { high: (high >> 32).saturating_add(u64::from(carry)), low }
}

/// 128 bits in two words: products and shifts of wider numbers are calls in wasm.
struct Words {
    high: u64,
    low: u64,
}

impl Words {
    fn joined(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// Drops this many of the last bits. Returns whether any of those was set.
    fn without(&self, bits: u64) -> (u128, bool) {
        let Words { high, low } = *self;
        let shift = bits & 63;
        // Two shifts, because a shift by a whole word is undefined.
        let over = |word: u64| (word << 1) << (63 ^ shift);
        match bits {
            0..64 => (Words { high: high >> shift, low: low >> shift | over(high) }.joined(), over(low) != 0),
            64..128 => (u128::from(high >> shift), low != 0 || over(high) != 0),
            _ => (0, high | low != 0),
        }
    }
}

/// The float nearest to `nanos` / 10⁹: one rounding, in the last cast.
fn nanos_to_float(nanos: i128) -> f64 {
    let magnitude = nanos.unsigned_abs();
    if magnitude == 0 {
        return 0.0;
    }
    // Shift left as far as fits, so that the quotient has more bits than a float keeps; the remainder of the division
    // is kept in the lowest bit, so that the cast rounds correctly.
    let up = magnitude.leading_zeros();
    let (quotient, rest) = seconds(magnitude << up);
    let sticky = u128::from(rest != 0);
    let scale = f64::from_bits(u64::from(1023_u32.saturating_sub(up)) << 52);
    let float = (quotient | sticky) as f64 * scale;
    if nanos < 0 { -float } else { float }
}

/// Divides by 10⁹ and returns the remainder, too: by digits of 32 bits, because the division of 128 bits is for any divisor.
fn seconds(nanos: u128) -> (u128, u64) {
    let (mut quotient, mut rest) = (0, 0);
    for shift in [96, 64, 32, 0] {
        let digits = rest << 32 | nanos.wrapping_shr(shift) as u64 & 0xffff_ffff;
        quotient = quotient << 32 | u128::from(digits / 1_000_000_000);
        rest = digits % 1_000_000_000;
    }
    (quotient, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn billionths_round_half_to_even() {
        let nanos = |value: f64| Nanos::from_number(Number::Float(value)).unwrap().0;
        assert_eq!(nanos(79.5), 79_500_000_000);
        assert_eq!(nanos(0.1), 100_000_000);
        assert_eq!(nanos(-0.1), -100_000_000);
        // 2^-10 is 976562.5 billionths exactly, 3 × 2^-10 is 2929687.5.
        assert_eq!(nanos(0.000_976_562_5), 976_562);
        assert_eq!(nanos(0.002_929_687_5), 2_929_688);
        assert_eq!(nanos(1e-300), 0);
        assert_eq!(nanos(5e-10), 1);
        assert_eq!(nanos(4.9e-10), 0);
        assert_eq!(nanos(-0.0), 0);
        assert_eq!(nanos(1e15), 1_000_000_000_000_000_000_000_000);
        assert!(Nanos::from_number(Number::Float(1.000_000_000_000_001e15)).is_none());
        assert!(Nanos::from_number(Number::Integer(-1_000_000_000_000_001)).is_none());
    }

    #[test]
    fn what_a_division_drops_decides_between_two_floats() {
        // A billionth more than the midpoint of two floats: the upper, though the lower is even.
        for nanos in [
            158_456_325_028_528_648_798_808_834_048_000_000_001,
            158_456_325_028_528_648_798_808_834_048_500_000_001,
        ] {
            assert_eq!(nanos_to_float(nanos), 15_845_632_502_852_866e13);
        }
    }

    /// Reference: the same in one wide number.
    fn slow_of_float(value: f64) -> i128 {
        let (mantissa, down) = match (value.to_bits() >> 52) & 0x7ff {
            0 => (value.to_bits() & 0x000f_ffff_ffff_ffff, 1074),
            exponent => (value.to_bits() & 0x000f_ffff_ffff_ffff | 1 << 52, 1075 - exponent),
        };
        let scaled = u128::from(mantissa) * 1_000_000_000;
        let magnitude = if down >= 120 {
            0
        } else {
            let (floor, rest, half) = (scaled >> down, scaled & ((1 << down) - 1), 1 << (down - 1));
            floor + u128::from(rest > half || rest == half && floor % 2 == 1)
        };
        let magnitude = i128::try_from(magnitude).unwrap();
        if value < 0.0 { -magnitude } else { magnitude }
    }

    proptest! {
        #[test]
        fn billionths_are_those_of_wide_numbers(
            mantissa in any::<u64>(), exponent in 900..1073_u64, cut in 0..53_u32, negative in any::<bool>(),
            integer in -SUMMAND_MAX..=SUMMAND_MAX,
        ) {
            // Of all sizes and with few bits, so that halves occur.
            let fraction = (mantissa >> 12) >> cut << cut;
            let value = f64::from_bits(u64::from(negative) << 63 | exponent << 52 | fraction);
            if value.abs() <= SUMMAND_MAX as f64 {
                prop_assert_eq!(Nanos::from_number(Number::Float(value)).unwrap().0, slow_of_float(value), "{:e}", value);
            }
            let nanos = Nanos::from_number(Number::Integer(integer)).unwrap().0;
            prop_assert_eq!(nanos, i128::from(integer) * 1_000_000_000);
        }

        #[test]
        fn billionths_come_back_as_the_nearest_float(nanos in -(1_i128 << 90)..(1_i128 << 90)) {
            let whole = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
            let text = format!("{}{}.{:09}", if nanos < 0 { "-" } else { "" }, whole.0, whole.1);
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(nanos_to_float(nanos).to_bits(), expected.to_bits());
        }
    }
}
