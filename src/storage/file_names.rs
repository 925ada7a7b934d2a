//! The names of staged files, made from a checked `file_name_pattern`.
//!
//! A name contains the file's number in its sync and the sync's id; if the pattern has no place for one of them, it is added at
//! the end. So names are unique whatever the pattern and the clock are, also when several syncs write one table. Pure: time
//! and ids are parameters.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Timelike, Utc};
use uuid::Uuid;

use crate::config::{DateField, FileNamePattern, Piece};

/// Makes the names of one sync's files.
pub struct FileNames {
    pieces: Vec<Piece>,
    sync: Uuid,
}

impl FileNames {
    /// The names that `pattern` gives the files of `sync`.
    pub fn new(pattern: &FileNamePattern, sync: Uuid) -> Self {
        let mut pieces = pattern.pieces.clone();
        let mut add = |piece: Piece| {
            if !pieces.is_empty() {
                pieces.push(Piece::Text("_".to_owned()));
            }
            pieces.push(piece);
        };
        if !numbers_parts(&pattern.pieces) {
            add(Piece::PartNumber);
        }
        if !pattern.pieces.contains(&Piece::SyncId) {
            add(Piece::SyncId);
        }
        Self { pieces, sync }
    }

    /// The name of the sync's `part`th file, begun at `now_us`, microseconds since the epoch, in the format that has `extension`.
    pub fn name(&self, part: u64, now_us: i64, extension: &str) -> String {
        let now = DateTime::from_timestamp_micros(now_us).unwrap_or_default();
        let mut name = String::new();
        for piece in &self.pieces {
            // Writing into a `String` does not fail.
            let _ = match piece {
                Piece::Text(text) => name.write_str(text),
                Piece::Date(field, width) => write_date(&mut name, &now, *field, *width),
                Piece::Millis => write!(name, "{}", now_us / 1000),
                Piece::Micros => write!(name, "{now_us}"),
                Piece::PartNumber => write!(name, "{part}"),
                Piece::SyncId => write!(name, "{}", self.sync.simple()),
                Piece::Extension => name.write_str(extension),
            };
        }
        // Delta readers pass over what begins so.
        let shield = if name.starts_with(['_', '.', '-']) { "x" } else { "" };
        format!("{shield}{name}.{extension}")
    }
}

/// Whether `{part_number}` can be told from the text around it: `{date:H}{part_number}` is the same for
/// file 23 at one o'clock and file 3 at twelve.
fn numbers_parts(pieces: &[Piece]) -> bool {
    let ends = |piece: Option<&Piece>, at_end: bool| match piece {
        None => true,
        Some(Piece::Text(text)) => {
            let next = if at_end { text.chars().next_back() } else { text.chars().next() };
            next.is_some_and(|c| !c.is_ascii_alphanumeric())
        }
        Some(_) => false,
    };
    let numbered = |(at, piece): (usize, &Piece)| {
        let before = at.checked_sub(1).and_then(|before| pieces.get(before));
        *piece == Piece::PartNumber && ends(before, true) && ends(pieces.get(at + 1), false)
    };
    pieces.iter().enumerate().any(numbered)
}

/// Writes one field as Java's `SimpleDateFormat` does in English.
fn write_date(name: &mut String, now: &DateTime<Utc>, field: DateField, width: usize) -> std::fmt::Result {
    let number = match field {
        DateField::Year if width == 2 => now.year().rem_euclid(100).unsigned_abs(),
        DateField::Year => now.year().unsigned_abs(),
        DateField::Month if width == 3 => return write!(name, "{}", now.format("%b")),
        DateField::Month if width > 3 => return write!(name, "{}", now.format("%B")),
        DateField::Month => now.month(),
        DateField::Day => now.day(),
        DateField::DayOfYear => now.ordinal(),
        DateField::Weekday if width > 3 => return write!(name, "{}", now.format("%A")),
        DateField::Weekday => return write!(name, "{}", now.format("%a")),
        DateField::HalfOfDay => return name.write_str(if now.hour12().0 { "PM" } else { "AM" }),
        DateField::Hour => now.hour(),
        DateField::HourOfHalf => now.hour12().1,
        DateField::Minute => now.minute(),
        DateField::Second => now.second(),
        DateField::Millisecond => now.timestamp_subsec_millis(),
    };
    write!(name, "{number:0width$}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    /// 2026-11-20 13:01:11.874_321 UTC.
    const NOW: i64 = 1_795_179_671_874_321;
    const SYNC: Uuid = Uuid::from_u128(0x0199_aa0f_7000_8000_0123_4567_89ab_cdef);

    fn names(pattern: &str, sync: Uuid) -> FileNames {
        let source = serde_json::json!({
            "data_source_type": "S3_STORAGE", "s3_bucket_name": "bucket", "file_name_pattern": pattern,
        });
        let config = Config::from_json(&serde_json::json!({"data_source": source}).to_string());
        let storage = config.unwrap_or_else(|error| panic!("{pattern}: {error}")).storage;
        let crate::config::StorageSettings::S3(settings) = storage else { panic!("{storage:?}") };
        FileNames::new(&settings.file_name_pattern, sync)
    }

    fn name(pattern: &str) -> String {
        names(pattern, SYNC).name(7, NOW, "parquet").replace(&SYNC.simple().to_string(), "SYNC")
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        for (pattern, expected) in [
            ("", "2026_11_20_1795179671874_7_SYNC.parquet"),
            ("{date}_{timestamp}_{part_number}.{format_extension}", "2026_11_20_1795179671874_7_SYNC.parquet"),
            ("{timestamp:millis}-{part_number}-{sync_id}", "1795179671874-7-SYNC.parquet"),
            ("{timestamp:micros}{sync_id}", "1795179671874321SYNC_7.parquet"),
            ("{timestamp:micro}", "1795179671874321_7_SYNC.parquet"),
            ("{sync_id}", "SYNC_7.parquet"),
            ("{part_number}", "7_SYNC.parquet"),
            ("{part_number}{sync_id}", "7SYNC_7.parquet"),
            ("{date:yyyy_MM}", "2026_11_7_SYNC.parquet"),
            ("{format_extension}", "parquet_7_SYNC.parquet"),
            ("{format_extension}.{format_extension}.parquet", "parquet.parquet_7_SYNC.parquet"),
            ("orders.parquet", "orders_7_SYNC.parquet"),
            ("orders.{format_extension}", "orders_7_SYNC.parquet"),
        ] {
            assert_eq!(name(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn dates_are_written_as_java_writes_them() {
        for (format, expected) in [
            ("yyyy", "2026"),
            ("yy", "26"),
            ("y", "2026"),
            ("yyyyyy", "002026"),
            ("M", "11"),
            ("MMM", "Nov"),
            ("MMMM", "November"),
            ("D", "324"),
            ("E", "Fri"),
            ("EEEE", "Friday"),
            ("h a", "1_PM"),
            ("hh", "01"),
            ("H:mm:ss.SSS", "13_01_11.874"),
            ("m", "1"),
            ("yyyyMMdd'T'HHmmss", "20261120T130111"),
            ("yyyy/MM/dd", "2026_11_20"),
            ("yyyy 'of' MM", "2026_of_11"),
        ] {
            assert_eq!(name(&format!("{{date:{format}}}")), format!("{expected}_7_SYNC.parquet"), "{format}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_name_becomes_an_underscore_and_none_is_hidden() {
        for (pattern, expected) in [
            ("my file {part_number}", "my_file_7_SYNC.parquet"),
            ("a/b\\c/{part_number}", "a_b_c_7_SYNC.parquet"),
            ("été#%?*}", "_t_______7_SYNC.parquet"),
            ("_{part_number}", "x_7_SYNC.parquet"),
            ("..", "x.._7_SYNC.parquet"),
            ("/", "x__7_SYNC.parquet"),
            (".parquet", "7_SYNC.parquet"),
        ] {
            let name = name(pattern);
            let shielded = if expected.starts_with('_') { format!("x{expected}") } else { expected.to_owned() };
            assert_eq!(name, shielded, "{pattern}");
        }
    }

    /// Patterns of placeholders and short texts.
    fn patterns() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("{date}".to_owned()),
            Just("{date:H}".to_owned()),
            Just("{date:MMM m}".to_owned()),
            Just("{timestamp}".to_owned()),
            Just("{timestamp:micros}".to_owned()),
            Just("{part_number}".to_owned()),
            Just("{sync_id}".to_owned()),
            Just("{format_extension}".to_owned()),
            "[0-9a-z_. /é-]{0,4}",
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn names_are_unique_and_safe_whatever_the_pattern(
            pattern in patterns(),
            times in prop::collection::vec(0..4_000_000_000_000_000_i64, 3),
        ) {
            let syncs = [Uuid::nil(), SYNC];
            let mut seen = HashSet::new();
            for sync in syncs {
                let names = names(&pattern, sync);
                for part in (0..30).chain(100..130).chain([1123, 11_123]) {
                    // The clock may stand still, jump and go backwards.
                    let now = times.get(part as usize % times.len()).copied().unwrap_or_default();
                    let name = names.name(part, now, "parquet");
                    prop_assert!(name.len() < 255 && name.ends_with(".parquet"), "{}", name);
                    prop_assert!(!name.starts_with(['_', '.']), "{}", name);
                    prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{}", name);
                    prop_assert!(seen.insert(name.clone()), "{} twice", name);
                }
            }
        }
    }
}
