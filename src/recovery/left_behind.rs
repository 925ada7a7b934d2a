//! What a sync may leave outside its staging folder when it is killed, and how its staging folder says so.

use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::catalog_table::CatalogTable;
use super::claims;
use crate::error::Result;
use crate::storage::Storage;

/// Property in a staging log: the final table whose folder its files may have been copied to.
pub const FINAL_TABLE: &str = "airbyte.finalTable";
/// Property in a staging log: the full name of the table that may have been made over it in a catalog.
pub const STAGING_TABLE: &str = "airbyte.stagingTable";
/// Folder of the staging tables that no staging log names, one an object.
const RENAMED: &str = "_staging_tables";
/// Objects that are read at the same time.
const READS: usize = 16;

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

/// What a dead sync may have left in a catalog.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftInCatalog {
    /// Staging tables, to be dropped.
    pub staging_tables: Vec<CatalogTable>,
    /// Tables that its statements may change.
    pub claimed: Vec<CatalogTable>,
}

/// Writes down that the sync `sync` makes another staging table, at `path`, `<schema>/<table>`, with the full name `full_name`.
pub async fn note_staging_table(storage: &Storage, sync: Uuid, path: &str, full_name: &str) -> Result<()> {
    storage.put_new(&format!("{sync}/{RENAMED}/{path}"), format!("{full_name}\n").into_bytes()).await.map(|_| ())
}

impl LeftInCatalog {
    /// What the objects at `paths`, those of the staging folder of the sync `sync`, say of it. Of the staging tables only those
    /// are believed that can be the sync's own.
    pub async fn read(storage: &Storage, paths: &[String], sync: Uuid) -> Result<Self> {
        let folder = format!("{sync}/{RENAMED}/");
        let is_own = |table: &str| CatalogTable::at(table, "").is_some_and(|table| table.is_staging_table_of(sync));
        let noted = paths.iter().filter_map(|path| Some((path.strip_prefix(&folder)?.to_owned(), path.clone())));
        let noted = noted.filter(|(table, _)| is_own(table)).collect();
        let staging_tables = read_names(storage, noted).await?;
        let claims = claims::claims_among(paths, sync);
        let claims = claims.into_iter().map(|claim| (claim.table, claim.path)).collect();
        Ok(Self { staging_tables, claimed: read_names(storage, claims).await? })
    }
}

/// The tables by their paths, each with the catalog that the object beside it names.
async fn read_names(storage: &Storage, named: Vec<(String, String)>) -> Result<Vec<CatalogTable>> {
    let read = |(table, object): (String, String)| async move {
        let text = storage.get(&object).await?;
        Ok(CatalogTable::at(&table, std::str::from_utf8(&text).unwrap_or_default()))
    };
    let tables = stream::iter(named.into_iter().map(read).collect::<Vec<_>>()).buffer_unordered(READS);
    tables.try_filter_map(|table| std::future::ready(Ok(table))).try_collect().await
}

#[cfg(test)]
#[path = "left_behind_tests.rs"]
mod tests;
