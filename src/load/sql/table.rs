//! One stream's table, loaded by SQL: runs the plan of each load and checks that it is whole.

mod change;
mod columns;
mod generations;
mod keys;
mod staging_table;

use std::sync::Arc;

use async_trait::async_trait;

use self::staging_table::StagingTable;
use super::existing_table::{Existing, ExistingTable, find_existing, named};
use super::inventory::Inventory;
use super::plan::{Answered, Next, Plan, Shortfall, StatementNames};
use super::statements::columns::Replaced;
use super::statements::{self, NewTable, SchemaName, TableName};
use super::{SqlSession, TablePlace, answers};
use crate::counted::counted;
use crate::databricks::QueryResult;
use crate::error::{Error, Result, ResultExt};
use crate::load::columns::Fitted;
use crate::load::{RowsBefore, TableLoader, TableState, generation as load_generation};
use crate::recovery::claims::ClaimKind;
use crate::recovery::left_behind::LeftBehind;
use crate::schema::columns::TableSchema;
use crate::stage::Batch;
use crate::stage::staged::{Begins, Staging};
use crate::target::Target;

/// A stream's table.
pub(super) struct SqlTable {
    session: Arc<SqlSession>,
    target: Arc<Target>,
    name: TableName,
    staging: StagingTable,
    table_state: TableState,
    existing: Existing,
    /// It lies elsewhere than a new table would.
    is_away: bool,
    /// How the staged files go into it; no changes once they are made.
    fitted: Fitted,
    /// It takes wider types.
    widens: bool,
    /// Columns that had to have a value when the sync began.
    relaxed: Vec<String>,
    /// What it is, where its columns change when its rows are replaced.
    replaced: Option<Replaced>,
    /// By which key the table's rows are known to have been loaded.
    key: Option<String>,
    /// Columns of the table that the staged files do not have.
    others: Vec<String>,
    /// Those among them that become NULL where a row is replaced.
    emptied: Vec<String>,
    /// Some of its columns show other values than they have.
    is_masked: bool,
    /// This sync has loaded rows into it.
    is_loaded: bool,
    /// The generation of the table's rows when the sync began.
    found: Option<i64>,
    /// The generation that is stored with the table now.
    generation: Option<i64>,
    /// The claim of the table, once it is written.
    claim: Option<ClaimKind>,
}

impl SqlTable {
    /// Opens the table of `target`.
    ///
    /// # Errors
    /// The table exists and cannot be loaded, or cannot be described.
    pub(super) async fn open(session: &Arc<SqlSession>, inventory: &Inventory, target: Arc<Target>) -> Result<Self> {
        let target = named(session, inventory, target).await?;
        let (schema, table) = target
            .table
            .split_once('/')
            .ok_or_else(|| Error::system(format!("The table {} has no schema.", target.table)))?;
        let schema_name = SchemaName::new(&session.catalog, schema);
        let name = schema_name.table(table);
        let found = find_existing(session, inventory, &target, &name).await?;
        let ExistingTable {
            existing, generation, is_collated, is_away, is_masked, widens, fitted, replaced, key, ..
        } = found;
        let ExistingTable { others, emptied, .. } = found;
        fitted.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let name = if is_collated { name.with_collation() } else { name };
        let staging = StagingTable::new(session, &name, &target.staging, &fitted.files);
        load_generation::warn_of_newer(&name, &target, generation);
        // Rows are not counted: the number is only shown, and would take a statement.
        let table_state = TableState::of(&target, existing != Existing::Nowhere, generation, RowsBefore::NotAsked);
        Ok(Self {
            session: Arc::clone(session),
            table_state,
            target,
            name,
            staging,
            existing,
            is_away,
            fitted,
            widens,
            relaxed: Vec::new(),
            replaced,
            key,
            others,
            emptied,
            is_masked,
            is_loaded: false,
            found: generation,
            // In the bucket only: the property is set after the first load.
            generation: generation.filter(|_| existing == Existing::InCatalog),
            claim: None,
        })
    }

    /// How its rows are to be staged.
    pub(super) fn staging(&self) -> Staging {
        // A table that was there is emptied by a statement that reads the staging as well.
        let reads_without_rows = self.table_state.replaces && self.table_state.existed;
        Staging {
            staged: self.staging.staged().clone(),
            begins: match (reads_without_rows, self.staging.is_table()) {
                (true, true) => Begins::Always,
                (true, false) => Begins::AtFirstBatchOrEnd,
                (false, true) => Begins::AtFirstRows,
                (false, false) => Begins::AtFirstBatch,
            },
            left_behind: self.staging.is_table().then(|| LeftBehind::StagingTable(self.staging.name().to_string())),
        }
    }

    /// The columns of its staged files.
    pub(super) fn files(&self) -> Arc<TableSchema> {
        Arc::clone(&self.fitted.files)
    }

    async fn append(&mut self, batches: &[Batch]) -> Result<()> {
        let plans = match (self.is_keyed(), self.staging.is_table()) {
            (true, _) => Plan::upsert(batches).into_iter().collect(),
            (false, true) => Plan::append(batches).into_iter().collect(),
            (false, false) => Plan::copies(batches),
        };
        if plans.is_empty() && self.existing == Existing::InCatalog {
            return Ok(());
        }
        self.load(plans).await?;
        self.delete_loaded(batches).await;
        Ok(())
    }

    async fn replace(&mut self, batches: &[Batch]) -> Result<()> {
        self.load(Plan::replace(batches, self.existing).into_iter().collect()).await?;
        self.delete_loaded(batches).await;
        Ok(())
    }

    /// Deletes the files of `batches`, which are loaded, where tables do not need them. A copy of their statement that comes late fails
    /// without them.
    async fn delete_loaded(&self, batches: &[Batch]) {
        if !matches!(self.session.place, TablePlace::Managed { purges: true, .. }) {
            return;
        }
        let folder = self.staging.staged().folder();
        let files: Vec<String> =
            batches.iter().flat_map(|batch| &batch.files).map(|file| format!("{folder}/{}", file.name)).collect();
        if let Err(error) = self.session.storage.delete(&files).await {
            // They go with the sync's folder.
            tracing::debug!("Loaded files of {} are still there: {error}", self.name);
        }
    }

    /// Creates a missing table, runs the plans, and stores the generation of the rows.
    async fn load(&mut self, plans: Vec<Plan>) -> Result<()> {
        self.ensure_table().await?;
        for plan in plans {
            self.staging.ensure(&self.session, plan.stats().is_some()).await?;
            self.claim(plan.claim()).await?;
            let plan = self.ready(plan).await?;
            self.run(&plan).await.context(|| plan.doing())?;
            self.is_loaded = true;
        }
        self.write_down_key().await?;
        self.write_down_generation().await
    }

    /// Runs the statement of `plan` until the load is proven to be whole.
    async fn run(&mut self, plan: &Plan) -> Result<()> {
        let mut counted_before = None;
        loop {
            let answered = Answered { counted_before, ..self.change(plan).await? };
            if plan.is_proven_by(&answered) {
                return self.leave_one_of_each(plan, &answered).await;
            }
            let found = self.count(plan).await?;
            let mut next = plan.after_count(&answered, found);
            if next == Ok(Next::CountStaged) {
                next = plan.after_staged_count(found, self.count_staged(plan).await?);
            }
            match next.map_err(|shortfall| self.incomplete(plan, shortfall, found))? {
                Next::Whole => return self.leave_one_of_each(plan, &answered).await,
                Next::RunAgain | Next::CountStaged => {
                    if self.staging.is_table() {
                        self.session.execute(&statements::refresh(self.staging.name())).await?;
                    }
                    counted_before = Some(found);
                }
            }
        }
    }

    /// Claims the table before the first statement that changes its rows.
    async fn claim(&mut self, kind: ClaimKind) -> Result<()> {
        if self.claim.is_some() {
            return Ok(());
        }
        let waited = self.session.contest().claim(&self.target.table, &self.name.to_string(), kind).await?;
        self.claim = Some(kind);
        // Without waiting, another sync may still have loaded the table and ended since this one opened it.
        let may_be_overtaken = waited || self.target.write_mode.keeps_own_generation();
        if may_be_overtaken { self.ensure_not_overtaken().await } else { Ok(()) }
    }

    /// The error for a load that is not whole: `found` rows were counted.
    fn incomplete(&self, plan: &Plan, shortfall: Shortfall, found: u64) -> Error {
        match (shortfall, plan.stats()) {
            (Shortfall::Hidden { inserted, expected }, _) => Error::config(format!(
                "{} were written to {}, and {who} sees {found} of the {expected} that should be there: a row filter \
                 or a policy of Unity Catalog hides them, or somebody else has removed them in the meantime. Exempt \
                 {who} from the filters of this table: a sync must be able to read the rows it has loaded. The rows are not \
                 acknowledged.",
                counted(inserted, "row"),
                self.name,
                who = self.session.who().named
            )),
            (Shortfall::Miscounted, stats) => {
                let ids = stats.map(|stats| format!(" (ids {} to {})", stats.ids.first, stats.ids.last));
                Error::system(format!(
                    "Table {} has {found} of the {} rows that were loaded into it from {}{}. The rows are not acknowledged.",
                    self.name,
                    plan.expected(),
                    self.staging.key(),
                    ids.unwrap_or_default()
                ))
            }
        }
    }

    /// Counts the rows of the load in the table.
    async fn count(&mut self, plan: &Plan) -> Result<u64> {
        let mut answer = self.execute(plan.count(&self.names())).await;
        if answer.as_ref().is_err_and(|error| self.learns_collation(error)) {
            answer = self.execute(plan.count(&self.names())).await;
        }
        answers::number(&answer.context(|| "counting the rows of the table".to_owned())?)
    }

    /// Counts the rows of the load in the staging table.
    async fn count_staged(&self, plan: &Plan) -> Result<u64> {
        let answer = self.execute(plan.count_staged(&self.names())).await;
        answers::number(&answer.context(|| "counting the staged rows".to_owned())?)
    }

    async fn execute(&self, count: Option<String>) -> Result<QueryResult> {
        match count {
            Some(statement) => self.session.execute(&statement).await,
            None => Err(Error::system("A load without rows has nothing to count.")),
        }
    }

    fn names(&self) -> StatementNames<'_> {
        let (columns, replaced) = (&self.fitted.files, self.replaced.as_ref());
        StatementNames { columns, table: &self.name, staged: self.staging.rows(), replaced, keyed: self.keyed() }
    }

    /// Creates the table, or registers it in the catalog if it exists only in the bucket, and adds the columns that the staged
    /// files need.
    async fn ensure_table(&mut self) -> Result<()> {
        self.ensure_named().await?;
        self.ensure_columns().await
    }

    async fn ensure_named(&mut self) -> Result<()> {
        let location = self.location();
        let statement = match self.existing {
            Existing::InCatalog => return Ok(()),
            Existing::InBucket => statements::create_over(&self.name, &location),
            Existing::Nowhere if self.session.is_managed() => statements::create_table(&self.new_table(None)),
            Existing::Nowhere => statements::create_table(&self.new_table(Some(&location))),
        };
        self.session.ensure_schema(self.name.schema()).await?;
        self.session.create(&statement).await.context(|| format!("creating table {}", self.name))?;
        if self.existing == Existing::Nowhere {
            self.generation = self.generation_of_new();
            self.key = self.target.dedup.as_ref().map(|dedup| dedup.id());
        }
        self.existing = Existing::InCatalog;
        Ok(())
    }

    fn location(&self) -> String {
        self.session.storage.uri(&self.target.table)
    }

    fn new_table<'a>(&'a self, location: Option<&'a str>) -> NewTable<'a> {
        NewTable {
            name: &self.name,
            columns: &self.fitted.files,
            location,
            stream: self.target.stream.clone(),
            mode: self.target.airbyte_mode(),
            generation: self.generation_of_new(),
            key: self.target.dedup.as_ref().map(|dedup| dedup.id()),
            clustered_by: self.clusters_of_new(),
        }
    }
}

#[async_trait]
impl TableLoader for SqlTable {
    fn table_state(&self) -> TableState {
        self.table_state
    }

    async fn prepare(&mut self) -> Result<()> {
        // The staging table of a replacement is created when everything is staged: it is read once, and must be complete.
        if self.table_state.replaces {
            return Ok(());
        }
        self.ensure_table().await?;
        self.staging.ensure(&self.session, false).await
    }

    async fn append(&mut self, batches: &[Batch]) -> Result<()> {
        Self::append(self, batches).await
    }

    async fn replace(&mut self, batches: &[Batch]) -> Result<RowsBefore> {
        Self::replace(self, batches).await.map(|()| RowsBefore::NotAsked)
    }
}
