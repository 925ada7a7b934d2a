//! How a stream's rows are staged for the engine that reads them: in which form, and from when on they can be read. The engine
//! chooses both when it opens the table.

use std::collections::BTreeMap;

use super::Stage;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::commit_path;
use crate::error::{Result, StreamDescriptor};
use crate::recovery::left_behind::{LeftBehind, application_id};
use crate::schema::columns::TableSchema;

/// How the rows of a stream are staged. Chosen by the engine that opens the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// The form in which the engine reads the rows.
    pub staged: Staged,
    /// From when on it can read them.
    pub begins: Begins,
    /// What its loads may leave behind if the sync is killed.
    pub left_behind: LeftBehind,
}

/// The staged rows of a stream, as an engine reads them.
///
/// A format without a log (CSV, or Parquet files that are copied by name) becomes a variant here, whose [commits](Self::commit)
/// write nothing. Engines match on this type and need no other knowledge of what was staged. The sweep finds what such a sync has
/// left elsewhere without a log (`recovery::left_behind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// A Delta table in this folder, relative to the storage's root. Each closed batch is a commit.
    DeltaTable {
        /// The folder.
        folder: String,
    },
}

/// When a staging begins. Before that, its folder holds nothing that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// With the first closed batch: the engine reads batches only.
    AtFirstBatch,
    /// With the first rows, before any batch is closed: the engine prepares its load meanwhile.
    AtFirstRows,
    /// With the first rows, or at the end of a stream without rows: the engine reads the staging in any case.
    Always,
}

/// A commit to the log of a staging.
pub(super) struct StagedCommit<'a> {
    /// Counts the commits of the log, from 0.
    pub number: u64,
    /// The number of the newest batch; 0 if there is none.
    pub batch: i64,
    /// The files of that batch.
    pub files: &'a [DataFile],
    /// Their columns.
    pub schema: &'a TableSchema,
    /// The stream.
    pub stream: &'a StreamDescriptor,
    /// What the loads of the stream may leave behind.
    pub left_behind: &'a LeftBehind,
}

impl Staged {
    /// The folder of the staged files, relative to the storage's root.
    pub fn folder(&self) -> &str {
        match self {
            Self::DeltaTable { folder } => folder,
        }
    }

    /// Writes `commit` to the log, if there is one. The commit need not be atomic: a truncated one belongs to a batch that was never
    /// loaded.
    pub(super) async fn commit(&self, stage: &Stage, commit: StagedCommit<'_>) -> Result<()> {
        match self {
            Self::DeltaTable { folder } => {
                let create = (commit.number == 0).then(|| TableMetadata {
                    id: (stage.clock_and_ids.new_id)(),
                    description: format!("Staged for stream {}", commit.stream),
                    configuration: BTreeMap::from([commit.left_behind.property()]),
                });
                let transactions = vec![(application_id(stage.sync), commit.batch)];
                let bytes =
                    Commit { schema: commit.schema, create, transactions, add: commit.files, readers: Readers::Spark }
                        .to_bytes(stage.clock_and_ids.clock.now_ms());
                let mut upload = stage.storage.upload(commit_path(folder, commit.number)).await?;
                upload.write(bytes).await?;
                upload.finish().await
            }
        }
    }
}
