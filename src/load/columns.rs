//! Compares the columns of an existing table with those of its stream, for both engines. Pure.

use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::columns::TableSchema;

/// Checks that a table has the columns `expected`. `found`: its names and types as Delta writes them, in any order; `shown`: the
/// table as the user knows it.
///
/// # Errors
/// A config error that lists both sets of columns, if they differ.
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
