//! The Avro schema of a row: the base of the Arrow schema, by Avro's own rules for logical types.

use apache_avro::Schema;
use serde_json::{Value, json};

use super::columns::{Kind, TableSchema};
use crate::error::{Error, Result};

impl TableSchema {
    /// The Avro record of a row: one required field per column, in the columns' order.
    pub fn avro(&self) -> Result<Schema> {
        let fields: Vec<Value> =
            self.columns().map(|column| json!({"name": column.name, "type": avro_type(column.kind)})).collect();
        let record = json!({"type": "record", "name": "airbyte_row", "fields": fields});
        Schema::parse(&record).map_err(|error| Error::system("The row's Avro schema is not valid.").with_source(error))
    }
}

fn avro_type(kind: Kind) -> Value {
    match kind {
        Kind::Uuid => json!({"type": "string", "logicalType": "uuid"}),
        Kind::Timestamp => json!({"type": "long", "logicalType": "timestamp-micros"}),
        Kind::Text => json!("string"),
    }
}
