//! The steps of a check on the storage and, where Databricks loads the tables, on its schema. Everything it creates is noted first and
//! removed at the end.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{NAME, catalog};
use crate::config::{Config, DatabricksSettings, Engine, StorageSettings};
use crate::databricks::{SqlTransport, connect, learn_who, warehouse};
use crate::delta::table::TableLog;
use crate::error::{Error, Kind, Problems, Result, ResultExt};
use crate::load::sql::databricks_check::{CheckTable, DatabricksCheck};
use crate::opening;
use crate::protocol::cache::Records;
use crate::recovery::unfinished::Unfinished;
use crate::schema::columns::TableSchema;
use crate::storage::{Storage, probe};
use crate::sync::{Context, Sync};

/// An older table of a check was left by one that was killed.
const LEFT: Duration = Duration::from_secs(600);

/// One check under way.
pub struct CheckRun<'a> {
    config: &'a Config,
    context: &'a Context,
    schema: &'a str,
    storage: Option<Storage>,
    /// Where Databricks loads the tables and could be reached.
    databricks: Option<DatabricksCheck>,
    has_schema: bool,
    /// Tables that may have been created.
    tables: Vec<String>,
}

impl<'a> CheckRun<'a> {
    /// Tests, at the same time, what a sync needs of the storage and of Databricks.
    pub async fn begin(
        config: &'a Config,
        schema: &'a str,
        context: &'a Context,
        problems: &mut Problems,
    ) -> CheckRun<'a> {
        let storage = async {
            match Storage::open(&config.storage, &config.tuning).await {
                Ok(storage) => {
                    let probed = probe(&storage, &format!("{schema}/{}", new_name(context))).await;
                    (Some(storage), probed)
                }
                Err(error) => (None, Err(error)),
            }
        };
        let databricks = async {
            let Engine::Databricks(settings) = &config.engine else { return (None, Ok(())) };
            match enter(config, settings).await {
                Ok(transport) => {
                    let mut databricks = DatabricksCheck::new(transport, &config.catalog, schema, TableSchema::raw());
                    let ensured = databricks.ensure_schema().await;
                    (Some(databricks), ensured)
                }
                Err(error) => (None, Err(error)),
            }
        };
        let ((storage, probed), (databricks, ensured)) = if is_managed(config) {
            // Databricks makes the volume, in a schema that has to be there.
            let (databricks, ensured) = Box::pin(databricks).await;
            let probed = match &databricks {
                Some(databricks) if ensured.is_ok() => Box::pin(open_volume(config, databricks, schema, context)).await,
                _ => (None, Ok(())),
            };
            (probed, (databricks, ensured))
        } else {
            futures::join!(Box::pin(storage), Box::pin(databricks))
        };
        problems.note(probed);
        let has_schema = problems.note(ensured);
        let check_run = Self { config, context, schema, storage, databricks, has_schema, tables: Vec::new() };
        if problems.is_empty() {
            problems.note(check_run.remove_left_overs().await);
        }
        check_run
    }

    /// Sends one row through a sync into the table `table`, and reads it back.
    pub async fn try_a_row(&mut self, table: &str) -> Result<()> {
        self.tables.push(table.to_owned());
        let sent = one_row(self.config, self.context, table).await?;
        match (&self.databricks, &self.storage) {
            (Some(databricks), _) => databricks.ensure_row(table, &sent).await,
            (None, Some(storage)) => read_back(storage, &format!("{}/{table}", self.schema), &sent).await,
            (None, None) => Err(Error::system("The check has no storage.")),
        }
    }

    /// Finds further problems with Databricks: the sync of one row ended at its first one.
    pub async fn find_more(&mut self, problems: &mut Problems) {
        if is_managed(self.config) {
            return self.find_more_of_managed(problems).await;
        }
        let (Some(databricks), Some(storage)) = (&self.databricks, &self.storage) else { return };
        let [new, staged] = [new_name(self.context), new_name(self.context)].map(|table| {
            let location = storage.uri(&format!("{}/{table}", self.schema));
            CheckTable { table, location }
        });
        // Databricks creates files in the bucket: only if they can be removed again.
        // If the server did not answer every time, further questions are pointless.
        let has_answered = problems.iter().all(|error| error.kind() == Kind::Config);
        if !has_answered || !may_clear(storage, &format!("{}/{}", self.schema, new.table)).await {
            return;
        }
        self.tables.extend([new.table.clone(), staged.table.clone()]);
        // Always a Delta table: to read CSV files in the same folder takes the same rights.
        let direct = Config { engine: Engine::Direct, ..self.config.clone() };
        let is_staged = one_row(&direct, self.context, &staged.table).await.is_ok();
        for problem in databricks.problems(&new, Some(&staged).filter(|_| is_staged), self.has_schema).await {
            problems.note(Err(problem));
        }
    }

    /// The same without a bucket: whether a table can be created does not depend on the volume.
    async fn find_more_of_managed(&mut self, problems: &mut Problems) {
        let Some(databricks) = self.databricks.as_ref().filter(|_| self.has_schema) else { return };
        if problems.iter().all(|error| error.kind() == Kind::Config) {
            let table = new_name(self.context);
            self.tables.push(table.clone());
            problems.note(databricks.try_to_create(&table).await);
        }
    }

    /// Removes what was created; the schema last, whatever happened before.
    pub async fn end(self, problems: &mut Problems) {
        for table in &self.tables {
            problems.note(self.remove(table).await);
        }
        if let Some(databricks) = self.databricks {
            databricks.end().await;
        }
    }

    async fn remove_left_overs(&self) -> Result<()> {
        let Some(storage) = &self.storage else { return Ok(()) };
        let left = match &self.databricks {
            // Managed tables have no folder here.
            Some(databricks) if is_managed(self.config) => databricks.tables(&format!("{NAME}*")).await?,
            _ => storage.folders(self.schema).await?,
        };
        let now = Duration::from_millis(u64::try_from(self.context.clock_and_ids.clock.now_ms()).unwrap_or(0));
        for folder in left {
            let id = folder.strip_prefix(NAME).and_then(|id| Uuid::parse_str(id).ok());
            let made = id.and_then(|id| id.get_timestamp()).map(|made| Duration::from_secs(made.to_unix().0));
            if made.is_some_and(|made| now.saturating_sub(made) > LEFT) {
                Unfinished::of(storage).remove_unfinished(&format!("{}/{folder}", self.schema), "").await?;
                self.remove(&folder).await?;
            }
        }
        Ok(())
    }

    /// Drops the table in the catalog first, then deletes its files: a check that is killed in between is found by its folder.
    async fn remove(&self, table: &str) -> Result<()> {
        let dropped = match self.databricks.as_ref().filter(|_| self.has_schema) {
            Some(databricks) => databricks.drop_table(table).await,
            None => Ok(()),
        };
        // A token that may not drop the table could not have created it.
        if dropped.as_ref().is_err_and(|error| error.kind() != Kind::Config) {
            return dropped;
        }
        let Some(storage) = &self.storage else { return dropped };
        let folder = format!("{}/{table}", self.schema);
        storage.delete(&storage.list(&folder).await?).await?;
        // Databricks and Spark may mark a folder by an object of its name.
        if storage.get(&folder).await.is_ok_and(|mark| mark.is_empty()) {
            storage.delete(std::slice::from_ref(&folder)).await?;
        }
        let unfinished = Unfinished::of(storage);
        unfinished.remove_empty_folder(&folder);
        unfinished.remove_empty_folder(self.schema);
        dropped
    }
}

/// A unique table name: concurrent checks do not collide, and no stream has such a name.
pub fn new_name(context: &Context) -> String {
    format!("{NAME}{}", (context.clock_and_ids.new_id)().simple())
}

fn is_managed(config: &Config) -> bool {
    matches!(config.storage, StorageSettings::Managed(_))
}

/// Creates the volume of the check, if it does not exist, and tries it.
async fn open_volume(
    config: &Config,
    databricks: &DatabricksCheck,
    schema: &str,
    context: &Context,
) -> (Option<Storage>, Result<()>) {
    let opened = match opening::open_volumes(config) {
        Ok(Some((storage, volumes))) => databricks.ensure_volumes(&volumes.needed([schema])).await.map(|()| storage),
        Ok(None) => Err(Error::system("The check has no volume.")),
        Err(error) => Err(error),
    };
    match opened {
        Ok(storage) => {
            // At the top: of a folder above it, nobody would know whether it may go.
            let probed = probe(&storage, &new_name(context)).await;
            (Some(storage), probed)
        }
        Err(error) => (None, Err(error)),
    }
}

async fn enter(config: &Config, settings: &DatabricksSettings) -> Result<Arc<dyn SqlTransport>> {
    let timeouts = &config.tuning.timeouts;
    learn_who(settings, timeouts).await?;
    // Reports more about a warehouse than a statement that waits for it.
    if let Some(warehouse) = warehouse(settings, timeouts)? {
        warehouse.ensure_started().await?;
    }
    connect(settings, timeouts)
}

/// Whether objects below `folder`, which is still empty, can be listed and deleted.
async fn may_clear(storage: &Storage, folder: &str) -> bool {
    storage.list(folder).await.is_ok() && storage.delete(&[format!("{folder}/nothing")]).await.is_ok()
}

/// Runs a whole sync of one row into `table`; returns the record that was sent.
async fn one_row(config: &Config, context: &Context, table: &str) -> Result<String> {
    let now = context.clock_and_ids.clock.now_ms();
    let row = format!(r#"{{"check":"{table}"}}"#);
    let message =
        format!(r#"{{"type":"RECORD","record":{{"stream":"{table}","data":{row},"emitted_at":{now}}}}}"#) + "\n";
    let sync = Sync::prepare(config, &catalog(table), context).await?;
    let (outcome, clean_up) = sync.transfer(Cursor::new(message), Records::OfSource).await;
    let cleaned = clean_up.run(&outcome).await;
    outcome.result.and(cleaned).context(|| "a sync with one row".to_owned()).map(|()| row)
}

async fn read_back(storage: &Storage, table: &str, sent: &str) -> Result<()> {
    let wrong = |why: &str| {
        Error::system(format!("A row was written to {} and did not come back: {why}.", storage.shown(table)))
    };
    let tables = TableLog::new(storage, &Handle::current(), 1);
    let files = tables.run(|logs| logs.read(table)?.files()).await?;
    let [file] = files.as_slice() else { return Err(wrong("the table does not have exactly one file")) };
    let bytes = storage.get(&format!("{table}/{file}")).await?;
    let reader =
        SerializedFileReader::new(bytes).map_err(|error| wrong("its file is no Parquet").with_source(error))?;
    let mut rows = reader.get_row_iter(None).map_err(|error| wrong("its file has no rows").with_source(error))?;
    let is_sent = |field: &Field| matches!(field, Field::Str(text) if text == sent);
    match (rows.next(), rows.next()) {
        (Some(Ok(row)), None) if row.get_column_iter().any(|(_, field)| is_sent(field)) => Ok(()),
        _ => Err(wrong("the row in its file was read back with different content")),
    }
}
