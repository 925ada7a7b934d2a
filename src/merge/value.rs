//! Values that rows are compared by, and their bytes: equal bytes for equal keys, and bytes that sort as the values do.
//!
//! The order is that of `schema::dedup`: nothing is less than anything, numbers as numbers (NaN is the greatest, -0 is 0, as in Spark),
//! times as times, texts by their bytes.

use crate::schema::dedup::Place;
use crate::schema::kind::{Decimal, Kind};

const MICROS_OF_A_DAY: i64 = 86_400_000_000;

/// A value as a file has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    Boolean(bool),
    Whole(i64),
    /// Without its point, and how many digits are behind it.
    Decimal(i128, u8),
    Double(f64),
    Bytes(&'a [u8]),
    /// The JSON text of a value that does not fit its type. Only keys have such values.
    Misfit(&'a [u8]),
    /// Since 1970-01-01.
    Days(i32),
    /// Since the epoch.
    Micros(i64),
}

/// What the values of a place are compared as, whatever type a file has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Boolean,
    Whole,
    Decimal(u8),
    Double,
    /// The JSON text of a number, exactly.
    Number,
    Bytes,
    Days,
    Micros,
}

/// A file has values that do not compare with those of the table's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlike;

/// How a part of a key is read at `place`, and compared: a number in a JSON text by all of its digits, also where there may be other values.
pub fn of_key(place: &Place) -> Option<(Kind, Form)> {
    match &place.kind {
        Kind::Float | Kind::Double | Kind::Json if !place.json.is_empty() => Some((Kind::Json, Form::Number)),
        kind => Some((kind.clone(), Form::of(kind)?)),
    }
}

impl Form {
    /// That of the values of `kind`; `None` for types that are made of others.
    pub fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Uuid | Kind::Text | Kind::Json | Kind::Binary => Self::Bytes,
            Kind::Boolean => Self::Boolean,
            Kind::Integer(_) | Kind::Time => Self::Whole,
            Kind::Float | Kind::Double => Self::Double,
            Kind::Decimal(Decimal { scale, .. }) => Self::Decimal(*scale),
            Kind::Date => Self::Days,
            Kind::Timestamp | Kind::LocalTimestamp => Self::Micros,
            Kind::Struct(_) | Kind::List(_) | Kind::Union(_) | Kind::TextMap => return None,
        })
    }

    /// Appends `value` to a key: no two keys of the same forms have the same bytes unless all their parts are equal.
    pub fn append_key(self, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Unlike> {
        self.append(value, out, |bytes, out| {
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        })
    }

    /// Appends `value` to what orders a row: bytes of rows of the same forms compare as their values do.
    pub fn append_order(self, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Unlike> {
        self.append(value, out, |mut bytes, out| {
            // Ends with two zeros, which nothing in it has, and which are less than whatever a longer text goes on with.
            while let Some(at) = memchr::memchr(0, bytes) {
                let (before, rest) = bytes.split_at(at);
                out.extend_from_slice(before);
                out.extend_from_slice(&[0, 0xff]);
                bytes = rest.get(1..).unwrap_or_default();
            }
            out.extend_from_slice(bytes);
            out.extend_from_slice(&[0, 0]);
        })
    }

    #[inline]
    fn append(
        self,
        value: Value<'_>,
        out: &mut Vec<u8>,
        append_bytes: impl FnOnce(&[u8], &mut Vec<u8>),
    ) -> Result<(), Unlike> {
        if let (Self::Whole, Value::Whole(value)) | (Self::Micros, Value::Micros(value)) = (self, value) {
            append_whole(value, out);
            return Ok(());
        }
        if value == Value::Null {
            out.push(0);
            return Ok(());
        }
        if let Value::Misfit(text) = value {
            out.push(2);
            append_bytes(text, out);
            return Ok(());
        }
        if let (Self::Number, Value::Bytes(text)) = (self, value) {
            match plain_number(text) {
                Some(number) => {
                    out.push(1);
                    append_bytes(&number, out);
                }
                None => {
                    out.push(2);
                    append_bytes(text, out);
                }
            }
            return Ok(());
        }
        out.push(1);
        match self.converted(value).ok_or(Unlike)? {
            Value::Null | Value::Misfit(_) => {}
            Value::Boolean(value) => out.push(u8::from(value)),
            Value::Whole(value) | Value::Micros(value) => out.extend_from_slice(&ordered(value)),
            Value::Days(value) => out.extend_from_slice(&ordered(i64::from(value))),
            Value::Decimal(value, _) => out.extend_from_slice(&(value.cast_unsigned() ^ (1 << 127)).to_be_bytes()),
            Value::Double(value) => {
                let value = if value.is_nan() { f64::NAN.abs() } else { value + 0.0 };
                let bits = value.to_bits();
                let sorted = if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits };
                out.extend_from_slice(&sorted.to_be_bytes());
            }
            Value::Bytes(bytes) => append_bytes(bytes, out),
        }
        Ok(())
    }

    /// `value` as one of this form, where a table's type may have been widened to it.
    fn converted(self, value: Value<'_>) -> Option<Value<'_>> {
        Some(match (self, value) {
            (_, Value::Null)
            | (Self::Boolean, Value::Boolean(_))
            | (Self::Whole, Value::Whole(_))
            | (Self::Double, Value::Double(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Days, Value::Days(_))
            | (Self::Micros, Value::Micros(_)) => value,
            (Self::Decimal(scale), Value::Whole(value)) => Value::Decimal(rescaled(value.into(), 0, scale)?, scale),
            (Self::Decimal(scale), Value::Decimal(value, from)) => Value::Decimal(rescaled(value, from, scale)?, scale),
            #[allow(clippy::cast_precision_loss, reason = "the nearest double, as Delta reads a widened column")]
            (Self::Double, Value::Whole(value)) => Value::Double(value as f64),
            (Self::Micros, Value::Days(days)) => Value::Micros(i64::from(days).checked_mul(MICROS_OF_A_DAY)?),
            _ => return None,
        })
    }
}

/// Appends a number that is there.
#[inline]
fn append_whole(value: i64, out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h] = ordered(value);
    out.extend_from_slice(&[1, a, b, c, d, e, f, g, h]);
}

/// A number in JSON as its sign, its digits without zeros at either end, and the power of ten of the last one: the same for 1, 1.0 and
/// 10e-1. `None` if the text is none, or its power is out of all reason.
fn plain_number(text: &[u8]) -> Option<Vec<u8>> {
    let (sign, rest) = text.strip_prefix(b"-").map_or((&b""[..], text), |rest| (&b"-"[..], rest));
    let mantissa_end = rest.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(rest.len());
    let (mantissa, power) = rest.split_at_checked(mantissa_end)?;
    let power: i64 = match power.split_first() {
        Some((_, power)) => {
            std::str::from_utf8(power).ok()?.parse().ok().filter(|power: &i64| power.unsigned_abs() < 1 << 32)?
        }
        None => 0,
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let mut digits: Vec<u8> = mantissa.iter().copied().filter(|byte| *byte != b'.').collect();
    if digits.is_empty() || digits.len() + 1 < mantissa.len() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut power = power - i64::try_from(digits.len() - point.min(digits.len())).ok()?;
    while digits.last() == Some(&b'0') {
        digits.pop();
        power += 1;
    }
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    if zeros == digits.len() {
        return Some(b"0".to_vec());
    }
    Some([sign, digits.get(zeros..)?, b"e", power.to_string().as_bytes()].concat())
}

/// Bytes that sort as the numbers do.
#[inline]
pub fn ordered(value: i64) -> [u8; 8] {
    (value.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// A decimal with `from` digits behind the point as one with `to`; `None` where it is none.
fn rescaled(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(10_i128.checked_pow((to - from).into())?);
    }
    let divisor = 10_i128.checked_pow((from - to).into())?;
    (value % divisor == 0).then(|| value / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(form: Form, value: Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        form.append_order(value, &mut out).unwrap();
        out
    }

    fn key(form: Form, value: Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        form.append_key(value, &mut out).unwrap();
        out
    }

    #[test]
    fn numbers_sort_as_spark_sorts_them_and_zeros_are_one() {
        let doubles = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-9, 1.0, f64::INFINITY, f64::NAN];
        let bytes: Vec<_> = doubles.iter().map(|value| order(Form::Double, Value::Double(*value))).collect();
        assert!(bytes.is_sorted_by(|a, b| a < b), "{bytes:?}");
        assert!(order(Form::Double, Value::Null) < bytes[0]);
        assert_eq!(key(Form::Double, Value::Double(-0.0)), key(Form::Double, Value::Double(0.0)));
        assert_eq!(key(Form::Double, Value::Double(-f64::NAN)), key(Form::Double, Value::Double(f64::NAN)));
        assert_eq!(key(Form::Double, Value::Whole(3)), key(Form::Double, Value::Double(3.0)));
    }

    #[test]
    fn widened_types_compare_with_what_they_were() {
        assert_eq!(key(Form::Decimal(2), Value::Whole(5)), key(Form::Decimal(2), Value::Decimal(500, 2)));
        assert_eq!(key(Form::Decimal(2), Value::Decimal(5, 0)), key(Form::Decimal(2), Value::Decimal(500, 2)));
        assert_eq!(key(Form::Micros, Value::Days(1)), key(Form::Micros, Value::Micros(MICROS_OF_A_DAY)));
        assert_eq!(Form::Whole.append_key(Value::Bytes(b"5"), &mut Vec::new()), Err(Unlike));
    }

    #[test]
    fn numbers_in_json_are_compared_by_all_of_their_digits() {
        let number = |text: &'static str| key(Form::Number, Value::Bytes(text.as_bytes()));
        for same in [
            &["1", "1.0", "10e-1", "0.1E+1", "1.000"][..],
            &["0", "-0", "0.00", "0e7"],
            &["-1.5", "-15e-1", "-1.50"],
            &["100000000000000001", "1.00000000000000001e17"],
        ] {
            assert!(same.iter().all(|text| number(text) == number(same[0])), "{same:?}");
        }
        let all = [
            "1",
            "-1",
            "10",
            "0.1",
            "100000000000000001",
            "100000000000000002",
            "1e400",
            "0",
            "\"1\"",
            "true",
            ".",
            "1.5e-9223372036854775808",
            "1.5e9223372036854775807",
            "1.5e-9223372036854775807",
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| number(one) != number(other)), "{one}");
        }
    }

    proptest! {
        #[test]
        fn texts_behind_one_another_sort_as_their_bytes_do(
            a in prop::collection::vec(0_u8..4, 0..6), b in prop::collection::vec(0_u8..4, 0..6), x in any::<i64>(), y in any::<i64>()
        ) {
            let both = |text: &[u8], number| {
                let mut out = order(Form::Bytes, Value::Bytes(text));
                out.extend(order(Form::Whole, Value::Whole(number)));
                out
            };
            prop_assert_eq!(both(&a, x).cmp(&both(&b, y)), (&a, x).cmp(&(&b, y)));
            let keys = |text: &[u8], other: &[u8]| [key(Form::Bytes, Value::Bytes(text)), key(Form::Bytes, Value::Bytes(other))].concat();
            prop_assert_eq!(keys(&a, &b) == keys(&b, &a), a == b);
        }
    }
}
