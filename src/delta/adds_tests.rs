//! The `add` actions that the kernel writes: the same statistics as in a commit that is written as text.

use std::path::Path;
use std::sync::Arc;

use delta_kernel::snapshot::Snapshot;
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::local::LocalFileSystem;
use tokio::runtime::Handle;
use url::Url;

use super::*;
use crate::delta::actions::{Commit, Readers, TableMetadata};
use crate::delta::commit::{Change, Removes, commit};
use crate::delta::engine::LogEngine;
use crate::schema::stats::RowStats;

/// The `add` actions of the commit `version` in `log`, in order.
fn adds(log: &Path, version: u64) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap_or_default();
    let actions = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    actions.filter_map(|action| action.get("add").cloned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_writes_of_files_reads_as_its_golden_file() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("_delta_log");
    std::fs::create_dir_all(&log)?;
    let schema = TableSchema::raw();
    let metadata = TableMetadata { id: uuid::Uuid::nil(), description: String::new(), configuration: [].into() };
    let first =
        Commit { schema: &schema, create: Some(metadata), transactions: Vec::new(), add: &[], readers: Readers::All };
    std::fs::write(log.join(format!("{:020}.json", 0)), first.to_bytes(1))?;
    let stats = |first, last| RowStats {
        rows: 2,
        ids: Span { first: "a".into(), last: "b".into() },
        emitted_at: Span { first, last },
    };
    let file = |name: &str, stats| DataFile { name: name.into(), size: 9, modified_ms: 5, stats };
    let files = [file("p.parquet", stats(1_500, 2_500)), file("q.parquet", stats(0, i64::MAX))];
    let executor = Arc::new(TokioMultiThreadExecutor::new(Handle::current()));
    let engine = DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
    let engine = LogEngine::new(Arc::new(engine), Arc::new(|| Ok(())));
    let url = Url::from_directory_path(folder.path()).map_err(|()| "no URL")?;
    tokio::task::block_in_place(|| {
        let snapshot = Snapshot::builder_for(&url).build(&engine)?;
        commit(
            &snapshot,
            &engine,
            "t",
            &Change {
                schema: &schema,
                changes: &[],
                files: &files,
                transactions: &[],
                property: None,
                removes: Removes::Nothing,
            },
        )
    })?;
    let written: Vec<String> = adds(&log, 1).iter().map(ToString::to_string).collect();
    assert_eq!(written.join("\n"), include_str!("golden/kernel_adds.json").trim_end());
    Ok(())
}
