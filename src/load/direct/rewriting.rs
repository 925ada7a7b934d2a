//! Writes files again without some of their rows, in a folder of the sync's own, whose log says for which table they are: like a staging
//! folder, so that the sweep clears away what a killed sync leaves of them in the table's folder.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::stream::FuturesOrdered;
use uuid::Uuid;

use super::merging::{Merging, Permit};
use super::parquet_file::ParquetFile;
use crate::clock::ClockAndIds;
use crate::delta::actions::{Commit, DataFile, Readers, TableMetadata};
use crate::delta::commit_path;
use crate::error::{Error, Result};
use crate::merge::lost::RowSet;
use crate::merge::rewrite::{Column, FileWriter, Properties, unchanged, without};
use crate::merge::rows::RowColumns;
use crate::recovery::left_behind::{LeftBehind, application_id};
use crate::schema::columns::TableSchema;
use crate::storage::{Put, Storage, Upload};

/// The folder of files that were written again, in the sync's staging folder. No staging of a stream is called so.
const FOLDER: &str = "_rewritten";
/// A row group is in memory so often, about: as it was read, as it is made, and as it is written.
const COPIES: usize = 3;

/// A row group, the number of its first row in the file, and how many rows it has.
struct Group {
    number: usize,
    first: u64,
    rows: u64,
}

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

    /// Writes the file at `path`, of `size` bytes, without the rows `lost` as `name`; `None` if no row is left.
    pub async fn write(
        &self,
        (path, size): (String, u64),
        lost: &Arc<RowSet>,
        name: String,
    ) -> Result<Option<DataFile>> {
        let _permit = self.merging.file(size).await;
        let file = &ParquetFile::open(&self.storage, path, size).await?;
        if lost.len() >= file.rows() {
            return Ok(None);
        }
        let mut upload = self.storage.upload(format!("{}/{name}", self.folder())).await?;
        match self.write_groups(file, lost, &mut upload).await {
            Ok((size, stats)) => {
                upload.finish().await?;
                Ok(Some(DataFile { name, size, modified_ms: self.clock_and_ids.clock.now_ms(), stats }))
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
        let groups = file.groups().enumerate().map(|(number, (first, group))| {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            let memory = usize::try_from(group.compressed_size()).unwrap_or(0).saturating_mul(COPIES);
            (Group { number, first, rows }, memory)
        });
        let left: Vec<(Group, usize)> =
            groups.filter(|(group, _)| lost.count_in(group.first, group.rows) < group.rows).collect();
        let (mut left, mut made, mut size) = (left.into_iter().peekable(), FuturesOrdered::new(), 0);
        loop {
            while let Some((_, memory)) = left.peek().filter(|_| made.len() < self.merging.workers()) {
                // It waits only while it holds none, so that no two files wait for each other.
                let permit = if made.is_empty() {
                    self.merging.group(*memory).await
                } else {
                    let Some(permit) = self.merging.try_group(*memory) else { break };
                    Some(permit)
                };
                let Some((group, _)) = left.next() else { break };
                made.push_back(self.make(file, group, lost, &properties, permit));
            }
            let Some((columns, _permit)) = made.try_next().await? else { break };
            let bytes = writer.append(columns)?;
            size += bytes.len() as u64;
            upload.write(bytes).await?;
        }
        let (bytes, stats) = writer.finish()?;
        size += bytes.len() as u64;
        upload.write(bytes).await?;
        Ok((size, stats))
    }

    /// Makes a row group of `file` without the rows `lost`.
    async fn make(
        &self,
        file: &ParquetFile,
        Group { number, first, rows }: Group,
        lost: &Arc<RowSet>,
        properties: &Properties,
        permit: Permit,
    ) -> Result<(Vec<Column>, Permit)> {
        let leaves: Vec<usize> = (0..file.metadata().file_metadata().schema_descr().num_columns()).collect();
        let chunks = file.columns(number, &leaves).await?;
        let (metadata, lost, properties) = (Arc::clone(file.metadata()), Arc::clone(lost), Arc::clone(properties));
        let work = move || {
            let group = metadata.row_groups().get(number);
            let group = group.ok_or_else(|| Error::system("A row group is not there."))?;
            let loses = lost.count_in(first, rows) > 0;
            let column = |(chunk, metadata)| {
                if loses {
                    without(chunk, metadata, group.num_rows(), first, &lost, &properties)
                } else {
                    Ok(unchanged(chunk, metadata, group.num_rows()))
                }
            };
            let chunks = chunks.into_iter().map(|(_, chunk)| chunk);
            Ok((chunks.zip(group.columns()).map(column).collect::<Result<_>>()?, permit))
        };
        self.merging.compute(work).await
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
