//! A Parquet file in the storage: its footer, and the bytes of single columns.

use std::ops::Range;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use crate::error::{Error, Result};
use crate::merge::chunk::Chunk;
use crate::storage::Storage;

/// Bytes of a file's end that are read first: the footer of most files.
const FOOTER: u64 = 64 << 10;

/// A Parquet file whose footer has been read.
#[derive(Clone)]
pub struct ParquetFile {
    storage: Storage,
    path: Arc<str>,
    metadata: Arc<ParquetMetaData>,
}

impl ParquetFile {
    /// The file at `path`, relative to the storage's root, which has `size` bytes.
    ///
    /// # Errors
    /// A config error where it is no Parquet file or is missing.
    pub async fn open(storage: &Storage, path: String, size: u64) -> Result<Self> {
        let broken = |error: ParquetError| {
            let said = format!("{} is no Parquet file, or is damaged, and its table names it.", storage.shown(&path));
            Error::config(said).with_source(error)
        };
        let mut reader = ParquetMetaDataReader::new();
        let mut wanted = FOOTER.min(size);
        loop {
            let start = size - wanted;
            let end = std::slice::from_ref(&(start..size)).to_vec();
            let bytes = storage.get_ranges(&path, &end).await?.pop().unwrap_or_default();
            // The reader counts from the beginning of what it is given.
            match reader.try_parse_sized(&bytes, size) {
                Ok(()) => break,
                Err(ParquetError::NeedMoreData(needed)) if (needed as u64) > wanted && wanted < size => {
                    wanted = (needed as u64).min(size);
                }
                Err(error) => return Err(broken(error)),
            }
        }
        let metadata = reader.finish().map_err(broken)?;
        Ok(Self { storage: storage.clone(), metadata: Arc::new(metadata), path: path.into() })
    }

    /// Its footer.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.file_metadata().num_rows()).unwrap_or(0)
    }

    /// Its row groups, each with the number of its first row.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &RowGroupMetaData)> {
        self.metadata.row_groups().iter().scan(0, |next, group| {
            let first = *next;
            *next += u64::try_from(group.num_rows()).unwrap_or(0);
            Some((first, group))
        })
    }

    /// The bytes of the columns `leaves` of the row group `group`.
    pub async fn columns(&self, group: usize, leaves: &[usize]) -> Result<Vec<(usize, Chunk)>> {
        let group = self.metadata.row_groups().get(group).ok_or_else(|| Error::system("A row group is not there."))?;
        let range = |leaf: &usize| -> Option<Range<u64>> {
            let (start, length) = group.columns().get(*leaf)?.byte_range();
            Some(start..start.checked_add(length)?)
        };
        let ranges: Option<Vec<Range<u64>>> = leaves.iter().map(range).collect();
        let ranges = ranges.ok_or_else(|| Error::system("A row group lacks a column."))?;
        let bytes = self.storage.get_ranges(&self.path, &ranges).await?;
        let chunks = leaves.iter().zip(&ranges).zip(bytes);
        Ok(chunks.map(|((leaf, range), bytes)| (*leaf, Chunk { start: range.start, bytes })).collect())
    }
}
