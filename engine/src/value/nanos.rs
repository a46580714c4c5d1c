//! Sums of billionths, exact whatever the order.

use super::Number;
use crate::limits::SUMMAND_MAX;

/// Whole billionths: what sums are kept in, so that they are exact and do not depend on order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i128);

impl Nanos {
    const ONE: i128 = 1_000_000_000;

    /// The nearest billionth, halves to even. None above the bound on what a sum takes, ±10¹⁵.
    pub fn from_number(number: Number) -> Option<Nanos> {
        match number {
            Number::Integer(value) => (SUMMAND_MAX.saturating_neg()..=SUMMAND_MAX)
                .contains(&value)
                .then(|| Nanos(i128::from(value).saturating_mul(Nanos::ONE))),
            // The bound is a whole number below 2⁵³: as a float it is itself.
            Number::Float(value) => (value.abs() <= SUMMAND_MAX as f64).then(|| Nanos(float_to_nanos(value))),
        }
    }

    /// The sum; it cannot overflow in practice (10¹⁴ summands of the largest size) and saturates if it does.
    pub fn plus(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// An integer where it is one, else the nearest float.
    pub fn to_number(self) -> Number {
        let whole = self.0.checked_div(Nanos::ONE).unwrap_or(0);
        let rest = self.0.checked_rem(Nanos::ONE).unwrap_or(0);
        match i64::try_from(whole) {
            Ok(integer) if rest == 0 => Number::Integer(integer),
            _ => Number::Float(nanos_to_float(self.0)),
        }
    }
}

/// `value` × 10⁹ to the nearest integer, halves to even; `|value|` is at most 10¹⁵.
fn float_to_nanos(value: f64) -> i128 {
    let bits = value.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let fraction = bits & 0x000f_ffff_ffff_ffff;
    // Subnormals are far below half a billionth: nothing.
    let mantissa = if exponent == 0 { 0 } else { fraction | (1 << 52) };
    // 53 + 30 bits, by halves of the mantissa, because a product that is wider than its factors is a call in wasm.
    const ONE: u64 = 1_000_000_000;
    let (high, low) = ((mantissa >> 32).wrapping_mul(ONE), (mantissa & 0xffff_ffff).wrapping_mul(ONE));
    let scaled = (u128::from(high) << 32).wrapping_add(u128::from(low));
    // value = mantissa × 2^(exponent - 1075); a negative shift divides.
    let shift = exponent.saturating_sub(1075);
    let magnitude = if shift >= 0 {
        scaled.checked_shl(u32::try_from(shift).unwrap_or(0)).unwrap_or(0)
    } else {
        let down = u32::try_from(shift.saturating_neg()).unwrap_or(u32::MAX);
        // Anything shifted by 100 and more is below half.
        if down >= 100 {
            0
        } else {
            let floor = scaled >> down;
            let rest = scaled & ((1_u128 << down).saturating_sub(1));
            let half = 1_u128 << down.saturating_sub(1);
            let up = rest > half || (rest == half && floor & 1 == 1);
            floor.saturating_add(u128::from(up))
        }
    }
    .cast_signed();
    if value.is_sign_negative() { magnitude.saturating_neg() } else { magnitude }
}

/// The float nearest to `nanos` / 10⁹: one rounding, in the last cast.
fn nanos_to_float(nanos: i128) -> f64 {
    let magnitude = nanos.unsigned_abs();
    if magnitude == 0 {
        return 0.0;
    }
    // Shift left as far as fits, so that the quotient has more bits than a float keeps; what the division drops is
    // remembered in the lowest bit, where the cast's rounding still sees it.
    let up = magnitude.leading_zeros();
    let shifted = magnitude << up;
    let divisor = Nanos::ONE.unsigned_abs();
    let quotient = shifted.checked_div(divisor).unwrap_or(0);
    let sticky = u128::from(shifted.checked_rem(divisor).unwrap_or(0) != 0);
    let scale = f64::from_bits(u64::from(1023_u32.saturating_sub(up)) << 52);
    let float = (quotient | sticky) as f64 * scale;
    if nanos < 0 { -float } else { float }
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
        assert_eq!(nanos(1e15), 1_000_000_000_000_000_000_000_000);
        assert!(Nanos::from_number(Number::Float(1.000_000_000_000_001e15)).is_none());
        assert!(Nanos::from_number(Number::Integer(-1_000_000_000_000_001)).is_none());
    }

    #[test]
    fn what_a_division_drops_decides_between_two_floats() {
        // A billionth more than the middle of two: the upper, though the lower is even.
        for nanos in [
            158_456_325_028_528_648_798_808_834_048_000_000_001,
            158_456_325_028_528_648_798_808_834_048_500_000_001,
        ] {
            assert_eq!(nanos_to_float(nanos), 15_845_632_502_852_866e13);
        }
    }

    proptest! {
        #[test]
        fn billionths_come_back_as_the_nearest_float(nanos in -(1_i128 << 90)..(1_i128 << 90)) {
            let whole = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
            let text = format!("{}{}.{:09}", if nanos < 0 { "-" } else { "" }, whole.0, whole.1);
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(nanos_to_float(nanos).to_bits(), expected.to_bits());
        }
    }
}
