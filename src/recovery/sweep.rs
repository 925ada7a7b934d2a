//! Clears away what dead syncs left: their staging folders, files that were moved to a table's folder and not committed, and
//! staging tables.
//!
//! A dead sync's own staging folder says for which table it had files, and its staging log which, batch by batch; the table's
//! log says up to which batch that sync was loaded, and which files the table has. What is in neither is deleted. Staging tables are dropped before
//! their files are deleted. Where something cannot be read, everything stays where it is, with a WARN: the next sync tries
//! again.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::catalog_table::CatalogTable;
use super::lease::Lease;
use super::left_behind::{LeftBehind, LeftInCatalog, application_id, read_list};
use super::unfinished::Unfinished;
use crate::delta::DELTA_LOG;
use crate::delta::actions::CommitSummary;
use crate::delta::table::TableLog;
use crate::error::{Error, Result, ResultExt};
use crate::storage::Storage;
use crate::target::{is_earlier_place, is_table};

/// Commits of a log that are read at the same time.
const READS: usize = 16;

/// What can clear away the tables that syncs made in a catalog over their staging folders.
#[async_trait]
pub trait StagingTables: Send + Sync {
    /// Drops the staging tables of the dead sync `sync`, where they are there, and makes sure that none of its statements
    /// changes a table that it claimed any more. `false` if this engine cannot do that.
    async fn clear(&self, sync: Uuid, left: &LeftInCatalog) -> Result<bool>;
}

/// The result of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many dead syncs were cleared away.
    pub cleared: usize,
    /// Those that could not be, and why. A WARN has said so already.
    pub kept: Vec<(Uuid, Error)>,
}

/// What the streams of a sync have left outside its staging folder.
#[derive(Default)]
struct LeftByStreams {
    /// The folders of the final tables that files may have been moved to, with the commits of the staging log, which say which
    /// files those are.
    moved: Vec<(String, Vec<CommitSummary>)>,
    /// Staging tables.
    staging_tables: Vec<CatalogTable>,
}

/// Clears away what every dead sync left. The caller holds a lease of its own.
pub async fn sweep(storage: &Storage, tables: &TableLog, catalog: &dyn StagingTables) -> Result<Swept> {
    let mut swept = Swept::default();
    let (dead, alive) = Lease::take_dead(storage).await?;
    for lease in dead {
        let sync = lease.sync();
        let removed = match clear(storage, tables, catalog, sync, alive == 1).await {
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

/// Deletes from the tables' folders what the sync `sync` moved there and never committed.
pub async fn clear_moved_files(storage: &Storage, tables: &TableLog, sync: Uuid) -> Result<()> {
    let left = LeftByStreams::read(storage, &storage.list(&sync.to_string()).await?, sync).await?;
    left.clear_moved_files(storage, tables, sync).await
}

/// Clears away everything that the dead sync `sync` left but its staging folder; `false` if something has to stay for now.
/// `alone`: no other sync lives.
async fn clear(
    storage: &Storage,
    tables: &TableLog,
    catalog: &dyn StagingTables,
    sync: Uuid,
    alone: bool,
) -> Result<bool> {
    let paths = storage.list(&sync.to_string()).await?;
    let mut left = LeftByStreams::read(storage, &paths, sync).await?;
    left.clear_moved_files(storage, tables, sync).await?;
    let mut in_catalog = LeftInCatalog::read(storage, &paths, sync).await?;
    in_catalog.staging_tables.append(&mut left.staging_tables);
    if !catalog.clear(sync, &in_catalog).await? {
        tracing::warn!(
            "Sync {sync} was killed while Databricks loaded it. What it left is cleared away by the next sync that loads \
             through Databricks."
        );
        return Ok(false);
    }
    left.clear_temporaries(storage, alone).await
}

impl LeftByStreams {
    /// Reads the list of the sync `sync`, and the staging logs, among `paths`, the objects of its staging folder.
    async fn read(storage: &Storage, paths: &[String], sync: Uuid) -> Result<Self> {
        let mut listed = read_list(storage, paths, sync).await?;
        let mut logs: BTreeMap<&str, Vec<CommitSummary>> = BTreeMap::new();
        for path in paths {
            let Some((folder, _)) = path.split_once(&format!("/{DELTA_LOG}/")).filter(|_| path.ends_with(".json"))
            else {
                continue;
            };
            logs.entry(folder).or_default().push(CommitSummary::read(&storage.get(path).await?));
        }
        let mut all = Self::default();
        for (folder, commits) in logs {
            // Versions before the list wrote only properties.
            let properties = || commits.iter().filter_map(|commit| commit.configuration.as_ref());
            let left = listed.remove(folder).or_else(|| properties().find_map(LeftBehind::of_properties));
            if let Some(left) = left {
                all.add(left, commits, sync);
            }
        }
        listed.into_values().for_each(|left| all.add(left, Vec::new(), sync));
        Ok(all)
    }

    /// Whoever may write to the storage can write a list and a log: only what a sync can have written is believed.
    fn add(&mut self, left: LeftBehind, commits: Vec<CommitSummary>, sync: Uuid) {
        match left {
            // Files are moved when their batch is in the staging log.
            LeftBehind::Files(table) if (is_table(&table) || is_earlier_place(&table)) && !commits.is_empty() => {
                self.moved.push((table, commits));
            }
            LeftBehind::Files(_) => {}
            LeftBehind::StagingTable(name) => {
                let table = CatalogTable::parse(&name).filter(|table| table.is_staging_table_of(sync));
                self.staging_tables.extend(table);
            }
        }
    }

    /// Deletes from the tables' folders what was moved there and never committed.
    async fn clear_moved_files(&self, storage: &Storage, tables: &TableLog, sync: Uuid) -> Result<()> {
        for (table, commits) in &self.moved {
            clear_table(storage, tables, table, sync, commits).await.context(|| table.clone())?;
            // Every name of a file has its sync's id in it; uploads of others in the table's folder have not.
            if commits.iter().any(|commit| Unfinished::of(storage).may_be_unfinished(commit.largest)) {
                Unfinished::of(storage).remove_unfinished(table, &sync.simple().to_string()).await?;
            }
        }
        Ok(())
    }

    /// Deletes files that the dead sync was writing in the tables' folders; `false` if they have to stay for now.
    ///
    /// The name of such a file does not tell who writes it. While other syncs live it may be theirs, and the next sync tries
    /// again.
    async fn clear_temporaries(&self, storage: &Storage, alone: bool) -> Result<bool> {
        for (table, _) in &self.moved {
            for folder in [table.clone(), format!("{table}/{DELTA_LOG}")] {
                let left = Unfinished::of(storage).temporaries(&folder);
                if !left.is_empty() && !alone {
                    return Ok(false);
                }
                storage.delete(&left).await?;
            }
        }
        Ok(true)
    }
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
            let loaded = snapshot.transaction(&app_id)?;
            let may_be_forgotten = loaded.is_none() && snapshot.forgets_transactions();
            Ok::<_, Error>(Some((loaded.unwrap_or(0), snapshot.files()?, may_be_forgotten)))
        });
        match read.await? {
            // What a load has added and a later one removed is in no newest version, and readers of older ones need it.
            Some((loaded, mut files, true)) => {
                files.extend(added_by_any_commit(storage, table).await?);
                (loaded, files)
            }
            Some((loaded, files, false)) => (loaded, files),
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

/// The names of the files that the commits add which the log of the table `table` still has.
async fn added_by_any_commit(storage: &Storage, table: &str) -> Result<Vec<String>> {
    let mut commits = storage.list(&format!("{table}/{DELTA_LOG}")).await?;
    commits.retain(|path| path.ends_with(".json"));
    let read = commits.iter().map(|path| async move { Ok::<_, Error>(CommitSummary::read(&storage.get(path).await?)) });
    let read = stream::iter(read.collect::<Vec<_>>()).buffer_unordered(READS);
    read.map_ok(|commit| stream::iter(commit.added.into_iter().map(Ok))).try_flatten().try_collect().await
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
