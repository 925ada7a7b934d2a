//! Clears away what dead syncs left: their staging folders, and files that reached a table's folder but no commit.
//!
//! A dead sync's own staging log says which files it had for which table, batch by batch; the table's log says up to
//! which batch that sync was loaded, and which files it has. What is in neither belongs to nobody. Of a sync that was
//! loaded by SQL, the staging log names the staging table in the catalog, which is dropped before its files go. A log that
//! cannot be read is a reason to leave everything where it is and say so: the next sync tries again.

use std::collections::{BTreeMap, HashSet};

use futures::future::BoxFuture;
use uuid::Uuid;

use super::left_behind::{FINAL_TABLE, STAGING_TABLE, application_id};
use crate::delta::actions::CommitSummary;
use crate::delta::table::TableLog;
use crate::error::{Error, Result, ResultExt};
use crate::storage::layout::{DELTA_LOG, is_name, is_table};
use crate::storage::{Lease, Storage};

/// Tables that were made in a catalog over staging folders.
pub trait StagingTables: Send + Sync {
    /// Drops the tables of the dead sync `sync`, which have these full names, where they are there, and sees to it that
    /// none of its statements changes a table any more; `false` if this is no one who could.
    fn clear<'a>(&'a self, sync: Uuid, names: &'a [String]) -> BoxFuture<'a, Result<bool>>;
}

/// What came of dead syncs.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many were cleared away.
    pub cleared: usize,
    /// Those that could not be, and why; that is told already.
    pub kept: Vec<(Uuid, Error)>,
}

/// What a dead sync has left outside its staging folder.
#[derive(Default)]
pub struct Left {
    /// Folders that it wrote to.
    folders: Vec<String>,
    /// Full names of tables that it may have made in a catalog.
    staging_tables: Vec<String>,
}

/// Sweeps every dead sync's left-overs. The caller holds a lease of its own.
pub async fn sweep(storage: &Storage, tables: &TableLog, catalog: &dyn StagingTables) -> Result<Swept> {
    let mut swept = Swept::default();
    let (dead, alive) = Lease::take_dead(storage).await?;
    for lease in dead {
        let sync = lease.sync();
        let cleared = match clear_tables(storage, tables, &lease).await {
            Ok(left) => match catalog.clear(sync, &left.staging_tables).await {
                Ok(true) => clear_temporaries(storage, &left.folders, alive == 1).await,
                Ok(false) => {
                    tracing::warn!(
                        "Sync {sync} was killed while Databricks loaded it. What it left is cleared away by the next sync \
                         that loads through Databricks."
                    );
                    Ok(false)
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let removed = match cleared {
            Ok(true) => lease.remove().await.map(|()| true),
            kept => kept,
        };
        match removed {
            Ok(cleared) => swept.cleared += usize::from(cleared),
            Err(error) => {
                tracing::warn!("What sync {sync} left could not be cleared away: {}", error.internal_message());
                swept.kept.push((sync, error));
            }
        }
    }
    Ok(swept)
}

/// Removes files that the dead sync was writing in `folders` when it died; `false` if they have to stay for now.
///
/// Such a file looks the same whoever writes it. While other syncs live it may be theirs, and the next sync looks again.
async fn clear_temporaries(storage: &Storage, folders: &[String], alone: bool) -> Result<bool> {
    for folder in folders {
        let left = Lease::temporaries(storage, folder);
        if !left.is_empty() && !alone {
            return Ok(false);
        }
        storage.delete(&left).await?;
    }
    Ok(true)
}

/// Removes from the tables' folders what this sync moved there and never committed; what else it left.
pub async fn clear_tables(storage: &Storage, tables: &TableLog, lease: &Lease) -> Result<Left> {
    let mut staged: BTreeMap<String, Vec<CommitSummary>> = BTreeMap::new();
    for path in storage.list(&lease.sync().to_string()).await? {
        let Some((folder, _)) = path.split_once(&format!("/{DELTA_LOG}/")).filter(|_| path.ends_with(".json")) else {
            continue;
        };
        let commit = CommitSummary::read(&storage.get(&path).await?);
        staged.entry(folder.to_owned()).or_default().push(commit);
    }
    let mut left = Left::default();
    for (folder, commits) in staged {
        let property = |key| commits.iter().find_map(|commit| commit.configuration.as_ref()?.get(key));
        // A log can be written by whoever may write to the storage: what no sync writes is not believed.
        left.staging_tables
            .extend(property(STAGING_TABLE).filter(|name| is_staging_table(name, lease.sync())).cloned());
        if let Some(table) = property(FINAL_TABLE).filter(|table| is_table(table)) {
            clear_table(storage, tables, table, lease.sync(), &commits).await.context(|| folder)?;
            // Every name of a file has its sync's id in it: the uploads of other people in the table's folder have not.
            if commits.iter().any(|commit| storage.copies_in_parts(commit.largest)) {
                storage.remove_unfinished(table, &lease.sync().simple().to_string()).await?;
            }
            left.folders.extend([table.clone(), format!("{table}/{DELTA_LOG}")]);
        }
    }
    Ok(left)
}

/// Whether the sync `sync` may have made a table of this full name over its staging: three parts in backticks, the last of
/// which says whose it is.
fn is_staging_table(name: &str, sync: Uuid) -> bool {
    let id = sync.simple().to_string();
    let begin = format!("_airbyte_tmp_{}_", id.get(20..).unwrap_or(&id));
    let Some(inside) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { return false };
    let mut parts = inside.rsplitn(3, "`.`");
    let (table, schema, catalog) = (parts.next(), parts.next(), parts.next());
    table.is_some_and(|table| table.starts_with(&begin) && is_name(table))
        && schema.is_some_and(is_name)
        && catalog.is_some_and(|catalog| !catalog.replace("``", "").contains('`'))
}

/// Whether `name` is one that the sync `sync` gives to its files: each has the sync's id in it.
fn is_file_of(name: &str, sync: Uuid) -> bool {
    name.contains(&sync.simple().to_string()) && !name.contains(['/', '\\']) && !name.starts_with('.')
}

async fn clear_table(
    storage: &Storage,
    tables: &TableLog,
    table: &str,
    sync: Uuid,
    commits: &[CommitSummary],
) -> Result<()> {
    let app_id = application_id(sync);
    // The number of the last loaded batch is not enough: a table may be set to forget such numbers after a while.
    let (loaded, files) = if storage.has_any(&format!("{table}/{DELTA_LOG}")).await? {
        let read = tables.run(|logs| {
            let Some(snapshot) = logs.find(table)? else { return Ok(None) };
            Ok::<_, Error>(Some((snapshot.transaction(&app_id)?.unwrap_or(0), snapshot.files()?)))
        });
        match read.await? {
            Some(read) => read,
            // What is about to be deleted may be in no table at all; of that, be sure.
            None if storage.list(&format!("{table}/{DELTA_LOG}")).await?.iter().any(|path| path.ends_with(".json")) => {
                return Err(Error::system(format!("The log of table {} is not seen.", storage.shown(table))));
            }
            None => (0, Vec::new()),
        }
    } else {
        (0, Vec::new())
    };
    let files: HashSet<String> = files.into_iter().collect();
    let batch =
        |commit: &CommitSummary| commit.transactions.iter().find(|(id, _)| *id == app_id).map(|(_, batch)| *batch);
    for commit in commits.iter().filter(|commit| batch(commit).is_some_and(|batch| batch > loaded)) {
        let lost = commit.added.iter().filter(|file| is_file_of(file, sync) && !files.contains(*file));
        storage.delete(&lost.map(|file| format!("{table}/{file}")).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
