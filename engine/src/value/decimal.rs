//! Decimal digits to the nearest float, and a float to the fewest digits that are nearest to it alone.
//!
//! What prices and scores look like is one exact multiplication or division. The rest is counted out with whole numbers
//! of any length: slower than the standard library, which brings 10 KB of tables to read and 15 KB of code to print, and
//! as exact.

use alloc::vec::Vec;
use core::fmt;

use crate::limits::DIGITS_MAX;

/// Up to here powers of ten are floats.
const EXACT_POWER: u64 = 22;

/// The float nearest to `digits` × 10^`exponent`, halves to even; infinite beyond the largest. The digits are ASCII.
pub(super) fn nearest(digits: impl Iterator<Item = u8> + Clone, exponent: i64) -> f64 {
    let value = |digit: u8| digit.saturating_sub(b'0');
    let small = digits
        .clone()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(value(digit))));
    let power = exponent.unsigned_abs();
    if small < 1 << 53 && power <= EXACT_POWER {
        // Both are exact, so the one operation rounds once.
        let scale = (0..power).fold(1.0, |scale, _| scale * 10.0);
        return if exponent < 0 { small as f64 / scale } else { small as f64 * scale };
    }

    let mut whole = Whole(Vec::new());
    let mut exponent = exponent;
    let mut count = 0_usize;
    let mut inexact = false;
    for digit in digits {
        if count == DIGITS_MAX {
            inexact |= digit != b'0';
            exponent = exponent.saturating_add(1);
        } else if count > 0 || digit != b'0' {
            whole.multiply_add(10, u32::from(value(digit)));
            count = count.saturating_add(1);
        }
    }
    let magnitude = exponent.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
    if count == 0 || magnitude < -330 {
        return 0.0;
    }
    if magnitude > 310 {
        return f64::INFINITY;
    }
    let power = exponent.unsigned_abs();
    if exponent >= 0 {
        tens(power).for_each(|factor| whole.multiply_add(factor, 0));
        return whole.to_float(0, inexact);
    }
    // Zeros behind, so that the quotient keeps more bits than a float does: 10^n is below 2^4n.
    let words = usize::try_from(power.div_ceil(8)).unwrap_or(0).saturating_add(3);
    whole.0.splice(0..0, core::iter::repeat_n(0, words));
    for divisor in tens(power) {
        inexact |= whole.divide(divisor) != 0;
    }
    whole.to_float(words, inexact)
}

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
        // Up to 15 digits no two decimals are one float, so the first that fits has no digit too many.
        if scaled < 1e15 && whole as f64 == scaled && scaled / power == float {
            return trimmed(whole, places.saturating_neg());
        }
    }
    // Two more than any float needs, so that the last of them is rounded by what follows.
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
    // 17 digits read back, and so does one more than what does: how many can be left out is found by halving.
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

/// A finite float as the standard library's `{:?}` prints it: a point or an exponent always, an exponent from 10^16 on
/// and below 10^-4.
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
    // Where the point stands, counted from the first digit.
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
    // 2^n has about 0.30103 n digits; one more or less is put right below.
    let size = i64::from(u64::BITS.saturating_sub(mantissa.leading_zeros())).saturating_add(exponent);
    let mut tens_up = 19_i64.saturating_sub(size.saturating_mul(30_103).div_euclid(100_000));
    loop {
        let mut whole = Whole(Vec::from([low(mantissa), (mantissa >> 32) as u32]));
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

/// Factors of 2^`power` that fit a word.
fn twos(power: u64) -> impl Iterator<Item = u32> {
    let whole = usize::try_from(power / 31).unwrap_or(0);
    core::iter::repeat_n(1 << 31, whole).chain((0..power % 31).map(|_| 2))
}

/// Factors of 10^`power` that fit a word.
fn tens(power: u64) -> impl Iterator<Item = u32> {
    let whole = usize::try_from(power / 9).unwrap_or(0);
    core::iter::repeat_n(1_000_000_000, whole).chain((0..power % 9).map(|_| 10))
}

/// A whole number, the lowest 32 bits first.
struct Whole(Vec<u32>);

impl Whole {
    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for word in &mut self.0 {
            // At most (2^32 - 1)², and a carry of 32 bits: it fits.
            let product = u64::from(*word).wrapping_mul(u64::from(factor)).wrapping_add(carry);
            (*word, carry) = (low(product), product >> 32);
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    /// The rest.
    fn divide(&mut self, divisor: u32) -> u64 {
        let divisor = u64::from(divisor);
        let mut rest = 0;
        for word in self.0.iter_mut().rev() {
            let part = rest << 32 | u64::from(*word);
            *word = low(part.checked_div(divisor).unwrap_or(0));
            rest = part.checked_rem(divisor).unwrap_or(0);
        }
        rest
    }

    fn to_u64(&self) -> Option<u64> {
        let (low, high) = self.0.split_at_checked(2).unwrap_or((&self.0, &[]));
        let joined = low.iter().rev().fold(0_u64, |sum, word| sum << 32 | u64::from(*word));
        high.iter().all(|word| *word == 0).then_some(joined)
    }

    /// The float nearest to it, without so many words behind the point. `inexact` says that it is a little more.
    fn to_float(&self, words: usize, inexact: bool) -> f64 {
        // The 64 highest bits, and whether any lower one is set.
        let mut top = 0_u128;
        let mut taken = 0_usize;
        let mut inexact = inexact;
        for word in self.0.iter().rev().skip_while(|word| **word == 0) {
            if taken < 3 {
                top = top << 32 | u128::from(*word);
                taken = taken.saturating_add(1);
            } else {
                inexact |= *word != 0;
            }
        }
        if top == 0 {
            return 0.0;
        }
        let significant = self.0.iter().rev().skip_while(|word| **word == 0).count();
        let bits = |words: usize| i64::try_from(words).unwrap_or(0).saturating_mul(32);
        // The number is `top` × 2^scale, and in [2^exponent, 2^(exponent + 1)).
        let scale = bits(significant.saturating_sub(taken)).saturating_sub(bits(words));
        let exponent = scale.saturating_add(127).saturating_sub(i64::from(top.leading_zeros()));
        // The last bit that a float of this size has; small ones have fewer.
        let last = exponent.saturating_sub(52).max(-1074);
        let mantissa = match u32::try_from(last.saturating_sub(scale)) {
            Ok(down) if down < 128 => {
                let floor = top >> down;
                let rest = top & (1_u128 << down).saturating_sub(1);
                let half = (1_u128 << down) >> 1;
                let up = rest > half || (rest == half && half > 0 && (inexact || floor & 1 == 1));
                floor.saturating_add(u128::from(up))
            }
            Ok(_) => 0,
            // Short: every bit of it fits.
            Err(_) => top.checked_shl(u32::try_from(scale.saturating_sub(last)).unwrap_or(0)).unwrap_or(0),
        };
        // The highest bit of the mantissa, if it is set, is the one of the exponent: adding carries as it should.
        let biased = u64::try_from(last.saturating_add(1074)).unwrap_or(0);
        let joined = (biased << 52).saturating_add(u64::try_from(mantissa).unwrap_or(0));
        f64::from_bits(joined.min(f64::INFINITY.to_bits()))
    }
}

/// The lower half.
fn low(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use crate::value::Number;

    fn agrees(text: &str) {
        let expected: f64 = text.parse().unwrap();
        let found = Number::parse(text).map(Number::to_f64);
        match found {
            // An integer has no minus zero.
            Some(found) => assert!(
                found.to_bits() == expected.to_bits() || found == 0.0 && expected == 0.0,
                "{text}: {found:e}"
            ),
            None => assert!(expected.is_infinite(), "{text}"),
        }
    }

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

    #[test]
    fn the_ends_and_the_halves() {
        for text in [
            "0.0",
            "-0.0",
            "0e5",
            "0.000e-400",
            "1e22",
            "1e23",
            "9007199254740993.0",
            "9007199254740995.0",
            "9007199254740992.5",
            // Halves and a little more, beyond the digits that count one by one.
            &format!("9007199254740993.{}", "0".repeat(900)),
            &format!("9007199254740993.{}1", "0".repeat(900)),
            "9007199254740993.0000000000000000000000000000000000000001",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1e308",
            "1e309",
            "-1e309",
            "1e999999999999999999999",
            "1e-999999999999999999999",
            "4.9e-324",
            "5e-324",
            "2.5e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.47e-324",
            "1e-400",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "2.225073858507201136057409796709131975934819546351645648023426109724822222021076945516529523908135087914149158913039621106870086438694594645527657207407820621743379988141063267329253552286881372149012981122451451889849057222307285255133155755015914397476397983411801999323962548289017107081850690630666655994938275772572015763062690663332647565300009245888316433037779791869612049497390377829704905051080609940730262937128958950003583799967207254304360284078895771796150945516748243471030702609144621572289880258182545180325707018860872113128079512233426288368622321503775666622503982534335974568884423900265498198385487948292206894721689831099698365846814022854243330660339850886445804001034933970427567186443383770486037861622771738545623065874679014086723327636718751e-308",
        ] {
            agrees(text);
        }
        agrees(&format!("1{}e-1000", "0".repeat(1_000)));
        agrees(&format!("0.{}1e1000", "0".repeat(999)));
        agrees(&format!("1{}.5", "0".repeat(1_200)));
        agrees(&format!("9007199254740993.{}1", "0".repeat(1_200)));
    }

    proptest! {
        #[test]
        fn every_float_comes_back(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            agrees(&format!("{float:?}"));
            agrees(&format!("{float:e}"));
        }

        #[test]
        fn floats_print_as_the_standard_library_prints_them(bits in any::<u64>(), cents in any::<i32>(), places in 0..12_i32) {
            for float in [f64::from_bits(bits), f64::from(cents) / 10_f64.powi(places), f64::from_bits(bits).trunc()] {
                if float.is_finite() {
                    prop_assert_eq!(Number::Float(float).to_string(), format!("{float:?}"));
                }
            }
        }

        #[test]
        fn between_two_floats_the_nearer_is_taken(bits in any::<u64>(), more in "[0-9]{0,3}") {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            // Many exact digits, and a few that are not.
            agrees(&format!("{float:.40e}").replace('e', &format!("{more}e")));
        }

        #[test]
        fn text_reads_as_the_standard_library_reads_it(
            text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
        ) {
            agrees(&text);
        }
    }
}
