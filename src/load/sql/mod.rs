//! The `sql` engine: Databricks, or plain Spark, reads the staged tables, of Delta or of CSV files, and commits to the final ones.
//!
//! `statements` writes every text, `answers` reads the results, `inventory` asks once what exists, `existing_table` decides
//! whether an existing table can be loaded, `plan` says which statement a load is and what proves it, `table` runs it.
//!
//! Managed tables are loaded from files by their names, without staging tables: see `docs/managed.md`.
//!
//! The statements of a sync: one that lists the schemas and one for each schema's tables; for each stream one that creates its
//! staging table, one that creates a missing final table, one MERGE for all batches that are waiting, and one that drops the
//! staging table. Each can be repeated. A load is done only when `plan` says that it is proven.

mod answers;
mod create_retries;
pub mod databricks_check;
mod existing_table;
mod found_columns;
mod generation_objects;
mod inventory;
mod loadable;
mod plan;
pub mod staging_volume;
mod statements;
mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::inventory::Inventory;
use self::statements::{SchemaName, TableName};
use self::table::SqlTable;
use super::{Ending, Loader, Opened, open_each};
use crate::databricks::{Changed, QueryResult, SqlTransport, Who};
use crate::delta::table::TableLog;
use crate::error::{Error, Kind, Result, ResultExt, Tag};
use crate::recovery::claims::{self, ClaimKind};
use crate::recovery::contest::Contest;
use crate::recovery::lease::Lease;
use crate::recovery::left_behind::LeftInCatalog;
use crate::recovery::sweep::StagingTables;
use crate::schema::naming::identifier;
use crate::stage::staged::Format;
use crate::storage::Storage;
use crate::target::Target;

/// How the names of the files end that are staged for managed tables.
const STAGED_EXTENSION: &str = ".parquet";

/// Where final tables lie, and how their rows are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TablePlace {
    /// In the storage, which also has the staged files, in this format.
    InStorage(Format),
    /// Where the catalog decides. The storage has Parquet files alone.
    Managed {
        /// Whether files are deleted when they are loaded.
        purges: bool,
        /// Whether tables of the raw layout are called as connector 1.1.x called them.
        has_raw_prefix: bool,
    },
}

/// Loads by sending SQL.
pub struct Sql {
    session: Arc<SqlSession>,
}

struct SqlSession {
    transport: Arc<dyn SqlTransport>,
    storage: Storage,
    tables: TableLog,
    catalog: String,
    /// The schema of staging tables, where they are not beside the final ones.
    staging_schema: Option<String>,
    sync: Uuid,
    place: TablePlace,
    parallelism: usize,
    /// Whether tables may get new columns.
    evolution: bool,
    /// Whether new tables are clustered by the columns of their keys.
    clusters_by_key: bool,
    /// Schemas that exist or that this sync creates, each once.
    made: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    /// Final tables with statements that may still run, by the names of their staging tables, or their staging folders.
    unknown_outcomes: Mutex<BTreeMap<String, TableName>>,
    /// Staging tables that this sync may have created.
    staging: Mutex<BTreeSet<String>>,
    /// Tables with a WARN that they got no fence.
    unfenced: Mutex<HashSet<String>>,
    /// How many fences this sync has set.
    fences: AtomicU64,
}

impl Sql {
    /// The engine of the sync `sync`, with tables in `catalog`. Loads up to `parallelism` tables at the same time. With `evolution`,
    /// tables get the columns that their streams have and they lack. Staging tables are in `staging_schema`; without one, beside
    /// the final tables, which lie in `place`.
    pub fn new(
        transport: Arc<dyn SqlTransport>,
        storage: &Storage,
        tables: &TableLog,
        (catalog, staging_schema): (&str, Option<&str>),
        (sync, evolution): (Uuid, bool),
        place: TablePlace,
        parallelism: usize,
    ) -> Self {
        let session = SqlSession {
            transport,
            storage: storage.clone(),
            tables: tables.clone(),
            catalog: catalog.to_owned(),
            staging_schema: staging_schema.map(identifier),
            sync,
            place,
            parallelism: parallelism.max(1),
            evolution,
            clusters_by_key: false,
            made: Mutex::default(),
            unknown_outcomes: Mutex::default(),
            staging: Mutex::default(),
            unfenced: Mutex::default(),
            fences: AtomicU64::default(),
        };
        Self { session: Arc::new(session) }
    }

    /// The same engine, which clusters new tables by the columns of their keys if it `clusters`.
    pub fn clustering_by_key(mut self, clusters: bool) -> Self {
        if let Some(session) = Arc::get_mut(&mut self.session) {
            session.clusters_by_key = clusters;
        }
        self
    }
}

impl SqlSession {
    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        tracing::debug!("{statement}");
        self.transport.execute(statement).await
    }

    /// Who signs in, for messages.
    fn who(&self) -> Who {
        self.transport.who()
    }

    /// Runs a CREATE statement for an object that somebody else may create at the same moment.
    async fn create(&self, statement: &str) -> Result<QueryResult> {
        tracing::debug!("{statement}");
        create_retries::create_with_retries(self.transport.as_ref(), statement).await.answer
    }

    /// Runs a statement that changes rows; logs have it as it is `told`.
    async fn change(&self, statement: &str, told: &str) -> Result<Changed> {
        tracing::debug!("{told}");
        self.transport.change(statement).await
    }

    fn unknown_outcomes(&self) -> MutexGuard<'_, BTreeMap<String, TableName>> {
        self.unknown_outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staging(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `schema` exists and need not be created.
    fn schema_exists(&self, schema: &SchemaName) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(schema.to_string(), Arc::new(OnceCell::new_with(Some(()))));
    }

    /// Creates `schema` unless it exists; sends at most one statement in a sync.
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

    /// Sets a fence: statements that began before it and have not committed yet will fail. `false`, with a WARN, if the user may
    /// not set table properties.
    async fn fence(&self, table: &TableName) -> Result<bool> {
        let refused = self.try_fence(table).await?;
        if let Some(error) = &refused {
            self.tell_unfenced(table, error);
        }
        Ok(refused.is_none())
    }

    /// The same after the last load of a table. A table that is gone, or was never created, needs no fence.
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

    /// Sets a fence. `Ok(Some(…))`: the user lacks the privilege, which loading does not require.
    ///
    /// # Errors
    /// Any other failure, such as a time limit or a refused token: the caller must not go on as if the fence were set.
    async fn try_fence(&self, table: &TableName) -> Result<Option<Error>> {
        Lease::ensure_held(&self.storage)?;
        // Two fences never have the same value: Delta from 4.1 on lets a transaction pass a change of metadata that
        // changes nothing (`attemptToResolveMetadataConflicts` of its ConflictChecker).
        let number = self.fences.fetch_add(1, Ordering::Relaxed);
        match self.execute(&statements::fence(table, self.sync, number)).await {
            Err(error) if error.has(Tag::MissingPrivilege) => Ok(Some(error)),
            fenced => fenced.context(|| format!("setting a property of {table}")).map(|_| None),
        }
    }

    fn tell_unfenced(&self, table: &TableName, error: &Error) {
        let mut unfenced = self.unfenced.lock().unwrap_or_else(PoisonError::into_inner);
        if unfenced.insert(table.path()) {
            tracing::warn!("Table {table} got no fence against statements that may still run: {error}");
        }
    }

    /// Whether the catalog lists `table`; `true` if it does not answer.
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

    /// The name by which a table's generation is noted in the bucket: of one that lies elsewhere, not that of a folder here.
    fn noted_as(&self, target: &Target, is_away: bool) -> String {
        let is_away = is_away || self.is_managed();
        if is_away { format!("@{}/{}", identifier(&self.catalog), target.table) } else { target.table.clone() }
    }

    fn contest(&self) -> Contest<'_> {
        Contest { storage: &self.storage, tables: &self.tables, staging_tables: self, sync: self.sync }
    }

    fn is_managed(&self) -> bool {
        matches!(self.place, TablePlace::Managed { .. })
    }

    /// Deletes the staged files in `folder`: statements that read them fail from then on.
    async fn delete_staged(&self, folder: &str) -> Result<()> {
        let mut staged = self.storage.list(folder).await?;
        // Not the sync's lease and claims.
        staged.retain(|path| path.ends_with(STAGED_EXTENSION));
        self.storage.delete(&staged).await
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

impl Sql {
    async fn open(&self, inventory: &Inventory, target: Arc<Target>) -> Result<Opened> {
        let table = SqlTable::open(&self.session, inventory, target).await?;
        let (staging, schema) = (table.staging(), table.files());
        Ok(Opened { table: Box::new(table), schema, staging, watcher: None, compares_in_sql: true })
    }
}

#[async_trait]
impl Loader for Sql {
    async fn open_all(&self, targets: &[Arc<Target>]) -> Result<Vec<Result<Opened>>> {
        let tables: Vec<&str> = targets.iter().map(|target| target.table.as_str()).collect();
        let is_managed = self.session.is_managed();
        let raw = |target: &Arc<Target>| target.raw.clone().filter(|_| is_managed);
        let older: Vec<String> =
            targets.iter().flat_map(|target| [target.older.clone(), raw(target)]).flatten().collect();
        let older: Vec<&str> = older.iter().map(String::as_str).collect();
        let plan = |target: &Arc<Target>| {
            let kind = if target.removes_rows() { ClaimKind::Replaces } else { ClaimKind::Adds };
            [Some(target.table.clone()), target.older.clone(), raw(target)]
                .map(|table| table.map(|table| (table, kind)))
        };
        let plans: Vec<_> = targets.iter().flat_map(plan).flatten().collect();
        self.session.contest().wait_for_others(&plans).await?;
        let inventory = Inventory::take(&self.session, &tables, &older).await?;
        Ok(open_each(targets, self.parallelism(), |target| self.open(&inventory, target)).await)
    }

    fn parallelism(&self) -> usize {
        self.session.parallelism
    }

    async fn end(&self, ending: Ending) -> Result<()> {
        let session = &self.session;
        if ending == Ending::Stopped {
            session.transport.close().await;
            return Ok(());
        }
        let (made, unknown_outcomes) =
            (std::mem::take(&mut *session.staging()), std::mem::take(&mut *session.unknown_outcomes()));
        // Without its staging table or its files no statement can begin any more, and one that has begun fails at the fence.
        let is_dropped = |name: &String| ending == Ending::Purged || unknown_outcomes.contains_key(name);
        let dropped = if session.is_managed() {
            let deletes: Vec<_> = unknown_outcomes.keys().map(|folder| session.delete_staged(folder)).collect();
            stream::iter(deletes).buffer_unordered(session.parallelism).try_collect().await
        } else {
            session.drop_all(&made.into_iter().filter(is_dropped).collect::<Vec<_>>()).await
        };
        let cleared = match dropped {
            Ok(()) => {
                // Several staging tables may be of one table.
                let tables: BTreeMap<_, _> =
                    unknown_outcomes.into_values().map(|table| (table.path(), table)).collect();
                let fences: Vec<_> = tables.values().map(|table| session.fence_last(table)).collect();
                stream::iter(fences).buffer_unordered(session.parallelism).try_collect().await
            }
            Err(error) if unknown_outcomes.is_empty() => {
                claims::withdraw(&session.storage, session.sync).await.and(Err(error))
            }
            Err(error) => Err(error),
        };
        session.transport.close().await;
        cleared
    }
}

#[async_trait]
impl StagingTables for Sql {
    async fn clear(&self, sync: Uuid, left: &LeftInCatalog) -> Result<bool> {
        self.session.clear(sync, left).await
    }
}

#[async_trait]
impl StagingTables for SqlSession {
    async fn clear(&self, sync: Uuid, left: &LeftInCatalog) -> Result<bool> {
        if self.is_managed() && !left.claimed.is_empty() {
            // Before the fence: a statement that has not begun by then cannot any more.
            self.delete_staged(&sync.to_string()).await?;
        }
        let name = |table| TableName::of(table, &self.catalog);
        self.drop_all(&left.staging_tables.iter().map(|table| name(table).to_string()).collect::<Vec<_>>()).await?;
        let claimed: Vec<TableName> = left.claimed.iter().map(name).collect();
        let fences: Vec<_> = claimed.iter().map(|table| self.fence_last(table)).collect();
        stream::iter(fences).buffer_unordered(self.parallelism).try_collect::<()>().await.map(|()| true)
    }
}

#[cfg(test)]
mod contest_tests;
#[cfg(test)]
mod fence_tests;
#[cfg(test)]
mod foreign_tests;
#[cfg(test)]
mod generations_tests;
#[cfg(test)]
mod hidden_tests;
#[cfg(test)]
mod lost_answers_tests;
#[cfg(test)]
mod managed_tests;
#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod neighbours_tests;
#[cfg(test)]
mod stale_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
pub(crate) mod testing;
