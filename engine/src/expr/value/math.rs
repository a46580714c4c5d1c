//! Arithmetic: exact for integers, whose results beyond 64 bits become floats; a float that is not finite is missing.

use crate::syntax::Arithmetic;
use crate::value::Number;

/// The result of a calculation with numbers. None: the divisor is zero, or the result is beyond `f64`.
pub(super) fn calculate(sign: Arithmetic, left: Number, right: Number) -> Option<Number> {
    if let (Number::Integer(left), Number::Integer(right)) = (left, right) {
        let exact = match sign {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            // The remainder by -1 is 0, also of the least integer.
            Arithmetic::Remainder if right == -1 => Some(0),
            Arithmetic::Remainder => return left.checked_rem(right).map(Number::Integer),
            Arithmetic::Divide | Arithmetic::Join => None,
        };
        if let Some(exact) = exact {
            return Some(Number::Integer(exact));
        }
    }
    let (left, right) = (left.to_f64(), right.to_f64());
    Number::float(match sign {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        // A division by zero is infinite or no number, and so is a remainder of it.
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
        Arithmetic::Join => return None,
    })
}

pub(super) fn negative(number: Number) -> Number {
    match number {
        Number::Integer(value) => value.checked_neg().map_or(Number::Float(-(value as f64)), Number::Integer),
        Number::Float(value) => Number::Float(-value),
    }
}

pub(super) fn absolute(number: Number) -> Number {
    if number < Number::Integer(0) { negative(number) } else { number }
}

/// Rounds half away from zero to a number of decimal digits, which may be negative. None: beyond `f64`.
pub(super) fn round(number: Number, digits: i64) -> Option<Number> {
    // Beyond these no digit of a number is left, or none is cut.
    let digits = digits.clamp(-400, 400);
    let scale = power_of_ten(digits.unsigned_abs());
    match number {
        Number::Integer(_) if digits >= 0 => Some(number),
        Number::Integer(_) if digits < -19 => Some(Number::Integer(0)),
        Number::Integer(value) => {
            let (size, scale) = (value.unsigned_abs(), scale as u64);
            let count = size.saturating_add(scale / 2).checked_div(scale)?;
            let size = count.saturating_mul(scale);
            let rounded = i64::try_from(size).map_or(Number::Float(size as f64), Number::Integer);
            Some(if value < 0 { negative(rounded) } else { rounded })
        }
        Number::Float(value) if digits == 0 => {
            let rounded = nearest(value);
            let is_integer = rounded.abs() < i64::MAX as f64;
            Some(if is_integer { Number::Integer(rounded as i64) } else { Number::Float(rounded) })
        }
        Number::Float(_) if digits < -308 => Some(Number::Integer(0)),
        Number::Float(value) if digits < 0 => Number::float(nearest(value / scale) * scale),
        Number::Float(value) => {
            let scaled = value * scale;
            // A float of this size has no digits after its point.
            if scaled.abs() < FRACTIONS { Number::float(nearest(scaled) / scale) } else { Some(number) }
        }
    }
}

/// The first float from which on all are whole.
const FRACTIONS: f64 = 4_503_599_627_370_496.0;

fn nearest(value: f64) -> f64 {
    if value.abs() >= FRACTIONS {
        return value;
    }
    let whole = value as i64 as f64;
    let rest = value - whole;
    if rest >= 0.5 {
        whole + 1.0
    } else if rest <= -0.5 {
        whole - 1.0
    } else {
        whole
    }
}

fn power_of_ten(exponent: u64) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Float, Integer};

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (number, digits, expected) in [
            (Float(2.5), 0, Integer(3)),
            (Float(-2.5), 0, Integer(-3)),
            (Float(0.49999999999999994), 0, Integer(0)),
            (Float(1e300), 0, Float(1e300)),
            (Float(12.345), 1, Float(12.3)),
            (Float(12.35), 1, Float(12.4)),
            (Float(-0.125), 2, Float(-0.13)),
            (Float(1e300), 300, Float(1e300)),
            (Float(155.0), -1, Float(160.0)),
            (Float(1e300), -400, Integer(0)),
            (Integer(i64::MAX), 3, Integer(i64::MAX)),
            (Integer(-155), -1, Integer(-160)),
            (Integer(4), -1, Integer(0)),
            (Integer(i64::MAX), -18, Integer(9_000_000_000_000_000_000)),
            (Integer(i64::MAX), -19, Float(1e19)),
            (Integer(i64::MIN), -400, Integer(0)),
        ] {
            assert_eq!(round(number, digits), Some(expected), "{number} {digits}");
        }
    }
}
