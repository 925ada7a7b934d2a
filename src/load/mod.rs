//! Loading: staged batches become part of the final tables.
//!
//! The pipeline knows an engine by two traits: a [`Loader`] opens the tables before the first record, a [`TableLoader`] is one open
//! table. The engine `direct` commits to the Delta logs itself, `sql` lets Databricks do it.

mod columns;
pub mod direct;
mod existing_folders;
mod generation;
mod origin;
pub mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};

use crate::error::Result;
use crate::protocol::catalog::WriteMode;
use crate::recovery::sweep::StagingTables;
use crate::schema::columns::TableSchema;
use crate::stage::Batch;
use crate::stage::staged::{Staging, Watcher};
use crate::target::Target;

/// Row counts are reported for at most this many tables.
pub const COUNTED_TABLES: usize = 100;

/// How many tables are opened at the same time.
const OPENING: usize = 16;

/// An engine.
#[async_trait]
pub trait Loader: StagingTables {
    /// Opens the tables of all streams of a sync, which need not exist; returns one result for each of `targets`, in their order. A
    /// table that cannot be loaded is an error here, before the first record. Changes nothing but what dead syncs left behind; may
    /// wait for other syncs.
    ///
    /// # Errors
    /// For all tables: the server does not answer, or another sync is changing one of the tables.
    async fn open_all(&self, targets: &[Arc<Target>]) -> Result<Vec<Result<Opened>>>;

    /// The most tables that may be loaded at the same time.
    fn parallelism(&self) -> usize;

    /// Ends the engine's work as `ending` says; cancels what still runs. To be called once, after the last load.
    ///
    /// # Errors
    /// Something could not be removed. The next sync finds and removes it.
    async fn end(&self, ending: Ending) -> Result<()>;
}

/// How a sync ends for its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sync was stopped: nothing is removed.
    Stopped,
    /// What the engine created beside the final tables stays, unless it could do harm later.
    Kept,
    /// What the engine created beside the final tables is removed.
    Purged,
}

/// An open table.
pub struct Opened {
    /// The table.
    pub table: Box<dyn TableLoader>,
    /// The columns that its rows must have.
    pub schema: Arc<TableSchema>,
    /// How its rows must be staged.
    pub staging: Staging,
    /// What has to see its rows when they are encoded.
    pub watcher: Option<Arc<dyn Watcher>>,
    /// Statements compare its keys.
    pub compares_in_sql: bool,
}

/// What a sync found of a table, and what it does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableState {
    /// The table was there before this sync.
    pub existed: bool,
    /// This sync replaces the table's rows: its mode asks for it, and they do not have its own generation already.
    pub replaces: bool,
    /// What the sync was asked to do with the rows that are there.
    pub write_mode: WriteMode,
    /// The generation of the rows, if it is the sync's own and rows of any other would be replaced.
    pub own_generation: Option<i64>,
    /// How many rows the table had, if the sync adds to them.
    pub rows: RowsBefore,
    /// Rows take the place of those with the same key.
    pub is_dedup: bool,
}

impl TableState {
    /// The state of the table of `target`, which has rows of `generation` if it `existed`.
    fn of(target: &Target, existed: bool, generation: Option<i64>, rows: RowsBefore) -> Self {
        let same = existed && generation.is_some() && generation == target.generation_id;
        let replaces = target.write_mode.replaces(same);
        let own_generation = generation.filter(|_| same && target.write_mode.keeps_own_generation());
        let is_dedup = target.dedup.is_some();
        Self { existed, replaces, write_mode: target.write_mode, own_generation, rows, is_dedup }
    }
}

/// How many rows a table had, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsBefore {
    /// This many.
    Counted(u64),
    /// The table's log does not have the number.
    Unknown,
    /// Not counted, because it would have taken a request.
    NotAsked,
}

impl From<Option<u64>> for RowsBefore {
    fn from(counted: Option<u64>) -> Self {
        counted.map_or(Self::Unknown, Self::Counted)
    }
}

/// One table.
///
/// What `append` and `replace` guarantee: when they return `Ok`, all rows are durable in the table, each once. After an error they
/// may be called again with the same batches, whatever the failed call has done. Readers see the table before or after the load,
/// never in between.
#[async_trait]
pub trait TableLoader: Send {
    /// What the sync found of the table, and what it does with it.
    fn table_state(&self) -> TableState;

    /// Does work of the first load early, while rows are still being staged: it may create a table that they are added to.
    /// Optional; to be called only after [the staging has begun](crate::stage::StagedStream::expect_rows).
    async fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Adds the rows of `batches`, which must follow the batches added before. Creates a missing table, even without batches.
    async fn append(&mut self, batches: &[Batch]) -> Result<()>;

    /// Replaces all rows by those of `batches`; returns how many rows it removed. Creates a missing table. The staging must have
    /// begun if the engine asked for that [without rows](crate::stage::staged::Begins::Always).
    async fn replace(&mut self, batches: &[Batch]) -> Result<RowsBefore>;
}

/// Calls `open` for each of `targets`, several at the same time; errors name the stream.
async fn open_each<F: Future<Output = Result<Opened>>>(
    targets: &[Arc<Target>],
    parallelism: usize,
    open: impl Fn(Arc<Target>) -> F,
) -> Vec<Result<Opened>> {
    let open = |target: Arc<Target>| {
        let (stream, opened) = (target.stream.clone(), open(target));
        async move { opened.await.map_err(|error| error.with_stream(stream)) }
    };
    stream::iter(targets.to_vec()).map(open).buffered(OPENING.min(parallelism)).collect().await
}
