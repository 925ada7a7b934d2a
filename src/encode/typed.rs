//! Encodes typed columns as Parquet: the texts of a block become arrays, and each array becomes the pages of its Parquet columns.
//!
//! Columns are encoded one at a time, each with writers of its own: the writers of all columns of a wide table would together take
//! more memory than its rows.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression as Codec, LogicalType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::changes::Changes;
use super::columns::{Built, Guarded, Plan, build};
use crate::error::{Error, Result};
use crate::schema::columns::{Source, TableSchema};

/// The dictionary of a column's texts holds at most so many bytes: beyond, the texts do not repeat and are written as they are.
const DICTIONARY_BYTES: usize = 64 << 10;
/// Arrays with fewer bytes are compressed by Snappy, whatever the codec of the others: to make the tables of zstd takes longer than
/// all else that is done for so few values, and each chunk of a Parquet file names its own codec.
const SMALL_ARRAY: usize = 8 << 10;

/// Turns the texts of blocks into typed columns.
pub struct TypedEncoder {
    plan: Plan,
    fields: Vec<FieldRef>,
    properties: WriterPropertiesPtr,
    /// Those of small arrays.
    small: WriterPropertiesPtr,
}

/// The typed columns of a block.
pub struct TypedBlock {
    columns: std::vec::IntoIter<ArrayRef>,
    /// How many values did not fit.
    pub changes: Changes,
}

impl TypedBlock {
    /// The columns that are not encoded yet, in their order.
    pub fn columns(&self) -> &[ArrayRef] {
        self.columns.as_slice()
    }
}

impl TypedEncoder {
    /// An encoder for the columns of `schema` that are made of records, in their order; `arrow` and `parquet` are its schemas.
    pub fn new(
        schema: &TableSchema,
        arrow: &SchemaRef,
        parquet: &SchemaDescriptor,
        codec: Codec,
        (sync_id, guarded): (i64, &[Guarded]),
    ) -> Self {
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(codec)
            .set_dictionary_enabled(false)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for column in parquet.columns().iter().filter(|column| column.logical_type_ref() == Some(&LogicalType::String))
        {
            properties = properties.set_column_dictionary_enabled(column.path().clone(), true);
        }
        let of_records = |source: &Source| !matches!(source, Source::Id | Source::EmittedAt);
        let all = schema.columns().zip(arrow.fields());
        let fields = all.filter(|(column, _)| of_records(&column.source)).map(|(_, field)| Arc::clone(field)).collect();
        let small = Arc::new(properties.clone().set_compression(Codec::SNAPPY).build());
        Self { plan: Plan::new(schema, sync_id, guarded), fields, properties: Arc::new(properties.build()), small }
    }

    /// Reads `texts`, each behind its length.
    pub fn read(&self, texts: &[u8]) -> Result<TypedBlock> {
        let Built { arrays, changes } = build(&self.plan, texts)?;
        Ok(TypedBlock { columns: arrays.into_iter(), changes })
    }

    /// Encodes the next column of `block`, which is column `number` of those: the pages of its Parquet columns.
    pub fn encode(&self, block: &mut TypedBlock, number: usize) -> Result<Vec<ArrowColumnChunk>> {
        let next = (self.fields.get(number), block.columns.next());
        let (Some(field), Some(array)) = next else {
            return Err(Error::system("A column of a row group has no values."));
        };
        let error = |error| Error::system("Rows could not be encoded as Parquet.").with_source(error);
        self.encode_array(field, &array).map_err(error)
    }

    fn encode_array(&self, field: &FieldRef, array: &ArrayRef) -> ParquetResult<Vec<ArrowColumnChunk>> {
        let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
        let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let is_small = array.get_buffer_memory_size() < SMALL_ARRAY;
        let properties = if is_small { &self.small } else { &self.properties };
        let file = SerializedFileWriter::new(Vec::new(), root, Arc::clone(properties))?;
        let writers = ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(0)?;
        let as_built = Field::new(field.name(), array.data_type().clone(), field.is_nullable());
        let leaves = compute_leaves(&as_built, array)?;
        if leaves.len() != writers.len() {
            return Err(ParquetError::General("a column has other parts than its schema".to_owned()));
        }
        let mut chunks = Vec::with_capacity(leaves.len());
        for (leaf, mut writer) in leaves.into_iter().zip(writers) {
            writer.write(&leaf)?;
            chunks.push(writer.close()?);
        }
        Ok(chunks)
    }
}
