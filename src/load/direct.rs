//! The `direct` engine: this program commits to the final tables' Delta logs itself.
//!
//! A load copies the staged files into the table's folder (on a disk: links them), then adds them all in one commit. An
//! application transaction in that commit records the sync and its last loaded batch; a repeated load reads it first, so that no
//! batch is added twice. If another commit took the version, the load commits again on the newer one. Only this engine may commit
//! to a table: it does not know commit services such as the one of Databricks.

mod keyed;
mod merging;
mod newest;
mod opening;
mod parquet_file;
mod rewriting;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::keyed::Keyed;
use self::merging::Merging;
use self::opening::Opening;
use super::columns::{Fitted, FoundTable, ensure_written_alike, fit_files, fit_table};
use super::existing_folders::ExistingFolders;
use super::generation;
use super::origin::{self, StoredDescription};
use super::{COUNTED_TABLES, Ending, Loader, Opened, RowsBefore, TableLoader, TableState, open_each};
use crate::clock::ClockAndIds;
use crate::counted::counted;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::commit_path;
use crate::delta::table::{CHECKPOINT_INTERVAL, Change, Committed, Removes, TableLog, TableSnapshot};
use crate::error::{Error, Result, ResultExt};
use crate::recovery::left_behind::{LeftInCatalog, application_id};
use crate::recovery::sweep::StagingTables;
use crate::retry::Backoff;
use crate::schema::alter::Alter;
use crate::schema::columns::{Layout, TableSchema};
use crate::schema::dedup;
use crate::schema::fit::Terms;
use crate::stage::Batch;
use crate::storage::{Put, Storage};
use crate::target::Target;

/// How often one load tries to commit when other commits come first.
const ATTEMPTS: u32 = 20;
/// How many files of one load are copied at the same time.
const COPIES: usize = 8;
/// How many tables keep the snapshot of their opening until their first load, about 10 kB each. The others are read again.
const KEPT: usize = 1000;
/// How many tables are loaded at the same time: many, because they share the flushes of the disk.
const LOADS: usize = 256;

/// Loads by committing Delta logs.
#[derive(Clone)]
pub struct Direct {
    storage: Storage,
    tables: TableLog,
    clock_and_ids: ClockAndIds,
    sync: Uuid,
    /// Whether tables may get new columns.
    evolution: bool,
    /// Permits to keep a table's snapshot until its first load.
    kept: Arc<Semaphore>,
    merging: Merging,
}

struct DirectTable {
    engine: Direct,
    target: Arc<Target>,
    exists: bool,
    known: KnownVersion,
    table_state: TableState,
    /// The columns of the staged files.
    files: Arc<TableSchema>,
    /// The generation of the table's rows when the sync began.
    found: Option<i64>,
    /// How its rows replace one another; none where all are kept.
    keyed: Option<Box<Keyed>>,
}

/// What the next load knows of the table's newest version without reading the log again.
enum KnownVersion {
    /// Nothing: read the log.
    None,
    /// The table as it was opened. The log cannot have a load of this sync yet: each sync has a new id.
    Opened(TableSnapshot, OwnedSemaphorePermit),
    /// This sync created the table and wrote all of its commits: the newest version, and the last batch in it.
    Own { version: u64, batch: i64 },
}

impl Direct {
    /// The engine of the sync `sync`. With `evolution`, tables get the columns that their streams have and they lack.
    pub fn new(storage: &Storage, tables: &TableLog, clock_and_ids: ClockAndIds, sync: Uuid, evolution: bool) -> Self {
        let (kept, merging) = (Arc::new(Semaphore::new(KEPT)), Merging::new(0, 1));
        Self { storage: storage.clone(), tables: tables.clone(), clock_and_ids, sync, evolution, kept, merging }
    }

    /// The same whose loads by keys together take at most about `memory` bytes and `workers` processors.
    #[must_use]
    pub fn with_memory(self, memory: usize, workers: usize) -> Self {
        Self { merging: Merging::new(memory, workers), ..self }
    }

    /// How the stream of `target` goes into the table `snapshot`, whose rows it `replaces_all` at its end or adds to.
    fn fit(&self, target: &Target, snapshot: &TableSnapshot, replaces_all: bool) -> Result<Fitted> {
        let (shown, replaces) = (self.storage.shown(&target.table), target.removes_rows());
        snapshot.ensure_writable(replaces)?;
        if target.dedup.is_some() {
            snapshot.ensure_replaceable_by_key()?;
            if !replaces_all {
                ensure_written_alike(target, &shown, snapshot.property(dedup::PROPERTY))?;
                snapshot.ensure_own_files()?;
            }
        }
        let (named, columns) = (snapshot.columns(), snapshot.found_columns());
        let found = FoundTable { shown: &shown, named, columns: &columns };
        let fitted = fit_table(target, found, self.terms(snapshot, replaces_all))?;
        if fitted.files.layout() != Layout::Raw {
            snapshot.ensure_takes(&fitted.files)?;
        }
        origin::ensure_own(&shown, StoredDescription::InLog(snapshot.description()), target, replaces)?;
        Ok(fitted)
    }

    fn terms(&self, snapshot: &TableSnapshot, replaces: bool) -> Terms {
        Terms { evolution: self.evolution, replaces, widens: self.evolution && snapshot.widens() }
    }
}

#[async_trait]
impl Loader for Direct {
    async fn open_all(&self, targets: &[Arc<Target>]) -> Result<Vec<Result<Opened>>> {
        let folders = ExistingFolders::list(&self.storage, targets.iter().map(|target| target.table.as_str())).await?;
        let opening = Opening { engine: self, folders, counts_rows: targets.len() <= COUNTED_TABLES };
        Ok(open_each(targets, self.parallelism(), |target| opening.open(target)).await)
    }

    fn parallelism(&self) -> usize {
        LOADS
    }

    async fn end(&self, _ending: Ending) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl StagingTables for Direct {
    async fn clear(&self, _sync: Uuid, left: &LeftInCatalog) -> Result<bool> {
        Ok(left.staging_tables.is_empty())
    }
}

#[async_trait]
impl TableLoader for DirectTable {
    fn table_state(&self) -> TableState {
        self.table_state
    }

    async fn append(&mut self, batches: &[Batch]) -> Result<()> {
        if batches.is_empty() && self.exists {
            return Ok(());
        }
        self.load(batches, None).await
    }

    async fn replace(&mut self, batches: &[Batch]) -> Result<RowsBefore> {
        let mut removed = None;
        self.load(batches, Some(&mut removed)).await?;
        Ok(removed.into())
    }
}

impl DirectTable {
    /// Adds the rows of `batches`. With `replace`, the same commit removes all rows of the table, and `replace` receives their
    /// number if the log has it.
    async fn load(&mut self, batches: &[Batch], replace: Option<&mut Option<u64>>) -> Result<()> {
        // A replacement without rows needs a batch number too, so that its repetition is recognized.
        let through = batches.last().map_or(1, |batch| batch.number);
        if let Some(mut keyed) = self.keyed.take() {
            let loaded = self.load_by_key(&mut keyed, batches, through, replace).await;
            self.keyed = Some(keyed);
            return loaded;
        }
        let files: Vec<DataFile> = batches.iter().flat_map(|batch| batch.files.iter().cloned()).collect();
        self.copy(&files)
            .await
            .context(|| format!("copying {} into the table's folder", counted(files.len() as u64, "file")))?;
        // A commit must not name a file that a power failure can still lose.
        self.engine.storage.flush().await?;
        self.commit(&files, through, replace).await?;
        self.engine.storage.flush().await
    }

    async fn commit(&mut self, files: &[DataFile], through: i64, mut replace: Option<&mut Option<u64>>) -> Result<()> {
        let transactions = transactions(self.engine.sync, &self.target, through);
        if !self.exists {
            let created = self.create(files, transactions.clone(), None).await?;
            self.exists = true;
            if created == Put::Created {
                self.known = KnownVersion::Own { version: 0, batch: through };
                return Ok(());
            }
        }
        if replace.is_none() && self.append_to_own(files, through, transactions.clone()).await? {
            return Ok(());
        }
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(1280), None);
        for _ in 0..ATTEMPTS {
            let known = std::mem::replace(&mut self.known, KnownVersion::None);
            let own = if let KnownVersion::Own { version, .. } = known { Some(version) } else { None };
            let replaces = replace.is_some();
            let committed = self.engine.tables.run(|logs| {
                let snapshot = match known {
                    KnownVersion::Opened(snapshot, _permit) => snapshot,
                    KnownVersion::None | KnownVersion::Own { .. } => {
                        let snapshot = logs.read(&self.target.table)?;
                        if self.is_loaded(&snapshot, through, replaces)? {
                            return Ok(None);
                        }
                        snapshot
                    }
                };
                let changes = self.changes(&snapshot, replaces)?;
                // There may be several rows of one key from now on.
                let property = snapshot.property(dedup::PROPERTY).map(|_| (dedup::PROPERTY, None));
                let left = Cell::new(None);
                let removes = if replaces { Removes::All(&left) } else { Removes::Nothing };
                let (schema, transactions) = (&*self.files, &transactions[..]);
                let change = Change { schema, files, transactions, changes: &changes, property, removes };
                Ok::<_, Error>(Some((snapshot.commit(&change)?, left.get())))
            });
            let (committed, left) = committed.await?.unzip();
            replace.iter_mut().for_each(|removed| **removed = left.flatten());
            match committed {
                Some(Committed::As(version)) => {
                    if own.is_some_and(|own| own + 1 == version) {
                        self.known = KnownVersion::Own { version, batch: through };
                    }
                    return Ok(());
                }
                // It has the load already.
                None => return Ok(()),
                Some(Committed::Conflict) => {}
            }
            backoff.wait(None).await;
        }
        let shown = self.engine.storage.shown(&self.target.table);
        Err(Error::transient(format!(
            "Table {shown} is being written by somebody else: {ATTEMPTS} commits came in between."
        )))
    }

    /// Whether the table `snapshot` has the load up to the batch `through`, which `replaces` all rows or adds to them.
    ///
    /// # Errors
    /// Another sync has overtaken this one.
    fn is_loaded(&self, snapshot: &TableSnapshot, through: i64, replaces: bool) -> Result<bool> {
        let loaded = snapshot.transaction(&application_id(self.engine.sync))?;
        if loaded.is_some_and(|loaded| loaded >= through) {
            return Ok(true);
        }
        let read = |id| generation::read_generation(snapshot, id);
        let now = self.target.generation_id.map(read).transpose()?.flatten();
        // Rows that this sync has loaded itself have its generation, and are not in the way.
        let (shown, replaces) = (self.engine.storage.shown(&self.target.table), replaces && loaded.is_none());
        generation::ensure_not_overtaken(&shown, &self.target, (self.found, now), replaces)?;
        Ok(false)
    }

    /// What the table `snapshot` needs for the staged files, whoever has changed it since it was opened.
    fn changes(&self, snapshot: &TableSnapshot, replaces: bool) -> Result<Vec<Alter>> {
        let shown = self.engine.storage.shown(&self.target.table);
        let terms = self.engine.terms(snapshot, replaces);
        fit_files(&self.files, (&shown, &self.target.stream), || snapshot.found_columns(), terms, true)
    }

    /// Appends to a table of which this sync wrote all commits, without reading its log again. `false`, and nothing is written,
    /// if the log has to be read: somebody else wrote a commit, or a checkpoint is due.
    async fn append_to_own(
        &mut self,
        files: &[DataFile],
        through: i64,
        transactions: Vec<(String, i64)>,
    ) -> Result<bool> {
        let KnownVersion::Own { version, batch } = self.known else { return Ok(false) };
        let next = version + 1;
        if batch >= through {
            return Ok(true);
        }
        if next.is_multiple_of(CHECKPOINT_INTERVAL) {
            return Ok(false);
        }
        let commit = Commit { schema: &self.files, create: None, transactions, add: files, readers: Readers::All };
        let bytes = commit.to_bytes(self.engine.clock_and_ids.clock.now_ms());
        let put = self.engine.storage.put_new(&commit_path(&self.target.table, next), bytes).await?;
        let is_created = put == Put::Created;
        self.known = if is_created { KnownVersion::Own { version: next, batch: through } } else { KnownVersion::None };
        Ok(is_created)
    }

    async fn copy(&self, files: &[DataFile]) -> Result<()> {
        let Self { engine, target, .. } = self;
        let copies = files.iter().map(|file| {
            let (from, to) = (format!("{}/{}", target.staging, file.name), format!("{}/{}", target.table, file.name));
            async move { engine.storage.copy_new(&from, &to, file.size).await }
        });
        stream::iter(copies.collect::<Vec<_>>()).buffer_unordered(COPIES).try_collect::<()>().await
    }

    /// Creates the table with its first rows in one commit; [`Put::Exists`] if somebody else has created it in the meantime.
    async fn create(
        &self,
        files: &[DataFile],
        transactions: Vec<(String, i64)>,
        property: Option<(&str, &str)>,
    ) -> Result<Put> {
        let mode = self.target.airbyte_mode();
        let properties = [
            ("airbyte.destinationSyncMode", mode),
            ("delta.autoOptimize.optimizeWrite", "true"),
            ("delta.autoOptimize.autoCompact", "true"),
        ];
        let properties = properties.into_iter().chain(property);
        let create = TableMetadata {
            id: (self.engine.clock_and_ids.new_id)(),
            description: origin::description(&self.target.stream),
            configuration: properties.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        };
        let commit =
            Commit { schema: &self.files, create: Some(create), transactions, add: files, readers: Readers::All };
        let bytes = commit.to_bytes(self.engine.clock_and_ids.clock.now_ms());
        self.engine.storage.put_new(&commit_path(&self.target.table, 0), bytes).await
    }
}

/// The application transactions of a load up to the batch `through`.
fn transactions(sync: Uuid, target: &Target, through: i64) -> Vec<(String, i64)> {
    let generation = target.generation_id.map(|id| (generation::TRANSACTION.to_owned(), id));
    [(application_id(sync), through)].into_iter().chain(generation).collect()
}

#[cfg(test)]
#[path = "direct_tests.rs"]
mod tests;
