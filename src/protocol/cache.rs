//! PyAirbyte's cache: what its records look like, how it spells the names of properties, and when a source emitted its records.
//!
//! `lake.write(source)` of PyAirbyte first reads the source into a database, by default a DuckDB file, and sends what is in there. The
//! catalog that comes with it has the names and the types of the source.
//! Sources: `AirbyteMessageIterator.from_read_result`, `LowerCaseNormalizer` and `StreamRecord` in `airbytehq/PyAirbyte`.

use std::fmt;

use chrono::{DateTime, NaiveDateTime};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::scan::Record;

/// Columns that every table of the cache has beside those of the source.
const ID: &str = "_airbyte_raw_id";
const EXTRACTED_AT: &str = "_airbyte_extracted_at";
/// A column that tables of Airbyte's own destinations have beside those two, and tables of the cache have not.
const OF_DESTINATIONS: &str = "_airbyte_generation_id";

/// Times before this one are in seconds: as milliseconds they would be before March 1973, as seconds they reach to the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;
/// Microseconds by which the seconds that PyAirbyte sends may differ from the time in the record: it takes the time in UTC for one
/// in the zone of its machine.
const ZONES: i64 = 26 * 3600 * 1_000_000;

/// Where the records of an input come from, as far as that is known before the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// A source, or one of Airbyte's platform.
    OfSource,
    /// PyAirbyte's cache, in whose spelling the catalog was read.
    OfCache,
    /// The first record tells. `are_renamed`: the cache would have other names than the catalog that was read.
    Unknown {
        /// Whether the tables would lack values of the cache.
        are_renamed: bool,
    },
}

/// The name that the cache has for the property `name` of a record. Properties inside of others keep their names.
///
/// A name without any ASCII letter or digit, which PyAirbyte refuses, is left as it is.
pub fn spelled(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    out.extend(name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    if out.starts_with(|first: char| first.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if out.bytes().all(|byte| byte == b'_') { name.to_owned() } else { out }
}

/// Whether the cache has the property `name` under this name.
pub fn is_spelled(name: &str) -> bool {
    let is_plain = |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a record with this `data`, a JSON object, is one of the cache.
pub fn is_of_cache(data: &[u8]) -> bool {
    let Ok(Names(names)) = serde_json::from_slice(data) else { return false };
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    has(ID) && has(EXTRACTED_AT) && !has(OF_DESTINATIONS) && names.iter().all(|name| is_spelled(name))
}

/// Whether the time of `record` can only be in seconds.
pub fn is_in_seconds(record: &Record<'_>) -> bool {
    record.emitted_at < MILLISECONDS
}

/// When the source emitted `record`, which is one of the cache, in microseconds since 1970; `None` where that is beyond all times.
///
/// PyAirbyte sends whole seconds, which are wrong by the zone of its machine where the cache keeps times without a zone. The record
/// itself has the time, in UTC.
pub fn emitted_at(record: &Record<'_>) -> Option<i64> {
    if !is_in_seconds(record) {
        return record.emitted_at.checked_mul(1000);
    }
    let seconds = record.emitted_at.checked_mul(1_000_000)?;
    let own =
        extracted_at(record.data).filter(|own| own.checked_sub(seconds).is_some_and(|apart| apart.abs() <= ZONES));
    Some(own.unwrap_or(seconds))
}

/// The time in the column of `data`, in microseconds since 1970. The column is one of the last ones.
fn extracted_at(data: &[u8]) -> Option<i64> {
    let at = memchr::memmem::rfind(data, EXTRACTED_AT.as_bytes())?;
    let text = data.get(at + EXTRACTED_AT.len()..)?.strip_prefix(b"\"")?.trim_ascii_start();
    let text = text.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let text = std::str::from_utf8(text.get(..memchr::memchr(b'"', text)?)?).ok()?;
    let in_utc = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc()).ok();
    let time = in_utc.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()))?;
    Some(time.timestamp_micros())
}

/// The names of an object's members.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn names_are_spelled_as_pyairbyte_does_it() {
        // The first ones are the examples of `LowerCaseNormalizer`.
        for (name, spelled_so) in [
            ("Hello World!", "hello_world_"),
            ("Hello, World!", "hello__world_"),
            ("Hello - World", "hello___world"),
            ("___Hello, World___", "___hello__world___"),
            ("Average Sales (%)", "average_sales____"),
            ("+1", "_1"),
            ("1st", "_1st"),
            ("Id", "id"),
            ("Shop.No", "shop_no"),
            ("Größe", "gr__e"),
            // One capital letter whose small one is two characters, and one that is ASCII when it is small.
            ("İd", "i_d"),
            ("\u{212a}ey", "key"),
            ("id_2", "id_2"),
            ("_ab_cdc_deleted_at", "_ab_cdc_deleted_at"),
            ("", ""),
            ("__", "__"),
            ("!", "!"),
        ] {
            assert_eq!(spelled(name), spelled_so, "{name}");
            assert!(is_spelled(spelled_so) || spelled_so == "!", "{name}");
            assert_eq!(is_spelled(name), spelled(name) == name && name != "!", "{name}");
        }
    }

    #[test]
    fn records_of_the_cache_have_its_columns_and_only_names_of_its_spelling() {
        for (data, is_one) in [
            (r#"{"id":1,"_airbyte_raw_id":"a","_airbyte_extracted_at":"b","_airbyte_meta":{"B":1}}"#, true),
            (r#"{ "_airbyte_raw_id" : null, "_airbyte_extracted_at" : null }"#, true),
            (r#"{"id":1,"o":{"_airbyte_raw_id":"a","_airbyte_extracted_at":"b"}}"#, false),
            (r#"{"id":"_airbyte_raw_id","_airbyte_extracted_at":"b"}"#, false),
            (r#"{"Id":1,"_airbyte_raw_id":"a","_airbyte_extracted_at":"b"}"#, false),
            (r#"{"id":1,"_airbyte_raw_id":"a","_airbyte_extracted_at":"b","_airbyte_generation_id":0}"#, false),
            ("{}", false),
        ] {
            assert_eq!(is_of_cache(data.as_bytes()), is_one, "{data}");
        }
    }

    #[test]
    fn the_time_of_a_record_of_the_cache_is_its_own_or_else_its_seconds() {
        const SECONDS: i64 = 1_764_000_000;
        for (emitted_at, own, expected) in [
            (SECONDS, r#""2025-11-24T16:00:00.123000""#, 1_764_000_000_123_000),
            (SECONDS, r#""2025-11-24T16:00:00""#, 1_764_000_000_000_000),
            (SECONDS, r#" "2025-11-24T17:00:00.000004+01:00""#, 1_764_000_000_000_004),
            (SECONDS, r#""2025-11-24T16:00:00.5Z""#, 1_764_000_000_500_000),
            // The machine is in New York.
            (SECONDS + 5 * 3600, r#""2025-11-24T16:00:00.123000""#, 1_764_000_000_123_000),
            (SECONDS, r#""2020-01-01T00:00:00""#, 1_764_000_000_000_000),
            (SECONDS, r#""noon""#, 1_764_000_000_000_000),
            (SECONDS, "null", 1_764_000_000_000_000),
            (SECONDS * 1000 + 7, r#""2020-01-01T00:00:00""#, 1_764_000_000_007_000),
            (-1, r#""1969-12-31T23:59:59.5""#, -500_000),
        ] {
            let data =
                format!(r#"{{"id":1,"_airbyte_raw_id":"a","_airbyte_extracted_at":{own},"_airbyte_meta":{{}}}}"#);
            let record = Record {
                stream: Cow::Borrowed("a"),
                namespace: None,
                data: data.as_bytes(),
                emitted_at,
                meta: None,
                has_file: false,
            };
            assert_eq!(super::emitted_at(&record), Some(expected), "{emitted_at} {own}");
        }
    }
}
