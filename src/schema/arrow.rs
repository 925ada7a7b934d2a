//! The Arrow schema of a row, made from its Avro schema; the Parquet schema follows from it in the encoder.
//!
//! One match over Avro's types: a type without an arm is an error and not a guess.

use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::columns::TableSchema;
use crate::error::{Error, Result};

impl TableSchema {
    /// The Arrow schema of a row: one non-null field per column, in the columns' order.
    pub fn arrow(&self) -> Result<SchemaRef> {
        from_avro(&self.avro()?)
    }
}

fn from_avro(schema: &AvroSchema) -> Result<SchemaRef> {
    let AvroSchema::Record(record) = schema else {
        return Err(Error::system("A row's Avro schema must be a record."));
    };
    let fields = record
        .fields
        .iter()
        .map(|field| Ok(Field::new(&field.name, data_type(&field.schema, &field.name)?, false)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn data_type(schema: &AvroSchema, name: &str) -> Result<DataType> {
    match schema {
        AvroSchema::String | AvroSchema::Uuid => Ok(DataType::Utf8),
        AvroSchema::TimestampMicros => Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        other => Err(Error::system(format!("Column {name} has an Avro type that no column is made of: {other:?}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_row_has_an_id_a_time_and_the_data() -> Result<()> {
        let schema = TableSchema::raw().arrow()?;
        let columns: Vec<_> = schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
        assert_eq!(
            columns,
            [
                ("_airbyte_ab_id", DataType::Utf8),
                ("_airbyte_emitted_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
                ("_airbyte_data", DataType::Utf8),
            ]
        );
        Ok(())
    }

    #[test]
    fn a_type_that_no_column_is_made_of_is_an_error() {
        let schema = AvroSchema::parse_str(r#"{"type":"record","name":"r","fields":[{"name":"x","type":"bytes"}]}"#);
        let error = schema.map(|schema| from_avro(&schema));
        assert!(matches!(error, Ok(Err(_))), "{error:?}");
    }
}
