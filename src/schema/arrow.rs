//! Avro schema -> Arrow schema, by Avro's own rules for logical types.
//!
//! One match over Avro's types: a column type that is added to a layout must be added here, or it is an error and
//! not a guess. The Parquet schema follows from the Arrow schema in the Parquet writer, the Delta schema in `delta`.

use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Result};

/// The Arrow schema of an Avro record: one non-null field per field of the record, in its order.
pub fn from_avro(schema: &AvroSchema) -> Result<SchemaRef> {
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
        AvroSchema::Long => Ok(DataType::Int64),
        AvroSchema::TimestampMicros => Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        other => Err(Error::system(format!("Column {name} has an Avro type that no column is made of: {other:?}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::avro;

    #[test]
    fn the_raw_row_has_an_id_a_time_and_the_data() -> Result<()> {
        let schema = from_avro(&avro::raw_row()?)?;
        let columns: Vec<_> = schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
        assert_eq!(
            columns,
            [
                (avro::AB_ID, DataType::Utf8),
                (avro::EMITTED_AT, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
                (avro::DATA, DataType::Utf8),
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
