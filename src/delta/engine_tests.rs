//! The order of checkpoint, flush and hint, and what a stop between them leaves: here, a flush that fails.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use delta_kernel::snapshot::Snapshot;
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::local::LocalFileSystem;
use tokio::runtime::Handle;

use super::*;
use crate::delta::actions::{Commit, Readers, TableMetadata};
use crate::delta::commit::{Change, Committed, Removes, commit};
use crate::error::Error;
use crate::schema::columns::TableSchema;

fn engine(flush: Flush) -> LogEngine {
    let executor = Arc::new(TokioMultiThreadExecutor::new(Handle::current()));
    let engine = DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
    LogEngine::new(Arc::new(engine), flush)
}

/// A table without rows that gets a checkpoint with every commit.
fn table(folder: &Path) -> Result<Url> {
    let create = TableMetadata {
        id: uuid::Uuid::nil(),
        description: String::new(),
        configuration: [("delta.checkpointInterval".to_owned(), "1".to_owned())].into(),
    };
    let schema = TableSchema::raw();
    let text =
        Commit { schema: &schema, create: Some(create), transactions: Vec::new(), add: &[], readers: Readers::All }
            .to_bytes(1);
    let log = folder.join("_delta_log");
    let written =
        std::fs::create_dir_all(&log).and_then(|()| std::fs::write(log.join(format!("{:020}.json", 0)), text));
    written.map_err(|error| Error::system("no table").with_source(error))?;
    Url::from_directory_path(folder).map_err(|()| Error::system("no URL"))
}

fn commit_one(table: &Url, engine: &LogEngine) -> KernelResult<Committed> {
    let snapshot = Snapshot::builder_for(table).build(engine)?;
    let transactions = [("app".to_owned(), 1)];
    let schema = TableSchema::raw();
    let change = Change {
        schema: &schema,
        changes: &[],
        files: &[],
        transactions: &transactions,
        property: None,
        removes: Removes::Nothing,
    };
    commit(&snapshot, engine, "t", &change)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_is_written_after_its_checkpoint_is_flushed() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let table = table(folder.path())?;
    let log = folder.path().join("_delta_log");
    let (checkpoint, hint): (PathBuf, _) = (log.join(format!("{:020}.checkpoint.parquet", 1)), log.join(HINT));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (flushed, paths) = (Arc::clone(&seen), [checkpoint.clone(), hint.clone()]);
    let flush: Flush = Arc::new(move || {
        flushed.lock().map_err(|_| Error::system("poisoned"))?.push(paths.clone().map(|path| path.exists()));
        Ok(())
    });
    assert_eq!(tokio::task::block_in_place(|| commit_one(&table, &engine(flush)))?, Committed::As(1));
    assert_eq!(*seen.lock().map_err(|_| "poisoned")?, [[true, false]]);
    assert!(checkpoint.exists() && hint.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_between_checkpoint_and_hint_leaves_a_log_that_is_read() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let table = table(folder.path())?;
    let log = folder.path().join("_delta_log");
    let stops: Flush = Arc::new(|| Err(Error::system("the power is gone")));
    tokio::task::block_in_place(|| {
        assert_eq!(commit_one(&table, &engine(stops))?, Committed::As(1));
        let checkpoint = log.join(format!("{:020}.checkpoint.parquet", 1));
        assert!(checkpoint.exists() && !log.join(HINT).exists());
        // What was not flushed may be there in part.
        std::fs::write(&checkpoint, "")?;
        let goes_on = engine(Arc::new(|| Ok(())));
        assert_eq!(commit_one(&table, &goes_on)?, Committed::As(2));
        assert!(log.join(HINT).exists());
        assert_eq!(Snapshot::builder_for(&table).build(&goes_on)?.version(), 2);
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_ends_with_an_error_when_it_is_not_to_go_on() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let table = table(folder.path())?;
    let engine = engine(Arc::new(|| Ok(())));
    tokio::task::block_in_place(|| {
        commit_one(&table, &engine)?;
        let asked = AtomicUsize::new(0);
        let ending = engine.while_going_on(Arc::new(move || asked.fetch_add(1, Ordering::SeqCst) < 2));
        let listed = ending.storage_handler().list_from(&table.join("_delta_log/")?)?;
        assert_eq!(listed.map(|file| file.is_ok()).take(3).collect::<Vec<_>>(), [true, true, false]);
        Ok(())
    })
}
