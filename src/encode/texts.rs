//! The column of JSON texts, written page by page straight from the buffer in which they wait.
//!
//! The texts are nearly all of a file. The buffer already holds the bytes of Parquet's PLAIN encoding, so a page is a
//! compressed slice of it, without a copy. The Parquet library makes headers and metadata. Compressors are kept from one block
//! to the next: for small streams, allocating their memory takes longer than compressing.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::{Compression as Codec, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::rows::TextEnds;
use crate::config::Compression;
use crate::schema::stats::RECORDS;

/// A page ends at the first text with which it reaches this many bytes.
const PAGE_SIZE: usize = 1 << 20;
/// The fastest level of zstd that compresses literals too.
const LEVEL: i32 = 1;
/// Entries of zstd's hash table, as a power of two: half of what level 1 has, so that the table fits into the L1 cache.
const HASH_LOG: u32 = 13;

/// Compresses texts.
pub struct TextEncoder {
    column: ColumnDescPtr,
    compression: Compression,
    idle: Mutex<Vec<Compressor<'static>>>,
}

/// The texts of a row group: compressed pages.
pub struct TextChunk {
    pages: Bytes,
    close: ColumnCloseResult,
}

impl TextEncoder {
    /// An encoder for the column `column`, a required byte array.
    pub fn new(column: ColumnDescPtr, compression: Compression) -> Self {
        Self { column, compression, idle: Mutex::default() }
    }

    /// Encodes `texts`, each behind its length.
    pub fn encode(&self, texts: &[u8]) -> Result<TextChunk> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut begin, mut rows, mut all_rows, mut pages, mut uncompressed) = (0, 0, 0, 0, 0);
        for end in TextEnds::of(texts) {
            rows += 1;
            if end - begin < PAGE_SIZE && end < texts.len() {
                continue;
            }
            let page = texts.get(begin..end).ok_or_else(|| ParquetError::General("a text is cut short".to_owned()))?;
            uncompressed += writer.write_page(self.page(page, rows)?)?.uncompressed_size;
            (begin, pages, all_rows, rows) = (end, pages + 1, all_rows + i64::from(rows), 0);
        }
        let pages_of = PageEncodingStats { page_type: PageType::DATA_PAGE, encoding: Encoding::PLAIN, count: pages };
        let pages = Bytes::from(sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(codec(self.compression)?)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_page_encoding_stats(vec![pages_of])
            .set_total_compressed_size(i64::try_from(pages.len())?)
            .set_total_uncompressed_size(i64::try_from(uncompressed)?)
            .set_num_values(all_rows)
            .set_data_page_offset(0)
            .set_statistics(statistics())
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: pages.len() as u64,
            rows_written: all_rows.unsigned_abs(),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(TextChunk { pages, close })
    }

    fn page(&self, texts: &[u8], rows: u32) -> Result<CompressedPage> {
        let page = Page::DataPage {
            buf: self.compress(texts)?.into(),
            num_values: rows,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        Ok(CompressedPage::new(page, texts.len()))
    }

    fn compress(&self, texts: &[u8]) -> Result<Vec<u8>> {
        match self.compression {
            Compression::Snappy => {
                let compressed = snap::raw::Encoder::new().compress_vec(texts);
                compressed.map_err(|error| ParquetError::External(Box::new(error)))
            }
            Compression::Zstd => {
                let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut compressor = idle.map_or_else(new_compressor, Ok)?;
                let mut compressed = Vec::with_capacity(compress_bound(texts.len()));
                compressor.compress_to_buffer(texts, &mut compressed)?;
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
                Ok(compressed)
            }
        }
    }
}

/// How Parquet's metadata name `compression`.
pub fn codec(compression: Compression) -> Result<Codec> {
    Ok(match compression {
        Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(LEVEL)?),
        Compression::Snappy => Codec::SNAPPY,
    })
}

/// Bounds of all records, without a look at any: who writes a part of the file again sees that they are records.
fn statistics() -> Statistics {
    let [first, last] = [RECORDS.first, RECORDS.last].map(|text| Some(ByteArray::from(text)));
    let bounds = ValueStatistics::new(first, last, None, Some(0), false);
    Statistics::ByteArray(bounds.with_min_is_exact(false).with_max_is_exact(false))
}

impl TextChunk {
    /// How many texts it has.
    pub fn rows(&self) -> u64 {
        self.close.rows_written
    }

    /// Bytes of all pages.
    pub fn size(&self) -> usize {
        self.pages.len()
    }

    /// Appends the pages to a row group.
    pub fn append_to(self, writer: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<()> {
        writer.append_column(&self.pages, self.close)
    }
}

fn new_compressor() -> Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::HashLog(HASH_LOG))?;
    Ok(compressor)
}
