//! What a sync and a check work with: the storage, and the transport of statements where Databricks loads the tables.
//!
//! The storage of managed tables is a volume, which Databricks has to make first, and whose files go through the same workspace.

use std::sync::Arc;

use crate::config::{Config, DEFAULT_VOLUME, Engine, ManagedSettings, StorageSettings};
use crate::databricks::{SqlTransport, client, connect, connect_over};
use crate::error::{Error, Result};
use crate::load::sql::staging_volume::ensure_volumes;
use crate::schema::naming::identifier;
use crate::storage::{Storage, Volumes};

/// Opens the storage of `config` for tables in `schemas`, and makes the transport, if Databricks loads the tables.
///
/// # Errors
/// What is wrong with the configuration, the storage or the server.
pub async fn open(config: &Config, schemas: &[&str]) -> Result<(Storage, Option<Arc<dyn SqlTransport>>)> {
    let timeouts = &config.tuning.timeouts;
    match (&config.storage, &config.engine) {
        (StorageSettings::Managed(settings), Engine::Databricks(server)) => {
            let client = client(server, timeouts)?;
            let transport = connect_over(Arc::clone(&client), server, timeouts)?;
            let volumes = volumes(config, settings);
            ensure_volumes(transport.as_ref(), &volumes.needed(schemas.iter().copied())).await?;
            Ok((Storage::in_volumes(client, volumes, &config.tuning)?, Some(transport)))
        }
        (_, Engine::Databricks(server)) => {
            let storage = Storage::open(&config.storage, &config.tuning).await?;
            Ok((storage, Some(connect(server, timeouts)?)))
        }
        (StorageSettings::Managed(_), Engine::Direct) => Err(Error::config("Managed tables need Databricks.")),
        (_, Engine::Direct) => Ok((Storage::open(&config.storage, &config.tuning).await?, None)),
    }
}

/// The volumes of `config`, opened by a client of their own; they need not be there. `None` for other storages.
///
/// # Errors
/// A config error where no connection can be prepared.
pub fn open_volumes(config: &Config) -> Result<Option<(Storage, Volumes)>> {
    let (StorageSettings::Managed(settings), Engine::Databricks(server)) = (&config.storage, &config.engine) else {
        return Ok(None);
    };
    let volumes = volumes(config, settings);
    let client = client(server, &config.tuning.timeouts)?;
    Ok(Some((Storage::in_volumes(client, volumes.clone(), &config.tuning)?, volumes)))
}

fn volumes(config: &Config, settings: &ManagedSettings) -> Volumes {
    match &settings.staging_volume {
        Some(name) => Volumes::one(&name.catalog, &name.schema, &name.volume),
        None => Volumes::in_each_schema(&config.catalog, &identifier(&config.schema), DEFAULT_VOLUME),
    }
}
