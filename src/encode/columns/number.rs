//! Converts the text of numbers exactly: no intermediate type loses digits.

use super::misfit::Misfit;
use crate::schema::kind::Decimal;

/// The number that was found, and whether it has a part that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaled {
    /// The number times ten to the power of the scale.
    pub value: i128,
    /// Whether digits behind the scale were not zero. They were rounded, halves away from zero, as SQL rounds.
    pub is_rounded: bool,
}

/// Digits that an `i128` always holds.
const DIGITS: usize = 38;

/// The whole number of at most 64 bits that `text` is: `12`, `-3.0`, `1e3`. Never rounded: `1.5` does not fit.
#[inline]
pub fn integer(text: &[u8]) -> Result<i64, Misfit> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if (1..=18).contains(&digits.len()) {
        let mut value = 0;
        let all = digits.iter().all(|digit| {
            value = value * 10 + i64::from(digit.wrapping_sub(b'0'));
            digit.is_ascii_digit()
        });
        if all {
            return Ok(if negative { -value } else { value });
        }
    }
    let Scaled { value, is_rounded } = scaled(text, Decimal { precision: 38, scale: 0 })?;
    if is_rounded {
        return Err(Misfit::Type);
    }
    i64::try_from(value).map_err(|_| Misfit::Size)
}

/// The decimal number that `text` is. Too many digits before the point do not fit; too many behind it are rounded.
pub fn scaled(text: &[u8], decimal: Decimal) -> Result<Scaled, Misfit> {
    let parts = Parts::of(text).ok_or(Misfit::Type)?;
    let zeros = parts.digits().take_while(|digit| *digit == b'0').count();
    let length = parts.whole.len() + parts.fraction.len() - zeros;
    if length == 0 {
        return Ok(Scaled { value: 0, is_rounded: false });
    }
    // How many digits, the leading zeros aside, stand before the cut; more than there are means zeros behind them.
    let whole = parts.whole.len() as i64 - zeros as i64;
    let kept = whole.saturating_add(parts.exponent).saturating_add(i64::from(decimal.scale));
    let kept = match usize::try_from(kept) {
        Ok(kept) if kept > DIGITS => return Err(Misfit::Size),
        Ok(kept) => kept,
        Err(_) if kept < 0 => return Ok(Scaled { value: 0, is_rounded: true }),
        Err(_) => return Err(Misfit::Size),
    };
    let mut digits = parts.digits().skip(zeros);
    let mut value: i128 = 0;
    for _ in 0..kept {
        value = value * 10 + i128::from(digits.next().unwrap_or(b'0') - b'0');
    }
    let next = digits.next().unwrap_or(b'0');
    let is_rounded = next != b'0' || digits.any(|digit| digit != b'0');
    value += i128::from(next >= b'5');
    if value >= 10_i128.pow(u32::from(decimal.precision).min(DIGITS as u32)) {
        return Err(Misfit::Size);
    }
    Ok(Scaled { value: if parts.negative { -value } else { value }, is_rounded })
}

/// The nearest 64-bit floating-point number; one that only infinity would be near to does not fit.
#[inline]
pub fn double(text: &[u8]) -> Result<f64, Misfit> {
    float(text, f64::is_finite)
}

/// The nearest 32-bit floating-point number.
pub fn single(text: &[u8]) -> Result<f32, Misfit> {
    float(text, f32::is_finite)
}

fn float<F: std::str::FromStr + Copy>(text: &[u8], is_finite: fn(F) -> bool) -> Result<F, Misfit> {
    let text = std::str::from_utf8(text).map_err(|_| Misfit::Type)?;
    let value = text.parse().map_err(|_| Misfit::Type)?;
    if is_finite(value) { Ok(value) } else { Err(Misfit::Size) }
}

/// Whether the number `text` is read back from `value`, the floating-point number nearest to it, which writes itself as `shortest`:
/// a whole number has to be the same, and of others all digits have to come back.
pub fn is_kept(text: &[u8], value: f64, shortest: &str) -> bool {
    match scaled(text, Decimal { precision: 38, scale: 0 }) {
        Ok(Scaled { value: whole, is_rounded: false }) => value as i128 == whole,
        _ => {
            let [one, other] = [text, shortest.as_bytes()].map(|text| Parts::of(text).map(|parts| parts.normal()));
            one.is_some() && one == other
        }
    }
}

/// Whether `text` is a decimal number as people and programs write it: `+1.5`, `.5`, `5.`, `1e3`.
pub fn is_number(text: &[u8]) -> bool {
    Parts::of(text).is_some()
}

/// The number without a fraction nearest to zero, as Java casts: a text with a point or an exponent goes through 64-bit
/// floating point and stops at the largest `i64`; another one keeps its lowest 64 bits.
pub fn wrapped(text: &[u8]) -> Result<i64, Misfit> {
    if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        let text = std::str::from_utf8(text).map_err(|_| Misfit::Type)?;
        return text.parse::<f64>().map(|value| value as i64).map_err(|_| Misfit::Type);
    }
    let parts = Parts::of(text).ok_or(Misfit::Type)?;
    let digit = |sum: i64, digit: &u8| sum.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
    let value = parts.whole.iter().fold(0, digit);
    Ok(if parts.negative { value.wrapping_neg() } else { value })
}

/// A decimal number's parts.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Parts<'a> {
    /// The sign, the digits without zeros at the ends, and the power of ten of the last one.
    fn normal(&self) -> (bool, Vec<u8>, i64) {
        let mut digits: Vec<u8> = self.digits().skip_while(|digit| *digit == b'0').collect();
        let length = digits.len();
        digits.truncate(digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1));
        let exponent = self.exponent.saturating_sub(self.fraction.len() as i64);
        (self.negative, digits.clone(), exponent.saturating_add((length - digits.len()) as i64))
    }

    fn of(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = sign(text);
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => {
                let (negative, rest) = sign(rest);
                let (exponent, rest) = digits(rest);
                if exponent.is_empty() || !rest.is_empty() {
                    return None;
                }
                let digit = |sum: i64, digit: &u8| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
                let value = exponent.iter().fold(0, digit);
                if negative { -value } else { value }
            }
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Decimal = Decimal { precision: 38, scale: 10 };

    #[test]
    fn whole_numbers_are_never_rounded() {
        for (text, value) in [("1.0", 1), ("1e3", 1000), ("-0", 0), ("9223372036854775807", i64::MAX), ("1200e-2", 12)]
        {
            assert_eq!(integer(text.as_bytes()), Ok(value), "{text}");
        }
        assert_eq!(integer(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer(b"0e99999999999999999999"), Ok(0));
        for (text, misfit) in [
            ("1.5", Misfit::Type),
            ("1e-1", Misfit::Type),
            ("9223372036854775808", Misfit::Size),
            ("1e99999999999999999999", Misfit::Size),
            ("", Misfit::Type),
            ("1e", Misfit::Type),
            ("12a", Misfit::Type),
            (".", Misfit::Type),
        ] {
            assert_eq!(integer(text.as_bytes()), Err(misfit), "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_said_to_be_rounded() {
        for (text, value, is_rounded) in [
            ("1.25", 12_500_000_000, false),
            ("0.30000000000000004", 3_000_000_000, true),
            ("0.00000000005", 1, true),
            ("-0.00000000004", 0, true),
            ("1e-400", 0, true),
            ("1234567890123456789012345678.9", 12_345_678_901_234_567_890_123_456_789_000_000_000, false),
        ] {
            assert_eq!(scaled(text.as_bytes(), TEN), Ok(Scaled { value, is_rounded }), "{text}");
        }
        assert_eq!(scaled(b"1e28", TEN), Err(Misfit::Size));
        assert_eq!(scaled(b"9999999999999999999999999999.99999999999", TEN), Err(Misfit::Size));
    }

    #[test]
    fn java_casts_are_java_casts() {
        for (text, value) in [
            ("1.9", 1),
            ("-1.9", -1),
            ("1e30", i64::MAX),
            ("9223372036854775808", i64::MIN),
            ("18446744073709551617", 1),
            ("-18446744073709551617", -1),
        ] {
            assert_eq!(wrapped(text.as_bytes()), Ok(value), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_i64_and_every_decimal_comes_back(whole: i64, digits in 0..10_i128.pow(38)) {
            prop_assert_eq!(integer(whole.to_string().as_bytes()), Ok(whole));
            let text = format!("-{}.{:010}", digits / 10_i128.pow(10), digits % 10_i128.pow(10));
            prop_assert_eq!(scaled(text.as_bytes(), TEN), Ok(Scaled { value: -digits, is_rounded: false }));
        }

        #[test]
        fn what_is_a_number_is_one_to_rust_too(text in "[-+.e0-9]{0,8}") {
            prop_assert_eq!(is_number(text.as_bytes()), text.parse::<f64>().is_ok(), "{}", text);
            prop_assert_eq!(scaled(text.as_bytes(), TEN).is_err_and(|misfit| misfit == Misfit::Type), text.parse::<f64>().is_err());
        }
    }
}
