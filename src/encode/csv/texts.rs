//! Numbers, days and times as texts that mean exactly them, for SQL and for JSON.

use std::fmt::{self, Write};

const DAY: i64 = 86_400_000_000;

/// Takes what `write!` makes.
struct Bytes<'a>(&'a mut Vec<u8>);

/// Appends a day: `2021-01-31`. Years beyond 9999 have a sign and as many digits as they need, as Spark and ISO 8601 have them; the year
/// before 1 is 0.
pub fn date(days: i64, out: &mut Vec<u8>) {
    // Days since 0000-03-01, in eras of 400 years. Source: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        0..=9999 => digits(year, 4, out),
        10_000.. => {
            out.push(b'+');
            number(year, out);
        }
        _ => {
            out.push(b'-');
            if year > -1000 { digits(-year, 4, out) } else { number(-year, out) }
        }
    }
    out.push(b'-');
    digits(month, 2, out);
    out.push(b'-');
    digits(day, 2, out);
}

/// Appends a date and a time of day, without a zone: `2021-01-31T12:34:56.789012`, of microseconds since 1970-01-01 00:00.
pub fn timestamp(micros: i64, out: &mut Vec<u8>) {
    date(micros.div_euclid(DAY), out);
    let of_day = micros.rem_euclid(DAY);
    let seconds = of_day / 1_000_000;
    for (before, value, width) in [
        (b'T', seconds / 3600, 2),
        (b':', seconds / 60 % 60, 2),
        (b':', seconds % 60, 2),
        (b'.', of_day % 1_000_000, 6),
    ] {
        out.push(before);
        digits(value, width, out);
    }
}

/// Appends a whole number.
pub fn number(value: i64, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(Bytes(out), "{value}");
}

/// Appends the shortest text that is read as exactly `value`, which must be finite.
pub fn float(value: f64, out: &mut Vec<u8>) {
    let _ = write!(Bytes(out), "{value:?}");
}

/// What a number is called that is not finite.
pub fn not_finite(value: f64) -> &'static [u8] {
    match value {
        value if value.is_nan() => b"NaN",
        value if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    }
}

/// Appends a decimal number with `scale` digits behind the point.
pub fn decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let width = usize::from(scale) + 1;
    let all = format!("{:0width$}", value.unsigned_abs());
    let (whole, fraction) = all.split_at(all.len() - usize::from(scale));
    out.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Appends `value`, which is not negative, with `width` digits.
fn digits(value: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn years_without_four_digits_have_a_sign() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (i64::from(i32::MAX), "+5881580-07-11"),
            (i64::from(i32::MIN), "-5877641-06-23"),
        ] {
            assert_eq!(text(|out| date(days, out)), expected);
        }
        assert_eq!(text(|out| timestamp(i64::MAX, out)), "+294247-01-10T04:00:54.775807");
        assert_eq!(text(|out| timestamp(i64::MIN, out)), "-290308-12-21T19:59:05.224192");
        assert_eq!(text(|out| timestamp(-1, out)), "1969-12-31T23:59:59.999999");
    }

    #[test]
    fn decimals_have_all_their_digits() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-1, 10, "-0.0000000001"),
            (12_345, 2, "123.45"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(|out| decimal(value, scale, out)), expected);
        }
    }

    proptest! {
        #[test]
        fn times_are_those_of_another_library(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let expected = DateTime::from_timestamp_micros(micros).expect("a time").format("%Y-%m-%dT%H:%M:%S%.6f");
            prop_assert_eq!(text(|out| timestamp(micros, out)), expected.to_string());
        }

        #[test]
        fn days_are_those_of_another_library(days in -719_162i32..2_932_896) {
            let expected = NaiveDate::from_epoch_days(days).expect("a day").format("%Y-%m-%d").to_string();
            prop_assert_eq!(text(|out| date(i64::from(days), out)), expected);
        }

        #[test]
        fn floats_are_read_back_to_the_same_bits(value in any::<f64>(), small in any::<f32>()) {
            prop_assume!(value.is_finite() && small.is_finite());
            prop_assert_eq!(text(|out| float(value, out)).parse::<f64>().expect("a number").to_bits(), value.to_bits());
            let small_text = text(|out| float(f64::from(small), out));
            prop_assert_eq!(small_text.parse::<f32>().expect("a number").to_bits(), small.to_bits());
        }
    }
}
