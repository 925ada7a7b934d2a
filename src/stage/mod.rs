//! A stream's staged files and their log: rows that have left memory and are not yet in the final table.
//!
//! Row groups of one stream are appended to its open file; a file that has reached its size is ended and the next one begun.
//! Closing a *batch* ends the open file and commits all files since the last batch to the log of the staging folder, if it has
//! one (`staged`). `recovery` removes what a killed sync leaves.

pub mod staged;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use self::staged::{Begins, StagedCommit, Staging};
use crate::clock::ClockAndIds;
use crate::delta::actions::DataFile;
use crate::encode::encoder::{Block, Encoder, PartFile};
use crate::error::{Error, Result};
use crate::recovery::left_behind::LeftBehind;
use crate::storage::file_names::FileNames;
use crate::storage::{Storage, Upload};
use crate::target::Target;

/// What all streams of a sync share while they stage.
pub struct Stage {
    /// Where the files are written.
    pub storage: Storage,
    /// Where time and ids come from.
    pub clock_and_ids: ClockAndIds,
    /// The sync.
    pub sync: Uuid,
    /// The size in compressed bytes at which a file is ended.
    pub file_size: u64,
    /// Makes the names of files.
    pub names: FileNames,
    /// Counts the files of all streams, for their names.
    pub parts: AtomicU64,
}

/// Files that are committed together to the staging log, and loaded together or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The number of the batch in its stream, from 1.
    pub number: i64,
    /// Its files, in the stream's staging folder.
    pub files: Vec<DataFile>,
}

impl Batch {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.stats.rows).sum()
    }

    /// The size of its files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// One stream's staging.
pub struct StagedStream {
    target: Arc<Target>,
    staging: Staging,
    encoder: Arc<Encoder>,
    /// Whether it has had rows.
    has_rows: bool,
    open: Option<OpenFile>,
    files: Vec<DataFile>,
    batches: i64,
    /// How many commits its log has.
    logged: u64,
    /// There was a WARN about the unit of its times.
    has_warned: bool,
}

struct OpenFile {
    name: String,
    file: PartFile,
    upload: Upload,
    size: u64,
}

impl StagedStream {
    /// A stream with nothing staged; `encoder` makes its files.
    pub fn new(target: Arc<Target>, staging: Staging, encoder: Arc<Encoder>) -> Self {
        Self {
            target,
            staging,
            encoder,
            has_rows: false,
            open: None,
            files: Vec::new(),
            batches: 0,
            logged: 0,
            has_warned: false,
        }
    }

    /// Its staging folder, and what a killed sync may leave outside it.
    pub fn left_behind(&self) -> Option<(&str, &LeftBehind)> {
        Some((self.staging.staged.folder(), self.staging.left_behind.as_ref()?))
    }

    /// What encodes its rows.
    pub fn encoder(&self) -> &Arc<Encoder> {
        &self.encoder
    }

    /// To be called before rows are appended: begins the staging if it begins with the stream's first rows. Returns whether it did, so
    /// that the engine can prepare its load.
    pub async fn expect_rows(&mut self, stage: &Stage) -> Result<bool> {
        let are_first = !std::mem::replace(&mut self.has_rows, true);
        let is_due = match self.staging.begins {
            Begins::AtFirstBatch | Begins::AtFirstBatchOrEnd => false,
            Begins::AtFirstRows | Begins::Always => are_first,
        };
        if is_due { self.begin(stage).await.map(|()| true) } else { Ok(false) }
    }

    /// The stream has ended well and no more rows will be appended: begins a staging that is read without rows, too.
    pub async fn end(&mut self, stage: &Stage) -> Result<()> {
        match self.staging.begins {
            Begins::Always | Begins::AtFirstBatchOrEnd => self.begin(stage).await,
            Begins::AtFirstBatch | Begins::AtFirstRows => Ok(()),
        }
    }

    /// Appends a block of its [encoder](Self::encoder) to the open file; begins one if there is none. After an error, call
    /// [`Self::abandon`].
    pub async fn append(&mut self, stage: &Stage, group: Block) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let part = stage.parts.fetch_add(1, Ordering::Relaxed);
                let name = stage.names.name(part, stage.clock_and_ids.clock.now_us(), self.encoder.extension());
                let upload = stage.storage.upload(format!("{}/{name}", self.staging.staged.folder())).await?;
                OpenFile { name, file: self.encoder.begin_file()?, upload, size: 0 }
            }
        };
        let bytes = open.file.append(group)?;
        open.size += bytes.len() as u64;
        let written = open.upload.write(bytes).await;
        let largest = stage.storage.largest_file().map_or(stage.file_size, |most| most.min(stage.file_size));
        let full = open.size >= largest || open.file.is_full();
        // Also after a failure: `abandon` has to abort the upload.
        self.open = Some(open);
        written?;
        if full { self.end_file(stage).await } else { Ok(()) }
    }

    /// Ends the open file, if there is one; it belongs to the open batch.
    pub async fn end_file(&mut self, stage: &Stage) -> Result<()> {
        match self.seal_file(stage).await? {
            Some(upload) => upload.finish().await,
            None => Ok(()),
        }
    }

    /// Closes the batch: ends the open file and commits the batch's files to the staging log. `None` if there are no rows.
    pub async fn close_batch(&mut self, stage: &Stage) -> Result<Option<Batch>> {
        let last = self.seal_file(stage).await?;
        if self.files.is_empty() {
            return Ok(None);
        }
        let files = std::mem::take(&mut self.files);
        // Nobody reads the batch before this returns, so its last file and its commit are written at the same time.
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

    /// Begins the log with a commit without files, unless it has begun.
    async fn begin(&mut self, stage: &Stage) -> Result<()> {
        if self.logged > 0 {
            return Ok(());
        }
        self.commit(stage, &[]).await
    }

    /// Commits `files`, those of the newest batch, to the staging log.
    async fn commit(&mut self, stage: &Stage, files: &[DataFile]) -> Result<()> {
        let commit = StagedCommit {
            number: self.logged,
            batch: self.batches,
            files,
            schema: self.encoder.schema(),
            encoder: &self.encoder,
            stream: &self.target.stream,
            left_behind: self.staging.left_behind.as_ref(),
        };
        self.logged += 1;
        self.staging.staged.commit(stage, commit).await
    }

    /// Writes the footer of the open file and adds the file to the open batch; the caller has to finish the upload.
    async fn seal_file(&mut self, stage: &Stage) -> Result<Option<Upload>> {
        let Some(OpenFile { name, file, mut upload, size }) = self.open.take() else { return Ok(None) };
        let (bytes, stats) = file.finish()?;
        let size = size + bytes.len() as u64;
        if let Err(error) = upload.write(bytes).await {
            upload.abort().await;
            return Err(error);
        }
        let stats = stats.ok_or_else(|| Error::system("A staged file has no rows."))?;
        if let Some(unit) = times::other_unit(stats.emitted_at).filter(|_| !self.has_warned) {
            self.has_warned = true;
            tracing::warn!(
                "`emitted_at` in records of stream {} looks like {unit}. It is read as milliseconds, as the protocol says: if it \
                 is not, {} in the table is wrong, and the source has to be corrected.",
                self.target.stream,
                self.encoder.schema().emitted_at().name
            );
        }
        self.files.push(DataFile { name, size, modified_ms: stage.clock_and_ids.clock.now_ms(), stats });
        Ok(Some(upload))
    }

    /// Aborts the upload of the open file.
    pub async fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            open.upload.abort().await;
        }
    }
}

#[cfg(test)]
mod tests;
