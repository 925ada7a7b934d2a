//! Claims: before Databricks changes a table's rows for a sync, the sync writes down in its staging folder that it will.
//!
//! A claim is one object and is deleted with the folder. Its path names the table and says what is done to it, its text is the
//! table's full name in the catalog: whoever clears the claim away may be configured for another catalog.

use uuid::Uuid;

use crate::error::Result;
use crate::storage::Storage;

/// The folder of the claims, in the sync's staging folder.
const FOLDER: &str = "_claims";

/// What the statements of a claim do to a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// They add rows. Several syncs may do so at the same time: rows that nobody acknowledged may then be there twice.
    Adds,
    /// They replace all rows.
    Replaces,
}

impl ClaimKind {
    fn folder(self) -> &'static str {
        match self {
            ClaimKind::Adds => "adds",
            ClaimKind::Replaces => "replaces",
        }
    }

    /// Whether statements of both kinds may change one table at the same time.
    pub fn goes_with(self, other: ClaimKind) -> bool {
        self == ClaimKind::Adds && other == ClaimKind::Adds
    }
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The folder of the final table.
    pub table: String,
    /// What is done to it; an unknown word counts as [`ClaimKind::Replaces`].
    pub kind: ClaimKind,
    /// The object.
    pub(super) path: String,
}

/// Claims the table in the folder `table`, whose full name is `full_name`, for the sync `sync`. Can be repeated.
pub async fn put(storage: &Storage, sync: Uuid, table: &str, full_name: &str, kind: ClaimKind) -> Result<()> {
    storage.put_new(&path(sync, table, kind), format!("{full_name}\n").into_bytes()).await.map(|_| ())
}

/// Deletes such a claim. Only for a claim of which no statement was sent.
pub async fn take_back(storage: &Storage, sync: Uuid, table: &str, kind: ClaimKind) -> Result<()> {
    storage.delete(&[path(sync, table, kind)]).await
}

/// The claims of the sync `sync`.
pub async fn claims_of(storage: &Storage, sync: Uuid) -> Result<Vec<Claim>> {
    let listed = storage.list(&format!("{sync}/{FOLDER}")).await?;
    Ok(claims_among(&listed, sync))
}

/// The claims of the sync `sync` among the objects of its staging folder.
pub(super) fn claims_among(paths: &[String], sync: Uuid) -> Vec<Claim> {
    let folder = format!("{sync}/{FOLDER}/");
    let read = |path: &String| {
        let (kind, table) = path.strip_prefix(&folder)?.split_once('/')?;
        let kind = if kind == ClaimKind::Adds.folder() { ClaimKind::Adds } else { ClaimKind::Replaces };
        Some(Claim { table: table.to_owned(), kind, path: path.clone() })
    };
    paths.iter().filter_map(read).collect()
}

/// Deletes all claims of the sync `sync`. Only when every statement of it is known to have ended.
pub async fn withdraw(storage: &Storage, sync: Uuid) -> Result<()> {
    storage.delete(&storage.list(&format!("{sync}/{FOLDER}")).await?).await
}

fn path(sync: Uuid, table: &str, kind: ClaimKind) -> String {
    format!("{sync}/{FOLDER}/{}/{table}", kind.folder())
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
