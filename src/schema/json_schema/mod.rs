//! Turns a stream's JSON schema into the columns of its table, by one of two sets of rules.
//!
//! [`classic`] has exactly those of Airbyte's connector 1.1.x, so that its tables can still be loaded. [`columns`] reads
//! the same keywords, but chooses better types; docs/types.md has the table of both. Reading is lazy, one level of
//! the schema at a time: the order of properties is kept, recursion has a limit, and parts that do not matter are not parsed.

mod alternatives;
mod classic;
mod columns;
mod names;
mod node;
mod path;
mod union;
mod words;

pub use classic::classic;
pub use columns::{ColumnOptions, Nested, Number, columns};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use path::Path;

use crate::error::{Error, Result};

/// Objects, arrays and `anyOf`, `allOf`, `oneOf` within each other that are read.
const MAX_NESTING: usize = 128;
/// Structures and lists within each other, in the layout `columns`; what lies deeper is JSON text. Readers of Delta tables
/// that are made with `serde_json` read 128 levels of JSON, and a structure takes three of them.
const MAX_LEVELS: usize = 40;
/// Lists within each other, in the layout `columns`; what lies deeper is JSON text. The time that DuckDB takes to open a table
/// doubles with each.
const MAX_LISTS: usize = 16;
/// Levels of JSON in the text of a table's columns.
const MAX_DELTA_LEVELS: usize = 120;
/// Columns of a table, with the fields inside of them.
const MAX_FIELDS: usize = 100_000;

/// Fields that were made, against their limit.
#[derive(Default)]
struct Count(usize);

impl Count {
    fn one_more(&mut self, path: &Path<'_>) -> Result<()> {
        self.0 += 1;
        if self.0 <= MAX_FIELDS {
            return Ok(());
        }
        Err(path.refused(
            &format!("is one of more than {MAX_FIELDS} columns and fields, and no table has as many"),
            "deselect fields of the stream",
        ))
    }
}

fn unreadable(source: serde_json::Error) -> Error {
    Error::config("The stream's JSON schema is not valid JSON. Refresh the schema of the source, and if it comes again, report it to the source's makers.")
        .with_source(source)
}
