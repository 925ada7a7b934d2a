//! Existing tables: reading and committing to them, through delta-kernel.
//!
//! [`TableLog::run`] lends [`Logs`], which replay a log once into a [`TableSnapshot`]; a snapshot has the table's columns and
//! the batches that are in it, and commits. A commit either happens whole, or is refused because somebody else committed in
//! between; then the caller reads again and checks whether its batch is in the table. The kernel works synchronously and
//! waits for files that other threads of the runtime read: all of it goes through [`TableLog::run`], which never lets
//! so many calls in that no thread is left to serve them.

use std::sync::{Arc, OnceLock};

use delta_kernel::snapshot::{Snapshot as KernelSnapshot, SnapshotRef};
use delta_kernel::{KernelError, KernelResult};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use url::Url;

use super::clustered;
use super::commit;
use super::damage::{self, SMALL_COMMIT, fallbacks, may_be_damage};
use super::described;
use super::engine::{GoesOn, LogEngine};
use super::files::{CommitFile, LogFiles};
use super::found;
use super::kernel_errors::{classify, read_error};
use super::some_files;
use super::widening;
use crate::error::{Error, Result};
use crate::schema::columns::TableSchema;
use crate::schema::table_type::FoundColumn;
use crate::storage::Storage;

pub use super::commit::{CHECKPOINT_INTERVAL, Change, Committed, Removes};
pub use super::described::Described;
pub use super::some_files::{TableFile, name_of};

/// Reads the logs of tables in one storage.
#[derive(Clone)]
pub struct TableLog {
    logs: Logs,
    calls: Arc<Semaphore>,
}

/// Access to logs, for a thread that may block.
#[derive(Clone)]
pub struct Logs {
    engine: LogEngine,
    storage: Storage,
}

/// A table at one version.
pub struct TableSnapshot {
    /// Hides from the kernel what of the log cannot be read.
    engine: LogEngine,
    inner: SnapshotRef,
    shown: String,
    /// The same without a checkpoint that turned out to be damaged in use; the next commit writes a new one.
    fallback: OnceLock<(LogEngine, SnapshotRef)>,
}

impl TableLog {
    /// A reader of the tables in `storage`, running on `runtime`. At most `calls` calls into the kernel run at the same time:
    /// each keeps one thread of the runtime waiting.
    pub fn new(storage: &Storage, runtime: &Handle, calls: usize) -> Self {
        let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.clone()));
        let engine = DefaultEngineBuilder::new(Arc::clone(storage.store())).with_task_executor(executor).build();
        let flushed = storage.clone();
        let engine = LogEngine::new(Arc::new(engine), Arc::new(move || flushed.flush_blocking()));
        Self { logs: Logs { engine, storage: storage.clone() }, calls: Arc::new(Semaphore::new(calls)) }
    }

    /// The same whose listings end with an error as soon as `goes_on` is false.
    #[must_use]
    pub fn while_going_on(mut self, goes_on: GoesOn) -> Self {
        self.logs.engine = self.logs.engine.while_going_on(goes_on);
        self
    }

    /// Does `work` on this thread as soon as fewer than the allowed calls are running.
    pub async fn run<T>(&self, work: impl FnOnce(&Logs) -> T) -> T {
        // The semaphore is never closed; without a permit the work would only take longer.
        let _turn = self.calls.acquire().await;
        block_in_place(|| work(&self.logs))
    }
}

impl Logs {
    /// The newest version of the table in `folder`, which must have a log.
    pub fn read(&self, folder: &str) -> Result<TableSnapshot> {
        let none = || Error::transient(format!("The log of table {} has disappeared.", self.storage.shown(folder)));
        self.find(folder)?.ok_or_else(none)
    }

    /// The newest version of the table in `folder`; `None` where its log has neither a commit nor a checkpoint.
    ///
    /// # Errors
    ///
    /// A config error for a table that this program cannot read and for a damaged log: it says what is damaged.
    pub fn find(&self, folder: &str) -> Result<Option<TableSnapshot>> {
        let url = self.storage.url(folder)?;
        let built = build(&url, None, &self.engine);
        self.found(folder, &url, built)
    }

    /// The newest metadata of the table in `folder`, and its snapshot if this program can read the rows too; `None` as for
    /// [`Logs::find`].
    ///
    /// # Errors
    ///
    /// As for [`Logs::find`], but none for unknown table features.
    pub fn describe(&self, folder: &str) -> Result<Option<(Described, Option<TableSnapshot>)>> {
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

    fn found(&self, folder: &str, url: &Url, built: KernelResult<SnapshotRef>) -> Result<Option<TableSnapshot>> {
        let shown = self.storage.shown(folder);
        let mut error = match built {
            Ok(inner) => return TableSnapshot::of(self.engine.clone(), inner, shown).map(Some),
            Err(error) => error,
        };
        let Ok(files) = LogFiles::of(url, &self.engine) else { return Err(classify(&shown, "read", error)) };
        if !may_be_damage(&error) {
            return Err(read_error(&shown, &files, &self.engine, error));
        }
        if !files.has_table() && files.traces.is_empty() {
            return Ok(None);
        }
        for hidden in fallbacks(&files) {
            let engine = self.engine.hiding(hidden);
            match build(url, None, &engine) {
                Ok(inner) => {
                    let warning = damage::warning(&shown, hidden, &error);
                    let snapshot = TableSnapshot::of(engine, inner, shown)?;
                    tracing::warn!("{warning}");
                    return Ok(Some(snapshot));
                }
                // Hints and checkpoints fail first; the error of the rest shows without them.
                Err(of_the_rest) => error = of_the_rest,
            }
        }
        Err(match damage::diagnosis(&shown, &files, &self.engine) {
            Some(found) => found.with_source(error.without_backtrace().to_string()),
            None => classify(&shown, "read", error),
        })
    }
}

impl TableSnapshot {
    /// Refuses a log with a commit that has no action.
    fn of(engine: LogEngine, inner: SnapshotRef, shown: String) -> Result<Self> {
        match broken_commit(&inner, &engine) {
            Ok(None) => Ok(Self { engine, inner, shown, fallback: OnceLock::new() }),
            Ok(Some((commit, what))) => Err(damage::commit_error(&shown, &commit, inner.version(), &what)),
            Err(error) => Err(classify(&shown, "read", error)),
        }
    }

    /// The table's columns: names and types as Delta writes them.
    pub fn columns(&self) -> Vec<(String, String)> {
        let schema = self.inner.schema();
        schema.fields().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    }

    /// The same as either engine compares them with a stream's.
    pub fn found_columns(&self) -> Vec<FoundColumn> {
        found::columns(&self.inner.schema())
    }

    /// Whether its columns may get wider types, which older files are then read as.
    pub fn widens(&self) -> bool {
        widening::is_allowed(&self.inner)
    }

    /// The version of application transaction `app_id`, if the table has one.
    pub fn transaction(&self, app_id: &str) -> Result<Option<i64>> {
        self.with_fallback("read", |inner, engine| inner.get_app_id_version(app_id, engine))
    }

    /// Whether the table is set to forget application transactions after a while.
    pub fn forgets_transactions(&self) -> bool {
        self.inner.table_properties().set_transaction_retention_duration.is_some()
    }

    /// The table's description, as its log has it.
    pub fn description(&self) -> Option<&str> {
        self.inner.table_configuration().metadata().description()
    }

    /// A table property that has no meaning in Delta Lake.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.inner.table_properties().unknown_properties.get(key).map(String::as_str)
    }

    /// Refuses a table that this program cannot write to: with partitions, or with a feature that it does not know; for
    /// `replace` also one that never removes rows.
    pub fn ensure_writable(&self, replace: bool) -> Result<()> {
        commit::ensure_writable(&self.inner, &self.engine, &self.shown, replace)
    }

    /// Refuses a clustered table that takes no files with the columns of `schema`, which are typed.
    pub fn ensure_takes(&self, schema: &TableSchema) -> Result<()> {
        clustered::ensure_takes(&self.inner, &self.engine, &self.shown, schema)
    }

    /// The names of the table's files.
    pub fn files(&self) -> Result<Vec<String>> {
        self.with_fallback("read", |inner, engine| {
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
        self.with_fallback("read", commit::rows)
    }

    /// The table's files and what is known of them, with the rows that deletion vectors take away.
    pub fn table_files(&self) -> Result<Vec<TableFile>> {
        self.with_fallback("read", some_files::all)
    }

    /// Refuses a table in which rows cannot replace those with the same key.
    pub fn ensure_replaceable_by_key(&self) -> Result<()> {
        commit::ensure_replaceable_by_key(&self.inner, &self.shown)
    }

    /// Refuses a table with files outside of its folder: their rows cannot be replaced either.
    pub fn ensure_own_files(&self) -> Result<()> {
        self.files()?.iter().try_for_each(|path| name_of(path, &self.shown).map(drop))
    }

    /// Commits `change`, whose new files lie in the table's folder already.
    pub fn commit(&self, change: &Change<'_>) -> Result<Committed> {
        self.with_fallback("write", |inner, engine| commit::commit(inner, engine, &self.shown, change))
    }

    /// Does `work`; if it fails and a damaged checkpoint may be the cause, does it again without the checkpoint, at the same
    /// version.
    fn with_fallback<T>(&self, verb: &str, work: impl Fn(&SnapshotRef, &LogEngine) -> KernelResult<T>) -> Result<T> {
        let (engine, inner) =
            self.fallback.get().map_or((&self.engine, &self.inner), |(engine, inner)| (engine, inner));
        let error = match work(inner, engine) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if let Some(done) = self.try_fallback(&error, work) {
            return Ok(done);
        }
        let files = may_be_damage(&error).then(|| LogFiles::of(self.inner.table_root(), &self.engine).ok()).flatten();
        Err(match files.and_then(|files| damage::diagnosis(&self.shown, &files, &self.engine)) {
            Some(found) => found.with_source(error.without_backtrace().to_string()),
            None => classify(&self.shown, verb, error),
        })
    }

    fn try_fallback<T>(
        &self,
        error: &KernelError,
        work: impl Fn(&SnapshotRef, &LogEngine) -> KernelResult<T>,
    ) -> Option<T> {
        if !may_be_damage(error) {
            return None;
        }
        let url: &Url = self.inner.table_root();
        let files = LogFiles::of(url, &self.engine).ok().filter(|files| !files.checkpoints.is_empty())?;
        fallbacks(&files).into_iter().find_map(|hidden| {
            let engine = self.engine.hiding(hidden);
            let inner = build(url, Some(self.inner.version()), &engine).ok()?;
            let broken_commit = broken_commit(&inner, &engine).ok()?;
            let done = broken_commit.is_none().then(|| work(&inner, &engine).ok()).flatten()?;
            tracing::warn!("{}", damage::warning(&self.shown, hidden, error));
            // Only the first fallback is kept; a second one is looked for again each time.
            self.fallback.get_or_init(|| (engine, inner));
            Some(done)
        })
    }
}

/// The table at `url`, at its newest version or at `version`.
fn build(url: &Url, version: Option<u64>, engine: &LogEngine) -> KernelResult<SnapshotRef> {
    let builder = KernelSnapshot::builder_for(url);
    let inner = version.into_iter().fold(builder, |builder, version| builder.at_version(version)).build(engine)?;
    // Without a checkpoint, the kernel accepts a log that begins at any commit.
    if !commit::is_complete(&inner) {
        return Err(KernelError::MissingVersion(0));
    }
    Ok(inner)
}

/// A commit that is empty or damaged, though the kernel reads it as one without actions, and what is wrong with it.
///
/// Of the commits after the checkpoint, only those are read that are too small for an action. Where there is a checksum, the
/// kernel does not read the newest commit: it is read here, whatever its size.
fn broken_commit(inner: &SnapshotRef, engine: &LogEngine) -> KernelResult<Option<(CommitFile, String)>> {
    let listed = &inner.log_segment().listed;
    let newest = listed.latest_commit_file.as_ref().filter(|commit| commit.version == inner.version());
    let unread = listed.latest_crc_file.as_ref().is_some_and(|crc| crc.version == inner.version());
    let commits = listed.ascending_commit_files.iter().chain(newest);
    let looked_at =
        commits.filter(|commit| commit.location.size <= SMALL_COMMIT || (unread && commit.version == inner.version()));
    let looked_at = looked_at.map(|commit| CommitFile {
        version: commit.version,
        size: commit.location.size,
        url: commit.location.location.clone(),
    });
    damage::first_broken(looked_at.collect(), engine)
}
