//! Rows to Parquet: a block of rows becomes a row group on any thread, row groups become a file in their order.
//!
//! [`ParquetEncoder::encode`] does the expensive work (copying, compressing) and needs no file; [`ParquetFile`] appends finished
//! row groups and returns the bytes as they come, so that a file of any length needs the memory of one row group. JSON texts
//! are PLAIN, without dictionary (they do not repeat), and compressed, see `texts`. Ids and times count up and are written as
//! differences: a few bytes a row, which no codec makes smaller.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, TimestampMicrosecondArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, FieldRef, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, TypePtr};

use super::columns::Guarded;
use super::encoder::{Encoded, Seen, Watcher};
use super::ids::{ID_LENGTH, IdRange};
use super::rows::Rows;
use super::texts::{self, TextChunk, TextEncoder};
use super::typed::TypedEncoder;
use crate::config::Compression;
use crate::error::{Error, Result};
use crate::schema::columns::{Source, TableSchema};
use crate::schema::stats::{RowStats, Span};

/// Turns blocks of rows into row groups.
pub struct ParquetEncoder {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    columns: Vec<ColumnEncoder>,
    /// Makes the writers of the columns that are Arrow arrays, in their order.
    arrow: ArrowRowGroupWriterFactory,
    /// Makes the typed columns, where there are some.
    typed: Option<TypedEncoder>,
}

enum ColumnEncoder {
    /// An Arrow array of ids.
    Ids,
    /// An Arrow array of times.
    Times,
    /// The same as texts, see [`Column::is_time_as_text`](crate::schema::columns::Column::is_time_as_text).
    TimesAsTexts,
    /// The records' texts, page by page.
    Texts(TextEncoder),
    /// A column that is made of the records' texts, by its number among those.
    Typed(usize),
}

/// An encoded block: compressed pages of every column.
pub struct RowGroup {
    columns: Vec<ColumnPages>,
    stats: RowStats,
}

/// An encoded column of a row group.
enum ColumnPages {
    Arrow(ArrowColumnChunk),
    Texts(TextChunk),
}

/// Bytes that the metadata of a row group's columns hold.
const METADATA_BYTES: usize = 10 << 10;
/// And those of each column of a table with many.
const METADATA_OF_A_COLUMN: usize = 1 << 10;

/// Columns of row groups that a file has at most, about: their metadata take some 30 MiB.
const MOST_CHUNKS: usize = 1 << 15;

/// A Parquet file in the making.
pub struct ParquetFile {
    writer: SerializedFileWriter<Vec<u8>>,
    stats: Option<RowStats>,
    chunks: usize,
}

impl ParquetEncoder {
    /// An encoder for rows of `schema`, of the sync `sync_id`, with the properties `guarded`.
    pub fn new(schema: &TableSchema, compression: Compression, sync_id: i64, guarded: &[Guarded]) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_dictionary_enabled(false)
            // What is known of ids and times is written without looking at each of them.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_created_by(format!("destination-databricks {}", env!("CARGO_PKG_VERSION")));
        let codec = texts::codec(compression).map_err(encode_error)?;
        let arrow = schema.arrow()?;
        let converted: SchemaDescriptor = ArrowSchemaConverter::new().convert(&arrow).map_err(encode_error)?;
        let mut columns = Vec::with_capacity(converted.num_columns());
        let mut arrays: Vec<FieldRef> = Vec::new();
        let mut number_of_typed = 0;
        for (at, (column, field)) in schema.columns().zip(arrow.fields()).enumerate() {
            let (encoder, encoding) = match column.source {
                Source::Id => (ColumnEncoder::Ids, Some(Encoding::DELTA_BYTE_ARRAY)),
                Source::EmittedAt if column.is_time_as_text() => {
                    (ColumnEncoder::TimesAsTexts, Some(Encoding::DELTA_BYTE_ARRAY))
                }
                Source::EmittedAt => (ColumnEncoder::Times, Some(Encoding::DELTA_BINARY_PACKED)),
                Source::Record => (ColumnEncoder::Texts(TextEncoder::new(converted.column(at), compression)), None),
                Source::Meta | Source::Property(_) | Source::Undeclared | Source::Vacant => {
                    number_of_typed += 1;
                    (ColumnEncoder::Typed(number_of_typed - 1), None)
                }
            };
            if let Some(encoding) = encoding {
                properties = properties.set_column_encoding(ColumnPath::from(column.name.as_str()), encoding);
                arrays.push(Arc::clone(field));
            }
            columns.push(encoder);
        }
        let of_rows = (sync_id, guarded);
        let typed = (number_of_typed > 0).then(|| TypedEncoder::new(schema, &arrow, &converted, codec, of_rows));
        let properties = Arc::new(properties.build());
        let arrays = Arc::new(Schema::new(arrays));
        let root = ArrowSchemaConverter::new().convert(&arrays).map_err(encode_error)?.root_schema_ptr();
        let writer = SerializedFileWriter::new(Vec::new(), root, Arc::clone(&properties)).map_err(encode_error)?;
        let arrow = ArrowRowGroupWriterFactory::new(&writer, arrays);
        Ok(Self { schema: converted.root_schema_ptr(), properties, columns, arrow, typed })
    }

    /// Encodes `rows`, which must not be empty, with the ids of `ids`, one for each row.
    pub fn encode(&self, rows: Rows, ids: IdRange, watcher: Option<&dyn Watcher>) -> Result<Encoded<RowGroup>> {
        let emitted_at = rows.emitted_at_span();
        let (Some(emitted_at), true) = (emitted_at, ids.count() == rows.len() as u64) else {
            return Err(Error::system("A block of rows and its ids do not have the same length."));
        };
        let stats = RowStats { rows: ids.count(), ids: ids.span(), emitted_at };
        let (texts, times) = rows.into_parts();
        let mut typed = match &self.typed {
            Some(encoder) => Some((encoder, encoder.read(&texts)?)),
            None => None,
        };
        if let Some(watcher) = watcher {
            let seen = typed.as_ref().map_or(Seen::Texts(&texts), |(_, block)| Seen::Columns(block.columns()));
            watcher.look(ids, &times, seen)?;
        }
        let times = TimestampMicrosecondArray::new(ScalarBuffer::from(times), None).with_timezone("UTC");
        let mut writers = self.arrow.create_column_writers(0).map_err(encode_error)?.into_iter();
        let mut array = |array, statistics| {
            let writer = writers.next().ok_or_else(|| Error::system("A column of a row group has no writer."))?;
            Ok::<_, Error>(ColumnPages::Arrow(encode_array(writer, &array, statistics)?))
        };
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(match column {
                ColumnEncoder::Ids => array(id_array(ids)?, id_statistics(&stats.ids))?,
                ColumnEncoder::Times => array(Arc::new(times.clone()), time_statistics(stats.emitted_at))?,
                ColumnEncoder::TimesAsTexts => array(as_texts(&times), text_statistics())?,
                ColumnEncoder::Texts(encoder) => {
                    let chunk = encoder.encode(&texts).map_err(encode_error)?;
                    if chunk.rows() != ids.count() {
                        return Err(Error::system("A block of rows has another number of texts than of times."));
                    }
                    ColumnPages::Texts(chunk)
                }
                ColumnEncoder::Typed(number) => {
                    let Some((encoder, block)) = &mut typed else {
                        return Err(Error::system("A typed column of a row group has no encoder."));
                    };
                    columns.extend(encoder.encode(block, *number)?.into_iter().map(ColumnPages::Arrow));
                    continue;
                }
            });
        }
        let changes = typed.map(|(_, block)| block.changes).unwrap_or_default();
        Ok(Encoded { group: RowGroup { columns, stats }, spare: texts, changes })
    }

    /// Begins a file.
    pub fn begin_file(&self) -> Result<ParquetFile> {
        let writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&self.schema), Arc::clone(&self.properties))
            .map_err(encode_error)?;
        Ok(ParquetFile { writer, stats: None, chunks: 0 })
    }
}

impl RowGroup {
    /// Bytes of memory that it holds, about.
    pub fn size(&self) -> usize {
        METADATA_BYTES
            + self.columns.len() * METADATA_OF_A_COLUMN
            + self.columns.iter().map(ColumnPages::size).sum::<usize>()
    }
}

impl ColumnPages {
    fn size(&self) -> usize {
        match self {
            Self::Arrow(chunk) => usize::try_from(chunk.close().bytes_written).unwrap_or(0),
            Self::Texts(chunk) => chunk.size(),
        }
    }

    fn append_to(self, writer: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<()> {
        match self {
            Self::Arrow(chunk) => chunk.append_to_row_group(writer).map_err(encode_error),
            Self::Texts(chunk) => chunk.append_to(writer).map_err(encode_error),
        }
    }
}

impl ParquetFile {
    /// Appends a row group and returns the next bytes of the file.
    pub fn append(&mut self, group: RowGroup) -> Result<Vec<u8>> {
        let mut writer = self.writer.next_row_group().map_err(encode_error)?;
        self.chunks += group.columns.len();
        for column in group.columns {
            column.append_to(&mut writer)?;
        }
        writer.close().map_err(encode_error)?;
        self.stats = Some(match self.stats.take() {
            Some(stats) => stats.merged(group.stats),
            None => group.stats,
        });
        self.take_bytes()
    }

    /// Whether the file should end: the metadata of all its row groups stay in memory until then.
    pub fn is_full(&self) -> bool {
        self.chunks >= MOST_CHUNKS
    }

    /// Ends the file: its last bytes, and the statistics of its rows, if it has rows.
    pub fn finish(mut self) -> Result<(Vec<u8>, Option<RowStats>)> {
        self.writer.finish().map_err(encode_error)?;
        Ok((self.take_bytes()?, self.stats))
    }

    fn take_bytes(&mut self) -> Result<Vec<u8>> {
        self.writer.flush().map_err(encode_error)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

fn encode_array(mut writer: ArrowColumnWriter, array: &ArrayRef, statistics: Statistics) -> Result<ArrowColumnChunk> {
    let field = Field::new("column", array.data_type().clone(), false);
    for leaf in compute_leaves(&field, array).map_err(encode_error)? {
        writer.write(&leaf).map_err(encode_error)?;
    }
    let mut chunk = writer.close().map_err(encode_error)?;
    let metadata = chunk.close().metadata.clone().into_builder().set_statistics(statistics);
    chunk.close_mut().metadata = metadata.build().map_err(encode_error)?;
    Ok(chunk)
}

fn id_statistics(ids: &Span<String>) -> Statistics {
    let [first, last] = [&ids.first, &ids.last].map(|id| Some(ByteArray::from(id.as_str())));
    Statistics::byte_array(first, last, None, Some(0), false)
}

fn time_statistics(times: Span<i64>) -> Statistics {
    Statistics::int64(Some(times.first), Some(times.last), None, Some(0), false)
}

/// Nothing is known of the order of these texts.
fn text_statistics() -> Statistics {
    Statistics::byte_array(None, None, None, Some(0), false)
}

/// Milliseconds since the epoch.
fn as_texts(times: &TimestampMicrosecondArray) -> ArrayRef {
    let texts = times.values().iter().map(|micros| micros.div_euclid(1000).to_string());
    Arc::new(BinaryArray::from_iter_values(texts))
}

fn id_array(ids: IdRange) -> Result<ArrayRef> {
    let texts = ids.texts();
    let offsets: Vec<i32> = (0..=texts.len()).step_by(ID_LENGTH).filter_map(|end| i32::try_from(end).ok()).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = BinaryArray::try_new(offsets, Buffer::from_vec(texts), None).map_err(encode_error)?;
    Ok(Arc::new(array))
}

fn encode_error(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::system("Rows could not be encoded as Parquet.").with_source(error)
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
