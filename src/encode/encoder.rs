//! What makes a stream's files. It alone knows their format and how rows become columns.
//!
//! An [`Encoder`] is made for the columns of a table; streams with equal columns share one, see [`Encoders`]. What it needs to
//! work is made when the first row comes: a stream without rows costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::changes::Changes;
use super::ids::IdRange;
use super::parquet::ParquetEncoder;
use super::rows::Rows;
use crate::config::Compression;
use crate::error::Result;
use crate::schema::columns::TableSchema;

pub use super::parquet::{PartFile, RowGroup};

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

/// Makes files of rows.
pub struct Encoder {
    schema: Arc<TableSchema>,
    compression: Compression,
    sync_id: i64,
    leaves: usize,
    parquet: OnceLock<ParquetEncoder>,
}

/// An encoded block of rows.
pub struct Encoded {
    /// What a file is made of.
    pub group: RowGroup,
    /// The memory that the rows' texts were in, to be used again.
    pub spare: Vec<u8>,
    /// How many values did not fit their columns.
    pub changes: Changes,
}

impl Encoder {
    /// An encoder for rows of `schema`.
    pub fn new(schema: Arc<TableSchema>, compression: Compression) -> Self {
        let leaves = schema.columns().map(|column| column.kind.leaves()).sum();
        Self { schema, compression, sync_id: 0, leaves, parquet: OnceLock::new() }
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
        "parquet"
    }

    /// How many bytes of JSON text make a good block, where all rows that wait may hold `memory` bytes: large enough to
    /// compress well, small against the memory. Of a wide table a block is larger, as far as the memory allows: each column of
    /// a block has its own pages and its own metadata.
    pub fn block_size(&self, memory: usize) -> usize {
        let block = (memory / BLOCK_SHARE).clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        block.max((self.leaves * BLOCK_OF_A_LEAF).min(memory / LARGEST_BLOCK_SHARE).min(LARGEST_WIDE_BLOCK))
    }

    /// Encodes `rows`, which must not be empty, with the ids of `ids`, one for each row. Needs no file and may run on any thread.
    pub fn encode(&self, rows: Rows, ids: IdRange) -> Result<Encoded> {
        self.parquet()?.encode(rows, ids)
    }

    /// Begins a file.
    pub fn begin_file(&self) -> Result<PartFile> {
        self.parquet()?.begin_file()
    }

    fn parquet(&self) -> Result<&ParquetEncoder> {
        if let Some(made) = self.parquet.get() {
            return Ok(made);
        }
        let made = ParquetEncoder::new(&self.schema, self.compression, self.sync_id)?;
        Ok(self.parquet.get_or_init(|| made))
    }
}

/// The encoders of a sync: one for all streams whose columns are equal.
pub struct Encoders {
    compression: Compression,
    sync_id: i64,
    made: HashMap<Arc<TableSchema>, Arc<Encoder>>,
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

    /// The encoder for rows of `schema`.
    pub fn get(&mut self, schema: &Arc<TableSchema>) -> Arc<Encoder> {
        let made = self.made.entry(Arc::clone(schema));
        let encoder = || Encoder::new(Arc::clone(schema), self.compression).of_sync(self.sync_id);
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
        let (one, other) = (encoders.get(&TableSchema::raw()), encoders.get(&TableSchema::raw()));
        assert!(Arc::ptr_eq(&one, &other) && one.parquet.get().is_none());
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
}
