//! The row's Avro schema: the one description that Arrow, Parquet and Delta schemas are made from.
//!
//! Today there is the raw layout, three columns that Airbyte's raw tables have had from the start; a layout with one
//! column per property is another function here that returns another record.

use apache_avro::Schema;

use crate::error::{Error, Result};

/// The row's id: a UUID version 7 in its 36 character form.
pub const AB_ID: &str = "_airbyte_ab_id";
/// When the source emitted the record.
pub const EMITTED_AT: &str = "_airbyte_emitted_at";
/// The record's JSON text, as the source sent it.
pub const DATA: &str = "_airbyte_data";

const RAW_ROW: &str = r#"{
  "type": "record", "name": "airbyte_raw_row",
  "fields": [
    {"name": "_airbyte_ab_id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "_airbyte_emitted_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "_airbyte_data", "type": "string"}
  ]
}"#;

/// The schema of a row in the raw layout.
pub fn raw_row() -> Result<Schema> {
    Schema::parse_str(RAW_ROW)
        .map_err(|error| Error::system("The raw row's Avro schema is not valid.").with_source(error))
}
