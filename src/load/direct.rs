//! The `direct` engine: this program commits to the final tables' Delta logs itself.
//!
//! Staged files are copied inside the store into the table's folder (on a disk: linked), then one commit adds them all
//! and writes down, as an application transaction, up to which batch of which sync the table is loaded. Whoever repeats
//! a load, for whatever reason, reads that first. A commit that somebody else's commit came before is made again on the
//! newer version. Exactly one committer per table: nothing here sees a commit service that Databricks may run beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::columns::{Fitted, FoundTable, fit_files, fit_table};
use super::existing_folders::ExistingFolders;
use super::generation;
use super::origin::{self, StoredDescription};
use super::{COUNTED_TABLES, Ending, Loader, Opened, RowsBefore, TableLoader, TableState, open_each};
use crate::clock::ClockAndIds;
use crate::counted::counted;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::table::{CHECKPOINT_INTERVAL, Committed, TableLog, TableSnapshot};
use crate::error::{Error, Result, ResultExt};
use crate::recovery::left_behind::{LeftBehind, LeftInCatalog, application_id};
use crate::recovery::sweep::StagingTables;
use crate::retry::Backoff;
use crate::schema::alter::Alter;
use crate::schema::columns::TableSchema;
use crate::schema::fit::Terms;
use crate::stage::Batch;
use crate::storage::layout::{DELTA_LOG, Target, commit_path};
use crate::storage::{Put, Storage};

/// How often a commit is made again because somebody else's came first.
const ATTEMPTS: u32 = 20;
/// Files copied at the same time for one load.
const COPIES: usize = 8;
/// Tables of which what was read is kept until their first load, some 10 kB each; others are read again.
const KEPT: usize = 1000;
/// Tables loaded at the same time: many, because they share the flushes of the disk.
const LOADS: usize = 256;

/// Loads by committing Delta logs.
#[derive(Clone)]
pub struct Direct {
    storage: Storage,
    tables: TableLog,
    clock_and_ids: ClockAndIds,
    sync: Uuid,
    /// Tables may get new columns.
    evolution: bool,
    /// The right to keep what was read of a table until its first load.
    kept: Arc<Semaphore>,
}

/// What is known while the tables of a sync are opened.
struct Opening<'a> {
    engine: &'a Direct,
    folders: ExistingFolders,
    /// There are so few tables that their rows are counted.
    counts_rows: bool,
}

struct DirectTable {
    engine: Direct,
    target: Arc<Target>,
    exists: bool,
    known: KnownVersion,
    table_state: TableState,
    /// The columns of the staged files.
    files: Arc<TableSchema>,
    /// The generation of the rows that were there when the sync began.
    found: Option<i64>,
}

/// What the next load knows of the table's newest version without reading the log again.
enum KnownVersion {
    /// Nothing.
    None,
    /// The table as it was opened. The log cannot have a load of this sync yet: each sync has a new id.
    Opened(TableSnapshot, OwnedSemaphorePermit),
    /// This sync created the table and wrote all of its commits: the newest version, and the last batch in it.
    Own { version: u64, batch: i64 },
}

impl Direct {
    /// An engine for the sync `sync`; with `evolution`, tables get the columns that their streams have and they lack.
    pub fn new(storage: &Storage, tables: &TableLog, clock_and_ids: ClockAndIds, sync: Uuid, evolution: bool) -> Self {
        let kept = Arc::new(Semaphore::new(KEPT));
        Self { storage: storage.clone(), tables: tables.clone(), clock_and_ids, sync, evolution, kept }
    }

    /// How the stream of `target` goes into the table `snapshot`, whose rows it `replaces_all` at its end or adds to.
    fn fit(&self, target: &Target, snapshot: &TableSnapshot, replaces_all: bool) -> Result<Fitted> {
        let (shown, replaces) = (self.storage.shown(&target.table), target.write_mode.removes_rows());
        snapshot.ensure_writable(replaces)?;
        let (named, columns) = (snapshot.columns(), snapshot.found_columns());
        let found = FoundTable { shown: &shown, named, columns: &columns };
        let fitted = fit_table(target, found, self.terms(replaces_all))?;
        origin::ensure_own(&shown, StoredDescription::InLog(snapshot.description()), target, replaces)?;
        Ok(fitted)
    }

    /// The kernel writes no table that has been widened.
    fn terms(&self, replaces: bool) -> Terms {
        Terms { evolution: self.evolution, replaces, widens: false }
    }
}

impl Opening<'_> {
    async fn open(&self, target: Arc<Target>) -> Result<Opened> {
        let target = self.named(target).await?;
        let left_behind = LeftBehind::Files(target.table.clone());
        let table = Box::new(self.open_table(target).await?);
        let schema = Arc::clone(&table.files);
        Ok(Opened { table, left_behind, schema })
    }

    async fn exists(&self, table: &str) -> Result<bool> {
        if !self.folders.may_have(table) {
            return Ok(false);
        }
        self.engine.storage.has_any(&format!("{table}/{DELTA_LOG}")).await
    }

    async fn open_table(&self, target: Arc<Target>) -> Result<DirectTable> {
        let mut exists = self.exists(&target.table).await?;
        let mut table_state = TableState::of(&target, false, None, RowsBefore::NotAsked);
        let (mut known, mut generation) = (KnownVersion::None, None);
        let mut fitted = Fitted::new_table(&target);
        if exists {
            let found = self.engine.tables.run(|logs| {
                let Some(snapshot) = logs.find(&target.table)? else { return Ok(None) };
                let generation =
                    target.generation_id.map(|id| generation::read_generation(&snapshot, id)).transpose()?.flatten();
                let mut table_state = TableState::of(&target, true, generation, RowsBefore::NotAsked);
                let fitted = self.engine.fit(&target, &snapshot, table_state.replaces)?;
                // What is replaced is counted when it goes. No sync fails for a number that only people read.
                if self.counts_rows && !table_state.replaces {
                    table_state.rows = snapshot.rows().ok().flatten().into();
                }
                Ok::<_, Error>(Some((table_state, generation, fitted, snapshot)))
            });
            // A log without a commit is what somebody left who never made the table.
            let found = found.await?;
            exists = found.is_some();
            if let Some((found, of_its_rows, how, snapshot)) = found {
                (table_state, generation, fitted) = (found, of_its_rows, how);
                if let Ok(permit) = Arc::clone(&self.engine.kept).try_acquire_owned() {
                    known = KnownVersion::Opened(snapshot, permit);
                }
            }
        }
        generation::warn_of_newer(&self.engine.storage.shown(&target.table), &target, generation);
        fitted.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let files = fitted.files;
        Ok(DirectTable { engine: self.engine.clone(), target, exists, known, table_state, files, found: generation })
    }

    /// `target` with the name that its table has: one that an older version made goes on under its older name.
    async fn named(&self, target: Arc<Target>) -> Result<Arc<Target>> {
        let Some(older) = target.older.as_deref() else { return Ok(target) };
        if self.exists(&target.table).await? || !self.exists(older).await? {
            return Ok(target);
        }
        let shown = self.engine.storage.shown(older);
        let is_own = self.engine.tables.run(|logs| origin::is_own_log(logs, older, &shown, &target)).await?;
        Ok(if is_own { Arc::new(Target { table: older.to_owned(), ..Target::clone(&target) }) } else { target })
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

    async fn prepare(&mut self) -> Result<()> {
        // The table is made by the commit of its first rows.
        Ok(())
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
    /// With `replace`, all rows that are there go, and it is told how many they are, if that is known.
    async fn load(&mut self, batches: &[Batch], replace: Option<&mut Option<u64>>) -> Result<()> {
        let files: Vec<DataFile> = batches.iter().flat_map(|batch| batch.files.iter().cloned()).collect();
        self.copy(&files)
            .await
            .context(|| format!("copying {} into the table's folder", counted(files.len() as u64, "file")))?;
        // No commit may name a file that a loss of power could still take away.
        self.engine.storage.flush().await?;
        // A replacement without rows is a load like any other: it needs a number to be known by when it is repeated.
        let through = batches.last().map_or(1, |batch| batch.number);
        self.commit(&files, through, replace).await?;
        self.engine.storage.flush().await
    }

    async fn commit(&mut self, files: &[DataFile], through: i64, mut replace: Option<&mut Option<u64>>) -> Result<()> {
        let app_id = application_id(self.engine.sync);
        let mut transactions = vec![(app_id.clone(), through)];
        transactions.extend(self.target.generation_id.map(|id| (generation::TRANSACTION.to_owned(), id)));
        if !self.exists {
            let created = self.create(files, transactions.clone()).await?;
            self.exists = true;
            if created == Put::Created {
                self.known = KnownVersion::Own { version: 0, batch: through };
                return Ok(());
            }
        }
        if replace.is_none() && self.append_to_own(files, through, transactions.clone()).await? {
            return Ok(());
        }
        let shown = self.engine.storage.shown(&self.target.table);
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(1280), None);
        for _ in 0..ATTEMPTS {
            let known = std::mem::replace(&mut self.known, KnownVersion::None);
            let own = if let KnownVersion::Own { version, .. } = known { Some(version) } else { None };
            let left = replace.as_deref_mut();
            let committed = self.engine.tables.run(|logs| {
                if let KnownVersion::Opened(snapshot, _permit) = known {
                    let changes = self.changes(&snapshot, left.is_some())?;
                    return snapshot.commit(&self.files, &changes, files, &transactions, left);
                }
                let snapshot = logs.read(&self.target.table)?;
                let loaded = snapshot.transaction(&app_id)?;
                if loaded.is_some_and(|loaded| loaded >= through) {
                    return Ok(Committed::Before);
                }
                let now = self
                    .target
                    .generation_id
                    .map(|id| generation::read_generation(&snapshot, id))
                    .transpose()?
                    .flatten();
                // What this sync has loaded itself is of its generation too.
                let replaces = left.is_some() && loaded.is_none();
                generation::ensure_not_overtaken(&shown, &self.target, (self.found, now), replaces)?;
                let changes = self.changes(&snapshot, left.is_some())?;
                snapshot.commit(&self.files, &changes, files, &transactions, left)
            });
            match committed.await? {
                Committed::As(version) => {
                    if own.is_some_and(|own| own + 1 == version) {
                        self.known = KnownVersion::Own { version, batch: through };
                    }
                    return Ok(());
                }
                Committed::Before => return Ok(()),
                Committed::Conflict => {}
            }
            backoff.wait(None).await;
        }
        Err(Error::transient(format!(
            "Table {shown} is being written by somebody else: {ATTEMPTS} commits came in between."
        )))
    }

    /// What the table `snapshot` needs for the staged files, whoever has changed it since it was opened.
    fn changes(&self, snapshot: &TableSnapshot, replaces: bool) -> Result<Vec<Alter>> {
        let shown = self.engine.storage.shown(&self.target.table);
        let terms = self.engine.terms(replaces);
        fit_files(&self.files, (&shown, &self.target.stream), || snapshot.found_columns(), terms)
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

    /// Makes the table with its first rows in one commit, unless somebody else has made it meanwhile.
    async fn create(&self, files: &[DataFile], transactions: Vec<(String, i64)>) -> Result<Put> {
        let mode = self.target.write_mode.airbyte_mode();
        let properties = [
            ("airbyte.destinationSyncMode", mode),
            ("delta.autoOptimize.optimizeWrite", "true"),
            ("delta.autoOptimize.autoCompact", "true"),
        ];
        let create = TableMetadata {
            id: (self.engine.clock_and_ids.new_id)(),
            description: origin::description(&self.target.stream),
            configuration: BTreeMap::from(properties.map(|(key, value)| (key.to_owned(), value.to_owned()))),
        };
        let commit =
            Commit { schema: &self.files, create: Some(create), transactions, add: files, readers: Readers::All };
        let bytes = commit.to_bytes(self.engine.clock_and_ids.clock.now_ms());
        self.engine.storage.put_new(&commit_path(&self.target.table, 0), bytes).await
    }
}
