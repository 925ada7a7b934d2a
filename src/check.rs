//! `check`: does what a first sync would do, with one row, and takes it away again.
//!
//! The row goes through the very code that `write` runs: staged, loaded, read back, removed. Whatever fails on the way
//! is told in the user's words. Where Databricks loads the tables, it is asked for its catalog and schema first, and the
//! row is read back by SQL.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::config::{Config, Engine};
use crate::databricks::{connect, warehouse};
use crate::delta::table::TableLog;
use crate::error::{Error, Kind, Result, ResultExt, StreamDescriptor};
use crate::load::sql::trial::Trial;
use crate::protocol::catalog::{Catalog, Disposition, Stream};
use crate::storage::Storage;
use crate::storage::layout::targets;
use crate::sync::{Surroundings, Sync};

/// Tables of checks are called this and an id, which tells when they were made.
const NAME: &str = "airbyte_check_";
/// A check's table that is older was left by one that was killed.
const LEFT: Duration = Duration::from_secs(600);

/// How long a request of a check is repeated.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same for Databricks, which asks for longer pauses; a warehouse that starts is waited for as in a sync.
const DATABRICKS_PATIENCE: Duration = Duration::from_secs(60);

/// Runs `check` with the configuration file `config`.
pub async fn run(config: &Path, around: &Surroundings) -> Result<()> {
    let mut config = Config::from_file(config)?;
    config.ensure_supported()?;
    config.warn_of_unknown_fields();
    // What a sync leaves to be looked at is of no use here, and would grow with every check.
    config.purge_staging_data = true;
    // Somebody waits for the answer: what a sync would try for minutes is told soon.
    let patience = &mut config.tuning.patience;
    patience.retry = patience.retry.min(PATIENCE);
    patience.databricks_retry = patience.databricks_retry.min(DATABRICKS_PATIENCE);
    // A name of its own: two checks at the same time do not meet, and no stream is called so.
    let name = format!("{NAME}{}", (around.givens.new_id)().simple());
    let catalog = Catalog {
        streams: vec![Stream {
            descriptor: StreamDescriptor { name: name.clone(), namespace: None },
            disposition: Disposition::Append,
            generation_id: None,
        }],
    };
    let table = targets(&catalog, &config.schema, Uuid::nil())?.into_iter().next().map(|target| target.table);
    let place = table.as_deref().and_then(|table| table.split_once('/'));
    let (schema, table) = place.ok_or_else(|| Error::system("The check has no table."))?;

    let ground = Ground::reach(&config, schema, around).await?;
    let sent = format!(r#"{{"check":"{name}"}}"#);
    let passed = match one_row(&config, &catalog, around, &name, &sent).await {
        Ok(()) => ground.read_back(schema, table, &sent).await,
        Err(error) => Err(error),
    };
    let removed = ground.remove(schema, table).await;
    if let Some(trial) = ground.trial {
        trial.end().await;
    }
    passed.and(removed)
}

/// What a check stands on.
struct Ground {
    storage: Storage,
    /// Where Databricks loads the tables.
    trial: Option<Trial>,
}

impl Ground {
    /// Asks storage and Databricks for what a sync needs of each; the error lists the problems of both.
    async fn reach(config: &Config, schema: &str, around: &Surroundings) -> Result<Self> {
        let probed = async {
            let storage = Storage::open(&config.storage, &config.tuning).await?;
            storage.probe(&format!("{schema}/{NAME}{}", (around.givens.new_id)().simple())).await?;
            Ok(storage)
        };
        let tried = async {
            match &config.engine {
                Engine::Direct => Ok(None),
                Engine::Databricks(settings) => {
                    let patience = &config.tuning.patience;
                    // Says more of a warehouse than a statement that waits for it.
                    if let Some(warehouse) = warehouse(settings, patience)? {
                        warehouse.ensure_started().await?;
                    }
                    Trial::begin(connect(settings, patience)?, &config.catalog, schema).await.map(Some)
                }
            }
        };
        let ground = match futures::join!(Box::pin(probed), Box::pin(tried)) {
            (Ok(storage), Ok(trial)) => Self { storage, trial },
            (Err(one), Err(other)) => return Err(both(&one, &other)),
            (Ok(_), Err(error)) => return Err(error),
            (Err(error), Ok(trial)) => {
                if let Some(trial) = trial {
                    trial.end().await;
                }
                return Err(error);
            }
        };
        match ground.remove_left_overs(schema, around.givens.clock.now_ms()).await {
            Ok(()) => Ok(ground),
            Err(error) => {
                if let Some(trial) = ground.trial {
                    trial.end().await;
                }
                Err(error)
            }
        }
    }

    async fn read_back(&self, schema: &str, table: &str, sent: &str) -> Result<()> {
        match &self.trial {
            Some(trial) => trial.ensure_row(table, sent).await,
            None => read_back(&self.storage, &format!("{schema}/{table}"), sent).await,
        }
    }

    async fn remove_left_overs(&self, schema: &str, now_ms: i64) -> Result<()> {
        for folder in self.storage.folders(schema).await? {
            let id = folder.strip_prefix(NAME).and_then(|id| Uuid::parse_str(id).ok());
            let made = id.and_then(|id| id.get_timestamp()).map(|made| Duration::from_secs(made.to_unix().0));
            let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
            if made.is_some_and(|made| now.saturating_sub(made) > LEFT) {
                self.storage.remove_unfinished(&format!("{schema}/{folder}"), "").await?;
                self.remove(schema, &folder).await?;
            }
        }
        Ok(())
    }

    /// First the name in the catalog, then the files: a check that is killed in between is found by its folder.
    async fn remove(&self, schema: &str, table: &str) -> Result<()> {
        if let Some(trial) = &self.trial {
            trial.drop_table(table).await?;
        }
        let folder = format!("{schema}/{table}");
        self.storage.delete(&self.storage.list(&folder).await?).await?;
        self.storage.remove_empty_folder(&folder);
        self.storage.remove_empty_folder(schema);
        Ok(())
    }
}

/// Both problems as one.
fn both(one: &Error, other: &Error) -> Error {
    let kind = if one.kind() == other.kind() { one.kind() } else { Kind::Config };
    let internal = format!("{}; {}", one.internal_message(), other.internal_message());
    Error::new(kind, format!("{}\n{}", one.message(), other.message())).with_context(internal)
}

async fn one_row(config: &Config, catalog: &Catalog, around: &Surroundings, name: &str, row: &str) -> Result<()> {
    let now = around.givens.clock.now_ms();
    let message =
        format!(r#"{{"type":"RECORD","record":{{"stream":"{name}","data":{row},"emitted_at":{now}}}}}"#) + "\n";
    let sync = Sync::prepare(config, catalog, around).await?;
    let (outcome, clean_up) = sync.transfer(Cursor::new(message)).await;
    let cleaned = clean_up.run(&outcome).await;
    outcome.result.and(cleaned).context(|| "a sync with one row".to_owned())
}

async fn read_back(storage: &Storage, table: &str, sent: &str) -> Result<()> {
    let wrong = |why: &str| {
        Error::system(format!("A row was written to {} and did not come back: {why}.", storage.shown(table)))
    };
    let tables = TableLog::new(storage, &Handle::current());
    let files = tables.run(|logs| logs.read(table)?.files()).await?;
    let [file] = files.as_slice() else { return Err(wrong("the table does not have exactly one file")) };
    let bytes = storage.get(&format!("{table}/{file}")).await?;
    let reader =
        SerializedFileReader::new(bytes).map_err(|error| wrong("its file is no Parquet").with_source(error))?;
    let mut rows = reader.get_row_iter(None).map_err(|error| wrong("its file has no rows").with_source(error))?;
    match (rows.next(), rows.next()) {
        (Some(Ok(row)), None) if row.get_string(2).is_ok_and(|data| data == sent) => Ok(()),
        _ => Err(wrong("the row in its file is another one")),
    }
}
