//! The formats of json-avro-converter 1.1.0's public test, `DateTimeUtilsTest`, and more.

use proptest::prelude::*;

use super::*;

fn classic(text: &str) -> Option<i64> {
    timestamp(text.as_bytes(), Style::Classic).map(|micros| micros.value)
}

fn columns(text: &str) -> Option<i64> {
    timestamp(text.as_bytes(), Style::Columns).map(|micros| micros.value)
}

#[test]
fn timestamps_are_read_as_connector_1_1_read_them() {
    for (text, micros) in [
        ("2018-09-15 12:00:00", 1_537_012_800_000_000),
        ("2018-09-15 12:00:00.006542", 1_537_012_800_006_000),
        ("2018/09/15 12:00:00", 1_537_012_800_000_000),
        ("2018.09.15 12:00:00", 1_537_012_800_000_000),
        ("2018 Jul 15 12:00:00", 1_531_656_000_000_000),
        ("2018 Jul 15 12:00:00 GMT+08:00", 1_531_627_200_000_000),
        ("2018 Jul 15 12:00:00GMT+07", 1_531_630_800_000_000),
        ("2018 Jul 15 12:00:00GMT+7", 1_531_630_800_000_000),
        ("2021-1-1 01:01:01", 1_609_462_861_000_000),
        ("2021.1.1 01:01:01", 1_609_462_861_000_000),
        ("2021/1/1 01:01:01", 1_609_462_861_000_000),
        ("21-1-1 01:01:01", 1_609_462_861_000_000),
        ("2021-1-1 01:01", 1_609_462_860_000_000),
        ("2021-1-1 01:01:01 +01", 1_609_459_261_000_000),
        ("2021-01-01T01:01:01+01:00", 1_609_459_261_000_000),
        ("2021-01-01T01:01:01.546+01:00", 1_609_459_261_546_000),
        ("2021-01-01 01:01:01 +0000", 1_609_462_861_000_000),
        ("2021/01/01 01:01:01 +0000", 1_609_462_861_000_000),
        ("2021-01-01T01:01:01Z", 1_609_462_861_000_000),
        ("2021-01-01T01:01:01-01:00", 1_609_466_461_000_000),
        ("2021-01-01 01:01:01 UTC", 1_609_462_861_000_000),
        ("2021-01-01T01:01:01 PST", 1_609_491_661_000_000),
        ("2021-07-01T01:01:01 PST", 1_625_126_461_000_000),
        ("2021-01-01T01:01:01 +0000", 1_609_462_861_000_000),
        ("2021-01-01T01:01:01UTC", 1_609_462_861_000_000),
        ("2021-01-01T01:01:01+01", 1_609_459_261_000_000),
        ("2021-01-01T01:01:01 Europe/Oslo", 1_609_459_261_000_000),
        ("2022-01-23T01:23:45.678-11:30 BC", -125_941_863_974_322_000),
        ("2022-01-23T01:23:45.678-11:30", 1_642_942_425_678_000),
        ("2020-03-\n31T00:00:00Z\r", 1_585_612_800_000_000),
        ("1634982000", 1_634_982_000),
        ("-5", -5),
        ("2021-12-31T24:00:00Z", 1_640_995_200_000_000),
        ("1969-12-31T23:59:59.999999Z", -1000),
    ] {
        assert_eq!(classic(text), Some(micros), "{text}");
    }
    for text in [
        "",
        "2021-01-01",
        "2021-10-10L",
        "2021-13-01 00:00:00",
        "2021-01-01T00:00Z",
        "2021-01-01T00:00:00.5Z",
        "2021-01-01T00:00:00.123456789Z",
        "2021-01-01T25:00:00Z",
        "2021-01-01T00:00:60Z",
        "2021-01-01T00:00:00+19:00",
        "2021-01-01T00:00:00 UTC+8",
        "2021-01-01T00:00:00 NOWHERE",
        "now",
        "99999999999999999999",
    ] {
        assert_eq!(classic(text), None, "{text}");
    }
}

#[test]
fn columns_read_more_and_keep_microseconds() {
    for (text, micros) in [
        ("2018-09-15 12:00:00.006542", 1_537_012_800_006_542),
        ("2021-01-01", 1_609_459_200_000_000),
        ("2021-01-01T00:00Z", 1_609_459_200_000_000),
        ("2021-01-01T00:00+01:00", 1_609_455_600_000_000),
        ("2021-01-01t00:00:00.5z", 1_609_459_200_500_000),
        ("2021-01-01 00:00:00 UTC+8", 1_609_430_400_000_000),
        ("1 Jan 2021", 0),
        ("2022-01-23T01:23:45.678-11:30 BC", -125_941_863_974_322_000),
        ("+10000-01-01 00:00:00", 253_402_300_800_000_000),
    ] {
        assert_eq!(columns(text), (micros != 0).then_some(micros), "{text}");
    }
    let nanos = timestamp(b"2021-01-01T00:00:00.123456789Z", Style::Columns);
    assert_eq!(nanos, Some(Micros { value: 1_609_459_200_123_456, is_cut: true }));
    let zeros = timestamp(b"2021-01-01T00:00:00.123456000000000000000000000000Z", Style::Columns);
    assert_eq!(zeros, Some(Micros { value: 1_609_459_200_123_456, is_cut: false }));
    for text in ["1634982000", "2021-02-30 00:00:00", "999999999-01-01 00:00:00", "2021-01-01T00:00:00Zx"] {
        assert_eq!(columns(text), None, "{text}");
    }
    assert_eq!(
        local_timestamp(b"1970-01-01T00:00:01-08:00", Style::Columns).map(|micros| micros.value),
        Some(1_000_000)
    );
}

#[test]
fn dates_are_read_in_all_their_ways() {
    for (text, day) in [
        ("2021-1-1", 18_628),
        ("2021-01-01", 18_628),
        ("2021/01/02", 18_629),
        ("2021.01.03", 18_630),
        ("2021 Jan 04", 18_631),
        ("2021-1-1 BC", -1_457_318),
        ("2021-\n1-1\r", 18_628),
        ("2021-01-01T23:00:00-05:00", 18_628),
        ("2021-01-01 ", 18_628),
    ] {
        for style in [Style::Classic, Style::Columns] {
            assert_eq!(date(text.as_bytes(), style), Some(day), "{text}");
        }
    }
    for (text, day) in [("30.012", 21_916), ("190506", 18_022)] {
        assert_eq!(date(text.as_bytes(), Style::Classic), Some(day), "{text}");
        assert_eq!(date(text.as_bytes(), Style::Columns), None, "{text}");
    }
    assert_eq!(date(b"2021-02-31", Style::Classic), Some(18_686));
    assert_eq!(date(b"2021-02-31", Style::Columns), None);
    for text in ["2021-10-10L", "2021-01", "10/10/2021", "2021-01-32", "20210101"] {
        assert_eq!(date(text.as_bytes(), Style::Classic), None, "{text}");
    }
}

#[test]
fn times_of_day_are_read_whatever_their_zone() {
    for (text, micros) in [
        ("01:01:01", 3_661_000_000),
        ("01:01", 3_660_000_000),
        ("12:23:01.541", 44_581_541_000),
        ("12:23:01.541214", 44_581_541_214),
        ("12:41:03.215364", 45_663_215_364),
        ("01:01:01+05:00", 3_661_000_000),
        ("2021-01-01 01:01:01", 3_661_000_000),
        ("42", 42),
    ] {
        assert_eq!(time(text.as_bytes(), Style::Classic).map(|micros| micros.value), Some(micros), "{text}");
    }
    assert_eq!(time(b"1:01", Style::Classic), None);
}

#[test]
fn a_local_time_that_the_clock_leaves_out_is_counted_on_from_before() {
    // In Berlin, 02:00 to 03:00 was left out on that day, and passed twice on the other.
    assert_eq!(columns("2021-03-28 02:30:00 Europe/Berlin"), columns("2021-03-28 01:30:00Z"));
    assert_eq!(columns("2021-10-31 02:30:00 Europe/Berlin"), columns("2021-10-31 00:30:00Z"));
}

proptest! {
    #[test]
    fn every_day_is_the_calendars(day in -700_000..2_900_000_i64, micros in 0..DAY) {
        let moment = chrono::DateTime::from_timestamp_micros(day * DAY + micros).expect("a time");
        if moment.format("%Y").to_string().len() == 4 {
            let text = moment.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            prop_assert_eq!(columns(&text), Some(day * DAY + micros));
            // The slow way says the same as the fast one.
            let text = moment.format("%Y/%m/%d %H:%M:%S%.6f Z").to_string();
            prop_assert_eq!(columns(&text), Some(day * DAY + micros));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[-+0-9:. TZUCGMPSBJan/]{0,40}", other in ".{0,20}") {
        for text in [text, other] {
            for style in [Style::Classic, Style::Columns] {
                let text = text.as_bytes();
                let _ = (date(text, style), time(text, style), timestamp(text, style), local_timestamp(text, style));
            }
        }
    }
}
