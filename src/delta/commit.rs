//! One commit to an existing table: whether it is allowed, what goes into it, and the checkpoint after it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use delta_kernel::committer::{Committer, FileSystemCommitter};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::snapshot::{Snapshot as KernelSnapshot, SnapshotRef};
use delta_kernel::table_features::ColumnMappingMode;
use delta_kernel::transaction::{CommitResult, Transaction, UpdateTableOperation};
use delta_kernel::{FilteredEngineData, KernelError, KernelResult};

use super::actions::{DataFile, ENGINE_INFO};
use super::adds;
use super::damage::{fallbacks, may_be_damage};
use super::engine::LogEngine;
use super::evolve;
use super::files::LogFiles;
use super::kernel_errors::write_error;
use super::replace::Removals;
use super::some_files;
use crate::error::{Error, Result};
use crate::schema::alter::Alter;
use crate::schema::columns::TableSchema;

/// Commits between two checkpoints, where a table does not set its own number.
pub const CHECKPOINT_INTERVAL: u64 = 10;

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is in the log, as this version.
    As(u64),
    /// Another writer's commit came first, or the outcome is not known: read the table again and look.
    Conflict,
}

/// What a commit changes.
pub struct Change<'a> {
    /// The table's columns.
    pub schema: &'a TableSchema,
    /// Files that are added to the table. They lie in its folder already.
    pub files: &'a [DataFile],
    /// Application transactions: id and version.
    pub transactions: &'a [(String, i64)],
    /// Changes to the table's columns, which the files need.
    pub changes: &'a [Alter],
    /// A property that the table gets, or loses where there is no value.
    pub property: Option<(&'a str, Option<&'a str>)>,
    /// Which files that the table has now are removed.
    pub removes: Removes<'a>,
}

/// Which files a commit removes.
#[derive(Clone, Copy)]
pub enum Removes<'a> {
    /// None.
    Nothing,
    /// All; it receives how many rows they have, if that is known.
    All(&'a Cell<Option<u64>>),
    /// Those of these names, as the log has them; files that replace them are added.
    Files(&'a BTreeSet<String>),
}

/// Whether this program may write to the table; `replace`: also remove its files.
pub fn ensure_writable(inner: &SnapshotRef, engine: &LogEngine, shown: &str, replace: bool) -> Result<()> {
    ensure_replaceable(inner.table_properties().append_only == Some(true), shown, replace)?;
    let (properties, advice) = (inner.table_properties(), "Move the table away or rename the stream");
    if replace && properties.enable_iceberg_compat_v3 == Some(true) {
        return Err(Error::config(format!(
            "Table {shown} has the property delta.enableIcebergCompatV3, with which this version cannot replace rows. Choose \
             the sync mode append, or set the property to false."
        )));
    }
    if properties.column_mapping_mode.is_some_and(|mode| mode != ColumnMappingMode::None) {
        return Err(Error::config(format!(
            "Table {shown} has the property delta.columnMapping.mode: its files name the columns differently than the table \
             does, which this version cannot write. {advice}."
        )));
    }
    let build = Arc::clone(inner).update_table(UpdateTableOperation::Write, ENGINE_INFO, true);
    let transaction = build
        .build(engine, Box::new(FileSystemCommitter::new()))
        .map_err(|error| write_error(shown, inner.table_configuration().protocol(), error))?;
    ensure_unpartitioned(shown, transaction.logical_partition_columns())
}

/// Refuses to replace the rows of a table that promises to keep them (`delta.appendOnly`).
pub fn ensure_replaceable(append_only: bool, shown: &str, replace: bool) -> Result<()> {
    if replace && append_only {
        return Err(Error::config(format!(
            "Table {shown} has the property delta.appendOnly, so its rows cannot be replaced. Choose the sync mode append, \
             or remove the property: ALTER TABLE … UNSET TBLPROPERTIES ('delta.appendOnly')."
        )));
    }
    Ok(())
}

/// Refuses a table in which rows cannot replace those with the same key.
pub fn ensure_replaceable_by_key(inner: &SnapshotRef, shown: &str) -> Result<()> {
    let properties = inner.table_properties();
    let feed = (properties.enable_change_data_feed == Some(true))
        .then_some(("delta.enableChangeDataFeed", "which change is a feed's reader to be told of"));
    let ids = (properties.enable_row_tracking == Some(true))
        .then_some(("delta.enableRowTracking", "which ids the rows of a file that is written again keep"));
    match feed.or(ids) {
        Some((property, what)) => Err(Error::config(format!(
            "Table {shown} has the property {property}: this version cannot say {what} when rows replace others by their primary \
             key. Set the property to false, load the table through Databricks, or choose the sync mode append."
        ))),
        None => Ok(()),
    }
}

/// Refuses a table with `partitions`.
pub fn ensure_unpartitioned(shown: &str, partitions: &[String]) -> Result<()> {
    if partitions.is_empty() {
        return Ok(());
    }
    Err(Error::config(format!(
        "Table {shown} is partitioned. Tables are loaded without partitions: move it away or rename the stream."
    )))
}

/// Commits `change` as the version after `inner`.
pub fn commit(inner: &SnapshotRef, engine: &LogEngine, shown: &str, change: &Change<'_>) -> KernelResult<Committed> {
    let removals = match change.removes {
        Removes::All(left) => {
            let (files, rows) = present(inner, engine)?;
            left.set(rows);
            files
        }
        Removes::Files(names) if !names.is_empty() => some_files::of(present(inner, engine)?.0, names)?,
        Removes::Nothing | Removes::Files(_) => Vec::new(),
    };
    // The change data feed is derived from whole files that are added and removed; see `replace`.
    let feed = inner.table_properties().enable_change_data_feed == Some(true);
    let apart = feed && !removals.is_empty() && !change.files.is_empty();
    let kept = Removals::default();
    let alters = !change.changes.is_empty() || change.property.is_some();
    if alters {
        kept.extend(evolve::actions(inner, engine, change.changes, change.property)?);
    }
    let committer: Box<dyn Committer> =
        if apart || alters { kept.merger() } else { Box::new(FileSystemCommitter::new()) };
    let mut transaction = begin(inner, engine, change, committer)?;
    if apart {
        let mut removing = begin(inner, engine, change, kept.collector())?;
        removals.into_iter().for_each(|files| removing.remove_files(files));
        // Its committer keeps the removals and reports a conflict; nothing is written.
        if !matches!(removing.commit(engine)?, CommitResult::Conflicted(_)) {
            return Err(KernelError::generic("the removals of a commit were not collected"));
        }
    } else {
        removals.into_iter().for_each(|files| transaction.remove_files(files));
    }
    if !change.files.is_empty() {
        let batch = adds::batch(change.schema, change.files).map_err(KernelError::generic_err)?;
        transaction.add_files(Box::new(ArrowEngineData::new(batch)));
    }
    match transaction.commit(engine)? {
        CommitResult::Committed(committed) => {
            let version = committed.commit_version();
            checkpoint_if_due(inner, engine, version, shown);
            Ok(Committed::As(version))
        }
        CommitResult::Conflicted(_) | CommitResult::Retryable(_) => Ok(Committed::Conflict),
    }
}

fn begin(
    inner: &SnapshotRef,
    engine: &LogEngine,
    change: &Change<'_>,
    committer: Box<dyn Committer>,
) -> KernelResult<Transaction> {
    let build = |operation| Arc::clone(inner).update_table(operation, ENGINE_INFO, true);
    let write = |mode| build(UpdateTableOperation::Write).with_operation_parameters([("mode", Some(mode))]);
    let mut build = match change.removes {
        Removes::Nothing => write("Append"),
        Removes::All(_) => write("Overwrite"),
        Removes::Files(_) => build(UpdateTableOperation::Merge),
    };
    for (app_id, version) in change.transactions {
        build = build.with_transaction_id(app_id, *version);
    }
    let mut transaction = build.build(engine, committer)?;
    // All rows are removed or new, so that none has a row id to keep. Tables with row ids take no rows by their keys
    // (`ensure_replaceable_by_key`).
    transaction.ack_row_tracking_preservation();
    Ok(transaction)
}

/// The files of the table, as the kernel takes them for removal, and how many rows they have.
fn present(inner: &SnapshotRef, engine: &LogEngine) -> KernelResult<(Vec<FilteredEngineData>, Option<u64>)> {
    let scan = Arc::clone(inner).scan_builder().build()?;
    let (mut files, mut rows) = (Vec::new(), Some(0));
    for metadata in scan.scan_metadata(engine)? {
        let metadata = metadata?;
        rows = metadata.visit_scan_files(rows, count)?;
        files.push(metadata.scan_files);
    }
    Ok((files, rows))
}

/// How many rows the table has by the statistics of its log; `None` where a file has none.
pub fn rows(inner: &SnapshotRef, engine: &LogEngine) -> KernelResult<Option<u64>> {
    present(inner, engine).map(|(_, rows)| rows)
}

/// Adds the rows of one file, without those that a deletion vector takes away.
fn count(rows: &mut Option<u64>, file: ScanFile) {
    let counted = file.stats.map(|stats| stats.num_records);
    let deleted = if file.dv_info.has_vector() { file.dv_info.cardinality().ok().flatten() } else { Some(0) };
    *rows = rows.zip(counted).zip(deleted).map(|((rows, counted), deleted)| rows + counted.saturating_sub(deleted));
}

/// Writes a checkpoint where it is due, and where an older one could not be read. The commit stands whatever comes of this; a
/// checkpoint that fails is tried again some commits later.
fn checkpoint_if_due(before: &SnapshotRef, engine: &LogEngine, version: u64, shown: &str) {
    let set = before.table_properties().checkpoint_interval.map(|interval| interval.get());
    if !engine.hides() && !version.is_multiple_of(set.unwrap_or(CHECKPOINT_INTERVAL)) {
        return;
    }
    let newest = KernelSnapshot::builder_from(Arc::clone(before)).build(engine);
    let written = newest.and_then(|snapshot| snapshot.checkpoint(engine, None));
    let Err(error) = written else { return };
    // An append does not read the file list of an older checkpoint; writing the next one does, and may find it damaged.
    if !may_be_damage(&error) || !checkpoint_by_fallback(before, engine, version) {
        let error = error.without_backtrace();
        tracing::warn!("The log of table {shown} got no checkpoint at version {version}: {error}");
    }
}

/// Writes the checkpoint of `version` without reading the hint and older checkpoints; whether it is written.
fn checkpoint_by_fallback(before: &SnapshotRef, engine: &LogEngine, version: u64) -> bool {
    let url = before.table_root();
    let Ok(files) = LogFiles::of(url, engine) else { return false };
    fallbacks(&files).into_iter().any(|hidden| {
        let engine = engine.hiding(hidden);
        let newest = KernelSnapshot::builder_for(url).at_version(version).build(&engine);
        // Without a checkpoint, the kernel accepts a log that begins at any commit.
        let whole = newest.ok().filter(is_complete);
        whole.is_some_and(|newest| newest.checkpoint(&engine, None).is_ok())
    })
}

/// Whether the log of a table begins with a checkpoint or with the first commit.
pub fn is_complete(inner: &SnapshotRef) -> bool {
    let segment = inner.log_segment();
    let first = segment.listed.ascending_commit_files.first().map_or(0, |commit| commit.version);
    segment.checkpoint_version.is_some() || first == 0
}
