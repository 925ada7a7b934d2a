//! Columns of texts without some rows, by way of Arrow: several times as fast as one text after the other, and the same bytes.

use std::sync::Arc;

use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type, TypePtr};

use super::chunk::Chunk;
use super::lost::RowSet;

/// Rows that are read at a time, and bytes that these take at most, about.
const ROWS: usize = 8192;
const BYTES: i64 = 4 << 20;

/// Whether this knows the column: a column of the table, with texts or bytes that mean nothing else.
pub fn is_known(column: &ColumnDescriptor) -> bool {
    let means_nothing_else = match column.logical_type_ref() {
        Some(LogicalType::String) => true,
        Some(_) => false,
        None => matches!(column.converted_type(), ConvertedType::NONE | ConvertedType::UTF8),
    };
    let is_flat = column.path().parts().len() == 1 && column.max_rep_level() == 0;
    is_flat && column.physical_type() == PhysicalType::BYTE_ARRAY && means_nothing_else
}

/// The column of `metadata`, as `rewrite::without` makes it. `field` is its type in the file's schema.
pub fn without(
    chunk: Chunk,
    metadata: &ColumnChunkMetaData,
    field: &TypePtr,
    rows: (u64, usize),
    lost: &RowSet,
    properties: &WriterPropertiesPtr,
) -> Result<ArrowColumnChunk> {
    let root = Arc::new(Type::group_type_builder("schema").with_fields(vec![Arc::clone(field)]).build()?);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = ArrowReaderMetadata::try_new(Arc::new(of_one_column(metadata, &root, rows.1)?), options)?;
    let schema = Arc::clone(file.schema());
    let size = (metadata.uncompressed_size() / metadata.num_values().max(1)).max(1);
    let batch = usize::try_from(BYTES / size).unwrap_or(1).clamp(1, ROWS);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunk, file);
    let reader = reader.with_row_selection(kept(rows, lost)).with_batch_size(batch).build()?;
    let writer = SerializedFileWriter::new(Vec::new(), root, Arc::clone(properties))?;
    let mut writers = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema)).create_column_writers(0)?;
    let no_column = || ParquetError::General("a column has no writer".to_owned());
    let (mut writer, field) = (writers.pop().ok_or_else(no_column)?, schema.fields().first().ok_or_else(no_column)?);
    for batch in reader {
        let batch = batch?;
        for leaf in compute_leaves(field, batch.columns().first().ok_or_else(no_column)?)? {
            writer.write(&leaf)?;
        }
    }
    writer.close()
}

/// A file that has nothing but this column in one row group of `rows` rows.
fn of_one_column(metadata: &ColumnChunkMetaData, root: &TypePtr, rows: usize) -> Result<ParquetMetaData> {
    let rows = i64::try_from(rows)?;
    let schema = Arc::new(SchemaDescriptor::new(Arc::clone(root)));
    let column = ColumnChunkMetaData::builder(schema.column(0))
        .set_compression(metadata.compression())
        .set_encodings_mask(*metadata.encodings_mask())
        .set_total_compressed_size(metadata.compressed_size())
        .set_total_uncompressed_size(metadata.uncompressed_size())
        .set_num_values(metadata.num_values())
        .set_data_page_offset(metadata.data_page_offset())
        .set_dictionary_page_offset(metadata.dictionary_page_offset())
        .build()?;
    let group = RowGroupMetaData::builder(Arc::clone(&schema))
        .set_num_rows(rows)
        .set_total_byte_size(metadata.uncompressed_size())
        .set_column_metadata(vec![column])
        .build()?;
    Ok(ParquetMetaData::new(FileMetaData::new(1, rows, None, None, schema, None), vec![group]))
}

/// Which of the rows, so many from the first on, stay.
fn kept((first, rows): (u64, usize), lost: &RowSet) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    for row in (first..).take(rows) {
        let skip = lost.contains(row);
        match selectors.last_mut() {
            Some(last) if last.skip == skip => last.row_count += 1,
            _ => selectors.push(RowSelector { row_count: 1, skip }),
        }
    }
    selectors.into()
}
