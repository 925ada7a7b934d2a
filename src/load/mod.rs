//! Loading: how staged batches become part of the final tables.
//!
//! Two small interfaces stand between the pipeline and an engine. A [`Loader`] opens tables before the first record; a
//! [`TableLoader`] is one open table. `direct` commits to the Delta logs itself, `sql` lets Databricks do it.

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
use crate::recovery::left_behind::LeftBehind;
use crate::recovery::sweep::StagingTables;
use crate::schema::columns::TableSchema;
use crate::stage::Batch;
use crate::storage::layout::Target;

/// Of no more tables is it told how many rows they had: nobody would read it.
pub const COUNTED_TABLES: usize = 100;

/// Tables opened at the same time.
const OPENING: usize = 16;

/// An engine.
#[async_trait]
pub trait Loader: StagingTables {
    /// Opens the tables of all streams of a sync, which need not exist: an answer for each of `targets`, in their order. A table
    /// that cannot be loaded is an error here, before the first record, and not later. Changes nothing but what dead syncs left,
    /// for which it may have to wait.
    ///
    /// # Errors
    /// Of all tables together: the server cannot be asked, or another sync changes one of the tables.
    async fn open_all(&self, targets: &[Arc<Target>]) -> Result<Vec<Result<Opened>>>;

    /// How many tables may be loaded at the same time.
    fn parallelism(&self) -> usize;

    /// The sync has ended as `ending` says: what it still runs somewhere is cancelled. What cannot be removed that should be
    /// is an error, and left for the next sync to find.
    async fn end(&self, ending: Ending) -> Result<()>;
}

/// How a sync ends for its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In the middle of its work: nothing is removed.
    Stopped,
    /// What the engine made beside the final tables stays, but for what could do harm later.
    Kept,
    /// What the engine made beside the final tables is removed.
    Purged,
}

/// A table that was opened.
pub struct Opened {
    /// The table.
    pub table: Box<dyn TableLoader>,
    /// The columns that its rows are to have.
    pub schema: Arc<TableSchema>,
    /// What may be left of its loads when the sync is killed.
    pub left_behind: LeftBehind,
}

/// How a table stands to a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableState {
    /// The table was there before this sync.
    pub existed: bool,
    /// This sync replaces the table's rows: it asks for that, and they are not of its own generation already.
    pub replaces: bool,
    /// The stream has ended well only when its source has said so.
    pub needs_complete: bool,
    /// The generation, where the sync would replace rows of any other one.
    pub own_generation: Option<i64>,
    /// What the table had, where the sync adds to it.
    pub rows: RowsBefore,
}

impl TableState {
    /// How the table of `target` stands, which has rows of `generation` if it `existed`.
    fn of(target: &Target, existed: bool, generation: Option<i64>, rows: RowsBefore) -> Self {
        let same = existed && generation.is_some() && generation == target.generation_id;
        let replaces = target.write_mode.replaces(same);
        let needs_complete = target.write_mode.needs_complete();
        let own_generation = generation.filter(|_| same && needs_complete);
        Self { existed, replaces, needs_complete, own_generation, rows }
    }
}

/// How many rows a table had, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsBefore {
    /// So many.
    Counted(u64),
    /// Nobody has written down how many.
    Unknown,
    /// It would have cost something to ask.
    NotAsked,
}

impl From<Option<u64>> for RowsBefore {
    fn from(counted: Option<u64>) -> Self {
        counted.map_or(Self::Unknown, Self::Counted)
    }
}

/// One table.
///
/// What `append` and `replace` guarantee: when they answer, the rows are in the table for good, once, together; they can be
/// repeated without harm, also when an answer was lost; a reader sees the table before or after, never in between.
#[async_trait]
pub trait TableLoader: Send {
    /// What the sync found, and does with it.
    fn table_state(&self) -> TableState;

    /// Says that rows will come, and that their [staging has begun](crate::stage::StagedStream::begin), so that what does not
    /// need them is done while they are staged. It may make a table that they are added to; what it leaves undone, the first
    /// load does.
    async fn prepare(&mut self) -> Result<()>;

    /// Adds the rows of `batches`, which follow those that were added before; makes the table if it is not there, also
    /// without batches.
    async fn append(&mut self, batches: &[Batch]) -> Result<()>;

    /// Replaces all rows by those of `batches`, and says how many they were; makes the table if it is not there. For a table that
    /// was there, the staging has to have begun.
    async fn replace(&mut self, batches: &[Batch]) -> Result<RowsBefore>;
}

/// Opens each of `targets` by `open`, some at the same time.
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
