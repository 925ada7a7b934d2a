//! What a sync may leave outside its staging folder when it is killed, and how its staging log says so.

use uuid::Uuid;

/// Property in a staging log: the final table whose folder its files may have been copied to.
pub const FINAL_TABLE: &str = "airbyte.finalTable";
/// Property in a staging log: the full name of the table that may have been made over it in a catalog.
pub const STAGING_TABLE: &str = "airbyte.stagingTable";

/// The application id under which a sync's batches are counted in every log it writes.
pub fn application_id(sync: Uuid) -> String {
    format!("destination-databricks/{sync}")
}

/// What a stream of a killed sync may leave outside its staging folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftBehind {
    /// Staged files in the folder of this table.
    Files(String),
    /// A table of this full name in a catalog.
    StagingTable(String),
}

impl LeftBehind {
    /// The property of the staging log that says it.
    pub fn property(&self) -> (String, String) {
        match self {
            Self::Files(table) => (FINAL_TABLE.to_owned(), table.clone()),
            Self::StagingTable(table) => (STAGING_TABLE.to_owned(), table.clone()),
        }
    }
}
