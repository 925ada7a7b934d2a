//! Rows to Parquet: a block of rows becomes a row group on any thread, row groups become a file in their order.
//!
//! [`Encoder::encode`] does the work that costs (copying, compressing) and needs no file; [`PartFile`] puts finished
//! row groups one behind the other and gives the bytes out as they come, so that a file of any length needs the memory
//! of one row group. JSON texts are PLAIN, without dictionary (they do not repeat), and compressed, see `texts`. Ids and
//! times count up and are written as differences: a few bytes a row, which no codec makes smaller.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, TimestampMicrosecondArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescriptor, TypePtr};

use super::ids::{ID_LENGTH, IdRange};
use super::rows::Rows;
use super::texts::{TextChunk, TextEncoder};
use crate::config::Compression;
use crate::error::{Error, Result};
use crate::schema::avro;

/// What a Delta log says of rows: how many, and the smallest and largest id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStats {
    /// How many rows.
    pub rows: u64,
    /// The smallest and the largest `_airbyte_ab_id`.
    pub ids: (String, String),
    /// The smallest and the largest `_airbyte_emitted_at`, in microseconds since the epoch.
    pub emitted_at: (i64, i64),
}

impl RowStats {
    /// The statistics of both together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            ids: (self.ids.0.min(other.ids.0), self.ids.1.max(other.ids.1)),
            emitted_at: (self.emitted_at.0.min(other.emitted_at.0), self.emitted_at.1.max(other.emitted_at.1)),
        }
    }

    fn of_ids(&self) -> Statistics {
        let [first, last] = [&self.ids.0, &self.ids.1].map(|id| Some(ByteArray::from(id.as_str())));
        Statistics::byte_array(first, last, None, Some(0), false)
    }

    fn of_times(&self) -> Statistics {
        let (first, last) = self.emitted_at;
        Statistics::int64(Some(first), Some(last), None, Some(0), false)
    }
}

/// Turns blocks of rows into row groups.
#[derive(Clone)]
pub struct Encoder {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    ids_and_times: Arc<ArrowRowGroupWriterFactory>,
    texts: Arc<TextEncoder>,
}

/// An encoded block: compressed pages of every column.
pub struct RowGroup {
    ids_and_times: [ArrowColumnChunk; 2],
    texts: TextChunk,
    stats: RowStats,
}

/// Bytes that the metadata of a row group's columns hold.
const METADATA: usize = 10 << 10;

/// A Parquet file in the making.
pub struct PartFile {
    writer: SerializedFileWriter<Vec<u8>>,
    stats: Option<RowStats>,
}

impl Encoder {
    /// An encoder for rows of `schema`, which is the raw layout's: ids, times, texts.
    pub fn new(schema: &SchemaRef, compression: Compression) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_dictionary_enabled(false)
            // What is known of ids and times is written down without looking at each of them.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_column_encoding(ColumnPath::from(avro::AB_ID), Encoding::DELTA_BYTE_ARRAY)
            .set_column_encoding(ColumnPath::from(avro::EMITTED_AT), Encoding::DELTA_BINARY_PACKED)
            .set_offset_index_disabled(true)
            .set_created_by(format!("destination-databricks {}", env!("CARGO_PKG_VERSION")));
        let properties = Arc::new(properties.build());
        let [id, time, text] = schema.fields().as_ref() else {
            return Err(Error::system("The raw layout has three columns."));
        };
        let parquet_schema = |schema: &Schema| ArrowSchemaConverter::new().convert(schema).map_err(unencodable);
        let columns: SchemaDescriptor = parquet_schema(schema)?;
        let texts = Arc::new(TextEncoder::new(columns.column(2), compression));
        let first_two = Arc::new(Schema::new([Arc::clone(id), Arc::clone(time)]));
        let root = parquet_schema(&first_two)?.root_schema_ptr();
        let writer = SerializedFileWriter::new(Vec::new(), root, Arc::clone(&properties)).map_err(unencodable)?;
        let ids_and_times = Arc::new(ArrowRowGroupWriterFactory::new(&writer, first_two));
        debug_assert_eq!(text.name(), avro::DATA, "texts come last");
        Ok(Self { schema: columns.root_schema_ptr(), properties, ids_and_times, texts })
    }

    /// Encodes `rows`, which must not be empty, with the ids of `ids`, one for each row. Gives back, beside the row group,
    /// the memory that the rows' texts were in.
    pub fn encode(&self, rows: Rows, ids: IdRange) -> Result<(RowGroup, Vec<u8>)> {
        let emitted_at = rows.emitted_at_range();
        let (Some(emitted_at), true) = (emitted_at, ids.count() == rows.len() as u64) else {
            return Err(Error::system("A block of rows and its ids do not have the same length."));
        };
        let stats = RowStats { rows: ids.count(), ids: (ids.first(), ids.last()), emitted_at };
        let (texts, times) = rows.into_parts();
        let pages = self.texts.encode(&texts).map_err(unencodable)?;
        if pages.rows() != ids.count() {
            return Err(Error::system("A block of rows has another number of texts than of times."));
        }
        let times = TimestampMicrosecondArray::new(ScalarBuffer::from(times), None).with_timezone("UTC");
        let writers = self.ids_and_times.create_column_writers(0).map_err(unencodable)?;
        let mut columns = Vec::with_capacity(writers.len());
        for (mut writer, (array, statistics)) in
            writers.into_iter().zip([(id_array(ids)?, stats.of_ids()), (Arc::new(times), stats.of_times())])
        {
            let field = Field::new("column", array.data_type().clone(), false);
            for leaf in compute_leaves(&field, &array).map_err(unencodable)? {
                writer.write(&leaf).map_err(unencodable)?;
            }
            let mut chunk = writer.close().map_err(unencodable)?;
            let metadata = chunk.close().metadata.clone().into_builder().set_statistics(statistics);
            chunk.close_mut().metadata = metadata.build().map_err(unencodable)?;
            columns.push(chunk);
        }
        let ids_and_times = <[ArrowColumnChunk; 2]>::try_from(columns);
        let ids_and_times = ids_and_times.map_err(|_| Error::system("Ids and times are two columns."))?;
        Ok((RowGroup { ids_and_times, texts: pages, stats }, texts))
    }

    /// Begins a file.
    pub fn begin_file(&self) -> Result<PartFile> {
        let writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&self.schema), Arc::clone(&self.properties))
            .map_err(unencodable)?;
        Ok(PartFile { writer, stats: None })
    }
}

impl RowGroup {
    /// Bytes of memory that it holds, about.
    pub fn size(&self) -> usize {
        let others = self.ids_and_times.iter().map(|column| usize::try_from(column.close().bytes_written).unwrap_or(0));
        METADATA + others.sum::<usize>() + self.texts.size()
    }
}

impl PartFile {
    /// Appends a row group and returns the bytes that follow those that were returned before.
    pub fn append(&mut self, group: RowGroup) -> Result<Vec<u8>> {
        let mut writer = self.writer.next_row_group().map_err(unencodable)?;
        for column in group.ids_and_times {
            column.append_to_row_group(&mut writer).map_err(unencodable)?;
        }
        group.texts.append_to(&mut writer).map_err(unencodable)?;
        writer.close().map_err(unencodable)?;
        self.stats = Some(match self.stats.take() {
            Some(stats) => stats.merged(group.stats),
            None => group.stats,
        });
        self.take_bytes()
    }

    /// Ends the file: its last bytes, and the statistics of its rows, if it has rows.
    pub fn finish(mut self) -> Result<(Vec<u8>, Option<RowStats>)> {
        self.writer.finish().map_err(unencodable)?;
        Ok((self.take_bytes()?, self.stats))
    }

    fn take_bytes(&mut self) -> Result<Vec<u8>> {
        self.writer.flush().map_err(unencodable)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

fn id_array(ids: IdRange) -> Result<ArrayRef> {
    let texts = ids.texts();
    let offsets: Vec<i32> = (0..=texts.len()).step_by(ID_LENGTH).filter_map(|end| i32::try_from(end).ok()).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = BinaryArray::try_new(offsets, Buffer::from_vec(texts), None).map_err(unencodable)?;
    Ok(Arc::new(array))
}

fn unencodable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::system("Rows could not be encoded as Parquet.").with_source(error)
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
