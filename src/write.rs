//! `write`: read messages, load their records, give back the STATEs, and report what was done.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, ensure_standard_input, is_job_of_platform};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::pipeline::{Outcome, beginning};
use crate::protocol::cache::Records;
use crate::protocol::catalog::{Caller, Catalog};
use crate::renewed_config::tell_platform;
use crate::stream_schemas::StreamSchemas;
use crate::sync::{Begun, CleanUp, Context, STOPPED};
use crate::tasks::stop::Stop;
use crate::tasks::{repeat, signals};
use crate::telemetry::Terminal;
use crate::telemetry::report::{report_progress, summarise};

/// Time between two updates of the line on the terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);

/// Runs `write` with the files `config` and `catalog` on the messages of `input`.
///
/// # Errors
/// The first thing that went wrong. A clean-up that fails is a warning: the next sync repeats it.
pub async fn run(config: &Path, catalog: &Path, input: impl Read + Send + 'static, context: &Context) -> Result<()> {
    ensure_standard_input()?;
    let config = Config::from_file(config)?;
    config.ensure_supported()?;
    config.warn();
    tell_platform(&config, context);
    let caller = if is_job_of_platform() { Caller::Platform } else { Caller::Other };
    let text = Catalog::text(catalog)?;
    let mut schemas = StreamSchemas::new(&config.tables);
    let mut catalog = Catalog::from_json(&text, caller, &mut |stream, json| schemas.columns(stream, json))?;
    watch_for_stop(context)?;

    let adds = catalog.streams.iter().all(|stream| !stream.write_mode.removes_rows());
    let before_records = |error: Error| if adds { error } else { error.starting_over() };
    // Before anything is waited for: what is wrong with the storage is told at once.
    let begun = Begun::new(&config, &catalog, context).await.map_err(before_records)?;
    let looked = async {
        let (input, come_from) = look_ahead(input, caller, &catalog, &context.stop).await?;
        if come_from == Records::OfCache {
            tracing::info!(
                "The records come from PyAirbyte's cache, which writes the names of properties in small letters, digits and `_`: the \
                 tables get these names, and keys and cursors are found by them."
            );
            schemas = StreamSchemas::new(&config.tables);
            let of_cache = Caller::PyAirbyteCache;
            catalog = Catalog::from_json(&text, of_cache, &mut |stream, json| schemas.columns(stream, json))?;
        }
        Ok((input, come_from))
    };
    let (input, come_from) = match looked.await {
        Ok(looked) => looked,
        Err(error) => {
            begun.give_up(&config, context).await;
            return Err(before_records(error));
        }
    };
    drop(text);
    if config.tables.keeps_deleted {
        catalog.keep_deleted();
    }
    schemas.warn(&catalog);
    drop(schemas);

    let sync = begun.open(&config, &catalog, context).await.map_err(before_records)?;
    tracing::info!("Sync {} begins: {}.", sync.id(), counted(catalog.streams.len() as u64, "stream"));

    let progress = sync.progress();
    let reports = {
        let progress = Arc::clone(&progress);
        let mut before = progress.streams();
        repeat(config.tuning.heartbeat, move || report_progress(&progress, &mut before))
    };
    let terminal = Arc::new(Terminal::start());
    let display = terminal.is_shown().then(|| {
        let (terminal, progress) = (Arc::clone(&terminal), Arc::clone(&progress));
        repeat(TERMINAL_INTERVAL, move || terminal.show(&progress))
    });
    let (outcome, clean_up) = sync.transfer(input, come_from).await;
    drop((reports, display));
    terminal.end();

    if let Err(error) = clean(clean_up, &outcome, config.tuning.timeouts.clean_up()).await {
        // Everything is loaded and acknowledged, or the error that counts is in `outcome`. The next sync cleans up again.
        tracing::warn!("{}", error.internal_message());
    }
    summarise(&progress, &outcome);
    outcome.result
}

/// The input, of which the beginning may have been read, and where its records come from.
async fn look_ahead(
    input: impl Read + Send + 'static,
    caller: Caller,
    catalog: &Catalog,
    stop: &Stop,
) -> Result<(Box<dyn Read + Send>, Records)> {
    Ok(match caller {
        Caller::Platform | Caller::PyAirbyteCache => (Box::new(input), Records::OfSource),
        Caller::Other if !catalog.is_renamed_by_cache() => (Box::new(input), Records::Unknown { are_renamed: false }),
        Caller::Other => {
            let begun = beginning::read(input, stop).await?;
            let is_of_cache = begun.is_of_cache();
            let come_from = if is_of_cache { Records::OfCache } else { Records::Unknown { are_renamed: true } };
            (Box::new(begun), come_from)
        }
    })
}

/// Stops the sync at a signal, or when nobody reads stdout any more. If it does not end in time, a TRACE says so.
fn watch_for_stop(context: &Context) -> Result<()> {
    let (output, last) = (Arc::clone(&context.writer), Arc::clone(&context.writer));
    let clock = Arc::clone(&context.clock_and_ids.clock);
    let last_words = move || {
        let error = Error::transient("The sync was stopped, and what it was waiting for did not end in time.");
        last.error(&error, clock.now_ms());
    };
    signals::watch(&context.stop, move || output.is_closed(), last_words)
}

/// Cleans up. After a failure this takes at most `most`: the user must get the reason although the storage may not answer.
/// A sync with work still under way has to finish its clean-up, or other syncs would take it for dead.
async fn clean(clean_up: CleanUp, outcome: &Outcome, most: Duration) -> Result<()> {
    let cleaning = clean_up.run(outcome);
    let is_stopped = outcome.stopped.is_some();
    if outcome.result.is_ok() || !(outcome.idle || is_stopped) {
        return cleaning.await;
    }
    let most = if is_stopped { most.min(STOPPED) } else { most };
    tokio::time::timeout(most, cleaning).await.unwrap_or_else(|_| {
        Err(Error::transient(format!(
            "Cleaning up after the failure did not end within {most:.0?}: the next sync clears away what is left."
        )))
    })
}
