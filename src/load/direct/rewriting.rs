//! Writes files again without some of their rows, in a folder of the sync's own, whose log says for which table they are: like a staging
//! folder, so that the sweep clears away what a killed sync leaves of them in the table's folder.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::merging::Merging;
use super::parquet_file::ParquetFile;
use crate::clock::ClockAndIds;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::commit_path;
use crate::error::{Error, Result};
use crate::merge::lost::RowSet;
use crate::merge::rewrite::{Column, FileWriter, unchanged, without};
use crate::merge::rows::RowColumns;
use crate::recovery::left_behind::{LeftBehind, application_id};
use crate::schema::columns::TableSchema;
use crate::storage::{Put, Storage, Upload};

/// The folder of files that were written again, in the sync's staging folder. No staging of a stream is called so.
const FOLDER: &str = "_rewritten";

/// The files of one table that a sync has written again.
pub struct Rewriting {
    storage: Storage,
    merging: Merging,
    clock_and_ids: ClockAndIds,
    sync: Uuid,
    table: String,
    files: Arc<TableSchema>,
    /// Files so far, for their names.
    count: u64,
    /// Commits of the folder's log so far.
    logged: u64,
}

impl Rewriting {
    /// For the table in the folder `table`, whose staged files have the columns `files`.
    pub fn new(
        (storage, merging): (&Storage, &Merging),
        clock_and_ids: &ClockAndIds,
        sync: Uuid,
        table: &str,
        files: &Arc<TableSchema>,
    ) -> Self {
        Self {
            storage: storage.clone(),
            merging: merging.clone(),
            clock_and_ids: clock_and_ids.clone(),
            sync,
            table: table.to_owned(),
            files: Arc::clone(files),
            count: 0,
            logged: 0,
        }
    }

    /// The folder that the files are in.
    pub fn folder(&self) -> String {
        format!("{}/{FOLDER}/{}", self.sync, self.table)
    }

    /// The name of the next file. Like every name of a sync's file it has its id in it.
    pub fn next_name(&mut self) -> String {
        self.count += 1;
        let now = self.clock_and_ids.clock.now_ms();
        format!("rewritten_{now}_{}_{}.parquet", self.count, self.sync.simple())
    }

    /// Writes `file` without the rows `lost` as `name`; some rows must be left.
    pub async fn write(&self, file: &ParquetFile, lost: &Arc<RowSet>, name: String) -> Result<DataFile> {
        let mut upload = self.storage.upload(format!("{}/{name}", self.folder())).await?;
        match self.write_groups(file, lost, &mut upload).await {
            Ok((size, stats)) => {
                upload.finish().await?;
                Ok(DataFile { name, size, modified_ms: self.clock_and_ids.clock.now_ms(), stats })
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn write_groups(
        &self,
        file: &ParquetFile,
        lost: &Arc<RowSet>,
        upload: &mut Upload,
    ) -> Result<(u64, crate::schema::stats::RowStats)> {
        let columns = RowColumns { id: &self.files.id().name, emitted_at: &self.files.emitted_at().name };
        let mut writer = FileWriter::new(file.metadata(), columns)?;
        let properties = writer.properties();
        let leaves: Vec<usize> = (0..file.metadata().file_metadata().schema_descr().num_columns()).collect();
        let groups: Vec<(usize, u64, i64)> =
            file.groups().enumerate().map(|(number, (first, group))| (number, first, group.num_rows())).collect();
        let left = groups
            .into_iter()
            .filter(|(_, first, rows)| u64::try_from(*rows).is_ok_and(|rows| lost.count_in(*first, rows) < rows));
        let made = left.map(|(number, first, rows)| {
            let (properties, lost, leaves) = (Arc::clone(&properties), Arc::clone(lost), &leaves);
            async move {
                let chunks = file.columns(number, leaves).await?;
                let metadata = Arc::clone(file.metadata());
                let work = move || {
                    let group = metadata.row_groups().get(number);
                    let group = group.ok_or_else(|| Error::system("A row group is not there."))?;
                    let loses = lost.count_in(first, u64::try_from(rows).unwrap_or(0)) > 0;
                    let column = |(chunk, metadata)| {
                        if loses {
                            without(chunk, metadata, rows, first, &lost, &properties)
                        } else {
                            Ok(unchanged(chunk, metadata, rows))
                        }
                    };
                    chunks
                        .into_iter()
                        .map(|(_, chunk)| chunk)
                        .zip(group.columns())
                        .map(column)
                        .collect::<Result<Vec<Column>>>()
                };
                self.merging.compute(work).await
            }
        });
        let mut made = stream::iter(made.collect::<Vec<_>>()).buffered(self.merging.workers());
        let mut size = 0;
        while let Some(columns) = made.try_next().await? {
            let bytes = writer.append(columns)?;
            size += bytes.len() as u64;
            upload.write(bytes).await?;
        }
        let (bytes, stats) = writer.finish()?;
        size += bytes.len() as u64;
        upload.write(bytes).await?;
        Ok((size, stats))
    }

    /// Writes down that `files` are about to be moved into the table's folder, for the load up to the batch `through`.
    pub async fn log(&mut self, files: &[DataFile], through: i64) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let create = (self.logged == 0).then(|| TableMetadata {
            id: (self.clock_and_ids.new_id)(),
            description: format!("Files of table {} that were written again", self.table),
            configuration: [LeftBehind::Files(self.table.clone()).property()].into(),
        });
        let transactions = vec![(application_id(self.sync), through)];
        let commit = Commit { schema: &self.files, create, transactions, add: files, readers: Readers::Spark };
        let bytes = commit.to_bytes(self.clock_and_ids.clock.now_ms());
        let path = commit_path(&self.folder(), self.logged);
        self.logged += 1;
        match self.storage.put_new(&path, bytes).await? {
            Put::Created => Ok(()),
            Put::Exists => {
                Err(Error::system("The log of files that were written again has a commit that nobody made."))
            }
        }
    }
}
