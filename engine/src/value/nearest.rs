//! Decimal digits to the nearest float, in linear time.
//!
//! Typical prices and scores need one exact multiplication or division. Others are multiplied with a power of ten of
//! 128 bits, with a known error bound. Only where a midpoint lies within the error are all digits compared with that
//! midpoint, as whole numbers. The standard library's tables for the same take 10 KB, this one 416 bytes.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::whole::Whole;
use crate::limits::DIGITS_MAX;

/// Powers of ten up to this one are exact floats.
const EXACT_POWER: u64 = 22;

/// Number of digits that always fit 64 bits; twice as many fit 128.
const DIGITS_OF_WORD: usize = 19;

/// The float nearest to `digits` × 10^`exponent`, halves to even; infinite beyond the largest. The digits are ASCII.
pub(super) fn nearest(digits: impl Iterator<Item = u8> + Clone, exponent: i64) -> f64 {
    let digits = digits.skip_while(|digit| *digit == b'0');
    let (mut high, mut low) = (0_u64, 0_u64);
    // The factor of `high` that makes room for `low`.
    let mut scale = 1_u64;
    let mut count = 0_usize;
    // True if any digit beyond those is not zero.
    let mut more = false;
    for digit in digits.clone() {
        let value = value(digit);
        // No overflow: each takes 19 digits at most.
        if count < DIGITS_OF_WORD {
            high = high.wrapping_mul(10).wrapping_add(value);
        } else if count < DIGITS_OF_WORD * 2 {
            low = low.wrapping_mul(10).wrapping_add(value);
            scale = scale.wrapping_mul(10);
        } else {
            more |= digit != b'0';
        }
        count = count.saturating_add(1);
    }
    if count <= DIGITS_OF_WORD && high < 1 << 53 && exponent.unsigned_abs() <= EXACT_POWER {
        // Both are exact, so the single operation rounds once.
        let scale = (0..exponent.unsigned_abs()).fold(1.0, |scale, _| scale * 10.0);
        return if exponent < 0 { high as f64 / scale } else { high as f64 * scale };
    }
    // The number is in [10^(magnitude - 1), 10^magnitude).
    let magnitude = exponent.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
    if count == 0 || magnitude < -330 {
        return 0.0;
    }
    if magnitude > 310 {
        return f64::INFINITY;
    }
    let leading = u128::from(high).wrapping_mul(u128::from(scale)).wrapping_add(u128::from(low));
    let power = magnitude.saturating_sub(i64::try_from(count.min(DIGITS_OF_WORD * 2)).unwrap_or(0));
    // Everything is truncated, nothing rounded up: the number is less than `error` above the result. A unit of the 38th
    // digit is below 2^-122 of the number, and each of the three products and powers truncates less than 2^-126.
    let error = if more { 128 } else { 8 };
    let wide = Wide::of(leading).times_power_of_ten(i32::try_from(power).unwrap_or(0));
    wide.to_float(error, |half| compare(digits, exponent, half))
}

fn value(digit: u8) -> u64 {
    u64::from(digit.wrapping_sub(b'0'))
}

/// `bits` × 2^`exponent`. The highest bit is set.
#[derive(Clone, Copy)]
struct Wide {
    bits: u128,
    exponent: i32,
}

/// The distance of the powers in [`FIVES`]. 5^27 is the last below 2^64.
const STEP: i32 = 27;

/// The first 128 bits of 5^(27 n), for n from -14.
const FIVES: [u128; 26] = [
    0x9ecffc31_d586abc0_9ac09362_57d9c76c,
    0x8049a4ac_0c5811ae_205b896d_777d6278,
    0xcf42894a_5dce35ea_52064cac_828675b9,
    0xa76c5823_38ed2621_af2af2b8_0af6f24e,
    0x873e4f75_e2224e68_5a7744a6_e804a291,
    0xda7f5bf5_90966848_af39a475_506a899e,
    0xb080392c_c4349dec_bd8d794d_96aacfb3,
    0x8e938662_882af53e_547eb47b_7282ee9c,
    0xe65829b3_046b0afa_0cb4a5a3_112a5112,
    0xba121a46_50e4ddeb_92f34d62_616ce413,
    0x964e858c_91ba2655_3a6a07f8_d510f86f,
    0xf2d56790_ab41c2a2_fae27299_423fb9c3,
    0xc428d05a_a4751e4c_aa97e14c_3c26b886,
    0x9e74d1b7_91e07e48_775ea264_cf55347d,
    0x80000000_00000000_00000000_00000000,
    0xcecb8f27_f4200f3a_00000000_00000000,
    0xa70c3c40_a64e6c51_999090b6_5f67d924,
    0x86f0ac99_b4e8dafd_69a028bb_3ded71a3,
    0xda01ee64_1a708de9_e80e6f48_20cc9495,
    0xb01ae745_b101e9e4_5ec05dcf_f72e7f8f,
    0x8e41ade9_fbebc27d_14588f13_be847307,
    0xe5d3ef28_2a242e81_8f1668c8_a86da5fa,
    0xb9a74a06_37ce2ee1_6d953e2b_d7173692,
    0x95f83d0a_1fb69cd9_4abdaf10_1564f98e,
    0xf24a01a7_3cf2dccf_bc633b39_673c8cec,
    0xc3b83581_09e84f07_0a862f80_ec4700c8,
];

impl Wide {
    /// A number that is not 0.
    fn of(number: u128) -> Wide {
        let zeros = number.leading_zeros();
        Wide { bits: number.wrapping_shl(zeros), exponent: 0_i32.wrapping_sub_unsigned(zeros) }
    }

    /// For powers from -378 to 323.
    fn times_power_of_ten(self, power: i32) -> Wide {
        let (steps, rest) = (power.div_euclid(STEP), power.rem_euclid(STEP));
        let mut product = self;
        if let Some(bits) = usize::try_from(steps.wrapping_add(14)).ok().and_then(|at| FIVES.get(at)) {
            let five = steps.wrapping_mul(STEP);
            // The highest bit of 5^n is that of 2^⌊n log2 5⌋.
            let highest = (five.wrapping_mul(217_706) >> 16).wrapping_sub(five);
            product = product.times(Wide { bits: *bits, exponent: highest.wrapping_sub(127) });
        }
        product = product.times(Wide::of(u128::from(5_u64.wrapping_pow(rest.unsigned_abs()))));
        Wide { exponent: product.exponent.wrapping_add(power), ..product }
    }

    /// Truncated, not rounded.
    fn times(self, other: Wide) -> Wide {
        let halves = |bits: u128| (bits >> 64, bits & u128::from(u64::MAX));
        let ((a, b), (c, d)) = (halves(self.bits), halves(other.bits));
        // Products of 64 bits each: none overflows, and neither do the sums of a product and two carries.
        let middle = (b.wrapping_mul(d) >> 64).wrapping_add(a.wrapping_mul(d));
        let (carried, middle) = halves(middle);
        let middle = middle.wrapping_add(b.wrapping_mul(c));
        let high = a.wrapping_mul(c).wrapping_add(carried).wrapping_add(middle >> 64);
        let exponent = self.exponent.wrapping_add(other.exponent).wrapping_add(128);
        if high >> 127 == 1 {
            return Wide { bits: high, exponent };
        }
        let next = (middle >> 63) & 1;
        Wide { bits: high << 1 | next, exponent: exponent.wrapping_sub(1) }
    }

    /// The nearest float of a number that is up to `error` above this; `compare` compares it with a midpoint where the
    /// error leaves that open.
    fn to_float(self, error: u128, compare: impl FnOnce(Half) -> Ordering) -> f64 {
        // The last bit of a float of this size; small ones have fewer bits.
        let last = self.exponent.wrapping_add(127 - 52).max(-1_074);
        let dropped = last.wrapping_sub(self.exponent).unsigned_abs();
        let (mantissa, rest, half) = match dropped {
            ..128 => {
                let unit = 1_u128.wrapping_shl(dropped);
                (self.bits >> dropped, self.bits & unit.wrapping_sub(1), unit >> 1)
            }
            128 => (0, self.bits, 1 << 127),
            // Below half of the smallest float, but only just.
            _ if dropped == 129 && self.bits.checked_add(error).is_none() => (0, 0, 0),
            _ => return 0.0,
        };
        let mantissa = (mantissa & u128::from(u64::MAX)) as u64;
        let order = if rest > half {
            Ordering::Greater
        } else if rest.saturating_add(error) <= half {
            Ordering::Less
        } else {
            compare(Half { odd: mantissa.wrapping_mul(2).wrapping_add(1), exponent: last.wrapping_sub(1) })
        };
        let up = order == Ordering::Greater || (order == Ordering::Equal && mantissa & 1 == 1);
        // The highest bit of the mantissa, if set, is the one of the exponent: adding carries correctly.
        let biased = u64::from(last.wrapping_add(1_074).unsigned_abs());
        let joined = (biased << 52).saturating_add(mantissa).saturating_add(u64::from(up));
        f64::from_bits(joined.min(f64::INFINITY.to_bits()))
    }
}

/// `odd` × 2^`exponent`: the midpoint between two floats.
struct Half {
    odd: u64,
    exponent: i32,
}

/// Compares `digits` × 10^`exponent` with a midpoint. The first digit is not 0.
fn compare(digits: impl Iterator<Item = u8>, exponent: i64, half: Half) -> Ordering {
    let mut number = Whole(Vec::new());
    let mut exponent = exponent;
    let mut count = 0_usize;
    let mut more = false;
    // Nine digits at a time fit a word.
    let (mut part, mut scale) = (0_u32, 1_u32);
    for digit in digits {
        if count == DIGITS_MAX {
            more |= digit != b'0';
            exponent = exponent.saturating_add(1);
            continue;
        }
        count = count.saturating_add(1);
        part = part.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')));
        scale = scale.wrapping_mul(10);
        if scale == 1_000_000_000 {
            number.multiply_add(scale, part);
            (part, scale) = (0, 1);
        }
    }
    number.multiply_add(scale, part);
    let mut half_number = Whole::of(half.odd);
    // With an exponent below zero, both sides are multiplied by the divisor.
    let (fives, twos) = (exponent.unsigned_abs(), exponent.saturating_sub(i64::from(half.exponent)));
    if exponent < 0 {
        half_number.times_power_of_five(fives);
    } else {
        number.times_power_of_five(fives);
    }
    if twos < 0 {
        half_number.times_power_of_two(twos.unsigned_abs());
    } else {
        number.times_power_of_two(twos.unsigned_abs());
    }
    // No midpoint has as many digits as are counted, so the rest decides only between equals.
    number.compare(&half_number).then(if more { Ordering::Greater } else { Ordering::Equal })
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;
    use crate::value::Number;

    fn agrees(text: &str) {
        let expected: f64 = text.parse().unwrap();
        let found = Number::parse(text).map(Number::to_f64);
        match found {
            // Integers have no minus zero.
            Some(found) => assert!(
                found.to_bits() == expected.to_bits() || found == 0.0 && expected == 0.0,
                "{text}: {found:e}"
            ),
            None => assert!(expected.is_infinite(), "{text}"),
        }
    }

    /// The first 128 bits of a power of five, computed exactly.
    fn five(power: i32) -> u128 {
        let mut whole = Whole::of(1);
        if power >= 0 {
            whole.times_power_of_five(u64::from(power.unsigned_abs()));
            whole.times_power_of_two(128);
        } else {
            whole.times_power_of_two(1_200);
            for _ in 0..power.unsigned_abs() {
                whole.divide(5);
            }
        }
        let bits = whole.0.iter().rev().flat_map(|word| (0..32).rev().map(move |at| word >> at & 1));
        bits.skip_while(|bit| *bit == 0).take(128).fold(0, |sum, bit| sum << 1 | u128::from(bit))
    }

    #[test]
    fn the_table_holds_powers_of_five() {
        for (steps, bits) in (-14..).zip(FIVES) {
            assert_eq!(bits, five(steps * STEP), "5^{}", steps * STEP);
        }
        // Midpoints between two floats and their neighbours, at every size.
        for power in -1_074..1_024 {
            let float = 2_f64.powi(power);
            for float in [float, float.next_down(), float * 1.234_567] {
                let (low, high) = (format!("{float:e}"), format!("{:e}", float.next_up()));
                agrees(&low);
                agrees(&high);
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
            // Midpoints and slightly more, beyond the digits that are read one by one.
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

    /// All digits of the midpoint above a float.
    fn half_above(float: f64) -> String {
        let (bits, biased) = (float.to_bits() & 0x000f_ffff_ffff_ffff, float.to_bits() >> 52);
        let mantissa = if biased == 0 { bits } else { bits | 1 << 52 };
        let exponent = i64::try_from(biased.max(1)).unwrap() - 1_076;
        let mut whole = Whole::of(mantissa * 2 + 1);
        if exponent >= 0 {
            whole.times_power_of_two(exponent.unsigned_abs());
        } else {
            whole.times_power_of_five(exponent.unsigned_abs());
        }
        let mut digits = Vec::new();
        while whole.0.iter().any(|word| *word != 0) {
            digits.push(char::from(b'0' + u8::try_from(whole.divide(10)).unwrap()));
        }
        let digits: String = digits.into_iter().rev().collect();
        format!("{digits}e{}", exponent.min(0))
    }

    proptest! {
        #[test]
        fn text_reads_as_the_standard_library_reads_it(
            text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
        ) {
            agrees(&text);
        }

        #[test]
        fn between_two_floats_the_nearer_is_taken(bits in any::<u64>(), more in "[0-9]{0,3}") {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            // Many exact digits, and a few inexact ones.
            agrees(&format!("{float:.40e}").replace('e', &format!("{more}e")));
        }

        #[test]
        fn every_float_comes_back(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            agrees(&format!("{float:?}"));
            agrees(&format!("{float:e}"));
        }

        #[test]
        fn halves_go_to_even_and_what_is_a_little_more_goes_up(bits in any::<u64>(), zeros in 0..30_usize) {
            let float = f64::from_bits(bits).abs();
            prop_assume!(float.is_finite());
            let half = half_above(float);
            agrees(&half);
            let (digits, exponent) = half.split_once('e').unwrap();
            agrees(&format!("{digits}.{}1e{exponent}", "0".repeat(zeros)));
            // Slightly less.
            let less = digits.trim_end_matches('0');
            let last = less.len() - 1;
            prop_assume!(last > 0);
            let below = char::from(less.as_bytes()[last] - 1);
            let nines = "9".repeat(digits.len() - less.len());
            agrees(&format!("{}{below}{nines}.9e{exponent}", &less[..last]));
        }
    }
}
