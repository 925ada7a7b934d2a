//! Tables that are there already: reading what they are and committing to them, through delta-kernel.
//!
//! [`TableLog::read`] replays a log once into a [`Snapshot`]; a snapshot answers what the table's columns are, which
//! batches it has, and commits. A commit either happens whole, or is refused because somebody else committed in
//! between; then the caller reads again and asks again whether its batch is there. The kernel works synchronously and
//! waits for files that other threads of the runtime read: all of it goes through [`TableLog::run`], which never lets
//! so many calls in that no thread is left to serve them.

use std::sync::Arc;

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_array::{TimestampMicrosecondArray, make_array};
use arrow_schema::{Field, Fields, Schema};
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::{Snapshot as KernelSnapshot, SnapshotRef};
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use super::actions::{DataFile, ENGINE_INFO, time_bounds};
use crate::error::{Error, Result};
use crate::schema::avro;
use crate::storage::Storage;

/// Commits between two checkpoints, where a table does not set its own number.
pub const CHECKPOINT_INTERVAL: u64 = 10;

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
    engine: Arc<dyn Engine>,
    storage: Storage,
}

/// A table at one version.
pub struct Snapshot {
    log: Logs,
    inner: SnapshotRef,
    shown: String,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is in the log, as this version.
    As(u64),
    /// It was in the log before.
    Before,
    /// Somebody else's commit came first, or it is not known: read again and look.
    Conflict,
}

impl TableLog {
    /// A reader of the tables in `storage`, running on `runtime`.
    pub fn new(storage: &Storage, runtime: &Handle) -> Self {
        let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.clone()));
        let engine = DefaultEngineBuilder::new(Arc::clone(storage.store())).with_task_executor(executor).build();
        let logs = Logs { engine: Arc::new(engine), storage: storage.clone() };
        Self { logs, calls: Arc::new(Semaphore::new(CALLS)) }
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
        let url = self.storage.url(folder)?;
        let shown = self.storage.shown(folder);
        let inner =
            KernelSnapshot::builder_for(url).build(self.engine.as_ref()).map_err(|error| unreadable(&shown, error))?;
        Ok(Snapshot { log: self.clone(), inner, shown })
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
        self.inner.get_app_id_version(app_id, self.log.engine.as_ref()).map_err(|error| unreadable(&self.shown, error))
    }

    /// A property of the table that Delta Lake itself gives no meaning.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.inner.table_properties().unknown_properties.get(key).map(String::as_str)
    }

    /// Whether this program may write to the table: no partitions, and no feature that it does not know; for `replace`,
    /// no promise that rows are never removed.
    pub fn ensure_writable(&self, replace: bool) -> Result<()> {
        self.ensure_replaceable(replace)?;
        self.ensure_whole(self.is_partitioned().map_err(|error| unwritable(&self.shown, error))?)
    }

    /// The same for a server that writes to the table, and may know more features: `false` if only it can say whether the
    /// table has partitions.
    pub fn ensure_writable_by_others(&self, replace: bool) -> Result<bool> {
        self.ensure_replaceable(replace)?;
        match self.is_partitioned() {
            Err(error) if is_unsupported(&error) => Ok(false),
            known => self.ensure_whole(known.map_err(|error| unwritable(&self.shown, error))?).map(|()| true),
        }
    }

    fn ensure_replaceable(&self, replace: bool) -> Result<()> {
        if replace && self.inner.table_properties().append_only == Some(true) {
            return Err(Error::config(format!(
                "Table {} has the property delta.appendOnly, so its rows cannot be replaced. Choose the sync mode append, \
                 or remove the property.",
                self.shown
            )));
        }
        Ok(())
    }

    fn is_partitioned(&self) -> Result<bool, KernelError> {
        let build = Arc::clone(&self.inner).update_table(UpdateTableOperation::Write, ENGINE_INFO, true);
        let transaction = build.build(self.log.engine.as_ref(), Box::new(FileSystemCommitter::new()))?;
        Ok(!transaction.logical_partition_columns().is_empty())
    }

    fn ensure_whole(&self, is_partitioned: bool) -> Result<()> {
        if !is_partitioned {
            Ok(())
        } else {
            Err(Error::config(format!(
                "Table {} is partitioned. Tables are loaded without partitions: move it away or rename the stream.",
                self.shown
            )))
        }
    }

    /// The names of the table's files.
    pub fn files(&self) -> Result<Vec<String>> {
        let engine = self.log.engine.as_ref();
        let failed = |error| unreadable(&self.shown, error);
        let scan = Arc::clone(&self.inner).scan_builder().build().map_err(failed)?;
        let mut files = Vec::new();
        for metadata in scan.scan_metadata(engine).map_err(failed)? {
            let metadata = metadata.map_err(failed)?;
            files = metadata.visit_scan_files(files, |files, file| files.push(file.path)).map_err(failed)?;
        }
        Ok(files)
    }

    /// Commits `files`, with the application transactions of `transactions`; with `replace`, every file that is in the
    /// table now leaves it in the same commit. Files must lie in the table's folder already.
    pub fn commit(&self, files: &[DataFile], transactions: &[(String, i64)], replace: bool) -> Result<Committed> {
        let engine = self.log.engine.as_ref();
        let failed = |error| unwritable(&self.shown, error);
        let mut build = Arc::clone(&self.inner)
            .update_table(UpdateTableOperation::Write, ENGINE_INFO, true)
            .with_operation_parameters([("mode", Some(if replace { "Overwrite" } else { "Append" }))]);
        for (app_id, version) in transactions {
            build = build.with_transaction_id(app_id, *version);
        }
        let mut transaction = build.build(engine, Box::new(FileSystemCommitter::new())).map_err(failed)?;
        if replace {
            let scan = Arc::clone(&self.inner).scan_builder().build().map_err(failed)?;
            for metadata in scan.scan_metadata(engine).map_err(failed)? {
                transaction.remove_files(metadata.map_err(failed)?.scan_files);
            }
        }
        if !files.is_empty() {
            transaction.add_files(Box::new(ArrowEngineData::new(add_batch(files)?)));
        }
        match transaction.commit(engine) {
            Ok(CommitResult::Committed(committed)) => {
                self.log.checkpoint_if_due(&self.inner, committed.commit_version(), &self.shown);
                Ok(Committed::As(committed.commit_version()))
            }
            Ok(CommitResult::Conflicted(_) | CommitResult::Retryable(_)) => Ok(Committed::Conflict),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Logs {
    /// Keeps reading the log cheap. The commit is made; a checkpoint that fails is tried again some commits later.
    fn checkpoint_if_due(&self, before: &SnapshotRef, version: u64, shown: &str) {
        let set = before.table_properties().checkpoint_interval.map(|interval| interval.get());
        if !version.is_multiple_of(set.unwrap_or(CHECKPOINT_INTERVAL)) {
            return;
        }
        let newest = KernelSnapshot::builder_from(Arc::clone(before)).build(self.engine.as_ref());
        let written = newest.and_then(|snapshot| snapshot.checkpoint(self.engine.as_ref(), None));
        if let Err(error) = written {
            tracing::warn!("The log of table {shown} got no checkpoint at version {version}: {error}");
        }
    }
}

/// `add` actions in the shape that the kernel takes.
fn add_batch(files: &[DataFile]) -> Result<RecordBatch> {
    let failed = |error| Error::system("The commit's file list could not be built.").with_source(error);
    let texts =
        |value: fn(&DataFile) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(files.iter().map(value))) };
    let longs =
        |value: fn(&DataFile) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(files.iter().map(value))) };
    let times = |value: fn(&DataFile) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(files.iter().map(value)).with_timezone("UTC"))
    };
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut partitions = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for _ in files {
        partitions.append(true).map_err(failed)?;
    }
    let partitions = partitions.finish();
    let lowest = record([
        (avro::AB_ID, texts(|f| &f.stats.ids.0)),
        (avro::EMITTED_AT, times(|f| time_bounds(&f.stats).0 * 1000)),
    ]);
    let highest = record([
        (avro::AB_ID, texts(|f| &f.stats.ids.1)),
        (avro::EMITTED_AT, times(|f| time_bounds(&f.stats).1 * 1000)),
    ]);
    let nulls = record([(avro::AB_ID, longs(|_| 0)), (avro::EMITTED_AT, longs(|_| 0)), (avro::DATA, longs(|_| 0))]);
    let stats = record([
        ("numRecords", longs(|f| f.stats.rows.try_into().unwrap_or(i64::MAX))),
        ("nullCount", nulls),
        ("minValues", lowest),
        ("maxValues", highest),
        ("tightBounds", Arc::new(BooleanArray::from(vec![true; files.len()]))),
    ]);
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("path", texts(|f| &f.name), false),
        ("partitionValues", make_array(partitions.into_data()), false),
        ("size", longs(|f| f.size.try_into().unwrap_or(i64::MAX)), false),
        ("modificationTime", longs(|f| f.modified_ms), false),
        ("stats", stats, true),
    ];
    let field =
        |(name, array, nullable): &(&str, ArrayRef, bool)| Field::new(*name, array.data_type().clone(), *nullable);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(failed)
}

fn record<const N: usize>(columns: [(&str, ArrayRef); N]) -> ArrayRef {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let fields: Fields = columns.iter().map(field).collect();
    Arc::new(StructArray::new(fields, columns.into_iter().map(|(_, array)| array).collect(), None))
}

fn unreadable(shown: &str, error: KernelError) -> Error {
    sorted(shown, "read", error)
}

fn unwritable(shown: &str, error: KernelError) -> Error {
    sorted(shown, "write", error)
}

fn is_unsupported(error: &KernelError) -> bool {
    match error {
        KernelError::Backtraced { source, .. } => is_unsupported(source),
        error => matches!(error, KernelError::Unsupported(_)),
    }
}

/// The kernel's errors by what can be done about them.
fn sorted(shown: &str, verb: &str, error: KernelError) -> Error {
    let error = match error {
        KernelError::Backtraced { source, .. } => *source,
        error => error,
    };
    let failed = format!("A {verb} of the log of table {shown} has failed.");
    let sorted = match &error {
        KernelError::Unsupported(_) => Error::config(format!(
            "Table {shown} uses a Delta feature that this version cannot {verb}. Rename the stream or move the table away."
        )),
        KernelError::IOError(_) | KernelError::ObjectStore(_) => Error::transient(failed),
        _ => Error::system(failed),
    };
    sorted.with_source(error)
}
