//! One stream's table: loads its staged batches by SQL, and counts what has come of it.
//!
//! An append is an insert-only MERGE, a replacement one INSERT OVERWRITE. Each can be sent twice, one after the other. What a
//! MERGE reports is compared with what was staged; wherever that differs, as it does when an earlier answer was lost, the
//! rows that were staged are counted in the table itself, and that number decides. Rows of others, who may write at the
//! same time, are never counted.

mod generations;
mod hidden;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::claims::{self, Change};
use super::contest;
use super::found::{Found, Place, look, named};
use super::load::Load;
use super::statements::{self, NewTable, SchemaName, TableName};
use super::{Shared, Sql, answers};
use crate::counted::counted;
use crate::databricks::{Changed, QueryResult};
use crate::error::{Error, Result, ResultExt};
use crate::load::{RowsBefore, Standing, TableLoader, generation as load_generation};
use crate::protocol::catalog::Disposition;
use crate::stage::Batch;
use crate::storage::layout::Target;

/// How often a statement that changes rows is sent, if its answer is lost each time.
const MOST_SENDINGS: u32 = 8;
/// How often one is sent that somebody else cancels: who restarts a warehouse does so once, who does not want it goes on.
const MOST_CANCELLED: u32 = 3;

/// A stream's table.
pub(super) struct SqlTable {
    shared: Arc<Shared>,
    target: Arc<Target>,
    name: TableName,
    staging: TableName,
    /// Whether its schema, and that of its staging table, were there when the sync began.
    has_schema: bool,
    has_staging_schema: bool,
    standing: Standing,
    place: Place,
    /// The generation of the rows that were there when the sync began.
    found: Option<i64>,
    /// The generation that the table says it has.
    generation: Option<i64>,
    staging_made: bool,
    /// How often the staging table got another name.
    renamed: u32,
    claimed: bool,
}

/// A statement that changes rows has run to its end.
struct Done {
    answer: QueryResult,
    /// It was sent before, and nobody knows what came of that.
    again: bool,
}

impl SqlTable {
    /// Looks at what is there of the table of `target`, and refuses what cannot be loaded.
    pub(super) async fn open(engine: &Sql, target: Arc<Target>) -> Result<Self> {
        let target = named(engine, target).await?;
        let (schema, table) = target
            .table
            .split_once('/')
            .ok_or_else(|| Error::system(format!("The table {} has no schema.", target.table)))?;
        let schema_name = SchemaName::new(&engine.shared.catalog, schema);
        let name = schema_name.table(table);
        let found = look(engine, &target, &name).await?;
        let Found { place, generation, .. } = found;
        let name = if found.is_collated { name.with_collation() } else { name };
        let staging = name.staging_table(engine.shared.staging_schema.as_deref(), engine.shared.sync, 0);
        load_generation::warn_of_newer(&name, &target, generation);
        // No statement is sent for a number that only people read.
        let standing = Standing::of(&target, place != Place::Nowhere, generation, RowsBefore::NotAsked);
        Ok(Self {
            shared: Arc::clone(&engine.shared),
            has_schema: engine.seen().schemas.contains_key(schema),
            has_staging_schema: match engine.shared.staging_schema {
                Some(_) => engine.seen().has_staging_schema,
                // The final table's is made before it.
                None => true,
            },
            standing,
            target,
            name,
            staging,
            place,
            found: generation,
            // What a log says is not yet a property.
            generation: generation.filter(|_| place == Place::Catalog),
            staging_made: false,
            renamed: 0,
            claimed: false,
        })
    }

    /// The full name of its staging table.
    pub(super) fn staging_table(&self) -> String {
        self.staging.to_string()
    }

    async fn append(&mut self, batches: &[Batch]) -> Result<()> {
        let load = Load::of(batches);
        if load.is_none() && self.place == Place::Catalog {
            return Ok(());
        }
        self.ensure_table().await?;
        if let Some(load) = load {
            self.ensure_staging_table().await?;
            self.claim(Change::Adds).await?;
            self.merge(&load).await.context(|| format!("loading {} by MERGE", counted(load.rows, "row")))?;
        }
        self.write_down_generation().await
    }

    async fn replace(&mut self, batches: &[Batch]) -> Result<()> {
        let load = Load::of(batches);
        let Some(load) = load else { return self.empty().await };
        self.ensure_table().await?;
        self.ensure_staging_table().await?;
        self.claim(Change::Replaces).await?;
        let statement = |this: &Self| statements::overwrite(&this.shared.columns, &this.name, &this.staging, &load);
        let replaced = self.change(statement).await;
        let replaced = replaced.context(|| format!("replacing the table by {}", counted(load.rows, "row")))?;
        let found = self.count(&load).await?;
        self.ensure_seen(&replaced, 0, found)?;
        self.ensure_all(&load, found)?;
        self.write_down_generation().await
    }

    /// Replaces all rows by none.
    async fn empty(&mut self) -> Result<()> {
        let was = self.place;
        self.ensure_table().await?;
        if was != Place::Nowhere {
            self.ensure_staging_table().await?;
            self.claim(Change::Replaces).await?;
            let emptied = self.change(|this| statements::empty(&this.shared.columns, &this.name, &this.staging)).await;
            emptied.context(|| "emptying the table".to_owned())?;
        }
        self.write_down_generation().await
    }

    async fn merge(&mut self, load: &Load) -> Result<()> {
        let statement = |this: &Self| statements::merge(&this.shared.columns, &this.name, &this.staging, load);
        let done = self.change(statement).await?;
        if !done.again && answers::inserted(&done.answer) == Some(load.rows) {
            return Ok(());
        }
        let mut found = self.count(load).await?;
        if found < load.rows {
            self.ensure_seen(&done, 0, found)?;
            self.ensure_not_hidden(&done, load, found).await?;
            // A server may have read the staging table before its newest batch was there.
            self.execute(&statements::refresh(&self.staging)).await?;
            let done = self.change(statement).await?;
            let before = found;
            found = self.count(load).await?;
            self.ensure_seen(&done, before, found)?;
        }
        self.ensure_all(load, found)
    }

    /// Runs the statement that `text` gives for this table and its staging table, and that changes rows.
    ///
    /// Where its answer is lost, it is sent again only after its first copy is [settled](Self::settle), so that one of
    /// the two commits: a server that looks for conflicts row by row may let both.
    async fn change(&mut self, text: impl Fn(&Self) -> String) -> Result<Done> {
        let mut sendings = 1;
        let mut waits = self.shared.transport.waits();
        loop {
            self.ensure_staging_table().await?;
            self.shared.storage.ensure_committable()?;
            let mut changed = self.shared.change(&text(self)).await;
            if Changed::why_refused(&changed).is_some_and(|error| self.learns_collation(error)) {
                changed = self.shared.change(&text(self)).await;
            }
            // After copies of unknown fate it is not all that the server may still have.
            let is_over =
                matches!(changed, Ok(Changed::Done(_))) || sendings == 1 && matches!(changed, Ok(Changed::Refused(_)));
            if !is_over {
                // Also where the user has to mend something: a token that is refused says nothing of the statement.
                self.shared.unclear().insert(self.staging_table(), self.name.clone());
            }
            let (why, most) = match changed? {
                Changed::Done(answer) => {
                    let again = sendings > 1;
                    if again {
                        // For a copy that had found its staging table and had not begun its transaction at the first fence.
                        self.settle_all().await?;
                    }
                    return Ok(Done { answer, again });
                }
                Changed::Refused(error) => return Err(error),
                Changed::Unknown(why) => (why, MOST_SENDINGS),
                Changed::Cancelled(why) => (why, MOST_CANCELLED),
            };
            if sendings >= most {
                return Err(why);
            }
            tracing::info!(
                "Whether a statement has changed {} is not known. It is sent again as soon as the first one cannot do so any \
                 more: {why}",
                self.name
            );
            self.settle().await?;
            waits.another(None).await;
            sendings += 1;
        }
    }

    /// Whether a server has refused to compare the table's texts: a new table takes the collation of its schema.
    fn learns_collation(&mut self, error: &Error) -> bool {
        let is_new = !self.name.is_collated() && error.message().contains("COLLATION");
        if is_new {
            self.name = self.name.clone().with_collation();
        }
        is_new
    }

    /// Sees to it that a statement of unknown fate has committed now, or never does: without the staging table that it reads
    /// it cannot begin, and if it has begun, it fails at the fence. The next statement reads the same files by another name.
    async fn settle(&mut self) -> Result<()> {
        let lost = self.staging_table();
        self.shared.drop_all(std::slice::from_ref(&lost)).await?;
        self.shared.staging().remove(&lost);
        self.shared.fence(&self.name).await?;
        self.renamed += 1;
        self.staging_made = false;
        self.staging = self.name.staging_table(self.shared.staging_schema.as_deref(), self.shared.sync, self.renamed);
        Ok(())
    }

    /// After a copy that has run to its end: the last fence against those before it. Without it they stay unclear, and the
    /// end of the sync sets it.
    async fn settle_all(&self) -> Result<()> {
        if self.shared.fence(&self.name).await? {
            self.shared.unclear().retain(|_, table| table.path() != self.name.path());
        }
        Ok(())
    }

    /// Says, before the first statement that changes rows, that such are sent.
    async fn claim(&mut self, change: Change) -> Result<()> {
        if self.claimed {
            return Ok(());
        }
        let waited = contest::claim(&self.shared, &self.target.table, &self.name, change).await?;
        self.claimed = true;
        // Who did not have to wait may still have been overtaken, by a sync that has ended since.
        let asks = waited || self.target.disposition == Disposition::Refresh;
        if asks { self.ensure_not_overtaken().await } else { Ok(()) }
    }

    /// Refuses to go on where rows that a statement has just inserted are not `found` beside those of `before`: each further
    /// statement would insert them once more.
    fn ensure_seen(&self, done: &Done, before: u64, found: u64) -> Result<()> {
        let inserted = answers::inserted(&done.answer).unwrap_or_default();
        if inserted.saturating_add(before) <= found {
            return Ok(());
        }
        Err(self.hides(inserted, found, inserted.saturating_add(before)))
    }

    fn ensure_all(&self, load: &Load, found: u64) -> Result<()> {
        if found == load.rows {
            return Ok(());
        }
        Err(Error::system(format!(
            "Table {} has {found} of the {} rows that were loaded into it from {} (ids {} to {}). The rows are not \
             acknowledged.",
            self.name, load.rows, self.staging, load.ids.first, load.ids.last
        )))
    }

    async fn count(&mut self, load: &Load) -> Result<u64> {
        let mut answer = self.execute(&statements::count(&self.shared.columns, &self.name, &self.staging, load)).await;
        if answer.as_ref().is_err_and(|error| self.learns_collation(error)) {
            answer = self.execute(&statements::count(&self.shared.columns, &self.name, &self.staging, load)).await;
        }
        answers::number(&answer.context(|| "counting the rows of the table".to_owned())?)
    }

    async fn ensure_schema(&self) -> Result<()> {
        if self.has_schema { Ok(()) } else { self.shared.ensure_schema(self.name.schema()).await }
    }

    async fn ensure_staging_schema(&self) -> Result<()> {
        let schema = self.staging.schema();
        let named = |error: Error| {
            let sentence = format!("Creating schema {schema}, the `staging_schema`, failed: {error}");
            Error::new(error.kind(), sentence).with_source(error)
        };
        self.shared.ensure_schema(schema).await.map_err(named)
    }

    /// Makes the table, or gives it its name, unless it has it.
    async fn ensure_table(&mut self) -> Result<()> {
        let location = self.location();
        let statement = match self.place {
            Place::Catalog => return Ok(()),
            Place::Bucket => statements::create_over(&self.name, &location),
            Place::Nowhere => statements::create_table(&self.new_table(&location)),
        };
        self.ensure_schema().await?;
        self.shared.create(&statement).await.context(|| format!("creating table {}", self.name))?;
        if self.place == Place::Nowhere {
            self.generation = self.generation_of_new();
        }
        self.place = Place::Catalog;
        Ok(())
    }

    async fn ensure_staging_table(&mut self) -> Result<()> {
        if self.staging_made {
            return Ok(());
        }
        if !self.has_staging_schema {
            self.ensure_staging_schema().await?;
        }
        // First noted, then made: what may be there has to be dropped.
        self.shared.staging().insert(self.staging_table());
        if self.renamed > 0 {
            claims::rename(&self.shared.storage, self.shared.sync, &self.staging).await?;
        }
        let location = self.shared.storage.shown(&self.target.staging);
        let made = self.execute(&statements::create_over(&self.staging, &location)).await;
        if made.as_ref().is_err_and(Error::lacks_right) {
            // It was refused; who may not make it may not drop it either, and its files need not stay for it.
            self.shared.staging().remove(&self.staging_table());
        }
        made.context(|| format!("creating the staging table over {location}"))?;
        self.staging_made = true;
        Ok(())
    }

    fn location(&self) -> String {
        self.shared.storage.shown(&self.target.table)
    }

    fn new_table<'a>(&'a self, location: &'a str) -> NewTable<'a> {
        NewTable {
            name: &self.name,
            columns: &self.shared.columns,
            location,
            stream: self.target.stream.clone(),
            mode: self.target.disposition.mode(),
            generation: self.generation_of_new(),
        }
    }

    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        self.shared.execute(statement).await
    }
}

impl TableLoader for SqlTable {
    fn standing(&self) -> Standing {
        self.standing
    }

    fn prepare(&mut self) -> BoxFuture<'_, Result<()>> {
        async move {
            // What replaces rows reads the staging table once: it is made when all is staged, and cannot be read too early.
            if self.standing.replaces {
                return Ok(());
            }
            self.ensure_table().await?;
            self.ensure_staging_table().await
        }
        .boxed()
    }

    fn append<'a>(&'a mut self, batches: &'a [Batch]) -> BoxFuture<'a, Result<()>> {
        Self::append(self, batches).boxed()
    }

    fn replace<'a>(&'a mut self, batches: &'a [Batch]) -> BoxFuture<'a, Result<RowsBefore>> {
        async move { Self::replace(self, batches).await.map(|()| RowsBefore::NotAsked) }.boxed()
    }
}
