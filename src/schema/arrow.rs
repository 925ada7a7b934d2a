//! The Arrow schema of a row, made from its Avro schema; the Parquet schema follows from it in the encoder.
//!
//! One match over Avro's types: a type without an arm is an error and not a guess. A union with null is the other type, which
//! may be NULL; a union of several others is a structure of them, as the Parquet library for Avro writes it. The names inside
//! of lists and maps are those that the Parquet format asks for.

use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use apache_avro::schema::{DecimalSchema, RecordSchema};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use super::avro::ROW;
use super::columns::TableSchema;
use super::kind::{Bits, Kind, member};
use crate::error::{Error, Result};

impl TableSchema {
    /// The Arrow schema of a row: one field per column, in the columns' order.
    pub fn arrow(&self) -> Result<SchemaRef> {
        match &self.avro(ROW, None)? {
            AvroSchema::Record(record) => {
                let fields = fields(record)?;
                let sized = fields.iter().zip(self.columns()).map(|(field, column)| sized(field, &column.kind));
                Ok(Arc::new(Schema::new(sized.collect::<Fields>())))
            }
            _ => Err(Error::system("A row's Avro schema must be a record.")),
        }
    }
}

/// `field` with the sizes of whole numbers that `kind` has. Avro knows none below 32 bits, and Polars refuses a file whose numbers
/// are larger than their column's.
fn sized(field: &FieldRef, kind: &Kind) -> FieldRef {
    let all = |fields: &Fields, kinds: &mut dyn Iterator<Item = &Kind>| -> Fields {
        fields.iter().zip(kinds).map(|(field, kind)| sized(field, kind)).collect()
    };
    let data_type = match (field.data_type(), kind) {
        (DataType::Int32, Kind::Integer(Bits::B8)) => DataType::Int8,
        (DataType::Int32, Kind::Integer(Bits::B16)) => DataType::Int16,
        (DataType::Struct(fields), Kind::Struct(record)) => {
            DataType::Struct(all(fields, &mut record.fields.iter().map(|column| &column.kind)))
        }
        (DataType::Struct(fields), Kind::Union(members)) => DataType::Struct(all(fields, &mut members.iter())),
        (DataType::List(item), Kind::List(kind)) => DataType::List(sized(item, kind)),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn fields(record: &RecordSchema) -> Result<Fields> {
    record.fields.iter().map(|field| arrow_field(&field.name, &field.schema)).collect()
}

fn arrow_field(name: &str, schema: &AvroSchema) -> Result<FieldRef> {
    let (kind, nullable) = match schema {
        AvroSchema::Union(union) => {
            let members: Vec<&AvroSchema> =
                union.variants().iter().filter(|member| !matches!(member, AvroSchema::Null)).collect();
            let kind = match members.as_slice() {
                [one] => data_type(one, name)?,
                several => DataType::Struct(union_fields(several)?),
            };
            (kind, members.len() < union.variants().len())
        }
        other => (data_type(other, name)?, false),
    };
    Ok(Arc::new(Field::new(name, kind, nullable)))
}

fn union_fields(members: &[&AvroSchema]) -> Result<Fields> {
    let field = |(at, schema): (usize, &&AvroSchema)| {
        let name = member(at);
        Ok(Arc::new(Field::new(&name, data_type(schema, &name)?, true)))
    };
    members.iter().enumerate().map(field).collect()
}

fn data_type(schema: &AvroSchema, name: &str) -> Result<DataType> {
    Ok(match schema {
        AvroSchema::String | AvroSchema::Uuid => DataType::Utf8,
        AvroSchema::Boolean => DataType::Boolean,
        AvroSchema::Int => DataType::Int32,
        // Delta has no time of day.
        AvroSchema::Long | AvroSchema::TimeMicros => DataType::Int64,
        AvroSchema::Float => DataType::Float32,
        AvroSchema::Double => DataType::Float64,
        AvroSchema::Bytes => DataType::Binary,
        AvroSchema::Decimal(DecimalSchema { precision, scale, .. }) => {
            let size = (u8::try_from(*precision).ok(), i8::try_from(*scale).ok());
            let (Some(precision), Some(scale)) = size else {
                return Err(Error::system(format!("Column {name} has {precision} digits, which no column has.")));
            };
            DataType::Decimal128(precision, scale)
        }
        AvroSchema::Date => DataType::Date32,
        AvroSchema::TimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        AvroSchema::LocalTimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, None),
        AvroSchema::Record(record) => DataType::Struct(fields(record)?),
        AvroSchema::Array(array) => DataType::List(arrow_field("element", &array.items)?),
        AvroSchema::Map(map) => {
            let entries = Fields::from(vec![
                Field::new("key", DataType::Utf8, false),
                Field::new("value", data_type(&map.types, name)?, true),
            ]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
        }
        other => {
            let said = format!("Column {name} has an Avro type that no column is made of: {other:?}.");
            return Err(Error::system(said));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::{Column, Source};
    use crate::schema::kind::Record;

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
        assert!(schema.fields().iter().all(|field| !field.is_nullable()));
        Ok(())
    }

    #[test]
    fn whole_numbers_have_the_size_of_their_columns_wherever_they_are() -> Result<()> {
        let (small, list) = (Kind::Integer(Bits::B16), |kind| Kind::List(Arc::new(kind)));
        let property = |kind| Column::new("v", kind, Source::Property("v".into()));
        let tiny = Record { name: "r".into(), namespace: None, fields: vec![property(Kind::Integer(Bits::B8))] };
        let union = Kind::Union([small.clone(), Kind::Text].into());
        for (kind, shown) in [
            (small.clone(), "Int16"),
            (Kind::Integer(Bits::B32), "Int32"),
            (list(small), "List(Int16, field: 'element')"),
            (list(Kind::Struct(Arc::new(tiny))), "List(Struct(\"v\": Int8), field: 'element')"),
            (union, "Struct(\"member0\": Int16, \"member1\": Utf8)"),
        ] {
            let schema = TableSchema::typed(vec![property(kind)]).arrow()?;
            let field = schema.field_with_name("v").map_err(|error| Error::system(error.to_string()))?;
            assert_eq!(field.data_type().to_string(), shown);
        }
        Ok(())
    }

    #[test]
    fn a_type_that_no_column_is_made_of_is_an_error() {
        let schema = AvroSchema::parse_str(r#"{"type":"fixed","name":"x","size":4}"#);
        let error = schema.map(|schema| data_type(&schema, "x"));
        assert!(matches!(error, Ok(Err(_))), "{error:?}");
    }
}
