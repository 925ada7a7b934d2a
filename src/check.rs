//! `check`: does what a first sync would do, with one row, and takes it away again.
//!
//! The row goes through the very code that `write` runs: staged, loaded, read back, removed. Whatever fails on the way
//! is told in the user's words.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::config::Config;
use crate::delta::table::TableLog;
use crate::error::{Error, Result, ResultExt, StreamDescriptor};
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
    let table = table.ok_or_else(|| Error::system("The check has no table."))?;
    let storage = Storage::open(&config.storage, &config.tuning).await?;
    if let Some((schema, _)) = table.split_once('/') {
        storage.probe(&format!("{schema}/{NAME}{}", (around.givens.new_id)().simple())).await?;
        remove_left_overs(&storage, schema, around.givens.clock.now_ms()).await?;
    }

    let sent = format!(r#"{{"check":"{name}"}}"#);
    let passed = match one_row(&config, &catalog, around, &name, &sent).await {
        Ok(()) => read_back(&storage, &table, &sent).await,
        Err(error) => Err(error),
    };
    let removed = remove(&storage, &table).await;
    passed.and(removed)
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

async fn remove_left_overs(storage: &Storage, schema: &str, now_ms: i64) -> Result<()> {
    for folder in storage.folders(schema).await? {
        let id = folder.strip_prefix(NAME).and_then(|id| Uuid::parse_str(id).ok());
        let made = id.and_then(|id| id.get_timestamp()).map(|made| Duration::from_secs(made.to_unix().0));
        let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        if made.is_some_and(|made| now.saturating_sub(made) > LEFT) {
            let folder = format!("{schema}/{folder}");
            storage.remove_unfinished(&folder, "").await?;
            remove(storage, &folder).await?;
        }
    }
    Ok(())
}

async fn remove(storage: &Storage, table: &str) -> Result<()> {
    storage.delete(&storage.list(table).await?).await?;
    storage.remove_empty_folder(table);
    if let Some((schema, _)) = table.split_once('/') {
        storage.remove_empty_folder(schema);
    }
    Ok(())
}
