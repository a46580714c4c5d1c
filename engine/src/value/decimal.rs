//! Floats as the shortest decimal digits that read back as the same float.
//!
//! Typical prices and scores need one exact multiplication. Other floats are converted with whole numbers of any
//! length: slower than the standard library, which adds 15 KB of code, and as exact.

use core::fmt;

use super::nearest::nearest;
use super::whole::Whole;

/// The fewest digits, and the power of ten to multiply them with, that read back as this float; of several the nearest
/// to it. The float is finite and above zero; the last digit is not 0.
pub(super) fn shortest(float: f64) -> (u64, i64) {
    let few = (0..=6_i64).scan(1.0, |scale, places| {
        let power = *scale;
        *scale *= 10.0;
        Some((places, power))
    });
    for (places, power) in few {
        let scaled = float * power;
        let whole = scaled as u64;
        // With up to 15 digits no two decimals are the same float, so the first that fits has no digit too many.
        if scaled < 1e15 && whole as f64 == scaled && scaled / power == float {
            return trimmed(whole, places.saturating_neg());
        }
    }
    // Two digits more than any float needs, so that the last needed one is rounded correctly.
    let (digits, exponent) = nineteen(float);
    let reads_back = |places: u32| {
        let power = 10_u64.pow(places);
        let (floor, rest) = (digits.checked_div(power).unwrap_or(0), digits.checked_rem(power).unwrap_or(0));
        let up = rest >= power / 2;
        let (near, far) = (floor.saturating_add(u64::from(up)), floor.saturating_add(u64::from(!up)));
        let exponent = exponent.saturating_add(i64::from(places));
        let found = [near, far].into_iter().find(|candidate| {
            *candidate > 0 && nearest(digits_of(*candidate), exponent).to_bits() == float.to_bits()
        });
        found.map(|found| (found, exponent))
    };
    // 17 digits read back, and so does any number with more digits: binary search finds the fewest.
    let (mut fewest, mut most) = (2_u32, 18_u32);
    let mut rounded = (digits, exponent);
    while fewest <= most {
        let left_out = fewest.midpoint(most);
        match reads_back(left_out) {
            Some(found) => {
                rounded = found;
                fewest = left_out.saturating_add(1);
            }
            None => most = left_out.saturating_sub(1),
        }
    }
    trimmed(rounded.0, rounded.1)
}

/// Prints a finite float like the standard library's `{:?}`: always with a point or an exponent, an exponent from 10^16
/// on and below 10^-4.
pub(super) fn print(f: &mut fmt::Formatter<'_>, float: f64) -> fmt::Result {
    use fmt::Write;
    if float.is_sign_negative() {
        f.write_char('-')?;
    }
    if float == 0.0 {
        return f.write_str("0.0");
    }
    let (digits, exponent) = shortest(float.abs());
    let count = i64::from(digits.checked_ilog10().unwrap_or(0)).saturating_add(1);
    // The position of the point, from the first digit.
    let point = count.saturating_add(exponent);
    let scientific = !(-3..=16).contains(&point);
    let before = if scientific { 1 } else { point };
    if before <= 0 {
        f.write_str("0.")?;
        (before..0).try_for_each(|_| f.write_char('0'))?;
    }
    for (place, digit) in (0_i64..).zip(digits_of(digits)) {
        if place == before && place > 0 {
            f.write_char('.')?;
        }
        f.write_char(char::from(digit))?;
    }
    if scientific {
        return write!(f, "e{}", point.saturating_sub(1));
    }
    (count..before).try_for_each(|_| f.write_char('0'))?;
    if before >= count { f.write_str(".0") } else { Ok(()) }
}

fn trimmed(mut digits: u64, mut exponent: i64) -> (u64, i64) {
    while digits > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        exponent = exponent.saturating_add(1);
    }
    (digits, exponent)
}

fn digits_of(number: u64) -> impl Iterator<Item = u8> + Clone {
    let first = number.checked_ilog10().unwrap_or(0);
    (0..=first).rev().map(move |place| {
        let digit = number.checked_div(10_u64.pow(place)).unwrap_or(0) % 10;
        b'0'.saturating_add(digit as u8)
    })
}

/// The first 19 digits, and the power of ten to multiply them with.
fn nineteen(float: f64) -> (u64, i64) {
    let bits = float.to_bits();
    let biased = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let fraction = bits & 0x000f_ffff_ffff_ffff;
    // float = mantissa × 2^exponent
    let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
    let exponent = biased.max(1).saturating_sub(1075);
    // 2^n has about 0.30103 n digits; an error of one is corrected below.
    let size = i64::from(u64::BITS.saturating_sub(mantissa.leading_zeros())).saturating_add(exponent);
    let mut tens_up = 19_i64.saturating_sub(size.saturating_mul(30_103).div_euclid(100_000));
    loop {
        let mut whole = Whole::of(mantissa);
        tens(tens_up.max(0).unsigned_abs()).for_each(|factor| whole.multiply_add(factor, 0));
        twos(exponent.max(0).unsigned_abs()).for_each(|factor| whole.multiply_add(factor, 0));
        let down = tens(tens_up.min(0).unsigned_abs()).chain(twos(exponent.min(0).unsigned_abs()));
        for divisor in down {
            whole.divide(divisor);
        }
        match whole.to_u64() {
            Some(digits) if digits < 10_u64.pow(18) => tens_up = tens_up.saturating_add(1),
            Some(digits) if digits < 10_u64.pow(19) => return (digits, tens_up.saturating_neg()),
            _ => tens_up = tens_up.saturating_sub(1),
        }
    }
}

/// Factors of 2^`power`, each of one word.
fn twos(power: u64) -> impl Iterator<Item = u32> {
    let whole = usize::try_from(power / 31).unwrap_or(0);
    core::iter::repeat_n(1 << 31, whole).chain((0..power % 31).map(|_| 2))
}

/// Factors of 10^`power`, each of one word.
fn tens(power: u64) -> impl Iterator<Item = u32> {
    let whole = usize::try_from(power / 9).unwrap_or(0);
    core::iter::repeat_n(1_000_000_000, whole).chain((0..power % 9).map(|_| 10))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use crate::value::Number;

    #[test]
    fn the_ends_print_as_the_standard_library_prints_them() {
        let ends = [
            0.0,
            -0.0,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::EPSILON,
            1e15,
            1e16,
            1e-5,
            9.5e-6,
            0.3,
            1e22,
            1e23,
        ];
        let steps = (-1_074..1_024).map(|power| 2_f64.powi(power));
        for float in ends.into_iter().chain(steps).flat_map(|x| [x, -x, x.next_up(), x.next_down()]) {
            if float.is_finite() {
                assert_eq!(Number::Float(float).to_string(), format!("{float:?}"), "{:x}", float.to_bits());
            }
        }
    }

    proptest! {
        #[test]
        fn floats_print_as_the_standard_library_prints_them(bits in any::<u64>(), cents in any::<i32>(), places in 0..12_i32) {
            for float in [f64::from_bits(bits), f64::from(cents) / 10_f64.powi(places), f64::from_bits(bits).trunc()] {
                if float.is_finite() {
                    prop_assert_eq!(Number::Float(float).to_string(), format!("{float:?}"));
                }
            }
        }
    }
}
