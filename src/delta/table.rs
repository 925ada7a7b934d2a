//! Tables that are there already: reading what they are and committing to them, through delta-kernel.
//!
//! [`TableLog::run`] lends [`Logs`], which replay a log once into a [`Snapshot`]; a snapshot answers what the table's columns
//! are, which batches it has, and commits. A commit either happens whole, or is refused because somebody else committed in
//! between; then the caller reads again and asks again whether its batch is there. The kernel works synchronously and
//! waits for files that other threads of the runtime read: all of it goes through [`TableLog::run`], which never lets
//! so many calls in that no thread is left to serve them.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use delta_kernel::snapshot::{Snapshot as KernelSnapshot, SnapshotRef};
use delta_kernel::{KernelError, KernelResult};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use url::Url;

use super::actions::DataFile;
use super::commit::{self, Load};
use super::damage::{self, SMALL, may_be_damage, ways_around};
use super::described;
use super::engine::{GoesOn, LogEngine};
use super::files::{CommitFile, LogFiles};
use super::refusals::{sorted, unreadable};
use crate::error::{Error, Result};
use crate::schema::columns::TableSchema;
use crate::storage::Storage;

pub use super::commit::{CHECKPOINT_INTERVAL, Committed};
pub use super::described::Described;

/// Reads the logs of tables in one storage.
#[derive(Clone)]
pub struct TableLog {
    logs: Logs,
    calls: Arc<Semaphore>,
}

/// What work on logs is done with, on a thread that may block.
#[derive(Clone)]
pub struct Logs {
    engine: LogEngine,
    storage: Storage,
}

/// A table at one version.
pub struct Snapshot {
    /// Shows the kernel what of the log can be read.
    engine: LogEngine,
    inner: SnapshotRef,
    shown: String,
    /// The same without the checkpoint that turned out to be damaged in use: read on, and a commit writes a new one.
    around: OnceLock<(LogEngine, SnapshotRef)>,
}

impl TableLog {
    /// A reader of the tables in `storage`, running on `runtime`; each of `calls` into the kernel at the same time keeps
    /// one of its threads waiting.
    pub fn new(storage: &Storage, runtime: &Handle, calls: usize) -> Self {
        let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.clone()));
        let engine = DefaultEngineBuilder::new(Arc::clone(storage.store())).with_task_executor(executor).build();
        let flushed = storage.clone();
        let engine = LogEngine::new(Arc::new(engine), Arc::new(move || flushed.flush_blocking()));
        Self { logs: Logs { engine, storage: storage.clone() }, calls: Arc::new(Semaphore::new(calls)) }
    }

    /// The same with listings that end with an error when `goes_on` says so.
    #[must_use]
    pub fn while_going_on(mut self, goes_on: GoesOn) -> Self {
        self.logs.engine = self.logs.engine.while_going_on(goes_on);
        self
    }

    /// Does `work`, when its turn has come.
    pub async fn run<T>(&self, work: impl FnOnce(&Logs) -> T) -> T {
        // Never closed; without a permit the work would still be right, only crowded.
        let _turn = self.calls.acquire().await;
        block_in_place(|| work(&self.logs))
    }
}

impl Logs {
    /// The newest version of the table in `folder`, which must have a log.
    pub fn read(&self, folder: &str) -> Result<Snapshot> {
        let none = || Error::transient(format!("The log of table {} is gone.", self.storage.shown(folder)));
        self.find(folder)?.ok_or_else(none)
    }

    /// The newest version of the table in `folder`; `None` where its log has neither a commit nor a checkpoint.
    ///
    /// # Errors
    ///
    /// A config error for a table that this program cannot read and for a damaged log: it says what is damaged.
    pub fn find(&self, folder: &str) -> Result<Option<Snapshot>> {
        let url = self.storage.url(folder)?;
        let built = build(&url, None, &self.engine);
        self.found(folder, &url, built)
    }

    /// What the newest version of the table in `folder` says of itself, and the version where this program could read its rows
    /// as well; `None` as for [`Logs::find`].
    ///
    /// # Errors
    ///
    /// As for [`Logs::find`], but for features that this program does not know.
    pub fn describe(&self, folder: &str) -> Result<Option<(Described, Option<Snapshot>)>> {
        let url = self.storage.url(folder)?;
        let built = build(&url, None, &self.engine);
        let is_unknown =
            built.as_ref().is_err_and(|error| matches!(error.without_backtrace(), KernelError::Unsupported(_)));
        if is_unknown && let Ok(Some(described)) = described::read(&url, &self.engine) {
            return Ok(Some((described, None)));
        }
        let Some(snapshot) = self.found(folder, &url, built)? else { return Ok(None) };
        let described = Described::of(snapshot.inner.table_configuration().metadata());
        let described =
            described.ok_or_else(|| Error::system(format!("The columns of table {} are not seen.", snapshot.shown)))?;
        Ok(Some((described, Some(snapshot))))
    }

    fn found(&self, folder: &str, url: &Url, built: KernelResult<SnapshotRef>) -> Result<Option<Snapshot>> {
        let shown = self.storage.shown(folder);
        let mut error = match built {
            Ok(inner) => return Snapshot::of(self.engine.clone(), inner, shown).map(Some),
            Err(error) => error,
        };
        let Ok(files) = LogFiles::of(url, &self.engine) else { return Err(sorted(&shown, "read", error)) };
        if !may_be_damage(&error) {
            return Err(unreadable(&shown, &files, &self.engine, error));
        }
        if !files.has_table() && files.traces.is_empty() {
            return Ok(None);
        }
        for hidden in ways_around(&files) {
            let engine = self.engine.hiding(hidden);
            match build(url, None, &engine) {
                Ok(inner) => {
                    let told = damage::told(&shown, hidden, &error);
                    let snapshot = Snapshot::of(engine, inner, shown)?;
                    tracing::warn!("{told}");
                    return Ok(Some(snapshot));
                }
                // What only saves work is the first to fail; what is wrong with the rest shows without it.
                Err(of_the_rest) => error = of_the_rest,
            }
        }
        Err(match damage::diagnosis(&shown, &files, &self.engine) {
            Some(found) => found.with_source(error.without_backtrace().to_string()),
            None => sorted(&shown, "read", error),
        })
    }
}

impl Snapshot {
    /// Refuses a log of which a commit says nothing.
    fn of(engine: LogEngine, inner: SnapshotRef, shown: String) -> Result<Self> {
        match silent(&inner, &engine) {
            Ok(None) => Ok(Self { engine, inner, shown, around: OnceLock::new() }),
            Ok(Some((commit, what))) => Err(damage::of_commit(&shown, &commit, inner.version(), &what)),
            Err(error) => Err(sorted(&shown, "read", error)),
        }
    }

    /// The table's columns: names and types as Delta writes them.
    pub fn columns(&self) -> Vec<(String, String)> {
        let schema = self.inner.schema();
        schema.fields().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    }

    /// The version of application transaction `app_id`, if the table has one.
    pub fn transaction(&self, app_id: &str) -> Result<Option<i64>> {
        self.around("read", |inner, engine| inner.get_app_id_version(app_id, engine))
    }

    /// What the table says of itself.
    pub fn description(&self) -> Option<&str> {
        self.inner.table_configuration().metadata().description()
    }

    /// A property of the table that Delta Lake itself gives no meaning.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.inner.table_properties().unknown_properties.get(key).map(String::as_str)
    }

    /// Whether this program may write to the table: no partitions, and no feature that it does not know; for `replace`,
    /// no promise that rows are never removed.
    pub fn ensure_writable(&self, replace: bool) -> Result<()> {
        commit::ensure_writable(&self.inner, &self.engine, &self.shown, replace)
    }

    /// The names of the table's files.
    pub fn files(&self) -> Result<Vec<String>> {
        self.around("read", |inner, engine| {
            let scan = Arc::clone(inner).scan_builder().build()?;
            let mut files = Vec::new();
            for metadata in scan.scan_metadata(engine)? {
                files = metadata?.visit_scan_files(files, |files, file| files.push(file.path))?;
            }
            Ok(files)
        })
    }

    /// How many rows the table has by the statistics of its log; `None` where a file has none.
    pub fn rows(&self) -> Result<Option<u64>> {
        self.around("read", commit::rows)
    }

    /// Commits `files`, whose columns are those of `schema`, with the application transactions of `transactions`; with `replace`, every file that is in the
    /// table now leaves it in the same commit, and it is told how many rows those have by the log's statistics. Files must
    /// lie in the table's folder already.
    pub fn commit(
        &self,
        schema: &TableSchema,
        files: &[DataFile],
        transactions: &[(String, i64)],
        replace: Option<&mut Option<u64>>,
    ) -> Result<Committed> {
        let left = Cell::new(None);
        let load = Load { schema, files, transactions, replace: replace.is_some().then_some(&left) };
        let committed = self.around("write", |inner, engine| commit::commit(inner, engine, &self.shown, &load));
        replace.into_iter().for_each(|told| *told = left.get());
        committed
    }

    /// Does `work`; where a checkpoint may be what it fails of, again without the checkpoint, at the same version.
    fn around<T>(&self, verb: &str, work: impl Fn(&SnapshotRef, &LogEngine) -> KernelResult<T>) -> Result<T> {
        let (engine, inner) = self.around.get().map_or((&self.engine, &self.inner), |(engine, inner)| (engine, inner));
        let error = match work(inner, engine) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if let Some(done) = self.again(&error, work) {
            return Ok(done);
        }
        let files = may_be_damage(&error).then(|| LogFiles::of(self.inner.table_root(), &self.engine).ok()).flatten();
        Err(match files.and_then(|files| damage::diagnosis(&self.shown, &files, &self.engine)) {
            Some(found) => found.with_source(error.without_backtrace().to_string()),
            None => sorted(&self.shown, verb, error),
        })
    }

    fn again<T>(&self, error: &KernelError, work: impl Fn(&SnapshotRef, &LogEngine) -> KernelResult<T>) -> Option<T> {
        if !may_be_damage(error) {
            return None;
        }
        let url: &Url = self.inner.table_root();
        let files = LogFiles::of(url, &self.engine).ok().filter(|files| !files.checkpoints.is_empty())?;
        ways_around(&files).into_iter().find_map(|hidden| {
            let engine = self.engine.hiding(hidden);
            let inner = build(url, Some(self.inner.version()), &engine).ok()?;
            let silent = silent(&inner, &engine).ok()?;
            let done = silent.is_none().then(|| work(&inner, &engine).ok()).flatten()?;
            tracing::warn!("{}", damage::told(&self.shown, hidden, error));
            // Only the first is kept; a second one in the same snapshot is gone around again.
            self.around.get_or_init(|| (engine, inner));
            Some(done)
        })
    }
}

/// The table at `url`, at its newest version or at `version`.
fn build(url: &Url, version: Option<u64>, engine: &LogEngine) -> KernelResult<SnapshotRef> {
    let builder = KernelSnapshot::builder_for(url);
    let inner = version.into_iter().fold(builder, |builder, version| builder.at_version(version)).build(engine)?;
    // The kernel takes commits that begin anywhere for a whole log, if there is no checkpoint.
    if !commit::is_whole(&inner) {
        return Err(KernelError::MissingVersion(0));
    }
    Ok(inner)
}

/// A commit that the kernel takes for one without actions, though it may be on its way, or cut short, and what is wrong with it.
///
/// Only commits after the checkpoint are looked at, and of these only such are read as are too small for an action. A checksum
/// keeps the kernel from reading the newest one, so that is read here, whatever its size.
fn silent(inner: &SnapshotRef, engine: &LogEngine) -> KernelResult<Option<(CommitFile, String)>> {
    let listed = &inner.log_segment().listed;
    let newest = listed.latest_commit_file.as_ref().filter(|commit| commit.version == inner.version());
    let unread = listed.latest_crc_file.as_ref().is_some_and(|crc| crc.version == inner.version());
    let commits = listed.ascending_commit_files.iter().chain(newest);
    let looked_at =
        commits.filter(|commit| commit.location.size <= SMALL || (unread && commit.version == inner.version()));
    let looked_at = looked_at.map(|commit| CommitFile {
        version: commit.version,
        size: commit.location.size,
        url: commit.location.location.clone(),
    });
    damage::first_broken(looked_at.collect(), engine)
}
