//! The `sql` engine: Databricks, or plain Spark, reads the staged Delta tables and commits to the final ones.
//!
//! `statements` writes every text, `answers` reads what comes back, `found` decides whether a table that is there can be
//! loaded, `table` loads one. Few statements: one look at the schemas and one at each schema's tables for the whole
//! sync; for a stream one that makes its staging table, one that makes its table if it is not there, one MERGE for all
//! batches that have piled up, and one that drops the staging table. Every one can be repeated, and what a load has
//! done is counted, not believed.

mod answers;
mod claims;
mod contest;
mod create;
mod found;
mod load;
mod notes;
mod statements;
mod table;
pub mod trial;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::statements::{SchemaName, TableName};
use self::table::SqlTable;
use super::survey::Survey;
use super::{Ending, Loader, Opened};
use crate::databricks::{Changed, QueryResult, SqlTransport, conditions};
use crate::delta::table::TableLog;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::schema::columns::TableSchema;
use crate::schema::naming::identifier;
use crate::stage::Trace;
use crate::stage::sweep::StagingTables;
use crate::storage::Storage;
use crate::storage::layout::Target;

/// Loads by sending SQL.
#[derive(Clone)]
pub struct Sql {
    shared: Arc<Shared>,
    seen: OnceLock<Arc<Seen>>,
}

/// What streams share.
#[derive(Default)]
struct Seen {
    survey: Survey,
    /// The tables and views of each schema that is there, as far as streams are called like them.
    schemas: HashMap<String, HashSet<String>>,
    /// Older names that several streams would have had.
    contested: HashSet<String>,
    /// The schema of staging tables is there.
    has_staging_schema: bool,
}

struct Shared {
    transport: Arc<dyn SqlTransport>,
    storage: Storage,
    tables: TableLog,
    /// The columns of all tables.
    columns: Arc<TableSchema>,
    catalog: String,
    /// The schema of staging tables, where they are not beside the final ones.
    staging_schema: Option<String>,
    sync: Uuid,
    parallelism: usize,
    /// Schemas that this sync has to make, each made once.
    made: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    /// Tables, by the names of their staging tables, with statements of which nobody knows whether they still run.
    unclear: Mutex<BTreeMap<String, TableName>>,
    /// Staging tables that this sync may have made.
    staging: Mutex<BTreeSet<String>>,
    /// Tables of which it was told that they got no fence.
    unfenced: Mutex<HashSet<String>>,
    /// How many fences this sync has set.
    fences: AtomicU64,
}

impl Sql {
    /// An engine for the sync `sync`, with tables of `columns` in `catalog`; loads `parallelism` tables at the same time. Staging tables are
    /// in `staging_schema`, else beside the final ones.
    pub fn new(
        transport: Arc<dyn SqlTransport>,
        storage: &Storage,
        tables: &TableLog,
        columns: Arc<TableSchema>,
        (catalog, staging_schema): (&str, Option<&str>),
        sync: Uuid,
        parallelism: usize,
    ) -> Self {
        let shared = Shared {
            transport,
            storage: storage.clone(),
            tables: tables.clone(),
            columns,
            catalog: catalog.to_owned(),
            staging_schema: staging_schema.map(identifier),
            sync,
            parallelism: parallelism.max(1),
            made: Mutex::default(),
            unclear: Mutex::default(),
            staging: Mutex::default(),
            unfenced: Mutex::default(),
            fences: AtomicU64::default(),
        };
        Self { shared: Arc::new(shared), seen: OnceLock::new() }
    }

    fn seen(&self) -> Arc<Seen> {
        self.seen.get().map(Arc::clone).unwrap_or_default()
    }
}

impl Shared {
    /// One statement that says which schemas are there, and one for each of them that says which tables.
    async fn look_at_schemas(&self, targets: &[Target]) -> Result<Seen> {
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (schema, table) in targets.iter().filter_map(|target| target.table.split_once('/')) {
            wanted.entry(schema).or_default().push(table);
        }
        let staging = self.staging_schema.as_deref();
        let names: Vec<&str> = wanted.keys().copied().chain(staging).collect::<BTreeSet<_>>().into_iter().collect();
        let shown = self.execute(&statements::show_schemas(&self.catalog, &names)).await;
        let there = answers::names(&shown.context(|| "looking for the schemas".to_owned())?, "namespace", 0);
        let look = |(schema, tables): (&str, Vec<&str>)| {
            let statement = statements::show_tables(&SchemaName::new(&self.catalog, schema), &tables);
            let schema = schema.to_owned();
            async move {
                let shown = self.execute(&statement).await;
                let shown = shown.context(|| format!("looking for the tables of schema {schema}"))?;
                Ok((schema, answers::names(&shown, "tableName", 1)))
            }
        };
        let looks: Vec<_> = wanted.into_iter().filter(|(schema, _)| there.contains(*schema)).map(look).collect();
        let schemas = stream::iter(looks).buffer_unordered(self.parallelism).try_collect().await?;
        let has_staging_schema = staging.is_some_and(|schema| there.contains(schema));
        Ok(Seen { schemas, has_staging_schema, ..Seen::default() })
    }

    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        tracing::debug!("{statement}");
        self.transport.execute(statement).await
    }

    /// Runs `statement`, which makes something that somebody else may make at the same moment.
    async fn create(&self, statement: &str) -> Result<QueryResult> {
        tracing::debug!("{statement}");
        create::create(self.transport.as_ref(), statement).await.answer
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        tracing::debug!("{statement}");
        self.transport.change(statement).await
    }

    fn unclear(&self) -> MutexGuard<'_, BTreeMap<String, TableName>> {
        self.unclear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staging(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `schema`, once in a sync.
    async fn ensure_schema(&self, schema: &SchemaName) -> Result<()> {
        let cell = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(made.entry(schema.to_string()).or_default())
        };
        let make = || async {
            let made = self.create(&statements::create_schema(schema)).await;
            made.context(|| format!("creating schema {schema}")).map(|_| ())
        };
        cell.get_or_try_init(make).await.map(|_| ())
    }

    /// What has begun to change `table` and is not known to have ended does not commit after this. `false`, with a WARN, if
    /// the property may not be set.
    async fn fence(&self, table: &TableName) -> Result<bool> {
        let refused = self.try_fence(table).await?;
        if let Some(error) = &refused {
            self.tell_unfenced(table, error);
        }
        Ok(refused.is_none())
    }

    /// The same for a table that its sync loads no more. One that is gone, or never came to be, needs no fence.
    async fn fence_last(&self, table: &TableName) -> Result<()> {
        match self.try_fence(table).await {
            Ok(None) => Ok(()),
            Err(error) if error.kind() != Kind::Config => Err(error),
            Ok(Some(_)) | Err(_) if !self.is_seen(table).await => Ok(()),
            Ok(Some(error)) => {
                self.tell_unfenced(table, &error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sets a fence; why not, if it may not be set: who may load a table need not own it. Whatever else is in the way, a time
    /// limit or a token, says nothing of that right, and nobody may go on as if the fence stood.
    async fn try_fence(&self, table: &TableName) -> Result<Option<Error>> {
        self.storage.ensure_committable()?;
        // Two fences never have the same value: Delta from 4.1 on lets a transaction pass a change of metadata that
        // changes nothing (`attemptToResolveMetadataConflicts` of its ConflictChecker).
        let number = self.fences.fetch_add(1, Ordering::Relaxed);
        match self.execute(&statements::fence(table, self.sync, number)).await {
            Err(error) if error.lacks_right() && !conditions::is_shut_out(&error) => Ok(Some(error)),
            fenced => fenced.context(|| format!("setting a property of {table}")).map(|_| None),
        }
    }

    fn tell_unfenced(&self, table: &TableName, error: &Error) {
        let mut unfenced = self.unfenced.lock().unwrap_or_else(PoisonError::into_inner);
        if unfenced.insert(table.path()) {
            tracing::warn!("Table {table} got no fence against statements that may still run: {error}");
        }
    }

    /// Whether the catalog shows `table`; also where it does not answer.
    async fn is_seen(&self, table: &TableName) -> bool {
        let (schema, name) = (table.schema(), table.table());
        let schemas = self.execute(&statements::show_schemas(schema.catalog(), &[schema.schema()])).await;
        let schemas = schemas.map(|shown| answers::names(&shown, "namespace", 0));
        if schemas.is_ok_and(|there| !there.contains(schema.schema())) {
            return false;
        }
        let tables = self.execute(&statements::show_tables(schema, &[name])).await;
        tables.map_or(true, |shown| answers::names(&shown, "tableName", 1).contains(name))
    }

    async fn drop_all(&self, tables: &[String]) -> Result<()> {
        let drop = |table: &String| {
            let statement = statements::drop_table(table);
            async move { self.execute(&statement).await.context(|| "dropping a staging table".to_owned()).map(|_| ()) }
        };
        let drops: Vec<_> = tables.iter().map(drop).collect();
        stream::iter(drops).buffer_unordered(self.parallelism).try_collect().await
    }
}

impl Loader for Sql {
    fn survey<'a>(&'a self, targets: &'a [Target]) -> BoxFuture<'a, Result<()>> {
        async move {
            // A table of an older version has another name.
            let older = |target: &Target| Some(Target { table: target.older.clone()?, ..target.clone() });
            let older: Vec<Target> = targets.iter().filter_map(older).collect();
            let all = if older.is_empty() { Cow::Borrowed(targets) } else { Cow::Owned([targets, &older].concat()) };
            contest::wait_for_others(&self.shared, &all).await?;
            let looked = self.shared.look_at_schemas(&all).await?;
            let mut once = HashSet::new();
            let contested = older.into_iter().map(|target| target.table).filter(|table| !once.insert(table.clone()));
            let (contested, survey) = (contested.collect(), Survey::of(&self.shared.storage, &all).await?);
            let seen = Seen { survey, contested, ..looked };
            self.seen.get_or_init(|| Arc::new(seen));
            Ok(())
        }
        .boxed()
    }

    fn open<'a>(&'a self, target: Arc<Target>) -> BoxFuture<'a, Result<Opened>> {
        async move {
            let stream = target.stream.clone();
            let opened: Result<SqlTable> = SqlTable::open(self, target).await;
            let table = opened.map_err(|error| error.with_stream(stream))?;
            let trace = Trace::StagingTable(table.staging_table());
            Ok(Opened { table: Box::new(table), schema: Arc::clone(&self.shared.columns), trace })
        }
        .boxed()
    }

    fn parallelism(&self) -> usize {
        self.shared.parallelism
    }

    fn end<'a>(&'a self, ending: Ending) -> BoxFuture<'a, Result<()>> {
        async move {
            let shared = &self.shared;
            if ending == Ending::Stopped {
                shared.transport.close().await;
                return Ok(());
            }
            let (made, unclear) = (std::mem::take(&mut *shared.staging()), std::mem::take(&mut *shared.unclear()));
            // Without its staging table no statement can begin any more, and one that has begun fails at a fence.
            let goes = |name: &String| ending == Ending::Purged || unclear.contains_key(name);
            let dropped = shared.drop_all(&made.into_iter().filter(goes).collect::<Vec<_>>()).await;
            let cleared = match dropped {
                Ok(()) => {
                    // Several staging tables may be of one table.
                    let tables: BTreeMap<_, _> = unclear.into_values().map(|table| (table.path(), table)).collect();
                    let fences: Vec<_> = tables.values().map(|table| shared.fence_last(table)).collect();
                    stream::iter(fences).buffer_unordered(shared.parallelism).try_collect().await
                }
                Err(error) if unclear.is_empty() => {
                    claims::withdraw(&shared.storage, shared.sync).await.and(Err(error))
                }
                Err(error) => Err(error),
            };
            shared.transport.close().await;
            cleared
        }
        .boxed()
    }
}

impl StagingTables for Sql {
    fn clear<'a>(&'a self, sync: Uuid, names: &'a [String]) -> BoxFuture<'a, Result<bool>> {
        self.shared.clear(sync, names)
    }
}

impl StagingTables for Shared {
    fn clear<'a>(&'a self, sync: Uuid, names: &'a [String]) -> BoxFuture<'a, Result<bool>> {
        async move {
            let renamed = claims::renamed(&self.storage, sync, &self.catalog).await?;
            let renamed: Vec<String> = renamed.iter().map(ToString::to_string).collect();
            self.drop_all(&[names, &renamed].concat()).await?;
            let claimed = claims::claimed(&self.storage, sync, &self.catalog).await?;
            let fences: Vec<_> = claimed.iter().map(|table| self.fence_last(table)).collect();
            stream::iter(fences).buffer_unordered(self.parallelism).try_collect::<()>().await.map(|()| true)
        }
        .boxed()
    }
}

#[cfg(test)]
mod bed_tests;
#[cfg(test)]
mod fence_tests;
#[cfg(test)]
mod foreign_tests;
#[cfg(test)]
mod generations_tests;
#[cfg(test)]
mod hidden_tests;
#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod neighbours_tests;
#[cfg(test)]
mod stale_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod unclear_tests;
#[cfg(test)]
pub(crate) mod warehouse_tests;
