//! A stream's staged files and their log: what has left memory and is not yet in the final table.
//!
//! Row groups of one stream are appended to its open file; a file that is long enough is ended and the next one begun;
//! closing a *batch* ends the open file and commits all files since the last batch to the staging folder's own Delta
//! log, in one commit. What a killed sync leaves is cleared away by `recovery`.

pub mod staged;
mod times;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::clock::ClockAndIds;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::encode::encoder::{Encoder, PartFile, RowGroup};
use crate::error::{Error, Result};
use crate::recovery::left_behind::{LeftBehind, application_id};
use crate::storage::file_names::FileNames;
use crate::storage::layout::{Target, commit_path};
use crate::storage::{Storage, Upload};

/// What all streams of a sync share while they stage.
pub struct Stage {
    /// Where files go.
    pub storage: Storage,
    /// Where time and ids come from.
    pub clock_and_ids: ClockAndIds,
    /// The sync.
    pub sync: Uuid,
    /// Compressed bytes after which a file is ended and the next one begun.
    pub file_size: u64,
    /// Names files.
    pub names: FileNames,
    /// Counts files, for their names.
    pub parts: AtomicU64,
}

/// Files that are staged and committed together, and loaded together or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Counts a stream's batches, from 1.
    pub number: i64,
    /// Its files, in the stream's staging folder.
    pub files: Vec<DataFile>,
}

impl Batch {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.stats.rows).sum()
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// One stream's staging.
pub struct StagedStream {
    target: Arc<Target>,
    left_behind: LeftBehind,
    encoder: Arc<Encoder>,
    open: Option<OpenFile>,
    files: Vec<DataFile>,
    batches: i64,
    /// The staging log's next version.
    version: u64,
    /// Whether it was told that its times look wrong.
    told: bool,
}

struct OpenFile {
    name: String,
    file: PartFile,
    upload: Upload,
    size: u64,
}

impl StagedStream {
    /// A stream that has staged nothing; `encoder` makes its files.
    pub fn new(target: Arc<Target>, left_behind: LeftBehind, encoder: Arc<Encoder>) -> Self {
        Self { target, left_behind, encoder, open: None, files: Vec::new(), batches: 0, version: 0, told: false }
    }

    /// Its staging folder, and what a kill may leave outside it.
    pub fn left_behind(&self) -> (&str, &LeftBehind) {
        (&self.target.staging, &self.left_behind)
    }

    /// What encodes its rows.
    pub fn encoder(&self) -> &Arc<Encoder> {
        &self.encoder
    }

    /// Appends a row group, which its encoder made, to the open file, beginning one if there is none.
    pub async fn append(&mut self, stage: &Stage, group: RowGroup) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let part = stage.parts.fetch_add(1, Ordering::Relaxed);
                let name = stage.names.name(part, stage.clock_and_ids.clock.now_us(), self.encoder.extension());
                let upload = stage.storage.upload(format!("{}/{name}", self.target.staging)).await?;
                OpenFile { name, file: self.encoder.begin_file()?, upload, size: 0 }
            }
        };
        let bytes = open.file.append(group)?;
        open.size += bytes.len() as u64;
        let written = open.upload.write(bytes).await;
        let full = open.size >= stage.file_size;
        // Also after a failure: what was begun has to be given up, see `abandon`.
        self.open = Some(open);
        written?;
        if full { self.end_file(stage).await } else { Ok(()) }
    }

    /// Ends the open file, if there is one; it stays part of the batch that is open.
    pub async fn end_file(&mut self, stage: &Stage) -> Result<()> {
        match self.seal_file(stage).await? {
            Some(upload) => upload.finish().await,
            None => Ok(()),
        }
    }

    /// Closes the batch: ends the open file and commits the batch's files to the staging log. `None` without rows.
    pub async fn close_batch(&mut self, stage: &Stage) -> Result<Option<Batch>> {
        let last = self.seal_file(stage).await?;
        if self.files.is_empty() {
            return Ok(None);
        }
        let files = std::mem::take(&mut self.files);
        // Nobody reads the staging before this answers, so its last file and its log need not wait for each other.
        let ended = async {
            match last {
                Some(upload) => upload.finish().await,
                None => Ok(()),
            }
        };
        self.batches += 1;
        let (ended, logged) = tokio::join!(ended, self.commit(stage, &files));
        ended.and(logged)?;
        Ok(Some(Batch { number: self.batches, files }))
    }

    /// Makes the staging a table without rows, where a table of a catalog is made over it: that one can be made then before
    /// the first batch is closed, and without any.
    pub async fn begin(&mut self, stage: &Stage) -> Result<()> {
        match self.left_behind {
            LeftBehind::StagingTable(_) if self.version == 0 => self.commit(stage, &[]).await,
            _ => Ok(()),
        }
    }

    /// Commits `files` to the staging log, as those of the newest batch. The commit need not appear whole: one that a kill
    /// cuts short is of a batch that was never loaded.
    async fn commit(&mut self, stage: &Stage, files: &[DataFile]) -> Result<()> {
        let create = (self.version == 0).then(|| TableMetadata {
            id: (stage.clock_and_ids.new_id)(),
            description: format!("Staged for stream {}", self.target.stream),
            configuration: BTreeMap::from([self.left_behind.property()]),
        });
        let transactions = vec![(application_id(stage.sync), self.batches)];
        let commit =
            Commit { schema: self.encoder.schema(), create, transactions, add: files, readers: Readers::Spark }
                .to_bytes(stage.clock_and_ids.clock.now_ms());
        let mut upload = stage.storage.upload(commit_path(&self.target.staging, self.version)).await?;
        self.version += 1;
        upload.write(commit).await?;
        upload.finish().await
    }

    /// Sends all of the open file but its end, and counts it as part of the open batch.
    async fn seal_file(&mut self, stage: &Stage) -> Result<Option<Upload>> {
        let Some(OpenFile { name, file, mut upload, size }) = self.open.take() else { return Ok(None) };
        let (bytes, stats) = file.finish()?;
        let size = size + bytes.len() as u64;
        if let Err(error) = upload.write(bytes).await {
            upload.abort().await;
            return Err(error);
        }
        let stats = stats.ok_or_else(|| Error::system("A staged file has no rows."))?;
        if let Some(unit) = times::other_unit(stats.emitted_at).filter(|_| !self.told) {
            self.told = true;
            tracing::warn!(
                "`emitted_at` in records of stream {} looks like {unit}. It is taken for milliseconds, as the protocol says: \
                 {} in the table is wrong if it is not. The source has to be corrected.",
                self.target.stream,
                self.encoder.schema().emitted_at().name
            );
        }
        self.files.push(DataFile { name, size, modified_ms: stage.clock_and_ids.clock.now_ms(), stats });
        Ok(Some(upload))
    }

    /// Gives up what is not committed.
    pub async fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            open.upload.abort().await;
        }
    }
}
