//! The Avro schema of a row: the base of the Arrow schema, by Avro's own rules for logical types.

use apache_avro::Schema;
use serde_json::{Value, json};

use super::columns::{Column, Source, TableSchema};
use super::kind::{Bits, Decimal, Kind, Record};
use crate::error::{Error, Result};

/// The name of the record that is a row.
pub const ROW: &str = "airbyte_row";

impl TableSchema {
    /// The Avro record of a row, called `name` in `namespace`: one field per column, in the columns' order.
    pub fn avro(&self, name: &str, namespace: Option<&str>) -> Result<Schema> {
        let fields: Vec<Value> = self.columns().map(field).collect();
        let mut record = json!({"type": "record", "name": name, "fields": fields});
        if let Some(namespace) = namespace {
            record["namespace"] = json!(namespace);
        }
        Schema::parse(&record).map_err(|error| Error::system("The row's Avro schema is not valid.").with_source(error))
    }
}

fn field(column: &Column) -> Value {
    if column.is_required() {
        return json!({"name": column.name, "type": avro(&column.kind)});
    }
    let mut field = json!({"name": column.name, "type": nullable(&column.kind), "default": null});
    if let Source::Property(original) = &column.source
        && *original != column.name
    {
        field["doc"] = json!(format!("_airbyte_original_name:{original}"));
    }
    field
}

/// The type in a union with null, which comes first because it is the default.
fn nullable(kind: &Kind) -> Value {
    match kind {
        Kind::Union(members) => [json!("null")].into_iter().chain(members.iter().map(avro)).collect(),
        kind => json!(["null", avro(kind)]),
    }
}

fn avro(kind: &Kind) -> Value {
    match kind {
        Kind::Uuid => json!({"type": "string", "logicalType": "uuid"}),
        Kind::Text | Kind::Json => json!("string"),
        Kind::Boolean => json!("boolean"),
        Kind::Integer(Bits::B64) => json!("long"),
        Kind::Integer(_) => json!("int"),
        Kind::Float => json!("float"),
        Kind::Double => json!("double"),
        Kind::Decimal(Decimal { precision, scale }) => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        Kind::Date => json!({"type": "int", "logicalType": "date"}),
        Kind::Time => json!({"type": "long", "logicalType": "time-micros"}),
        Kind::Timestamp => json!({"type": "long", "logicalType": "timestamp-micros"}),
        Kind::LocalTimestamp => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
        Kind::Binary => json!("bytes"),
        Kind::Struct(record) => record_schema(record),
        Kind::List(item) => json!({"type": "array", "items": nullable(item)}),
        Kind::Union(_) => nullable(kind),
        Kind::TextMap => json!({"type": "map", "values": "string"}),
    }
}

fn record_schema(record: &Record) -> Value {
    let fields: Vec<Value> = record.fields.iter().map(field).collect();
    let mut schema = json!({"type": "record", "name": record.name, "fields": fields});
    if let Some(namespace) = &record.namespace {
        schema["namespace"] = json!(namespace);
    }
    schema
}
