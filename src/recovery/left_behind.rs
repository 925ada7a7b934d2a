//! What a sync may leave outside its staging folder when it is killed, and how its staging folder says so.
//!
//! Before anything is staged, one object in the staging folder lists what each stream may leave, whatever format it is staged
//! in. What a stream has not begun to stage, it has not left. A staging table that gets another name later is noted in an object
//! of its own. The properties of each staging log say the same: versions before the list write and read nothing else.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::catalog_table::CatalogTable;
use super::claims;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// Property in a staging log: the final table whose folder its files may have been copied to.
const FINAL_TABLE: &str = "airbyte.finalTable";
/// Property in a staging log: the full name of the table that may have been made over it in a catalog.
const STAGING_TABLE: &str = "airbyte.stagingTable";
/// The object that lists what each stream may leave, in the sync's staging folder.
const LIST: &str = "sync.left_behind.json";
/// Folder of the staging tables that got another name, one an object.
const RENAMED: &str = "_staging_tables";
/// Objects that are read at the same time.
const READS: usize = 16;

/// The application id under which a sync's batches are counted in every log it writes.
pub fn application_id(sync: Uuid) -> String {
    format!("destination-databricks/{sync}")
}

/// What a stream of a killed sync may leave outside its staging folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeftBehind {
    /// Staged files in the folder of this table.
    #[serde(rename = "finalTable")]
    Files(String),
    /// A table of this full name in a catalog.
    #[serde(rename = "stagingTable")]
    StagingTable(String),
}

/// One stream in the list.
#[derive(Serialize, Deserialize)]
struct Stream {
    /// Its staging folder.
    staging: String,
    #[serde(flatten)]
    left: LeftBehind,
}

impl LeftBehind {
    /// What the properties of a staging log say.
    pub fn of_properties(properties: &BTreeMap<String, String>) -> Option<Self> {
        let of = |key, of: fn(String) -> Self| properties.get(key).cloned().map(of);
        of(FINAL_TABLE, Self::Files).or_else(|| of(STAGING_TABLE, Self::StagingTable))
    }

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

/// Writes down what each stream of the sync `sync` may leave: its staging folder, and what. Before anything is staged.
pub async fn write_list<'a>(
    storage: &Storage,
    sync: Uuid,
    streams: impl Iterator<Item = (&'a str, &'a LeftBehind)>,
) -> Result<()> {
    let streams: Vec<Stream> =
        streams.map(|(staging, left)| Stream { staging: staging.to_owned(), left: left.clone() }).collect();
    let text = serde_json::to_vec(&streams).map_err(|error| {
        Error::system("What the sync may leave behind could not be written down.").with_source(error)
    })?;
    storage.put_new(&format!("{sync}/{LIST}"), text).await.map(|_| ())
}

/// What the streams of the sync `sync` may have left, by their staging folders: of those that something lies in. `paths` are
/// the objects of the sync's staging folder. Empty for a sync of a version that wrote no list, or that was killed before.
///
/// # Errors
/// A system error where the list cannot be understood: a newer version wrote it.
pub async fn read_list(storage: &Storage, paths: &[String], sync: Uuid) -> Result<BTreeMap<String, LeftBehind>> {
    let list = format!("{sync}/{LIST}");
    if !paths.contains(&list) {
        return Ok(BTreeMap::new());
    }
    let streams: Vec<Stream> = serde_json::from_slice(&storage.get(&list).await?).map_err(|error| {
        Error::system(format!(
            "{} cannot be understood. A newer version of this program may have written it.",
            storage.shown(&list)
        ))
        .with_source(error)
    })?;
    let paths: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let has_begun = |staging: &str| {
        let folder = format!("{staging}/");
        paths.range(folder.as_str()..).next().is_some_and(|path| path.starts_with(&folder))
    };
    let begun = streams.into_iter().filter(|stream| has_begun(&stream.staging));
    Ok(begun.map(|stream| (stream.staging, stream.left)).collect())
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
