//! Decimal digits to the nearest float.
//!
//! What prices and scores look like is one exact multiplication or division. The rest is counted out with whole numbers
//! of any length: slower than the standard library's reader, which brings a table of 10 KB, and as exact.

use alloc::vec::Vec;

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
    fn the_ends_and_the_halves() {
        for text in [
            "0.0",
            "-0.0",
            "0e5",
            "0.000e-400",
            "1e22",
            "1e23",
            "9007199254740993.0",
            "9007199254740992.5",
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
