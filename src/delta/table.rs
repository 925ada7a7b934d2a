//! Tables that are there already: reading what they are and committing to them, through delta-kernel.
//!
//! [`TableLog::run`] lends [`Logs`], which replay a log once into a [`Snapshot`]; a snapshot answers what the table's columns
//! are, which batches it has, and commits. A commit either happens whole, or is refused because somebody else committed in
//! between; then the caller reads again and asks again whether its batch is there. The kernel works synchronously and
//! waits for files that other threads of the runtime read: all of it goes through [`TableLog::run`], which never lets
//! so many calls in that no thread is left to serve them.

use std::sync::Arc;

use delta_kernel::snapshot::{Snapshot as KernelSnapshot, SnapshotRef};
use delta_kernel::{FileMeta, KernelError, KernelResult};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use url::Url;

use super::actions::DataFile;
use super::commit::{self, Load};
use super::damage::{self, may_be_damage, ways_around};
use super::engine::LogEngine;
use super::files::LogFiles;
use super::refusals::{sorted, unreadable};
use crate::error::{Error, Result};
use crate::storage::Storage;

pub use super::commit::{CHECKPOINT_INTERVAL, Committed};

/// Calls into the kernel at the same time; each keeps one thread of the runtime waiting.
const CALLS: usize = 8;

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
}

impl TableLog {
    /// A reader of the tables in `storage`, running on `runtime`.
    pub fn new(storage: &Storage, runtime: &Handle) -> Self {
        let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.clone()));
        let engine = DefaultEngineBuilder::new(Arc::clone(storage.store())).with_task_executor(executor).build();
        let flushed = storage.clone();
        let engine = LogEngine::new(Arc::new(engine), Arc::new(move || flushed.flush_blocking()));
        Self { logs: Logs { engine, storage: storage.clone() }, calls: Arc::new(Semaphore::new(CALLS)) }
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
        let shown = self.storage.shown(folder);
        let error = match build(&url, None, &self.engine) {
            Ok(inner) => return Ok(Some(Snapshot { engine: self.engine.clone(), inner, shown })),
            Err(error) => error,
        };
        let Ok(files) = LogFiles::of(&url, &self.engine) else { return Err(sorted(&shown, "read", error)) };
        if !may_be_damage(&error) {
            return Err(unreadable(&shown, &files, &self.engine, error));
        }
        if !files.has_table() && files.traces.is_empty() {
            return Ok(None);
        }
        for hidden in ways_around(&files) {
            let engine = self.engine.hiding(hidden);
            if let Ok(inner) = build(&url, None, &engine) {
                tracing::warn!("{}", damage::told(&shown, hidden, &error));
                return Ok(Some(Snapshot { engine, inner, shown }));
            }
        }
        Err(match damage::diagnosis(&shown, &files, &self.engine) {
            Some(found) => found.with_source(error),
            None => sorted(&shown, "read", error),
        })
    }
}

impl Snapshot {
    /// The table's columns: names and types as Delta writes them.
    pub fn columns(&self) -> Vec<(String, String)> {
        let schema = self.inner.schema();
        schema.fields().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    }

    /// The version of application transaction `app_id`, if the table has one.
    pub fn transaction(&self, app_id: &str) -> Result<Option<i64>> {
        self.around("read", |inner, engine| inner.get_app_id_version(app_id, engine))
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

    /// The same for a server that writes to the table, and may know more features.
    pub fn ensure_writable_by_others(&self, replace: bool) -> Result<()> {
        commit::ensure_replaceable(&self.inner, &self.shown, replace)?;
        commit::ensure_whole(&self.shown, self.inner.table_configuration().logical_partition_columns())
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

    /// Commits `files`, with the application transactions of `transactions`; with `replace`, every file that is in the
    /// table now leaves it in the same commit. Files must lie in the table's folder already.
    pub fn commit(&self, files: &[DataFile], transactions: &[(String, i64)], replace: bool) -> Result<Committed> {
        let load = Load { files, transactions, replace };
        self.around("write", |inner, engine| commit::commit(inner, engine, &self.shown, &load))
    }

    /// Does `work`; where a checkpoint may be what it fails of, again without the checkpoint, at the same version.
    fn around<T>(&self, verb: &str, work: impl Fn(&SnapshotRef, &LogEngine) -> KernelResult<T>) -> Result<T> {
        let error = match work(&self.inner, &self.engine) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if let Some(done) = self.again(&error, work) {
            return Ok(done);
        }
        let files = may_be_damage(&error).then(|| LogFiles::of(self.inner.table_root(), &self.engine).ok()).flatten();
        Err(match files.and_then(|files| damage::diagnosis(&self.shown, &files, &self.engine)) {
            Some(found) => found.with_source(error),
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
            let done = work(&inner, &engine).ok()?;
            tracing::warn!("{}", damage::told(&self.shown, hidden, error));
            Some(done)
        })
    }
}

/// The table at `url`, at its newest version or at `version`.
fn build(url: &Url, version: Option<u64>, engine: &LogEngine) -> KernelResult<SnapshotRef> {
    let builder = KernelSnapshot::builder_for(url);
    let inner = version.into_iter().fold(builder, |builder, version| builder.at_version(version)).build(engine)?;
    // The kernel takes commits that begin anywhere for a whole log, if there is no checkpoint.
    let segment = inner.log_segment();
    let first = segment.listed.ascending_commit_files.first().map_or(0, |commit| commit.version);
    if segment.checkpoint_version.is_none() && first > 0 {
        return Err(KernelError::MissingVersion(0));
    }
    // It takes an empty commit for one without actions, though it may be on its way, or cut short; and a checksum for the
    // commit that it repeats, without a look at that.
    let newest = segment.listed.latest_commit_file.as_ref().filter(|commit| commit.version == inner.version());
    let unread = segment.listed.latest_crc_file.as_ref().is_some_and(|crc| crc.version == inner.version());
    let broken = |commit: &FileMeta| commit.size == 0 || (unread && damage::broken(&commit.location, engine).is_some());
    if newest.is_some_and(|commit| broken(&commit.location)) {
        return Err(KernelError::generic("The newest commit cannot be read."));
    }
    Ok(inner)
}
