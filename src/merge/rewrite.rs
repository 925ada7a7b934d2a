//! A Parquet file without some of its rows. Every value that stays is the same bit for bit, whatever its type: values are taken over as
//! Parquet has them, with the file's own schema, codecs and key-value metadata. A row group that loses no row is taken over as it is.

use bytes::Bytes;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::basic::{Compression, Encoding, EncodingMask};
use parquet::column::page::PageWriter;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, ColumnWriterImpl, get_column_writer};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescriptor;
use std::sync::Arc;

use super::chunk::Chunk;
use super::lost::RowSet;
use super::rows::RowColumns;
use super::value::Value;
use super::{rewrite_texts, unreadable};
use crate::error::Result;
use crate::schema::stats::{RowStats, Span};

/// Bytes of values that are written before the length of the page is looked at, about.
const WRITE: i64 = 256 << 10;
/// Values that are written at a time, at most.
const BATCH: i64 = 1024;
/// The dictionary of a column holds at most so many bytes.
const DICTIONARY_BYTES: usize = 1 << 20;

/// How the columns of a file are written.
pub type Properties = WriterPropertiesPtr;

/// A column of a row group, ready to be put into a file.
pub struct Column(Pages);

enum Pages {
    Chunk(Chunk, ColumnCloseResult),
    Arrow(ArrowColumnChunk),
}

/// A file in the making.
pub struct FileWriter {
    writer: SerializedFileWriter<Vec<u8>>,
    properties: WriterPropertiesPtr,
    stats: Option<RowStats>,
    rows: u64,
    /// Whether ids and times of all rows are known so far.
    is_known: bool,
    id: Option<usize>,
    emitted_at: Option<usize>,
}

impl FileWriter {
    /// A file like the one with `metadata`.
    pub fn new(metadata: &ParquetMetaData, columns: RowColumns<'_>) -> Result<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let properties = Arc::new(properties(metadata));
        let writer = SerializedFileWriter::new(Vec::new(), schema.root_schema_ptr(), Arc::clone(&properties));
        let find = |name: &str| {
            schema.columns().iter().position(|column| matches!(column.path().parts(), [only] if only.as_str() == name))
        };
        let (id, emitted_at) = (find(columns.id), find(columns.emitted_at));
        // Nothing is said of columns that are not required unless all rows are known to have a value.
        let is_known = id.is_some() && emitted_at.is_some();
        Ok(Self { writer: writer.map_err(unreadable)?, properties, stats: None, rows: 0, is_known, id, emitted_at })
    }

    /// How its columns are written.
    pub fn properties(&self) -> WriterPropertiesPtr {
        Arc::clone(&self.properties)
    }

    /// Appends a row group and returns the next bytes of the file.
    pub fn append(&mut self, columns: Vec<Column>) -> Result<Vec<u8>> {
        let group = self.append_columns(columns).map_err(unreadable)?;
        self.rows += u64::try_from(group.num_rows()).unwrap_or(0);
        self.is_known &= self.note(&group).is_some();
        self.take_bytes()
    }

    /// Ends the file: its last bytes, and the statistics of its rows.
    pub fn finish(mut self) -> Result<(Vec<u8>, RowStats)> {
        self.writer.finish().map_err(unreadable)?;
        let stats = self.stats.take().filter(|_| self.is_known).unwrap_or_else(|| RowStats::counted(self.rows));
        Ok((self.take_bytes()?, RowStats { rows: self.rows, ..stats }))
    }

    fn append_columns(&mut self, columns: Vec<Column>) -> ParquetResult<Arc<RowGroupMetaData>> {
        let mut group = self.writer.next_row_group()?;
        for Column(pages) in columns {
            match pages {
                Pages::Chunk(chunk, close) => group.append_column(&chunk, close)?,
                Pages::Arrow(chunk) => chunk.append_to_row_group(&mut group)?,
            }
        }
        group.close()
    }

    /// Adds the ids and times of `group`; `None` where they are not known, or some rows lack something.
    fn note(&mut self, group: &RowGroupMetaData) -> Option<()> {
        let lacks = |column: &ColumnChunkMetaData| {
            column.column_descr().max_def_level() > 0
                && column.statistics().and_then(Statistics::null_count_opt) != Some(0)
        };
        // In the raw layout all columns are required, and the log says so of each file.
        if group.num_columns() <= RAW_COLUMNS && group.columns().iter().any(lacks) {
            return None;
        }
        let bounds = |at: Option<usize>| {
            let column = group.columns().get(at?)?;
            if lacks(column) { None } else { bounds(column) }
        };
        let (Bound::Text(first, last), Bound::Micros(from, to)) = (bounds(self.id)?, bounds(self.emitted_at)?) else {
            return None;
        };
        let ids = Span { first, last };
        let stats = RowStats { rows: 0, ids, emitted_at: Span { first: from, last: to } };
        self.stats = Some(match self.stats.take() {
            Some(before) => before.merged(stats),
            None => stats,
        });
        Some(())
    }

    fn take_bytes(&mut self) -> Result<Vec<u8>> {
        self.writer.flush().map_err(|error| unreadable(error.into()))?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

/// The columns of the raw layout.
const RAW_COLUMNS: usize = 3;

/// A column of a row group as it is.
pub fn unchanged(chunk: Chunk, metadata: &ColumnChunkMetaData, rows: i64) -> Column {
    let close = ColumnCloseResult {
        bytes_written: u64::try_from(metadata.compressed_size()).unwrap_or(0),
        rows_written: u64::try_from(rows).unwrap_or(0),
        metadata: metadata.clone(),
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Column(Pages::Chunk(chunk, close))
}

/// The column of `metadata`, whose bytes are `chunk`, in a row group whose first row is the row `first` of its file, without the rows
/// `lost` of that file.
pub fn without(
    chunk: Chunk,
    metadata: &ColumnChunkMetaData,
    rows: i64,
    first: u64,
    lost: &RowSet,
    properties: &WriterPropertiesPtr,
) -> Result<Column> {
    let column = metadata.column_descr_ptr();
    let count = usize::try_from(rows).unwrap_or(0);
    if rewrite_texts::is_known(&column) {
        let field = column.self_type_ptr();
        let made = rewrite_texts::without(chunk.clone(), metadata, &field, (first, count), lost, properties);
        // Bytes that are no text are copied one by one.
        if let Ok(made) = made {
            return Ok(Column(Pages::Arrow(made)));
        }
    }
    let encode = || {
        let pages = SerializedPageReader::new(Arc::new(chunk), metadata, count, None)?;
        let reader = get_column_reader(Arc::clone(&column), Box::new(pages));
        let mut sink = TrackedWrite::new(Vec::new());
        let writer: Box<dyn PageWriter + '_> = Box::new(SerializedPageWriter::new(&mut sink));
        let mut writer = get_column_writer(Arc::clone(&column), Arc::clone(properties), writer);
        let mut copy = Copy { rows: count, first, lost, step: step(metadata), column: &column };
        match (reader, &mut writer) {
            (ColumnReader::BoolColumnReader(r), ColumnWriter::BoolColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::Int32ColumnReader(r), ColumnWriter::Int32ColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::Int64ColumnReader(r), ColumnWriter::Int64ColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::Int96ColumnReader(r), ColumnWriter::Int96ColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::FloatColumnReader(r), ColumnWriter::FloatColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::DoubleColumnReader(r), ColumnWriter::DoubleColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::ByteArrayColumnReader(r), ColumnWriter::ByteArrayColumnWriter(w)) => copy.run(r, w)?,
            (ColumnReader::FixedLenByteArrayColumnReader(r), ColumnWriter::FixedLenByteArrayColumnWriter(w)) => {
                copy.run(r, w)?;
            }
            _ => return Err(ParquetError::General("a column is read and written as two types".to_owned())),
        }
        let close = writer.close()?;
        Ok(Column(Pages::Chunk(Chunk { start: 0, bytes: Bytes::from(sink.into_inner()?) }, close)))
    };
    encode().map_err(unreadable)
}

/// Copies a column.
struct Copy<'a> {
    rows: usize,
    first: u64,
    lost: &'a RowSet,
    step: usize,
    column: &'a ColumnDescriptor,
}

impl Copy<'_> {
    fn run<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        writer: &mut ColumnWriterImpl<'_, T>,
    ) -> ParquetResult<()> {
        let (most_definition, most_repetition) = (self.column.max_def_level(), self.column.max_rep_level());
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut read = 0;
        while read < self.rows {
            definitions.clear();
            repetitions.clear();
            values.clear();
            let most = self.step.min(self.rows - read);
            let (records, _, _) =
                reader.read_records(most, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
            if records == 0 {
                return Err(ParquetError::EOF("a column has fewer rows than its row group".to_owned()));
            }
            let first = self.first + read as u64;
            read += records;
            if self.lost.count_in(first, records as u64) > 0 {
                self.filter(first, (most_definition, most_repetition), &mut definitions, &mut repetitions, &mut values);
            }
            let definitions = (most_definition > 0).then_some(definitions.as_slice());
            writer.write_batch(&values, definitions, (most_repetition > 0).then_some(repetitions.as_slice()))?;
        }
        Ok(())
    }

    /// Takes the rows that are lost out of levels and values, the first of which are of the row `row`.
    fn filter<V>(
        &self,
        mut row: u64,
        (most_definition, most_repetition): (i16, i16),
        definitions: &mut Vec<i16>,
        repetitions: &mut Vec<i16>,
        values: &mut Vec<V>,
    ) {
        if most_definition == 0 {
            values.retain(|_| {
                row += 1;
                !self.lost.contains(row - 1)
            });
            return;
        }
        // Whether each level, and each value, stays.
        let mut levels = Vec::with_capacity(definitions.len());
        let mut kept = Vec::with_capacity(values.len());
        let (mut stays, mut is_first) = (true, true);
        for (at, definition) in definitions.iter().enumerate() {
            if most_repetition == 0 || repetitions.get(at) == Some(&0) {
                row += u64::from(!std::mem::take(&mut is_first));
                stays = !self.lost.contains(row);
            }
            levels.push(stays);
            if *definition == most_definition {
                kept.push(stays);
            }
        }
        let mut of_levels = levels.iter();
        definitions.retain(|_| of_levels.next() != Some(&false));
        let mut of_levels = levels.iter();
        repetitions.retain(|_| of_levels.next() != Some(&false));
        let mut of_values = kept.iter();
        values.retain(|_| of_values.next() != Some(&false));
    }
}

/// Values of a column that are copied at a time.
fn step(metadata: &ColumnChunkMetaData) -> usize {
    let size = metadata.uncompressed_size() / metadata.num_values().max(1);
    usize::try_from((WRITE / size.max(1)).clamp(1, BATCH)).unwrap_or(1)
}

/// How a file like that of `metadata` is written: each column in its codec and, where that can be chosen, its encoding.
fn properties(metadata: &ParquetMetaData) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(format!("destination-databricks {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(metadata.file_metadata().key_value_metadata().cloned());
    for (at, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
        let chunks = metadata.row_groups().iter().filter_map(|group| group.columns().get(at));
        // Small chunks may have another codec than most rows.
        let Some(largest) = chunks.max_by_key(|chunk| chunk.compressed_size()) else { continue };
        let path = column.path().clone();
        let is = |wanted: &[Encoding]| largest.encodings().any(|encoding| wanted.contains(&encoding));
        let dictionaries = [Encoding::RLE_DICTIONARY, Encoding::PLAIN_DICTIONARY];
        // A dictionary that had been given up before the end of the column is of no use.
        let is_whole = |mask: &EncodingMask| dictionaries.iter().any(|dictionary| mask.is_only(*dictionary));
        let has_dictionary = largest.page_encoding_stats_mask().map_or_else(|| is(&dictionaries), is_whole);
        properties = properties
            .set_column_compression(path.clone(), codec(largest))
            .set_column_dictionary_enabled(path.clone(), has_dictionary)
            .set_column_dictionary_page_size_limit(path.clone(), DICTIONARY_BYTES);
        let differences =
            [Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY];
        if let Some(encoding) = differences.into_iter().find(|encoding| is(&[*encoding])) {
            properties = properties.set_column_encoding(path.clone(), encoding);
        }
        if largest.statistics().is_none() {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    properties.build()
}

fn codec(chunk: &ColumnChunkMetaData) -> Compression {
    chunk.compression()
}

enum Bound {
    Text(String, String),
    Micros(i64, i64),
}

/// Between which values those of a column lie.
fn bounds(column: &ColumnChunkMetaData) -> Option<Bound> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    match column.statistics()? {
        Statistics::ByteArray(bytes) => {
            Some(Bound::Text(text(bytes.min_opt()?.data())?, text(bytes.max_opt()?.data())?))
        }
        Statistics::Int64(numbers) => {
            let micros = |number: i64| match super::leaf::moment(column.column_descr(), number) {
                Value::Micros(micros) => Some(micros),
                _ => None,
            };
            Some(Bound::Micros(micros(*numbers.min_opt()?)?, micros(*numbers.max_opt()?)?))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
