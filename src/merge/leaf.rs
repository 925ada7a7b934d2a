//! The values of one column of a Parquet file, whatever its type there is, a few rows at a time.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::chunk::Chunk;
use super::value::Value;

/// In place of a value's number: there is none.
const NONE: u32 = u32::MAX;

/// Reads a column of a row group.
pub struct LeafReader {
    reader: ColumnReader,
    meaning: Meaning,
    most_definition: i16,
    most_repetition: i16,
    /// From which definition level on the place that is looked at has a value.
    present_from: i16,
}

/// Values of consecutive rows.
pub struct LeafValues {
    values: Values,
    meaning: Meaning,
    /// The number of each row's value; empty where all rows have one.
    numbers: Vec<u32>,
}

enum Values {
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

/// What the numbers of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Unsigned,
    Decimal(u8),
    Days,
    Moment(Unit),
    TimeOfDay(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// What the number `value` of a column of 64 bits means.
pub fn moment(column: &ColumnDescriptor, value: i64) -> Value<'static> {
    Meaning::of(column).of_64(value)
}

impl LeafReader {
    /// Reads the column of `metadata`, whose bytes are `chunk`, in a row group of `rows` rows.
    pub fn new(chunk: Chunk, metadata: &ColumnChunkMetaData, rows: usize, present_from: i16) -> Result<Self> {
        let column = metadata.column_descr_ptr();
        let pages = SerializedPageReader::new(Arc::new(chunk), metadata, rows, None)?;
        Ok(Self {
            meaning: Meaning::of(&column),
            most_definition: column.max_def_level(),
            most_repetition: column.max_rep_level(),
            present_from,
            reader: get_column_reader(column, Box::new(pages)),
        })
    }

    /// The values of the next `rows` rows. Of a place in a list only whether it is there can be asked.
    pub fn read(&mut self, rows: usize) -> Result<LeafValues> {
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        let mut read = 0;
        macro_rules! values {
            ($reader:expr, $kind:ident) => {{
                let mut values = Vec::new();
                while read < rows {
                    let left = rows - read;
                    let (records, _, _) =
                        $reader.read_records(left, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
                    if records == 0 {
                        return Err(ParquetError::EOF("a column has fewer rows than its row group".to_owned()));
                    }
                    read += records;
                }
                Values::$kind(values)
            }};
        }
        let values = match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => values!(reader, Boolean),
            ColumnReader::Int32ColumnReader(reader) => values!(reader, Int32),
            ColumnReader::Int64ColumnReader(reader) => values!(reader, Int64),
            ColumnReader::Int96ColumnReader(reader) => values!(reader, Int96),
            ColumnReader::FloatColumnReader(reader) => values!(reader, Float),
            ColumnReader::DoubleColumnReader(reader) => values!(reader, Double),
            ColumnReader::ByteArrayColumnReader(reader) => values!(reader, Bytes),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => values!(reader, Fixed),
        };
        let mut numbers = Vec::new();
        if self.most_definition > 0 {
            let mut next = 0;
            for (at, definition) in definitions.iter().enumerate() {
                let begins = self.most_repetition == 0 || repetitions.get(at) == Some(&0);
                let has_value = *definition == self.most_definition;
                if begins {
                    numbers.push(if *definition >= self.present_from { next } else { NONE });
                }
                next += u32::from(has_value);
            }
        }
        Ok(LeafValues { values, meaning: self.meaning, numbers })
    }
}

impl LeafValues {
    /// Whether the row has a value.
    pub fn is_present(&self, row: usize) -> bool {
        self.numbers.get(row).is_none_or(|number| *number != NONE)
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Value<'_> {
        let at = match self.numbers.get(row) {
            None => row,
            Some(&NONE) => return Value::Null,
            Some(number) => *number as usize,
        };
        let found = match &self.values {
            Values::Boolean(values) => values.get(at).map(|value| Value::Boolean(*value)),
            Values::Int32(values) => values.get(at).map(|value| self.meaning.of_32(*value)),
            Values::Int64(values) => values.get(at).map(|value| self.meaning.of_64(*value)),
            Values::Int96(values) => values.get(at).map(|value| Value::Micros(value.to_micros())),
            Values::Float(values) => values.get(at).map(|value| Value::Double(f64::from(*value))),
            Values::Double(values) => values.get(at).map(|value| Value::Double(*value)),
            Values::Bytes(values) => values.get(at).map(|value| self.meaning.of_bytes(value.data())),
            Values::Fixed(values) => values.get(at).map(|value| self.meaning.of_bytes(value.data())),
        };
        found.unwrap_or(Value::Null)
    }
}

impl Meaning {
    fn of(column: &ColumnDescriptor) -> Self {
        let unit = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => Unit::Millis,
            TimeUnit::MICROS => Unit::Micros,
            TimeUnit::NANOS => Unit::Nanos,
        };
        match column.logical_type_ref() {
            Some(LogicalType::Decimal(decimal)) => return Self::Decimal(u8::try_from(decimal.scale).unwrap_or(0)),
            Some(LogicalType::Date) => return Self::Days,
            Some(LogicalType::Timestamp(timestamp)) => return Self::Moment(unit(&timestamp.unit)),
            Some(LogicalType::Time(time)) => return Self::TimeOfDay(unit(&time.unit)),
            Some(LogicalType::Integer(integer)) if !integer.is_signed => return Self::Unsigned,
            Some(_) => return Self::Plain,
            None => {}
        }
        match column.converted_type() {
            ConvertedType::DECIMAL => Self::Decimal(u8::try_from(column.type_scale()).unwrap_or(0)),
            ConvertedType::DATE => Self::Days,
            ConvertedType::TIMESTAMP_MILLIS => Self::Moment(Unit::Millis),
            ConvertedType::TIMESTAMP_MICROS => Self::Moment(Unit::Micros),
            ConvertedType::TIME_MILLIS => Self::TimeOfDay(Unit::Millis),
            ConvertedType::TIME_MICROS => Self::TimeOfDay(Unit::Micros),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Self::Unsigned
            }
            _ => Self::Plain,
        }
    }

    fn of_32(self, value: i32) -> Value<'static> {
        match self {
            Self::Unsigned => Value::Whole(value.cast_unsigned().into()),
            Self::Decimal(scale) => Value::Decimal(value.into(), scale),
            Self::Days => Value::Days(value),
            Self::TimeOfDay(unit) => Value::Whole(unit.micros(value.into())),
            Self::Plain | Self::Moment(_) => Value::Whole(value.into()),
        }
    }

    fn of_64(self, value: i64) -> Value<'static> {
        match self {
            Self::Unsigned => Value::Decimal(value.cast_unsigned().into(), 0),
            Self::Decimal(scale) => Value::Decimal(value.into(), scale),
            Self::Moment(unit) => Value::Micros(unit.micros(value)),
            Self::TimeOfDay(unit) => Value::Whole(unit.micros(value)),
            Self::Plain | Self::Days => Value::Whole(value),
        }
    }

    fn of_bytes(self, bytes: &[u8]) -> Value<'_> {
        let Self::Decimal(scale) = self else { return Value::Bytes(bytes) };
        // Two's complement, the greatest byte first; Delta has decimals of at most 38 digits.
        let first: i128 = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
        Value::Decimal(bytes.iter().fold(first, |value, byte| value << 8 | i128::from(*byte)), scale)
    }
}

impl Unit {
    fn micros(self, value: i64) -> i64 {
        match self {
            Self::Millis => value.saturating_mul(1000),
            Self::Micros => value,
            Self::Nanos => value.div_euclid(1000),
        }
    }
}
