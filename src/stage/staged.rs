//! What a stream's staging looks like to an engine that reads it.

/// The staging of a stream, as an engine is given it.
///
/// A format that has no log of its own (CSV, or Parquet files that are copied by name) becomes a variant that names the files of a
/// load. Whoever reads staging matches on this type, and asks nothing else what was staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// A Delta table in this folder, relative to the storage's root. Each closed batch is a commit.
    DeltaTable {
        /// The folder.
        folder: String,
    },
}
