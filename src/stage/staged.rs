//! How a stream's rows are staged for the engine that reads them: in which form, and from when on they can be read. The engine
//! chooses both when it opens the table.

pub use crate::encode::encoder::{Encoder, Format, Watcher};

use super::Stage;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::commit_path;
use crate::encode::csv;
use crate::error::{Result, StreamDescriptor};
use crate::recovery::left_behind::{LeftBehind, application_id};
use crate::schema::columns::TableSchema;

/// The file without rows of a folder of CSV files. No file with rows is called so: their names have the sync's id in them.
const HEADER: &str = "columns.csv";
/// The same of a folder of Parquet files.
const NO_ROWS: &str = "columns.parquet";

/// How the rows of a stream are staged. Chosen by the engine that opens the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// The form in which the engine reads the rows.
    pub staged: Staged,
    /// From when on it can read them.
    pub begins: Begins,
    /// What its loads may leave behind if the sync is killed, beside its own folder.
    pub left_behind: Option<LeftBehind>,
}

/// The staged rows of a stream, as an engine reads them.
///
/// A format without a log is a variant here. Engines match on this type and need no other knowledge of what was staged. The sweep finds what such a sync has
/// left elsewhere without a log (`recovery::left_behind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// A Delta table in this folder, relative to the storage's root. Each closed batch is a commit.
    DeltaTable {
        /// The folder.
        folder: String,
    },
    /// CSV files in this folder, and nothing else: whoever reads it lists it. Which of its files are batches is known by the ids of
    /// their rows.
    Csv {
        /// The folder.
        folder: String,
        /// Whether the files are compressed.
        gzip: bool,
    },
    /// Parquet files in this folder: an engine adds them by their names, or replaces a table by all of them.
    Files {
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
    /// With the first closed batch, or at the end of a stream without rows.
    AtFirstBatchOrEnd,
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
    /// What makes them.
    pub encoder: &'a Encoder,
    /// The stream.
    pub stream: &'a StreamDescriptor,
    /// What the loads of the stream may leave behind.
    pub left_behind: Option<&'a LeftBehind>,
}

impl Staged {
    /// Files of `format` in `folder`, in the form in which engines read them without being told their names.
    pub fn new(format: Format, folder: &str) -> Self {
        let folder = folder.to_owned();
        match format {
            Format::Parquet => Self::DeltaTable { folder },
            Format::Csv { gzip } => Self::Csv { folder, gzip },
        }
    }

    /// The folder of the staged files, relative to the storage's root.
    pub fn folder(&self) -> &str {
        match self {
            Self::DeltaTable { folder } | Self::Csv { folder, .. } | Self::Files { folder } => folder,
        }
    }

    /// The format of the staged files.
    pub fn format(&self) -> Format {
        match self {
            Self::DeltaTable { .. } | Self::Files { .. } => Format::Parquet,
            Self::Csv { gzip, .. } => Format::Csv { gzip: *gzip },
        }
    }

    /// Writes `commit` to the log, if there is one. Without one, the first commit writes a file that has only the names of the columns,
    /// unless it comes with files: a table over a folder that does not exist cannot be read everywhere. The commit need not be atomic: a truncated one belongs to a batch that was never
    /// loaded.
    pub(super) async fn commit(&self, stage: &Stage, commit: StagedCommit<'_>) -> Result<()> {
        match self {
            Self::DeltaTable { folder } => {
                let create = (commit.number == 0).then(|| TableMetadata {
                    id: (stage.clock_and_ids.new_id)(),
                    description: format!("Staged for stream {}", commit.stream),
                    configuration: commit.left_behind.map(LeftBehind::property).into_iter().collect(),
                });
                let transactions = vec![(application_id(stage.sync), commit.batch)];
                let bytes =
                    Commit { schema: commit.schema, create, transactions, add: commit.files, readers: Readers::Spark }
                        .to_bytes(stage.clock_and_ids.clock.now_ms());
                let mut upload = stage.storage.upload(commit_path(folder, commit.number)).await?;
                upload.write(bytes).await?;
                upload.finish().await
            }
            Self::Csv { folder, .. } if commit.number == 0 && commit.files.is_empty() => {
                let mut upload = stage.storage.upload(format!("{folder}/{HEADER}")).await?;
                upload.write(csv::header(commit.schema)).await?;
                upload.finish().await
            }
            Self::Files { folder } if commit.number == 0 && commit.files.is_empty() => {
                let (bytes, _) = commit.encoder.begin_file()?.finish()?;
                let mut upload = stage.storage.upload(format!("{folder}/{NO_ROWS}")).await?;
                upload.write(bytes).await?;
                upload.finish().await
            }
            Self::Csv { .. } | Self::Files { .. } => Ok(()),
        }
    }
}
