//! Refuses a table that has other columns than its stream. Pure, the same for both engines.

use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::columns::TableSchema;

/// Refuses a table with other columns than `expected`; `found` are the names and types that it has, in any order, and `shown`
/// is what the user calls the table.
pub fn ensure_columns(
    expected: &TableSchema,
    shown: &str,
    stream: &StreamDescriptor,
    mut found: Vec<(String, String)>,
) -> Result<()> {
    if expected.matches(&found) {
        return Ok(());
    }
    found.sort();
    let found: Vec<_> = found.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let expected: Vec<_> =
        expected.columns().map(|column| format!("{} {}", column.name, column.kind.delta().trim_matches('"'))).collect();
    Err(Error::config(format!(
        "Table {shown} has other columns than stream {stream} needs. It has: {}. Expected: {}. Move the table \
         away or rename the stream.",
        found.join(", "),
        expected.join(", ")
    )))
}
