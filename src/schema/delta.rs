//! The columns as a Delta log writes them.
//!
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#schema-serialization-format>.

use super::columns::TableSchema;
use super::kind::delta_struct;

impl TableSchema {
    /// The JSON text of the table's columns. Every column may be NULL there, as in the tables of Airbyte's connector 1.1.x.
    pub fn delta(&self) -> String {
        delta_struct(self.columns().map(|column| (&*column.name, &column.kind)))
    }
}
