//! `check`: does what a first sync would do, with one row, and takes it away again.
//!
//! The row goes through the same code as in `write`: staged, loaded, read back, removed. Where Databricks loads the tables, its catalog
//! and schema are tested first, and the row is read back by SQL; after a failure each step that Databricks has to do is tried on its
//! own, so that all problems are reported at once.

mod check_run;

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use self::check_run::{CheckRun, new_name};
use crate::config::{Config, Engine};
use crate::error::{Error, Problems, Result, StreamDescriptor};
use crate::protocol::catalog::{Catalog, Stream};
use crate::renewed_config::tell_platform;
use crate::sync::Context;
use crate::target::targets;
use crate::tasks::signals;

/// Tables of checks are called this and an id, which tells when they were made.
const NAME: &str = "airbyte_check_";

/// How long a request of a check is repeated.
const STORE_RETRY: Duration = Duration::from_secs(15);
/// The same for Databricks, which asks for longer pauses; a warehouse that starts is waited for as in a sync.
const DATABRICKS_RETRY: Duration = Duration::from_secs(60);

/// Runs `check` with the configuration file `config`.
pub async fn run(config: &Path, context: &Context) -> Result<()> {
    let mut config = Config::from_file(config)?;
    config.ensure_supported()?;
    config.warn();
    tell_platform(&config, context);
    // A signal must not end the process in the middle of the renewal of a token.
    signals::watch(&context.stop, || false, || {})?;
    // What a sync leaves to be looked at is of no use here, and would grow with every check.
    config.purge_staging_data = true;
    // Somebody waits for the answer: what a sync would try for minutes is told soon.
    let timeouts = &mut config.tuning.timeouts;
    timeouts.request_retry = timeouts.request_retry.min(STORE_RETRY);
    timeouts.databricks_retry = timeouts.databricks_retry.min(DATABRICKS_RETRY);
    let deadline = config.tuning.timeouts.check(matches!(config.engine, Engine::Databricks(_)));
    let ended = tokio::select! {
        ended = tokio::time::timeout(deadline, Box::pin(find_problems(&config, context))) => ended,
        () = context.stop.requested() => return Err(Error::transient("The check was stopped before it ended.")),
    };
    // What it made is taken away by the next one, as what a killed check left is.
    ended.unwrap_or_else(|_| {
        Err(Error::transient(format!(
            "The check did not finish within {} s: responses came, but too many or too slowly. Look at the storage and, if it \
             loads the tables, at Databricks.",
            deadline.as_secs()
        )))
    })
}

/// Does everything that a first sync with `config` does; the error lists all that is in the way.
async fn find_problems(config: &Config, context: &Context) -> Result<()> {
    let table = targets(&catalog(&new_name(context)), &config.schema, Uuid::nil())?.into_iter().next();
    let place = table.as_ref().and_then(|target| target.table.split_once('/'));
    let (schema, table) = place.ok_or_else(|| Error::system("The check has no table."))?;

    let mut problems = Problems::default();
    let mut check_run = CheckRun::begin(config, schema, context, &mut problems).await;
    if problems.is_empty() {
        problems.note(check_run.try_a_row(table).await);
    }
    if !problems.is_empty() {
        check_run.find_more(&mut problems).await;
    }
    check_run.end(&mut problems).await;
    problems.into_result()
}

/// A catalog of one stream, for the table `name`.
fn catalog(name: &str) -> Catalog {
    // Whatever the layout of streams: a check tries the way to a table, and the raw layout fits every record.
    Catalog { streams: vec![Stream::append(StreamDescriptor { name: name.to_owned(), namespace: None })] }
}

#[cfg(test)]
#[path = "check/check_tests.rs"]
mod tests;
