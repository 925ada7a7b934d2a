//! What is written can be read, and does not change: golden files, byte by byte.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use super::*;
use crate::clock::random;
use crate::encode::ids::IdGenerator;

#[test]
fn row_groups_become_one_file_that_a_reader_gives_back_row_by_row() -> Result<()> {
    for compression in [Compression::Zstd, Compression::Snappy] {
        let encoder = ParquetEncoder::new(&TableSchema::raw(), compression, 0, &[])?;
        let mut ids = IdGenerator::new(random);
        let mut file = encoder.begin_file()?;
        let mut bytes = Vec::new();
        for group in 0..3i64 {
            let mut rows = Rows::default();
            for row in 0..1000 {
                rows.push(format!(r#"{{"n":{row},"é":"\u2028"}}"#).as_bytes(), group * 1000 - row, 0);
            }
            let range = ids.range(group, 1000);
            bytes.extend(file.append(encoder.encode(rows, range, None)?.group)?);
        }
        let (end, stats) = file.finish()?;
        bytes.extend(end);
        let stats = stats.ok_or_else(|| Error::system("no rows"))?;
        assert_eq!((stats.rows, stats.emitted_at), (3000, Span { first: -999, last: 2000 }));
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(encode_error)?;
        let rows: Vec<_> = reader.get_row_iter(None).map_err(encode_error)?.flatten().collect();
        assert_eq!(rows.len(), 3000);
        assert_eq!(rows[0].get_string(0).map_err(encode_error)?, &stats.ids.first);
        assert_eq!(rows[2999].get_string(0).map_err(encode_error)?, &stats.ids.last);
        assert_eq!(rows[1001].get_string(2).map_err(encode_error)?, r#"{"n":1,"é":"\u2028"}"#);
        assert_eq!(rows[1001].get_timestamp_micros(1).map_err(encode_error)?, 999);
    }
    Ok(())
}

#[test]
fn a_time_that_is_a_text_is_read_back_as_its_milliseconds() -> Result<()> {
    let encoder = ParquetEncoder::new(&TableSchema::with_time_as_text(), Compression::Zstd, 0, &[])?;
    let mut rows = Rows::default();
    for micros in [1_795_208_640_524_123, -1] {
        rows.push(b"{}", micros, 0);
    }
    let mut file = encoder.begin_file()?;
    let mut bytes = file.append(encoder.encode(rows, IdGenerator::new(random).range(0, 2), None)?.group)?;
    bytes.extend(file.finish()?.0);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(encode_error)?;
    let rows: Vec<_> = reader.get_row_iter(None).map_err(encode_error)?.flatten().collect();
    let times: Vec<_> = rows.iter().filter_map(|row| row.get_string(1).ok()).collect();
    assert_eq!(times, ["1795208640524", "-1"]);
    Ok(())
}

/// A file of two row groups with the same ids, times and rows at every run; `long` is the length of its longest text.
fn fixed_file(compression: Compression, long: usize) -> Result<Vec<u8>> {
    let encoder = ParquetEncoder::new(&TableSchema::raw(), compression, 0, &[])?;
    let mut ids = IdGenerator::new(|| 7);
    let mut file = encoder.begin_file()?;
    let mut bytes = Vec::new();
    for group in 0..2u8 {
        let mut rows = Rows::default();
        for row in 0..40u8 {
            let (n, text) = (i64::from(row), "x".repeat(if row < 2 { long } else { usize::from(group) }));
            let json = format!(r#"{{"group":{group},"n":{n},"é":"\u2028","text":"{text}"}}"#);
            rows.push(json.as_bytes(), 1_700_000_000_000_000 + n * n * 1_000_003 - i64::from(group), 0);
        }
        let range = ids.range(1_700_000_000_000, 40);
        bytes.extend(file.append(encoder.encode(rows, range, None)?.group)?);
    }
    bytes.extend(file.finish()?.0);
    Ok(bytes)
}

/// The name of this version stands in each file: with another version, the golden files are written anew.
#[test]
fn what_is_written_is_byte_by_byte_what_was_written_before() -> Result<(), Box<dyn std::error::Error>> {
    let zstd = include_bytes!("golden/raw_zstd.parquet").as_slice();
    let snappy = include_bytes!("golden/raw_snappy.parquet").as_slice();
    let mut other = Vec::new();
    // With zstd, one text is longer than a page.
    for (compression, long, golden) in [(Compression::Zstd, 1 << 20, zstd), (Compression::Snappy, 200, snappy)] {
        let written = fixed_file(compression, long)?;
        if written != golden {
            let kept = std::env::temp_dir().join(format!("raw_{compression:?}.parquet").to_lowercase());
            std::fs::write(&kept, &written)?;
            other.push(kept);
        }
    }
    assert!(other.is_empty(), "files differ from their golden ones; what was written is {other:?}");
    Ok(())
}
