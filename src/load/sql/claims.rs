//! What a sync writes down in its staging folder for whoever comes after it: which tables it lets Databricks change, and which
//! staging tables it has made under other names.
//!
//! An object each, gone with the folder. Its path says what is claimed, its text the full name in the catalog: the catalog of
//! whoever clears it away may be another one by then.

use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::statements::{SchemaName, TableName};
use crate::error::Result;
use crate::storage::Storage;
use crate::storage::layout::is_name;

const FOLDER: &str = "_claims";
/// Schemas and names of staging tables that no staging log has, one an object.
const RENAMED: &str = "_staging_tables";
/// Names that are read from objects at the same time.
const READS: usize = 16;

/// What the statements of a claim do to a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They add some. Beside others that add, that is no harm: what nobody acknowledged may be there twice.
    Adds,
    /// They replace all.
    Replaces,
}

impl Change {
    fn folder(self) -> &'static str {
        match self {
            Change::Adds => "adds",
            Change::Replaces => "replaces",
        }
    }
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The folder of the final table.
    pub table: String,
    /// What is done to it; whatever is not known replaces.
    pub change: Change,
    path: String,
}

/// Claims `table`, the folder of the final table `name`, for the sync `sync`.
pub async fn put(storage: &Storage, sync: Uuid, table: &str, name: &TableName, change: Change) -> Result<()> {
    storage.put_new(&path(sync, table, change), body(name)).await.map(|_| ())
}

/// Takes such a claim back: no statement of it was sent.
pub async fn take_back(storage: &Storage, sync: Uuid, table: &str, change: Change) -> Result<()> {
    storage.delete(&[path(sync, table, change)]).await
}

/// The claims of the sync `sync`.
pub async fn of(storage: &Storage, sync: Uuid) -> Result<Vec<Claim>> {
    let folder = format!("{sync}/{FOLDER}");
    let read = |path: String| {
        let (change, table) = path.strip_prefix(&folder)?.strip_prefix('/')?.split_once('/')?;
        let change = if change == Change::Adds.folder() { Change::Adds } else { Change::Replaces };
        Some(Claim { table: table.to_owned(), change, path })
    };
    Ok(storage.list(&folder).await?.into_iter().filter_map(read).collect())
}

/// The tables that the sync `sync` has claimed; in `catalog` where a claim does not tell.
pub async fn claimed(storage: &Storage, sync: Uuid, catalog: &str) -> Result<Vec<TableName>> {
    let claims = of(storage, sync).await?;
    let named = claims.into_iter().filter_map(|claim| {
        let (schema, table) = claim.table.split_once('/')?;
        Some((SchemaName::new(catalog, schema).table(table), claim.path))
    });
    in_their_catalogs(storage, named.collect()).await
}

/// Says that the sync `sync` makes the staging table `name`, which no staging log tells.
pub async fn rename(storage: &Storage, sync: Uuid, name: &TableName) -> Result<()> {
    storage.put_new(&format!("{sync}/{RENAMED}/{}", name.path()), body(name)).await.map(|_| ())
}

/// The staging tables that the sync `sync` has [renamed](rename), in `catalog` where that is not said; only those that can be
/// its own, whoever wrote that.
pub async fn renamed(storage: &Storage, sync: Uuid, catalog: &str) -> Result<Vec<TableName>> {
    let folder = format!("{sync}/{RENAMED}/");
    let read = |path: String| {
        let (schema, table) = path.strip_prefix(&folder)?.split_once('/')?;
        let name = SchemaName::new(catalog, schema).table(table);
        let is_own = is_name(schema) && is_name(table) && name.is_staging_table_of(sync);
        is_own.then_some((name, path))
    };
    let named = storage.list(&format!("{sync}/{RENAMED}")).await?.into_iter().filter_map(read);
    in_their_catalogs(storage, named.collect()).await
}

/// Takes back all claims of the sync `sync`: every statement of it is known to have ended.
pub async fn withdraw(storage: &Storage, sync: Uuid) -> Result<()> {
    storage.delete(&storage.list(&format!("{sync}/{FOLDER}")).await?).await
}

fn path(sync: Uuid, table: &str, change: Change) -> String {
    format!("{sync}/{FOLDER}/{}/{table}", change.folder())
}

fn body(name: &TableName) -> Vec<u8> {
    format!("{name}\n").into_bytes()
}

/// The tables, each in the catalog that the object beside it names. Of its text only that is believed, and nothing where the
/// rest of the name is another one: older versions wrote a word.
async fn in_their_catalogs(storage: &Storage, named: Vec<(TableName, String)>) -> Result<Vec<TableName>> {
    let read = |(name, path): (TableName, String)| async move {
        let text = storage.get(&path).await?;
        let full = std::str::from_utf8(&text).unwrap_or_default();
        Ok(name.in_catalog_of(full.trim_end()).unwrap_or(name))
    };
    stream::iter(named.into_iter().map(read).collect::<Vec<_>>()).buffer_unordered(READS).try_collect().await
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
