//! The columns as a Delta log writes them.
//!
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#schema-serialization-format>.

use serde_json::Value;

use super::columns::{Column, TableSchema};

impl TableSchema {
    /// The JSON text of the table's columns. Every column may be NULL there, as in the tables of Airbyte's connector 1.1.x.
    pub fn delta(&self) -> String {
        let field = |column: &Column| {
            // A JSON value escapes what has to be escaped in a name.
            let (name, kind) = (Value::from(column.name.as_str()), column.kind.delta());
            format!(r#"{{"name":{name},"type":"{kind}","nullable":true,"metadata":{{}}}}"#)
        };
        let fields: Vec<String> = self.columns().map(field).collect();
        format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","))
    }
}
