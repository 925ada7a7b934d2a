//! What makes a stream's files. It alone knows their format and how rows become columns.
//!
//! An [`Encoder`] is made for the columns of a table; streams with equal columns share one, see [`Encoders`]. What it needs to
//! work is made when the first row comes: a stream without rows costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow_array::ArrayRef;

use super::changes::Changes;
use super::csv::{CsvBlock, CsvEncoder, CsvFile};
use super::ids::IdRange;
use super::key_guard::KeyGuard;
use super::parquet::{ParquetEncoder, ParquetFile, RowGroup};
use super::rows::Rows;
use super::sql_keys::SqlKeys;
use crate::config::Compression;
use crate::error::{Error, Result};
use crate::schema::columns::TableSchema;
use crate::schema::stats::RowStats;

/// A block has at least so many bytes of JSON text.
const SMALLEST_BLOCK: usize = 1 << 20;
/// And at most so many: larger ones compress no better.
const LARGEST_BLOCK: usize = 8 << 20;
/// The part of the memory that one block may take.
const BLOCK_SHARE: usize = 8;
/// Bytes of JSON text that a block has at least for each of its Parquet columns, if the memory allows it.
const BLOCK_OF_A_LEAF: usize = 8 << 10;
/// The part of the memory that a block of a wide table may take.
const LARGEST_BLOCK_SHARE: usize = 2;
/// The largest block of a wide table.
const LARGEST_WIDE_BLOCK: usize = 64 << 20;

/// Columns from which on a block for CSV gets smaller: a row has a comma for each of them, whether it has a value or not.
const MANY_COLUMNS: usize = 64;

/// Is shown the rows of every block that is encoded, as they go into its file.
pub trait Watcher: Send + Sync {
    /// The rows with the ids `ids`, which were emitted at `emitted_at`, in microseconds since the epoch.
    ///
    /// # Errors
    /// The block is not encoded.
    fn look(&self, ids: IdRange, emitted_at: &[i64], rows: Seen<'_>) -> Result<()>;
}

/// Rows of a block.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    /// The texts of the records, each behind its length: the layout has no columns for what is in them.
    Texts(&'a [u8]),
    /// The columns that are filled from the record, in their order.
    Columns(&'a [ArrayRef]),
}

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Parquet.
    Parquet,
    /// CSV.
    Csv {
        /// Whether files are compressed as a whole.
        gzip: bool,
    },
}

/// Makes files of rows.
pub struct Encoder {
    schema: Arc<TableSchema>,
    format: Format,
    compression: Compression,
    sync_id: i64,
    leaves: usize,
    watcher: Option<Arc<dyn Watcher>>,
    key_guard: Option<KeyGuard>,
    sql_keys: Option<SqlKeys>,
    made: OnceLock<FormatEncoder>,
}

enum FormatEncoder {
    Parquet(ParquetEncoder),
    Csv(CsvEncoder),
}

/// An encoded block, in the format of its file.
pub enum Block {
    /// A row group.
    Parquet(RowGroup),
    /// Records.
    Csv(CsvBlock),
}

/// A file in the making.
pub enum PartFile {
    /// Of row groups.
    Parquet(Box<ParquetFile>),
    /// Of records.
    Csv(CsvFile),
}

/// A block of rows, encoded.
pub struct Encoded<B = Block> {
    /// What a file is made of.
    pub group: B,
    /// The memory that the rows' texts were in, to be used again.
    pub spare: Vec<u8>,
    /// How many values did not fit their columns.
    pub changes: Changes,
}

impl Encoder {
    /// An encoder for rows of `schema`.
    pub fn new(schema: Arc<TableSchema>, compression: Compression) -> Self {
        let leaves = schema.columns().map(|column| column.kind.leaves()).sum();
        let (format, watcher, key_guard, sql_keys) = (Format::Parquet, None, None, None);
        Self { schema, format, compression, sync_id: 0, leaves, watcher, key_guard, sql_keys, made: OnceLock::new() }
    }

    /// The encoder whose rows must pass `guard`.
    #[must_use]
    pub fn guarded_by(self, guard: KeyGuard) -> Self {
        Self { key_guard: Some(guard), ..self }
    }

    /// The encoder whose rows have keys that SQL compares, if there are such.
    #[must_use]
    pub fn compared_in_sql(self, sql_keys: Option<SqlKeys>) -> Self {
        Self { sql_keys, ..self }
    }

    /// The encoder whose blocks of Parquet `watcher` is shown.
    #[must_use]
    pub fn watched_by(self, watcher: Option<Arc<dyn Watcher>>) -> Self {
        Self { watcher, ..self }
    }

    /// The encoder that makes files in `format`; without it, they are in Parquet.
    #[must_use]
    pub fn in_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The encoder for rows of the sync `sync_id`, the platform's number; without one, rows say 0.
    #[must_use]
    pub fn of_sync(self, sync_id: i64) -> Self {
        Self { sync_id, ..self }
    }

    /// The columns of its files.
    pub fn schema(&self) -> &TableSchema {
        &self.schema
    }

    /// How the names of its files end, without the dot.
    pub fn extension(&self) -> &'static str {
        match self.format {
            Format::Parquet => "parquet",
            Format::Csv { gzip: false } => "csv",
            Format::Csv { gzip: true } => "csv.gz",
        }
    }

    /// How many bytes of JSON text make a good block, where all rows that wait may hold `memory` bytes: large enough to
    /// compress well, small against the memory. Of a wide table a block is larger, as far as the memory allows: each column of
    /// a block has its own pages and its own metadata in Parquet. In CSV it is smaller, because its rows can be much longer than
    /// their texts.
    pub fn block_size(&self, memory: usize) -> usize {
        let block = (memory / BLOCK_SHARE).clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        if let Format::Csv { .. } = self.format {
            let columns = self.schema.columns().count().max(MANY_COLUMNS);
            return block.min((LARGEST_BLOCK / columns * MANY_COLUMNS).max(SMALLEST_BLOCK));
        }
        block.max((self.leaves * BLOCK_OF_A_LEAF).min(memory / LARGEST_BLOCK_SHARE).min(LARGEST_WIDE_BLOCK))
    }

    /// Encodes `rows`, which must not be empty, with the ids of `ids`, one for each row. Needs no file and may run on any thread.
    pub fn encode(&self, rows: Rows, ids: IdRange) -> Result<Encoded> {
        if let Some(guard) = &self.key_guard {
            guard.look_at_names(rows.parts().0)?;
        }
        if let Some(keys) = &self.sql_keys {
            keys.look_at(rows.parts().0)?;
        }
        let encoded = match self.made()? {
            FormatEncoder::Parquet(encoder) => {
                encoder.encode(rows, ids, self.watcher.as_deref())?.into_block(Block::Parquet)
            }
            FormatEncoder::Csv(encoder) => encoder.encode(rows, ids)?.into_block(Block::Csv),
        };
        if let Some(guard) = &self.key_guard {
            guard.look_at_changes(&encoded.changes)?;
        }
        Ok(encoded)
    }

    /// Begins a file.
    pub fn begin_file(&self) -> Result<PartFile> {
        match self.made()? {
            FormatEncoder::Parquet(encoder) => encoder.begin_file().map(|file| PartFile::Parquet(Box::new(file))),
            FormatEncoder::Csv(encoder) => Ok(PartFile::Csv(encoder.begin_file())),
        }
    }

    fn made(&self) -> Result<&FormatEncoder> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let guarded = self.key_guard.as_ref().map(KeyGuard::guarded).unwrap_or_default();
        let made = match self.format {
            Format::Parquet => {
                FormatEncoder::Parquet(ParquetEncoder::new(&self.schema, self.compression, self.sync_id, guarded)?)
            }
            Format::Csv { gzip } => FormatEncoder::Csv(CsvEncoder::new(&self.schema, gzip, self.sync_id, guarded)?),
        };
        Ok(self.made.get_or_init(|| made))
    }
}

impl<B> Encoded<B> {
    fn into_block(self, block: fn(B) -> Block) -> Encoded {
        Encoded { group: block(self.group), spare: self.spare, changes: self.changes }
    }
}

impl Block {
    /// Bytes of memory that it holds, about.
    pub fn size(&self) -> usize {
        match self {
            Self::Parquet(group) => group.size(),
            Self::Csv(block) => block.size(),
        }
    }
}

impl PartFile {
    /// Appends a block of the same encoder and returns the next bytes of the file.
    pub fn append(&mut self, block: Block) -> Result<Vec<u8>> {
        match (self, block) {
            (Self::Parquet(file), Block::Parquet(group)) => file.append(group),
            (Self::Csv(file), Block::Csv(block)) => Ok(file.append(block)),
            _ => Err(Error::system("A block of rows has another format than its file.")),
        }
    }

    /// Whether the file should end, however few bytes it has.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Parquet(file) => file.is_full(),
            Self::Csv(file) => file.is_full(),
        }
    }

    /// Ends the file: its last bytes, and the statistics of its rows, if it has rows.
    pub fn finish(self) -> Result<(Vec<u8>, Option<RowStats>)> {
        match self {
            Self::Parquet(file) => file.finish(),
            Self::Csv(file) => Ok((Vec::new(), file.finish())),
        }
    }
}

/// The encoders of a sync: one for all streams whose columns and formats are equal.
pub struct Encoders {
    compression: Compression,
    sync_id: i64,
    made: HashMap<(Arc<TableSchema>, Format), Arc<Encoder>>,
}

impl Encoders {
    /// No encoder yet; those to come compress by `compression`.
    pub fn new(compression: Compression) -> Self {
        Self { compression, sync_id: 0, made: HashMap::new() }
    }

    /// No encoder yet; those to come are for rows of the sync `sync_id`, see [`Encoder::of_sync`].
    #[must_use]
    pub fn of_sync(self, sync_id: i64) -> Self {
        Self { sync_id, ..self }
    }

    /// An encoder of its own for rows of `schema` in files of `format`, which must pass `guard`, and whose keys are compared in the process, by
    /// what `watcher` is shown, or in SQL.
    pub fn keyed(
        &self,
        schema: &Arc<TableSchema>,
        format: Format,
        guard: KeyGuard,
        (watcher, sql_keys): (Option<Arc<dyn Watcher>>, Option<SqlKeys>),
    ) -> Arc<Encoder> {
        let encoder = Encoder::new(Arc::clone(schema), self.compression).in_format(format).of_sync(self.sync_id);
        Arc::new(encoder.guarded_by(guard).compared_in_sql(sql_keys).watched_by(watcher))
    }

    /// The encoder for rows of `schema` in files of `format`.
    pub fn get(&mut self, schema: &Arc<TableSchema>, format: Format) -> Arc<Encoder> {
        let made = self.made.entry((Arc::clone(schema), format));
        let encoder = || Encoder::new(Arc::clone(schema), self.compression).in_format(format).of_sync(self.sync_id);
        Arc::clone(made.or_insert_with(|| Arc::new(encoder())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::{Column, Layout, Source};
    use crate::schema::kind::Kind;

    #[test]
    fn streams_with_equal_columns_share_an_encoder() {
        let mut encoders = Encoders::new(Compression::Zstd);
        let mut get = |format| encoders.get(&TableSchema::raw(), format);
        let (one, other, text) = (get(Format::Parquet), get(Format::Parquet), get(Format::Csv { gzip: false }));
        assert!(Arc::ptr_eq(&one, &other) && one.made.get().is_none());
        assert!(!Arc::ptr_eq(&one, &text) && text.extension() == "csv");
    }

    #[test]
    fn a_block_is_a_part_of_the_memory_within_bounds() {
        let encoder = Encoder::new(TableSchema::raw(), Compression::Zstd);
        let sizes = [1 << 20, 16 << 20, 1 << 30].map(|memory| encoder.block_size(memory));
        assert_eq!(sizes, [1 << 20, 2 << 20, 8 << 20]);
    }

    #[test]
    fn a_block_of_a_wide_table_is_larger_and_no_larger_than_half_of_the_memory() {
        let column =
            |number: usize| Column::new(format!("c{number}"), Kind::Text, Source::Property(number.to_string()));
        let schema = TableSchema::of(Layout::Columns, (0..2000).map(column).collect());
        let encoder = Encoder::new(Arc::new(schema), Compression::Zstd);
        let sizes = [1 << 20, 16 << 20, 1 << 30].map(|memory| encoder.block_size(memory));
        assert_eq!(sizes, [1 << 20, 8 << 20, 2002 * BLOCK_OF_A_LEAF]);
    }

    #[test]
    fn a_block_for_csv_is_smaller_the_more_columns_there_are() {
        let of = |columns: usize| {
            let column =
                |number: usize| Column::new(format!("c{number}"), Kind::Text, Source::Property(number.to_string()));
            let schema = TableSchema::of(Layout::Columns, (0..columns).map(column).collect());
            let encoder = Encoder::new(Arc::new(schema), Compression::Zstd).in_format(Format::Csv { gzip: true });
            encoder.block_size(1 << 30)
        };
        assert_eq!([of(1), of(126), of(20_000)], [8 << 20, 4 << 20, 1 << 20]);
    }
}
