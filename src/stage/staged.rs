//! The form in which an engine reads a stream's staged rows.

/// The staged rows of a stream, as an engine reads them.
///
/// A format without a Delta log (CSV, or Parquet files that are copied by name) becomes a variant that names the files of a load.
/// Engines match on this type and need no other knowledge of what was staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// A Delta table in this folder, relative to the storage's root. Each closed batch is a commit.
    DeltaTable {
        /// The folder.
        folder: String,
    },
}
