//! Stops a stream with keys in JSON texts that the expressions of SQL (`load::sql::statements::dedup::values`) take for one another: Spark reads
//! them as other values than they are.
//!
//! | what | how Spark reads it |
//! |---|---|
//! | a number with a point or an exponent | as a DECIMAL(38, 18), which rounds what has more digits; a whole number has its text |
//! | such a number within an object or an array, or where the JSON schema says text | as a DOUBLE, which is written again: 15 digits are safe |
//! | a date or a time of which the type loses a part | as one without it: a day with a time, a time finer than microseconds |
//! | a record with a name of more than 50,000 characters | as one without any value |

use arrow_array::cast::AsArray;

use super::columns::is_kept;
use super::json_values::JsonValues;
use super::rows::texts;
use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::columns::TableSchema;
use crate::schema::dedup::{Dedup, Property};
use crate::schema::kind::Kind;

/// Digits that a DECIMAL(38, 18) has before the point and behind it.
const EXACT: (i64, i64) = (20, 18);
/// Digits that a DOUBLE keeps.
const OF_DOUBLE: usize = 15;
/// The power of ten that no DOUBLE which is written in 15 digits comes near.
const MOST_POWER: i64 = 290;
/// The longest name that Spark reads, in bytes: no character has fewer.
const LONGEST_NAME: usize = 50_000;

/// Looks at the keys of one stream.
pub struct SqlKeys {
    stream: StreamDescriptor,
    /// Where the parts of its key are that are within JSON texts, and their types.
    parts: Vec<(Vec<String>, Kind)>,
    values: JsonValues,
}

/// A number as JSON writes it: where its digits are.
struct Number {
    /// The digits without zeros at either end.
    significant: usize,
    /// How many are before the point, and behind it.
    places: (i64, i64),
    has_fraction: bool,
}

impl SqlKeys {
    /// For `stream`, whose rows replace one another as `dedup` says, in files with the columns `files`. `None` where no part of the key is within
    /// a JSON text.
    pub fn new(stream: &StreamDescriptor, dedup: &Dedup, files: &TableSchema) -> Option<Self> {
        let in_json = |part: &&Property| {
            let alone = Dedup { key: vec![(*part).clone()], cursor: None, deleted: None };
            alone.places(files).is_ok_and(|places| places.key.iter().any(|place| !place.json.is_empty()))
        };
        let parts: Vec<_> =
            dedup.key.iter().filter(in_json).map(|part| (part.path.clone(), part.kind.clone())).collect();
        let values = JsonValues::new(parts.iter().map(|(path, _)| (path.as_slice(), &Kind::Json)));
        (!parts.is_empty()).then(|| Self { stream: stream.clone(), parts, values })
    }

    /// Looks at records, each text behind its length.
    ///
    /// # Errors
    /// A config error: one of them has such a key.
    pub fn look_at(&self, packed: &[u8]) -> Result<()> {
        if texts(packed).any(|text| text.len() > LONGEST_NAME && has_long_name(text)) {
            return Err(Error::config(format!(
                "Stream {}: a record has a name of more than {LONGEST_NAME} bytes, and Databricks finds no primary key in it. Leave the \
                 property out in the source.",
                self.stream
            )));
        }
        for ((path, kind), array) in self.parts.iter().zip(self.values.read(packed)?) {
            let Some(values) = array.as_binary_opt::<i32>() else { continue };
            if let Some(what) = values.iter().flatten().find_map(|value| what_is_lost(value, kind)) {
                return Err(Error::config(format!(
                    "Stream {}: a value of the primary key `{}` is {what}, so that rows of different keys would be taken for versions of one. Send \
                     it as a text that the JSON schema says is one.",
                    self.stream,
                    path.join(".")
                )));
            }
        }
        Ok(())
    }
}

/// What of the JSON `value` of a key that the JSON schema says is of the type `kind` is not compared; `None` where nothing is.
fn what_is_lost(value: &[u8], kind: &Kind) -> Option<&'static str> {
    const DIGITS: &str = "a number with more digits than Databricks compares in a JSON text (20 before the point and 18 behind it; 15 in all \
                          within an object or an array, or where the JSON schema says that it is a text)";
    const PARTS: &str = "a date or a time with more than Databricks compares in a JSON text (a day; microseconds)";
    let is_written = matches!(kind, Kind::Uuid | Kind::Text | Kind::Binary | Kind::Time);
    let is_moment = matches!(kind, Kind::Date | Kind::Timestamp | Kind::LocalTimestamp);
    match value.first() {
        Some(b'-' | b'0'..=b'9') => {
            Number::read(value).filter(|(number, _)| !number.is_kept(is_written)).map(|_| DIGITS)
        }
        Some(b'{' | b'[') => numbers_in(value).any(|number| !number.is_kept(true)).then_some(DIGITS),
        Some(b'"') if is_moment && !is_kept(kind, value) => Some(PARTS),
        _ => None,
    }
}

/// The numbers in an object or an array.
fn numbers_in(mut rest: &[u8]) -> impl Iterator<Item = Number> {
    std::iter::from_fn(move || {
        while let Some((first, behind)) = rest.split_first() {
            match first {
                b'"' => rest = behind_string(behind).1,
                b'-' | b'0'..=b'9' => {
                    let (number, behind) = Number::read(rest)?;
                    rest = behind;
                    return Some(number);
                }
                _ => rest = behind,
            }
        }
        None
    })
}

/// Whether a property of the object `text`, or of one within it, has a name that is too long.
fn has_long_name(mut text: &[u8]) -> bool {
    while let Some(at) = memchr::memchr(b'"', text) {
        let (length, behind) = behind_string(text.get(at + 1..).unwrap_or_default());
        let next = behind.iter().find(|byte| !byte.is_ascii_whitespace());
        if length > LONGEST_NAME && next == Some(&b':') {
            return true;
        }
        text = behind;
    }
    false
}

/// The length of the JSON string that `text` begins in, and what follows it.
fn behind_string(text: &[u8]) -> (usize, &[u8]) {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return (at, text.get(at + 1..).unwrap_or_default());
        }
        at += 2;
    }
    (text.len(), &[])
}

impl Number {
    /// The number that `text` begins with, and what follows it.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let (number, behind) = text.split_at_checked(end.unwrap_or(text.len()))?;
        let number = number.strip_prefix(b"-").unwrap_or(number);
        let mantissa_end = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(number.len());
        let (mantissa, power) = number.split_at_checked(mantissa_end)?;
        let power = std::str::from_utf8(power.get(1..).unwrap_or_default()).ok()?;
        let power: i64 = if power.is_empty() { 0 } else { power.parse::<i32>().map_or(i64::MAX / 2, i64::from) };
        let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
        let digits: Vec<u8> = mantissa.iter().copied().filter(|byte| *byte != b'.').collect();
        let has_fraction = mantissa_end < number.len() || point < mantissa.len();
        let first = digits.iter().position(|digit| *digit != b'0');
        let last = digits.iter().rposition(|digit| *digit != b'0');
        let Some((first, last)) = first.zip(last) else {
            return Some((Self { significant: 0, places: (0, 0), has_fraction }, behind));
        };
        let point = i64::try_from(point).ok()?;
        let before = point - i64::try_from(first).ok()? + power;
        let after = i64::try_from(last).ok()? + 1 - point - power;
        Some((Self { significant: last + 1 - first, places: (before, after), has_fraction }, behind))
    }

    /// Whether no other number is read as this one.
    fn is_kept(&self, is_written: bool) -> bool {
        let (before, after) = self.places;
        if !self.has_fraction {
            true
        } else if is_written {
            self.significant <= OF_DOUBLE && before.abs() < MOST_POWER && after.abs() < MOST_POWER
        } else {
            before <= EXACT.0 && after <= EXACT.1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::rows::Rows;
    use crate::schema::dedup::Asked;
    use crate::schema::json_schema::{ColumnOptions, Nested, Number as Numbers, columns};

    #[test]
    fn a_time_of_which_the_type_loses_a_part_is_not_told_apart() {
        for (kind, kept, not) in [
            (Kind::Timestamp, r#""2024-01-01T00:00:00.123456Z""#, r#""2024-01-01T00:00:00.1234567Z""#),
            (Kind::Date, r#""2024-01-01""#, r#""2024-01-01T10:00:00Z""#),
            (Kind::LocalTimestamp, r#""2024-01-01T00:00:00""#, r#""2024-01-01T00:00:00+01:00""#),
        ] {
            assert!(what_is_lost(kept.as_bytes(), &kind).is_none(), "{kept}");
            assert!(what_is_lost(not.as_bytes(), &kind).is_some(), "{not}");
            assert!(what_is_lost(not.as_bytes(), &Kind::Text).is_none(), "{not}");
        }
    }

    #[test]
    fn numbers_that_a_decimal_or_a_double_rounds_are_not_told_apart() {
        for kept in ["1", "-0.0", "0e999999999999", "0.123456789012345678", "12345678901234567890.5", "1e-18", "1e19"] {
            assert!(what_is_lost(kept.as_bytes(), &Kind::Double).is_none(), "{kept}");
        }
        // Whole numbers are compared by their texts.
        let long = "9".repeat(100);
        for kept in [long.as_str(), "true", "null", r#""0.12345678901234567891""#, "0.100000000000000000000", "1.50e+2"]
        {
            assert!(what_is_lost(kept.as_bytes(), &Kind::Double).is_none(), "{kept}");
        }
        for not in ["0.1234567890123456789", "1e-19", "1e20", "100000000000000000000.0", "1e400", "1e99999999999999"] {
            assert!(what_is_lost(not.as_bytes(), &Kind::Double).is_some(), "{not}");
        }
        for kept in [
            "0.123456789012345",
            "1e200",
            "12345678901234567890",
            r#"{"a":[1.5,"0.1234567890123456","\"1.1234567890123456"]}"#,
        ] {
            assert!(what_is_lost(kept.as_bytes(), &Kind::Text).is_none(), "{kept}");
        }
        for not in ["0.1234567890123456", "1e300", "1e-300", r#"{"a":"x","b":[1,0.1234567890123456]}"#] {
            assert!(what_is_lost(not.as_bytes(), &Kind::Text).is_some(), "{not}");
        }
    }

    #[test]
    fn only_names_are_too_long_and_only_above_a_length() {
        let long = |length| "n".repeat(length);
        assert!(has_long_name(format!(r#"{{"a":{{"{}" : 1}}}}"#, long(LONGEST_NAME + 1)).as_bytes()));
        assert!(has_long_name(format!(r#"{{"\"{}":1}}"#, long(LONGEST_NAME)).as_bytes()));
        assert!(!has_long_name(format!(r#"{{"{}":"{}"}}"#, long(LONGEST_NAME), long(LONGEST_NAME + 1)).as_bytes()));
    }

    #[test]
    fn keys_are_looked_at_where_they_are_in_json_texts() {
        const SCHEMA: &str =
            r#"{"properties":{"id":{"type":"number"},"o":{"type":"object","properties":{"n":{"type":"number"}}}}}"#;
        let stream = StreamDescriptor { name: "s".to_owned(), namespace: None };
        let look = |key: &[&str], files: &TableSchema| {
            let key = vec![key.iter().map(|name| (*name).to_owned()).collect()];
            let dedup = Dedup::new(Some(SCHEMA), &Asked { key, ..Asked::default() }).unwrap();
            let mut rows = Rows::default();
            rows.push(br#"{"id":0.12345678901234567891,"o":{"n":1e99}}"#, 0, 64);
            SqlKeys::new(&stream, &dedup, files)
                .map(|keys| keys.look_at(rows.parts().0).map_err(|error| error.to_string()))
        };
        let raw = TableSchema::raw();
        assert!(look(&["id"], &raw).unwrap().unwrap_err().contains("primary key `id`"));
        assert!(look(&["o", "n"], &raw).unwrap().unwrap_err().contains("`o.n`"));
        let typed = columns(SCHEMA, ColumnOptions::default()).unwrap();
        assert!(look(&["id"], &typed).is_none());
        let json = columns(SCHEMA, ColumnOptions { number: Numbers::Double, nested: Nested::Json }).unwrap();
        assert!(look(&["o", "n"], &json).unwrap().is_err() && look(&["id"], &json).is_none());
    }
}
