//! Detects by a file's first and last time that a source sends times in another unit than milliseconds.

use std::ops::RangeInclusive;

use crate::schema::stats::Span;

/// For each other unit, the range of times, in microseconds since the epoch, that result if times of the years 2000 to 2100 in that
/// unit are read as milliseconds. Real milliseconds of these years are in neither range. Nanoseconds exceed the range of times and
/// are refused when they are read.
const UNITS: [(&str, RangeInclusive<i64>); 2] = [
    ("seconds", 946_684_800_000..=4_102_444_800_000),
    ("microseconds", 946_684_800_000_000_000..=4_102_444_800_000_000_000),
];

/// The unit that the first or last of `times` seems to be in. `times` are in microseconds since the epoch, read as milliseconds.
pub fn other_unit(times: Span<i64>) -> Option<&'static str> {
    let looks = |unit: &RangeInclusive<i64>| unit.contains(&times.first) || unit.contains(&times.last);
    UNITS.iter().find(|(_, unit)| looks(unit)).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_microseconds_are_distinguished_from_milliseconds() {
        // 25 November 2025.
        let (seconds, milliseconds, microseconds) = (1_764_000_000, 1_764_000_000_000, 1_764_000_000_000_000);
        let of = |low: i64, high: i64| other_unit(Span { first: low * 1000, last: high * 1000 });
        assert_eq!(of(seconds, milliseconds), Some("seconds"));
        assert_eq!(of(milliseconds, microseconds), Some("microseconds"));
        assert_eq!(of(milliseconds, milliseconds), None);
        // The epoch, the year 1, 1969, 1971, the year 9999.
        for odd in [0, 1, -62_135_596_800_000, -1, 31_536_000_000, 253_402_300_799_999] {
            assert_eq!(of(odd, odd), None, "{odd}");
        }
    }
}
